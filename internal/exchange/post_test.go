package exchange_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// A channel may hide some of the fields that were posted to. What it shows tells the rows of a bulk call apart all the
// same, but a row of which nothing is shown proves nothing.
func TestRowsAreFoundByTheFieldsThatAreShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := &memoryRelay{} // shows field 1
		both := thingspeak.Fields{thingspeak.Text("one"), thingspeak.Text("two")}
		other := thingspeak.Fields{thingspeak.Text("other"), thingspeak.Text("two")}
		hidden := thingspeak.Fields{{}, thingspeak.Text("two")}
		for _, fields := range []thingspeak.Fields{both, other, both, hidden} {
			relay.add(time.Now(), fields)
		}
		for i := range relay.rows {
			relay.rows[i].Fields[1] = thingspeak.Value{}
		}
		x := exchange.New(relay, settings)
		found, err := x.FindAll(t.Context(), []thingspeak.Fields{other, both, hidden, oneField("none")}, 0)
		if err != nil || !slices.Equal(found, []int64{2, 1, 0, 0}) {
			t.Errorf("found %v, %v", found, err)
		}
		if found, err = x.FindAll(t.Context(), []thingspeak.Fields{both}, 1); err != nil || found[0] != 3 {
			t.Errorf("found %v after entry 1, %v", found, err)
		}
	})
}

// What an earlier process may have sent a moment before it ended is waited for, once; what a relay has promised, each time.
func TestSettlingWaitsOnceForWhatMayBeOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := &memoryRelay{}
		relay.fill(2)
		x := exchange.New(relay, settings)
		for i, want := range []struct {
			promised bool
			waits    time.Duration
		}{{true, 7*time.Second + settings.Interval}, {false, 0}, {true, 7 * time.Second}} {
			began := time.Now()
			found, err := x.Settle(t.Context(), []thingspeak.Fields{oneField("text 2"), oneField("lost")}, 0, want.promised, nil)
			if err != nil || !slices.Equal(found, []int64{2, 0}) || time.Since(began) != want.waits {
				t.Errorf("call %d found %v, %v, after %v", i, found, err, time.Since(began))
			}
		}
		began := time.Now()
		found, err := x.Settle(t.Context(), []thingspeak.Fields{oneField("text 1")}, 0, true, nil)
		if err != nil || found[0] != 1 || time.Since(began) != 0 {
			t.Errorf("what is there is found at once: %v, %v, after %v", found, err, time.Since(began))
		}
	})
}

// Whoever was interrupted in the pause after a clear refusal was told that no clear answer had come, and what was written was posted
// under the key that it had then, whatever had become of the room meanwhile.
func TestAnInterruptedPauseAfterARefusalLeavesNoDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, kind := range []exchange.FailureKind{exchange.TooSoon, exchange.Cut} {
			ctx, stop := context.WithCancel(t.Context())
			x := exchange.New(&refusing{kind: kind, stop: stop}, settings)
			_, err := x.Post(ctx, thingspeak.Fields{thingspeak.Text("text")}, 0, nil)
			if !errors.Is(err, context.Canceled) || errors.Is(err, exchange.ErrNotStored) != (kind == exchange.TooSoon) {
				t.Errorf("after %v: %v", kind, err)
			}
		}
	})
}

// refusing is a relay that answers an update with a failure, and is left in the pause after it.
type refusing struct {
	exchange.Port

	kind exchange.FailureKind
	stop func()
}

func (r *refusing) Begin(ctx context.Context) (context.Context, func()) { return ctx, func() {} }

func (r *refusing) Ask(
	context.Context, exchange.Request, func(*thingspeak.Entry, thingspeak.FieldSet) error,
) (exchange.Answer, error) {
	return exchange.Answer{Failure: exchange.Failure{Kind: r.kind, Sent: true}}, errors.New("no")
}

func (r *refusing) Wait(ctx context.Context, _ time.Time) error {
	r.stop()
	return ctx.Err()
}
