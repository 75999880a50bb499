package exchange

import (
	"testing"
	"time"
)

func TestTheHourOfWhatIsReadInVain(t *testing.T) {
	const budget = 1 << 20
	now := time.Unix(1_800_000_000, 0)
	var b VainHour
	b.Add(300<<10, 100, true, now)
	b.Add(vainLeast-1, 0, true, now.Add(time.Minute))
	b.Add(300<<10, 600, true, now.Add(time.Minute)) // worth reading
	if got, want := b.Left(budget, now.Add(59*time.Minute)), int64(budget-(300<<10)+100*tokenWorth); got != want {
		t.Errorf("%d are left, want %d", got, want)
	}
	b.Add(budget, 0, true, now.Add(59*time.Minute))
	if got := b.Left(budget, now.Add(59*time.Minute)); got != 1 {
		t.Errorf("%d are left of what is spent, want 1: 0 is no limit", got)
	}
	// What came after a flood was not looked at for an hour.
	b.Looked = now.Add(59*time.Minute - lookPause)
	if got := b.Left(budget, now.Add(59*time.Minute)); got != lookWorth {
		t.Errorf("%d are left for a look a minute later, want %d", got, lookWorth)
	}
	for name, at := range map[string]time.Time{"an hour later": now.Add(vainPeriod), "with a clock set back": now.Add(-time.Second)} {
		if got := b.Left(budget, at); got != budget {
			t.Errorf("%s %d are left, want all", name, got)
		}
	}
	if got := b.Left(0, now); got != 0 {
		t.Errorf("without a budget %d are left, want 0", got)
	}
}
