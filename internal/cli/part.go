package cli

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// fileRows are the numbers and dates of the rows of a file, from which follows what it may be a part of. People cut files,
// and relays answer windows, by date: of a bulk update, which is dated back, that takes away rows from the middle of the numbers.
type fileRows struct {
	rows   []fileRow
	sorted bool
}

type fileRow struct{ id, posted int64 } // in Unix seconds

func (f *fileRows) add(e *thingspeak.Entry) {
	f.rows, f.sorted = append(f.rows, fileRow{e.ID, e.CreatedAt.Unix()}), false
}

// first is the lowest number, 0 without rows.
func (f *fileRows) first() int64 {
	if !f.sorted {
		slices.SortFunc(f.rows, func(a, b fileRow) int { return cmp.Compare(a.id, b.id) })
		f.sorted = true
	}
	if len(f.rows) == 0 {
		return 0
	}
	return f.rows[0].id
}

// cuts yields what a cut in front of the file may have taken away: what stands below its lowest number, and the gaps above
// which a row is dated before others that stand below, or so early that rows of a bulk update, one a second, could have been dated
// before the file begins. A file that has the first entry is no part.
func (f *fileRows) cuts() iter.Seq2[int64, int64] {
	return func(yield func(first, last int64) bool) {
		if f.first() <= 1 || !yield(1, f.first()-1) {
			return
		}
		earliest := make([]int64, len(f.rows)) // of a row and all above it
		for i, row := range slices.Backward(f.rows) {
			if earliest[i] = row.posted; i+1 < len(f.rows) {
				earliest[i] = min(row.posted, earliest[i+1])
			}
		}
		dates := make([]int64, len(f.rows))
		for i := range f.rows {
			dates[i] = f.rows[i].posted
		}
		slices.Sort(dates)
		latest := f.rows[0].posted
		for i, row := range f.rows[1:] {
			before := f.rows[i].id
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
func (f *fileRows) holes(now time.Time) (holes []record.Hole) {
	for first, last := range f.cuts() {
		holes = append(holes, record.Hole{First: first, Last: last, Since: now})
	}
	return holes
}

// tellCuts tells that a file is a part, and which entries between its rows may have been cut off as well.
func (a *app) tellCuts(f *fileRows, asJSON bool) error {
	var inside int
	var from, to int64
	for first, last := range f.cuts() {
		if first == 1 {
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
func (f *fileRows) without(gaps iter.Seq2[int64, int64]) iter.Seq2[int64, int64] {
	return func(yield func(first, last int64) bool) {
		cut := map[int64]bool{}
		for first := range f.cuts() {
			cut[first] = true
		}
		for first, last := range gaps {
			if !cut[first] && !yield(first, last) {
				return
			}
		}
	}
}
