package thingspeak

import (
	"fmt"
	"math"
	"strings"
)

// ParseChannelID reads a channel's number: decimal digits, above 0, with blanks around it or not.
func ParseChannelID(s string) (int64, error) {
	id, ok := parseNumber(strings.TrimSpace(s))
	if !ok || id == 0 {
		return 0, fmt.Errorf("%q is not the number of a channel", excerpt([]byte(s), 40))
	}
	return id, nil
}

// parseNumber reads decimal digits and nothing else; strconv would take a sign, and allocates for what it refuses.
func parseNumber(s string) (n int64, ok bool) {
	for i := range len(s) {
		digit := int64(s[i]) - '0'
		if digit < 0 || digit > 9 || n > (math.MaxInt64-digit)/10 {
			return 0, false
		}
		n = n*10 + digit
	}
	return n, s != ""
}
