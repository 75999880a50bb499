package relay

import (
	"crypto/rand"
	"crypto/subtle"
)

const (
	keyLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	keyLength  = 16
	// Channel numbers have seven digits and are drawn at random, so that a number tells nothing about when or beside
	// which other channel it was made.
	lowestChannel  = 1_000_000
	highestChannel = 9_999_999
)

// NewKey returns a random API key: 16 characters out of A-Z and 0-9 (contract section 2), 82 bits.
func NewKey() string {
	key := make([]byte, 0, keyLength)
	var random [2 * keyLength]byte
	for len(key) < keyLength {
		rand.Read(random[:])
		for _, b := range random {
			// Bytes from 252 on would favour the first letters.
			if int(b) < 256/len(keyLetters)*len(keyLetters) && len(key) < keyLength {
				key = append(key, keyLetters[int(b)%len(keyLetters)])
			}
		}
	}
	return string(key)
}

// sameKey reports whether a key that somebody shows is the right one, in a time that does not tell how much of it is.
// Without a key nothing opens.
func sameKey(shown, right string) bool {
	return right != "" && subtle.ConstantTimeCompare([]byte(shown), []byte(right)) == 1
}

// newChannelID returns a random channel number.
func newChannelID() int64 {
	for {
		var b [3]byte
		rand.Read(b[:])
		id := int64(b[0])<<16 | int64(b[1])<<8 | int64(b[2]) // up to 16,777,215
		if id >= lowestChannel && id <= highestChannel {
			return id
		}
	}
}
