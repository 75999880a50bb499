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
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// errCrash is a process that ends here.
var errCrash = errors.New("the process ends here")

// fuse ends a process at one of the steps that it counts.
type fuse struct{ steps, at int }

func (f *fuse) step() {
	if f.steps++; f.steps == f.at {
		panic(errCrash)
	}
}

// fusedStore burns at the beginning of a transaction, before its commit, and after it.
type fusedStore struct {
	*archive.Room
	*fuse
}

func (s fusedStore) Transact(work func() error) error { return s.burn(s.Room.Transact, work) }

func (s fusedStore) Note(work func() error) error { return s.burn(s.Room.Note, work) }

func (s fusedStore) burn(transact func(func() error) error, work func() error) error {
	s.step()
	err := transact(func() error {
		err := work()
		s.step()
		return err
	})
	s.step()
	return err
}

// fusedPoster burns before and after each request.
type fusedPoster struct {
	bulkPoster
	*fuse
}

func (p fusedPoster) Post(ctx context.Context, fields thingspeak.Fields, after int64) (int64, error) {
	p.step()
	defer p.step()
	return p.bulkPoster.Post(ctx, fields, after)
}

func (p fusedPoster) PostBulk(ctx context.Context, entries []thingspeak.Entry) error {
	p.step()
	defer p.step()
	return p.bulkPoster.PostBulk(ctx, entries)
}

// life is one process in a home; it reports whether it came to its end.
func (m *member) life(f *fuse, live func(c *room.Conversation, p relayPoster)) (ended bool) {
	m.t.Helper()
	defer func() {
		switch r := recover(); r {
		case nil:
		case errCrash:
			ended = false
		default:
			panic(r)
		}
	}()
	store, err := archive.OpenRoom(m.dir, "lab")
	if err != nil {
		m.t.Fatal(err)
	}
	defer store.Close() // rolls back what was not committed, as the next process would
	c, err := room.Open(fusedStore{store, f}, m.o)
	if err != nil {
		m.t.Fatal(err)
	}
	live(c, fusedPoster{bulkPoster{poster{m.client}}, f})
	return true
}

// A sender that ends at any step, and is started again, loses nothing that Write has returned for, and posts nothing
// that a reader would show twice.
func TestSenderCrashesAnywhere(t *testing.T) {
	testenv.Unwatched(t)
	bodies := []string{"short", strings.Repeat("long ", 40), "last"}
	for name, fields := range map[string][]int{"one field": {2}, "eight fields": {1, 2, 3, 4, 5, 6, 7, 8}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at, done := 1, false; !done; at++ {
				h := newHall(t, fields...)
				m := &member{t: t, o: h.options(1, "ana"), dir: t.TempDir(), client: h.client()}
				f := &fuse{at: at}
				var written []string
				left := bodies
				live := func(c *room.Conversation, p relayPoster) {
					for _, text := range left {
						if _, err := readRoom(c, m.client, time.Now()); err != nil {
							t.Fatal(err)
						}
						left = left[1:]
						if _, err := c.Write(record.Text(text), time.Now()); err != nil {
							t.Fatal(err)
						}
						written = append(written, "ana: "+text)
						if len(left) == 1 {
							continue // the last two go in one delivery
						}
						if _, err := deliver(t.Context(), c, p, nil); err != nil {
							t.Fatal(err)
						}
					}
					if _, err := readRoom(c, m.client, time.Now()); err != nil {
						t.Fatal(err)
					}
					if _, err := deliver(t.Context(), c, p, nil); err != nil {
						t.Fatal(err)
					}
				}
				if done = m.life(f, live); !done {
					m.life(f, live)
				}
				bo := h.join(2, "bo")
				got := bo.look()
				if len(got.Told)+len(got.Waiting)+got.LeftOver+got.Refused > 0 {
					t.Fatalf("crash at step %d: found %v %v %+v", at, told(got.Told), told(got.Waiting), got.Findings)
				}
				checkHistory(t, at, bo.history(), written, bodies)
				last := h.enter(m.o, m.dir)
				last.look()
				for i, state := range last.states() {
					if !strings.HasPrefix(state, fmt.Sprint("ana ", i+1, ": accepted as entry ")) {
						t.Fatalf("crash at step %d: %s", at, state)
					}
				}
			}
		})
	}
}

// checkHistory demands all that was written, and nothing twice. Of what Write has not returned for, the crash decides.
func checkHistory(t *testing.T, at int, got, written, bodies []string) {
	t.Helper()
	for i, text := range got {
		if slices.Contains(got[:i], text) {
			t.Fatalf("crash at step %d: %.20q is there twice", at, text)
		}
	}
	sure := slices.DeleteFunc(slices.Clone(got), func(text string) bool { return !slices.Contains(written, text) })
	if d := cmp.Diff(written, sure); d != "" {
		t.Fatalf("crash at step %d:\n%s", at, d)
	}
	if len(got) > len(bodies) {
		t.Fatalf("crash at step %d: %d messages of %d", at, len(got), len(bodies))
	}
}

// A receiver that ends at any step, and is started again, has everything, and gets no message twice.
func TestReceiverCrashesAnywhere(t *testing.T) {
	testenv.Unwatched(t)
	h := newHall(t, 1)
	ana := h.join(1, "ana")
	var want []string
	for i := range 4 {
		text := fmt.Sprint(i, strings.Repeat("x", 100*i))
		ana.say(text)
		want = append(want, "ana: "+text)
	}
	rows := h.relay.Entries(t, h.channel.ID)
	for at, done := 1, false; !done; at++ {
		m := &member{t: t, o: h.options(2, "bo"), dir: t.TempDir(), client: h.client()}
		f := &fuse{at: at}
		var shown []string
		live := func(c *room.Conversation, _ relayPoster) {
			for n := 0; n < len(rows); n += 3 {
				in, err := c.Receive(10)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range rows[:min(n+3, len(rows))] { // always from the beginning
					if err := in.Add(&e); err != nil {
						t.Fatal(err)
					}
				}
				got, err := in.Finish(room.Facts{View: record.View{}, Now: time.Now(), Position: standing(fmt.Append(nil, n))})
				if err != nil {
					t.Fatal(err)
				}
				if len(got.Told) > 0 {
					t.Fatalf("crash at step %d: told %v", at, told(got.Told))
				}
				shown = append(shown, lines(got.Items)...)
			}
		}
		if done = m.life(f, live); !done {
			m.life(f, live)
		}
		for i, text := range shown {
			if slices.Contains(shown[:i], text) {
				t.Fatalf("crash at step %d: %.20q was shown twice", at, text)
			}
		}
		bo := h.enter(m.o, m.dir)
		if d := cmp.Diff(want, bo.history()); d != "" {
			t.Fatalf("crash at step %d:\n%s", at, d)
		}
	}
}

// failingStore fails in the middle of a transaction, as a full disk does.
type failingStore struct {
	*archive.Room

	calls, at int
}

var errFull = errors.New("no space left")

func (s *failingStore) Note(work func() error) error {
	return s.Room.Note(func() error {
		if err := work(); err != nil {
			return err
		}
		if s.calls++; s.calls == s.at {
			return errFull
		}
		return nil
	})
}

func readRow(c *room.Conversation, e *thingspeak.Entry) (model.Arrivals, error) {
	in, err := c.Receive(10)
	if err != nil {
		return model.Arrivals{}, err
	}
	if err := in.Add(e); err != nil {
		return model.Arrivals{}, err
	}
	return in.Finish(room.Facts{View: record.View{}, Now: time.Now()})
}

// A transaction that fails is as if nothing had been done, and the same conversation can go on.
func TestFailedTransactions(t *testing.T) {
	h := newHall(t)
	ana := h.join(1, "ana")
	ana.say("one")
	ana.say("two" + strings.Repeat(" long", 300))
	rows := h.relay.Entries(t, h.channel.ID)
	for at := 1; at <= 3; at++ {
		bo := h.join(2, "bo")
		store := &failingStore{Room: bo.archive, at: at}
		c, err := room.Open(store, bo.o)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		failed := 0
		for len(got) < 2 && failed < 3 {
			for n := range rows { // so that cells of the long text are pending between two readings
				a, err := readRow(c, &rows[n])
				if errors.Is(err, errFull) {
					failed++
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, lines(a.Items)...)
			}
		}
		if failed != 1 || len(got) != 2 {
			t.Errorf("fails at %d: %d failures, %d messages", at, failed, len(got))
		}
	}
}
