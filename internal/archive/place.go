package archive

import (
	"encoding/binary"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// placeBits is how much of a place in the database is the entry number.
const placeBits = 40

// place writes a place as one number that orders as it does. Callers keep to [kept.MaxEntry] and [kept.MaxClear].
func place(p record.Place) int64 { return int64(p.Clear)<<placeBits | p.Entry }

func spot(s record.Spot) (at, field int64) { return place(s.Place), int64(s.Field) }

// parseSpot reads a place, and the field in the next column.
func parseSpot(row sqlite.Row, i int) record.Spot {
	return record.Spot{Place: parsePlace(row.Int(i)), Field: int(row.Int(i + 1))}
}

// writeSpots writes where the cells of a record stand: of each the field (1 byte), and how much higher its place is than
// that of the one before it.
func writeSpots(spots []record.Spot) []byte {
	b := []byte{}
	before := int64(0)
	for _, s := range spots {
		at := place(s.Place)
		b = binary.AppendVarint(append(b, byte(s.Field)), at-before)
		before = at
	}
	return b
}

// parseSpots reads what writeSpots writes. ok is false for anything else.
func parseSpots(b []byte) (spots []record.Spot, ok bool) {
	at := int64(0)
	for len(b) > 0 {
		step, n := binary.Varint(b[1:])
		if n <= 0 {
			return nil, false
		}
		at += step
		spots = append(spots, record.Spot{Place: parsePlace(at), Field: int(b[0])})
		b = b[1+n:]
	}
	return spots, true
}

func parsePlace(n int64) record.Place {
	return record.Place{Clear: uint32(n >> placeBits), Entry: n & kept.MaxEntry}
}

// millis is 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func parseMillis(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}

// seconds is 0 for the zero time.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func parseSeconds(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// key writes a public key, and nothing for the zero one.
func key(k record.PublicKey) []byte {
	if k.IsZero() {
		return []byte{}
	}
	return k[:]
}

// hash writes a hash, and nothing for the zero one, which is none.
func hash(h record.Hash) []byte {
	if h == (record.Hash{}) {
		return []byte{}
	}
	return h[:]
}

// parseKey reads what key writes.
func parseKey(row sqlite.Row, i int) (k record.PublicKey) {
	row.FillOrNone(i, k[:])
	return k
}

// parseAuthor reads a key that is not zero.
func parseAuthor(row sqlite.Row, i int) (k record.PublicKey) {
	if row.Fill(i, k[:]); k.IsZero() {
		row.Refuse(i)
	}
	return k
}
