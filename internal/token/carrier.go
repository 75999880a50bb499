package token

import "strings"

// Carried is the set of things that [Unwrap] took off a text. The zero value is the empty set.
type Carried uint8

// What carriers are known to do to a token.
const (
	// Space is ASCII white space before or behind: space, tab, line feed, vertical tab, form feed, carriage return.
	Space Carried = 1 << iota
	// BytesLiteral is b'…' or b"…": what Python's str makes of bytes.
	BytesLiteral
	// MissingPadding is "=" cut off the end, as many base64 writers do.
	MissingPadding
)

// Has reports whether all of what are in the set.
func (c Carried) Has(what Carried) bool { return c&what == what }

// String names what is in the set, separated by commas, and is empty for the empty set.
func (c Carried) String() string {
	var names []string
	for _, one := range []struct {
		what Carried
		name string
	}{{Space, "white space"}, {BytesLiteral, "b'…'"}, {MissingPadding, "missing ="}} {
		if c.Has(one.what) {
			names = append(names, one.name)
		}
	}
	return strings.Join(names, ", ")
}

// Unwrap takes off what carriers add to a token and says what that was: white space around, then one wrapper b'…' or
// b"…", then it puts back missing "=". It does nothing else, so the result need not be a token: give it to [Parse]. A
// canonical token comes back as it is, with the empty set.
func Unwrap(s string) (bare string, carried Carried) {
	bare = strings.Trim(s, " \t\n\v\f\r")
	if len(bare) != len(s) {
		carried |= Space
	}
	if n := len(bare); n >= 3 && bare[0] == 'b' && (bare[1] == '\'' || bare[1] == '"') && bare[n-1] == bare[1] {
		bare = bare[2 : n-1]
		carried |= BytesLiteral
	}
	// One character too many is no cut: no number of bytes is written so.
	switch len(bare) % 4 {
	case 2:
		return bare + "==", carried | MissingPadding
	case 3:
		return bare + "=", carried | MissingPadding
	}
	return bare, carried
}

// Wrap writes a token as the published Python scripts put it into a field, b'gAAA…': 3 characters more.
func Wrap(tok string) string { return "b'" + tok + "'" }
