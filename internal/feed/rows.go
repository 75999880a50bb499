package feed

import (
	"cmp"
	"hash/maphash"
	"iter"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Rows are the numbers and dates of the rows of a feed that were read. From those of a file follows what it may be a part of:
// people cut files, and relays answer windows, by date; of a bulk update, which is dated back, that takes away rows from the
// middle of the numbers.
type Rows struct {
	// UpTo is the number up to which all should be there, as higher ones were shown; 0 if none was.
	UpTo int64

	rows   []row
	sorted bool
}

type row struct {
	id, posted int64  // in Unix seconds
	back       bool   // it is dated back, as a bulk update does
	content    uint64 // a hash of its fields
}

// DoubtfulGap is of how many numbers in a row that were not shown nobody believes that entries have stood there: it is the
// number above them that is no truth. At one entry a second a channel takes more than a day for them.
const DoubtfulGap = 100_000

// contentSeed keeps anybody from making two contents of one hash.
var contentSeed = maphash.MakeSeed()

// Add takes a row. bare returns the token that stands in a field without what carriers add, and when it was sealed, if it is one,
// or else the text as it is: whoever reads files without tokens links no code for them.
func (n *Rows) Add(e *thingspeak.Entry, bare func(text string) (string, time.Time)) {
	r := row{id: e.ID, posted: e.CreatedAt.Unix()}
	var content maphash.Hash
	content.SetSeed(contentSeed)
	for i := range e.Fields {
		text, sealed := bare(e.Fields[i].Text)
		content.WriteString(text)
		content.WriteByte(0xFF) // which no text has
		r.back = r.back || !sealed.IsZero() && sealed.Unix() > r.posted
	}
	r.content = content.Sum64()
	n.rows, n.sorted = append(n.rows, r), false
}

func (n *Rows) sort() []row {
	if !n.sorted {
		slices.SortFunc(n.rows, func(a, b row) int {
			return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.content, b.content), cmp.Compare(a.posted, b.posted))
		})
		n.sorted = true
	}
	return n.rows
}

// Contradicted yields the ranges of numbers that have rows of different content, or of one content and different dates.
func (n *Rows) Contradicted(byDate bool) iter.Seq2[int64, int64] {
	return func(yield func(first, last int64) bool) {
		n.sort()
		var first, last int64
		for i := 0; i < len(n.rows); {
			content, dates, from := false, false, n.rows[i]
			for i++; i < len(n.rows) && n.rows[i].id == from.id; i++ {
				content = content || n.rows[i].content != from.content
				dates = dates || n.rows[i].posted != from.posted
			}
			switch {
			case byDate && (content || !dates) || !byDate && !content:
				continue
			case first == 0:
				first = from.id
			case from.id != last+1:
				if !yield(first, last) {
					return
				}
				first = from.id
			}
			last = from.id
		}
		if first > 0 {
			yield(first, last)
		}
	}
}

// First is the lowest number, 0 without rows.
func (n *Rows) First() int64 {
	if len(n.sort()) == 0 {
		return 0
	}
	return n.rows[0].id
}

// Highest is the highest number that is known to be taken, 0 if there is none.
func (n *Rows) Highest() int64 {
	if len(n.sort()) == 0 {
		return n.UpTo
	}
	return max(n.rows[len(n.rows)-1].id, n.UpTo)
}

// Lacking yields the ranges of numbers, first and last, up to the highest that no row of a channel has.
func (n *Rows) Lacking() iter.Seq2[int64, int64] { return n.above(0) }

func (n *Rows) above(from int64) iter.Seq2[int64, int64] {
	return func(yield func(first, last int64) bool) {
		for _, r := range n.sort() {
			if r.id > from+1 && !yield(from+1, r.id-1) {
				return
			}
			from = max(from, r.id)
		}
		if n.UpTo > from {
			yield(from+1, n.UpTo)
		}
	}
}

// LackingInFile is Lacking for the rows of a file, which may begin anywhere, and without what was perhaps cut off: where it
// has none, nothing is known to lack.
func (n *Rows) LackingInFile() iter.Seq2[int64, int64] {
	return func(yield func(first, last int64) bool) {
		cut := map[int64]bool{}
		for first := range n.Cuts() {
			cut[first] = true
		}
		for first, last := range n.above(cmp.Or(n.First(), n.UpTo)) {
			if !cut[first] && !yield(first, last) {
				return
			}
		}
	}
}

// Cuts yields what a cut by date may have taken away: what stands below the lowest number, and gaps that the rows of bulk updates,
// dated back, explain.
func (n *Rows) Cuts() iter.Seq2[int64, int64] {
	return func(yield func(first, last int64) bool) {
		begins := n.First()
		if begins == 0 || begins > 1 && !yield(1, begins-1) {
			return
		}
		c := cutsOf(n.rows)
		for i, row := range n.rows[1:] {
			before := n.rows[i].id
			if row.id > before+1 && row.id-before <= DoubtfulGap && (c.inFront(i) || c.behind(i)) && !yield(before+1, row.id-1) {
				return
			}
		}
	}
}

// fileCuts judges gaps between the rows of a file that was cut by date, in order of their numbers.
type fileCuts struct {
	rows  []row
	dates []int64 // of all rows, in order
	// latestTo is the latest date of a row and all below it, earliestFrom and latestFrom are those of a row and all above it.
	latestTo, earliestFrom, latestFrom []int64
	// backFrom tells of a row and all above it that they are dated before they were sealed.
	backFrom []bool
	// part tells that the file lacks the first entry, or has rows of a bulk update.
	part bool
}

func cutsOf(rows []row) *fileCuts {
	n := len(rows)
	c := &fileCuts{
		rows: rows, dates: make([]int64, n), latestTo: make([]int64, n), earliestFrom: make([]int64, n), latestFrom: make([]int64, n),
		backFrom: make([]bool, n), part: rows[0].id > 1 || slices.ContainsFunc(rows, func(r row) bool { return r.back }),
	}
	for i, r := range rows {
		c.dates[i] = r.posted
		c.latestTo[i] = max(r.posted, c.latestTo[max(i-1, 0)])
	}
	slices.Sort(c.dates)
	for i, r := range slices.Backward(rows) {
		c.earliestFrom[i], c.latestFrom[i], c.backFrom[i] = r.posted, r.posted, r.back
		if i+1 < n {
			c.earliestFrom[i], c.latestFrom[i] = min(r.posted, c.earliestFrom[i+1]), max(r.posted, c.latestFrom[i+1])
			c.backFrom[i] = r.back && c.backFrom[i+1]
		}
	}
	return c
}

// inFront reports whether what lacks above a row may be dated before the file begins: a row above is dated before others that stand
// below, or so early that rows of a bulk update, one a second, reach beyond. In what may be all of a feed the row above
// has to be the very first by date, or whoever cuts out a row would not be told of it: one of a bulk update, and not of several of
// one second.
func (c *fileCuts) inFront(i int) bool {
	above := c.rows[i+1]
	if !c.part {
		return above.posted == c.dates[0] && (above.posted < c.latestTo[i] || !c.together(i-1) && !c.together(i+1))
	}
	taken, _ := slices.BinarySearch(c.dates, above.posted+1) // seconds that have rows, at most
	return above.posted-c.dates[0] <= above.id-c.rows[i].id+int64(taken) || c.earliestFrom[i+1] < c.latestTo[i]
}

// together reports whether a row and the one above it have numbers that follow each other, and one date: rows of a bulk update have not.
func (c *fileCuts) together(i int) bool {
	return i >= 0 && i+1 < len(c.rows) && c.rows[i+1].id == c.rows[i].id+1 && c.rows[i+1].posted == c.rows[i].posted
}

// behind reports whether what lacks above a row may be dated after the file ends: all above it are then of bulk updates that
// were posted later still, of which the file has what is dated up to its end. Of one row alone its token has to
// show that it is dated back.
func (c *fileCuts) behind(i int) bool {
	above, end := c.rows[i+1], c.dates[len(c.dates)-1]
	if c.latestFrom[i+1] != end {
		return false
	}
	follows := i+2 < len(c.rows) && c.rows[i+2].id == above.id+1 && c.rows[i+2].posted == above.posted+1
	return c.backFrom[i+1] || follows && end-above.posted <= c.rows[len(c.rows)-1].id-above.id
}
