package record

import (
	"bytes"
	"math"
	"slices"
	"time"
)

// What is lacking is judged on a complete view only; until then it waits.

// quietTime is how long no part of a record must have come before it is incomplete, unless its author went on.
const quietTime = time.Hour

func (s *session) judge() {
	waiting, err := s.known.Waiting()
	if err != nil {
		s.fail(err)
	}
	complete := s.view.Complete(Place{}, Place{s.view.Clear, math.MaxInt64})

	for _, g := range waiting.Groups {
		s.learn(&groupRow{Group: g, stored: true})
	}
	for _, g := range s.arriving() { // before the gaps: what is incomplete is not missing
		s.judgeGroup(g, complete)
	}
	for _, a := range s.gapped(waiting.Authors) {
		s.judgeGaps(a, complete)
	}
	if complete {
		for _, c := range s.doubted(waiting.Claims) {
			s.judgeClaim(c)
		}
	}
}

// arriving returns the groups that may turn out to be incomplete.
func (s *session) arriving() []*groupRow {
	var rows []*groupRow
	for _, row := range s.groups {
		if !row.gone && row.State == Arriving {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b *groupRow) int { return compareGroups(a.ID, b.ID) })
	return rows
}

func (s *session) judgeGroup(g *groupRow, complete bool) {
	id := g.ID
	signers := s.signers(id.Tag)
	above, wentOn := s.view.FromStart && len(signers) == 0, false
	for _, a := range signers {
		if a.holds(id.Number) {
			g.State, g.dirty = LeftOver, true
			return
		}
		above = above || a.Base < id.Number
		wentOn = wentOn || a.Base < id.Number && id.Number < a.Top
	}
	if !above {
		return // its beginning may lie before what was read
	}
	if g.LastAt.After(s.now) { // the clock was set back
		g.LastAt, g.dirty = s.now, true
	}
	f := Finding{
		Kind: Incomplete, Tag: id.Tag, Name: s.nameOf(id.Tag), First: id.Number, Last: id.Number,
		Have: min(g.Cells, int(id.Parts)-1), Parts: int(id.Parts), At: g.Newest,
	}
	if len(signers) == 1 {
		f.Author = signers[0].Key
	}
	if !complete || !wentOn && s.now.Sub(g.LastAt) < quietTime {
		f.Waiting = true
		s.result.Waiting = append(s.result.Waiting, f)
		return
	}
	if !slices.ContainsFunc(s.groupsOf(id.Tag, id.Number), func(g *groupRow) bool { return g.State == ToldIncomplete }) {
		s.change.Told = append(s.change.Told, f)
	}
	g.State, g.dirty = ToldIncomplete, true
}

// gapped returns the authors with gaps that were not told.
func (s *session) gapped(waiting []PublicKey) []*authorRow {
	for _, key := range waiting {
		s.author(key)
	}
	var rows []*authorRow
	for _, a := range s.authors {
		if a.Waiting() {
			rows = append(rows, a)
		}
	}
	slices.SortFunc(rows, func(a, b *authorRow) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	return rows
}

// judgeGaps tells the numbers that are absent. Those of which parts have come are incomplete instead, and stay as they
// are.
func (s *session) judgeGaps(a *authorRow, complete bool) {
	gaps := make([]Gap, 0, len(a.Gaps))
	for _, gap := range a.Gaps {
		if gap.Told {
			gaps = append(gaps, gap)
			continue
		}
		for _, piece := range split(gap, s.begun(a.Key.Tag(), gap)) {
			if piece.begun {
				gaps = append(gaps, piece.Gap)
				continue
			}
			f := s.missing(a, piece.Gap)
			if complete {
				piece.Told, a.dirty = true, true
				s.change.Told = append(s.change.Told, f)
			} else {
				f.Waiting = true
				s.result.Waiting = append(s.result.Waiting, f)
			}
			gaps = append(gaps, piece.Gap)
		}
	}
	if complete {
		a.Gaps = gaps
	}
}

func (s *session) missing(a *authorRow, gap Gap) Finding {
	f := s.finding(Missing, a, gap.First, Place{})
	f.Last = gap.Last
	if gap.Last < a.Top {
		f.At = s.placeOf(a, a.above(gap.Last)).Place
	}
	if !gap.By.IsZero() {
		f.By, f.ByName = gap.By, s.name(gap.By)
	}
	return f
}

// begun returns the numbers in a gap of which there are cells, in ascending order.
func (s *session) begun(tag Tag, gap Gap) []uint32 {
	s.askGroups(tag, gap.First, gap.Last)
	var numbers []uint32
	for id, row := range s.groups {
		if id.Tag == tag && gap.First <= id.Number && id.Number <= gap.Last && !row.gone && row.State != LeftOver {
			numbers = append(numbers, id.Number)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

type piece struct {
	Gap
	begun bool
}

// split cuts a gap around single numbers in it.
func split(gap Gap, begun []uint32) (pieces []piece) {
	first := uint64(gap.First) // what follows the highest number needs more bits
	for _, n := range begun {
		if first < uint64(n) {
			pieces = append(pieces, piece{Gap{uint32(first), n - 1, false, gap.By}, false})
		}
		pieces = append(pieces, piece{Gap{n, n, false, gap.By}, true})
		first = uint64(n) + 1
	}
	if first <= uint64(gap.Last) {
		pieces = append(pieces, piece{Gap{uint32(first), gap.Last, false, gap.By}, false})
	}
	return pieces
}

// doubted returns the claims that contradict what is held.
func (s *session) doubted(waiting []Claim) []*claimRow {
	for _, c := range waiting {
		s.tag(c.Tag)
	}
	var rows []*claimRow
	for _, tag := range s.tags {
		for _, claims := range tag.claims {
			for _, c := range claims {
				if c.Doubted && !c.gone {
					rows = append(rows, c)
				}
			}
		}
	}
	slices.SortFunc(rows, func(a, b *claimRow) int { return compareClaims(a.Claim, b.Claim) })
	return rows
}

// judgeClaim tells what a seen accuses, unless what came since then says otherwise. Of two authors with one tag nobody
// can tell who is meant: then it is only missing.
func (s *session) judgeClaim(c *claimRow) {
	s.weigh(c)
	if c.gone {
		return
	}
	f := Finding{Kind: Missing, Tag: c.Tag, Name: c.Tag.Name(), First: c.Number, Last: c.Number, At: c.At}
	if meant := s.meant(&c.Claim); len(meant) == 1 && meant[0].holds(c.Number) {
		f = s.finding(Fork, meant[0], c.Number, c.At)
	}
	f.By, f.ByName = c.By, s.name(c.By)
	s.tell(f)
	s.drop(c)
}
