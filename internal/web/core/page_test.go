package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// caller is a core that a page calls: this one, or the one that is built for browsers.
type caller interface {
	call(message, attached []byte) (answer, more []byte)
}

// page is what a page does with a core, in Go: it keeps the rows, makes the requests, and calls again.
type page struct {
	testing.TB
	fresh func() caller
	core  caller
	http  *http.Client

	// What is kept.
	settings   json.RawMessage
	nick, seed string
	rows       [][]byte
	writes     bool

	asks   []*asked
	wake   int64
	listen *listening
	events []map[string]any

	// ahead is how far the clock of the core is ahead, and cut how many answers are lost to come.
	ahead time.Duration
	cut   int

	// dies reports at each point of what a page does whether it ends there: everything but what is kept is lost then.
	dies  func(at string) bool
	lives int
}

// answered is what a core has answered, as a page reads it.
type answered struct {
	Failed   *failure          `json:"failed"`
	Result   json.RawMessage   `json:"result"`
	Rows     []int             `json:"rows"`
	Snapshot bool              `json:"snapshot"`
	Settings json.RawMessage   `json:"settings"`
	Nick     string            `json:"nick"`
	Attached int               `json:"attached"`
	Events   []json.RawMessage `json:"events"`
	Ask      []*asked          `json:"ask"`
	Listen   *listening        `json:"listen"`
	Wake     int64             `json:"wake"`
	Dead     bool              `json:"dead"`

	more []byte
}

// died ends what a page was about to do.
type died struct{}

// linkTo makes the invitation to a room of a channel.
func linkTo(t testing.TB, relay string, channel relaytest.Channel, key fernet.Key, fields ...int) string {
	t.Helper()
	i := invite.Invitation{
		Relay: relay, Channel: channel.ID, Fields: fields, Profile: passphrase.Fernpost(), Name: "lab", Keys: []fernet.Key{key},
		ReadKey: channel.ReadKey, WriteKey: channel.WriteKey,
	}
	link, err := i.Link()
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// join opens the room of a link for somebody new.
func join(t testing.TB, fresh func() caller, client *http.Client, link, nick string) *page {
	t.Helper()
	p := &page{TB: t, fresh: fresh, http: client, nick: nick, writes: true}
	p.core = fresh()
	t.Cleanup(func() { p.end() })
	var who identityResult
	p.ask(&who, map[string]any{"op": "identity", "nick": nick})
	var at struct {
		Settings json.RawMessage `json:"settings"`
	}
	p.ask(&at, map[string]any{"op": "link", "link": link})
	p.settings, p.seed = at.Settings, who.Seed
	p.open()
	return p
}

// open fills a core with what is kept.
func (p *page) open() {
	p.Helper()
	p.end()
	p.core, p.asks, p.wake, p.listen = p.fresh(), nil, 0, nil
	p.lives++
	var lengths []int
	for _, row := range p.rows {
		lengths = append(lengths, len(row))
	}
	r := p.call(map[string]any{
		"op": "open", "settings": p.settings, "nick": p.nick, "seed": p.seed, "rows": lengths, "writes": p.writes, "start": p.lives == 1,
	}, bytes.Join(p.rows, nil))
	if r.Failed != nil {
		p.Fatalf("opening: %v", r.Failed)
	}
}

// end ends the coroutines of a core in this process.
func (p *page) end() {
	if c, ok := p.core.(*core); ok && c.follows != nil {
		c.follows.stop()
		c.posts.stop()
	}
}

// at asks whether the page dies.
func (p *page) at(point string) {
	if p.dies != nil && p.dies(point) {
		panic(died{})
	}
}

// call calls the core, and does what it says, up to the requests.
func (p *page) call(message map[string]any, attached []byte) *answered {
	p.Helper()
	text, err := json.Marshal(message)
	if err != nil {
		p.Fatal(err)
	}
	answer, more := p.core.call(text, attached)
	var r answered
	if err := json.Unmarshal(answer, &r); err != nil {
		p.Fatalf("%v in %q", err, answer)
	}
	if r.Dead {
		p.Fatalf("the core died: %v", r.Failed)
	}
	p.at("called")
	r.more = more[:r.Attached]
	if more = more[r.Attached:]; r.Snapshot {
		p.rows = nil
	}
	for _, n := range r.Rows {
		p.rows, more = append(p.rows, slices.Clone(more[:n])), more[n:]
	}
	if r.Settings != nil {
		p.settings, p.nick = r.Settings, r.Nick
	}
	p.at("kept")
	for _, e := range r.Events {
		var event map[string]any
		if err := json.Unmarshal(e, &event); err != nil {
			p.Fatal(err)
		}
		p.events = append(p.events, event)
	}
	p.asks, p.wake, p.listen = append(p.asks, r.Ask...), r.Wake, r.Listen
	return &r
}

// ask asks the core for something, and fails where that is refused.
func (p *page) ask(to any, message map[string]any) []byte {
	p.Helper()
	r := p.call(message, nil)
	if r.Failed != nil {
		p.Fatalf("%v: %v", message["op"], r.Failed)
	}
	if to != nil {
		if err := json.Unmarshal(r.Result, to); err != nil {
			p.Fatal(err)
		}
	}
	return r.more
}

// fetch makes a request.
func (p *page) fetch(q *asked) (a answerOf, body []byte) {
	p.Helper()
	a = answerOf{N: q.N, Headers: map[string]string{}}
	var content io.Reader
	if q.Body != nil {
		content = strings.NewReader(*q.Body)
	}
	r, err := http.NewRequestWithContext(p.Context(), q.Method, q.URL, content)
	if err != nil {
		p.Fatal(err)
	}
	for name, value := range q.Headers {
		r.Header.Set(name, value)
	}
	got, err := p.http.Do(r)
	if err != nil {
		a.Failed = "unreachable"
		return a, nil
	}
	defer got.Body.Close()
	a.Status = got.StatusCode
	for name := range got.Header {
		a.Headers[strings.ToLower(name)] = got.Header.Get(name)
	}
	body, err = io.ReadAll(got.Body)
	if a.Bytes = int64(len(body)); err != nil {
		a.Failed = "cut"
	}
	return a, body
}

// step makes a request that the core waits for, or calls it if that is due, and reports whether there was something to do.
func (p *page) step() bool {
	p.Helper()
	if len(p.asks) > 0 {
		q := p.asks[0]
		p.asks = p.asks[1:]
		p.at("asking")
		a, body := p.fetch(q)
		p.at("fetched")
		p.call(map[string]any{"op": "answer", "answer": a}, body)
		return true
	}
	if p.wake == 0 || time.Now().Before(p.due()) {
		return false
	}
	p.call(map[string]any{"op": "wake"}, nil)
	return true
}

// due is when the core is to be called again.
func (p *page) due() time.Time { return time.UnixMilli(p.wake).Add(-p.ahead) }

// until goes on with pages until something is so. Whichever dies is opened again. Time passes when all of them wait.
func until(t testing.TB, what string, is func() bool, pages ...*page) {
	t.Helper()
	for n := 0; !is(); n++ {
		if n == 3000 {
			last := pages[0].events
			t.Fatalf("%s: not after %d rounds; last events: %v", what, n, last[max(0, len(last)-5):])
		}
		busy, wake := false, time.Time{}
		for _, p := range pages {
			p.survive(func() { busy = p.step() || busy })
			if due := p.due(); p.wake > 0 && (wake.IsZero() || due.Before(wake)) {
				wake = due
			}
		}
		if !busy {
			time.Sleep(time.Until(wake)) // in a bubble
		}
	}
}

// survive does something, and opens the page again if it dies meanwhile. It reports whether that was done.
func (p *page) survive(do func()) (done bool) {
	p.Helper()
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case died:
			dies := p.dies
			p.dies = nil
			p.open()
			p.dies = dies
		default:
			panic(r)
		}
	}()
	do()
	return true
}

// insist sends a text until it is kept, as a user does whose page has ended.
func (p *page) insist(text string) {
	p.Helper()
	for !p.survive(func() { p.send(text) }) {
	}
}

// send sends a text.
func (p *page) send(text string) {
	p.Helper()
	p.ask(nil, map[string]any{"op": "send", "body": map[string]any{"text": text}, "once": text})
}

// texts are what the page has shown of texts, each once, in the order of their coming.
func (p *page) texts() (all []string) {
	for _, m := range p.history() {
		if m.Text != nil {
			all = append(all, *m.Text)
		}
	}
	return all
}

// refused returns the code of why a message is refused.
func (p *page) refused(message string) string {
	var m map[string]any
	if err := json.Unmarshal([]byte(message), &m); err != nil {
		p.Fatal(err)
	}
	r := p.call(m, nil)
	if r.Failed == nil {
		return ""
	}
	return r.Failed.Code
}

// found returns the kinds of the findings that stand.
func (p *page) found() (kinds []string) {
	for _, e := range p.of("finding") {
		kind, _ := e["finding"].(string)
		if kind == "repeat" || kind == "not ours" { // they are counted, and not kept
			continue
		}
		if e["taken_back"] == true {
			kinds = slices.DeleteFunc(kinds, func(k string) bool { return k == kind })
		} else {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// history is what is kept.
func (p *page) history() (all []shownMessage) {
	p.Helper()
	p.ask(&all, map[string]any{"op": "history"})
	return all
}

// of returns the events of a type.
func (p *page) of(kind string) (all []map[string]any) {
	for _, e := range p.events {
		if e["type"] == kind {
			all = append(all, e)
		}
	}
	return all
}
