package token

import "errors"

// ErrMalformed is matched by every [MalformedError].
var ErrMalformed = errors.New("malformed token")

// MalformedError says why a text or a string of bytes is no token. It matches [ErrMalformed].
type MalformedError uint8

// The reasons, in the order in which they are looked for.
const (
	// NotBase64: characters outside the URL-safe alphabet, padding missing or in the wrong place, or text behind it.
	NotBase64 MalformedError = iota + 1
	// NotCanonical: base64, but not as it is written: line breaks inside, or bits set that stand for nothing.
	NotCanonical
	// WrongVersion: the first byte is not 0x80.
	WrongVersion
	// TooShort: fewer than 73 bytes, so not one block of ciphertext.
	TooShort
	// WrongLength: the ciphertext does not end with a whole block of 16 bytes.
	WrongLength
)

func (e MalformedError) Error() string {
	switch e {
	case NotBase64:
		return "malformed token: not URL-safe base64 with padding"
	case NotCanonical:
		return "malformed token: not the canonical base64 of its bytes"
	case WrongVersion:
		return "malformed token: the version is not 0x80"
	case TooShort:
		return "malformed token: shorter than 73 bytes"
	case WrongLength:
		return "malformed token: the ciphertext is not a multiple of 16 bytes"
	}
	return "malformed token"
}

// Is reports whether target is [ErrMalformed].
func (e MalformedError) Is(target error) bool { return target == ErrMalformed }
