// Package token knows the anatomy of a Fernet token, version 0x80, and no key but the one that everybody knows ([LetterKey]): what
// everybody sees who reads a feed.
//
//	0x80 ‖ time (8) ‖ IV (16) ‖ AES-128-CBC ciphertext (16, 32, …) ‖ HMAC-SHA256 (32)
//
// A token is written as URL-safe base64 with padding (RFC 4648, section 5), and each has exactly one such text: the
// canonical form. [Parse] takes that and nothing else, because lenient readers let strangers write one token in many
// ways. What a carrier adds around a token is taken off by [Unwrap], which says so.
//
// Nothing here proves anything: anyone can write bytes of this shape. Whether a token is genuine is decided by
// internal/fernet. The source is the Fernet specification, https://github.com/fernet/spec/blob/master/Spec.md.
package token

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"
)

// Sizes of the parts of a token, in bytes.
const (
	// Version is the first byte of every token.
	Version = 0x80
	// TimeSize is the length of the time: seconds since 1970, unsigned, big-endian.
	TimeSize = 8
	// IVSize is the length of the initialisation vector.
	IVSize = 16
	// BlockSize is the length of an AES block; the ciphertext is a whole number of them, at least one.
	BlockSize = 16
	// MACSize is the length of the HMAC-SHA256 at the end, which covers everything before it.
	MACSize = 32

	// Overhead is what stands around the ciphertext: 1 (version) + 8 (time) + 16 (IV) + 32 (MAC) = 57.
	Overhead = 1 + TimeSize + IVSize + MACSize
	// MinBytes is the shortest token, that of a plaintext of 0 to 15 bytes: 57 + one block of 16 = 73.
	MinBytes = Overhead + BlockSize

	// CellSize is the longest plaintext, in bytes, whose token fits one field of 255 bytes. Padding adds 1 to 16 bytes,
	// so n bytes take 57 + 16·(n/16 + 1) bytes and 4·⌈those/3⌉ characters:
	//
	//	127: 57 + 16·8 = 185, 4·62 = 248 characters, and 251 in the wrapper b'…'
	//	128: 57 + 16·9 = 201, 4·67 = 268 characters
	CellSize = 127

	// BufferSize is what [ParseInto] needs at most for a text of 255 bytes, the longest that a field holds:
	// 255/4 = 63 groups of 3 bytes = 189, rounded up to whole machine words.
	BufferSize = 192
)

const (
	timeAt = 1
	ivAt   = timeAt + TimeSize
	bodyAt = ivAt + IVSize

	// lastSecond is 9999-12-31T23:59:59Z: the last that RFC 3339 and encoding/json can write.
	lastSecond = 253402300799
)

// EncodedLen returns the length in characters of a token that holds n bytes of plaintext: 100 for 0, 248 for
// [CellSize].
func EncodedLen(n int) int {
	return base64.URLEncoding.EncodedLen(Overhead + BlockSize*(n/BlockSize+1))
}

// Token is a well-formed token. It is made by [Parse], [ParseInto] and [Encode]; the zero Token holds nothing, and its
// accessors other than [Token.String] and [Token.IsZero] panic. Safe for concurrent use.
type Token struct {
	text string // the canonical form of raw
	raw  []byte // at least MinBytes
}

// Parse reads the canonical form of a token: strict URL-safe base64 with padding and nothing around or between, version
// 0x80, and (length − 57) a positive multiple of 16. Anything else is a [MalformedError], which matches [ErrMalformed].
// The Token keeps s alive.
func Parse(s string) (Token, error) {
	return ParseInto(nil, s)
}

// ParseInto is [Parse] without an allocation: it decodes into the storage of buf, from its start and up to its
// capacity, and makes a new buffer only when that is too short. [BufferSize] bytes suffice for any text that fits a
// field. The Token is good until buf is used again.
func ParseInto(buf []byte, s string) (Token, error) {
	size := base64.URLEncoding.DecodedLen(len(s))
	if cap(buf) < size {
		buf = make([]byte, size)
	}
	n, err := base64.URLEncoding.Decode(buf[:size], []byte(s))
	if err != nil {
		return Token{}, NotBase64
	}
	raw := buf[:n:n]
	if !isCanonical(raw, s) {
		return Token{}, NotCanonical
	}
	if err := check(raw); err != nil {
		return Token{}, err
	}
	return Token{text: s, raw: raw}, nil
}

// Encode makes a Token of the bytes that [Token.Bytes] returns, and refuses with a [MalformedError] what [Parse] would
// refuse. It keeps no part of raw.
func Encode(raw []byte) (Token, error) {
	if err := check(raw); err != nil {
		return Token{}, err
	}
	return Token{text: base64.URLEncoding.EncodeToString(raw), raw: slices.Clone(raw)}, nil
}

// isCanonical reports whether raw, which was decoded from s, would be written as s again. Four characters that are no
// padding stand for three bytes and nothing else does, so the decoder forgives in two places only: it skips line breaks,
// which the length shows, and it ignores bits that the last group has to spare. Hence only that group is written anew;
// FuzzParse holds this against writing all of it.
func isCanonical(raw []byte, s string) bool {
	if len(s) != base64.URLEncoding.EncodedLen(len(raw)) {
		return false
	}
	if len(raw) == 0 {
		return true
	}
	var group [4]byte
	base64.URLEncoding.Encode(group[:], raw[(len(raw)-1)/3*3:])
	return string(group[:]) == s[len(s)-len(group):]
}

func check(raw []byte) error {
	switch {
	case len(raw) > 0 && raw[0] != Version:
		return WrongVersion
	case len(raw) < MinBytes:
		return TooShort
	case (len(raw)-Overhead)%BlockSize != 0:
		return WrongLength
	}
	return nil
}

// String returns the canonical text.
func (t Token) String() string { return t.text }

// IsZero reports whether t is the zero Token, which holds nothing.
func (t Token) IsZero() bool { return len(t.raw) == 0 }

// Bytes returns a copy of the decoded token.
func (t Token) Bytes() []byte { return slices.Clone(t.raw) }

// Time returns the time of sealing as the token states it, in seconds since 1970-01-01 UTC. All 64 bits may be set.
func (t Token) Time() uint64 { return binary.BigEndian.Uint64(t.raw[timeAt:]) }

// SealedAt returns [Token.Time] in UTC. What lies after the year 9999 counts as its last second, so that the result
// can always be formatted and never lies before 1970.
func (t Token) SealedAt() time.Time {
	return time.Unix(int64(min(t.Time(), lastSecond)), 0).UTC()
}

// CiphertextLen returns the length of the ciphertext in bytes: a positive multiple of [BlockSize].
func (t Token) CiphertextLen() int { return len(t.raw) - Overhead }

// MinPlaintext returns the least number of bytes that t can hold: a whole block of the ciphertext is padding.
func (t Token) MinPlaintext() int { return t.CiphertextLen() - BlockSize }

// MaxPlaintext returns the greatest number of bytes that t can hold: one byte of the ciphertext is padding.
func (t Token) MaxPlaintext() int { return t.CiphertextLen() - 1 }

// MAC returns the HMAC-SHA256 at the token's end. It tells tokens apart: two that open under one key and have one MAC
// are the same token.
func (t Token) MAC() [MACSize]byte { return [MACSize]byte(t.raw[len(t.raw)-MACSize:]) }
