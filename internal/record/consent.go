package record

import (
	"encoding/base64"
	"errors"
	"slices"
)

// ErrMalformedConsent means that a text is no code of [ConsentCode].
var ErrMalformedConsent = errors.New("no code of a device")

// ConsentCode returns what a device hands to whoever is to say that it is theirs: its key, and a proof for each room.
// All devices have the same key.
func ConsentCode(devices ...Device) string {
	var b []byte
	for i, d := range devices {
		if i == 0 {
			b = append(b, d.Key[:]...)
		}
		b = append(b, d.Proof[:]...)
	}
	// Not the URL-safe alphabet: a code that begins with "-" would be taken for a flag.
	return base64.RawStdEncoding.EncodeToString(b)
}

// ParseConsent reads what [ConsentCode] writes. The error is [ErrMalformedConsent], or that of [PublicKey.Check].
func ParseConsent(code string) (devices []Device, err error) {
	b, err := base64.RawStdEncoding.Strict().DecodeString(code)
	if err != nil || len(b) <= KeySize || (len(b)-KeySize)%SignatureSize != 0 {
		return nil, ErrMalformedConsent
	}
	if base64.RawStdEncoding.EncodeToString(b) != code { // the decoder passes over line ends
		return nil, ErrMalformedConsent
	}
	key := PublicKey(b)
	for proof := range slices.Chunk(b[KeySize:], SignatureSize) {
		devices = append(devices, Device{Key: key, Proof: [SignatureSize]byte(proof)})
	}
	return devices, key.Check()
}
