// Package publickey is what an identity does for files, outside of any room: sign them, and open what others have sealed to
// its public key. Both halves of that key stand in one text, [Keys.String].
//
// An identity has one secret, the seed of its Ed25519 key. Its X25519 key comes from that seed by HKDF-SHA256, with an empty
// salt and the info "fernpost/v1 x25519". The other way round nobody computes one public half from the other, and nothing
// but the check sum binds them: whoever passes on a text of his own making may put his key for sealing beside another one's
// for signing. So what people compare before they seal is [Keys.Safety], six words for both halves.
//
// The package is pure: it reads and writes what it is given, with no file, network or clock of its own.
package publickey

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/invisible"
	"github.com/fernpost/fernpost/internal/record"
)

// Domains of the hashes, signatures and keys.
const (
	sealingDomain = "fernpost/v1 x25519"
	keysDomain    = "fernpost/v1 keys\x00"
	fileDomain    = "fernpost/v1 file\x00"
	signedDomain  = "fernpost/v1 signed file\x00"
	sealedDomain  = "fernpost/v1 sealed file\x00"
)

// Prefix begins the text of every public key, with the version of the form. TextSize is its length: 95 characters.
const (
	Prefix   = "fp1_"
	TextSize = len(Prefix) + (2*record.KeySize+sumSize)*8/6 + 1

	sumSize = 4
)

// Keys are the public halves of an identity.
type Keys struct {
	// Signing is the Ed25519 key, by which people know the identity in their rooms.
	Signing record.PublicKey
	// Sealing is the X25519 key (RFC 7748).
	Sealing [32]byte
}

// Of returns the public keys of an identity.
func Of(id record.Identity) Keys {
	return Keys{id.Public(), [32]byte(sealingKey(id).PublicKey().Bytes())}
}

func sealingKey(id record.Identity) *ecdh.PrivateKey {
	seed := id.RevealSeed()
	secret, err := hkdf.Key(sha256.New, seed[:], nil, sealingDomain, 32)
	if err != nil {
		panic(err) // unreachable: a seed is long enough for everybody
	}
	key, err := ecdh.X25519().NewPrivateKey(secret)
	if err != nil {
		panic(err) // unreachable: any 32 bytes are a key
	}
	return key
}

func signingKey(id record.Identity) ed25519.PrivateKey {
	seed := id.RevealSeed()
	return ed25519.NewKeyFromSeed(seed[:])
}

// bytes are both keys, the one that signs first.
func (k Keys) bytes() []byte { return append(k.Signing[:], k.Sealing[:]...) }

func (k Keys) sum() [sha256.Size]byte { return sha256.Sum256(append([]byte(keysDomain), k.bytes()...)) }

// String writes both keys, for others: "fp1_" and in URL-safe base64 the Ed25519 key, the X25519 key and the first 4 bytes of
// SHA-256 over "fernpost/v1 keys", a zero byte and both.
func (k Keys) String() string {
	sum := k.sum()
	return Prefix + base64.RawURLEncoding.EncodeToString(append(k.bytes(), sum[:sumSize]...))
}

// Safety is the number that people compare to know that they mean the same two keys: the last 16 bytes of that SHA-256. It is
// spoken as six words, which internal/passphrase makes of it: SixWords.
func (k Keys) Safety() [16]byte {
	sum := k.sum()
	return [16]byte(sum[len(sum)-16:])
}

// Why a text is no public key.
var (
	// ErrMalformed means that the text is something else; [ErrMistyped] wraps it.
	ErrMalformed = errors.New("not a public key, which is " + Prefix + " and 91 more characters")
	// ErrNewer means that the text has another version.
	ErrNewer = errors.New("this public key needs a newer fernpost")
	// ErrMistyped means that the check sum does not fit.
	ErrMistyped = fmt.Errorf("%w: a character of it is wrong", ErrMalformed)
	// ErrSigningOnly means that it is an Ed25519 key alone, as it is shown in rooms.
	ErrSigningOnly = errors.New("this is a key that signs, and nothing can be sealed to it")
)

// Parse reads what [Keys.String] writes, with white space and characters that show nothing around and inside, which mails and
// chats add. The error is one of the above, or wraps [record.ErrWeakKey].
func Parse(text string) (k Keys, err error) {
	text = invisible.Strip(text)
	digits, ok := strings.CutPrefix(text, Prefix)
	switch {
	case !ok && strings.HasPrefix(text, "fp") && strings.IndexByte(text, '_') > 2 && isNumber(text[2:strings.IndexByte(text, '_')]):
		return Keys{}, ErrNewer
	case !ok && isSigningKey(text):
		return Keys{}, ErrSigningOnly
	case !ok:
		return Keys{}, ErrMalformed
	}
	if n := utf8.RuneCountInString(text); n != TextSize {
		return Keys{}, fmt.Errorf("%w: it has %d characters", ErrMalformed, n)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(digits)
	if err != nil || len(raw) != 2*record.KeySize+sumSize {
		return Keys{}, ErrMistyped
	}
	copy(k.Sealing[:], raw[copy(k.Signing[:], raw):])
	if sum := k.sum(); string(sum[:sumSize]) != string(raw[2*record.KeySize:]) {
		return Keys{}, ErrMistyped
	}
	if err := k.check(); err != nil {
		return Keys{}, err
	}
	return k, nil
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func isSigningKey(s string) bool {
	_, err := record.ParseKey(s)
	return err == nil
}

// check refuses keys that anybody could use: there are a few of each kind.
func (k Keys) check() error {
	if err := k.Signing.Check(); err != nil {
		return err
	}
	public, err := ecdh.X25519().NewPublicKey(k.Sealing[:])
	if err != nil {
		return ErrMalformed // unreachable: any 32 bytes are a key
	}
	// A point of small order gives the same secret with every key, zero, and is refused (RFC 7748, section 6.1).
	anybody, err := ecdh.X25519().NewPrivateKey(fieldOne[:])
	if err == nil {
		_, err = anybody.ECDH(public)
	}
	if err != nil {
		return fmt.Errorf("%w: everybody opens what is sealed to it", record.ErrWeakKey)
	}
	return nil
}

// fieldOne is any secret key.
var fieldOne = [32]byte{1}
