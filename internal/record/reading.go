package record

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a [Reading].
const (
	// ReadingFields is how many fields an entry of a channel has, and so values a reading.
	ReadingFields = 8
	// MaxReadingValue is the longest value, in bytes of UTF-8; the status and the parts of the location are no longer.
	MaxReadingValue = 255
)

// ErrNoReading refuses a reading that says nothing.
var ErrNoReading = errors.New("the reading is empty: it has neither a value nor a status")

type (
	// Reading is what a sensor has measured: values as ThingSpeak's clients write them. They are a peer's: clean them before they
	// are shown.
	Reading struct {
		// Values stand at the number of their field less one.
		Values [ReadingFields]Value
		Status string
		// Latitude, Longitude and Elevation are decimal texts.
		Latitude, Longitude, Elevation string
	}

	// Value is the text of a field. The zero Value is that of a field that has none, which differs from an empty text.
	Value struct {
		Text  string
		Given bool
	}
)

// Check refuses a reading that cannot be written: [ErrNoReading], or one that says in words which text is too long, no UTF-8 or
// no number.
func (r Reading) Check() error {
	if r == (Reading{}) {
		return ErrNoReading
	}
	for i, v := range r.Values {
		if !v.Given && v.Text != "" {
			return fmt.Errorf("field%d has a text and no value", i+1)
		}
		if err := checkText(fmt.Sprint("field", i+1), v.Text); err != nil {
			return err
		}
	}
	for i, s := range r.behind() {
		if err := checkText(behindNames[i], s); err != nil {
			return err
		}
		if i > 0 && s != "" && !decimal(s) {
			return fmt.Errorf("%s is no decimal number", behindNames[i])
		}
	}
	return nil
}

func checkText(name, s string) error {
	switch {
	case len(s) > MaxReadingValue:
		return fmt.Errorf("%s has %d bytes, and a value has at most %d", name, len(s), MaxReadingValue)
	case !utf8.ValidString(s):
		return fmt.Errorf("%s is not UTF-8 text", name)
	}
	return nil
}

// decimal reports whether s is a sign, if there is one, and digits, with at most one point among them.
func decimal(s string) bool {
	if s[0] == '+' || s[0] == '-' {
		s = s[1:]
	}
	digits := strings.Replace(s, ".", "", 1)
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}

// behindNames are what stands behind the values, in this order.
var behindNames = [4]string{"status", "latitude", "longitude", "elevation"}

func (r Reading) behind() []string { return []string{r.Status, r.Latitude, r.Longitude, r.Elevation} }

// given returns how many of the texts behind the values are written: up to the last that is not empty.
func (r Reading) given() (n int) {
	for i, s := range r.behind() {
		if s != "" {
			n = i + 1
		}
	}
	return n
}

func (r Reading) size() int {
	n := 1
	for _, v := range r.Values {
		if v.Given {
			n += 1 + len(v.Text)
		}
	}
	for _, s := range r.behind()[:r.given()] {
		n += 1 + len(s)
	}
	return n
}

// append writes a reading that was checked.
func (r Reading) append(b []byte) []byte {
	at := len(b)
	b = append(b, 0)
	for i, v := range r.Values {
		if v.Given {
			b[at] |= 1 << i
			b = append(append(b, byte(len(v.Text))), v.Text...)
		}
	}
	for _, s := range r.behind()[:r.given()] {
		b = append(append(b, byte(len(s))), s...)
	}
	return b
}

// parseReading reads what append writes, and nothing else: of what could be written in two ways, one is a form that is broken.
func parseReading(b []byte) (r Reading, ok bool) {
	if len(b) == 0 {
		return r, false
	}
	mask, b := b[0], b[1:]
	var text []byte
	for i := range r.Values {
		if mask>>i&1 == 0 {
			continue
		}
		if text, b, ok = cutPrefixed(b); !ok {
			return r, false
		}
		r.Values[i] = Value{string(text), true}
	}
	for _, to := range []*string{&r.Status, &r.Latitude, &r.Longitude, &r.Elevation} {
		if len(b) == 0 {
			break
		}
		if text, b, ok = cutPrefixed(b); !ok {
			return r, false
		}
		// An empty text is written only if something follows.
		if *to = string(text); *to == "" && len(b) == 0 {
			return r, false
		}
	}
	return r, len(b) == 0 && r.Check() == nil
}

// String shows a reading: field1=21.5 field2=40 (warm). A text that could be taken for another one's beginning stands in quotes.
// It is a peer's: clean it before it is shown.
func (r Reading) String() string {
	var words []string
	for i, v := range r.Values {
		if v.Given {
			words = append(words, fmt.Sprintf("field%d=%s", i+1, quoted(v.Text, ` "=()`)))
		}
	}
	for i, s := range r.behind() {
		if i > 0 && s != "" {
			words = append(words, behindNames[i]+"="+s)
		}
	}
	if r.Status != "" {
		words = append(words, "("+quoted(r.Status, `"()`)+")")
	}
	return strings.Join(words, " ")
}

// quoted puts a text into quotes if it is empty, or has anything that divides it from others: one of these characters, or white
// space other than blanks.
func quoted(s, dividers string) string {
	if s == "" || strings.ContainsFunc(s, func(c rune) bool { return c != ' ' && unicode.IsSpace(c) || strings.ContainsRune(dividers, c) }) {
		return strconv.Quote(s)
	}
	return s
}
