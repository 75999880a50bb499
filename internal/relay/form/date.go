package form

import (
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Date reads a date in any form that has one meaning; one without an offset is in the zone. A number is one where it
// can only be the seconds since 1970, of 2001 or later, or the milliseconds that JavaScript counts.
func Date(s string, zone *time.Location) (time.Time, bool) {
	t, err := thingspeak.ParseTime(s, zone)
	if err == nil {
		return t, true
	}
	const digits, millis = len("1000000000"), len("000")
	if s = strings.TrimSpace(s); len(s) == digits+millis && strings.Trim(s, "0123456789") == "" {
		s = s[:digits]
	}
	if t, err = thingspeak.ParseEpoch(s); err != nil || t.Unix() < 1_000_000_000 {
		return time.Time{}, false
	}
	return t, true
}
