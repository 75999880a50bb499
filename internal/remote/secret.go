package remote

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
)

// Secret is an API key of a channel or of an account. However it is printed, logged or encoded, only a fingerprint
// shows; string(s) is the key itself. The empty Secret is no key.
//
// Package fmt cannot call methods on unexported fields, so a Secret must not stand in one of a struct that might be
// printed.
type Secret string

// String returns a fingerprint that tells keys apart and gives none away: 24 bits of a hash of a key of 82 bits.
func (s Secret) String() string {
	if s == "" {
		return "no key"
	}
	sum := sha256.Sum256([]byte(s))
	return "key " + hex.EncodeToString(sum[:3])
}

// Format writes the fingerprint for every verb of package fmt, %x and %#v included.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue returns the fingerprint.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns the fingerprint, so that no encoder writes the key by accident. There is no way back.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
