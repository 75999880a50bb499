package room_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/memory"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// feedRows are a channel that somebody reads and writes by hand.
type feedRows []thingspeak.Entry

func (f *feedRows) add(e thingspeak.Entry) int64 {
	e.ID = int64(len(*f) + 1)
	*f = append(*f, e)
	return e.ID
}

// find is what a relay is asked for in a step that looks for entries.
func (f *feedRows) find(step *room.Step) []int64 {
	found := make([]int64, len(step.Entries))
	for i := range step.Entries {
		for _, e := range slices.Backward(*f) {
			if e.ID > step.After && e.Fields == step.Entries[i].Fields {
				found[i] = e.ID
			}
		}
	}
	return found
}

// read has a room read the channel.
func (f *feedRows) read(t *testing.T, c *room.Conversation) model.Arrivals {
	t.Helper()
	in, err := c.Receive(100)
	for i := 0; err == nil && i < len(*f); i++ {
		err = in.Add(&(*f)[i])
	}
	if err != nil {
		t.Fatal(err)
	}
	arrivals, err := in.Finish(room.Facts{LastID: int64(len(*f))})
	if err != nil {
		t.Fatal(err)
	}
	return arrivals
}

// A page in a browser cannot block: a delivery says what to ask next, takes what came of it, and does nothing by itself in
// between. It may be left at any step, by whoever is closed, before the relay was asked and after: whoever comes next goes on,
// and each message is stored once.
func TestADeliveryIsTakenInSteps(t *testing.T) {
	words := map[room.StepKind]string{room.Post: "post", room.PostBulk: "bulk", room.Find: "find"}
	drive := func(t *testing.T, killed int, asked bool) (steps []string, states []model.Progress) {
		store, feed := memory.New(), &feedRows{}
		key, err := fernet.ParseKey("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")
		if err != nil {
			t.Fatal(err)
		}
		options := room.Options{
			Keys: []fernet.Key{key}, Salt: salt, Identity: record.NewIdentity([record.KeySize]byte{1}), Nick: "ana", Fields: []int{1, 2, 3},
		}
		open := func() *room.Conversation {
			c, err := room.Open(store, options)
			if err != nil {
				t.Fatal(err)
			}
			feed.read(t, c)
			return c
		}
		c := open()
		for _, body := range []record.Body{record.Text("hello"), record.File{Name: "a", Content: make([]byte, 2000)}} {
			if _, err := c.Write(body, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		began, goroutines := time.Now(), runtime.NumGoroutine()
		var d *room.Delivery
		begin := func() {
			if d, err = c.Deliver(t.Context(), func(p model.Progress) { states = append(states, p) }); err != nil {
				t.Fatal(err)
			}
		}
		lost, refused := false, false
		for begin(); ; {
			if n := runtime.NumGoroutine(); n > goroutines || time.Since(began) > 0 {
				t.Fatalf("after %q: %d goroutines, %d before; it took %v", steps, n, goroutines, time.Since(began))
			}
			step, err := d.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if step == nil {
				break
			}
			steps = append(steps, fmt.Sprint(words[step.What], " ", len(step.Entries)))
			dies := len(steps) == killed
			var entries []int64
			if !dies || asked {
				switch step.What {
				case room.Post:
					entries = append(entries, feed.add(step.Entries[0]))
				case room.Find:
					entries = feed.find(step)
				case room.PostBulk:
					switch {
					case !refused:
						refused, err = true, &room.TooManyError{Most: 6}
					case !lost: // the promise is not kept in full
						lost = true
						for _, e := range step.Entries[:4] {
							feed.add(e)
						}
					default:
						for _, e := range step.Entries {
							feed.add(e)
						}
					}
				}
			}
			if dies {
				d.End()
				c = open()
				begin()
				continue
			}
			if err := d.Answer(entries, err); err != nil {
				t.Fatal(err)
			}
		}
		d.End()
		if left, err := c.Unposted(); err != nil || left > 0 {
			t.Errorf("%d entries are left, %v", left, err)
		}
		reader, err := room.Open(memory.New(), room.Options{Keys: []fernet.Key{key}, Salt: salt, Fields: []int{1}})
		if err != nil {
			t.Fatal(err)
		}
		if got := feed.read(t, reader); len(got.Items) != 2 {
			t.Errorf("left at step %d, others read %d messages of %d entries", killed, len(got.Items), len(*feed))
		}
		return steps, states
	}
	synctest.Test(t, func(t *testing.T) {
		steps, states := drive(t, 0, false)
		want := []string{"bulk 8", "bulk 6", "find 6", "bulk 4", "find 4"}
		if !slices.Equal(steps, want) {
			t.Errorf("the steps are %q, want %q", steps, want)
		}
		if last := states[len(states)-1]; last.Posted != last.Total || last.Total != 8 {
			t.Errorf("it ends with %+v", states)
		}
		for n := range len(steps) {
			drive(t, n+1, false)
			drive(t, n+1, true)
		}
	})
}

// What a step has come to when nobody can say whether anything was stored is looked for before it is posted again, and what
// certainly was not is not.
func TestAStepThatFailsSaysWhatIsKnown(t *testing.T) {
	for err, state := range map[error]model.State{
		exchange.ErrUnknownOutcome: model.StateUnknown, exchange.ErrNotStored: model.StateQueued, errNoWord: model.StateTried,
	} {
		c, err2 := room.Open(memory.New(), room.Options{
			Keys: []fernet.Key{fernet.GenerateKey()}, Salt: salt, Identity: record.NewIdentity([record.KeySize]byte{1}), Fields: []int{1, 2, 3, 4, 5},
		})
		if err2 != nil {
			t.Fatal(err2)
		}
		(&feedRows{}).read(t, c)
		if _, err := c.Write(record.Text("hello"), time.Now()); err != nil {
			t.Fatal(err)
		}
		d, err2 := c.Deliver(t.Context(), nil)
		if err2 != nil {
			t.Fatal(err2)
		}
		step, err2 := d.Next(t.Context())
		if err2 != nil || step.What != room.Post {
			t.Fatal(step, err2)
		}
		if err2 := d.Answer(nil, err); err2 == nil {
			t.Errorf("%v: it goes on", err)
		}
		d.End()
		if out, err2 := c.Outbox(); err2 != nil || len(out) != 1 || out[0].Sent != state {
			t.Errorf("%v: the outbox says %+v, %v, want %v", err, out, err2, state)
		}
	}
}

var errNoWord = errors.New("nobody knows")
