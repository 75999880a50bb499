package publickey

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/record"
)

// MaxSignatureSize is more than the text of any signature takes, in bytes.
const MaxSignatureSize = 1 << 10

// Signature is somebody's signature of a file, apart from that file.
type Signature struct {
	Author record.PublicKey
	// At is the author's clock, in whole seconds: the author's claim.
	At time.Time
	// Hash is the SHA-256 of the file.
	Hash [sha256.Size]byte

	signature [record.SignatureSize]byte
}

// Sign signs the file with this SHA-256. It covers "fernpost/v1 signed file", a zero byte, the author's public key (32), the time
// (8 bytes, seconds since 1970, big-endian) and the hash (32): no record of a room can be made of it, nor the other way round.
func Sign(id record.Identity, hash [sha256.Size]byte, now time.Time) Signature {
	s := Signature{Author: id.Public(), At: time.Unix(max(now.Unix(), 0), 0).UTC(), Hash: hash}
	s.signature = [record.SignatureSize]byte(ed25519.Sign(signingKey(id), s.covered()))
	return s
}

func (s Signature) covered() []byte {
	b := append([]byte(signedDomain), s.Author[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(s.At.Unix()))
	return append(b, s.Hash[:]...)
}

// Why a signature says nothing for a file.
var (
	// ErrNoSignature is returned for a text that is no signature of this version.
	ErrNoSignature = errors.New("not a signature of fernpost, or one that was altered or cut")
	// ErrNewerSignature means that the text has another version.
	ErrNewerSignature = errors.New("this signature needs a newer fernpost")
	// ErrOtherFile means that the signature is of another file, or of this one before it was altered.
	ErrOtherFile = errors.New("this is not the file that was signed: it was altered, or it is another one")
	// ErrFalse means that the named author's key has not signed this.
	ErrFalse = errors.New("the signature is false: its author's key has not signed this")
)

// Check finds out whether the named author has signed the file with this SHA-256. The error is [ErrOtherFile], [ErrFalse] or
// [record.ErrWeakKey]. Who the author is, it does not know.
func (s Signature) Check(hash [sha256.Size]byte) error {
	switch {
	case s.Author.Check() != nil:
		return fmt.Errorf("%w: %w", ErrFalse, s.Author.Check()) // a key that anybody signs for has signed nothing
	case !ed25519.Verify(s.Author[:], s.covered(), s.signature[:]):
		return ErrFalse
	case s.Hash != hash:
		return ErrOtherFile
	}
	return nil
}

const signatureHead = "fernpost signature "

// String writes the signature as a text of five lines.
func (s Signature) String() string {
	return fmt.Sprintf("%s1\nkey %s\ntime %d\nsha256 %x\nsignature %s\n", signatureHead, s.Author, s.At.Unix(), s.Hash,
		base64.StdEncoding.EncodeToString(s.signature[:]))
}

// ParseSignature reads what [Signature.String] writes, and nothing else, but for the line ends of other systems. The error is
// [ErrNoSignature] or [ErrNewerSignature]. Nothing is checked yet.
func ParseSignature(text string) (s Signature, err error) {
	if len(text) > MaxSignatureSize {
		return Signature{}, ErrNoSignature
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	lines := strings.Split(text, "\n")
	if version, ok := strings.CutPrefix(lines[0], signatureHead); ok && version != "1" && isNumber(version) {
		return Signature{}, ErrNewerSignature
	}
	if len(lines) != 6 {
		return Signature{}, ErrNoSignature
	}
	value := func(line int, name string) string { return strings.TrimPrefix(lines[line], name+" ") }
	seconds, err := strconv.ParseInt(value(2, "time"), 10, 64)
	if err != nil || seconds < 0 {
		return Signature{}, ErrNoSignature
	}
	s.At = time.Unix(seconds, 0).UTC()
	hash, err := hex.DecodeString(value(3, "sha256"))
	if err != nil || copy(s.Hash[:], hash) != len(s.Hash) {
		return Signature{}, ErrNoSignature
	}
	signature, err := base64.StdEncoding.DecodeString(value(4, "signature"))
	if err != nil || copy(s.signature[:], signature) != len(s.signature) {
		return Signature{}, ErrNoSignature
	}
	if s.Author.UnmarshalText([]byte(value(1, "key"))) != nil || s.String() != text {
		return Signature{}, ErrNoSignature
	}
	return s, nil
}

// HashSafety is the number that people compare to know that they have the same file: 16 bytes of SHA-256 over
// "fernpost/v1 file", a zero byte and the file's SHA-256. It is spoken as six words, which internal/passphrase makes of it.
// Whoever makes two files on purpose finds two with the same words in about 2^39 tries; two with the same hash nobody finds.
func HashSafety(hash [sha256.Size]byte) [16]byte {
	sum := sha256.Sum256(append([]byte(fileDomain), hash[:]...))
	return [16]byte(sum[:16])
}
