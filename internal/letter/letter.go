// Package letter seals invitations to somebody's public key, and opens them: letters. A letter may stand in the feed itself, where
// others see only that somebody is invited, or be handed over as a line of text. It knows no files and no network.
//
// What is sealed are these bytes; numbers are big-endian:
//
//	version      1 byte, 1
//	time         6 bytes: the inviter's clock, Unix milliseconds
//	recipient    16 bytes: the number by which people compare the recipient's keys ([publickey.Keys.Safety])
//	size         2 bytes: of the invitation
//	invitation   as internal/invite writes it ([invite.Invitation.Bytes]), with the inviter's public key inside
//	signature    64 bytes: Ed25519 (RFC 8032) by the inviter over `fernpost/v1 letter` ‖ 0x00 ‖ room salt (16) ‖ the recipient's
//	             Ed25519 key (32) ‖ the recipient's X25519 key (32) ‖ all bytes before
//	zeros        so many that the record below fills its last cell, whatever the invitation has
//
// They are sealed to the recipient's X25519 key by HPKE (RFC 9180, base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
// ChaCha20-Poly1305; info `fernpost/v1 letter` ‖ 0x00 ‖ room salt, no aad, one message): the encapsulated key (32), then the
// ciphertext. The room salt is that of the channel's number. So whoever opens a letter knows who has written it, for whom and to
// which channel: the recipient cannot hand it on as one for somebody else, nor anybody put it into another channel. Nothing in
// it is safe from somebody who has kept it until there is a computer that breaks X25519.
//
// In the feed the sealed bytes are the body of a record of kind 7, number 1, without a nickname, that a throw-away identity
// signs, in cells under the key that everybody knows ([token.LetterKey]). By hand a letter is one line:
//
//	fpl1_ ‖ URL-safe base64 (RFC 4648, section 5) without padding, of
//	  the channel's number (8) ‖ the sealed bytes ‖ the first 4 bytes of SHA-256(`fernpost/v1 letter line` ‖ 0x00 ‖ all before)
package letter

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/invisible"
	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/publickey"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/token"
)

const (
	// Begin begins the line of every letter of any version.
	Begin = "fpl"
	// Prefix begins the line of every letter, with the version of its form.
	Prefix = "fpl1_"
	// MaxLine bounds a line in characters: 4/3 of 8 + 4,096 + 4 bytes, and the prefix.
	MaxLine = len(Prefix) + (8+record.MaxLetter+sumSize)*4/3 + 1

	domain     = "fernpost/v1 letter\x00"
	lineDomain = "fernpost/v1 letter line\x00"

	version     = 1
	clockSize   = 6
	forAt       = 1 + clockSize
	sizeAt      = forAt + 16
	headSize    = sizeAt + 2
	channelSize = 8
	sumSize     = 4
)

// Letter is an invitation that somebody has written to us.
type Letter struct {
	invite.Invitation
	// From is the inviter's public key: it has signed the letter.
	From record.PublicKey
	// At is the inviter's clock, in whole milliseconds: the inviter's claim.
	At time.Time
	// ID is the same for each copy of a letter, and only for those.
	ID [sha256.Size]byte
}

// Sealed is a letter as others see it, with the channel that it is for.
type Sealed struct {
	Channel int64
	// Body is what is sealed, of [record.MinLetter] to [record.MaxLetter] bytes.
	Body []byte
}

// Why a letter cannot be opened. Besides there is [publickey.ErrNotOurs].
var (
	// ErrFalse means that whom it names as the inviter has not signed it.
	ErrFalse = errors.New("this letter's signature is false: who has written it is not whom it names as the inviter")
	// ErrOther means that it was written for somebody else, or for another channel, and sealed anew.
	ErrOther = errors.New("this letter was written for somebody else, or for another channel: somebody has copied it")
	// ErrNewer means that the letter has another version.
	ErrNewer = errors.New("this letter needs a newer fernpost")
	// ErrBroken means that its owner's fernpost has not written it.
	ErrBroken = errors.New("the letter breaks its form, although it is sealed to this identity: fernpost has not written it")
)

// Why a text is no letter.
var (
	// ErrMalformed means that the text is something else, or was altered or cut.
	ErrMalformed = errors.New("not a letter, which is one line that begins with " + Prefix)
	// ErrAltered wraps it: the check sum does not fit.
	ErrAltered = fmt.Errorf("%w: a character of it is wrong or missing", ErrMalformed)
)

func salt(channel int64) record.Salt { return record.Salt(passphrase.RoomSalt(channel)) }

func info(salt record.Salt) []byte { return append([]byte(domain), salt[:]...) }

// signed is what the inviter's signature covers.
func signed(salt record.Salt, to publickey.Keys, content []byte) []byte {
	b := info(salt)
	b = append(append(b, to.Signing[:]...), to.Sealing[:]...)
	return append(b, content...)
}

// Seal writes a letter by an identity to somebody's keys. The inviter of the invitation is that identity, whatever it says.
func Seal(id record.Identity, to publickey.Keys, i invite.Invitation, now time.Time) (Sealed, error) {
	i.Inviter = id.Public()
	inside, err := i.Bytes()
	if err != nil {
		return Sealed{}, err
	}
	var clock [8]byte
	binary.BigEndian.PutUint64(clock[:], uint64(min(max(now.UnixMilli(), 0), record.MaxClock)))
	b := append([]byte{version}, clock[8-clockSize:]...)
	number := to.Safety()
	b = append(b, number[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(inside)))
	b = append(b, inside...)
	s, seed := salt(i.Channel), id.RevealSeed()
	b = append(b, ed25519.Sign(ed25519.NewKeyFromSeed(seed[:]), signed(s, to, b))...)
	// Otherwise the length would tell whether the write key is inside.
	parts := record.Parts(record.MinSize + record.MinLetter + len(b))
	b = append(b, make([]byte, record.Capacity(parts, 0)-record.MinLetter-len(b))...)
	if len(b)+record.MinLetter > record.MaxLetter {
		return Sealed{}, fmt.Errorf("a letter of %d bytes, and %d is the most", len(b)+record.MinLetter, record.MaxLetter)
	}
	body, err := publickey.SealText(b, info(s), to)
	return Sealed{i.Channel, body}, err
}

// Open opens a letter that was sealed to an identity, and checks who has written it. The error is one of the above, or
// [publickey.ErrNotOurs], which a letter of another channel has as well.
func (s Sealed) Open(id record.Identity) (l Letter, err error) {
	text, err := publickey.OpenText(s.Body, info(salt(s.Channel)), id)
	if err != nil {
		return l, err
	}
	if len(text) == 0 || text[0] != version {
		return l, ErrNewer
	}
	if len(text) < headSize {
		return l, ErrBroken
	}
	end := headSize + int(binary.BigEndian.Uint16(text[sizeAt:]))
	if len(text) < end+record.SignatureSize || len(bytes.Trim(text[end+record.SignatureSize:], "\x00")) > 0 {
		return l, ErrBroken
	}
	if l.Invitation, err = invite.FromBytes(text[headSize:end]); err != nil {
		if _, newer := errors.AsType[*invite.NewerError](err); newer {
			return Letter{}, ErrNewer
		}
		return Letter{}, fmt.Errorf("%w (%w)", ErrBroken, err)
	}
	var clock [8]byte
	copy(clock[8-clockSize:], text[1:])
	l.At = time.UnixMilli(int64(binary.BigEndian.Uint64(clock[:]))).UTC()
	l.From, l.ID = l.Inviter, sha256.Sum256(text[:end])
	signature, to := text[end:end+record.SignatureSize], publickey.Of(id)
	number := to.Safety()
	switch {
	case l.From.Check() != nil:
		return Letter{}, ErrFalse
	case l.Channel != s.Channel, !bytes.Equal(text[forAt:sizeAt], number[:]):
		return Letter{}, ErrOther
	case !ed25519.Verify(l.From[:], signed(salt(s.Channel), to, text[:end]), signature):
		return Letter{}, ErrFalse
	}
	return l, nil
}

// String writes a letter as a line.
func (s Sealed) String() string {
	b := append(binary.BigEndian.AppendUint64(nil, uint64(s.Channel)), s.Body...)
	return Prefix + base64.RawURLEncoding.EncodeToString(append(b, lineSum(b)...))
}

func lineSum(b []byte) []byte {
	sum := sha256.Sum256(append([]byte(lineDomain), b...))
	return sum[:sumSize]
}

// IsLine reports whether a text is meant for a letter.
func IsLine(text string) bool {
	text = bare(text)
	return strings.HasPrefix(text, Begin) && strings.Contains(text[:min(len(text), 8)], "_")
}

// bare takes out of the beginning of a text, as long as a letter may be, what carriers add to it.
func bare(text string) string {
	return invisible.Strip(text[:min(len(text), 4*MaxLine)])
}

// Parse reads what [Sealed.String] writes, with the blanks and line breaks that mails add. The error is [ErrMalformed] or
// [ErrNewer].
func Parse(text string) (s Sealed, err error) {
	text = bare(text)
	digits, ok := strings.CutPrefix(text, Prefix)
	if v, _, found := strings.Cut(strings.TrimPrefix(text, Begin), "_"); !ok && found && v != "" && strings.Trim(v, "0123456789") == "" {
		return s, ErrNewer
	}
	if !ok || len(text) > MaxLine {
		return s, ErrMalformed
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(digits)
	if err != nil || len(b) < channelSize+record.MinLetter+sumSize || len(b) > channelSize+record.MaxLetter+sumSize {
		return s, ErrAltered
	}
	end := len(b) - sumSize
	s = Sealed{int64(binary.BigEndian.Uint64(b)), b[channelSize:end]}
	if s.Channel < 1 || !bytes.Equal(lineSum(b[:end]), b[end:]) {
		return Sealed{}, ErrAltered
	}
	return s, nil
}

// key is the key that everybody knows.
func key() (fernet.Ring, record.KeyID) {
	k := fernet.NewKey(token.LetterKey())
	ring, err := fernet.NewRing(k)
	if err != nil {
		panic(err) // unreachable: there is one, and it is not zero
	}
	return ring, record.KeyID(k.ID())
}

// Tokens writes a letter for the feed: tokens that are laid into the fields of entries in this order.
func (s Sealed) Tokens(now time.Time) ([]string, error) {
	ring, id := key()
	signed, err := record.Sign(record.GenerateIdentity(), record.Context{Salt: salt(s.Channel), Key: id}, record.Record{
		Number: 1, Clock: min(max(now.UnixMilli(), 0), record.MaxClock), Body: record.Letter(s.Body),
	})
	if err != nil {
		return nil, err
	}
	cells, err := signed.Cells()
	if err != nil {
		return nil, err
	}
	tokens := make([]string, len(cells))
	for i := range cells {
		if tokens[i], err = ring.Seal(cells[i][:], now); err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

// Part is a token of a feed, and where it stands.
type Part struct {
	Entry int64
	Field int
	Token string
}

// Found is a letter that stands in the feed.
type Found struct {
	Sealed
	// Entry is where it ends.
	Entry int64
}

// callsAtOnce bounds how often chains of parts that were left untried are tried: who puts so many there gets no further.
const callsAtOnce = 8

// Find joins the letters that stand in a channel's feed, in order of their entries. Parts may come in any order; what is no part
// of a letter, or is of one that is not whole, is left out.
func Find(channel int64, parts []Part, now time.Time) (found []Found, err error) {
	ring, id := key()
	var cells []record.Cell
	for _, p := range parts {
		opened, err := ring.Open(p.Token)
		if err != nil || !record.IsCell(opened.Plaintext) {
			continue
		}
		cells = append(cells, record.Cell{
			Spot: record.Spot{Place: record.Place{Entry: p.Entry}, Field: p.Field}, Key: id, Plain: [record.CellSize]byte(opened.Plaintext),
		})
	}
	known, reader := record.NewMemory(), record.NewReader(salt(channel), record.PublicKey{})
	known.Keep(cells)
	for call, more := 0, true; more && call < callsAtOnce; call++ {
		result, err := reader.Read(known, cells, record.View{Unread: true}, now)
		if err != nil {
			return nil, err
		}
		known.Apply(result.Change)
		cells, more = nil, result.More
		for i := range result.Messages {
			m := &result.Messages[i]
			if body, ok := m.Body.(record.Letter); ok && m.Number == 1 && m.Nick == "" {
				found = append(found, Found{Sealed{channel, body}, m.At.Entry})
			}
		}
	}
	return found, nil
}
