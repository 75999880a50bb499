package record

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Sizes in bytes.
const (
	// KeySize is the length of a public key, and of the seed that an [Identity] is made of (RFC 8032).
	KeySize = ed25519.PublicKeySize
	// SignatureSize is the length of a signature.
	SignatureSize = ed25519.SignatureSize
	// TagSize is the length of a [Tag].
	TagSize = 4
)

// Domains of the hashes and signatures: each is followed by a zero byte, so that none is the beginning of another.
const (
	recordDomain   = "fernpost/v1 record\x00"
	linkDomain     = "fernpost/v1 link\x00"
	deviceDomain   = "fernpost/v1 device\x00"
	identityDomain = "fernpost/v1 identity\x00"
	orderDomain    = "fernpost/v1 order\x00"
)

// PublicKey is the public half of an [Identity]: the author of a record. The zero PublicKey is nobody's.
type PublicKey [KeySize]byte

// ErrMalformedKey is returned for a text that is no public key.
var ErrMalformedKey = errors.New("not a public key, which is 64 hexadecimal digits")

// ErrMalformedTag is returned for a text that is no tag.
var ErrMalformedTag = errors.New("not a tag, which is 8 hexadecimal digits")

// ErrMalformedSeed is returned for a text that is no seed of an identity, or one that everybody knows.
var ErrMalformedSeed = errors.New("not the seed of an identity, which is 64 hexadecimal digits")

// Tag returns the tag that the cells of this author carry: the first 4 bytes of the key's SHA-256. It groups cells and
// proves nothing: who wants a key with a given tag finds one within days.
func (k PublicKey) Tag() Tag {
	sum := sha256.Sum256(k[:])
	return Tag(sum[:TagSize])
}

// Safety returns the number that people compare to know that they mean the same key: 16 bytes of SHA-256 over
// "fernpost/v1 identity", a zero byte and the key. It is spoken as six words, which internal/passphrase makes of it:
// SixWords.
func (k PublicKey) Safety() [16]byte {
	sum := sha256.Sum256(append([]byte(identityDomain), k[:]...))
	return [16]byte(sum[:16])
}

// IsZero reports whether k is nobody's.
func (k PublicKey) IsZero() bool { return k == PublicKey{} }

// String returns the key in hexadecimal.
func (k PublicKey) String() string { return hex.EncodeToString(k[:]) }

// MarshalText is [PublicKey.String].
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what [PublicKey.String] writes. The error is [ErrMalformedKey].
func (k *PublicKey) UnmarshalText(text []byte) error {
	var b [KeySize]byte
	if len(text) != hex.EncodedLen(KeySize) {
		return ErrMalformedKey
	}
	if _, err := hex.Decode(b[:], text); err != nil {
		return ErrMalformedKey
	}
	*k = b
	return nil
}

// Tag names an author in the cells, see [PublicKey.Tag].
type Tag [TagSize]byte

// String returns the tag in hexadecimal: 8 digits.
func (t Tag) String() string { return hex.EncodeToString(t[:]) }

// MarshalText is [Tag.String].
func (t Tag) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what [Tag.String] writes.
func (t *Tag) UnmarshalText(text []byte) error {
	var b [TagSize]byte
	if len(text) != hex.EncodedLen(TagSize) {
		return ErrMalformedTag
	}
	if _, err := hex.Decode(b[:], text); err != nil {
		return ErrMalformedTag
	}
	*t = b
	return nil
}

// Identity is a device's Ed25519 key pair. Printed, logged or marshalled in any form it shows the public half's tag,
// never the secret: [Identity.RevealSeed] is the only way out. The zero Identity is none, and signing with it panics.
// An Identity is immutable.
type Identity struct {
	// A function, because fmt prints the unexported fields of a struct without asking their methods.
	secret func() ed25519.PrivateKey
}

// NewIdentity returns the identity of a seed (RFC 8032, section 5.1.5: the private key).
func NewIdentity(seed [KeySize]byte) Identity {
	private := ed25519.NewKeyFromSeed(seed[:])
	return Identity{func() ed25519.PrivateKey { return private }}
}

// GenerateIdentity returns a new random identity.
func GenerateIdentity() Identity {
	var seed [KeySize]byte
	rand.Read(seed[:]) // never fails, since Go 1.24
	return NewIdentity(seed)
}

// ParseSeed returns the identity of a seed as [Identity.SeedText] writes it. The error is [ErrMalformedSeed].
func ParseSeed(text string) (Identity, error) {
	var seed [KeySize]byte
	n, err := hex.Decode(seed[:], []byte(text[:min(len(text), hex.EncodedLen(KeySize))]))
	// A seed of zeros stands for no identity wherever one is kept, and what it signs anybody could.
	if err != nil || n != KeySize || len(text) != hex.EncodedLen(KeySize) || seed == [KeySize]byte{} {
		return Identity{}, ErrMalformedSeed
	}
	return NewIdentity(seed), nil
}

// SeedText returns the secret itself in hexadecimal: 64 digits.
func (id Identity) SeedText() string {
	seed := id.RevealSeed()
	return hex.EncodeToString(seed[:])
}

// RevealSeed returns the secret itself, for whoever keeps it.
func (id Identity) RevealSeed() [KeySize]byte { return [KeySize]byte(id.secret().Seed()) }

// Public returns the public half.
func (id Identity) Public() PublicKey { return PublicKey(id.secret()[KeySize:]) }

// IsZero reports whether id is no identity.
func (id Identity) IsZero() bool { return id.secret == nil }

func (id Identity) sign(message []byte) [SignatureSize]byte {
	return [SignatureSize]byte(ed25519.Sign(id.secret(), message))
}

// String returns the tag of the public half, as in "identity:3f9a12c4".
func (id Identity) String() string {
	if id.IsZero() {
		return "identity:none"
	}
	return "identity:" + id.Public().Tag().String()
}

// GoString is [Identity.String].
func (id Identity) GoString() string { return id.String() }

// Format writes [Identity.String] for every verb of package fmt.
func (id Identity) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, id.String()) }

// MarshalText is [Identity.String]. It keeps the secret out of logs, JSON, YAML and XML, and cannot be undone.
func (id Identity) MarshalText() ([]byte, error) { return []byte(id.String()), nil }
