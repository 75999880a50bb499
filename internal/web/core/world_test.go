package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/export"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/cheat"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
)

// What a relay does to the feed, a page finds as the program does.
func TestAPageFindsWhatTheProgramFinds(t *testing.T) {
	for _, lie := range []cheat.Lies{cheat.Drop, cheat.Alter, cheat.Backdate, cheat.Repeat, cheat.Reorder} {
		t.Run(lie.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testLie(t, lie) })
		})
	}
}

func testLie(t *testing.T, lie cheat.Lies) {
	relay := relaytest.InBubble(t, relaytest.Cheat(lie))
	channel, key := relay.CreateChannel(t, relaytest.AllFields(true)), fernet.GenerateKey()
	fields := []int{1, 2, 3, 4, 5, 6, 7, 8}
	writer := newProgram(t, relay, channel, key, "bo", fields...)
	ana := join(t, native, relay.Client(t), linkTo(t, relay.URL, channel, key, fields...), "ana")
	reader := newProgram(t, relay, channel, key, "cy", fields...)
	for n := range 9 {
		writer.send(record.Text(fmt.Sprint("text ", n+1)))
		deadline := time.Now().Add(3 * time.Second)
		until(t, "the page has looked", func() bool { return time.Now().After(deadline) }, ana)
		reader.read()
	}
	// What may still come is waited for: long enough for the page to say that it does not.
	deadline := time.Now().Add(2 * time.Hour)
	until(t, "two hours have passed", func() bool { return time.Now().After(deadline) }, ana)
	for range 6 {
		time.Sleep(10 * time.Minute)
		reader.read()
	}
	all, standing := reader.read()
	var kinds, texts []string
	for _, f := range standing {
		kinds = append(kinds, f.Kind.String())
	}
	for i := range all {
		text, _ := all[i].Text()
		texts = append(texts, text)
	}
	if lie == cheat.Repeat { // which every reading tells, and no archive keeps
		if told := ana.of("finding"); !slices.ContainsFunc(told, func(e map[string]any) bool {
			return e["finding"] == "repeat" && e["text"] == "2 tokens repeated from before, not shown again"
		}) {
			t.Errorf("of what was shown twice the page tells %v", told)
		}
	}
	slices.Sort(kinds)
	if kinds = slices.Compact(kinds); !slices.Equal(ana.found(), kinds) {
		t.Errorf("the page finds %q, the program %q", ana.found(), kinds)
	}
	if !slices.Equal(ana.texts(), texts) {
		t.Errorf("the page shows %q, the program %q", ana.texts(), texts)
	}
	// Whoever loaded the page anew was told of nothing that is wrong.
	ana.events = nil
	ana.open()
	if got := ana.found(); !slices.Equal(got, kinds) {
		t.Errorf("loaded anew the page finds %q, the program %q", got, kinds)
	}
}

// Once somebody whose words were compared has moved the room to another key, a page posts nothing under the old one, and says so.
func TestAPageSeesThatTheRoomHasMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := relaytest.InBubble(t)
		channel, key := relay.CreateChannel(t, relaytest.AllFields(true)), fernet.GenerateKey()
		bo := newProgram(t, relay, channel, key, "bo", 1, 2, 3, 4)
		ana := join(t, native, relay.Client(t), linkTo(t, relay.URL, channel, key, 1, 2, 3, 4), "ana")
		bo.send(record.Text("hello"))
		until(t, "ana reads bo", func() bool { return ana.shows("hello") }, ana)
		ana.ask(nil, map[string]any{"op": "verify", "key": ana.history()[0].Key.String()})
		settings, err := bo.engine.Find("lab")
		if err != nil {
			t.Fatal(err)
		}
		next := fernet.GenerateKey()
		if err := bo.engine.Rotate(t.Context(), settings, next.RevealBytes(), func() error { return nil }, messenger.Face{}); err != nil {
			t.Fatal(err)
		}
		until(t, "ana is told of the move", func() bool {
			return slices.ContainsFunc(ana.of("message"), func(e map[string]any) bool {
				m, _ := e["message"].(map[string]any)
				return m["kind"] == "key moved" && m["notice"] != nil
			})
		}, ana)
		r := ana.call(map[string]any{"op": "send", "body": map[string]any{"text": "under the old key"}}, nil)
		if r.Failed == nil || r.Failed.Code != "moved" || r.Failed.Hint == "" {
			t.Errorf("the page sends all the same: %+v", r.Failed)
		}
		// With a new invitation the room goes on, and what was there before stays.
		var at struct {
			ID       string          `json:"id"`
			Settings json.RawMessage `json:"settings"`
		}
		ana.ask(&at, map[string]any{
			"op": "link", "settings": ana.settings, "link": linkTo(t, relay.URL, channel, next, 1, 2, 3, 4),
		})
		ana.settings = at.Settings
		ana.open()
		ana.send("under the new key")
		bo.send(record.Text("here, too"))
		until(t, "the room goes on", func() bool { return len(ana.texts()) == 3 && ana.shows(ana.texts()...) }, ana)
		all, found := bo.read()
		if n := len(all); n != 4 || len(found) > 0 || len(ana.found()) > 0 {
			t.Errorf("bo reads %d messages, finds %v; ana finds %q", n, found, ana.found())
		}
	})
}

// A page sealed a file that took hours to post without a word.
func TestALongTransferIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := relaytest.InBubble(t, relaytest.Interval(20*time.Minute))
		channel, key := relay.CreateChannel(t, relaytest.AllFields(true)), fernet.GenerateKey()
		ana := join(t, native, relay.Client(t), linkTo(t, relay.URL, channel, key, 1, 2, 3, 4, 5, 6, 7, 8), "ana")
		until(t, "the relay has told what it grants", func() bool { return ana.core.(*core).limits != nil }, ana)
		file := map[string]any{"file": map[string]any{"name": "a", "media": "b"}}
		long := make([]byte, 1000*8*105)
		r := ana.call(map[string]any{"op": "send", "body": file}, long)
		if r.Failed == nil || r.Failed.Code != "long" || !strings.Contains(r.Failed.Text, "2 bulk calls, about 20m0s") {
			t.Errorf("a long transfer: %+v", r.Failed)
		}
		var queue []queuedResult
		if ana.ask(&queue, map[string]any{"op": "outbox"}); len(queue) > 0 {
			t.Errorf("%d messages wait that nobody has agreed to", len(queue))
		}
		ana.ask(nil, map[string]any{"op": "send", "body": map[string]any{"text": "short"}})
		if r := ana.call(map[string]any{"op": "send", "body": file, "long": true}, long); r.Failed != nil {
			t.Errorf("a long transfer that is wanted: %+v", r.Failed)
		}
		if ana.ask(&queue, map[string]any{"op": "outbox"}); len(queue) != 2 {
			t.Errorf("%d messages wait", len(queue))
		}
	})
}

// A relay of the service's kind refuses an update that comes too soon with status 200 and the text 0: that was not stored, and is
// posted again.
func TestAnUpdateThatIsRefusedWithZeroIsPostedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := relaytest.InBubble(t)
		channel := relay.CreateChannel(t, relaytest.AllFields(true))
		ana := join(t, native, relay.Client(t), linkTo(t, relay.URL, channel, fernet.GenerateKey(), 1, 2, 3, 4), "ana")
		relay.Inject(relaytest.On("/update", relaytest.Times(2, relaytest.Answer(http.StatusOK, "text/plain", "0"))))
		ana.send("hello")
		until(t, "it was read back", func() bool { return ana.shows("hello") }, ana)
		if n := len(relay.Entries(t, channel.ID)); n != 1 {
			t.Errorf("it was stored %d times", n)
		}
		slow := slices.DeleteFunc(ana.of("relay"), func(e map[string]any) bool { return e["state"] != "slow" })
		if len(slow) != 2 || slow[0]["reason"] != "busy" || slow[0]["until"] == nil {
			t.Errorf("of the waits the page is told %v", slow)
		}
	})
}

// A relay that answers nothing for a while, a reply that is lost, and a page that was asleep for an hour in the middle: it is told,
// and what was sent is there once.
func TestAPhoneThatLosesItsNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := relaytest.InBubble(t)
		channel := relay.CreateChannel(t, relaytest.AllFields(true))
		ana := join(t, native, relay.Client(t), linkTo(t, relay.URL, channel, fernet.GenerateKey(), 1, 2, 3, 4), "ana")
		ana.http = &http.Client{Transport: unreliable{ana.http.Transport, ana}}
		ana.send("one")
		until(t, "one was read back", func() bool { return ana.shows("one") }, ana)
		ana.cut = 7 // the answers to so many requests
		ana.send("two")
		time.Sleep(time.Hour) // the phone sleeps
		until(t, "two was read back", func() bool { return ana.shows("one", "two") }, ana)
		if n := len(relay.Entries(t, channel.ID)); n != 2 {
			t.Errorf("%d entries are stored, want 2", n)
		}
		states := map[any]bool{}
		for _, e := range ana.of("relay") {
			states[e["state"]] = true
		}
		if !states["away"] || !states["back"] {
			t.Errorf("of the relay the page is told %v", states)
		}
	})
}

// unreliable loses answers as long as the page has no network.
type unreliable struct {
	http.RoundTripper

	p *page
}

func (u unreliable) RoundTrip(r *http.Request) (*http.Response, error) {
	got, err := u.RoundTripper.RoundTrip(r)
	if err == nil && u.p.cut > 0 {
		u.p.cut--
		return nil, errors.Join(errors.New("the network is gone"), got.Body.Close())
	}
	return got, err
}

// A second tab shows what the first one keeps, and writes nothing. Once the first one has ended it goes on where that was.
func TestASecondTabOnlyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := relaytest.InBubble(t)
		channel := relay.CreateChannel(t, relaytest.AllFields(true))
		first := join(t, native, relay.Client(t), linkTo(t, relay.URL, channel, fernet.GenerateKey(), 1, 2), "ana")
		second := &page{TB: t, fresh: native, http: first.http, settings: first.settings, nick: first.nick, seed: first.seed}
		second.rows = slices.Clone(first.rows)
		second.open()
		had := len(first.rows)
		first.send("one")
		until(t, "it was read back", func() bool { return first.shows("one") }, first)
		for _, row := range first.rows[had:] {
			second.call(map[string]any{"op": "rows", "rows": []int{len(row)}}, row)
		}
		if !second.shows("one") || len(second.of("message")) != 1 || len(second.asks) > 0 {
			t.Errorf("the second tab shows %q, was told %v, and asks for %d things", second.texts(), second.of("message"), len(second.asks))
		}
		if r := second.call(map[string]any{"op": "send", "body": map[string]any{"text": "no"}}, nil); r.Failed == nil || r.Failed.Code != "readonly" {
			t.Errorf("the second tab writes: %+v", r.Failed)
		}
		first.end()
		second.rows, second.settings, second.writes = first.rows, first.settings, true
		second.open()
		t.Cleanup(second.end)
		second.send("two")
		until(t, "two was read back", func() bool { return second.shows("one", "two") }, second)
		if found := second.found(); len(found) > 0 {
			t.Errorf("found: %q", found)
		}
	})
}

// After many messages a snapshot takes the place of the rows, and a page that is filled with it is the same.
func TestRowsAreCompacted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := relaytest.InBubble(t)
		channel, key := relay.CreateChannel(t, relaytest.AllFields(true)), fernet.GenerateKey()
		bo := newProgram(t, relay, channel, key, "bo", 1, 2, 3, 4)
		ana := join(t, native, relay.Client(t), linkTo(t, relay.URL, channel, key, 1, 2, 3, 4), "ana")
		for n := range 60 {
			bo.send(record.Text(fmt.Sprint("text ", n)))
			ana.send(fmt.Sprint("answer ", n))
			until(t, "all is read", func() bool {
				own := ana.history()
				return len(own) == 2*n+2 && !slices.ContainsFunc(own, func(m shownMessage) bool { return m.Own && !*m.Back })
			}, ana)
		}
		total := 0
		for _, row := range ana.rows {
			total += len(row)
		}
		if len(ana.rows) > maxRows+1 || total > 2*maxRowBytes {
			t.Errorf("%d rows are kept, of %d bytes", len(ana.rows), total)
		}
		before := ana.texts()
		ana.open()
		if !slices.Equal(before, ana.texts()) || len(before) != 120 {
			t.Errorf("of %d texts %d are there after a restart", len(before), len(ana.texts()))
		}
	})
}

// A clock that is a day off is shown beside what it has dated, and nobody is accused for it.
func TestAPageWhoseClockIsADayOff(t *testing.T) {
	m := newMachine(t)
	synctest.Test(t, func(t *testing.T) {
		relay := relaytest.InBubble(t)
		channel, key := relay.CreateChannel(t, relaytest.AllFields(true)), fernet.GenerateKey()
		link := linkTo(t, relay.URL, channel, key, 1, 2, 3, 4)
		off := join(t, func() caller { return m.freshAt(t, -24*time.Hour) }, relay.Client(t), link, "ana")
		off.ahead = -24 * time.Hour
		bo := join(t, native, relay.Client(t), link, "bo")
		off.send("yesterday")
		bo.send("today")
		both := func(p *page) bool { return p.shows("yesterday", "today") || p.shows("today", "yesterday") }
		until(t, "both read both", func() bool { return both(off) && both(bo) }, off, bo)
		for _, p := range []*page{off, bo} {
			if found := p.found(); len(found) > 0 {
				t.Errorf("%s finds %q", p.nick, found)
			}
		}
		for _, said := range bo.history() {
			if behind := said.Posted.Sub(*said.Clock); *said.Text == "yesterday" && behind < 23*time.Hour {
				t.Errorf("its clock shows only %v before the relay's", behind)
			}
		}
	})
}

// Whatever a relay answers, a core lives and goes on.
func FuzzAnswers(f *testing.F) {
	f.Add(200, "7", "created_at,entry_id,field1\n2026-11-30 17:00:00 UTC,7,hello\n", `{"channel_id":1,"entry_id":8,"field1":"x"}`)
	f.Add(500, "", "<html>", "")
	f.Add(200, "0", "0", "{}")
	f.Add(302, "9007199254740993", "-1", "null")
	key := fernet.GenerateKey()
	link := linkTo(f, "http://relay.test", relaytest.Channel{ID: 1, WriteKey: strings.Repeat("W", 16)}, key, 1, 2)
	f.Fuzz(func(t *testing.T, status int, short, long, pushed string) {
		p := join(t, native, nil, link, "ana")
		p.send("hello")
		for range 12 {
			if len(p.asks) == 0 {
				p.call(map[string]any{"op": "wake"}, nil)
				break
			}
			q := p.asks[0]
			p.asks = p.asks[1:]
			body := short
			if q.What == "feed" {
				body = long
			}
			p.call(map[string]any{"op": "answer", "answer": answerOf{N: q.N, Status: status, Bytes: int64(len(body))}}, []byte(body))
			p.call(map[string]any{"op": "stream", "event": "entry"}, []byte(pushed))
		}
		if got := p.texts(); !slices.Contains(got, "hello") {
			t.Errorf("of what was sent %q is left", got)
		}
		p.open()
		if got := p.texts(); !slices.Contains(got, "hello") {
			t.Errorf("of what was sent %q is left after a restart", got)
		}
	})
}

// An identity that goes to another browser as a file goes on behind its numbers, and the program opens that file as well.
func TestAnIdentityGoesToAnotherBrowser(t *testing.T) {
	testenv.Unwatched(t)
	synctest.Test(t, func(t *testing.T) {
		const pass = "maple orbit velvet thunder pickle canyon"
		relay := relaytest.InBubble(t)
		channel, key := relay.CreateChannel(t, relaytest.AllFields(true)), fernet.GenerateKey()
		bo := newProgram(t, relay, channel, key, "bo", 1, 2, 3, 4)
		ana := join(t, native, relay.Client(t), linkTo(t, relay.URL, channel, key, 1, 2, 3, 4), "ana")
		ana.send("one")
		until(t, "one was read back", func() bool { return ana.shows("one") }, ana)
		text := ana.ask(nil, map[string]any{"op": "content"})
		file := (&page{TB: t, core: native()}).call(map[string]any{"op": "seal", "passphrase": pass}, text).more
		ana.end()

		f, err := export.Read(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		content, err := f.Open(pass)
		if err != nil || content.Nickname != "ana" || content.Rooms[0].Last != 1 {
			t.Fatalf("the program opens %+v, %v", content, err)
		}
		if r := (&page{TB: t, core: native()}).call(map[string]any{"op": "unseal", "passphrase": "no"}, file); r.Failed == nil || r.Failed.Code != "passphrase" {
			t.Errorf("another passphrase: %+v", r.Failed)
		}
		r := (&page{TB: t, core: native()}).call(map[string]any{"op": "unseal", "passphrase": pass}, file)
		var got struct {
			Seed, Nick string
			Rooms      []struct{ Settings json.RawMessage }
		}
		if r.Failed != nil || json.Unmarshal(r.Result, &got) != nil || len(got.Rooms) != 1 {
			t.Fatalf("%v: %s", r.Failed, r.Result)
		}
		there := &page{
			TB: t, fresh: native, http: relay.Client(t), settings: got.Rooms[0].Settings, nick: got.Nick, seed: got.Seed, writes: true,
		}
		t.Cleanup(there.end)
		there.open()
		there.send("two")
		until(t, "all was read", func() bool { return there.shows("one", "two") }, there)
		all, found := bo.read()
		if len(all) != 2 || all[1].Record.Number != 2 || all[0].Record.Author != all[1].Record.Author || len(found)+len(there.found()) > 0 {
			t.Errorf("bo reads %d messages and finds %v; the other browser finds %q", len(all), found, there.found())
		}
	})
}

// A link with another key, or another write key, changed a room that a page had without a word.
func TestALinkSaysWhatItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := relaytest.InBubble(t)
		channel, key := relay.CreateChannel(t, relaytest.AllFields(true)), fernet.GenerateKey()
		ana := join(t, native, relay.Client(t), linkTo(t, relay.URL, channel, key, 1), "ana")
		other := channel
		other.WriteKey = "AAAAAAAAAAAAAAAA"
		for want, link := range map[string]string{
			"":              linkTo(t, relay.URL, channel, key, 1),
			"key":           linkTo(t, relay.URL, channel, fernet.GenerateKey(), 1),
			"write key":     linkTo(t, relay.URL, other, key, 1),
			"key write key": linkTo(t, relay.URL, other, fernet.GenerateKey(), 1),
		} {
			var says linkResult
			ana.ask(&says, map[string]any{"op": "link", "link": link, "settings": ana.settings})
			if got := strings.Join(says.Changes, " "); got != want {
				t.Errorf("it says that it changes %q, want %q", got, want)
			}
		}
	})
}

// A link from before the room had moved put back the write key and the address that the room had then.
func TestAnOlderLinkChangesNothing(t *testing.T) {
	channel, old, now := relaytest.Channel{ID: 7, WriteKey: "AAAAAAAAAAAAAAAA"}, fernet.GenerateKey(), fernet.GenerateKey()
	has := model.Room{
		Relay: "http://new.test", Channel: 7, Keys: []model.Secret{model.Secret(now.Reveal()), model.Secret(old.Reveal())},
		WriteKey: "BBBBBBBBBBBBBBBB", Interval: "1s", Profile: "fernpost",
	}
	says, err := readLink(&message{Link: linkTo(t, "http://old.test", channel, old, 1), Settings: &settings{has}})
	if err != nil || len(says.Changes) > 0 {
		t.Errorf("it says that it changes %q, %v", says.Changes, err)
	}
	if diff := cmp.Diff(has, says.Settings.Room); diff != "" {
		t.Errorf("the room is another one (-before +after):\n%s", diff)
	}
}

// Whoever had made a link counted as compared in a room that a page had already, without a word.
func TestALinkSaysWhoseKeyCountsAsCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := relaytest.InBubble(t)
		channel, key := relay.CreateChannel(t, relaytest.AllFields(true)), fernet.GenerateKey()
		ana := join(t, native, relay.Client(t), linkTo(t, relay.URL, channel, key, 1), "ana")
		bo := join(t, native, relay.Client(t), linkTo(t, relay.URL, channel, key, 1), "bo")
		var own info
		bo.ask(&own, map[string]any{"op": "info"})
		var by inviteResult
		bo.ask(&by, map[string]any{"op": "invite"})
		var says linkResult
		ana.ask(&says, map[string]any{"op": "link", "link": by.Link, "settings": ana.settings})
		if !slices.Equal(says.Changes, []string{"inviter"}) || *says.InviterWords != *own.Words {
			t.Errorf("it says that it changes %q, by somebody with the words %q, which are %q", says.Changes, *says.InviterWords, *own.Words)
		}
	})
}

// Who chose a name that looked like somebody else's was an impostor to everybody from the first message on.
func TestANameThatLooksLikeAnotherIsRefusedBeforeItIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := relaytest.InBubble(t)
		channel := relay.CreateChannel(t, relaytest.AllFields(true))
		link := linkTo(t, relay.URL, channel, fernet.GenerateKey(), 1, 2)
		first := join(t, native, relay.Client(t), link, "Ana Lena")
		first.send("hello")
		until(t, "it was read back", func() bool { return first.shows("hello") }, first)
		second := join(t, native, relay.Client(t), link, "Ana-Lena")
		until(t, "the second is told", func() bool { return len(second.of("name")) == 1 }, second)
		if text := second.of("name")[0]["text"]; text != "somebody else in this room is called Ana Lena, and Ana-Lena looks like that" {
			t.Errorf("told is %q", text)
		}
		for message, want := range map[string]string{`{"op":"send","body":{"text":"hi"}}`: "nickname", `{"op":"set","new_nick":"ana lena"}`: "nickname"} {
			if got := second.refused(message); got != want {
				t.Errorf("%s: %q, want %q", message, got, want)
			}
		}
		second.ask(nil, map[string]any{"op": "set", "new_nick": "lena"})
		second.send("hi")
		until(t, "both have read it", func() bool { return first.shows("hello", "hi") && second.shows("hello", "hi") }, first, second)
		if found := append(first.found(), second.found()...); len(found) > 0 {
			t.Errorf("told is %q", found)
		}
		second.ask(nil, map[string]any{"op": "set", "new_nick": "lena"}) // which is its own
	})
}

// A number was taken for a name, and a long one was cut.
func TestANameThatIsNoneIsRefused(t *testing.T) {
	for nick, why := range map[string]string{"42": "no letter", strings.Repeat("é", 13): "26 bytes, at most 24", "a  b": "spaces stand alone"} {
		if _, err := identityOf("", nick); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v", nick, err)
		}
	}
}

// Of two files under one number one was given out for the other, and whoever had written before was new.
func TestAFileIsFoundByItsEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := relaytest.InBubble(t)
		channel := relay.CreateChannel(t, relaytest.AllFields(true))
		link := linkTo(t, relay.URL, channel, fernet.GenerateKey(), 1, 2)
		ana, bo := join(t, native, relay.Client(t), link, "ana"), join(t, native, relay.Client(t), link, "bo")
		file := func(p *page, content string) {
			r := p.call(map[string]any{"op": "send", "body": map[string]any{"file": map[string]any{"name": "a.txt"}}}, []byte(content))
			if r.Failed != nil {
				t.Fatal(r.Failed)
			}
		}
		ana.send("first")
		until(t, "bo has it", func() bool { return bo.shows("first") }, ana, bo)
		// A copy of her browser, which knows nothing of what the other one sends.
		copied := &page{TB: t, fresh: native, http: relay.Client(t), nick: "ana", seed: ana.seed, settings: ana.settings, rows: slices.Clone(ana.rows), lives: 1}
		copied.open()
		t.Cleanup(copied.end)
		copied.writes = true
		copied.open()
		// Each posts what it has before it hears of the other one's.
		for p, content := range map[*page]string{ana: "one", copied: "other"} {
			file(p, content)
			until(t, "it posts", func() bool {
				return slices.ContainsFunc(p.asks, func(q *asked) bool { return q.What == "update" })
			}, p)
		}
		files := func() (all []shownMessage) {
			return slices.DeleteFunc(bo.history(), func(m shownMessage) bool { return m.File == nil })
		}
		until(t, "bo has both", func() bool { return len(files()) == 2 }, ana, bo, copied)
		contents := map[string]bool{}
		for _, m := range files() {
			if *m.Number != 2 || m.Standing == nil || *m.Standing != "known" || !m.Forked {
				t.Errorf("bo is shown number %d, %+v", *m.Number, m)
			}
			r := bo.call(map[string]any{"op": "file", "key": m.Key.String(), "number": *m.Number, "entry": *m.Entry}, nil)
			if r.Failed != nil {
				t.Fatal(r.Failed)
			}
			contents[string(r.more[:r.Attached])] = true
		}
		if !contents["one"] || !contents["other"] || len(contents) != 2 {
			t.Errorf("the files are %v", contents)
		}
		if first := bo.history()[0]; first.Standing == nil || *first.Standing != "new" {
			t.Errorf("her first message is %+v", first)
		}
	})
}

// A link that came damaged was explained by its check sum.
func TestADamagedLinkIsExplained(t *testing.T) {
	relay := relaytest.New(t)
	link := linkTo(t, relay.URL, relay.CreateChannel(t, relaytest.AllFields(true)), fernet.GenerateKey(), 1)
	other := "A"
	if link[len(link)-20] == 'A' {
		other = "B"
	}
	for bad, want := range map[string]string{
		link[:len(link)-9]: "its end is missing", link + "AAAA": "the link is too long", "http://127.0.0.1/join": "no invitation",
		link[:len(link)-20] + other + link[len(link)-19:]: "changed on the way",
	} {
		_, err := parseLink(bad)
		if f, ok := errors.AsType[*failure](err); !ok || !strings.Contains(f.Text, want) || f.Hint == "" {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// That the channel was emptied was told twice.
func TestAWipeIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := relaytest.InBubble(t)
		channel := relay.CreateChannel(t, relaytest.AllFields(true))
		ana := join(t, native, relay.Client(t), linkTo(t, relay.URL, channel, fernet.GenerateKey(), 1, 2), "ana")
		ana.send("one")
		until(t, "it was read back", func() bool { return ana.shows("one") }, ana)
		relay.Clear(t, channel.ID)
		ana.send("two")
		until(t, "it was read back", func() bool { return ana.shows("one", "two") }, ana)
		if told := ana.of("finding"); len(told) != 1 || told[0]["finding"] != "cleared" || len(ana.of("cleared")) > 0 {
			t.Errorf("told is %v, and %v", told, ana.of("cleared"))
		}
	})
}
