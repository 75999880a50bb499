package room_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/eavesdrop"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

// layouts are the ways to lay cells into entries.
var layouts = map[string][]int{"one field": {3}, "eight fields": {1, 2, 3, 4, 5, 6, 7, 8}, "odd fields": {7, 1, 4}}

func TestWhatIsWrittenIsRead(t *testing.T) {
	for name, fields := range layouts {
		t.Run(name, func(t *testing.T) {
			h := newHall(t, fields...)
			ana, bo := h.join(1, "ana"), h.join(2, "bo")
			long := strings.Repeat("long ", 300)
			ana.say("hello, bo")
			ana.say(long)
			got := bo.look()
			if d := cmp.Diff([]string{"ana: hello, bo", "ana: " + long}, lines(got.Items)); d != "" {
				t.Error(d)
			}
			bo.say("hello, ana")
			ana.look()
			for _, m := range []*member{ana, bo.again(h)} {
				if a := m.look(); len(a.Told)+len(a.Waiting)+len(a.Elsewhere)+a.Repeats > 0 {
					t.Errorf("found %+v", a)
				}
				if d := cmp.Diff([]string{"ana: hello, bo", "ana: " + long, "bo: hello, ana"}, m.history()); d != "" {
					t.Error(d)
				}
				if left, err := m.Outbox(); err != nil || len(left) > 0 {
					t.Errorf("outbox %v, %v", left, err)
				}
			}
		})
	}
}

// A text of one entry has as many bytes as record.Capacity says, and one more byte takes another entry.
func TestEntriesOfAText(t *testing.T) {
	for name, fields := range layouts {
		h := newHall(t, fields...)
		ana := h.join(1, "ana")
		// A record takes two cells at least, so with one field what fits is what two entries carry.
		entries := max(1, 2/len(fields))
		for _, extra := range []int{0, 1} {
			text := strings.Repeat("x", record.Capacity(entries*len(fields), len("ana"))+extra)
			w, err := ana.Write(record.Text(text), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if got := (w.Cells + len(fields) - 1) / len(fields); got != entries+extra {
				t.Errorf("%s: %d bytes take %d entries, want %d", name, len(text), got, entries+extra)
			}
		}
	}
}

// Short messages that wait together share an entry, whoever looks at it.
func TestRecordsShareEntries(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	var want []string
	for i := range 9 {
		text := fmt.Sprint("message ", i)
		if _, err := ana.Write(record.Text(text), time.Now()); err != nil {
			t.Fatal(err)
		}
		want = append(want, "ana: "+text)
	}
	if done := ana.deliver(); done.Posted != 3 { // two cells each, four records in eight fields
		t.Errorf("%d entries posted, want 3", done.Posted)
	}
	if d := cmp.Diff(want, lines(bo.look().Items)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want, bo.history()); d != "" {
		t.Error(d)
	}
}

// With padding a short text, a long one and a heartbeat make entries that look alike to whoever lacks the key.
func TestPaddedEntriesLookAlike(t *testing.T) {
	for name, fields := range layouts {
		t.Run(name, func(t *testing.T) {
			h := newHall(t, fields...)
			o := h.options(1, "ana")
			o.Pad = true
			ana, bo := h.enter(o, t.TempDir()), h.join(2, "bo")
			for _, body := range []record.Body{
				record.Text("ok"), record.Text(strings.Repeat("long ", 500)), record.Heartbeat(nil), record.Text("x"),
			} {
				if _, err := ana.Write(body, time.Now()); err != nil {
					t.Fatal(err)
				}
				ana.deliver()
			}
			type look struct{ field, length, least, most int }
			var first []look
			for i, e := range h.relay.Entries(t, h.channel.ID) {
				var all []look
				for _, s := range eavesdrop.Look(&e) {
					if s.Kind != eavesdrop.Token {
						t.Errorf("entry %d field %d: %s", e.ID, s.Field, s.Kind)
					}
					all = append(all, look{s.Field, s.Length, s.MinPlaintext, s.MaxPlaintext})
				}
				if i == 0 {
					first = all
				}
				if len(all) != len(fields) || !slices.Equal(first, all) {
					t.Errorf("entry %d looks like %v, the first like %v", e.ID, all, first)
				}
			}
			if n := len(bo.look().Items); n != 4 {
				t.Errorf("%d messages, want 4", n)
			}
		})
	}
}

// What is queued behind a padded entry takes the place of what fills it.
func TestPaddedEntriesAreFilledUp(t *testing.T) {
	h := newHall(t)
	o := h.options(1, "ana")
	o.Pad = true
	ana, bo := h.enter(o, t.TempDir()), h.join(2, "bo")
	for _, text := range []string{"one", "two", "three"} {
		if _, err := ana.Write(record.Text(text), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if done := ana.deliver(); done.Posted != 1 {
		t.Errorf("%d entries, want 1", done.Posted)
	}
	if d := cmp.Diff([]string{"ana: one", "ana: two", "ana: three"}, lines(bo.look().Items)); d != "" {
		t.Error(d)
	}
}

func TestWriteRefuses(t *testing.T) {
	h := newHall(t)
	ana := h.join(1, "ana")
	for name, c := range map[string]struct {
		body record.Body
		want error
	}{
		"an empty text":        {record.Text(""), model.ErrNoText},
		"text that is no UTF8": {record.Text("\xff"), record.ErrBody},
		"an unknown kind":      {record.Unknown{Code: 9}, record.ErrBody},
		"a device unproven":    {record.Device{}, record.ErrBody},
	} {
		if _, err := ana.Write(c.body, time.Now()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := ana.Write(record.File{Content: make([]byte, record.MaxSize)}, time.Now()); err == nil {
		t.Error("a file that is too large was taken")
	} else if _, ok := errors.AsType[*record.TooLongError](err); !ok {
		t.Errorf("a file that is too large: %v", err)
	}
	o := h.options(1, "ana")
	o.Identity = record.Identity{}
	reader := h.enter(o, t.TempDir())
	if _, err := reader.Write(record.Text("x"), time.Now()); !errors.Is(err, model.ErrNoIdentity) {
		t.Errorf("without an identity: %v", err)
	}
	if left, err := ana.Outbox(); err != nil || len(left) > 0 {
		t.Errorf("left in the outbox: %v, %v", left, err)
	}
	if w := ana.say("first"); w.Number != 1 {
		t.Errorf("number %d after refusals, want 1", w.Number)
	}
}

func TestOpenRefuses(t *testing.T) {
	h := newHall(t)
	for name, change := range map[string]func(*room.Options){
		"no key":             func(o *room.Options) { o.Keys = nil },
		"no field":           func(o *room.Options) { o.Fields = nil },
		"a ninth field":      func(o *room.Options) { o.Fields = []int{9} },
		"one field twice":    func(o *room.Options) { o.Fields = []int{1, 1} },
		"control characters": func(o *room.Options) { o.Nick = "a\x1b[31m" },
		"right to left":      func(o *room.Options) { o.Nick = "ana\u202e" },
		"a tower of marks":   func(o *room.Options) { o.Nick = "a" + strings.Repeat("\u0301", 11) },
	} {
		o := h.options(1, "ana")
		change(&o)
		m := h.join(2, "bo")
		if _, err := room.Open(m.archive, o); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestStates(t *testing.T) {
	h := newHall(t, 1)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	bo.say("ana?")
	ana.look()
	var states []string
	state := func() {
		t.Helper()
		sent, err := ana.Sent(1)
		if err != nil {
			t.Fatal(err)
		}
		err = ana.History(1, func(it *model.Item) error {
			if it.Sent == nil {
				t.Fatalf("%s has no state", line(it))
			}
			states = append(states, fmt.Sprintf("%s %d/%d %d %v", it.Sent.Sent, it.Sent.Accepted, it.Sent.Entries,
				it.Sent.Entry, it.SeenBy))
			if sent.Number != 1 || sent.Sent != it.Sent.Sent || sent.Entry != it.Sent.Entry {
				t.Errorf("Sent = %+v, in the history %+v", sent, it.Sent)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ana.Write(record.Text("yes"), time.Now()); err != nil {
		t.Fatal(err)
	}
	state()
	if _, err := ana.Deliver(t.Context(), poster{ana.client}, nil); err != nil {
		t.Fatal(err)
	}
	state()
	ana.look()
	state()
	if _, err := ana.Sent(2); !errors.Is(err, model.ErrNoMessage) {
		t.Errorf("Sent of a number that was not taken: %v", err)
	}
	bo.look()
	bo.say("good")
	ana.look()
	ana.told("ana 1: accepted as entry 4", "ana 1 seen by bo")
	err := ana.History(2, func(it *model.Item) error {
		if it.Record.Own {
			states = append(states, fmt.Sprint(it.Sent.Sent, it.SeenBy))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"queued 0/2 0 []", "accepted 2/2 4 []", "accepted 0/0 4 []", "accepted [bo]"}
	if d := cmp.Diff(want, states); d != "" {
		t.Error(d)
	}
}

func TestDeliverNeedsARoomThatWasRead(t *testing.T) {
	h := newHall(t)
	ana := h.join(1, "ana")
	if _, err := ana.Deliver(t.Context(), poster{ana.client}, nil); !errors.Is(err, room.ErrNotRead) {
		t.Errorf("Deliver = %v, want ErrNotRead", err)
	}
}

// A reply is lost and the process ends: the next one looks for the entry instead of posting it again.
func TestTriedEntriesAreLookedFor(t *testing.T) {
	for name, stored := range map[string]bool{"stored": true, "not stored": false} {
		t.Run(name, func(t *testing.T) {
			h := newHall(t)
			ana, bo := h.join(1, "ana"), h.join(2, "bo")
			ana.look()
			if _, err := ana.Write(record.Text("hello"), time.Now()); err != nil {
				t.Fatal(err)
			}
			fault := relaytest.LoseRequest()
			if stored {
				fault = relaytest.LoseReply()
			}
			h.relay.Inject(relaytest.On("POST /update", fault))
			once := onePost{poster{ana.client}}
			if _, err := ana.Deliver(t.Context(), once, nil); err == nil {
				t.Fatal("the delivery succeeded")
			}
			h.relay.Inject(nil)
			if q, err := ana.Outbox(); err != nil || len(q) != 1 || q[0].Sent != model.StateTried {
				t.Errorf("outbox %+v, %v", q, err)
			}
			if err := ana.Drop(1, false, time.Now()); !errors.Is(err, model.ErrTried) {
				t.Errorf("Drop = %v, want ErrTried", err)
			}
			ana = ana.again(h)
			before := len(h.relay.Entries(t, h.channel.ID))
			ana.deliver()
			after := len(h.relay.Entries(t, h.channel.ID))
			if after != 1 || before != map[bool]int{true: 1, false: 0}[stored] {
				t.Errorf("%d entries, then %d", before, after)
			}
			if d := cmp.Diff([]string{"ana: hello"}, lines(bo.look().Items)); d != "" {
				t.Error(d)
			}
		})
	}
}

// onePost posts in one attempt, as a process that is killed before it can settle a lost reply.
type onePost struct{ poster }

func (p onePost) Post(ctx context.Context, fields thingspeak.Fields, _ int64) (int64, error) {
	return p.Update(ctx, fields)
}

// TestWhatWasRefusedIsNotSignedAnew: a relay that refuses, and has stored it all the same, made an honest author's key write two
// different records under one number: the message was taken back, or signed anew under a new key.
func TestWhatWasRefusedIsNotSignedAnew(t *testing.T) {
	for _, stored := range []bool{false, true} {
		h := newHall(t)
		ana, bo := h.join(1, "ana"), h.join(2, "bo")
		ana.look()
		for _, text := range []string{"one", "two", "three"} {
			if _, err := ana.Write(record.Text(text), time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		_, err := ana.Deliver(t.Context(), refusing{poster{ana.client}, stored}, nil)
		if e, ok := errors.AsType[*wire.RefusedError](err); !ok || e.Reason != wire.KeyRefused {
			t.Fatalf("Deliver = %v", err)
		}
		if err := ana.Drop(2, false, time.Now()); !errors.Is(err, model.ErrRefused) {
			t.Errorf("dropping what was refused: %v", err)
		}
		if err := ana.Drop(7, false, time.Now()); !errors.Is(err, model.ErrNoMessage) {
			t.Errorf("dropping what is not there: %v", err)
		}
		ana.moveTo(fernet.GenerateKey())
		ana.deliver()
		got := bo.look()
		if d := cmp.Diff([]string{"ana: one", "ana: two", "ana: three"}, lines(got.Items)[:3]); d != "" {
			t.Error(d)
		}
		if len(got.Told) > 0 || len(got.Waiting) > 0 {
			t.Errorf("found %+v %+v", got.Told, got.Waiting)
		}
		if own := ana.look(); len(own.Elsewhere) > 0 {
			t.Errorf("ana is told of her own %v as of somebody else's", own.Elsewhere)
		}
	}
}

// refusing refuses an update, and may store it all the same.
type refusing struct {
	poster

	stores bool
}

func (p refusing) Post(ctx context.Context, fields thingspeak.Fields, _ int64) (int64, error) {
	if p.stores {
		if _, err := p.Update(ctx, fields); err != nil {
			return 0, err
		}
	}
	return 0, &wire.RefusedError{Doing: "posting", Reason: wire.KeyRefused, Status: 401}
}

// TestWhatWasNeverSentIsDropped: without a connection the relay has had nothing, and the message may still be taken back.
func TestWhatWasNeverSentIsDropped(t *testing.T) {
	h := newHall(t)
	ana := h.join(1, "ana")
	ana.look()
	if _, err := ana.Write(record.Text("one"), time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := ana.Deliver(t.Context(), offline{poster{ana.client}}, nil); !errors.Is(err, exchange.ErrNotSent) {
		t.Fatalf("Deliver = %v", err)
	}
	if err := ana.Drop(1, false, time.Now()); err != nil {
		t.Error(err)
	}
}

type offline struct{ poster }

func (offline) Post(context.Context, thingspeak.Fields, int64) (int64, error) {
	return 0, &wire.UnreachableError{Doing: "posting", Host: "relay", Cause: wire.NoConnection}
}

// Dropping touches neither what is sent nor what shares an entry with it, in any layout and at any place of the queue.
func TestDropAnywhere(t *testing.T) {
	for name, fields := range layouts {
		for _, pad := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " pad ", pad), func(t *testing.T) {
				h := newHall(t, fields...)
				o := h.options(1, "ana")
				o.Pad = pad
				ana, bo := h.enter(o, t.TempDir()), h.join(2, "bo")
				ana.say("zero")
				var want []string
				for i := range 6 {
					text := fmt.Sprint(i, strings.Repeat("x", 97*i))
					if _, err := ana.Write(record.Text(text), time.Now()); err != nil {
						t.Fatal(err)
					}
					want = append(want, "ana: "+text)
				}
				for _, i := range []int{5, 0, 3, 2} {
					if err := ana.Drop(uint32(i+2), false, time.Now()); err != nil {
						t.Fatal(err)
					}
					want[i] = "ana: heartbeat"
				}
				ana = ana.again(h)
				ana.deliver()
				got := bo.look()
				if d := cmp.Diff(append([]string{"ana: zero"}, want...), lines(got.Items)); d != "" {
					t.Error(d)
				}
				if len(got.Told)+len(got.Waiting)+got.LeftOver+got.Refused > 0 {
					t.Errorf("found %+v", got)
				}
				ana.look()
				if left, err := ana.Outbox(); err != nil || len(left) > 0 {
					t.Errorf("left in the outbox: %+v, %v", left, err)
				}
			})
		}
	}
}

// A heartbeat names everybody of whom something new was read, as many as its entry has room for, and those named
// longest ago first.
func TestHeartbeatNamesOthers(t *testing.T) {
	h := newHall(t)
	ana := h.join(1, "ana")
	var others []*member
	for i := range 5 {
		m := h.join(byte(10+i), fmt.Sprint("member-", i))
		m.say("hello")
		others = append(others, m)
	}
	ana.look()
	w, err := ana.Write(record.Heartbeat(nil), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if w.Entries != 1 {
		t.Errorf("the heartbeat takes %d entries", w.Entries)
	}
	ana.deliver()
	for i, m := range others {
		m.look()
		own := fmt.Sprint("member-", i, " 1")
		m.told(fmt.Sprint(own, ": accepted as entry ", i+1), own+" seen by ana")
	}
	ana.look()
	if _, err := ana.Write(record.Heartbeat(nil), time.Now()); err != nil {
		t.Fatal(err)
	}
	ana.deliver()
	others[0].look()
	err = others[0].History(0, func(it *model.Item) error {
		b, ok := it.Record.Body.(record.Heartbeat)
		if ok && it.Record.Number == 2 && (len(b) > 0 || it.Record.Seen.Number > 0) {
			t.Errorf("the second heartbeat names %v and %v again", it.Record.Seen, b)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A message names the newest record of others that its author has read, each time, so that nobody can put an answer behind
// another question.
func TestMessagesNameTheNewestRecordOfOthers(t *testing.T) {
	h := newHall(t)
	ana, bo, cy := h.join(1, "ana"), h.join(2, "bo"), h.join(3, "cy")
	named := func() string {
		t.Helper()
		w, err := bo.Write(record.Text("yes"), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		items, err := bo.OnTheirWay()
		if err != nil {
			t.Fatal(err)
		}
		seen := items[len(items)-1].Record.Seen
		if items[len(items)-1].Record.Number != w.Number {
			t.Fatal("the message is not in the outbox")
		}
		for _, m := range []*member{ana, cy} {
			if seen.Tag == m.o.Identity.Public().Tag() {
				return fmt.Sprint(m.o.Nick, " ", seen.Number)
			}
		}
		return ""
	}
	if got := named(); got != "" {
		t.Errorf("who has read nothing names %s", got)
	}
	for _, step := range []struct {
		who  *member
		want string
	}{{ana, "ana 1"}, {cy, "cy 1"}, {ana, "ana 2"}, {ana, "ana 3"}} {
		step.who.say("?")
		bo.look()
		if got, again := named(), named(); got != step.want || again != step.want {
			t.Errorf("after %s the answers name %q and %q", step.want, got, again)
		}
	}
	ana.look()
	if _, err := ana.Write(record.Heartbeat(nil), time.Now()); err != nil {
		t.Fatal(err)
	}
	ana.deliver()
	bo.look()
	if got := named(); got != "ana 3" {
		t.Errorf("after a heartbeat the answer names %q, want what was shown before", got)
	}
}

// An archive that is lost means a new identity, because nobody knows which numbers the old one has used.
func TestLostArchive(t *testing.T) {
	h := newHall(t)
	ana := h.join(1, "ana")
	ana.say("hello")
	o := ana.o
	o.Used = true
	empty, err := archive.OpenRoom(t.TempDir(), "lab")
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	for i := range 2 {
		talk, err := room.Open(empty, o)
		if err != nil {
			t.Fatal(err)
		}
		if lost, now := talk.Lost(); !lost || now != (i == 0) || !talk.Own().IsZero() {
			t.Errorf("opened %d times: lost is %v, %v, and %v signs", i+1, lost, now, talk.Own())
		}
		if _, err := talk.Write(record.Text("hello"), time.Now()); !errors.Is(err, model.ErrNoIdentity) {
			t.Errorf("Write = %v, want ErrNoIdentity", err)
		}
	}
	anew, err := room.Open(empty, o)
	if err == nil {
		err = anew.Identify(record.GenerateIdentity())
	}
	if err == nil {
		_, err = anew.Write(record.Text("hello"), time.Now())
	}
	if lost, _ := anew.Lost(); err != nil || lost {
		t.Errorf("a new identity cannot write: %v", err)
	}
	if _, err := room.Open(ana.archive, o); err != nil {
		t.Errorf("Open of the archive that is there: %v", err)
	}
}

// An archive that holds messages and has forgotten who writes was taken for lost: the identity was replaced.
func TestAnArchiveThatForgotWhoWrites(t *testing.T) {
	h := newHall(t)
	ana := h.join(1, "ana")
	ana.say("hello")
	ana.look()
	state, err := ana.archive.State()
	if err == nil {
		state.Own = record.PublicKey{}
		err = ana.archive.Apply(&kept.Change{State: &state})
	}
	if err != nil {
		t.Fatal(err)
	}
	o := ana.o
	o.Used = true
	for range 2 {
		if _, err := room.Open(ana.archive, o); !errors.Is(err, model.ErrArchiveDamaged) {
			t.Errorf("Open = %v, want ErrArchiveDamaged", err)
		}
	}
}

// A clock that was set back by a year changes what the message claims, and nothing else.
func TestClockSetBack(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.say("one")
	bo.look()
	ana.now = time.Now().AddDate(-1, 0, 0)
	bo.now = ana.now
	ana.say("two")
	got := bo.look()
	if len(got.Items) != 1 || len(got.Told)+len(got.Waiting) > 0 {
		t.Fatalf("%v, told %v", lines(got.Items), told(got.Told))
	}
	it := &got.Items[0]
	if d := it.Posted.Sub(it.Sealed); d < 360*24*time.Hour || it.Record.Clock != ana.now.UnixMilli() {
		t.Errorf("posted %v, sealed %v, the author's clock %v", it.Posted, it.Sealed, it.Record.Time())
	}
	if d := cmp.Diff([]string{"ana: one", "ana: two"}, bo.history()); d != "" {
		t.Error(d)
	}
}

// Whoever had lost their identity while messages were waiting could write nothing. A new one signs them anew and goes on
// behind them; what was tried to be posted stays as it is, and goes out before.
func TestNewIdentity(t *testing.T) {
	for name, fields := range layouts {
		t.Run(name, func(t *testing.T) {
			h := newHall(t, fields...)
			ana, bo := h.join(1, "ana"), h.join(2, "bo")
			bo.say("hello")
			ana.look()
			ana.say("one")
			bo.look()
			bo.say("I have seen it")
			tried := "tried" + strings.Repeat(" and long", 100)
			for _, text := range []string{tried, "three", "four"} {
				if _, err := ana.Write(record.Text(text), time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			ana.look()
			h.relay.Inject(relaytest.On("POST /update", relaytest.LoseReply()))
			if _, err := ana.Deliver(t.Context(), onePost{poster{ana.client}}, nil); err == nil {
				t.Fatal("the delivery succeeded")
			}
			h.relay.Inject(nil)
			before := ana.o.Identity.Public()
			ana.o.Identity = record.NewIdentity([record.KeySize]byte{9})
			ana = ana.again(h)
			if got, err := ana.Predecessor(); got != before || err != nil {
				t.Errorf("before signed %v, %v", got, err)
			}
			if w, err := ana.Write(record.Text("five"), time.Now()); err != nil || w.Number != 1 {
				t.Errorf("before the room was read: number %d, %v", w.Number, err)
			}
			if got, err := ana.Predecessor(); got != before || err != nil {
				t.Errorf("before signed %v, %v", got, err)
			}
			ana.look()
			w, err := ana.Write(record.Text("six"), time.Now()) // behind two of the other's, and the one above
			if err != nil || w.Number != 4 {
				t.Errorf("number %d, %v", w.Number, err)
			}
			queue, err := ana.Outbox()
			if err != nil {
				t.Fatal(err)
			}
			var waits []string
			for i := range queue {
				waits = append(waits, queue[i].What()+" "+queue[i].Sent.String())
			}
			if len(waits) != 5 || waits[0] != "ana 2 tried" || !strings.HasSuffix(waits[4], " 4 queued") {
				t.Errorf("the outbox has %q", waits)
			}
			ana.deliver()
			if left := ana.deliver(); left.Posted > 0 {
				t.Errorf("%d entries more", left.Posted)
			}
			called := "ana (" + ana.o.Identity.Public().Tag().Name() + "): "
			got := bo.look()
			texts := []string{"bo: I have seen it", "ana: " + tried, called + "three", called + "four", called + "five", called + "six"}
			if d := cmp.Diff(slices.Sorted(slices.Values(texts)), slices.Sorted(slices.Values(lines(got.Items)))); d != "" {
				t.Error(d)
			}
			if len(got.Told) != 1 || got.Told[0].Kind != record.Namesake || got.Repeats > 0 {
				t.Errorf("told %q, %d repeats", told(got.Told), got.Repeats)
			}
			ana.look()
			if queue, err := ana.Outbox(); err != nil || len(queue) > 0 {
				t.Errorf("the outbox has %+v, %v", queue, err)
			}
			// What bo has seen was the other identity's.
			err = ana.History(0, func(it *model.Item) error {
				if len(it.SeenBy) > 0 {
					t.Errorf("%s was seen by %q", line(it), it.SeenBy)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// A key moved or a device record by somebody who had read, and was shown nothing, was a receipt.
func TestWhatWasOnlyReadIsNotSeen(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.say("hello")
	for _, body := range []record.Body{record.KeyMoved{}, record.Device{Key: ana.o.Identity.Public()}} {
		if _, err := bo.read(); err != nil { // but nothing is shown
			t.Fatal(err)
		}
		if _, err := bo.Write(body, time.Now()); err != nil {
			t.Fatal(err)
		}
		bo.deliver()
		ana.look()
		if got := ana.states(); slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "seen") }) {
			t.Errorf("%T is a receipt: %q", body, got)
		}
	}
}

// What is said to others names what its author was shown last, so that it cannot be put behind another question: not what
// came meanwhile, nor who was named longest ago.
func TestAMessageNamesWhatWasShown(t *testing.T) {
	h := newHall(t)
	ana, bo, cy := h.join(1, "ana"), h.join(2, "bo"), h.join(3, "cy")
	namedBy := func(m *member) string {
		t.Helper()
		cy.look()
		named := "nobody"
		err := cy.History(1, func(it *model.Item) error {
			seen := it.Record.Seen
			for i, who := range []*member{ana, bo} {
				if seen.Number > 0 && seen.Tag == who.o.Identity.Public().Tag() {
					named = fmt.Sprint([]string{"ana ", "bo "}[i], seen.Number)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return named
	}
	ana.say("lend me ten?")
	bo.say("nothing was shown to me")
	if got := namedBy(bo); got != "nobody" {
		t.Errorf("named %s", got)
	}
	bo.look()
	ana.say("shall I sell the house?")
	if _, err := bo.read(); err != nil { // but nothing is shown
		t.Fatal(err)
	}
	for range 2 {
		bo.say("yes")
		if got := namedBy(bo); got != "ana 1" {
			t.Errorf("named %s, want what was shown", got)
		}
	}
	bo.look()
	bo.say("no")
	if got := namedBy(bo); got != "ana 2" {
		t.Errorf("named %s", got)
	}
}
