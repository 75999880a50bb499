package messenger_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// until takes events out of a stream until one is told like that, and returns what all of them tell.
func until(t *testing.T, s *messenger.Stream, last string) (all []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for seen := false; ; {
		e, err := s.Next(ctx)
		if err != nil {
			t.Fatalf("after %q: %v, want %q", all, err, last)
		}
		told := ""
		switch e := e.(type) {
		case messenger.Message:
			if e.Record == nil {
				told = e.Unsigned.Text
			} else {
				told = fmt.Sprintf("%s: %s", e.Record.Name, e.Record.Body)
			}
		case messenger.State:
			told = e.Text()
		case messenger.Waits:
			told = "waits"
		case messenger.Accepted:
			told = fmt.Sprint("posted ", e.Posted, " of ", e.Total, ", left ", e.Left)
		case messenger.NotPosted:
			told = fmt.Sprint("not posted, again ", e.Again)
		case messenger.ReadSoFar:
			told = fmt.Sprint("reading ", e.Of)
		case messenger.Reached:
			if err := s.Keep(e); err != nil {
				t.Fatal(err)
			}
			if seen {
				return all
			}
		case messenger.Read:
			told = "read"
		}
		if told == last {
			if seen = true; last == "read" || strings.HasPrefix(last, "not") || strings.HasPrefix(last, "reading") {
				return all
			}
		}
		if told != "" && told != "read" {
			all = append(all, told)
		}
	}
}

func sends(t *testing.T, s *messenger.Stream, text string) {
	t.Helper()
	if _, err := s.Send(t.Context(), record.Text(text), messenger.SendOptions{}); err != nil {
		t.Fatal(err)
	}
}

// What is sent waits out the room's interval beside the reading: what comes meanwhile is shown at once.
func TestSendingHoldsUpNoReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t, relaytest.Interval(15*time.Second))
		s := x.follow(messenger.FollowOptions{Mark: "face"})
		until(t, s, "read")
		began := time.Now()
		for _, text := range []string{"a", "b", "c"} {
			sends(t, s, text)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("sending took %v", took)
		}
		came := time.Now().Add(20 * time.Second)
		time.AfterFunc(time.Until(came), func() { x.post(1) })
		all := until(t, s, "1")
		if took := time.Since(came); took > 10*time.Second {
			t.Errorf("what came meanwhile was shown after %v", took)
		}
		if slices.Contains(all, "text 3: accepted as entry 3") {
			t.Error("nothing had to wait")
		}
		all = append(all, until(t, s, "text 3: accepted as entry 4")...)
		for _, want := range []string{"text 1: accepted as entry 1", "text 2: accepted as entry 2", "waits", "posted", "a"} {
			if !slices.ContainsFunc(all, func(told string) bool { return strings.HasPrefix(told, want) }) {
				t.Errorf("%q was not told: %q", want, all)
			}
		}
		closeAll(t, s)
	})
}

// A relay that is away for a while keeps nothing from being posted later.
func TestSendingOutlivesTheRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		s := x.follow(messenger.FollowOptions{Mark: "face"})
		until(t, s, "read")
		x.server.Inject(relaytest.Answer(502, "text/plain", "no"))
		sends(t, s, "a")
		until(t, s, "not posted, again true")
		time.AfterFunc(10*time.Minute, func() { x.server.Inject(nil) })
		until(t, s, "text 1: accepted as entry 1")
		closeAll(t, s)
	})
}

// A first reading tells how far it has come.
func TestAFirstReadingTellsHowFarItHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		x.post(3000)
		s := x.follow(messenger.FollowOptions{Mark: "face"})
		until(t, s, "reading 3000")
		closeAll(t, s)
	})
}

// home is a device in a room of records.
type home struct {
	t    *testing.T
	dir  string
	room model.Room
	at   *relaytest.Server
}

func newHomes(t *testing.T, nicks ...string) (all []*home) {
	t.Helper()
	server := relaytest.InBubble(t)
	room := newRoom(t, server, "lab")
	for _, nick := range nicks {
		h := &home{t: t, dir: t.TempDir(), at: server, room: room}
		e := h.process()
		if err := e.Add(h.room); err != nil {
			t.Fatal(err)
		}
		if err := e.SetNickname(nick); err != nil {
			t.Fatal(err)
		}
		all = append(all, h)
	}
	return all
}

// process is what a process that is started now works with.
func (h *home) process() *messenger.Engine { return engineAt(h.t, h.dir, h.at) }

func (h *home) follow(e *messenger.Engine, mark string) *messenger.Stream {
	h.t.Helper()
	s, err := e.Follow(h.room, messenger.FollowOptions{Mark: mark, Fastest: time.Second, Slowest: 10 * time.Second}, messenger.Face{})
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// answers is shown what is there, and says something.
func (h *home) answers(text string) {
	h.t.Helper()
	r, err := h.process().Open(h.room, messenger.Face{})
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := r.Read(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	var printed model.Printed
	err = r.History(0, func(it *model.Item) error {
		printed.Add(it)
		return nil
	})
	if err == nil {
		err = r.SetPrinted(printed)
	}
	if err == nil {
		_, err = r.Send(h.t.Context(), record.Text(text), messenger.SendOptions{})
	}
	if err != nil {
		h.t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		h.t.Fatal(err)
	}
}

// A face that was away reads from its mark what became of what other processes have sent.
func TestStatesAreReadByALaterProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		homes := newHomes(t, "ana", "bo")
		ana, bo := homes[0], homes[1]
		s := ana.follow(ana.process(), "face")
		until(t, s, "read")
		closeAll(t, s)
		if _, err := ana.process().Send(t.Context(), ana.room, record.Text("hello"), messenger.SendOptions{}, messenger.Face{}); err != nil {
			t.Fatal(err)
		}
		bo.answers("hello, ana")
		s = ana.follow(ana.process(), "face")
		all := until(t, s, "ana 1 seen by bo")
		want := []string{"ana 1: accepted as entry 1", "ana: hello", "bo: hello, ana", "ana 1 seen by bo"}
		if slices.Sort(all); !slices.Equal(all, slices.Sorted(slices.Values(want))) {
			t.Errorf("it reads %q, want %q", all, want)
		}
		closeAll(t, s)
		s = ana.follow(ana.process(), "face")
		bo.answers("are you there?")
		if all := until(t, s, "bo: are you there?"); len(all) != 1 {
			t.Errorf("then it reads %q", all)
		}
		closeAll(t, s)
	})
}

// Two processes with one archive tell the same of what one of them sends, each once.
func TestTwoProcessesTellTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		homes := newHomes(t, "ana", "bo")
		ana, bo := homes[0], homes[1]
		streams := []*messenger.Stream{ana.follow(ana.process(), "here"), ana.follow(ana.process(), "there")}
		for _, s := range streams {
			until(t, s, "read")
		}
		sends(t, streams[0], "hello")
		time.Sleep(time.Minute)
		bo.answers("hello, ana")
		for i, s := range streams {
			all := slices.DeleteFunc(until(t, s, "ana 1 seen by bo"), func(told string) bool {
				return strings.HasPrefix(told, "posted") || told == "ana 1: queued" || told == "ana 1: tried" // or only the last of them
			})
			slices.Sort(all)
			if want := []string{"ana 1 seen by bo", "ana 1: accepted as entry 1", "ana: hello", "bo: hello, ana"}; !slices.Equal(all, want) {
				t.Errorf("process %d tells %q, want %q", i, all, want)
			}
		}
		closeAll(t, streams...)
	})
}
