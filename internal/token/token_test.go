package token

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

// hello is the token of the specification's generate.json.
const hello = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="

// shaped returns bytes with the anatomy of a token: a time, the IV 0 to 15, a ciphertext of n bytes 0xCC and a MAC of
// bytes 0xAA.
func shaped(seconds uint64, n int) []byte {
	raw := binary.BigEndian.AppendUint64([]byte{Version}, seconds)
	for i := range byte(IVSize) {
		raw = append(raw, i)
	}
	raw = append(raw, bytes.Repeat([]byte{0xcc}, n)...)
	return append(raw, bytes.Repeat([]byte{0xaa}, MACSize)...)
}

func TestParseRefuses(t *testing.T) {
	encode := base64.URLEncoding.EncodeToString
	v81 := shaped(1, 16)
	v81[0] = 0x81
	tests := []struct {
		name, text string
		want       MalformedError
	}{
		{"nothing", "", TooShort},
		{"a number", "23.5", NotBase64},
		{"junk behind", hello + "AAAA", NotBase64},
		{"one character behind", hello + "x", NotBase64},
		{"a second token behind", hello + hello, NotBase64},
		{"too much padding", hello + "==", NotBase64},
		{"padding missing", strings.TrimRight(hello, "="), NotBase64},
		{"half of the padding missing", strings.TrimSuffix(hello, "="), NotBase64},
		{"the standard alphabet", strings.ReplaceAll(hello, "_", "/"), NotBase64},
		{"space before", " " + hello, NotBase64},
		{"space behind", hello + " ", NotBase64},
		{"the wrapper of Python", Wrap(hello), NotBase64},
		{"a zero byte behind", hello + "\x00", NotBase64},
		{"line break behind", hello + "\n", NotCanonical},
		{"line break inside", hello[:40] + "\n" + hello[40:], NotCanonical},
		{"line breaks every 76 characters", hello[:76] + "\r\n" + hello[76:], NotCanonical},
		{"line break in the padding", strings.TrimSuffix(hello, "=") + "\n=", NotCanonical},
		{"only line breaks", "\n\n\n\n", NotCanonical},
		{"spare bits of the last character set", strings.TrimSuffix(hello, "A==") + "B==", NotCanonical},
		{"version 0x81", encode(v81), WrongVersion},
		{"version 0x00", encode(make([]byte, MinBytes)), WrongVersion},
		{"the version alone", encode([]byte{Version}), TooShort},
		{"no block of ciphertext", encode(shaped(1, 0)), TooShort},
		{"a byte less than a block", encode(shaped(1, 15)), TooShort},
		{"a byte more than a block", encode(shaped(1, 17)), WrongLength},
		{"a byte less than two blocks", encode(shaped(1, 31)), WrongLength},
		{"cut after 200 characters", encode(shaped(1, 128))[:200], WrongLength},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse(test.text)
			if !errors.Is(err, test.want) || !errors.Is(err, ErrMalformed) {
				t.Errorf("Parse(%q) = %v, want %v", test.text, err, test.want)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	tests := []struct {
		name string
		raw  []byte
		want MalformedError
	}{
		{"nothing", nil, TooShort},
		{"no block", shaped(1, 0), TooShort},
		{"half a block more", shaped(1, 24), WrongLength},
		{"another version", append([]byte{0x81}, shaped(1, 16)[1:]...), WrongVersion},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Encode(test.raw); !errors.Is(err, test.want) {
				t.Errorf("Encode(%x) = %v, want %v", test.raw, err, test.want)
			}
		})
	}
}

func TestMalformedErrors(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range []MalformedError{NotBase64, NotCanonical, WrongVersion, TooShort, WrongLength} {
		text := e.Error()
		if seen[text] || !strings.HasPrefix(text, "malformed token: ") {
			t.Errorf("reason %d reads %q", e, text)
		}
		seen[text] = true
		if errors.Is(e, errors.New("malformed token")) {
			t.Errorf("%v matches a stranger", e)
		}
	}
}

func TestAnatomy(t *testing.T) {
	for _, blocks := range []int{1, 2, 8, 9, 100} {
		raw := shaped(499162800, blocks*BlockSize)
		tok, err := Encode(raw)
		if err != nil {
			t.Fatalf("Encode: %v", err)
		}
		again, err := Parse(tok.String())
		if err != nil {
			t.Fatalf("Parse(%q): %v", tok, err)
		}
		if !bytes.Equal(again.Bytes(), raw) {
			t.Errorf("Bytes() = %x, want %x", again.Bytes(), raw)
		}
		if got := again.CiphertextLen(); got != blocks*BlockSize {
			t.Errorf("CiphertextLen() = %d, want %d", got, blocks*BlockSize)
		}
		if least, most := again.MinPlaintext(), again.MaxPlaintext(); least != blocks*16-16 || most != blocks*16-1 {
			t.Errorf("%d blocks: plaintext of %d to %d bytes", blocks, least, most)
		}
		if got, want := again.MAC(), [MACSize]byte(bytes.Repeat([]byte{0xaa}, MACSize)); got != want {
			t.Errorf("MAC() = %x, want %x", got, want)
		}
		if got, want := again.IV(), ([IVSize]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}); got != want {
			t.Errorf("IV() = %x, want %x", got, want)
		}
		if got, want := again.SealedAt(), time.Date(1985, 10, 26, 8, 20, 0, 0, time.UTC); !got.Equal(want) {
			t.Errorf("SealedAt() = %v, want %v", got, want)
		}
	}
}

func TestSealedAtOfAbsurdClocks(t *testing.T) {
	end := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	tests := []struct {
		seconds uint64
		want    time.Time
	}{
		{0, time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)},
		{1 << 32, time.Date(2106, 2, 7, 6, 28, 16, 0, time.UTC)},
		{lastSecond - 1, end.Add(-time.Second)},
		{lastSecond, end},
		{lastSecond + 1, end},
		{math.MaxInt64, end},
		{math.MaxInt64 + 1, end},
		{math.MaxUint64, end},
	}
	for _, test := range tests {
		tok, err := Encode(shaped(test.seconds, 16))
		if err != nil {
			t.Fatal(err)
		}
		if got := tok.Time(); got != test.seconds {
			t.Errorf("Time() = %d, want %d", got, test.seconds)
		}
		if got := tok.SealedAt(); got != test.want {
			t.Errorf("SealedAt() of %d = %v, want %v", test.seconds, got, test.want)
		}
		if _, err := json.Marshal(tok.SealedAt()); err != nil {
			t.Errorf("SealedAt() of %d cannot be written: %v", test.seconds, err)
		}
	}
}

// A cell is as large as a field of 255 bytes allows, in the wrapper too, and not a byte larger.
func TestCellFitsField(t *testing.T) {
	const field = 255
	if got := EncodedLen(CellSize); got != 248 {
		t.Errorf("EncodedLen(%d) = %d, want 248", CellSize, got)
	}
	if got := len(Wrap(strings.Repeat("x", EncodedLen(CellSize)))); got > field {
		t.Errorf("a wrapped cell takes %d characters", got)
	}
	if got := EncodedLen(CellSize + 1); got <= field {
		t.Errorf("EncodedLen(%d) = %d, which fits a field", CellSize+1, got)
	}
	if got := base64.URLEncoding.DecodedLen(field); got > BufferSize {
		t.Errorf("a field decodes to %d bytes, more than BufferSize", got)
	}
	for n, want := range map[int]int{0: 100, 15: 100, 16: 120, 31: 120, 32: 140, 112: 248, 127: 248, 128: 268} {
		if got := EncodedLen(n); got != want {
			t.Errorf("EncodedLen(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestZeroToken(t *testing.T) {
	var zero Token
	if !zero.IsZero() || zero.String() != "" {
		t.Errorf("the zero Token: IsZero() = %t, String() = %q", zero.IsZero(), zero)
	}
	if tok, err := Parse(hello); err != nil || tok.IsZero() {
		t.Errorf("Parse(%q) = %v, %v", hello, tok, err)
	}
}

// What is handed out or taken in must not be a door to the token's own bytes.
func TestBytesAreCopies(t *testing.T) {
	raw := shaped(1, 16)
	tok, err := Encode(raw)
	if err != nil {
		t.Fatal(err)
	}
	clear(raw)
	clear(tok.Bytes())
	if got, want := tok.Bytes(), shaped(1, 16); !bytes.Equal(got, want) {
		t.Errorf("Bytes() = %x, want %x", got, want)
	}
}

func TestParseIntoUsesTheBuffer(t *testing.T) {
	cell, err := Encode(shaped(1, 128))
	if err != nil {
		t.Fatal(err)
	}
	text := cell.String()
	var buf [BufferSize]byte
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := ParseInto(buf[:0], text); err != nil {
			t.Fatal(err)
		}
		if _, err := ParseInto(buf[:], "23.5"); !errors.Is(err, NotBase64) {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("ParseInto allocates %v times", allocs)
	}
	short, err := ParseInto(make([]byte, 3), text)
	if err != nil || short.MAC() != cell.MAC() {
		t.Errorf("ParseInto with a short buffer = %v, %v", short, err)
	}
}

func TestResembles(t *testing.T) {
	for text, want := range map[string]bool{
		hello: true, hello[:50]: true, hello[:20] + "%": true, "gAAAA": true,
		Wrap(hello): true, "b'" + hello[:40]: true, "\n b\"" + hello: true,
		"": false, "gAAA": false, "23.5": false, "b'": false, "b'23.5'": false,
	} {
		if got := Resembles(text); got != want {
			t.Errorf("Resembles(%q) = %t, want %t", text, got, want)
		}
	}
}

// TestDisguise: a token in a form that is not opened is named, and nothing else is.
func TestDisguise(t *testing.T) {
	raw := make([]byte, MinBytes)
	raw[0] = Version
	parsed, err := Encode(raw)
	if err != nil {
		t.Fatal(err)
	}
	tok := parsed.String()
	for text, want := range map[string]string{
		base64.StdEncoding.EncodeToString([]byte(tok)):          "in base64 once more",
		base64.RawURLEncoding.EncodeToString([]byte(Wrap(tok))): "in base64 once more",
		`{"token":"` + tok + `"}`:                               "inside JSON",
		` ["` + tok + `"]`:                                      "inside JSON",
		"b&#39;" + tok + "&#39;":                                "with HTML entities",
		strings.Replace(tok, "A", "%41", 1):                     "with percent signs, as in an address",
		tok + tok:                                               "with another one behind it",
		strings.Replace(tok, "A", "A\u200b", 1):                 "with an invisible character",
		tok + "\u3164":                                          "with an invisible character",
		"\ufeff" + tok:                                          "with an invisible character",
		"\u201cb'" + tok + "'\u201d":                            "inside other text",
		"token: " + tok:                                         "inside other text",
		"see gAAAAAB, then (" + tok + ").":                      "inside other text",
		"token: x" + tok:                                        "",
		"token: " + tok[:len(tok)-4]:                            "",
		tok:                                                     "",
		strings.Repeat("Z0FB", 40):                              "",
		`{"temperature":"21.5","where":"` + strings.Repeat("x", 99) + `"}`: "",
		"21.5": "",
	} {
		if got := Disguise(text); got != want {
			t.Errorf("Disguise(%.60q) = %q, want %q", text, got, want)
		}
	}
}
