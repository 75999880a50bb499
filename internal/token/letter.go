package token

import (
	"crypto/hmac"
	"crypto/sha256"
)

// letterKey is the one key that is no secret: an invitation to somebody's public key stands in the feed in tokens under it, so that
// every reader knows them for what they are. What is inside is sealed once more (internal/letter).
var letterKey = sha256.Sum256([]byte("fernpost/v1 letter"))

// LetterKey returns the Fernet key, signing half first, of the tokens that hold invitations to somebody's public key. Everybody
// knows it, and can make such tokens.
func LetterKey() [sha256.Size]byte { return letterKey }

// IsLetter reports whether the token is under [LetterKey]: part of an invitation for somebody, or said to be.
func (t Token) IsLetter() bool {
	mac := hmac.New(sha256.New, letterKey[:len(letterKey)/2])
	mac.Write(t.raw[:len(t.raw)-MACSize])
	return hmac.Equal(mac.Sum(nil), t.raw[len(t.raw)-MACSize:])
}
