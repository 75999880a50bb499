package cli

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/config"
	"github.com/fernpost/fernpost/internal/gateway"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// TestAGatewayReadsAtThePaceThatIsSet: whatever --poll-min and --poll-max said, rooms whose readings are read at the door were asked for
// every 2 to 30 seconds.
func TestAGatewayReadsAtThePaceThatIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := relaytest.InBubble(t)
		relay.Inject(relaytest.On("/stream", relaytest.Answer(404, "text/plain", "there is none")))
		ana := newClass(t, relay).device("127.0.0.1")
		ana.makeRoom("tutorial")
		a := ana.app()
		a.config, a.timeout = config.Default(), time.Minute
		rooms := a.gatewayRooms(gateway.NewSelf())
		asked := func(pace gateway.Pace) int {
			rooms.pace = pace
			relay.Requests()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Hour)
			defer cancel()
			err := rooms.Follow(ctx, "lab", "door", func(*gateway.News) error { return nil })
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it ends with %v", err)
			}
			return len(relay.Requests())
		}
		often, seldom := asked(gateway.Pace{Fastest: time.Minute, Slowest: time.Minute}), asked(gateway.Pace{Fastest: time.Hour, Slowest: time.Hour})
		if often < 10*60/2 || often > 10*60*4 || seldom > 10*4 {
			t.Errorf("in 10 hours it is asked %d times each minute, and %d times each hour", often, seldom)
		}
	})
}
