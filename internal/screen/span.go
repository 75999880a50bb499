package screen

import (
	"fmt"
	"math"
)

// Span writes how long something lasts, in its one or two greatest units: "1.5 seconds", "2 minutes 5 seconds", "24 hours", "3 days". It
// takes seconds, since a [time.Duration] has no more than 292 years.
func Span(seconds float64) string {
	const minute, hour, day, year = 60, 3600, 86400, 365.25 * 86400
	switch {
	case !(seconds > 0):
		return "0 seconds"
	case seconds < 9.5 && seconds != math.Trunc(seconds):
		return fmt.Sprintf("%.2g seconds", seconds)
	case seconds < minute-0.5:
		return Count(whole(seconds, 1), "second")
	case seconds < 2*hour:
		n := whole(seconds, 1)
		return twoUnits(n/minute, "minute", n%minute, "second")
	case seconds < 2*day:
		n := whole(seconds, minute)
		return twoUnits(n/minute, "hour", n%minute, "minute")
	case seconds < 2*year:
		return Count(whole(seconds, day), "day")
	}
	return Count(whole(min(seconds, 1e18), year), "year")
}

func whole(seconds, unit float64) uint64 { return uint64(math.Round(seconds / unit)) }

func twoUnits(n uint64, unit string, rest uint64, part string) string {
	if rest == 0 {
		return Count(n, unit)
	}
	return Count(n, unit) + " " + Count(rest, part)
}
