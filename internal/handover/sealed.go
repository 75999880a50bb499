package handover

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/passphrase"
)

// A sealed file is three lines: what it is, 16 bytes of salt in URL-safe base64, and one Fernet token with the text. Its key is made of
// the passphrase as that of a room is (profile fernpost), with that salt: so it needs nothing that a page does not have anyway.
const sealedHead = "fernpost sealed 1\n"

// IsSealed reports whether a file begins like one of [Seal].
func IsSealed(file []byte) bool { return bytes.HasPrefix(file, []byte(sealedHead)) }

// Seal writes a file under a passphrase, which takes 64 MiB and a fifth of a second. The errors are those of [Content.CheckedText] and
// [passphrase.ErrEmpty].
func Seal(c *Content, pass string, now time.Time) ([]byte, error) {
	text, err := c.CheckedText()
	if err != nil {
		return nil, err
	}
	var salt [passphrase.RoomSaltSize]byte
	rand.Read(salt[:]) // never fails, since Go 1.24
	ring, err := sealing(pass, salt)
	if err != nil {
		return nil, err
	}
	token, err := ring.Seal(text, now)
	return []byte(sealedHead + base64.RawURLEncoding.EncodeToString(salt[:]) + "\n" + token + "\n"), err
}

// Open reads what [Seal] writes. The error is [ErrNoExport], [ErrPassphrase], [ErrAltered], [ErrTooLarge], or one of [Parse].
func Open(file []byte, pass string) (*Content, error) {
	rest, ok := strings.CutPrefix(string(file), sealedHead)
	if !ok {
		return nil, ErrNoExport
	}
	if len(rest) > 2*MaxSize {
		return nil, ErrTooLarge
	}
	saltText, token, _ := strings.Cut(rest, "\n")
	salt, err := base64.RawURLEncoding.Strict().DecodeString(saltText)
	if err != nil || len(salt) != passphrase.RoomSaltSize {
		return nil, ErrAltered
	}
	ring, err := sealing(pass, [passphrase.RoomSaltSize]byte(salt))
	if err != nil {
		return nil, ErrPassphrase
	}
	opened, err := ring.Open(strings.TrimSuffix(token, "\n"))
	if err != nil { // of a token nobody can tell whether it was altered, or the key is another one
		return nil, ErrPassphrase
	}
	return Parse(opened.Plaintext)
}

func sealing(pass string, salt [passphrase.RoomSaltSize]byte) (fernet.Ring, error) {
	key, err := passphrase.Fernpost().Derive(pass, salt, "")
	if err != nil {
		return fernet.Ring{}, err
	}
	return fernet.NewRing(fernet.NewKey(key))
}
