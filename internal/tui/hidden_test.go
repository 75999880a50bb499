package tui

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// withhold shows every feed without one entry, and offers no stream.
func withhold(entry int) relaytest.Fault {
	rows := relaytest.RewriteRows(func(row string) string {
		if c := strings.SplitN(row, ",", 3); len(c) == 3 && c[1] == fmt.Sprint(entry) {
			return ""
		}
		return row
	})
	return func(w http.ResponseWriter, r *http.Request, relay http.Handler) {
		if strings.HasSuffix(r.URL.Path, fmt.Sprintf("/feeds/%d.csv", entry)) || strings.HasSuffix(r.URL.Path, "/stream") {
			http.Error(w, "-1", http.StatusNotFound)
			return
		}
		rows(w, r, relay)
	}
}

// In a room of texts an entry that the relay withheld, and what no person reads, was told by watch and not by chat.
func TestChatTellsWhatItDoesNotShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "tutorial")
		o := lab.member("bo")
		lab.server.Inject(withhold(2))
		bo := talks(t, o)
		bo.sees("^room lab")
		ana := talks(t, lab.member("ana"))
		for _, text := range []string{"one", "two", "three"} {
			ana.says("%s", text)
		}
		bo.sees(`three$`)
		bo.sees(`^! waiting for entry 2$`)
		time.Sleep(30 * time.Minute) // so long it might have come late
		bo.sees(`^! entry 2 was not shown\n  ask the others whether they are shown it; "fernpost verify"`)
		lab.server.Seed(t, lab.room.Channel, 1, func(int) thingspeak.Entry {
			e := thingspeak.Entry{}
			e.Fields[0] = thingspeak.Text("in the clear")
			return e
		})
		bo.sees(`^! 1 entry that is not encrypted \(entry 4\), not shown\n  it is no message of this room`)
		ana.ends()
		bo.ends()
	})
}

// In lines nobody was told that what a reading had found out is true no longer.
func TestLinesTellWhatIsTrueNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "tutorial")
		lab.server.Inject(withhold(2))
		bo := talks(t, lab.member("bo"))
		bo.sees("^room lab")
		ana := talks(t, lab.member("ana"))
		for _, text := range []string{"one", "two", "three"} {
			ana.says("%s", text)
		}
		bo.sees(`^! waiting for entry 2$`)
		lab.server.Inject(nil)
		bo.sees(`two$`)
		bo.sees(`^! no longer true: waiting for entry 2$`)
		time.Sleep(10 * time.Minute)
		if got := strings.Count(bo.talk.String(), "no longer true"); got != 1 {
			t.Errorf("it is told %d times:\n%s", got, bo.talk.String())
		}
		ana.ends()
		bo.ends()
	})
}

// What a reading finds out stands in the conversation like a finding, once, and is taken back when the next one does not find it.
func TestWhatAReadingFindsOutIsShown(t *testing.T) {
	s := newScene(80, 24)
	s.says("bo", "hello")
	lacks := []item.Finding{{Finding: "not shown", Text: "entry 3 was not shown"}}
	waits := []item.Finding{{Finding: "unread", Text: "the relay does not show field2, which this room uses", Waiting: true}}
	s.read(&messenger.Read{}, lacks, waits)
	s.read(&messenger.Read{}, nil, waits)
	got := s.screen()
	for _, text := range []string{"!   entry 3 was not shown\n", "    ask the others whether they are shown it", "!   the relay does not show field2"} {
		if strings.Count(got, text) != 1 {
			t.Errorf("%q stands there %d times:\n%s", text, strings.Count(got, text), got)
		}
	}
	s.read(&messenger.Read{}, nil, nil)
	if got := s.screen(); !strings.Contains(got, "!   no longer true: the relay does not show field2") || strings.Contains(got, "true: entry 3") {
		t.Errorf("after the next reading:\n%s", got)
	}
}

// What a sensor has measured was shown as if its author had said it.
func TestAReadingIsNoText(t *testing.T) {
	s := newScene(80, 10)
	reading := record.Reading{Status: "warm\x1b[31m"}
	reading.Values[0], reading.Values[1] = record.Value{Text: "21.5", Given: true}, record.Value{Text: "40", Given: true}
	s.event(messenger.Message{Item: s.said("bo", reading)})
	b := s.talk.blocks[0]
	if b.text != "" || !strings.HasPrefix(b.words, "field1=21.5 field2=40 (warm") || strings.Contains(b.words, "\x1b") {
		t.Errorf("text %q, words %q", b.text, b.words)
	}
	if got := s.screen(); !strings.Contains(got, "verified bo: field1=21.5 field2=40 (warm") {
		t.Error(got)
	}
}

// The list of rooms says what is new in those that are not shown.
func TestTheListOfRoomsCountsWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "fernpost")
		den := lab.at("den")
		o := lab.member("bo")
		if err := o.Engine.Add(den.room); err != nil {
			t.Fatal(err)
		}
		o.Room = "den"
		bo, ana := talks(t, o), talks(t, den.member("ana"))
		ana.says("one")
		bo.sees("ana: one$")
		bo.says("/room lab")
		bo.sees("^room lab;")
		time.Sleep(time.Second)
		ana.says("two")
		ana.says("three")
		ana.sees("ana 3: accepted")
		bo.says("/rooms")
		bo.sees(`^den, channel \d+ at \S+$`)
		bo.sees(`^den: 2 new messages$`)
		bo.says("/rooms")
		bo.sees(`^den, channel \d+ at \S+: 2 new messages$`)
		ana.ends()
		bo.ends()
	})
	s := newScene(80, 24)
	s.panel = &panel{title: roomsTitle, choices: []choice{{room: "den", text: "den, channel 7"}, {room: "lab", text: "lab, channel 8"}}}
	s.noteUnread(unread{room: "lab", note: "1 new message"})
	if got := s.screen(); !strings.Contains(got, "lab, channel 8: 1 new message\n") || strings.Contains(got, "den, channel 7:") {
		t.Error(got)
	}
	s.keys("esc")
	s.noteUnread(unread{room: "lab", note: "2 new messages"}) // the list is closed again
	if s.panel != nil {
		t.Error("the list of rooms comes back by itself")
	}
}

// The list of rooms read the others, and dropped what only that reading tells.
func TestTheListOfRoomsDropsNothingOfARoomThatItReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "tutorial")
		den := lab.at("den")
		o := lab.member("bo")
		if err := o.Engine.Add(den.room); err != nil {
			t.Fatal(err)
		}
		o.Room = "lab"
		bo := talks(t, o)
		bo.sees("^room lab")
		lab.server.Seed(t, den.room.Channel, 1, func(int) thingspeak.Entry {
			e := thingspeak.Entry{}
			e.Fields[0] = thingspeak.Text("in the clear")
			return e
		})
		bo.says("/rooms")
		bo.sees(`^! den: 1 entry that is not encrypted \(entry 1\), not shown\n  it is no message of this room`)
		bo.ends()
	})
	s := newScene(80, 24)
	s.panel = &panel{title: roomsTitle, choices: []choice{{room: "den", text: "den, channel 7"}}}
	told := unread{room: "den", told: messenger.Refreshed{
		Found: []item.Finding{{Finding: "damaged", Text: "1 entry with a damaged token"}},
		Said:  []messenger.Line{{Text: "the channel was cleared", Warns: true}},
	}}
	s.noteUnread(told)
	s.noteUnread(told) // the next reading says the same
	shows := func(when string, want int) {
		t.Helper()
		for _, text := range []string{"1 entry with a damaged token", "the channel was cleared"} {
			if got := s.screen(); strings.Count(got, text) != want {
				t.Errorf("%s %q stands there %d times:\n%s", when, text, strings.Count(got, text), got)
			}
		}
	}
	shows("in the list of rooms,", 1)
	s.keys("esc")
	shows("in another room", 0)
	for want := 1; want >= 0; want-- { // it is told once
		s.enter(roomView{name: "den"})
		s.history(nil, nil, true)
		shows("in the room itself", want)
	}
}

// A relay that did not answer held up the list of rooms for as long as it took, and each look at the list began anew.
func TestTheListOfRoomsWaitsForNoRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "fernpost")
		den, far := lab.at("den"), lab.at("away")
		o := lab.patient("bo", time.Minute)
		for _, r := range []model.Room{den.room, far.room} {
			if err := o.Engine.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		o.Room = "lab"
		bo, ana := talks(t, o), talks(t, den.member("ana"))
		bo.says("/room den")
		bo.sees("^room den;")
		bo.says("/room lab")
		bo.sees("(?s)room lab;.*room lab;")
		time.Sleep(time.Second)
		ana.says("one")
		ana.sees("ana 1: accepted")
		var asked atomic.Int64
		lab.server.Inject(relaytest.On(fmt.Sprint(far.room.Channel), func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
			asked.Add(1)
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}))
		for range 5 {
			bo.says("/rooms")
		}
		bo.sees(`^away: could not be read anew: the relay has not answered it all within 20s`)
		bo.sees(`^den: 1 new message$`)
		if n := asked.Load(); n != 1 {
			t.Errorf("five looks at the list have asked the relay %d times", n)
		}
		bo.ends()
		ana.ends()
	})
}

// Whoever has the messages alone on the screen is told how to come back, in the last line.
func TestTheBareScreenSaysHowToComeBack(t *testing.T) {
	for _, height := range []int{1, 2, 10} {
		s := newScene(60, height)
		for range 20 {
			s.says("bo", "hello")
		}
		s.keys("f3")
		lines, _, _ := s.draw()
		if last := lines[len(lines)-1]; len(lines) != height || (last == "any key goes back") != (height > 1) || lines[0] != "bo: hello" {
			t.Errorf("%d lines:\n%s", height, strings.Join(lines, "\n"))
		}
		if s.keys("x"); s.bare || s.input.text != "" {
			t.Errorf("a key does not come back, or is typed: %q", s.input.text)
		}
	}
}
