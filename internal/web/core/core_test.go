package main

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

func native() caller { return &core{} }

// shows reports whether a page has read these texts back, in this order, and nothing else.
func (p *page) shows(want ...string) bool {
	p.Helper()
	got := p.history()
	return !slices.ContainsFunc(got, func(m shownMessage) bool { return m.Own && !*m.Back }) &&
		slices.Equal(p.texts(), want)
}

// Two pages that came by a link talk, see who has read what, and compare their words.
func TestTwoPagesTalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { testTwoPagesTalk(t, native) })
}

func testTwoPagesTalk(t *testing.T, fresh func() caller) {
	relay := relaytest.InBubble(t)
	channel := relay.CreateChannel(t, relaytest.AllFields(false))
	link := linkTo(t, relay.URL, channel, fernet.GenerateKey(), 1, 2, 3, 4)
	ana, bo := join(t, fresh, relay.Client(t), link, "ana"), join(t, fresh, relay.Client(t), link, "bo")
	ana.send("hello")
	until(t, "both have the first message", func() bool { return ana.shows("hello") && bo.shows("hello") }, ana, bo)
	said := bo.history()[0]
	if *said.Author != "ana" || said.Standing == nil || *said.Standing != "new" || said.Own || *said.Entry != 1 {
		t.Errorf("bo is shown %+v", said)
	}
	bo.ask(nil, map[string]any{"op": "shown", "at": said.At})
	bo.ask(nil, map[string]any{"op": "verify", "key": said.Key.String()})
	bo.send("hi")
	until(t, "ana knows that bo has read it", func() bool {
		return ana.shows("hello", "hi") && bo.shows("hello", "hi") &&
			slices.ContainsFunc(ana.of("state"), func(e map[string]any) bool { return e["state"] == "seen" && e["seen_by"] == "bo" })
	}, ana, bo)
	if mine := ana.history()[0]; *mine.State != "accepted" || !*mine.Back || !slices.Equal(mine.SeenBy, []string{"bo"}) {
		t.Errorf("ana's own: state %v, back %v, seen by %q", *mine.State, *mine.Back, mine.SeenBy)
	}
	if again := bo.history()[0]; again.Standing == nil || *again.Standing != "verified" {
		t.Errorf("once her words were compared the message is %+v", again.Message)
	}
	var one, other digestResult
	ana.ask(&one, map[string]any{"op": "digest"})
	if bo.ask(&other, map[string]any{"op": "digest"}); one != other || one.Lines != 2 || strings.Count(one.Words, " ") != 5 {
		t.Errorf("digests %+v and %+v", one, other)
	}
}

// Wherever a page ends, what it has kept is all that it needs: nothing is lost, nothing is written twice, and nobody is accused.
func TestAPageThatEndsAnywhereLosesNothing(t *testing.T) {
	deaths := 1
	for n := 1; deaths > 0; n++ {
		synctest.Test(t, func(t *testing.T) { deaths = testKilled(t, native, n) })
	}
}

// testKilled has a page end at every nth point of what it does, and returns how often it did.
func testKilled(t *testing.T, fresh func() caller, n int) (deaths int) {
	relay := relaytest.InBubble(t)
	channel := relay.CreateChannel(t, relaytest.AllFields(true))
	link := linkTo(t, relay.URL, channel, fernet.GenerateKey(), 1, 2)
	ana, bo := join(t, fresh, relay.Client(t), link, "ana"), join(t, fresh, relay.Client(t), link, "bo")
	points := 0
	ana.dies = func(string) bool {
		if points++; points%n != 0 || deaths > 40 {
			return false
		}
		deaths++
		return true
	}
	long := strings.Repeat("a text of several entries ", 12)
	ana.insist("one")
	ana.insist(long)
	until(t, "all was read", func() bool { return ana.dies != nil && bo.shows("one", long) }, ana, bo)
	ana.insist("three")
	bo.send("four")
	until(t, "all was read", func() bool {
		return bo.shows("one", long, "three", "four") || bo.shows("one", long, "four", "three")
	}, ana, bo)
	ana.dies = nil
	until(t, "the page that ended has read it, too", func() bool { return slices.Equal(ana.texts(), bo.texts()) && ana.shows(ana.texts()...) }, ana, bo)
	for _, p := range []*page{ana, bo} {
		if found := p.of("finding"); len(found) > 0 {
			t.Errorf("ended at every point %d: %s was told %v", n, p.nick, found)
		}
	}
	if again := postedTwice(relay.Entries(t, channel.ID)); again > 0 {
		t.Errorf("ended at every point %d: entry %d was posted before", n, again)
	}
	t.Logf("ended %d times, at every point %d", deaths, n)
	return deaths
}

// postedTwice returns the number of an entry with a token that stands in another one, too; 0 if there is none.
func postedTwice(entries []thingspeak.Entry) int64 {
	seen := map[string]bool{}
	for _, e := range entries {
		for _, v := range e.Fields {
			if v.Text != "" && seen[v.Text] {
				return e.ID
			}
			seen[v.Text] = true
		}
	}
	return 0
}
