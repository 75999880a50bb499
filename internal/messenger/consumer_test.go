package messenger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// consumes has a member read the room, and returns what is new for a consumer.
func (m *member) consumes(name string, most int) (texts string, b messenger.Batch) {
	m.t.Helper()
	m.in(func(r *messenger.Room) (err error) {
		if _, err = r.Read(m.t.Context()); err == nil {
			b, err = r.Consume(name, most)
		}
		return err
	})
	var all []string
	for i := range b.Items {
		said, _ := b.Items[i].Text()
		all = append(all, said)
	}
	return strings.Join(all, " "), b
}

// What comes while a consumer is away is kept for it until it has dealt with that, and for no other one; what it has dealt with it is
// never given again.
func TestConsumersAreGivenAllOnceAcknowledgedNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, bo := x.join("ana"), x.join("bo")
		bo.say("before")
		ana.reads()
		add := func(name string, fromStart, want bool) {
			t.Helper()
			ana.in(func(r *messenger.Room) error {
				from, err := model.Mark{}, error(nil)
				if !fromStart {
					from, err = r.Now()
				}
				if err != nil {
					return err
				}
				added, err := r.AddConsumer(name, from)
				if added != want {
					t.Errorf("%s added: %v", name, added)
				}
				return err
			})
		}
		add("bot", false, true)
		add("all", true, true)
		add("bot", true, false) // what it is given stays as it was
		for n := range 3 {
			bo.say(fmt.Sprint(n))
		}
		for range 2 { // as long as it says nothing, it is given the same
			if got, _ := ana.consumes("bot", 2); got != "0 1" {
				t.Errorf("the bot is given %q", got)
			}
		}
		_, b := ana.consumes("bot", 2)
		ack := func(name string, m model.Mark) (err error) {
			ana.in(func(r *messenger.Room) error {
				err = r.Ack(name, m)
				return nil
			})
			return err
		}
		if err := ack("bot", b.Until); err != nil || !b.More {
			t.Errorf("%v, more %v", err, b.More)
		}
		if got, _ := ana.consumes("bot", 2); got != "2" {
			t.Errorf("then it is given %q", got)
		}
		if got, _ := ana.consumes("all", 10); got != "before 0 1 2" {
			t.Errorf("the other one is given %q", got)
		}
		if err := ack("bot", model.Mark{Message: 99}); !errors.Is(err, messenger.ErrNotYet) {
			t.Errorf("what has not come is dealt with: %v", err)
		}
		if err := ack("bot", model.Mark{}); err != nil {
			t.Error(err)
		}
		if got, _ := ana.consumes("bot", 2); got != "2" {
			t.Errorf("after a word from before it is given %q", got)
		}
		ana.in(func(r *messenger.Room) error {
			all, err := r.Consumers()
			if len(all) != 2 || all[0].Name != "all" || all[1].Name != "bot" || !all[1].Waiting {
				t.Errorf("consumers %+v", all)
			}
			return errors.Join(err, r.RemoveConsumer("all"))
		})
		for _, name := range []string{"all", "none"} {
			if err := ack(name, b.Until); !errors.Is(err, messenger.ErrNoConsumer) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, name := range []string{"", "a b", "ä", strings.Repeat("x", 65)} {
			if err := ack(name, b.Until); !errors.Is(err, messenger.ErrConsumerName) {
				t.Errorf("%q: %v", name, err)
			}
		}
	})
}

// Whoever is killed between a message and its answer asks for it again: it is there once, and its number is answered, however far it
// has come, for 30 days; and under that name nothing else is sent.
func TestWhatIsNamedIsSentOnce(t *testing.T) {
	for _, profile := range []string{"fernpost", "tutorial"} {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newMembers(t)
				x.room.Profile = profile
				ana := x.join("ana")
				body := record.Text("once")
				send := func(body record.Body, o messenger.SendOptions) (sent messenger.Sent, failed error) {
					t.Helper()
					ana.in(func(r *messenger.Room) error {
						sent, failed = r.Send(t.Context(), body, o)
						return nil
					})
					return sent, failed
				}
				queued := messenger.SendOptions{Queue: true, Once: "order 17"}
				first, err := send(body, queued)
				if err != nil || first.Again {
					t.Fatalf("%+v, %v", first, err)
				}
				again := func(want model.State) {
					t.Helper()
					got, err := send(body, queued)
					if err != nil || !got.Again || got.Number != first.Number || got.Queued.Sent != want {
						t.Errorf("again: %+v, %v, want number %d, %v", got, err, first.Number, want)
					}
				}
				again(model.StateQueued)
				if err := ana.retry(messenger.SendOptions{}); err != nil {
					t.Fatal(err)
				}
				again(model.StateAccepted)
				if got := len(ana.history(0)); got != 1 {
					t.Errorf("it was sent %d times", got)
				}
				again(model.StateAccepted)
				if _, err := send(record.Text("other"), queued); !errors.Is(err, model.ErrOtherBody) {
					t.Errorf("something else under its name: %v", err)
				}
				if sent, err := send(body, messenger.SendOptions{Once: "order 18"}); err != nil || sent.Again || sent.Queued.Sent != model.StateAccepted {
					t.Errorf("another name: %+v, %v", sent, err)
				}
				time.Sleep(31 * 24 * time.Hour)
				if sent, err := send(body, queued); err != nil || sent.Again {
					t.Errorf("after 30 days: %+v, %v", sent, err)
				}
			})
		})
	}
}

// A message that is signed anew under another number is still the one that was sent under its name.
func TestWhatIsSignedAnewIsSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana := x.join("ana")
		ana.say("first")
		named := func(n int) messenger.SendOptions {
			return messenger.SendOptions{Queue: true, Once: fmt.Sprint("name ", n)}
		}
		for n := range 3 {
			if err := ana.send(record.Text(fmt.Sprint(n)), named(n)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := ana.engine.Update("lab", func(r *model.Room) error { // as when the identity of a file is taken over
			r.Identity = model.Secret(strings.Repeat("17", 32))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := ana.retry(messenger.SendOptions{}); err != nil {
			t.Fatal(err)
		}
		for n := range 3 {
			var sent messenger.Sent
			ana.in(func(r *messenger.Room) (err error) {
				sent, err = r.Send(t.Context(), record.Text(fmt.Sprint(n)), named(n))
				return err
			})
			if !sent.Again || sent.Queued.Sent != model.StateAccepted || sent.Number != uint32(n+1) {
				t.Errorf("message %d: %+v", n, sent)
			}
		}
		got := ana.reads()
		for i, said := range []string{"first", "0", "1", "2"} {
			if len(got) != 4 || !strings.HasSuffix(got[i], ": "+said) {
				t.Fatalf("the room holds %q", got)
			}
		}
	})
}

// What was taken back was not sent: asked for again it is sent, whatever its number has become.
func TestWhatWasTakenBackIsSentWhenAskedForAgain(t *testing.T) {
	for _, profile := range []string{"fernpost", "tutorial"} {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newMembers(t)
				x.room.Profile = profile
				ana := x.join("ana")
				named := func(n int) messenger.SendOptions {
					return messenger.SendOptions{Queue: true, Once: fmt.Sprint("name ", n)}
				}
				send := func(n int) (sent messenger.Sent) {
					t.Helper()
					ana.in(func(r *messenger.Room) (err error) {
						sent, err = r.Send(t.Context(), record.Text(fmt.Sprint(n)), named(n))
						return err
					})
					return sent
				}
				var numbers []uint32
				for n := range 3 {
					numbers = append(numbers, send(n).Number)
				}
				ana.in(func(r *messenger.Room) error { return r.Drop(t.Context(), numbers[1], false) })
				if sent := send(1); sent.Again || sent.Number == numbers[1] {
					t.Errorf("what was taken back: %+v", sent)
				}
				for _, n := range []int{0, 2} {
					if sent := send(n); !sent.Again || sent.Number != numbers[n] {
						t.Errorf("message %d beside it: %+v", n, sent)
					}
				}
			})
		})
	}
}

// Where the key is gone under which a message was written, nobody says that it was another one.
func TestANamedMessageWhoseKeyIsGoneIsNotCalledAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana := x.join("ana")
		named := messenger.SendOptions{Once: "order 17"}
		if err := ana.send(record.Text("once"), named); err != nil {
			t.Fatal(err)
		}
		old := ana.settings().Keys[0]
		ana.rotate()
		ana.in(func(r *messenger.Room) error {
			if sent, err := r.Send(t.Context(), record.Text("once"), named); err != nil || !sent.Again {
				t.Errorf("under a new key: %+v, %v", sent, err)
			}
			return nil
		})
		if err := ana.retry(messenger.SendOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := ana.engine.RemoveKey("lab", old); err != nil {
			t.Fatal(err)
		}
		if err := ana.send(record.Text("once"), named); !errors.Is(err, model.ErrNamedKeyGone) || errors.Is(err, model.ErrOtherBody) {
			t.Errorf("without it: %v", err)
		}
	})
}
