package messenger_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// answers has the relay store what is posted, and answer with a number of its own choice.
func answers(entry string) relaytest.Fault {
	return relaytest.On("POST /update", relaytest.RewriteBody(func([]byte) []byte { return []byte(entry) }))
}

// A number that this device held, or that its own text before had, was told as where a text was accepted: in rooms of records it is no
// answer, and what was posted is looked for.
func TestATakenNumberIsNoAnswer(t *testing.T) {
	for _, profile := range []string{"fernpost", "tutorial"} {
		for _, reads := range []bool{true, false} { // or it has an archive of nothing yet
			t.Run(fmt.Sprintf("%s reads %t", profile, reads), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					x := newMembers(t)
					x.room.Profile = profile
					ana := x.join("ana")
					send := func(text string) (messenger.Sent, error) {
						return ana.engine.Send(t.Context(), ana.settings(), record.Text(text), messenger.SendOptions{}, messenger.Face{})
					}
					if _, err := send("one"); err != nil {
						t.Fatal(err)
					}
					if reads {
						ana.history(0)
					}
					x.server.Inject(answers("1"))
					time.Sleep(time.Minute)
					sent, err := send("two")
					if err != nil || sent.Entry != 2 || sent.Sent != model.StateAccepted || sent.Elsewhere {
						t.Errorf("it is %v as entry %d, elsewhere %t (%v); want entry 2", sent.Sent, sent.Entry, sent.Elsewhere, err)
					}
					if n := len(x.server.Entries(t, x.room.Channel)); n != 2 {
						t.Errorf("%d entries are stored, want 2", n)
					}
				})
			})
		}
	}
}

// Where what was posted under a number that something else has is nowhere, it is not accepted, and waits.
func TestATextUnderATakenNumberThatIsNowhereWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		x.room.Profile = "tutorial"
		ana := x.join("ana")
		send := func(text string, o messenger.SendOptions) (messenger.Sent, error) {
			return ana.engine.Send(t.Context(), ana.settings(), record.Text(text), o, messenger.Face{})
		}
		if _, err := send("one", messenger.SendOptions{}); err != nil {
			t.Fatal(err)
		}
		ana.history(0)
		x.server.Inject(relaytest.On("POST /update", relaytest.Answer(http.StatusOK, "text/plain", "1")))
		for _, o := range []messenger.SendOptions{{NoWait: true}, {}} {
			sent, err := send("two", o)
			if _, waits := errors.AsType[*messenger.WaitsError](err); !waits || !errors.Is(err, exchange.ErrUnknownOutcome) {
				t.Errorf("%+v: %v, entry %d", o, err, sent.Entry)
			}
		}
		x.server.Inject(nil)
		ana.in(func(r *messenger.Room) error {
			_, _, err := r.Retry(t.Context(), messenger.SendOptions{})
			return err
		})
		if n := len(x.server.Entries(t, x.room.Channel)); n != 3 {
			t.Errorf("%d entries are stored, want 3", n)
		}
	})
}

// A message that was posted here, and of which the reply was lost, was told as posted by another process.
func TestWhatWasPostedHereIsNotToldAsAnothers(t *testing.T) {
	for _, profile := range []string{"fernpost", "tutorial"} {
		for name, once := range map[string]relaytest.Fault{"lost": relaytest.LoseReply(), "cut": relaytest.CutBody(0)} {
			t.Run(profile+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					x := newMembers(t)
					x.room.Profile = profile
					ana := x.join("ana")
					x.server.Inject(relaytest.On("POST /update", relaytest.Times(1, once)))
					sent, err := ana.engine.Send(t.Context(), ana.settings(), record.Text("one"), messenger.SendOptions{}, messenger.Face{})
					if err != nil || sent.Elsewhere || sent.Entry != 1 {
						t.Errorf("it is entry %d, posted elsewhere %t (%v)", sent.Entry, sent.Elsewhere, err)
					}
				})
			})
		}
	}
}
