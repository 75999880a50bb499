package record

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
)

// judgeBelow tells who names what stands below, on their word. Each line of the conversation says so for itself. stored are
// the claims that Known had.
func (s *session) judgeBelow(stored []Claim) {
	now := pairs{}
	for _, c := range s.claims(func(c *Claim) bool { return c.Below }) {
		now.add(Reordered, c)
	}
	for i := range stored {
		if c := &stored[i]; now[pair{Reordered, c.Tag, c.By}] == nil {
			s.takeBack(s.said(Reordered, c))
		}
	}
	s.tellPairs(now, Reordered, s.namedBelow)
}

// tellPairs tells what is said of a kind that accuses nobody: of each signer and named tag one line, with the highest number,
// and as many lines as of accusations; of more there is a count.
func (s *session) tellPairs(all pairs, kind FindingKind, finding func(*claimRow) Finding) {
	rows := slices.Collect(maps.Values(all))
	slices.SortFunc(rows, func(a, b *claimRow) int {
		return cmp.Or(s.rank(s.author(a.By), s.author(b.By)), bytes.Compare(a.Tag[:], b.Tag[:]))
	})
	for i, c := range rows {
		if f := finding(c); i < maxAccusations {
			s.retell(f)
		} else {
			s.supersede(f)
		}
	}
	s.tellMore(kind, len(rows)-maxAccusations)
}

// tellMore tells how many lines of a kind there is no room for, in place of the number that was told before.
func (s *session) tellMore(kind FindingKind, n int) {
	f := Finding{Kind: kind, Count: n, Last: uint32(max(n, 0))}
	if n > 0 {
		s.retell(f)
	} else {
		s.supersede(f)
	}
}

// namedBelow returns the finding that somebody names a record which stands below.
func (s *session) namedBelow(c *claimRow) Finding {
	f := s.said(Reordered, &c.Claim)
	for _, a := range s.meant(&c.Claim) {
		if s.records(a, c.Number).findShort(c.Hash) != nil {
			f.Author, f.Name = a.Key, s.name(a.Key)
		}
	}
	return f
}

// retell tells a finding in place of what was told of it with another Last.
func (s *session) retell(f Finding) {
	if s.askTold(f.ID()).last != f.Last {
		s.supersede(f)
	}
	s.tell(f)
}
