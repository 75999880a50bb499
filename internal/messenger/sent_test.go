package messenger_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
)

// Whoever was killed while a reading was put into the outbox finds out whether it is there, before it is posted, after, and once it was
// read back: its count went with it, in either form.
func TestCounted(t *testing.T) {
	for _, profile := range []string{"fernpost", "tutorial"} {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newMembers(t)
				x.room.Profile = profile
				ana := x.join("ana")
				check := func(when string, want int64) {
					t.Helper()
					ana.in(func(r *messenger.Room) error {
						n, err := r.Counted("door")
						if other, err := r.Counted("other"); n != want || other != 0 || err != nil {
							t.Errorf("%s it stands at %d, and another one at %d, %v", when, n, other, err)
						}
						return err
					})
				}
				send := func(o messenger.SendOptions) {
					t.Helper()
					if o.Queue = true; ana.send(values("", "21.5"), o) != nil {
						t.Error("it is not sent")
					}
				}
				check("before anything", 0)
				send(messenger.SendOptions{})
				check("without one", 0)
				send(messenger.SendOptions{Counted: "door", Count: 7})
				check("in the outbox", 7)
				send(messenger.SendOptions{})
				check("beside another message", 7)
				if err := ana.send(values("", strings.Repeat("x", 256)), messenger.SendOptions{Queue: true, Counted: "door", Count: 8}); err == nil {
					t.Error("what is too long is sent")
				}
				check("when nothing was written", 7)
				ana.in(func(r *messenger.Room) error {
					_, _, err := r.Retry(t.Context(), messenger.SendOptions{})
					return err
				})
				ana.history(0)
				check("read back", 7)
			})
		})
	}
}

// What cannot be sent is known before, in either form.
func TestCheckReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana := x.join("ana")
		if err := ana.engine.CheckReading(x.room, values("", "", "2"), time.Now()); err != nil {
			t.Error(err)
		}
		if err := ana.engine.CheckReading(x.room, values(""), time.Now()); err == nil {
			t.Error("an empty one passes")
		}
		x.room.Profile, x.room.Fields = "tutorial", []int{1}
		if err := ana.engine.CheckReading(x.room, values("", "", "2"), time.Now()); !errors.Is(err, model.ErrReading) {
			t.Errorf("a field that the room does not write to: %v", err)
		}
	})
}
