package messenger_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
)

// Whoever was killed while a reading was put into the outbox finds out whether it is there, before it is posted, after, and once
// it was read back; and takes no other for it.
func TestWhetherAReadingWasSent(t *testing.T) {
	for _, profile := range []string{"fernpost", "tutorial"} {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newMembers(t)
				x.room.Profile = profile
				ana := x.join("ana")
				at, reading := time.Now().Add(-time.Hour), values("", "21.5")
				check := func(when string, want bool) {
					t.Helper()
					ana.in(func(r *messenger.Room) error {
						has, err := r.HasSent(reading, at)
						if has != want {
							t.Errorf("%s it is said to be sent: %v", when, has)
						}
						later, err1 := r.HasSent(reading, at.Add(time.Second))
						other, err2 := r.HasSent(values("", "21.6"), at)
						if later || other {
							t.Errorf("%s others are said to be sent: %v, %v", when, later, other)
						}
						return errors.Join(err, err1, err2)
					})
				}
				check("before anything", false)
				if err := ana.send(reading, messenger.SendOptions{Queue: true, At: at}); err != nil {
					t.Fatal(err)
				}
				check("in the outbox", true)
				ana.in(func(r *messenger.Room) error {
					_, _, err := r.Retry(t.Context(), messenger.SendOptions{})
					return err
				})
				check("posted", true)
				ana.history(0)
				check("read back", true)
				bo := x.join("bo")
				if bo.history(0); profile == "fernpost" { // where nobody signs it may be anybody's
					ana = bo
					check("by another one", false)
				}
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
