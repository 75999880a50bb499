package token

import (
	"strings"
	"testing"
)

func TestUnwrap(t *testing.T) {
	bare := strings.TrimRight(hello, "=")
	tests := []struct {
		name, text, want string
		carried          Carried
	}{
		{"a canonical token", hello, hello, 0},
		{"nothing", "", "", 0},
		{"a line end", hello + "\r\n", hello, Space},
		{"all ASCII white space", " \t\n\v\f\r" + hello + " ", hello, Space},
		{"bytes of Python", "b'" + hello + "'", hello, BytesLiteral},
		{"bytes of Python in double quotes", `b"` + hello + `"`, hello, BytesLiteral},
		{"padding cut", bare, hello, MissingPadding},
		{"half of the padding cut", bare + "=", hello, MissingPadding},
		{"everything at once", "\tb'" + bare + "'\n", hello, Space | BytesLiteral | MissingPadding},

		{"white space inside", "gAAA AA=", "gAAA AA=", 0},
		{"white space inside the wrapper", "b' abc'", " abc", BytesLiteral},
		{"white space that is not ASCII", "\u00a0ab", "\u00a0ab", 0},
		{"one wrapper only", "b'b'xx''", "b'xx'", BytesLiteral},
		{"another quote at the end", `b'xxxxx"`, `b'xxxxx"`, 0},
		{"quotes without b", "'xxxxxx'", "'xxxxxx'", 0},
		{"capital B", "B'xxxxx'", "B'xxxxx'", 0},
		{"wrapper not closed", "b'xx", "b'xx", 0},
		{"a wrapper of one quote", "b'", "b'==", MissingPadding},
		{"an empty wrapper", "b''", "", BytesLiteral},
		{"one character too many", "abcde", "abcde", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, carried := Unwrap(test.text)
			if got != test.want || carried != test.carried {
				t.Errorf("Unwrap(%q) = %q, %q; want %q, %q", test.text, got, carried, test.want, test.carried)
			}
		})
	}
}

func TestCarriedString(t *testing.T) {
	tests := map[Carried]string{
		0:                                     "",
		Space:                                 "white space",
		BytesLiteral | MissingPadding:         "b'…', missing =",
		Space | BytesLiteral | MissingPadding: "white space, b'…', missing =",
	}
	for carried, want := range tests {
		if got := carried.String(); got != want {
			t.Errorf("Carried(%d).String() = %q, want %q", carried, got, want)
		}
	}
}

// Whatever carriers do to a token, alone or together, Unwrap undoes and names it.
func TestUnwrapUndoesEveryCarrier(t *testing.T) {
	for carried := range (Space | BytesLiteral | MissingPadding) + 1 {
		text := hello
		if carried.Has(MissingPadding) {
			text = strings.TrimRight(text, "=")
		}
		if carried.Has(BytesLiteral) {
			text = Wrap(text)
		}
		if carried.Has(Space) {
			text = "\n" + text + "  "
		}
		if got, named := Unwrap(text); got != hello || named != carried {
			t.Errorf("Unwrap(%q) = %q, %q; want the token, %q", text, got, named, carried)
		}
	}
}
