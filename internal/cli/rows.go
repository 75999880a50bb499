package cli

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
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
	id, posted int64 // in Unix seconds
	back       bool  // it is dated before its token was sealed, as a bulk update does
}

func (n *rowNumbers) add(e *thingspeak.Entry) {
	back := slices.ContainsFunc(e.Fields[:], func(f thingspeak.Value) bool {
		bare, _ := token.Unwrap(f.Text)
		tok, err := token.Parse(bare)
		return err == nil && tok.SealedAt().Unix() > e.CreatedAt.Unix()
	})
	n.rows, n.sorted = append(n.rows, row{e.ID, e.CreatedAt.Unix(), back}), false
}

func (n *rowNumbers) sort() {
	if !n.sorted {
		slices.SortFunc(n.rows, func(a, b row) int { return cmp.Compare(a.id, b.id) })
		n.sorted = true
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

// cuts yields what a cut by date may have taken away: what stands below the lowest number, and gaps above which a row is dated
// before others that stand below, or so early that rows of a bulk update, one a second, could have been dated before the
// file begins. A file that has the first entry, and no row of a bulk update, was not cut.
func (n *rowNumbers) cuts() iter.Seq2[int64, int64] {
	return func(yield func(first, last int64) bool) {
		begins := n.first()
		if begins == 0 || begins > 1 && !yield(1, begins-1) {
			return
		}
		// Whoever cuts a row out of all of a feed is told so, unless bulk updates explain as much.
		if begins == 1 && !slices.ContainsFunc(n.rows, func(r row) bool { return r.back }) {
			return
		}
		earliest := make([]int64, len(n.rows)) // of a row and all above it
		for i, row := range slices.Backward(n.rows) {
			if earliest[i] = row.posted; i+1 < len(n.rows) {
				earliest[i] = min(row.posted, earliest[i+1])
			}
		}
		dates := make([]int64, len(n.rows))
		for i := range n.rows {
			dates[i] = n.rows[i].posted
		}
		slices.Sort(dates)
		latest := n.rows[0].posted
		for i, row := range n.rows[1:] {
			before := n.rows[i].id
			taken, _ := slices.BinarySearch(dates, row.posted+1) // seconds that have rows, at most
			reaches := row.posted-dates[0] <= row.id-before+int64(taken)
			cut := reaches || earliest[i+1] <= latest
			if cut && row.id > before+1 && row.id-before <= doubtfulGap && !yield(before+1, row.id-1) {
				return
			}
			latest = max(latest, row.posted)
		}
	}
}

// holes are the cuts as whoever judges records wants them: what stands there is not known to be lacking.
func (n *rowNumbers) holes(now time.Time) (holes []record.Hole) {
	for first, last := range n.cuts() {
		holes = append(holes, record.Hole{First: first, Last: last, Since: now})
	}
	return holes
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
	text := count(inside, "entry") + " may have been cut off (" + record.Entries(from, to) + "): a bulk update is dated back, so its rows may stand before the file"
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
