package screen

import (
	"math"
	"testing"
)

// TestSpan: "24h0m0s" is no text for people, and what lasts longer than 292 years was cut to that.
func TestSpan(t *testing.T) {
	const day = 86400
	for seconds, want := range map[float64]string{
		0: "0 seconds", -1: "0 seconds", math.NaN(): "0 seconds", 0.25: "0.25 seconds", 1: "1 second", 9.7: "10 seconds", 59.7: "1 minute",
		125: "2 minutes 5 seconds", 3600: "60 minutes", 7200: "2 hours", 86_340: "23 hours 59 minutes", 86_399: "24 hours", day: "24 hours",
		2 * day: "2 days", 700 * day: "700 days", 8_000 * 365.25 * day: "8000 years", math.Inf(1): "31688087814 years",
	} {
		if got := Span(seconds); got != want {
			t.Errorf("%v is %q, want %q", seconds, got, want)
		}
	}
}
