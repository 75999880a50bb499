package record

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

const (
	// MinSize is the length of a record without nickname and body: kind 1, clock 6, author 32, previous 16, seen 24,
	// length of the nickname 1, signature 64: 144 bytes.
	MinSize = 1 + clockSize + KeySize + ShortHashSize + seenSize + 1 + SignatureSize
	// ShortHashSize is the length of a hash where records name each other.
	ShortHashSize = 16
	// MaxClock is the latest time that a record can state, in Unix milliseconds: 6 bytes, in the year 10889.
	MaxClock = 1<<(8*clockSize) - 1

	clockSize  = 6
	seenSize   = TagSize + 4 + ShortHashSize
	authorAt   = 1 + clockSize
	prefixSize = len(recordDomain) + 16 + 16 + 4
)

// Why a record cannot be written or read.
var (
	// ErrForged means that the bytes are not signed by the author whom they or their cells name. A key that can be
	// nobody's is [ErrWeakKey] instead.
	ErrForged = errors.New("not signed by its author")
	// ErrNumber means that a record has no number, or that its number and its previous hash contradict each other: the
	// first record, and only that, has none before it.
	ErrNumber = errors.New("number and previous hash do not fit")
	// ErrClock means a time before 1970 or after [MaxClock].
	ErrClock = errors.New("the clock shows a time that a record cannot state")
	// ErrSeen means a seen that names a hash or a tag but no number.
	ErrSeen = errors.New("seen names no record")
)

type (
	// Salt is the room's salt (internal/passphrase, RoomSalt).
	Salt [16]byte
	// KeyID names a Fernet key without being it (internal/fernet, Key.ID).
	KeyID [16]byte
	// Hash is the SHA-256 of exactly what a record's signature covers.
	Hash [sha256.Size]byte
	// ShortHash is a [Hash] cut to 16 bytes, as records name each other by.
	ShortHash [ShortHashSize]byte
)

// Short returns the first 16 bytes.
func (h Hash) Short() ShortHash { return ShortHash(h[:]) }

// IsZero reports whether h names no record.
func (h ShortHash) IsZero() bool { return h == ShortHash{} }

// String returns the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Context is what a signature binds a record to, besides its content: it can be carried neither into another room nor
// under another key.
type Context struct {
	Salt Salt
	Key  KeyID
}

// Seen names one record by somebody else that the author has verified. The zero Seen names none.
type Seen struct {
	Tag    Tag
	Number uint32
	Hash   ShortHash
}

// Record is one signed unit of a conversation.
type Record struct {
	// Number counts the author's records in this room, from 1. It stands in the cells and in what is signed.
	Number uint32
	// Clock is what the author's clock showed, in Unix milliseconds: a claim, to be shown and never sorted by.
	Clock  int64
	Author PublicKey
	// Previous is the hash of the author's previous record: zero for number 1 and only there.
	Previous ShortHash
	Seen     Seen
	// Nick is the author's nickname, or empty if the record has none that [CheckNickname] accepts: then the tag is shown.
	Nick string
	Body Body
}

// Kind returns the kind of the body.
func (r *Record) Kind() Kind { return r.Body.Kind() }

// Time returns the author's clock, in UTC. What lies after the year 9999 counts as its last second.
func (r *Record) Time() time.Time {
	latest := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	if t := time.UnixMilli(r.Clock).UTC(); t.Before(latest) {
		return t
	}
	return latest
}

// Signed is a record as it travels.
type Signed struct {
	Tag    Tag
	Number uint32
	Hash   Hash
	// Bytes are the record, its signature at the end.
	Bytes []byte
}

// Cells cuts the record, see [Cut].
func (s *Signed) Cells() ([][CellSize]byte, error) { return Cut(s.Bytes, s.Tag, s.Number) }

// Sign encodes a record and signs it; its Author is id, whatever r says. It refuses what a strict reader would not show
// as it was meant: [ErrNumber], [ErrClock], [ErrSeen], [ErrNickname], [ErrBody], [*TooLongError].
func Sign(id Identity, ctx Context, r Record) (Signed, error) {
	r.Author = id.Public()
	signed, err := sign(id, ctx, r)
	if err != nil {
		return Signed{}, fmt.Errorf("signing record %d: %w", r.Number, err)
	}
	return signed, nil
}

func sign(id Identity, ctx Context, r Record) (Signed, error) {
	if err := r.check(); err != nil {
		return Signed{}, err
	}
	b := make([]byte, 0, prefixSize+MinSize+len(r.Nick)+256)
	b = ctx.appendPrefix(b, r.Number)
	b = append(b, byte(r.Kind()))
	var clock [8]byte
	binary.BigEndian.PutUint64(clock[:], uint64(r.Clock))
	b = append(b, clock[8-clockSize:]...)
	b = append(b, r.Author[:]...)
	b = append(b, r.Previous[:]...)
	b = r.Seen.append(b)
	b = append(b, byte(len(r.Nick)))
	b = append(b, r.Nick...)
	b, err := appendBody(b, r.Body, ctx.Salt, r.Author)
	if err != nil {
		return Signed{}, err
	}
	if size := len(b) - prefixSize + SignatureSize; size > MaxSize {
		return Signed{}, &TooLongError{size}
	}
	hash := Hash(sha256.Sum256(b))
	signature := id.sign(b)
	b = append(b, signature[:]...)
	return Signed{Tag: r.Author.Tag(), Number: r.Number, Hash: hash, Bytes: b[prefixSize:]}, nil
}

// check judges the head of a record that is to be written.
func (r *Record) check() error {
	switch {
	case r.Body == nil:
		return fmt.Errorf("%w: there is none", ErrBody)
	case !r.numbered():
		return ErrNumber
	case r.Clock < 0 || r.Clock > MaxClock:
		return ErrClock
	case !r.Seen.wellFormed():
		return ErrSeen
	case r.Nick != "":
		return CheckNickname(r.Nick)
	}
	return nil
}

func (r *Record) numbered() bool { return r.Number != 0 && r.Previous.IsZero() == (r.Number == 1) }

func (s Seen) wellFormed() bool { return s.Number != 0 || s == Seen{} }

func (s Seen) append(b []byte) []byte {
	b = append(b, s.Tag[:]...)
	b = binary.BigEndian.AppendUint32(b, s.Number)
	return append(b, s.Hash[:]...)
}

// parseSeen reads the first 24 bytes of b.
func parseSeen(b []byte) Seen {
	return Seen{Tag(b), binary.BigEndian.Uint32(b[TagSize:]), ShortHash(b[TagSize+4:])}
}

// appendPrefix writes what the signature covers before the record itself.
func (c Context) appendPrefix(b []byte, number uint32) []byte {
	b = append(b, recordDomain...)
	b = append(b, c.Salt[:]...)
	b = append(b, c.Key[:]...)
	return binary.BigEndian.AppendUint32(b, number)
}

// envelope is a record on its way to being verified: what its signature covers, in one piece.
type envelope struct {
	ctx       Context
	tag       Tag
	number    uint32
	covered   []byte
	signature []byte
	author    PublicKey
	hash      Hash
}

// newEnvelope returns one whose covered part holds the prefix; size bytes of record are to be appended to it.
func newEnvelope(ctx Context, tag Tag, number uint32, size int) *envelope {
	e := &envelope{ctx: ctx, tag: tag, number: number}
	e.covered = ctx.appendPrefix(make([]byte, 0, prefixSize+size), number)
	return e
}

// seal cuts off the signature, once the record is appended, and finds author and hash. The error tells that the record
// cannot be genuine: [ErrWeakKey], or [ErrForged] if it is too short or its author has not the cells' tag.
func (e *envelope) seal() error {
	if len(e.covered) < prefixSize+MinSize {
		return ErrForged
	}
	end := len(e.covered) - SignatureSize
	e.covered, e.signature = e.covered[:end:end], e.covered[end:]
	e.author = PublicKey(e.covered[prefixSize+authorAt:])
	e.hash = sha256.Sum256(e.covered)
	if err := e.author.Check(); err != nil {
		return err
	}
	if e.author.Tag() != e.tag {
		return ErrForged
	}
	return nil
}

// verify checks the signature (RFC 8032, section 5.1.7, without the cofactor, as most libraries do).
func (e *envelope) verify() bool { return ed25519.Verify(e.author[:], e.covered, e.signature) }

// previous returns what the record names as previous, whether or not it may.
func (e *envelope) previous() ShortHash { return ShortHash(e.covered[prefixSize+authorAt+KeySize:]) }

// open decodes a record that is sealed and verified.
func (e *envelope) open() Record {
	b := e.covered[prefixSize:]
	kind := Kind(b[0])
	var clock [8]byte
	copy(clock[8-clockSize:], b[1:])
	r := Record{Number: e.number, Clock: int64(binary.BigEndian.Uint64(clock[:])), Author: e.author}

	rest := b[authorAt+KeySize:]
	r.Previous, rest = ShortHash(rest), rest[ShortHashSize:]
	r.Seen, rest = parseSeen(rest), rest[seenSize:]
	nick, data, whole := cutPrefixed(rest)
	if !whole || !r.numbered() || !r.Seen.wellFormed() {
		// A head that breaks the form is not trusted in part either.
		return Record{Number: r.Number, Clock: r.Clock, Author: r.Author, Body: Unreadable{kind, b[authorAt+KeySize:]}}
	}
	if CheckNickname(string(nick)) == nil {
		r.Nick = string(nick)
	}
	r.Body = parseBody(kind, data, e.ctx.Salt, e.author)
	return r
}

// cutPrefixed splits off a string that follows its length of one byte.
func cutPrefixed(b []byte) (s, rest []byte, whole bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	end := 1 + int(b[0])
	if len(b) < end {
		return nil, nil, false
	}
	return b[1:end], b[end:], true
}
