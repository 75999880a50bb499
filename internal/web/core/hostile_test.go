package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/testenv"
)

// lying is a way to the relay on which answers are altered, cut, put in another order, made up and lost, while lies is set.
type lying struct {
	way    http.RoundTripper
	random *rand.Rand
	lies   *atomic.Bool
}

func (l lying) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := l.way.RoundTrip(r)
	if err != nil || !l.lies.Load() || l.random.IntN(3) > 0 || strings.Contains(r.URL.Path, "stream") {
		return a, err
	}
	body, err := io.ReadAll(a.Body)
	if err = errors.Join(err, a.Body.Close()); err != nil {
		return nil, err
	}
	if r.Method != http.MethodGet { // whatever has come of it
		switch l.random.IntN(4) {
		case 0:
			return nil, errors.New("the line is cut")
		case 1:
			body = []byte(strconv.Itoa(l.random.IntN(40)))
		case 2:
			a.StatusCode = http.StatusServiceUnavailable
		}
	} else {
		body = l.alter(a, body)
	}
	a.Body, a.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	a.Header.Del("Content-Length")
	a.Header.Del("ETag")
	return a, nil
}

func (l lying) alter(a *http.Response, body []byte) []byte {
	lines := slices.Collect(bytes.Lines(body))
	pick := func() int { return min(1, len(lines)-1) + l.random.IntN(max(len(lines)-1, 1)) } // no header, where there are rows
	if len(lines) == 0 {
		return body
	}
	switch i, j := pick(), pick(); l.random.IntN(9) {
	case 0:
		lines = slices.Delete(lines, i, i+1)
	case 1:
		lines = slices.Insert(lines, j, lines[i])
	case 2:
		lines[i], lines[j] = lines[j], lines[i]
	case 3: // a letter is another one
		at := l.random.IntN(len(lines[i]))
		lines[i] = slices.Clone(lines[i])
		lines[i][at] = "Ag4_, \x1b"[l.random.IntN(7)]
	case 4: // a row of another number
		number := []string{"9007199254740992", "9223372036854775807", "0", "-1", strconv.Itoa(l.random.IntN(99999))}[l.random.IntN(5)]
		if cells := bytes.SplitN(lines[i], []byte(","), 3); len(cells) == 3 {
			lines[i] = bytes.Join([][]byte{cells[0], []byte(number), cells[2]}, []byte(","))
		} else {
			lines[i] = []byte(number)
		}
	case 5: // another date
		if cells := bytes.SplitN(lines[i], []byte(","), 2); len(cells) == 2 {
			lines[i] = bytes.Join([][]byte{[]byte("2019-01-01 00:00:00 UTC"), cells[1]}, []byte(","))
		}
	case 6:
		return body[:l.random.IntN(len(body))]
	case 7:
		a.StatusCode = []int{500, 404, 301, 200, 418}[l.random.IntN(5)]
		return []byte("<html>\x1b[2J please log in</html>")
	case 8:
		lines = lines[:1]
	}
	return bytes.Join(lines, nil)
}

// hostile is a room in which everybody lies who may.
type hostile struct {
	*testing.T
	random   *rand.Rand
	relay    *relaytest.Server
	channel  relaytest.Channel
	context  record.Context
	ring     fernet.Ring
	client   *http.Client
	mal      record.Identity
	last     uint32 // number of mal's
	previous record.ShortHash
}

// update posts fields as whoever has the write key can.
func (h *hostile) update(fields ...string) {
	h.Helper()
	form := url.Values{"api_key": {h.channel.WriteKey}}
	for i, text := range fields {
		form.Set("field"+strconv.Itoa(i+1), text)
	}
	r, err := h.client.PostForm(h.relay.URL+"/update", form)
	if err != nil {
		h.Fatal(err)
	}
	r.Body.Close()
}

// seal posts cells, without those that are left out.
func (h *hostile) seal(cells [][record.CellSize]byte, without int) {
	h.Helper()
	var fields []string
	for i := range cells {
		if i == without {
			continue
		}
		text, err := h.ring.Seal(cells[i][:], time.Now())
		if err != nil {
			h.Fatal(err)
		}
		if fields = append(fields, text); len(fields) == 8 {
			h.update(fields...)
			fields = nil
		}
	}
	if len(fields) > 0 {
		h.update(fields...)
	}
}

// write has mal sign something.
func (h *hostile) write(next bool, nick string, body record.Body, seen record.Seen) record.Signed {
	h.Helper()
	r := record.Record{Number: h.last + 1, Previous: h.previous, Clock: time.Now().UnixMilli(), Nick: nick, Body: body, Seen: seen}
	s, err := record.Sign(h.mal, h.context, r)
	if err != nil {
		h.Fatal(err)
	}
	if next {
		h.last, h.previous = s.Number, s.Hash.Short()
	}
	return s
}

// forged is in what nobody honest has written.
const forged = "FORGED"

// spoil does one of the things that an insider or a holder of the write key can do to others, who are known by their keys.
func (h *hostile) spoil(victims []record.PublicKey) {
	h.Helper()
	victim := victims[h.random.IntN(len(victims))]
	tag, number := victim.Tag(), uint32(1+h.random.IntN(60))
	nick := []string{"", "mal", "anа", "a\u200bna", "bo\u202e", "ana"}[h.random.IntN(6)] // of which some are none that counts
	if record.CheckNickname(nick) != nil {
		nick = ""
	}
	cut := func(s record.Signed, tag record.Tag, number uint32, without int) {
		cells, err := record.Cut(s.Bytes, tag, number)
		if err != nil {
			h.Fatal(err)
		}
		h.seal(cells, without)
	}
	text := record.Text(forged + " \x1b[2J\u202e ana 3: yes" + strings.Repeat("x", h.random.IntN(300)))
	switch h.random.IntN(12) {
	case 0: // in somebody else's place, and with their key
		s := h.write(false, nick, text, record.Seen{})
		mine := h.mal.Public()
		if h.random.IntN(4) > 0 {
			s.Bytes = bytes.Replace(s.Bytes, mine[:], victim[:], 1)
		}
		cut(s, tag, s.Number, -1)
	case 1: // half of it
		cut(h.write(false, nick, text, record.Seen{}), tag, number, 0)
	case 2: // their own words, which say all they want
		s := h.write(true, nick, text, record.Seen{})
		cut(s, s.Tag, s.Number, -1)
	case 3: // two versions
		s := h.write(false, nick, text, record.Seen{})
		cut(s, s.Tag, s.Number, -1)
		s = h.write(true, nick, text+"!", record.Seen{})
		cut(s, s.Tag, s.Number, -1)
	case 4: // that others have written what they have not
		s := h.write(true, nick, text, record.Seen{Tag: tag, Number: []uint32{number, 1 << 31}[h.random.IntN(2)], Hash: record.ShortHash{7}})
		cut(s, s.Tag, s.Number, -1)
	case 5:
		s := h.write(true, nick, record.Device{Key: victim}, record.Seen{})
		cut(s, s.Tag, s.Number, -1)
	case 6:
		s := h.write(true, nick, record.KeyMoved{Key: record.KeyID{byte(h.random.Uint32())}}, record.Seen{})
		cut(s, s.Tag, s.Number, -1)
	case 7: // a text that nobody has signed
		sealed, err := h.ring.Seal([]byte(forged+" \x1b]0;x\x07"), time.Now())
		if err != nil {
			h.Fatal(err)
		}
		h.update(sealed)
	default: // what the write key is enough for
		all := h.relay.Entries(h, h.channel.ID)
		if len(all) == 0 {
			return
		}
		copied := all[h.random.IntN(len(all))]
		var fields []string
		for i := range copied.Fields {
			f := copied.Fields[i].Text
			switch h.random.IntN(6) {
			case 0:
				f = f[:len(f)/2]
			case 1:
				f = "b'" + f[:min(len(f), 250)] + "'"
			case 2:
				f = forged + " \x1b[31m in clear"
			}
			fields = append(fields, f)
		}
		h.random.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		h.update(fields...)
	}
}

// honest is somebody who tells the truth, and what they have said, in order.
type honest struct {
	name string
	key  record.PublicKey
	said []string
}

// checkShown holds what somebody is shown of honest people against what those have said.
func checkShown(t *testing.T, reader string, by *honest, shown []model.Item) {
	t.Helper()
	last := uint32(0)
	for i := range shown {
		it := &shown[i]
		if it.Record == nil || it.Record.Author != by.key {
			continue
		}
		text, isText := it.Text()
		n := it.Record.Number
		if !isText || n == 0 || int(n) > len(by.said) || by.said[n-1] != text {
			t.Errorf("%s is shown %s %d: %q", reader, by.name, n, text)
		}
		if n == last {
			t.Errorf("%s is shown %s %d twice", reader, by.name, n)
		}
		last = n
	}
}

// One world in which a relay lies, an insider has the key, somebody else the key to write, and both hostile texts and names: in the end
// honest people are shown all that honest people have said, once, and nothing else under their keys; nobody honest is
// proven a liar; and no character reaches a screen that would control it. FERNPOST_OPERATIONS says how much is done.
func TestOneHostileWorld(t *testing.T) {
	testenv.Unwatched(t)
	operations := 250
	if text := os.Getenv("FERNPOST_OPERATIONS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		operations = n
	}
	random := testenv.Random(t)
	synctest.Test(t, func(t *testing.T) { hostileWorld(t, random, operations) })
}

func hostileWorld(t *testing.T, random *rand.Rand, operations int) {
	relay := relaytest.InBubble(t)
	channel, key := relay.CreateChannel(t, relaytest.AllFields(true)), fernet.GenerateKey()
	fields := []int{1, 2, 3, 4, 5, 6, 7, 8}
	ring, err := fernet.NewRing(key)
	if err != nil {
		t.Fatal(err)
	}
	h := &hostile{
		T: t, random: random, relay: relay, channel: channel, ring: ring, client: relay.Client(t), mal: record.NewIdentity([record.KeySize]byte{66}),
		context: record.Context{Salt: record.Salt(passphrase.RoomSalt(channel.ID)), Key: record.KeyID(key.ID())},
	}
	var lies atomic.Bool
	way := func() http.RoundTripper { return lying{relay.Transport(t), random, &lies} }

	programs := map[*honest]*program{}
	var people []*honest
	var keys []record.PublicKey
	for _, name := range []string{"ana", "bo"} {
		p := newProgramBy(t, way(), relay.URL, channel, key, name, fields...)
		who := &honest{name: name}
		who.said = append(who.said, name+" is here")
		p.send(record.Text(who.said[0]))
		p.in(func(r *messenger.Room) error {
			who.key, _ = r.Own()
			return nil
		})
		programs[who], people, keys = p, append(people, who), append(keys, who.key)
	}
	page := join(t, native, &http.Client{Transport: way()}, linkTo(t, relay.URL, channel, key, fields...), "cy")
	cy := &honest{name: "cy", said: []string{"cy is here"}}
	page.send(cy.said[0])
	until(t, "cy is here", func() bool {
		for _, m := range page.history() {
			if m.Text != nil && *m.Text == cy.said[0] && m.Back != nil && *m.Back {
				cy.key = *m.Key
			}
		}
		return cy.key != record.PublicKey{}
	}, page)
	people, keys = append(people, cy), append(keys, cy.key)

	// read reads with a program, and returns what is kept, whatever the relay has said.
	read := func(p *program) (all []model.Item, found []record.Finding) {
		p.in(func(r *messenger.Room) error {
			_, _ = r.Read(t.Context())
			standing, _, err := r.Standing()
			found = standing
			return errors.Join(err, r.History(0, func(it *model.Item) error {
				all = append(all, *it)
				return nil
			}))
		})
		return all, found
	}
	check := func() {
		for who, p := range programs {
			all, found := read(p)
			for _, by := range people {
				checkShown(t, who.name, by, all)
			}
			for i := range found {
				f := &found[i]
				if text := f.Text(); text != screen.Text(text) {
					t.Errorf("%s is told %q", who.name, text)
				}
				if slices.Contains(keys, f.Author) && f.By.IsZero() && (f.Kind == record.Fork || f.Kind == record.Contradiction || f.Kind == record.Malformed) {
					t.Errorf("%s is told of somebody honest: %s", who.name, f.Text())
				}
			}
		}
		for _, m := range page.history() {
			for _, by := range people {
				if m.Key != nil && *m.Key == by.key && (m.Text == nil || m.Number == nil || int(*m.Number) > len(by.said) || by.said[*m.Number-1] != *m.Text) {
					t.Errorf("the page is shown %+v of %s", m, by.name)
				}
			}
		}
	}

	lies.Store(true)
	goroutines := 0
	for n := range operations {
		switch random.IntN(10) {
		case 0, 1: // somebody says something
			who := people[random.IntN(len(people))]
			text := fmt.Sprintf("%s says %d %s", who.name, n, strings.Repeat("y", random.IntN(200)))
			if p := programs[who]; p != nil {
				p.in(func(r *messenger.Room) error {
					_, err := r.Send(t.Context(), record.Text(text), messenger.SendOptions{})
					if _, waits := errors.AsType[*messenger.WaitsError](err); err == nil || waits {
						who.said = append(who.said, text)
						return nil
					}
					return nil // nothing was written: as where the relay would have to be read first
				})
			} else if r := page.call(map[string]any{"op": "send", "body": map[string]any{"text": text}, "once": text}, nil); r.Failed == nil {
				who.said = append(who.said, text)
			}
		case 2, 3:
			for _, p := range programs {
				p.in(func(r *messenger.Room) error {
					_, _ = r.Read(t.Context()) // whatever the relay has said
					return nil
				})
			}
		case 4:
			time.Sleep(time.Duration(random.IntN(300)) * time.Second)
		case 5:
			end := time.Now().Add(20 * time.Second)
			until(t, "the page has looked", func() bool { return time.Now().After(end) }, page)
		default:
			h.spoil(keys)
		}
		if n%max(50, operations/50) == 0 {
			check()
		}
		if n == operations/3 {
			goroutines = runtime.NumGoroutine()
		}
		if t.Failed() {
			t.Fatalf("after %d operations", n+1)
		}
	}
	if now := runtime.NumGoroutine(); now > goroutines+20 {
		t.Errorf("%d goroutines have become %d", goroutines, now)
	}

	// From here on the relay tells the truth. What waits goes out, and what was hidden comes.
	lies.Store(false)
	for range 8 {
		for _, p := range programs {
			p.in(func(r *messenger.Room) error {
				_, _, err := r.Retry(t.Context(), messenger.SendOptions{})
				return err
			})
		}
		end := time.Now().Add(20 * time.Minute)
		until(t, "twenty minutes have passed", func() bool { return time.Now().After(end) }, page)
		check()
	}
	for _, by := range people {
		for who, p := range programs {
			all, _ := read(p)
			var shown []string
			for i := range all {
				if text, isText := all[i].Text(); isText && all[i].Record != nil && all[i].Record.Author == by.key {
					shown = append(shown, text)
				}
			}
			if !sameTexts(shown, by.said) {
				t.Errorf("%s has said %d texts, %s is shown %d: %q", by.name, len(by.said), who.name, len(shown), missingOf(by.said, shown))
			}
		}
		var shown []string
		for _, m := range page.history() {
			if m.Key != nil && *m.Key == by.key && m.Text != nil {
				shown = append(shown, *m.Text)
			}
		}
		if !sameTexts(shown, by.said) {
			t.Errorf("%s has said %d texts, the page is shown %d: %q", by.name, len(by.said), len(shown), missingOf(by.said, shown))
		}
	}
}

// sameTexts reports whether the same texts are there, each as often. What the relay did not take at once, whatever it had said, stands
// behind what was written later.
func sameTexts(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// missingOf returns what is not there.
func missingOf(want, got []string) []string {
	return slices.DeleteFunc(slices.Clone(want), func(s string) bool { return slices.Contains(got, s) })
}
