package relay

import (
	"context"
	"math"
	"slices"
	"sort"
	"sync"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// feedLines are the encoded lines of a feed's newest rows: of the entries 1 to next-1, the latest by time.
//
// They stand in two parts, in order of time over both. As long as new rows are the latest they are appended to the first
// part. Others go into the second one, which is small and written anew each time: it begins some rows before the place of
// the row that came last, and ends with what is dated later, such as an entry of 2099. Only a row that belongs further to
// the front has the parts divided anew.
type feedLines struct {
	// mu guards what follows. It is held while entries are read from the store: whoever waits wants the same ones.
	mu sync.Mutex
	// columns are the same for all lines.
	columns    thingspeak.Header
	generation int64
	next       int64 // 0 as long as nothing was read
	// since tells what is there: all entries that are dated later, in seconds since 1970.
	since int64
	// ordered says that the lines are those of consecutive numbers.
	ordered     bool
	early, late textLines
	// strayed are the lines of the strays that were read last.
	strayed textLines
}

// margin is how many rows before the one that came last stand in the second part: of two clocks one may be behind.
const margin = 64

// everything is the since of lines of all entries.
const everything = math.MinInt64

// textLines are lines one after the other. What lies before len(text) is never written again, so slices of it may be
// handed out.
type textLines struct {
	text []byte
	rows []textLine
}

// textLine is the line of an entry, dated in seconds since 1970, which ends at a place in the text.
type textLine struct {
	number, date int64
	end          int
}

func newTextLines(rows, bytes int) textLines {
	return textLines{text: make([]byte, 0, bytes), rows: make([]textLine, 0, rows)}
}

func (l *textLines) add(e *thingspeak.Entry, c thingspeak.Header) {
	l.text = thingspeak.AppendCSVRow(l.text, e, c.Fields, c.Location, c.Status, nil)
	l.rows = append(l.rows, textLine{e.ID, e.CreatedAt.Unix(), len(l.text)})
}

// between returns the text of the lines from i up to k.
func (l *textLines) between(i, k int) []byte {
	begin, end := l.begin(i), l.begin(k)
	return l.text[begin:end:end]
}

// begin is where line i begins.
func (l *textLines) begin(i int) int {
	if i == 0 {
		return 0
	}
	return l.rows[i-1].end
}

// copy appends lines of others, from i up to k.
func (l *textLines) copy(from *textLines, i, k int) {
	move := len(l.text) - from.begin(i)
	l.text = append(l.text, from.between(i, k)...)
	for _, row := range from.rows[i:k] {
		row.end += move
		l.rows = append(l.rows, row)
	}
}

// get returns the lines of a window in two parts, if they are or come to be held here.
func (f *feedLines) get(
	ctx context.Context, r *Relay, v *View, w Window, columns thingspeak.Header,
) (lines [2][]byte, found bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.columns = columns
	if f.generation != v.State.Generation {
		f.drop()
		f.generation = v.State.Generation
	}
	if f.next > 0 && f.next <= v.State.Last {
		if err = f.follow(ctx, r, v); err != nil {
			return lines, false, err
		}
	}
	behind := f.next > v.State.Last+1 // others have seen a later moment
	if behind && (w.EndID == 0 || w.EndID > v.State.Last) {
		w.EndID = v.State.Last
	}
	if lines, found = f.pick(w); !found && !behind {
		lines, found, err = f.pickWithStrays(ctx, r, v, w)
		if wider := f.wanted(r, v, w); !found && err == nil && wider.Results > 0 {
			if err = f.fill(ctx, r, v, wider); err == nil {
				lines, found = f.pick(w)
			}
			if !found && err == nil {
				lines, found, err = f.pickWithStrays(ctx, r, v, w)
			}
		}
	}
	if cap(f.early.text)+cap(f.late.text) > lineShare {
		f.drop()
	}
	return lines, found, err
}

// held is about how many bytes the lines take.
func (f *feedLines) held() int {
	const row, self = 24, 512
	f.mu.Lock()
	defer f.mu.Unlock()
	bytes := self
	for _, l := range []*textLines{&f.early, &f.late, &f.strayed} {
		bytes += cap(l.text) + row*cap(l.rows)
	}
	return bytes
}

func (f *feedLines) drop() {
	f.next, f.early, f.late, f.strayed = 0, textLines{}, textLines{}, textLines{}
}

// wanted returns the window to read so that another one can be answered from what is held then; without Results it is not
// worth it.
func (f *feedLines) wanted(r *Relay, v *View, w Window) Window {
	s := &v.State
	if !w.End.IsZero() && w.End.Before(s.Newest) || w.EndID > 0 && w.EndID < s.Last {
		return Window{} // perhaps far from the newest rows
	}
	wider := Window{Results: w.Results, Start: w.Start}
	if w.StartID > 1 {
		most := max(0, s.Last-w.StartID+1)
		if s.Unordered > 0 {
			// The latest rows are likely to be among twice as many. If they are not, those are not read again and again.
			wider.Results = r.limits.Results
			if most = min(2*most, int64(r.limits.Results)); f.next > 0 && int64(f.rows()) >= most {
				return Window{}
			}
		}
		wider.Results = int(min(int64(wider.Results), most))
	}
	return wider
}

// fill reads the lines of a window that is open to the end.
func (f *feedLines) fill(ctx context.Context, r *Relay, v *View, w Window) error {
	rows := int(min(int64(w.Results), v.State.Last))
	leave, err := r.largeReads.enter(ctx, int64(rows))
	if err != nil {
		return err
	}
	defer leave()
	f.drop()
	l := textLines{rows: make([]textLine, 0, rows)}
	err = r.rows(ctx, v, w, func(e *thingspeak.Entry) error {
		l.add(e, f.columns)
		if done := len(l.rows); len(l.text) > lineSample && cap(l.text)-len(l.text) < lineSample {
			// Room for all the others at once, if they are about as long.
			l.text = slices.Grow(l.text, len(l.text)/done*(rows-done)*9/8)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !w.Start.IsZero() || len(l.rows) < rows {
		// Fewer rows may mean that the channel was cleared meanwhile.
		p, err := r.store.Position(ctx, v.State.Channel)
		if err != nil || p.Generation != v.State.Generation {
			return nil // what comes next finds out
		}
	}
	f.early, f.next, f.ordered = l, v.State.Last+1, v.State.Unordered == 0
	switch {
	case len(l.rows) == w.Results:
		f.since = l.rows[0].date
	case w.Start.IsZero():
		f.since = everything
	default:
		f.since = secondsUp(w.Start) - 1
	}
	return nil
}

// follow reads the entries that came since.
func (f *feedLines) follow(ctx context.Context, r *Relay, v *View) error {
	keep, rows := r.limits.Results, v.State.Last-f.next+1
	if rows > int64(keep) {
		f.drop()
		return nil
	}
	leave, err := r.largeReads.enter(ctx, rows)
	if err != nil {
		return err
	}
	defer leave()
	if f.rows() > keep+keep/4 {
		f.trim(f.rows() - keep)
	}
	// They are likely to belong behind the first part. Nobody reads what is behind its end.
	l, held := f.early, len(f.early.rows)
	err = r.entries(ctx, v, f.next, v.State.Last, func(e *thingspeak.Entry) error {
		l.add(e, f.columns)
		return nil
	})
	if err != nil {
		return err
	}
	if int64(len(l.rows)-held) != rows { // the channel was cleared meanwhile
		f.drop()
		return nil
	}
	f.next, f.ordered = v.State.Last+1, v.State.Unordered == 0
	inOrder := slices.IsSortedFunc(l.rows[max(0, held-1):], textLine.compare) &&
		(held > 0 || l.rows[0].date >= f.since) &&
		(len(f.late.rows) == 0 || l.rows[len(l.rows)-1].date < f.late.rows[0].date)
	if inOrder {
		f.early = l
		return nil
	}
	fresh := l.sorted(held, f.since)
	if len(fresh.rows) > 0 {
		f.insert(fresh)
	}
	return nil
}

func (a textLine) compare(b textLine) int {
	if a.date != b.date {
		if a.date < b.date {
			return -1
		}
		return 1
	}
	return int(min(max(-1, a.number-b.number), 1))
}

// sorted returns a copy of the lines from i on in order of time, without those that are dated before since.
func (l *textLines) sorted(i int, since int64) *textLines {
	order := make([]int, 0, len(l.rows)-i)
	for ; i < len(l.rows); i++ {
		if l.rows[i].date >= since {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return l.rows[a].compare(l.rows[b]) })
	var s textLines
	for _, i := range order {
		s.copy(l, i, i+1)
	}
	return &s
}

// insert merges lines into those held.
func (f *feedLines) insert(fresh *textLines) {
	first := fresh.rows[0]
	at := sort.Search(len(f.early.rows), func(i int) bool { return f.early.rows[i].compare(first) > 0 })
	behind := f.late
	if at < len(f.early.rows) {
		at = max(0, at-margin)
		behind = textLines{}
		behind.copy(&f.early, at, len(f.early.rows))
		behind.copy(&f.late, 0, len(f.late.rows))
		// Others may still read what stands there.
		front := newTextLines(at+margin, (f.early.begin(at)+len(fresh.text))*9/8)
		front.copy(&f.early, 0, at)
		f.early = front
	}
	late := newTextLines(len(behind.rows)+len(fresh.rows), len(behind.text)+len(fresh.text))
	moved := 0
	for i := range fresh.rows {
		from := moved
		for moved < len(behind.rows) && behind.rows[moved].compare(fresh.rows[i]) < 0 {
			moved++
		}
		late.copy(&behind, from, moved)
		late.copy(fresh, i, i+1)
	}
	inserted := len(late.rows)
	late.copy(&behind, moved, len(behind.rows))
	if n := inserted - margin; n > margin {
		f.early.copy(&late, 0, n)
		rest := newTextLines(len(late.rows)-n, len(late.text)-late.begin(n))
		rest.copy(&late, n, len(late.rows))
		late = rest
	}
	f.late = late
}

// trim forgets the oldest lines. The text moves, as others may still read the old one.
func (f *feedLines) trim(gone int) {
	f.since = f.row(gone - 1).date
	for _, part := range []*textLines{&f.early, &f.late} {
		n := min(gone, len(part.rows))
		if n == 0 {
			continue
		}
		gone -= n
		kept := newTextLines((len(part.rows)-n)*5/4, (len(part.text)-part.begin(n))*5/4)
		kept.copy(part, n, len(part.rows))
		*part = kept
	}
}

// rows is how many lines are held, and row is one of them.
func (f *feedLines) rows() int { return len(f.early.rows) + len(f.late.rows) }

func (f *feedLines) row(i int) textLine {
	if n := len(f.early.rows); i >= n {
		return f.late.rows[i-n]
	}
	return f.early.rows[i]
}

// between returns the lines from i up to k.
func (f *feedLines) between(i, k int) [2][]byte {
	n := len(f.early.rows)
	return [2][]byte{f.early.between(min(i, n), min(k, n)), f.late.between(max(i-n, 0), max(k-n, 0))}
}

// pick returns the lines of a window, if all of them are held.
func (f *feedLines) pick(w Window) (lines [2][]byte, found bool) {
	if f.next == 0 {
		return lines, false
	}
	first, end, whole := f.dated(w)
	switch {
	case w.StartID == 0 && w.EndID == 0 || f.rows() == 0:
	case !f.ordered:
		picked, wanted := f.numbered(w, first, end)
		if len(picked) < wanted && !whole {
			return lines, false
		}
		return f.textOf(picked), true
	default:
		number := f.row(0).number
		whole = whole || w.StartID >= number
		first = max(first, int(min(w.StartID-number, int64(end))))
		if w.EndID > 0 {
			end = min(end, int(min(max(0, w.EndID-number+1), int64(end))))
		}
	}
	n := min(max(0, end-first), w.Results)
	if n < w.Results && !whole {
		return lines, false
	}
	return f.between(end-n, end), true
}

// dated says which lines can be in a window by their dates, those from first up to end. With whole no line is missing that
// is not held.
func (f *feedLines) dated(w Window) (first, end int, whole bool) {
	end = f.rows()
	whole = f.since == everything
	if !w.Start.IsZero() {
		start := secondsUp(w.Start)
		first = sort.Search(end, func(i int) bool { return f.row(i).date >= start })
		whole = whole || start > f.since
	}
	if !w.End.IsZero() {
		last := w.End.Unix()
		end = sort.Search(end, func(i int) bool { return f.row(i).date > last })
	}
	return first, end, whole
}

// numbers are the lowest and the highest number of a window.
func (f *feedLines) numbers(w Window) (from, to int64) {
	from, to = max(1, w.StartID), f.next-1
	if w.EndID > 0 {
		to = min(to, w.EndID)
	}
	return from, to
}

// numbered picks from the lines from first up to end those with the numbers of a window, the latest first. As many as wanted
// make it complete.
func (f *feedLines) numbered(w Window, first, end int) (picked []int, wanted int) {
	from, to := f.numbers(w)
	wanted = int(max(0, min(to-from+1, int64(w.Results))))
	for i := end - 1; i >= first && len(picked) < wanted; i-- {
		if n := f.row(i).number; n >= from && n <= to {
			picked = append(picked, i)
		}
	}
	return picked, wanted
}

// textOf returns picked lines.
func (f *feedLines) textOf(picked []int) (lines [2][]byte) {
	n := len(picked)
	if n == 0 {
		return lines
	}
	if picked[0]-picked[n-1] == n-1 {
		return f.between(picked[n-1], picked[0]+1)
	}
	for _, i := range slices.Backward(picked) {
		line := f.between(i, i+1)
		lines[0] = append(append(lines[0], line[0]...), line[1]...)
	}
	return lines
}

// fewStrays is how many entries are read one by one to complete a window of numbers.
const fewStrays = 64

// pickWithStrays is pick for a window of numbers of which only a few are not held, such as one that was dated back by years:
// those are read. Without it such an entry would have all the others read as well, in each reading.
func (f *feedLines) pickWithStrays(ctx context.Context, r *Relay, v *View, w Window) (lines [2][]byte, found bool, err error) {
	strays := f.strays(w)
	if len(strays) == 0 {
		return lines, false, nil
	}
	if err := f.readStrays(ctx, r, v, strays); err != nil || len(f.strayed.rows) < len(strays) { // cleared meanwhile
		return lines, false, err
	}
	since := int64(everything)
	if !w.Start.IsZero() {
		since = secondsUp(w.Start)
	}
	front := f.strayed.sorted(0, since)
	until := len(front.rows)
	for !w.End.IsZero() && until > 0 && front.rows[until-1].date > w.End.Unix() {
		until--
	}
	first, end, _ := f.dated(w)
	picked, _ := f.numbered(w, first, end)
	lines = f.textOf(picked)
	// What is not held is dated before all that is.
	before := front.between(max(0, until-(w.Results-len(picked))), until)
	if len(lines[1]) == 0 {
		return [2][]byte{before, lines[0]}, true, nil
	}
	return [2][]byte{slices.Concat(before, lines[0]), lines[1]}, true, nil
}

// readStrays reads the lines of strays, unless those are what was read last: an entry does not change.
func (f *feedLines) readStrays(ctx context.Context, r *Relay, v *View, strays []int64) error {
	if slices.EqualFunc(f.strayed.rows, strays, func(l textLine, n int64) bool { return l.number == n }) {
		return nil
	}
	f.strayed = textLines{}
	for _, n := range strays {
		err := r.entries(ctx, v, n, n, func(e *thingspeak.Entry) error {
			f.strayed.add(e, f.columns)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// strays are the numbers of a window that are not held, if those are a few.
func (f *feedLines) strays(w Window) (strays []int64) {
	from, to := f.numbers(w)
	n := to - from + 1
	if f.next == 0 || f.ordered || w.StartID == 0 && w.EndID == 0 || n < 1 || n > int64(f.rows()+fewStrays) {
		return nil
	}
	held := make([]bool, n)
	for i := range f.rows() {
		if at := f.row(i).number - from; at >= 0 && at < n {
			held[at] = true
		}
	}
	for at, is := range held {
		if is {
			continue
		}
		if len(strays) == fewStrays {
			return nil
		}
		strays = append(strays, from+int64(at))
	}
	return strays
}
