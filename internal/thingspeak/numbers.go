package thingspeak

import (
	"fmt"
	"math"
	"strconv"
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

// maxWholeDigits is how many digits a decimal may have before its point; with ten behind it that is more than any place
// on earth needs.
const maxWholeDigits = 10

// ParseDecimal reads the decimal of a latitude or longitude, with blanks around it or not, and returns its text: a
// sign if it has one, digits, at most ten places (contract section 3.2). Exponents and decimal commas are none.
func ParseDecimal(s string) (text string, ok bool) {
	s = strings.TrimSpace(s)
	unsigned := s
	if s != "" && (s[0] == '+' || s[0] == '-') {
		unsigned = s[1:]
	}
	whole, places, _ := strings.Cut(unsigned, ".")
	if len(whole) > maxWholeDigits || whole+places == "" || strings.Trim(whole+places, "0123456789") != "" {
		return "", false
	}
	return s[:len(s)-max(0, len(places)-10)], true
}

// JSONNumber returns a value as a number of JSON, if it is a decimal one: in its own digits where JSON writes it so, and with
// an exponent or not. Decimal commas and words such as NaN are none.
func JSONNumber(s string) (number string, ok bool) {
	s = strings.TrimSpace(s)
	if strings.Trim(s, "+-.0123456789eE") != "" {
		return "", false
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return "", false
	}
	whole, places, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if isDigit(whole) && (whole == "0" || whole[0] != '0') && (!point || isDigit(places)) {
		return s, true
	}
	return strconv.FormatFloat(n, 'g', -1, 64), true
}
