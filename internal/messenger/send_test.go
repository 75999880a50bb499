package messenger_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// send sends something and returns the error of that.
func (m *member) send(body record.Body, o messenger.SendOptions) (failed error) {
	m.t.Helper()
	m.told = nil
	m.in(func(r *messenger.Room) error {
		_, failed = r.Send(m.t.Context(), body, o)
		return nil
	})
	return failed
}

func (m *member) say(text string) {
	m.t.Helper()
	if err := m.send(record.Text(text), messenger.SendOptions{}); err != nil {
		m.t.Fatal(err)
	}
}

// reads reads the room and returns what it holds, with what is on its way.
func (m *member) reads() (all []string) {
	m.t.Helper()
	m.in(func(r *messenger.Room) error {
		if _, err := r.Read(m.t.Context()); err != nil {
			return err
		}
		return r.History(0, func(it *model.Item) error {
			if text, ok := it.Record.Body.(record.Text); ok {
				all = append(all, it.Record.Name+": "+string(text))
			} else {
				all = append(all, it.Record.Name+": "+it.Record.Kind().String())
			}
			return nil
		})
	})
	return all
}

// compare notes that the key of somebody was compared.
func (m *member) compare(other *member) {
	m.t.Helper()
	m.in(func(r *messenger.Room) error { return r.Verified(other.key(), time.Now()) })
}

// rotate gives the room of a member a new key that the others were not told of.
func (m *member) rotate() record.KeyID {
	m.t.Helper()
	key := fernet.GenerateKey()
	_, err := m.engine.Update("lab", func(r *model.Room) error {
		secret := model.Secret(key.Reveal())
		r.Keys = append([]model.Secret{secret}, r.Keys...)
		r.Untold = append(r.Untold, secret)
		return nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return record.KeyID(key.ID())
}

// The others are told of a new key by one record, whatever killed the command that began to, and however much is sent then.
func TestANewKeyIsToldOfOnce(t *testing.T) {
	for _, killed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ana := newMembers(t).join("ana")
			ana.say("before")
			key := ana.rotate()
			if killed { // between writing the record and noting that
				ana.in(func(r *messenger.Room) error {
					return messenger.WriteOnly(r, record.KeyMoved{Key: key})
				})
			}
			ana.say("one")
			ana.say("two")
			want := []string{"ana: before", "ana: key moved", "ana: one", "ana: two"}
			if got := ana.reads(); !slices.Equal(got, want) {
				t.Errorf("killed %t: the room holds %q, want %q", killed, got, want)
			}
			if left := ana.settings().Untold; len(left) > 0 {
				t.Errorf("killed %t: %d keys are still to be told of", killed, len(left))
			}
		})
	}
}

// A rotation that the disk stops behind the new key says that the key counts: to rotate once more would leave everybody behind twice.
// What is written next tells the others.
func TestARotationThatStopsHalfwaySaysThatTheKeyCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ana := newMembers(t).join("ana")
		ana.say("before")
		err := ana.engine.Rotate(t.Context(), ana.settings(), fernet.GenerateKey().RevealBytes(), func() error { return nil }, messenger.Face{
			Tell: func(e messenger.Event) error {
				if _, kept := e.(messenger.KeyKept); kept {
					return model.ErrDiskFull
				}
				return nil
			},
		})
		if _, untold := errors.AsType[*messenger.UntoldError](err); !untold || !errors.Is(err, model.ErrDiskFull) {
			t.Fatalf("the rotation ended with %v, want that the others are not told", err)
		}
		ana.say("after")
		want := []string{"ana: before", "ana: key moved", "ana: after"}
		if got := ana.reads(); !slices.Equal(got, want) {
			t.Errorf("the room holds %q, want %q", got, want)
		}
	})
}

// A file that waits is not put there twice; another one is sent, also under its name and as long.
func TestAnotherFileOfOneNameIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ana := newMembers(t).join("ana")
		for i, content := range []string{"one", "two", "one", "two"} {
			file := record.File{Name: "plan.txt", Media: "text/plain", Content: []byte(content)}
			if err := ana.send(file, messenger.SendOptions{Queue: true}); err != nil {
				t.Fatal(err)
			}
			if again := len(toldOf[messenger.AlreadyQueued](ana)) > 0; again != (i >= 2) {
				t.Errorf("file %d, %q, is said to be there already: %t", i, content, again)
			}
		}
		ana.in(func(r *messenger.Room) error {
			items, err := r.OnTheirWay()
			if len(items) != 2 {
				t.Errorf("%d files wait, want 2", len(items))
			}
			return err
		})
	})
}

// Whoever says that the room has moved is heard at once, also by somebody who is sending at that moment. It keeps nobody from
// sending unless their key was compared, and then neither whoever insists.
func TestAMoveIsToldAndOnlyAComparedOneRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, bo := x.join("ana"), x.join("bo")
		bo.say("hello")
		ana.say("hello")
		bo.rotate()
		bo.say("under the new key")
		for _, text := range []string{"meanwhile", "after that"} { // of the first one ana learns while she sends
			ana.say(text)
			if moved := toldOf[messenger.Moved](ana); len(moved) != 1 || len(moved[0].By) != 1 || moved[0].By[0].Name != "bo" {
				t.Errorf("beside %q ana is told %+v, want that bo has moved", text, moved)
			}
		}
		ana.compare(bo)
		err := ana.send(record.Text("refused"), messenger.SendOptions{})
		if moved, ok := errors.AsType[*model.MovedError](err); !ok || moved.By.Name != "bo" {
			t.Errorf("after comparing bo's key sending ends with %v", err)
		}
		for range 2 {
			if err := ana.send(record.Text("insists"), messenger.SendOptions{OldKey: true}); err != nil {
				t.Error(err)
			}
		}
		ana.say("is asked no more")
		got := ana.reads()
		for _, text := range []string{"meanwhile", "after that", "insists", "is asked no more"} {
			if !slices.Contains(got, "ana: "+text) {
				t.Errorf("the room lacks %q: %q", text, got)
			}
		}
		if all := strings.Join(got, "\n"); strings.Contains(all, "refused") {
			t.Errorf("what was refused was written:\n%s", all)
		}
	})
}

// Two processes that read at the moment of a clear: whoever comes second reads once more, and knows nothing of an error.
func TestAClearThatAnotherProcessNoticedEndsNoReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, bo := x.join("ana"), x.join("bo")
		for range 3 {
			bo.say("before")
		}
		ana.reads()
		x.server.Clear(t, x.room.Channel)
		bo.reads()
		time.Sleep(2 * time.Minute)
		bo.reads()
		bo.say("after")
		ana.reads()
		time.Sleep(2 * time.Minute)
		// The answers to the slower one come when the other one has read all.
		slow := relaytest.DelayReply(5 * time.Second)
		x.server.Inject(relaytest.Times(1, relaytest.On("feeds.csv", slow)))
		beside := &member{t: t, engine: ana.engine}
		time.AfterFunc(time.Second, func() { beside.reads() })
		if got := ana.reads(); !slices.Contains(got, "bo: after") {
			t.Errorf("the slower one reads %q", got)
		}
	})
}

// retry posts what waits and returns the error of that.
func (m *member) retry(o messenger.SendOptions) (failed error) {
	m.t.Helper()
	m.in(func(r *messenger.Room) error {
		_, _, failed = r.Retry(m.t.Context(), o)
		return nil
	})
	return failed
}

// The first message after a move by a compared person went out under the old key, as only what was read before it counted; and
// once the new key was here, what had waited went out under the old one still.
func TestWhatWasSealedBeforeAMoveWasReadIsHeldBack(t *testing.T) {
	for _, added := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			x := newMembers(t)
			ana, bo := x.join("ana"), x.join("bo")
			bo.say("hello")
			ana.reads()
			ana.compare(bo)
			file := record.File{Name: "plan.txt", Media: "text/plain", Content: make([]byte, 5000)} // of several entries
			if err := ana.send(file, messenger.SendOptions{Queue: true}); err != nil {
				t.Fatal(err)
			}
			moved := bo.rotate()
			bo.say("under the new key")
			refused := func(what string, err error) {
				t.Helper()
				_, waits := errors.AsType[*messenger.WaitsError](err)
				if e, ok := errors.AsType[*model.MovedError](err); !waits || !ok || e.By.Name != "bo" {
					t.Errorf("%s after bo's move ends with %v, want that it waits", what, err)
				}
			}
			refused("the first message", ana.send(record.Text("late"), messenger.SendOptions{}))
			if told := toldOf[messenger.Moved](ana); len(told) > 0 {
				t.Errorf("beside the refusal it says that the message is sealed with the old key: %+v", told)
			}
			refused("posting what waits", ana.retry(messenger.SendOptions{}))
			ana.in(func(r *messenger.Room) error {
				if _, ok := errors.AsType[*model.MovedError](r.HeldBack()); !ok {
					t.Errorf("what waits is held back by %v", r.HeldBack())
				}
				queue, err := r.NotAccepted()
				if len(queue) != 2 || queue[0].Sent != model.StateQueued || queue[1].Sent != model.StateQueued {
					t.Errorf("these wait: %+v, want two that nobody has tried", queue)
				}
				return err
			})
			before := bo.reads()
			o := messenger.SendOptions{OldKey: true}
			if added {
				keys := bo.settings().Keys
				if _, err := ana.engine.Update("lab", func(r *model.Room) error { r.Keys = keys; return nil }); err != nil {
					t.Fatal(err)
				}
				o = messenger.SendOptions{}
			}
			if err := ana.retry(o); err != nil {
				t.Errorf("new key added %t: posting what waits ends with %v", added, err)
			}
			ana.say("after that")
			wanted := append(before, "ana: file", "ana: late", "ana: after that")
			if got := bo.reads(); !slices.Equal(got, wanted) {
				t.Errorf("new key added %t: bo reads %q, want %q", added, got, wanted)
			}
			bo.in(func(r *messenger.Room) error {
				return r.History(0, func(it *model.Item) error {
					if m := it.Record; m.Name == "ana" && (m.Key == moved) != added {
						t.Errorf("new key added %t: %s is sealed with %x", added, m.Kind(), m.Key)
					}
					return nil
				})
			})
		})
	}
}

// Whoever insists is not kept from it by a move that is read just then, and is told of it.
func TestWhoInsistsSendsInSpiteOfAMoveThatIsReadJustThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, bo := x.join("ana"), x.join("bo")
		bo.say("hello")
		ana.reads()
		ana.compare(bo)
		bo.rotate()
		bo.say("under the new key")
		if err := ana.send(record.Text("insists"), messenger.SendOptions{OldKey: true}); err != nil {
			t.Error(err)
		}
		if told := toldOf[messenger.Moved](ana); len(told) != 1 {
			t.Errorf("whoever insists is told of %d moves, want 1", len(told))
		}
	})
}

// Somebody alone waited for the second message as if others had been quicker: each opening of a room forgot when the last one was taken.
func TestTheIntervalIsKeptFromOneOpeningToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := relaytest.InBubble(t, relaytest.Interval(15*time.Second))
		x := &members{t, server, newRoom(t, server, "lab")}
		x.room.Interval = "15s"
		ana := x.join("ana")
		began := time.Now()
		for _, text := range []string{"one", "two", "three"} {
			ana.say(text)
		}
		if took := time.Since(began); took > 32*time.Second {
			t.Errorf("three messages took %v, want two intervals", took)
		}
		for _, w := range toldOf[messenger.Waits](ana) {
			if w.Reason != exchange.OwnInterval {
				t.Errorf("it waited because of %v", w.Reason)
			}
		}
	})
}
