package record

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// What a seen accuses somebody of rests on the word of whoever signed it. It is told, but apart from what is proven, and
// whoever invents accusations gets one line of each kind for each whom they accuse, however many they are.

const (
	// maxAccusations is how many accusations are told at a time; of more there is a count.
	maxAccusations = 10
	// maxAccusers is how many accusers one of them names.
	maxAccusers = 3
)

// accusation is numbers of one author, or of a tag that several authors have, of which the same accusers speak.
type accusation struct {
	kind FindingKind // Missing or Fork
	tag  Tag
	who  *authorRow // nil if several have the tag
	// from is where what is lacking can stand first. complete means that it can come no more, and hole what must be read
	// before that.
	from     Place
	complete bool
	hole     Hole

	first, last uint32
	at          Place
	// leads name last. Of all that speak of these numbers, leads among them, by are the first to be named, and count tells
	// how many they are. Both are in the order of their rank.
	leads, by []*authorRow
	count     int
}

// pair is an accuser and whom they accuse of one kind of thing.
type pair struct {
	kind FindingKind
	tag  Tag
	by   PublicKey
}

// pairs holds the claim with the highest number of each pair.
type pairs map[pair]*claimRow

func (all pairs) add(kind FindingKind, c *claimRow) {
	if p := (pair{kind, c.Tag, c.By}); all[p] == nil || all[p].Number < c.Number {
		all[p] = c
	}
}

// judgeClaims tells what a seen accuses, unless what came since then says otherwise. stored are the claims that Known
// had.
func (s *session) judgeClaims(stored []Claim) {
	s.fulfil(stored)
	told, more := 0, 0
	waiting := Finding{Kind: Missing, Waiting: true} // counts those for which there is no room
	now := pairs{}
	for _, a := range s.accusations(now) {
		switch {
		case !a.complete && told < maxAccusations:
			told++
			f := s.accuse(a)
			f.Waiting, f.Since = true, a.hole.Since
			s.result.Waiting = append(s.result.Waiting, f)
		case !a.complete:
			waiting.Count++
			if since := a.hole.Since; !since.IsZero() && (waiting.Since.IsZero() || since.Before(waiting.Since)) {
				waiting.Since = since
			}
		case told < maxAccusations:
			told++
			if !s.standing(a) {
				s.outdate(a)
				s.tell(s.accuse(a))
				if a.kind == Missing {
					s.outgrow(a.tag, a.first, a.last)
				}
			}
		default:
			more++
			s.outdate(a)
		}
	}
	s.tellMore(Missing, more)
	if waiting.Count > 0 {
		s.result.Waiting = append(s.result.Waiting, waiting)
	}
	refuted := maps.Clone(now)
	maps.DeleteFunc(refuted, func(p pair, _ *claimRow) bool { return p.kind != Refuted })
	s.tellPairs(refuted, Refuted, s.refuted)
	s.withdraw(stored, now)
}

// fulfil takes back what was told of numbers that have come, as whoever named them said. What else they say is lacking is
// told anew: the line that was told spoke of these numbers, too.
func (s *session) fulfil(stored []Claim) {
	for i := range stored {
		if c := &stored[i]; s.wasTold(saidID(Missing, c.Tag, c.By)) && s.came(c) {
			s.takeBack(s.said(Missing, c))
		}
	}
}

// came reports whether what a claim names has come in this call, and nothing else than claims told until now that it is
// missing.
func (s *session) came(c *Claim) bool {
	claims := s.tag(c.Tag).claims
	if claims == nil { // nothing of whoever has that tag has come, so it is doubted as it was
		return false
	}
	if slices.ContainsFunc(claims[c.Number], func(row *claimRow) bool {
		return row.key() == c.key() && row.Doubted && !row.gone
	}) {
		return false
	}
	return slices.ContainsFunc(s.meant(c), func(a *authorRow) bool {
		before, _, err := s.known.Author(a.Key)
		if err != nil {
			s.fail(err)
		}
		return a.holds(c.Number) && !before.holds(c.Number) && !before.misses(c.Number)
	})
}

// said returns the finding that a single claim was told for, to be taken back.
func (s *session) said(kind FindingKind, c *Claim) Finding {
	return Finding{
		Kind: kind, Tag: c.Tag, Name: s.nameOf(c.Tag), First: c.Number, Last: c.Number, At: c.At.Place, By: c.By,
		ByName: s.name(c.By), Count: 1,
	}
}

// standing reports whether the line of an accusation was told, and none of its accusers has named a lower number then: it
// says more now.
func (s *session) standing(a *accusation) bool {
	told, rose := false, false
	for _, by := range a.leads {
		row := s.askTold(saidID(a.kind, a.tag, by.Key))
		told = told || row.told
		rose = rose || row.told && row.last < a.last
	}
	return told && !rose
}

// outdate supersedes what was told of the accusers of an accusation: each has one line.
func (s *session) outdate(a *accusation) {
	for _, by := range a.leads {
		if s.wasTold(saidID(a.kind, a.tag, by.Key)) {
			f := s.accuse(a)
			f.By = by.Key
			s.supersede(f)
		}
	}
}

// withdraw takes back what was told of claims that accuse nobody any more.
func (s *session) withdraw(stored []Claim, now pairs) {
	for i := range stored {
		c := &stored[i]
		for _, kind := range []FindingKind{Missing, Fork, Refuted} {
			if p := (pair{kind, c.Tag, c.By}); now[p] != nil || !s.wasTold(saidID(kind, c.Tag, c.By)) {
				continue
			}
			switch f := s.said(kind, c); {
			case kind == Refuted || s.proven(kind, c):
				s.supersede(f)
			case kind == Missing && s.lacks(c):
				// It waits to be proven, and nothing would take it back if it came now.
			default:
				s.takeBack(f)
			}
		}
	}
}

// proven reports whether what a claim has accused somebody of needs its word no more.
func (s *session) proven(kind FindingKind, c *Claim) bool {
	return slices.ContainsFunc(s.meant(c), func(a *authorRow) bool {
		if kind == Fork {
			return len(s.records(a, c.Number).rows) > 1
		}
		return a.misses(c.Number)
	})
}

// lacks reports whether the number that a claim names lies in a gap.
func (s *session) lacks(c *Claim) bool {
	return slices.ContainsFunc(s.meant(c), func(a *authorRow) bool {
		return a.Base < c.Number && c.Number < a.Top && !a.holds(c.Number)
	})
}

// accusations returns what the claims say that contradict what is held, by the rank of who says so. It notes who
// accuses whom in now, and whose word about whom is refuted.
func (s *session) accusations(now pairs) (all []*accusation) {
	type about struct {
		kind     FindingKind
		tag      Tag
		who      PublicKey
		complete bool
	}
	groups := map[about]accusation{}
	claims := map[about]map[PublicKey]*claimRow{}
	for _, c := range s.claims(func(c *Claim) bool { return c.Doubted }) {
		a, ok := s.accusationOf(c)
		if !ok {
			continue
		}
		now.add(a.kind, c)
		if a.kind == Missing {
			s.accused[c.Tag] = max(s.accused[c.Tag], c.Number)
		}
		if a.kind == Refuted {
			continue
		}
		key := about{kind: a.kind, tag: a.tag, complete: a.complete}
		if a.who != nil {
			key.who = a.who.Key
		}
		groups[key] = a
		// Of each accuser one claim counts: the highest number missing, which implies those below, or the first fork.
		if other := claims[key][c.By]; other == nil || (other.Number < c.Number) == (a.kind == Missing) {
			putIn(nil, claims, key, c.By, c)
		}
	}
	for key, a := range groups {
		all = append(all, s.segments(&a, slices.Collect(maps.Values(claims[key])))...)
	}
	slices.SortFunc(all, func(a, b *accusation) int {
		return cmp.Or(s.rank(a.leads[0], b.leads[0]), bytes.Compare(a.tag[:], b.tag[:]), cmp.Compare(a.kind, b.kind),
			cmp.Compare(a.last, b.last))
	})
	return all
}

// accusationOf returns what a single claim says, and whether it says anything.
func (s *session) accusationOf(c *claimRow) (a accusation, ok bool) {
	meant := s.meant(&c.Claim)
	a = accusation{kind: Missing, tag: c.Tag}
	if len(meant) == 1 {
		who := meant[0]
		a.who = who
		if below := who.below(c.Number); below != 0 {
			a.from = s.placeOf(who, below).Place
		}
		switch {
		case who.holds(c.Number):
			a.kind = Fork
		case c.Number < who.Top:
			return a, false // that it is missing is proven
		}
		// Whoever names a number has seen it, and so what its author wrote before.
		if a.from.Compare(c.At.Place) > 0 {
			a.kind = Refuted
			return a, true
		}
	}
	a.hole, a.complete = s.stretch(a.from, c.At.Place)
	a.complete = a.complete && !s.untried(c.Tag, c.Number, c.Number)
	return a, true
}

// segments cuts what several say of one author into ranges of which the same accusers speak.
func (s *session) segments(of *accusation, claims []*claimRow) (all []*accusation) {
	slices.SortFunc(claims, func(a, b *claimRow) int {
		return cmp.Or(-cmp.Compare(a.Number, b.Number), bytes.Compare(a.By[:], b.By[:]))
	})
	ranges := of.kind == Missing && of.who != nil
	var by []*authorRow
	count := 0
	for i := 0; i < len(claims); {
		a := *of
		a.first, a.last, a.at = claims[i].Number, claims[i].Number, claims[i].At.Place
		for ; i < len(claims) && claims[i].Number == a.last; i++ {
			a.leads = append(a.leads, s.author(claims[i].By))
		}
		if !ranges {
			by, count = nil, 0
		} else if a.first = of.who.Top + 1; i < len(claims) {
			a.first = claims[i].Number + 1
		}
		slices.SortFunc(a.leads, s.rank)
		// Whoever names a number speaks of all below it: those who are to be named of these are among a few.
		by = slices.Concat(by, a.leads[:min(len(a.leads), maxAccusers)])
		slices.SortFunc(by, s.rank)
		by = by[:min(len(by), maxAccusers)]
		count += len(a.leads)
		a.by, a.count = by, count
		all = append(all, &a)
	}
	return all
}

// rank puts those first whose word weighs more: whose key was compared, then who is known longest.
func (s *session) rank(a, b *authorRow) int {
	if a.Compared != b.Compared {
		if a.Compared {
			return -1
		}
		return 1
	}
	return cmp.Or(s.placeOf(a, a.Base).Compare(s.placeOf(b, b.Base)), bytes.Compare(a.Key[:], b.Key[:]))
}

// accuse returns the finding of an accusation.
func (s *session) accuse(a *accusation) Finding {
	f := Finding{Kind: a.kind, Tag: a.tag, Name: a.tag.Name(), First: a.first, Last: a.last, At: a.at}
	if a.who != nil {
		f.Author, f.Name = a.who.Key, s.name(a.who.Key)
	}
	if a.kind == Missing {
		f.Have, f.Parts = s.partsOf(a.tag, a.first, a.last)
	}
	f.By, f.ByName, f.Count = a.leads[0].Key, s.names(a.by, a.count), a.count
	return f
}

// names names the first of several accusers, and counts the others of as many as count says.
func (s *session) names(first []*authorRow, count int) string {
	var names []string
	for _, a := range first {
		names = append(names, s.name(a.Key))
	}
	if n := count - len(names); n > 0 {
		names = append(names, strconv.Itoa(n)+" more")
	}
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " and " + names[last]
	}
	return names[0]
}

// refuted returns the finding about a claim that cannot be true.
func (s *session) refuted(c *claimRow) Finding {
	f := s.finding(Refuted, s.meant(&c.Claim)[0], c.Number, c.At.Place)
	f.By, f.ByName, f.Count = c.By, s.name(c.By), 1
	return f
}

// claims returns those of a kind that are kept, in a fixed order.
func (s *session) claims(of func(*Claim) bool) []*claimRow {
	var rows []*claimRow
	add := func(some []*claimRow) {
		for _, c := range some {
			if !c.gone && of(&c.Claim) {
				rows = append(rows, c)
			}
		}
	}
	for _, tag := range s.tags {
		if tag.claims == nil {
			add(tag.unsettled)
		}
		for _, claims := range tag.claims {
			add(claims)
		}
	}
	slices.SortFunc(rows, func(a, b *claimRow) int { return a.compare(&b.Claim) })
	return rows
}
