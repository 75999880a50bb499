package cli

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

// rowNumbers are the numbers and dates of the rows that were read. From those of a file follows what it may be a part of: people
// cut files, and relays answer windows, by date; of a bulk update, which is dated back, that takes away rows from the middle
// of the numbers.
type rowNumbers struct {
	rows   []row
	sorted bool
	upTo   int64 // all up to this number should be among them, as higher ones were shown; 0 if none was
}

type row struct {
	id, posted int64  // in Unix seconds
	back       bool   // it is dated before its token was sealed, as a bulk update does
	content    uint64 // a hash of its fields
}

// contentSeed keeps anybody from making two contents of one hash.
var contentSeed = maphash.MakeSeed()

func (n *rowNumbers) add(e *thingspeak.Entry) {
	r := row{id: e.ID, posted: e.CreatedAt.Unix()}
	var content maphash.Hash
	content.SetSeed(contentSeed)
	for i := range e.Fields {
		bare, _ := token.Unwrap(strings.TrimSpace(e.Fields[i].Text))
		content.WriteString(bare)
		content.WriteByte(0xFF) // which no text has
		tok, err := token.Parse(bare)
		r.back = r.back || err == nil && tok.SealedAt().Unix() > r.posted
	}
	r.content = content.Sum64()
	n.rows, n.sorted = append(n.rows, r), false
}

func (n *rowNumbers) sort() {
	if !n.sorted {
		slices.SortFunc(n.rows, func(a, b row) int {
			return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.content, b.content), cmp.Compare(a.posted, b.posted))
		})
		n.sorted = true
	}
}

// contradicted yields the ranges of numbers that have rows of different content, or of one content and different dates.
func (n *rowNumbers) contradicted(byDate bool) iter.Seq2[int64, int64] {
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

// first is the lowest number, 0 without rows.
func (n *rowNumbers) first() int64 {
	if n.sort(); len(n.rows) == 0 {
		return 0
	}
	return n.rows[0].id
}

// highest is the highest number that is known to be taken, 0 if there is none.
func (n *rowNumbers) highest() int64 {
	if n.sort(); len(n.rows) == 0 {
		return n.upTo
	}
	return max(n.rows[len(n.rows)-1].id, n.upTo)
}

// below returns the holes below the highest number.
func (n *rowNumbers) below(holes []record.Hole) []record.Hole {
	last := n.highest()
	for i := range holes {
		if holes[i].Last = min(holes[i].Last, last); holes[i].First > holes[i].Last {
			return holes[:i]
		}
	}
	return holes
}

// gaps yields the ranges of numbers above from and up to the highest that no row has.
func (n *rowNumbers) gaps(from int64) iter.Seq2[int64, int64] {
	return func(yield func(first, last int64) bool) {
		n.sort()
		for _, r := range n.rows {
			if r.id > from+1 && !yield(from+1, r.id-1) {
				return
			}
			from = max(from, r.id)
		}
		if n.upTo > from {
			yield(from+1, n.upTo)
		}
	}
}

// between is gaps between the rows of a file, which may begin anywhere: where it has none, nothing is known to lack.
func (n *rowNumbers) between() iter.Seq2[int64, int64] {
	if n.sort(); len(n.rows) == 0 {
		return n.gaps(n.upTo)
	}
	return n.gaps(n.rows[0].id)
}

// cuts yields what a cut by date may have taken away: what stands below the lowest number, and gaps that the rows of bulk updates,
// dated back, explain.
func (n *rowNumbers) cuts() iter.Seq2[int64, int64] {
	return func(yield func(first, last int64) bool) {
		begins := n.first()
		if begins == 0 || begins > 1 && !yield(1, begins-1) {
			return
		}
		c := cutsOf(n.rows)
		for i, row := range n.rows[1:] {
			before := n.rows[i].id
			if row.id > before+1 && row.id-before <= doubtfulGap && (c.inFront(i) || c.behind(i)) && !yield(before+1, row.id-1) {
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
// has to be the very first by date, or whoever cuts out a row would not be told of it.
func (c *fileCuts) inFront(i int) bool {
	above := c.rows[i+1]
	if !c.part {
		return above.posted == c.dates[0]
	}
	taken, _ := slices.BinarySearch(c.dates, above.posted+1) // seconds that have rows, at most
	return above.posted-c.dates[0] <= above.id-c.rows[i].id+int64(taken) || c.earliestFrom[i+1] <= c.latestTo[i]
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

// holes are the cuts as whoever judges records wants them: what stands there is not known to be lacking.
func (n *rowNumbers) holes(now time.Time) (holes []record.Hole) {
	for first, last := range n.cuts() {
		holes = append(holes, record.Hole{First: first, Last: last, Since: now})
	}
	return holes
}

// tellContradicted tells which entries a feed shows in two ways: a relay may show one of them to some people, the other to others.
func (a *app) tellContradicted(n *rowNumbers, asJSON bool) error {
	const clear = "; or the channel was cleared in between, or somebody has altered it"
	err := a.tellRanges(n.contradicted(false), asJSON, func(first, last int64) (kind, text string) {
		return "two versions", record.Entries(first, last) + " " + standOrStands(first, last) + " in this feed with two contents: people may be shown " +
			"different ones" + clear
	}, "of entries with two contents")
	if err != nil {
		return err
	}
	return a.tellRanges(n.contradicted(true), asJSON, func(first, last int64) (kind, text string) {
		return "two dates", record.Entries(first, last) + " " + standOrStands(first, last) + " in this feed with two dates"
	}, "of entries with two dates")
}

// tellCuts tells that a file is a part, and which entries between its rows may have been cut off as well.
func (a *app) tellCuts(n *rowNumbers, asJSON bool) error {
	var inside int
	var from, to int64
	for first, last := range n.cuts() {
		if first == 1 && n.first() > 1 {
			text := fmt.Sprintf("this is a part of the feed: the file begins with entry %d, and says nothing of what stands before it", last+1)
			if err := a.tell(findingJSON{Finding: "part", Text: text, Entry: &first, LastEntry: &last}, asJSON); err != nil {
				return err
			}
			continue
		}
		inside += int(last - first + 1)
		from, to = cmp.Or(from, first), last
	}
	if inside == 0 {
		return nil
	}
	text := count(inside, "entry") + " may have been cut off (" + record.Entries(from, to) + "): a bulk update is dated back, so a window by date takes rows out of the middle"
	return a.tell(findingJSON{Finding: "cut off", Text: text, Count: &inside, Entry: &from, LastEntry: &to}, asJSON)
}

// without yields the gaps that are no cuts.
func (n *rowNumbers) without(gaps iter.Seq2[int64, int64]) iter.Seq2[int64, int64] {
	return func(yield func(first, last int64) bool) {
		cut := map[int64]bool{}
		for first := range n.cuts() {
			cut[first] = true
		}
		for first, last := range gaps {
			if !cut[first] && !yield(first, last) {
				return
			}
		}
	}
}
