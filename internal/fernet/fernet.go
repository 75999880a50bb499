// Package fernet seals messages into Fernet tokens and opens them again.
//
// The cryptography is that of github.com/fernet/fernet-go, which trusts whoever holds the key: behind a valid MAC it
// panics on a token without ciphertext and accepts padding that is none, and it takes one token in many spellings. So a
// token is first parsed by internal/token, and what the library returns is held against the length of the ciphertext.
//
// Once a token is open, the time in it is authentic: it is what the sender's clock said. It is not judged unless
// [Opened.CheckAge] is called, because a clock that is wrong is no reason to hide a message.
//
// Nothing here reads a clock, a file or the network. Everything is safe for concurrent use. The source is the Fernet
// specification, https://github.com/fernet/spec/blob/master/Spec.md.
package fernet

import (
	"errors"
	"fmt"
	"slices"
	"time"

	fernetgo "github.com/fernet/fernet-go"

	"github.com/fernpost/fernpost/internal/token"
)

var (
	// ErrMalformed is matched by the refusal of a text that is no token in canonical form. The error itself is a
	// [token.MalformedError] and says why.
	ErrMalformed = token.ErrMalformed
	// ErrNoKey is the refusal of a token that no key of the ring opens: sealed with another key, or altered.
	ErrNoKey = errors.New("no key opens this token")
	// ErrEmptyRing is returned where a ring would hold no key, or a zero one.
	ErrEmptyRing = errors.New("no Fernet key given")
)

// Ring is a list of keys, newest first: the first seals, all open (what Python calls MultiFernet). The zero Ring holds
// no key, so it seals nothing and opens nothing. A Ring is immutable.
type Ring struct {
	keys []Key // none zero
}

// NewRing returns the ring of the given keys, newest first. It refuses an empty list and a zero [Key] with
// [ErrEmptyRing].
func NewRing(newestFirst ...Key) (Ring, error) {
	if len(newestFirst) == 0 || slices.ContainsFunc(newestFirst, Key.IsZero) {
		return Ring{}, ErrEmptyRing
	}
	return Ring{keys: slices.Clone(newestFirst)}, nil
}

// Seal returns a new token for plaintext, in canonical form, sealed with the newest key under a random IV and dated
// now, in whole seconds. A plaintext of n bytes takes [token.EncodedLen] characters; up to [token.CellSize] bytes fit
// one field. It fails for the zero Ring with [ErrEmptyRing], and for a now before 1970, which tokens cannot express.
func (r Ring) Seal(plaintext []byte, now time.Time) (string, error) {
	if len(r.keys) == 0 {
		return "", fmt.Errorf("sealing a token: %w", ErrEmptyRing)
	}
	if now.Unix() < 0 {
		return "", fmt.Errorf("sealing a token: the clock stands before 1970, at %s", now.UTC().Format(time.RFC3339))
	}
	text, err := fernetgo.EncryptAndSignAtTime(plaintext, r.keys[0].secret(), now)
	if err != nil {
		return "", fmt.Errorf("sealing a token: %w", err)
	}
	return string(text), nil
}

// Opened is a token that a key has opened: what it says is authentic.
type Opened struct {
	// Plaintext is the message. It is never nil, even when empty, and belongs to the caller.
	Plaintext []byte
	// KeyIndex tells which key of the ring opened the token: 0 is the newest.
	KeyIndex int
	// SealedAt is the sender's clock at sealing, in whole seconds and UTC. What lies after the year 9999 counts as its
	// last second.
	SealedAt time.Time

	seconds uint64 // SealedAt as the token has it
}

// Open opens a token in canonical form. The error is [ErrNoKey] or a [token.MalformedError], which matches
// [ErrMalformed]. Wrappers and white space are refused: see [token.Unwrap].
func (r Ring) Open(text string) (Opened, error) {
	var buf [token.BufferSize]byte
	tok, err := token.ParseInto(buf[:], text)
	if err != nil {
		return Opened{}, err
	}
	return r.OpenToken(tok)
}

// OpenToken is [Ring.Open] of a token that is parsed already. It keeps no part of tok. The error is [ErrNoKey], or
// [ErrMalformed] for the zero Token.
func (r Ring) OpenToken(tok token.Token) (Opened, error) {
	if tok.IsZero() {
		return Opened{}, ErrMalformed
	}
	for i, k := range r.keys {
		if plaintext, ok := open(tok, k); ok {
			return Opened{Plaintext: plaintext, KeyIndex: i, SealedAt: tok.SealedAt(), seconds: tok.Time()}, nil
		}
	}
	return Opened{}, ErrNoKey
}

// open tries one key. The library is given one at a time, because it decrypts in place: a key that shares the signing
// half of the right one, and is tried before it, would spoil the ciphertext. For the sake of such keys, too, padding
// that is not valid is a failed try and no more: the next key may be the right one.
func open(tok token.Token, k Key) (plaintext []byte, ok bool) {
	const noAgeLimit = 0
	plaintext = fernetgo.VerifyAndDecrypt([]byte(tok.String()), noAgeLimit, []*fernetgo.Key{k.secret()})
	if plaintext == nil { // an empty message is not nil
		return nil, false
	}
	// Padding takes 1 to 16 bytes (RFC 5652, section 6.3). The library admits 0, and any count up to 255.
	if len(plaintext) < tok.MinPlaintext() || len(plaintext) > tok.MaxPlaintext() {
		return nil, false
	}
	return slices.Clip(plaintext), true
}
