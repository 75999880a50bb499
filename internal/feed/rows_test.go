package feed

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// channelRows are the rows of a channel in which people write, an interval apart, one after the other or by bulk updates: those
// are dated back, one a second.
func channelRows(rng *rand.Rand, interval int64) (rows []row) {
	now := int64(1_000_000)
	for range 2 + rng.IntN(12) {
		now += interval + rng.Int64N(60)
		n := int64(1)
		if rng.IntN(3) == 0 {
			n += rng.Int64N(40)
		}
		sealed := now - rng.Int64N(2) // or a message has waited in an outbox: nothing shows then that it is dated back
		if rng.IntN(4) == 0 {
			sealed -= 1000
		}
		for i := range n {
			at := now - (n - 1 - i)
			rows = append(rows, row{id: int64(len(rows) + 1), posted: at, back: sealed > at})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.posted, b.posted) })
	return rows
}

// A relay answers start= and end=, and results=, by date: with both, or with the few newest rows, an honest answer was told as
// "entry 3 was not shown".
func TestAWindowByDateAccusesNobody(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		all := channelRows(rng, 15)
		first, last := all[0].posted, all[len(all)-1].posted
		start := first - 1 + rng.Int64N(last-first+2)
		end := start + rng.Int64N(last-start+2)
		window := slices.DeleteFunc(slices.Clone(all), func(r row) bool { return r.posted < start || r.posted > end })
		if newest := rng.IntN(3) == 0; newest {
			window = all[rng.IntN(len(all)):]
		}
		if len(window) == 0 {
			continue
		}
		n := Rows{rows: slices.Clone(window)}
		for first, last := range n.LackingInFile() {
			at, _ := slices.BinarySearchFunc(n.rows, last+1, func(r row, id int64) int { return cmp.Compare(r.id, id) })
			if at == len(n.rows)-1 && !n.rows[at].back {
				continue // of one row alone, which had waited in an outbox, nothing can show that it is dated back
			}
			t.Fatalf("entries %d–%d are told as not shown, of\n%v\nout of\n%v", first, last, window, all)
		}
	}
}

// What no window explains is told, whatever the file begins with: without bulk updates each row that was cut out of the middle.
func TestARowThatWasCutOutIsTold(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		var rows []row
		now := int64(1_000_000)
		for id := range 3 + rng.Int64N(20) {
			now += 15 + rng.Int64N(60)
			rows = append(rows, row{id: id + 1, posted: now})
		}
		rows = rows[rng.IntN(len(rows)-2):]
		cut := 1 + rng.IntN(len(rows)-2)
		n := Rows{rows: slices.Delete(slices.Clone(rows), cut, cut+1)}
		told := 0
		for first, last := range n.LackingInFile() {
			if told++; first != rows[cut].id || last != first {
				t.Fatalf("entries %d–%d are told, entry %d was cut out of\n%v", first, last, rows[cut].id, rows)
			}
		}
		if told != 1 {
			t.Fatalf("entry %d was cut out of\n%v\nand %d gaps are told", rows[cut].id, rows, told)
		}
	}
}

// Where all goes fast, entries have one date, and each gap between them was taken for the work of a cut by date.
func TestAGapAmongEntriesOfOneSecondIsTold(t *testing.T) {
	for _, ids := range [][]int64{{1, 2, 4}, {1, 3, 4}, {1, 2, 4, 5}, {1, 2, 3, 7, 8, 9}} {
		var n Rows
		for _, id := range ids {
			n.rows = append(n.rows, row{id: id, posted: 1_000_000})
		}
		for first, last := range n.Cuts() {
			t.Errorf("entries %d–%d of %v are told as perhaps cut off", first, last, ids)
		}
		told := 0
		for range n.LackingInFile() {
			told++
		}
		if told != 1 {
			t.Errorf("%d gaps of %v are told", told, ids)
		}
	}
	// The rest of a bulk update that was dated back to before the file begins.
	n := Rows{rows: []row{{id: 1, posted: 1_000_000}, {id: 4, posted: 1_000_000}, {id: 5, posted: 1_000_001}}}
	for first, last := range n.LackingInFile() {
		t.Errorf("entries %d–%d may be dated before the file begins, and are told", first, last)
	}
}
