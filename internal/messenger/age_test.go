package messenger

import (
	"testing"
	"time"
)

var ageNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestOnlyAnAgeLimitHidesByTheClock(t *testing.T) {
	for _, c := range []struct {
		limit           AgeLimit
		sealed          time.Time
		expired, future bool
	}{
		{AgeLimit{}, ageNow.Add(-2 * time.Hour), false, false},
		{AgeLimit{}, ageNow.Add(time.Hour), false, false},
		{AgeLimit{TTL: time.Hour, Now: ageNow}, ageNow.Add(-2 * time.Hour), true, false},
		{AgeLimit{TTL: time.Hour, Now: ageNow}, ageNow, false, false},
		{AgeLimit{TTL: time.Hour, Now: ageNow}, ageNow.Add(time.Hour), false, true},
	} {
		if expired, future := c.limit.Hides(c.sealed); expired != c.expired || future != c.future {
			t.Errorf("limit %v, sealed %v: expired %t, future %t", c.limit.TTL, c.sealed, expired, future)
		}
	}
}
