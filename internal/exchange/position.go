package exchange

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Position is what a follower of a channel keeps between calls of [Exchange.Follow], and between runs: it can be stored as
// JSON and holds no secret. The zero Position is the beginning of the channel.
type Position struct {
	// Last is the highest entry number of which a row was visited.
	Last int64 `json:"last"`
	// Rows tell the rows with the highest numbers again: every read is compared with them.
	Rows Rows `json:"rows,omitempty"`
	// Gaps are the numbers up to Last that are lacking, ascending and disjoint. Nothing is ever given up for good.
	Gaps Gaps `json:"gaps,omitempty"`
	// Claims are the numbers above Last that the relay at the address has named of late.
	Claims  Claims `json:"claims,omitempty"`
	Address string `json:"address,omitempty"`
	// Looked is when the newest rows were last asked for, and Named the last entry number that the relay named then.
	Looked time.Time `json:"looked,omitzero"`
	Named  int64     `json:"named,omitempty"`
	// Absent is the entry that shows that the channel was not cleared, while the relay does not show it.
	Absent Absence `json:"absent,omitzero"`
	// Withheld are rows among those of Rows that an answer must have shown and did not, and since when none has.
	Withheld []Absence `json:"withheld,omitempty"`
	// Suspected tells when rows that were visited are visited again, see [Visitor.Suspect].
	Suspected Rounds `json:"suspected,omitzero"`
	// Unread is what stands in fields that the relay did not show.
	Unread Unread `json:"unread,omitzero"`
	// Pushed are the numbers of rows that were pushed, and that no answer has shown so far.
	Pushed ranges `json:"pushed,omitempty"`

	earlierForm
}

// earlierForm is what positions held before gaps had an age each; see [Position.heal].
type earlierForm struct {
	Row     *earlierDigest `json:"row,omitempty"`
	At      *time.Time     `json:"at,omitempty"`
	Waiting []earlierRange `json:"waiting,omitempty"`
	Low     *time.Time     `json:"low,omitempty"`
}

type earlierDigest struct {
	Fields thingspeak.FieldSet `json:"fields"`
	Sum    hexSum              `json:"sum"`
}

type earlierRange struct {
	First int64     `json:"first"`
	Last  int64     `json:"last"`
	Asked time.Time `json:"asked"`
}

type hexSum []byte

// UnmarshalText takes what is no sum for none: the row is then not compared.
func (s *hexSum) UnmarshalText(text []byte) error {
	if b, err := hex.AppendDecode(nil, text); err == nil && len(b) == sumSize {
		*s = b
	}
	return nil
}

// MarshalText writes a sum as it was kept.
func (s hexSum) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s), nil }

// maxEarlierLast is the highest number that a position of the earlier form is believed to have read: at one entry a
// second a channel comes so far in 68 years. Beyond it a relay's word was taken for a fact.
const maxEarlierLast = 1 << 31

// heal brings a position into a form in which nothing in it can hide an entry: one of the earlier form, which had one
// age for all and kept a relay's claims as if they were facts, and one that was damaged. What can be trusted in it
// stays; the worst that the rest does is that entries are visited once more.
func (p *Position) heal(now time.Time) {
	earlier := p.earlierForm
	p.earlierForm = earlierForm{}
	if p.Last > 0 && len(p.Rows) == 0 {
		if p.Last > maxEarlierLast {
			*p = Position{}
			return
		}
		if earlier.Row != nil && len(earlier.Row.Sum) == sumSize && earlier.At != nil {
			p.Rows = Rows{{p.Last, *earlier.At, earlier.Row.Fields, [sumSize]byte(earlier.Row.Sum)}}
		}
		for _, w := range earlier.Waiting {
			since := w.Asked
			if since.IsZero() {
				since = now
			}
			p.Gaps = append(p.Gaps, Range{First: w.First, Last: w.Last, Since: since})
		}
	}
	if p.Last < 0 { // the end of a channel of which no row was shown
		*p = Position{}
	}
	p.Gaps = p.Gaps.valid(p.Last, now)
	p.Pushed = p.Pushed.intersect(numbers(1, p.Last)).minus(p.Gaps.numbers())
	if p.Looked.After(now) {
		p.Looked = time.Time{} // the clock was set back
	}
}

// Lacking returns the numbers up to Last of rows that no answer has shown: those of the gaps, and those that were pushed.
func (p *Position) Lacking(now time.Time) []Range { return p.Gaps.with(p.Pushed, now) }

// loose reports whether numbers are lacking among the newest rows: then new rows may come below the highest one, and the
// last entry number does not tell of them. One row with an invented number would otherwise hold up all that follow.
func (p *Position) loose() bool {
	return len(p.Gaps) > 0 && len(p.Rows) > 0 && p.Gaps[len(p.Gaps)-1].Last >= p.Rows[0].Entry
}

// untouched reports whether nothing was visited so far, and nothing is asked for.
func (p *Position) untouched() bool { return p.Last == 0 && len(p.Rows) == 0 && len(p.Gaps) == 0 }

// maxRows is how many rows a position can tell again: as many as a look at the newest rows shows. It has as many of the
// highest numbers, and of those that were shown last: rows that a relay makes up displace none that it shows afterwards.
const maxRows = thingspeak.DefaultResults

// sumSize is the size of a row's hash in bytes: too long for anybody to find another row for it.
const sumSize = 16

// RowDigest tells whether a row is still the one that was visited.
type RowDigest struct {
	Entry int64
	// At is the row's date, in whole seconds.
	At time.Time
	// Fields are those that were visible.
	Fields thingspeak.FieldSet
	// Sum is a hash of their values.
	Sum [sumSize]byte
}

// digestOf returns the digest of a row over the given fields.
func digestOf(e *thingspeak.Entry, fields thingspeak.FieldSet) RowDigest {
	h := sha256.New()
	var length [2]byte
	for n := range fields.All() {
		text := e.Fields[n-1].Text // absent and empty read the same
		binary.BigEndian.PutUint16(length[:], uint16(len(text)))
		h.Write(length[:])
		h.Write([]byte(text))
	}
	return RowDigest{e.ID, e.CreatedAt.Truncate(time.Second).UTC(), fields, [sumSize]byte(h.Sum(nil))}
}

// tells reports whether a row is the one that the digest was made of, apart from some fields of which the digest knows
// nothing.
func (d *RowDigest) tells(e *thingspeak.Entry, apart thingspeak.FieldSet) bool {
	return e.ID == d.Entry && e.CreatedAt.Truncate(time.Second).Equal(d.At) && d.holds(e, apart)
}

// holds is tells for a row of the digest's number, whatever its date.
func (d *RowDigest) holds(e *thingspeak.Entry, apart thingspeak.FieldSet) bool {
	return digestOf(e, d.Fields).Sum == d.Sum && !contentIn(e, thingspeak.AllFields&^d.Fields&^apart)
}

// Rows are digests of rows, by number. A number may have several.
type Rows []RowDigest

// of returns the digests of the rows with a number.
func (r Rows) of(entry int64) Rows {
	first, _ := slices.BinarySearchFunc(r, entry, func(d RowDigest, n int64) int { return cmp.Compare(d.Entry, n) })
	size := slices.IndexFunc(r[first:], func(d RowDigest) bool { return d.Entry != entry })
	if size < 0 {
		size = len(r) - first
	}
	return r[first : first+size]
}

// tell reports whether one of the digests is that of a row, apart from some fields.
func (r Rows) tell(e *thingspeak.Entry, apart thingspeak.FieldSet) bool {
	return slices.ContainsFunc(r.of(e.ID), func(d RowDigest) bool { return d.tells(e, apart) })
}

// mayTell reports whether a row that shows only some fields may be that of one of the digests: it has the date of one
// that was made of more.
func (r Rows) mayTell(e *thingspeak.Entry, shown thingspeak.FieldSet) bool {
	return slices.ContainsFunc(r.of(e.ID), func(d RowDigest) bool {
		return d.Fields&^shown != 0 && e.CreatedAt.Truncate(time.Second).Equal(d.At)
	})
}

// numbers returns the numbers of the rows.
func (r Rows) numbers() (all ranges) {
	for i := range r {
		all.add(r[i].Entry, r[i].Entry)
	}
	return all
}

// highest returns the highest number, 0 if there is none.
func (r Rows) highest() int64 {
	if len(r) == 0 {
		return 0
	}
	return r[len(r)-1].Entry
}

// with returns the newest of r and of rows that were visited, and the newest of the numbers that were shown.
func (r Rows) with(visited []shownRow, shown ranges) Rows {
	all := slices.Clone(r)
	for i := range visited {
		all = append(all, digestOf(&visited[i].Entry, visited[i].fields))
	}
	slices.SortFunc(all, func(a, b RowDigest) int {
		return cmp.Or(cmp.Compare(a.Entry, b.Entry), a.At.Compare(b.At), cmp.Compare(a.Fields, b.Fields), bytes.Compare(a.Sum[:], b.Sum[:]))
	})
	all = slices.Compact(all)
	highest, left := len(all)-maxRows, maxRows
	for i := len(all) - 1; i >= 0; i-- {
		switch is := shown.has(all[i].Entry); {
		case is && left > 0:
			left--
		case i < highest:
			all = slices.Delete(all, i, i+1)
		}
	}
	return all
}

// rowSize is the size of a digest in bytes as it is kept: number, date, fields, sum.
const rowSize = 8 + 8 + 1 + sumSize

// MarshalText implements [encoding.TextMarshaler].
func (r Rows) MarshalText() ([]byte, error) {
	b := make([]byte, 0, len(r)*rowSize)
	for _, d := range r {
		b = binary.BigEndian.AppendUint64(b, uint64(d.Entry))
		b = binary.BigEndian.AppendUint64(b, uint64(d.At.Unix()))
		b = append(b, byte(d.Fields))
		b = append(b, d.Sum[:]...)
	}
	return base64.StdEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (r *Rows) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil || len(b)%rowSize != 0 {
		return errors.New("the digests of the newest rows are damaged")
	}
	*r = nil
	for ; len(b) > 0; b = b[rowSize:] {
		d := RowDigest{
			Entry:  int64(binary.BigEndian.Uint64(b)),
			At:     time.Unix(int64(binary.BigEndian.Uint64(b[8:])), 0).UTC(),
			Fields: thingspeak.FieldSet(b[16]), Sum: [sumSize]byte(b[17:]),
		}
		*r = append(*r, d)
	}
	if !slices.IsSortedFunc(*r, func(a, b RowDigest) int { return cmp.Compare(a.Entry, b.Entry) }) {
		return errors.New("the digests of the newest rows are not in order")
	}
	return nil
}

// newestRows remembers the rows with the highest numbers of many that come in any order.
type newestRows struct {
	rows []shownRow
	// floor is the number below which a row is none of them.
	floor int64
}

// shownRow is a row, with the fields that its answer showed.
type shownRow struct {
	thingspeak.Entry

	fields thingspeak.FieldSet
}

func (n *newestRows) take(e *thingspeak.Entry, fields thingspeak.FieldSet) {
	if e.ID < n.floor {
		return
	}
	if n.rows = append(n.rows, shownRow{*e, fields}); len(n.rows) == 2*maxRows { // not with each row: sorting would cost more than reading
		n.trim()
	}
}

// trim leaves the newest, in ascending order.
func (n *newestRows) trim() []shownRow {
	slices.SortStableFunc(n.rows, func(a, b shownRow) int { return cmp.Compare(a.ID, b.ID) })
	if n.rows = slices.Delete(n.rows, 0, max(len(n.rows)-maxRows, 0)); len(n.rows) == maxRows {
		n.floor = n.rows[0].ID
	}
	return n.rows
}
