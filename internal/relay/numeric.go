package relay

import (
	"strconv"
	"strings"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// mostPlaces is how many decimal places values are rounded to at most.
const mostPlaces = 20

// ParseNumber reads what the service takes for a number: a sign if it has one, digits, and if wanted a point or a comma
// and digits (contract section 7.11). Exponents, and words such as NaN, are none.
func ParseNumber(s string) (n float64, ok bool) {
	n, _, ok = parseNumber(s)
	return n, ok
}

// parseNumber also tells whether the decimal mark is a comma.
func parseNumber(s string) (n float64, comma, ok bool) {
	s = strings.TrimSpace(s)
	unsigned := s
	if s != "" && (s[0] == '+' || s[0] == '-') {
		unsigned = s[1:]
	}
	mark := strings.IndexAny(unsigned, ".,")
	whole, places := unsigned, "0"
	if mark >= 0 {
		whole, places = unsigned[:mark], unsigned[mark+1:]
		comma = unsigned[mark] == ','
	}
	if !isDigits(whole) || !isDigits(places) {
		return 0, false, false
	}
	if comma {
		s = strings.Replace(s, ",", ".", 1)
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, comma, err == nil
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// formatNumber writes the result of a calculation: never with an exponent, which would be no number to a reader, and
// always with a place, as the service does.
func formatNumber(n float64, comma bool) string {
	s := strconv.FormatFloat(n, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return withMark(s, comma)
}

func withMark(s string, comma bool) string {
	if comma {
		return strings.Replace(s, ".", ",", 1)
	}
	return s
}

// Round rounds the fields of an entry that are numbers to a number of decimal places, from 0 to 20. A comma stays the
// decimal mark.
func Round(e *thingspeak.Entry, places int) {
	places = min(max(0, places), mostPlaces)
	for i := range e.Fields {
		if n, comma, ok := parseNumber(e.Fields[i].Text); ok {
			e.Fields[i].Text = withMark(strconv.FormatFloat(n, 'f', places, 64), comma)
		}
	}
}
