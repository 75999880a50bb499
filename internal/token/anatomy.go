package token

import (
	"encoding/base64"
	"fmt"
	"iter"
	"strings"
)

// PartKind is what a part of a token is.
type PartKind uint8

// The parts, in the order in which they stand.
const (
	PartVersion PartKind = iota
	PartTime
	PartIV
	PartCiphertext
	PartMAC
)

// String names the part as people speak of it.
func (k PartKind) String() string {
	return [...]string{"version", "clock", "IV", "ciphertext", "MAC"}[k]
}

// Part is a part of a token, or one block of its ciphertext.
type Part struct {
	Kind PartKind
	// At is where it begins, in bytes of the decoded token.
	At int
	// Bytes are what stands there; they belong to the token.
	Bytes []byte
	// Block counts the blocks of the ciphertext from 1 on; it is 0 for other parts.
	Block int
}

// Parts yields the parts of a token in order. Together they are all of its bytes.
func (t Token) Parts() iter.Seq[Part] {
	return func(yield func(Part) bool) {
		part := func(kind PartKind, at, size, block int) bool {
			return yield(Part{kind, at, t.raw[at : at+size : at+size], block})
		}
		if !part(PartVersion, 0, timeAt, 0) || !part(PartTime, timeAt, TimeSize, 0) || !part(PartIV, ivAt, IVSize, 0) {
			return
		}
		end := len(t.raw) - MACSize
		for at := bodyAt; at < end; at += BlockSize {
			if !part(PartCiphertext, at, BlockSize, (at-bodyAt)/BlockSize+1) {
				return
			}
		}
		part(PartMAC, end, MACSize, 0)
	}
}

// Blocks returns how many blocks of [BlockSize] the ciphertext has.
func (t Token) Blocks() int { return t.CiphertextLen() / BlockSize }

// Bits returns how many bits the decoded token has.
func (t Token) Bits() int { return 8 * len(t.raw) }

// NoBitError is the number of a bit that a token does not have.
type NoBitError struct{ Bit, Bits int }

func (e *NoBitError) Error() string {
	return fmt.Sprintf("the token has no bit %d: they go from 0 to %d", e.Bit, e.Bits-1)
}

// Tamper returns the text of the token with one bit turned, and the part that the bit stands in. Bit 0 is the highest of the
// first byte, as bits are written. The text need not be a token any more: without its version it is none. The error is
// [*NoBitError].
func (t Token) Tamper(bit int) (text string, hit Part, err error) {
	if bit < 0 || bit >= t.Bits() {
		return "", Part{}, &NoBitError{bit, t.Bits()}
	}
	for part := range t.Parts() {
		if bit/8 < part.At+len(part.Bytes) {
			hit = part
			break
		}
	}
	raw := t.Bytes()
	raw[bit/8] ^= 0x80 >> (bit % 8)
	return base64.URLEncoding.EncodeToString(raw), hit, nil
}

// IsCut reports whether s, which is no token, looks like one that lost its end, or characters on the way: it begins as tokens
// of our time do and goes on in their alphabet, but its length is none that a token has.
func IsCut(s string) bool {
	s = strings.TrimRight(s, "=")
	if !strings.HasPrefix(beginning, s[:min(len(s), len(beginning))]) || s == "" ||
		strings.ContainsFunc(s, func(c rune) bool { return c == '=' || !isDigit(c) }) {
		return false
	}
	n := base64.RawURLEncoding.DecodedLen(len(s))
	return len(s)%4 == 1 || n < MinBytes || (n-Overhead)%BlockSize != 0
}
