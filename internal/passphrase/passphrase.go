// Package passphrase turns a passphrase into the 32 bytes of a Fernet key, and helps people to choose and compare
// passphrases.
//
// A [Profile] says how a passphrase becomes a key and how tokens are written. Its three presets are [Fernpost], the
// default; [PBKDF2], for peers that lack Argon2; and [Tutorial], which is what the scripts of a well-known tutorial do.
// Everything else that is found in public scripts can be described as a custom profile, see [ParseProfile].
//
// [Generate] makes a passphrase, [Estimate] rates one that somebody typed, [Profile.TimeToGuess] says what the rating
// means, and [CheckWords] names a key by three words, so that two people notice a typing error before they wonder why
// nothing opens.
//
// The package is pure: no files, no network, no clock; randomness only in Generate. No error of it contains a
// passphrase, a key or any part of them, nor the value of anything that was given in their place.
package passphrase

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// KeySize is the length of a Fernet key in bytes: 16 for signing, then 16 for encryption.
const KeySize = 32

// RoomSaltSize is the length of a room salt in bytes.
const RoomSaltSize = 16

// Costs of Argon2id, version 1.3: the second recommendation of RFC 9106, section 4.
const (
	argon2Time    = 3
	argon2Memory  = 64 * 1024 // KiB
	argon2Threads = 4
)

// Why [Profile.Derive] refused, apart from a profile that [Profile.Validate] refuses.
var (
	// ErrEmpty means that nothing was typed, or white space only where white space does not count.
	ErrEmpty = errors.New("the passphrase is empty")
	// ErrNotText means that a profile which normalises Unicode was given bytes that are not UTF-8.
	ErrNotText = errors.New("the passphrase is not UTF-8 text")
	// ErrNotKey means that the profile takes a raw Fernet key and was given something else.
	ErrNotKey = errors.New("not a Fernet key, which is 44 characters of URL-safe base64")
	// ErrNoSalt means that the profile needs a room salt or a room's name, and none was given.
	ErrNoSalt = errors.New("the profile needs the room's salt or name, and there is none")
)

// RoomSalt returns the salt of the room that was made on the given channel: the first 16 bytes of
// SHA-256("fernpost/v1 salt" ‖ 0x00 ‖ "channel/" ‖ decimal id). The relay's address is no part of it, so a room may
// move, but it keeps the salt of the channel that it was made with.
func RoomSalt(channel int64) [RoomSaltSize]byte {
	sum := sha256.Sum256([]byte("fernpost/v1 salt\x00channel/" + strconv.FormatInt(channel, 10)))
	return [RoomSaltSize]byte(sum[:])
}

// Derive returns the key that a passphrase gives under this profile, signing half first. salt is the room's
// ([RoomSalt]) and is used by profiles with [SaltRoom] only; roomName by those with [SaltName] only.
//
// It takes as long as the profile wants, about a tenth of a second and 64 MiB for [Fernpost]. It fails with the error
// of [Profile.Validate], [ErrEmpty], [ErrNotText], [ErrNotKey] or [ErrNoSalt].
func (p Profile) Derive(pass string, salt [RoomSaltSize]byte, roomName string) ([KeySize]byte, error) {
	key, err := p.derive(pass, salt, roomName)
	if err != nil {
		return [KeySize]byte{}, fmt.Errorf("deriving a key with profile %s: %w", p.Name(), err)
	}
	return key, nil
}

func (p Profile) derive(pass string, room [RoomSaltSize]byte, roomName string) (key [KeySize]byte, err error) {
	if err := p.Validate(); err != nil {
		return key, err
	}
	if pass, err = p.Spelling.apply(pass); err != nil {
		return key, err
	}
	if pass == "" {
		return key, ErrEmpty
	}
	salt, err := p.Salt.bytes(room, roomName)
	if err != nil {
		return key, err
	}
	switch p.KDF {
	case KDFArgon2id:
		return [KeySize]byte(argon2.IDKey([]byte(pass), salt, argon2Time, argon2Memory, argon2Threads, KeySize)), nil
	case KDFPBKDF2:
		derived, err := pbkdf2.Key(p.Hash.constructor(), pass, salt, p.Iterations, KeySize) // RFC 8018, section 5.2
		if err != nil {
			return key, fmt.Errorf("PBKDF2: %w", err) // a build that is restricted to FIPS 140 refuses short salts
		}
		return [KeySize]byte(derived), nil
	case KDFSHA256:
		return sha256.Sum256([]byte(pass)), nil
	case KDFCut:
		copy(key[:], pass+strings.Repeat(p.Fill, KeySize))
		return key, nil
	default: // KDFKey, as Validate has seen to
		return parseKey(pass)
	}
}

// parseKey reads a Fernet key as Python's cryptography prints it. As there, unused bits of the last character are
// ignored; other than there, nothing may stand around or within it.
func parseKey(text string) (key [KeySize]byte, err error) {
	digits := strings.TrimSuffix(text, "=")
	if len(digits) != base64.RawURLEncoding.EncodedLen(KeySize) {
		return key, ErrNotKey
	}
	decoded, err := base64.RawURLEncoding.DecodeString(digits)
	if err != nil || len(decoded) != KeySize { // Go's decoder skips line breaks: they leave too few bytes
		return key, ErrNotKey // the decoder's error would quote a character of the key
	}
	return [KeySize]byte(decoded), nil
}

func (h Hash) constructor() func() hash.Hash {
	if h == SHA512 {
		return sha512.New
	}
	return sha256.New
}

func (s Salt) bytes(room [RoomSaltSize]byte, roomName string) ([]byte, error) {
	switch s.Kind {
	case SaltRoom:
		if room == ([RoomSaltSize]byte{}) {
			return nil, ErrNoSalt // a forgotten argument would silently make one salt for every room
		}
		return room[:], nil
	case SaltName:
		if roomName == "" {
			return nil, ErrNoSalt
		}
		sum := sha256.Sum256([]byte(roomName))
		return sum[:], nil
	default:
		return []byte(s.Fixed), nil
	}
}
