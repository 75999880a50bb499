package token

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// A text is either the one canonical form of what was read, or refused with a reason.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		hello, hello[:99], hello + "AAAA", hello[:50] + "\n" + hello[50:], Wrap(hello), "gAAA", "", "23.5", "\n\n\n\n",
		"====", strings.Repeat(hello[:96], 5), strings.ReplaceAll(hello, "_", "/"), hello[:97] + "B==", hello + "\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tok, err := Parse(text)
		raw, decoding := base64.URLEncoding.DecodeString(text)
		canonical := decoding == nil && base64.URLEncoding.EncodeToString(raw) == text
		wellFormed := len(raw) >= MinBytes && raw[0] == Version && (len(raw)-Overhead)%BlockSize == 0
		if (err == nil) != (canonical && wellFormed) {
			t.Fatalf("Parse(%q) = %v; canonical %t, well-formed %t", text, err, canonical, wellFormed)
		}
		if err != nil {
			var reason MalformedError
			if !errors.As(err, &reason) || !errors.Is(err, ErrMalformed) || !tok.IsZero() {
				t.Fatalf("Parse(%q) = %v, %v", text, tok, err)
			}
			return
		}
		again, err := Encode(tok.Bytes())
		if err != nil || again.String() != text || tok.String() != text {
			t.Fatalf("Parse(%q) re-encodes to %q, %v", text, again, err)
		}
		if len(text) != EncodedLen(tok.MinPlaintext()) || len(text) != EncodedLen(tok.MaxPlaintext()) {
			t.Fatalf("Parse(%q): plaintext of %d to %d bytes", text, tok.MinPlaintext(), tok.MaxPlaintext())
		}
		if year := tok.SealedAt().Year(); year < 1970 || year > 9999 {
			t.Fatalf("Parse(%q): sealed in the year %d", text, year)
		}
	})
}

// Encode and Parse agree on what a token is.
func FuzzEncode(f *testing.F) {
	f.Add(shaped(0, 16))
	f.Add(shaped(1<<63, 128))
	f.Add(shaped(1, 17))
	f.Add([]byte{Version})
	f.Fuzz(func(t *testing.T, raw []byte) {
		tok, err := Encode(raw)
		if err != nil {
			return
		}
		again, err := Parse(tok.String())
		if err != nil || string(again.Bytes()) != string(raw) {
			t.Fatalf("Encode(%x) parses to %x, %v", raw, again.Bytes(), err)
		}
	})
}

// Unwrap invents nothing: what it leaves stood in the text, it says when it did something, and a token that it leaves
// comes back from every carrier.
func FuzzUnwrap(f *testing.F) {
	for _, seed := range []string{
		hello, Wrap(hello), "  " + hello + "\r\n", strings.TrimRight(hello, "="), `b"` + hello[:98] + `"`, "b'",
		"b''", "b'\"", "", "\x00", " ", "b'b'xx''",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		bare, carried := Unwrap(text)
		if (carried == 0) != (bare == text) {
			t.Fatalf("Unwrap(%q) = %q, %q", text, bare, carried)
		}
		kept := bare
		if carried.Has(MissingPadding) {
			kept = strings.TrimSuffix(strings.TrimSuffix(bare, "="), "=")
		}
		if !strings.Contains(text, kept) {
			t.Fatalf("Unwrap(%q) = %q, which was not in it", text, bare)
		}
		if _, err := Parse(bare); err != nil {
			return
		}
		for _, carrier := range []string{bare, Wrap(bare), ` b"` + bare + `"` + "\n", strings.TrimRight(bare, "=")} {
			if again, _ := Unwrap(carrier); again != bare {
				t.Fatalf("Unwrap(%q) = %q, want %q", carrier, again, bare)
			}
		}
	})
}

// What is called cut is no token, and is not longer than what it was cut from could be.
func FuzzIsCut(f *testing.F) {
	for _, seed := range []string{hello, hello[:50], hello[:3], "", "=", "gAAAA", "x" + hello, hello[:98] + "=", hello + "A"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := Parse(text); err == nil && IsCut(text) {
			t.Fatalf("%q is a token, and cut", text)
		}
	})
}
