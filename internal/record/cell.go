package record

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/fernpost/fernpost/internal/token"
)

// Layout of a cell, in bytes. The header is mark 1, version 1, tag 4, number 4, part 2, parts 2, link 8: 22 bytes.
const (
	// CellSize is the length of every cell: the longest plaintext whose token fits one field.
	CellSize = token.CellSize
	// Mark is the first byte of every cell. It occurs nowhere in UTF-8, so texts and records cannot be confused.
	Mark = 0xfe
	// Version is the second byte, the version of the format that this package reads and writes.
	Version = 1
	// SliceSize is how much of a record one cell carries: 127 − 22.
	SliceSize = CellSize - headerSize
	// MaxParts is the largest number of cells of one record: ⌈(3 + 4,194,304) / 105⌉ = 39,946, so that a record of
	// 4 MiB fits.
	MaxParts = 39_946
	// MaxSize is the longest record: 39,946 · 105 − 3 = 4,194,327 bytes, which is 4 MiB and what is left of the last
	// cell.
	MaxSize = MaxParts*SliceSize - lengthSize

	headerSize = 22
	lengthSize = 3 // of the record's length, which stands before it

	tagAt, numberAt, partAt, partsAt, linkAt = 2, 6, 10, 12, 14
)

// Why a plaintext is no cell of a record that this package reads.
var (
	// ErrNewer means that the cell has another version: it needs a newer fernpost.
	ErrNewer = errors.New("needs a newer fernpost")
	// ErrMalformedCell means that the header contradicts itself.
	ErrMalformedCell = errors.New("malformed cell")
)

// TooLongError is a record that no number of cells carries.
type TooLongError struct {
	// Size is its length in bytes; at most [MaxSize] would do.
	Size int
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("the record has %d bytes, at most %d are possible", e.Size, MaxSize)
}

// IsCell reports whether a plaintext is a cell, of this version or another: 127 bytes that begin with [Mark].
func IsCell(plaintext []byte) bool { return len(plaintext) == CellSize && plaintext[0] == Mark }

// Place tells where in a feed something stands: after so many clears that its reader has noticed, in the entry with
// this number. The zero Place is nowhere.
type Place struct {
	Clear uint32
	Entry int64
}

// Compare orders places: what stood there before a clear comes first.
func (p Place) Compare(q Place) int {
	return cmp.Or(cmp.Compare(p.Clear, q.Clear), cmp.Compare(p.Entry, q.Entry))
}

// Spot is a place and the field there, 1 to 8. Lines of a conversation stand in the order of their spots.
type Spot struct {
	Place
	Field int
}

// Compare orders spots by place and field.
func (s Spot) Compare(o Spot) int {
	return cmp.Or(s.Place.Compare(o.Place), cmp.Compare(s.Field, o.Field))
}

// Cell is an opened token that is a cell ([IsCell]).
type Cell struct {
	Spot
	// Key is the id of the key that opened it.
	Key KeyID
	// Plain is its plaintext.
	Plain [CellSize]byte
}

// GroupID names the cells that can belong together: sealed with one key, and with the same tag, number and parts.
type GroupID struct {
	Key    KeyID
	Tag    Tag
	Number uint32
	Parts  uint16
}

// Group returns the group of a cell. The error is [ErrNewer] or [ErrMalformedCell], also for a filler cell, which has
// no group.
func (c *Cell) Group() (GroupID, error) {
	h, err := parseCell(&c.Plain)
	if err == nil && h.number == 0 {
		err = ErrMalformedCell
	}
	return GroupID{c.Key, h.tag, h.number, h.parts}, err
}

// CellAt returns a cell of the group that stands somewhere: one that says nothing else.
func (id GroupID) CellAt(at Spot) Cell {
	c := Cell{Spot: at, Key: id.Key, Plain: Filler()}
	copy(c.Plain[tagAt:], id.Tag[:])
	binary.BigEndian.PutUint32(c.Plain[numberAt:], id.Number)
	binary.BigEndian.PutUint16(c.Plain[partAt:], max(id.Parts, 1)-1)
	binary.BigEndian.PutUint16(c.Plain[partsAt:], id.Parts)
	c.Plain[headerSize+lengthSize-1] = 1 // for one that is the first and the last
	return c
}

// link identifies a cell by the first 8 bytes of its hash. 0 is the end of a chain.
type link uint64

type header struct {
	tag         Tag
	number      uint32 // 0: filler
	part, parts uint16
	next        link
}

// parseCell reads and judges all of a cell that can be judged by itself.
func parseCell(plain *[CellSize]byte) (h header, err error) {
	if plain[0] != Mark {
		return h, ErrMalformedCell
	}
	if plain[1] != Version {
		return h, ErrNewer
	}
	h = header{
		tag:    Tag(plain[tagAt:]),
		number: binary.BigEndian.Uint32(plain[numberAt:]),
		part:   binary.BigEndian.Uint16(plain[partAt:]),
		parts:  binary.BigEndian.Uint16(plain[partsAt:]),
		next:   link(binary.BigEndian.Uint64(plain[linkAt:])),
	}
	switch {
	case h.number == 0:
		if *plain != Filler() {
			return h, ErrMalformedCell
		}
	case h.part >= h.parts || h.parts > MaxParts:
		return h, ErrMalformedCell
	case h.part == h.parts-1 && h.next != 0:
		return h, ErrMalformedCell
	case h.part == 0 && Parts(recordSize(plain)) != int(h.parts):
		return h, ErrMalformedCell
	}
	return h, nil
}

// recordSize returns the length of the record that a cell of part 0 begins.
func recordSize(plain *[CellSize]byte) int {
	b := plain[headerSize:]
	return int(b[0])<<16 | int(b[1])<<8 | int(b[2])
}

func linkTo(plain *[CellSize]byte) link {
	var b [len(linkDomain) + CellSize]byte
	copy(b[copy(b[:], linkDomain):], plain[:])
	sum := sha256.Sum256(b[:])
	return link(binary.BigEndian.Uint64(sum[:]))
}

// Filler returns the cell that says nothing, which makes entries of equal length.
func Filler() [CellSize]byte { return [CellSize]byte{Mark, Version} }

// Parts returns how many cells a record of size bytes takes: ⌈(3 + size) / 105⌉.
func Parts(size int) int { return (lengthSize + size + SliceSize - 1) / SliceSize }

// Capacity returns how many bytes of body a record with a nickname of nick bytes can have in the given number of cells:
// 105 · cells − 3 − 144 − nick. In the eight fields of one entry that is 693 less the nickname. It is negative where
// not even an empty body fits: that takes two cells.
func Capacity(cells, nick int) int { return cells*SliceSize - lengthSize - MinSize - nick }

// Cut lays a record into cells, in the order of their parts. It refuses one that is too long with [*TooLongError].
func Cut(record []byte, tag Tag, number uint32) ([][CellSize]byte, error) {
	if len(record) > MaxSize {
		return nil, &TooLongError{len(record)}
	}
	stream := make([]byte, 0, lengthSize+len(record))
	stream = append(stream, byte(len(record)>>16), byte(len(record)>>8), byte(len(record)))
	stream = append(stream, record...)

	parts := Parts(len(record))
	cells := make([][CellSize]byte, parts)
	var next link
	for part := parts - 1; part >= 0; part-- { // backwards, because each cell holds the hash of the next
		c := &cells[part]
		*c = Filler()
		copy(c[tagAt:], tag[:])
		binary.BigEndian.PutUint32(c[numberAt:], number)
		binary.BigEndian.PutUint16(c[partAt:], uint16(part))
		binary.BigEndian.PutUint16(c[partsAt:], uint16(parts))
		binary.BigEndian.PutUint64(c[linkAt:], uint64(next))
		copy(c[headerSize:], stream[part*SliceSize:])
		next = linkTo(c)
	}
	return cells, nil
}
