package eavesdrop

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// freeClock is a feed of a board that reports every 15 s, as often as the service takes it, with a clock that nobody sets.
func freeClock(r *rand.Rand, length time.Duration, ppm float64) []thingspeak.Entry {
	var rows []thingspeak.Entry
	const start = 1.78e9
	ahead := r.Float64() * 5
	for at := r.Float64(); at <= length.Seconds()+30; at += 15 + r.NormFloat64()*0.3 {
		came := start + at + 0.05 + r.ExpFloat64()*0.1
		rows = append(rows, entryOf(int64(len(rows)+1), time.Unix(int64(came), 0), sealedToken(r, start+at+ahead+at*ppm*1e-6, 1)))
	}
	return rows
}

// TestDriftOfAFreeClock: how well the drift of a clock is known after an hour, four hours and a day, both as it is said, by the standard
// error, and as it is, by how far off the drifts are that were computed.
func TestDriftOfAFreeClock(t *testing.T) {
	for _, c := range []struct {
		length time.Duration
		ppm    float64 // the standard error
		feeds  uint64
	}{{time.Hour, 25, 60}, {4 * time.Hour, 3, 40}, {24 * time.Hour, 0.25, 12}} {
		var stated []float64
		var squares, within float64
		for seed := range c.feeds {
			r := rand.New(rand.NewPCG(7, seed))
			ppm := r.NormFloat64() * 40
			got := reportOf(freeClock(r, c.length, ppm)...)
			if !got.Clock.Known {
				t.Fatalf("%v, feed %d: the drift is not known", c.length, seed)
			}
			stated = append(stated, got.Clock.Error)
			off := got.Clock.PPM - ppm
			squares += off * off / float64(c.feeds)
			if math.Abs(off) <= 3*got.Clock.Error {
				within++
			}
		}
		slices.Sort(stated)
		middle, is := stated[len(stated)/2], math.Sqrt(squares)
		t.Logf("after %v: standard error %.3g ppm (median of %d feeds), off by %.3g ppm (root mean square)", c.length, middle, c.feeds, is)
		if middle < c.ppm/1.5 || middle > c.ppm*1.5 {
			t.Errorf("after %v a standard error of %.3g ppm is stated, want about %v", c.length, middle, c.ppm)
		}
		if is > 1.5*middle || within < 0.94*float64(c.feeds)-1 {
			t.Errorf("after %v drifts are off by %.3g ppm, where %.3g is stated; %v of %d are within three of these", c.length, is, middle, within, c.feeds)
		}
	}
}
