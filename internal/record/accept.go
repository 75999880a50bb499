package record

import (
	"maps"
	"slices"
)

// What a verified record says, and what it proves about others.

// maxClaims is how many unresolved claims of one author are kept, and how many seen of one heartbeat are read: an
// honest author has at most as many as there are others.
const maxClaims = 1024

// finding returns one about a record of an author, to be told or taken back.
func (s *session) finding(kind FindingKind, a *authorRow, number uint32, at Place) Finding {
	return Finding{
		Kind: kind, Author: a.Key, Tag: a.Key.Tag(), Name: s.name(a.Key), First: number, Last: number, At: at,
	}
}

// accept takes in a verified record, or counts it if it is held.
func (s *session) accept(k *candidate) {
	a := s.author(k.author)
	n := k.number
	rows := s.records(a, n)
	if i := rows.find(k.hash); i >= 0 {
		s.result.Repeats++ // with another signature: otherwise its cells would have been known
		s.signedAgain(k, a, rows, i)
		return
	}
	s.use(k)
	r := k.open()
	h := k.held()
	h.Previous, h.Nick = r.Previous, r.Nick
	m := Message{Record: r, Hash: k.hash, Key: h.Key, At: h.At, Cells: h.Cells, Own: a.Key == s.reader.own}
	s.nickname(a, &r, k.at.Place)
	m.Forked = len(rows.rows) > 0
	if k.previous().IsZero() != (n == 1) {
		s.tell(s.finding(Malformed, a, n, k.at.Place))
	}
	base, nick := a.Base, rows.nick()
	s.hold(a, rows, h)
	s.rename(a, n, nick)
	s.answer(a, n, base == 0 || n < base)
	if d, ok := r.Body.(Device); ok {
		s.device(&r, d)
	}
	m.Name = s.label(a.Key, r.Nick)
	m.Behind = s.arrange(a, n)
	s.previous(a, n, rows.rows[len(rows.rows)-1:])
	if a.holds(n + 1) {
		s.previous(a, n+1, s.records(a, n+1).rows)
	}
	s.seen(&r, k.at)
	s.result.Messages = append(s.result.Messages, m)
}

// signedAgain takes in a record that is held, with another signature. It stands where the chain does that stands lowest.
// The cells of all others wait: a copy of one may come that lets its chain stand lowest.
func (s *session) signedAgain(k *candidate, a *authorRow, rows *heldRows, i int) {
	h := &rows.rows[i]
	if k.at.Compare(h.At) >= 0 {
		return
	}
	before := h.Cells
	s.use(k)
	s.move(a, rows, i, spotsOf(k.parts))
	s.release(k.touch, before)
}

// move notes that the cells of a record stand lower than was known.
func (s *session) move(a *authorRow, rows *heldRows, i int, cells []Spot) {
	h := &rows.rows[i]
	h.Cells, h.At, rows.dirty = cells, highest(cells), append(rows.dirty, i)
	rows.stands(h.At)
	s.arrange(a, h.Number)
	s.weighAll(s.claimsAbout(a.Key.Tag()), h.Number)
	// What it names may stand below it now.
	if e := h.assemble(s.reader.salt, s.cells(cells)); e != nil {
		r := e.open()
		s.seen(&r, h.At)
	}
}

// hold adds a record to what is held, and withdraws what said that it was lacking.
func (s *session) hold(a *authorRow, rows *heldRows, h Held) {
	rows.dirty = append(rows.dirty, len(rows.rows))
	rows.add(h)
	tag := s.tag(a.Key.Tag())
	if len(rows.rows) > 1 {
		s.tell(s.finding(Fork, a, h.Number, h.At.Place))
		return
	}

	a.dirty = true
	filled := a.add(h.Number)
	if filled.Told {
		s.change.TakenBack = append(s.change.TakenBack, s.finding(Missing, a, h.Number, h.At.Place))
	}
	if filled.Hidden {
		f := s.finding(Hidden, a, filled.First, h.At.Place)
		f.Last = filled.Last
		s.takeBack(f)
	}
	if h.Number == a.Top {
		a.TopHash = h.Hash.Short()
	}
	if !slices.Contains(tag.authors, a.Key) {
		tag.authors = append(tag.authors, a.Key)
	}
	for _, g := range s.groupsOf(a.Key.Tag(), h.Number) {
		if g.State == ToldIncomplete {
			g.State, g.dirty = LeftOver, true
			f := s.finding(Incomplete, a, h.Number, h.At.Place)
			f.Have, f.Parts = int(g.ID.Parts), int(g.ID.Parts)
			s.change.TakenBack = append(s.change.TakenBack, f)
		}
	}
}

// answer weighs what was said of a number that has come, and where it has lowered the base, of all above that.
func (s *session) answer(a *authorRow, number uint32, lowered bool) {
	claims := s.claimsAbout(a.Key.Tag())
	if !lowered {
		s.weighAll(claims, number)
		return
	}
	for _, number := range slices.Sorted(maps.Keys(claims)) {
		s.weighAll(claims, number)
	}
}

// arrange compares the place of a record with its neighbours', and returns what behind returns. What was told of the one
// before may be so no more: the next one was another until now.
func (s *session) arrange(a *authorRow, n uint32) (later uint32) {
	for _, number := range []uint32{a.below(n), n} {
		if number == 0 {
			continue
		}
		if later = s.behind(a, number); later != 0 {
			s.tell(s.reordered(a, number))
		} else {
			s.takeBack(s.reordered(a, number))
		}
	}
	return later
}

// reordered returns the finding about a number that stands behind the next one.
func (s *session) reordered(a *authorRow, n uint32) Finding {
	f := s.finding(Reordered, a, n, s.placeOf(a, n).Place)
	f.Last = max(n, a.above(n))
	return f
}

// behind returns the next number held if a number that is held stands behind it, 0 if it does not. Within one entry there
// is no order: a writer may use the fields in another one.
func (s *session) behind(a *authorRow, n uint32) (later uint32) {
	next := a.above(n)
	if next == 0 || s.placeOf(a, n).Place.Compare(s.placeOf(a, next).Place) <= 0 {
		return 0
	}
	return next
}

// placeOf returns where a number that is held stands first.
func (s *session) placeOf(a *authorRow, n uint32) Spot { return s.records(a, n).first }

// previous compares what some records with number n name as previous with the one that is held before them. Where several
// are, that was told when the second came.
func (s *session) previous(a *authorRow, n uint32, rows []Held) {
	if !a.holds(n - 1) {
		return
	}
	before := s.records(a, n-1).rows
	if len(before) > 1 {
		return
	}
	for i := range rows {
		if h := &rows[i]; !h.Previous.IsZero() && (len(before) == 0 || before[0].Hash.Short() != h.Previous) {
			s.tell(s.finding(Fork, a, n-1, h.At.Place))
			return
		}
	}
}

// seen takes in what a record names of others.
func (s *session) seen(r *Record, at Spot) {
	for _, seen := range named(r) {
		s.claim(Claim{Tag: seen.Tag, Number: seen.Number, Hash: seen.Hash, By: r.Author, Said: r.Number, At: at})
	}
}

// named returns what a record names of others.
func named(r *Record) []Seen {
	var all []Seen
	if r.Seen.Number != 0 {
		all = append(all, r.Seen)
	}
	if more, ok := r.Body.(Heartbeat); ok {
		all = append(all, more[:min(len(more), maxClaims)]...)
	}
	return all
}

// claim weighs a new claim, and keeps it unless it is resolved.
func (s *session) claim(c Claim) {
	claims := s.claimsAbout(c.Tag)
	for _, row := range claims[c.Number] {
		if row.key() != c.key() || row.gone {
			continue
		}
		if c.At.Compare(row.At) < 0 {
			row.At, row.Said, row.dirty = c.At, c.Said, true
			s.weigh(row)
		}
		return
	}
	row := &claimRow{Claim: c}
	if s.weigh(row); row.gone {
		return
	}
	if by := s.author(c.By); by.Claims < maxClaims {
		by.Claims, by.dirty = by.Claims+1, true
		row.kept, row.dirty = true, true
		claims[c.Number] = append(claims[c.Number], row)
	}
}

// weighAll weighs the claims about one number of a tag.
func (s *session) weighAll(claims map[uint32][]*claimRow, number uint32) {
	for _, c := range claims[number] {
		if !c.gone {
			s.weigh(c)
		}
	}
}

// weigh holds a claim against the records of whoever may be meant. If it is not true, it accuses only authors of whom a
// lower number is held.
func (s *session) weigh(c *claimRow) {
	doubted := false
	for _, a := range s.meant(&c.Claim) {
		if h := s.records(a, c.Number).findShort(c.Hash); h != nil {
			s.receipt(&c.Claim, a)
			s.believe(c, h.At)
			return
		}
		doubted = doubted || a.Base < c.Number
	}
	if doubted != c.Doubted || c.Below {
		c.Doubted, c.Below, c.dirty = doubted, false, true
	}
}

// believe settles a claim that is true. It is kept while the record that it names stands below it.
func (s *session) believe(c *claimRow, at Spot) {
	if at.Place.Compare(c.At.Place) <= 0 {
		s.drop(c)
	} else if !c.Below || c.Doubted {
		c.Below, c.Doubted, c.dirty = true, false, true
	}
}

// meant returns whom a claim may be about: whoever has the tag and does not make the claim.
func (s *session) meant(c *Claim) []*authorRow {
	signers := s.signers(c.Tag)
	i := slices.IndexFunc(signers, func(a *authorRow) bool { return a.Key == c.By })
	if i < 0 {
		return signers
	}
	return slices.Concat(signers[:i], signers[i+1:])
}

// receipt notes a claim that is true, where it is ours or about us.
func (s *session) receipt(c *Claim, a *authorRow) {
	by := s.author(c.By)
	if a.Key == s.reader.own && c.Number > by.SawOwn {
		by.SawOwn, by.dirty = c.Number, true
		s.result.SeenBy = append(s.result.SeenBy, Receipt{by.Key, s.name(by.Key), c.Number})
	}
	if c.By == s.reader.own {
		a.MarkNamed(c.Number, c.Said)
		a.dirty = true
	}
}

// drop forgets a claim.
func (s *session) drop(c *claimRow) {
	c.gone = true
	if c.kept {
		by := s.author(c.By)
		by.Claims, by.dirty = by.Claims-1, true
	}
}
