package fernet

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	fernetgo "github.com/fernet/fernet-go"
)

// KeySize is the length of a key in bytes: 16 that sign, then 16 that encrypt.
const KeySize = 32

// ErrMalformedKey is wrapped by every refusal of [ParseKey]. No such error repeats any part of what was read.
var ErrMalformedKey = errors.New("malformed Fernet key")

// Key is a Fernet key: a signing key of 16 bytes, then an encryption key of 16. Printed, logged or marshalled in any
// form it shows a fingerprint, never itself: [Key.Reveal] is the only way out. The zero Key is
// no key: [NewRing] refuses it, and what needs its bytes panics. A Key is immutable; compare with [Key.Equal].
type Key struct {
	// A function, because fmt prints the unexported fields of a struct without asking their methods, and for %s even
	// what a pointer among them points to. Nothing that prints looks into a function. It also forbids ==.
	secret func() *fernetgo.Key
}

// NewKey returns the key of 32 bytes, the signing half first.
func NewKey(b [KeySize]byte) Key {
	secret := fernetgo.Key(b)
	return Key{func() *fernetgo.Key { return &secret }}
}

// GenerateKey returns a new random key.
func GenerateKey() Key {
	var b [KeySize]byte
	_, _ = rand.Read(b[:]) // never fails
	return NewKey(b)
}

// ParseKey reads what [Key.Reveal] writes: 44 characters of URL-safe base64 with padding, in canonical form and with
// nothing around. Hexadecimal and the standard alphabet are refused, so that a key has one written form. Errors wrap
// [ErrMalformedKey].
func ParseKey(s string) (Key, error) {
	if strings.ContainsAny(s, "+/") {
		return Key{}, fmt.Errorf("%w: standard base64 alphabet, want the URL-safe one (- for +, _ for /)", ErrMalformedKey)
	}
	b, err := base64.URLEncoding.DecodeString(s)
	if err != nil {
		return Key{}, fmt.Errorf("%w: not URL-safe base64 with padding", ErrMalformedKey)
	}
	if len(b) != KeySize {
		return Key{}, fmt.Errorf("%w: %d bytes, want %d", ErrMalformedKey, len(b), KeySize)
	}
	if base64.URLEncoding.EncodeToString(b) != s {
		return Key{}, fmt.Errorf("%w: not the canonical base64 of its bytes", ErrMalformedKey)
	}
	return NewKey([KeySize]byte(b)), nil
}

// ErrZeroKey means that half of a key is zeros.
var ErrZeroKey = errors.New("a key of zeros, with which anybody reads or forges")

// Check returns [ErrZeroKey] for a key of which a half is zeros. Each is a Fernet key to [ParseKey], as it is to Python; but no room
// has one unless somebody has put it there.
func (k Key) Check() error {
	b := k.RevealBytes()
	const half = KeySize / 2
	var zeros [half]byte
	if subtle.ConstantTimeCompare(b[:half], zeros[:])|subtle.ConstantTimeCompare(b[half:], zeros[:]) == 1 {
		return ErrZeroKey
	}
	return nil
}

// Reveal returns the key itself as text, for a key file or another program: 44 characters of URL-safe base64.
func (k Key) Reveal() string { return k.secret().Encode() }

// RevealBytes returns the key itself, signing half first.
func (k Key) RevealBytes() [KeySize]byte { return *k.secret() }

// IsZero reports whether k is the zero Key, which is no key.
func (k Key) IsZero() bool { return k.secret == nil }

// Equal reports in constant time whether both are the same key.
func (k Key) Equal(other Key) bool {
	if k.IsZero() || other.IsZero() {
		return k.IsZero() && other.IsZero()
	}
	return subtle.ConstantTimeCompare(k.secret()[:], other.secret()[:]) == 1
}

// ID returns what names the key without being it: the first 16 bytes of SHA-256 over "fernpost/v1 key id", a zero byte
// and the key's 32 bytes. Guesses at a passphrase can be checked against it, so it is nothing to publish.
func (k Key) ID() [16]byte {
	h := sha256.New()
	h.Write([]byte("fernpost/v1 key id\x00"))
	h.Write(k.secret()[:])
	return [16]byte(h.Sum(nil))
}

// String returns the fingerprint: the first 4 bytes of [Key.ID] in hexadecimal, as in "fernet-key:3f9a12c4".
func (k Key) String() string {
	if k.IsZero() {
		return "fernet-key:none"
	}
	id := k.ID()
	return "fernet-key:" + hex.EncodeToString(id[:4])
}

// GoString is [Key.String].
func (k Key) GoString() string { return k.String() }

// Format writes [Key.String] for every verb of package fmt.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText is [Key.String]. It keeps the key out of logs, JSON, YAML and XML, and cannot be undone.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
