package record

import (
	"bytes"
	"cmp"
	"maps"
	"math"
	"slices"
	"time"
)

// What is lacking is judged on complete stretches of the feed only; until then it waits.

const (
	// quietTime is how long no part of a record must have come before it is incomplete.
	quietTime = time.Hour
	// HiddenAfter is how long the relay must not have shown entries that a number needs before that is told.
	HiddenAfter = time.Hour
	// WaitingAfter is how long something must have been lacking before that it waits is worth a word to whoever looks on.
	WaitingAfter = time.Minute
	// maxArriving is how many records of one author, above the numbers that are known to exist, are told to be arriving
	// or incomplete at a time: the lowest. Cells prove nothing, and cost little.
	maxArriving = 3
	// mostArriving is how many are told to be arriving in all, and how many to be incomplete in one reading, which leaves the others
	// to the next ones. Who has the key can be a thousand authors.
	mostArriving = 10
)

func (s *session) judge() {
	claims, err := s.known.Claims(ClaimQuery{})
	if err != nil {
		s.fail(err)
	}
	for _, a := range s.gapped() {
		s.judgeGaps(a)
	}
	s.signed = map[Tag][]*authorRow{}      // all records have come
	slices.SortFunc(claims, compareClaims) // of what is taken back the first that says it is named
	s.takeUnsettled(claims)
	below, doubted := []Claim(nil), claims[:0]
	for _, c := range claims {
		if c.Below {
			below = append(below, c)
		} else if c.Doubted {
			doubted = append(doubted, c)
		}
	}
	s.judgeBelow(below)
	s.judgeClaims(doubted)
	s.judgeGroups()
	for _, f := range []Finding{s.malformed, s.newer, s.moreForged} {
		if f.Count > 0 {
			s.tell(f)
		}
	}
}

// gapped returns the authors with gaps that were not told.
func (s *session) gapped() []*authorRow {
	s.askAuthors(AuthorQuery{Only: GapsWait})
	var rows []*authorRow
	for _, a := range s.authors {
		if a.Waiting() {
			rows = append(rows, a)
		}
	}
	slices.SortFunc(rows, func(a, b *authorRow) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	return rows
}

// judgeGaps tells the numbers that are absent between two that are held: they can only stand between those, whichever
// of the two stands first.
func (s *session) judgeGaps(a *authorRow) {
	s.fetchBeside(a, slices.DeleteFunc(slices.Clone(a.Gaps), func(gap Gap) bool { return gap.Told }))
	for i := range a.Gaps {
		gap := &a.Gaps[i]
		if gap.Told {
			continue
		}
		below, above := s.placeOf(a, gap.First-1).Place, s.placeOf(a, gap.Last+1).Place
		f := s.finding(Missing, a, gap.First, above)
		f.Last = gap.Last
		f.Have, f.Parts = s.partsOf(a.Key.Tag(), gap.First, gap.Last)
		hole, complete := s.stretch(below, above)
		switch {
		case complete && !s.untried(a.Key.Tag(), gap.First, gap.Last):
			if gap.Hidden {
				s.supersede(s.finding(Hidden, a, gap.First, above))
			}
			gap.Told, gap.Hidden, a.dirty = true, false, true
			s.change.Told = append(s.change.Told, f)
			s.outgrow(f.Tag, f.First, f.Last)
			continue
		case !gap.Hidden && hole.First > 0 && s.now.Sub(hole.Since) >= HiddenAfter && !hole.Since.IsZero():
			h := s.finding(Hidden, a, gap.First, Place{s.view.Clear, hole.First})
			h.Last, h.Until = gap.Last, hole.Last
			s.tell(h)
			gap.Hidden, a.dirty = true, true
		}
		f.Waiting, f.Since = true, hole.Since
		s.result.Waiting = append(s.result.Waiting, f)
	}
}

// maxNeeded is how many holes a call names as needed: as many as a reader asks for one by one in a few minutes.
const maxNeeded = 64

// stretch reports whether each entry between two places, of which either may be the first, is held or was asked for: only then
// a record that could stand between them and is not there counts as missing. Of what a clear took away nothing will come any
// more, so that is complete. Of the holes that keep it from being complete it returns the one that is known longest, the zero Hole if the reading
// has not come to its end, and notes some, so that a reader asks for them before anything else: the relay may lack more than
// can be asked for in an hour.
func (s *session) stretch(from, to Place) (hole Hole, complete bool) {
	if from.Compare(to) > 0 {
		from, to = to, from
	}
	if to.Clear < s.view.Clear {
		return hole, true
	}
	if from.Clear < s.view.Clear {
		from.Entry = 0
	}
	if s.holes == nil {
		s.holes = newOpenHoles(s.view.Holes)
	}
	i, n := s.holes.within(from.Entry, to.Entry)
	for at := i; at < n && len(s.result.Needed) < maxNeeded; at++ {
		if !s.holes.noted[at] {
			s.holes.noted[at] = true
			s.result.Needed = append(s.result.Needed, s.holes.all[at])
		}
	}
	if i == n {
		return hole, !s.view.Unread
	}
	return s.holes.all[s.holes.longestOf(i, n)], false
}

// outgrow supersedes that numbers are incomplete which are told to be missing now, whatever claims to be part of them.
func (s *session) outgrow(tag Tag, first, last uint32) {
	groups, err := s.known.Groups(GroupQuery{Tag: tag, First: first, Last: last})
	if err != nil {
		s.fail(err)
	}
	slices.SortFunc(groups, func(a, b Group) int { return compareGroups(a.ID, b.ID) })
	for _, g := range groups {
		if g.State != ToldIncomplete {
			continue
		}
		s.learn(&groupRow{Group: g, stored: true})
		if row := s.groups[g.ID]; row.State == ToldIncomplete && !row.gone {
			row.State, row.dirty = Arriving, true // should nobody name the number any more, it is incomplete again
			s.change.Superseded = append(s.change.Superseded, s.incomplete(row))
		}
	}
}

// untried reports whether there are chains under one of these numbers that were not tried: one may be what is lacking.
func (s *session) untried(tag Tag, first, last uint32) bool {
	return slices.ContainsFunc(s.left, func(t *touch) bool {
		return t.id.Tag == tag && first <= t.id.Number && t.id.Number <= last
	})
}

// partsOf tells how many parts of a single number have come, of how many: of the group that lacks the fewest.
func (s *session) partsOf(tag Tag, first, last uint32) (have, parts int) {
	if first != last {
		return 0, 0
	}
	for _, g := range s.groupsOf(tag, first) {
		if !g.gone && (parts == 0 || g.lacks() < parts-have) {
			parts = int(g.ID.Parts)
			have = parts - g.lacks()
		}
	}
	return have, parts
}

// judgeGroups tells what arrives above all numbers that are known to exist, and is incomplete once it is quiet. Of what
// arrives under the tags of nobody known there is but a count.
func (s *session) judgeGroups() {
	arriving, err := s.known.Arriving()
	if err != nil {
		s.fail(err)
	}
	strays := arriving.Strays
	byTag := map[Tag][]*groupRow{}
	for _, tag := range arriving.Tags {
		byTag[tag] = nil
	}
	for _, row := range s.groups {
		if row.stray {
			strays--
		}
		switch {
		case !row.arrives():
		case len(s.signers(row.ID.Tag)) > 0:
			byTag[row.ID.Tag] = nil
		default:
			strays++
		}
	}
	for tag := range byTag {
		s.askArriving(tag)
	}
	for _, row := range s.groups {
		if _, ok := byTag[row.ID.Tag]; ok && !row.gone && row.State != LeftOver {
			byTag[row.ID.Tag] = append(byTag[row.ID.Tag], row)
		}
	}
	told, compared := len(s.result.Waiting), func(a, b Tag) int { return cmp.Or(s.rankOf(a)-s.rankOf(b), bytes.Compare(a[:], b[:])) }
	for _, tag := range slices.SortedFunc(maps.Keys(byTag), compared) {
		s.judgeArriving(tag, byTag[tag])
	}
	if more := len(s.result.Waiting) - told - mostArriving; more > 0 {
		s.result.Waiting = s.result.Waiting[:told+mostArriving]
		strays += more
	}
	if strays > 0 {
		s.result.Waiting = append(s.result.Waiting, Finding{Kind: Incomplete, Count: strays, Waiting: true})
	}
}

// rankOf puts the tags first of which a key was compared.
func (s *session) rankOf(tag Tag) int {
	if slices.ContainsFunc(s.signers(tag), func(a *authorRow) bool { return a.Compared }) {
		return 0
	}
	return 1
}

// askArriving asks for the groups of which judgeArriving may have something to say.
func (s *session) askArriving(tag Tag) {
	if top := s.topOf(tag); top < math.MaxUint32 {
		s.askGroups(GroupQuery{Tag: tag, First: top + 1, Last: math.MaxUint32, Only: MayArrive, Numbers: maxArriving})
	}
}

// topOf returns the highest number with this tag that is held, or that somebody has named: what is not there of those
// is missing, and not arriving.
func (s *session) topOf(tag Tag) uint32 {
	top := s.accused[tag]
	for _, a := range s.signers(tag) {
		top = max(top, a.Top)
	}
	return top
}

// judgeArriving judges the groups of one tag, as far as they have a line of their own.
func (s *session) judgeArriving(tag Tag, rows []*groupRow) {
	top := s.topOf(tag)
	slices.SortFunc(rows, func(a, b *groupRow) int { return compareGroups(a.ID, b.ID) })
	numbers := 0
	for len(rows) > 0 && numbers < maxArriving {
		n := 1
		for n < len(rows) && rows[n].ID.Number == rows[0].ID.Number {
			n++
		}
		same := rows[:n]
		rows = rows[n:]
		if same[0].ID.Number > top {
			numbers++
			s.judgeNumber(same)
		}
	}
}

// judgeNumber judges the groups of one number that nothing else tells to exist.
func (s *session) judgeNumber(same []*groupRow) {
	best := same[0]
	for _, g := range same {
		if g.State == ToldIncomplete {
			return
		}
		if g.LastAt.After(s.now) { // the clock was set back
			g.LastAt, g.dirty = s.now, true
		}
		if g.lacks() < best.lacks() {
			best = g
		}
	}
	f := s.incomplete(best)
	hole, complete := s.stretch(s.lowestTop(best.ID.Tag), Place{s.view.Clear, math.MaxInt64})
	if complete && !best.Untried && s.now.Sub(best.LastAt) >= quietTime && s.incompletes < mostArriving {
		s.incompletes++
		best.State, best.dirty = ToldIncomplete, true
		s.change.Told = append(s.change.Told, f)
		return
	}
	f.Waiting, f.Since = true, cmp.Or(hole.Since, best.LastAt)
	s.result.Waiting = append(s.result.Waiting, f)
}

// lowestTop returns the lowest place of the highest numbers that are held of a tag's authors: what is above those numbers
// can only stand from there on.
func (s *session) lowestTop(tag Tag) (from Place) {
	for _, a := range s.signers(tag) {
		if at := s.placeOf(a, a.Top).Place; from == (Place{}) || at.Compare(from) < 0 {
			from = at
		}
	}
	return from
}

// incomplete returns the finding about a group.
func (s *session) incomplete(g *groupRow) Finding {
	id := g.ID
	f := Finding{
		Kind: Incomplete, Tag: id.Tag, Name: s.nameOf(id.Tag), First: id.Number, Last: id.Number,
		Have: int(id.Parts) - g.lacks(), Parts: int(id.Parts), At: g.Newest,
	}
	if signers := s.signers(id.Tag); len(signers) == 1 {
		f.Author = signers[0].Key
	}
	return f
}
