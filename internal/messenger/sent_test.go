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

// Whoever was killed while a reading was put into the outbox comes with it again, under its name, and it is there once: before it is posted,
// after, and once it was read back, in either form. Others that say the same are others.
func TestAReadingIsSentOnce(t *testing.T) {
	for _, profile := range []string{"fernpost", "tutorial"} {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newMembers(t)
				x.room.Profile = profile
				ana := x.join("ana")
				send := func(when, name string, again bool) {
					t.Helper()
					ana.in(func(r *messenger.Room) error {
						sent, err := r.Send(t.Context(), values("", "21.5"), messenger.SendOptions{Queue: true, At: time.Now(), Once: name})
						if err != nil || sent.Again != again {
							t.Errorf("%s %q was there before: %v, %v", when, name, sent.Again, err)
						}
						return nil
					})
				}
				send("at first", "", false)
				send("at first", "7", false)
				send("in the outbox", "7", true)
				send("beside it", "8", false)
				if err := ana.send(values("", strings.Repeat("x", 256)), messenger.SendOptions{Queue: true, Once: "9"}); err == nil {
					t.Error("what is too long is sent")
				}
				send("when nothing was written", "9", false)
				ana.in(func(r *messenger.Room) error {
					_, _, err := r.Retry(t.Context(), messenger.SendOptions{})
					return err
				})
				ana.history(0)
				send("read back", "7", true)
				send("read back", "9", true)
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
