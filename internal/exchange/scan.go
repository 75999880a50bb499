package exchange

import (
	"context"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// scanSingles is how many entries a whole scan asks for one by one.
	scanSingles = 60
	// scanVain is how many requests by range of numbers of a whole scan may bring nothing new.
	scanVain = 8 * rangesPerCall
)

// Scan reads a channel backwards from its newest entry, by entry number, however the dates of the rows are mixed up. It
// belongs to one goroutine.
type Scan struct {
	r       reader
	started bool
	last    int64 // the channel's last entry number when the scan began
	wanted  int64 // how many rows were asked for in all
	asked   ranges
	singles int // what is left of scanSingles
}

// Scan returns a scan that begins at the channel's newest entry at the time of the first call of Back.
func (x *Exchange) Scan() *Scan {
	return &Scan{r: reader{call: x.newCall(0)}, singles: scanSingles}
}

// Back visits the n next older rows, or more if they come along, and each of several rows of one number. They come as the
// relay hands them out, by date and page by page: order them by number. A row that comes with several answers is mostly
// visited once. The entry is reused; its texts may be kept. A small n makes
// a small request; up to 8000, the first call is two requests.
//
// More says whether older rows may follow. What is lacking in the sequence of numbers above the n-th row has been asked
// for by itself, within bounds; later calls go on with it, and [ScanInfo.Lacking] has what is not there.
//
// An error of visit ends the call and is returned as it is. After an error the call may be repeated, except after a
// [*BudgetError]: a scan has one budget, see [Settings].
func (s *Scan) Back(ctx context.Context, n int, visit func(*thingspeak.Entry) error) (more bool, err error) {
	n = max(n, 1)
	ctx, end := s.r.x.port.Begin(ctx)
	defer end()
	s.r.visit = func(e *thingspeak.Entry, _ bool) error { return visit(e) }
	if !s.started {
		if s.last, err = s.r.lastNumber(ctx); err != nil {
			return true, err
		}
		if _, err = s.r.newest(ctx, min(n, thingspeak.MaxResults)); err != nil {
			return true, err
		}
		s.started = true
	}
	s.wanted += int64(n) // in all, since pages bring more than what was asked for
	for s.r.seen.count() < s.wanted && len(s.r.windows) > 0 && !s.complete() {
		if _, err := s.r.older(ctx); err != nil {
			s.wanted -= int64(n) // the call may be repeated
			return true, err
		}
	}
	if err := s.ask(ctx); err != nil {
		return true, err
	}
	if s.complete() {
		return false, nil
	}
	// Numbers may be left that paging does not show: as long as asking by number is worth it, there may be more.
	canAsk := s.singles > 0
	if s.r.x.rangeReads.Load() != rangesIgnored {
		canAsk = s.r.vain < scanVain
	}
	return len(s.r.windows) > 0 || canAsk && len(s.r.seen.missing(s.bottom()+1, s.top()).minus(s.asked)) > 0, nil
}

// ask asks for what is lacking by number.
func (s *Scan) ask(ctx context.Context) error {
	// A relay that names 2^53 rows and shows ten would be asked for ever: what brings nothing has a bound of its own.
	budget := min(rangesPerCall, max(scanVain-s.r.vain, 0))
	order, want := s.inTurn()
	asked, err := s.r.fetchRanges(ctx, order, want, &budget)
	s.asked = s.asked.union(asked)
	if err != nil || s.r.x.rangeReads.Load() != rangesIgnored {
		return err
	}
	budget = min(singlesPerCall, s.singles)
	s.singles -= budget
	order, _ = s.inTurn()
	asked, err = s.r.fetchSingles(ctx, order, &budget)
	s.singles += budget
	s.asked = s.asked.union(asked)
	return err
}

// inTurn returns what is lacking and was not asked for: first what is below the highest row, for what a relay names above
// it may never have been there.
func (s *Scan) inTurn() (order []span, want ranges) {
	want = s.lacking().minus(s.asked)
	below := want.within(span{1, s.r.seen.highest()})
	return append(downwards(below), downwards(want.minus(below))...), want
}

// top is the highest number that the scan knows of.
func (s *Scan) top() int64 { return max(s.last, s.r.seen.highest()) }

// complete reports whether every number has been seen, so that nothing is left to be asked for.
func (s *Scan) complete() bool { return s.r.seen.covers(1, s.top()) }

// floor is the number above which the scan lacks nothing that it did not ask for. It lies right below the row that was
// asked for last, or at the channel's beginning.
func (s *Scan) floor() int64 {
	if lowest := s.r.seen.fromTop(s.wanted); lowest > 0 {
		return lowest - 1
	}
	return s.bottom()
}

// bottom is the number above which the channel may have rows.
func (s *Scan) bottom() int64 {
	if len(s.r.windows) > 0 || s.r.beyondPages || len(s.r.seen) == 0 {
		return 0 // paging has not shown where the channel begins
	}
	return s.r.seen.lowest() - 1 // paging has shown all that there is
}

func (s *Scan) lacking() ranges { return s.r.seen.missing(s.floor()+1, s.top()) }

// ScanInfo tells what a scan has found out besides the rows.
type ScanInfo struct {
	// Header names the fields that the channel shows.
	Header thingspeak.Header
	// Hidden are the fields that an answer did not show.
	Hidden thingspeak.FieldSet
	// Date is the relay's clock in its last answer, zero if it does not say.
	Date time.Time
	// LastID is the channel's last entry number when the scan began.
	LastID int64
	// Rows were visited. Skipped could not be read.
	Rows, Skipped int64
	// Lacking are the entry numbers that are lacking below the highest row visited, down to the oldest that was wanted;
	// of each only First and Last are known.
	Lacking []Range
	// Named are the entry numbers above that row that the channel names and does not show; both ends are 0 if there are
	// none.
	Named Range
	// CutShort tells that an answer of the relay kept ending within a row.
	CutShort bool
}

// Info tells what the scan has found out so far.
func (s *Scan) Info() ScanInfo {
	info := ScanInfo{
		Header: s.r.header, Hidden: s.r.hidden, Date: s.r.date, LastID: s.last,
		Rows: s.r.seen.count(), Skipped: int64(s.r.skipped), CutShort: s.r.cutShort,
	}
	if !s.started {
		return info
	}
	highest := s.r.seen.highest()
	for _, l := range s.r.seen.missing(s.floor()+1, highest) {
		info.Lacking = append(info.Lacking, Range{First: l.first, Last: l.last})
	}
	if s.last > highest {
		info.Named = Range{First: highest + 1, Last: s.last}
	}
	return info
}
