package duration

import (
	"math"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	const day = 24 * time.Hour
	for s, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "15s": 15 * time.Second, "1h30m": 90 * time.Minute, "-5s": -5 * time.Second, "+5s": 5 * time.Second,
		"1d": day, "2w": 14 * day, "1w2d": 9 * day, "1d12h": 36 * time.Hour, "0.5d": 12 * time.Hour, "-1d1s": -day - time.Second,
		"1w1ns": 7*day + 1, "+1d": day, "0d": 0,
	} {
		if got, err := Parse(s); got != want || err != nil {
			t.Errorf("Parse(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "5", "d", "1", "1 d", "1dd", "1d2w", "1d-2h", "1d5", "..d", "1e9w", "99999999w", "106752d", "15250w2d", "1x", "--1d", "+-1d", "NaNd", "1day",
	} {
		if got, err := Parse(s); err != ErrForm {
			t.Errorf("Parse(%q) = %v, %v, want ErrForm", s, got, err)
		}
	}
	if got, err := Parse("106751d23h47m16s"); err != nil || got < math.MaxInt64/2 {
		t.Errorf("almost the longest is read as %v, %v", got, err)
	}
}

// FuzzParse: what Go reads is read as Go reads it, and what is written is read again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"1w2d3h", "-1d", "15s", "106751d23h47m16.9s", "1.5w"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := Parse(s)
		if gos, wrong := time.ParseDuration(s); wrong == nil && (err != nil || d != gos) {
			t.Errorf("Parse(%q) = %v, %v, want %v", s, d, err, gos)
		}
		if again, wrong := Parse(d.String()); err == nil && (wrong != nil || again != d) {
			t.Errorf("Parse(%q) = %v, %v, want %v", d, again, wrong, d)
		}
	})
}
