package record

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// maxNames is how many nicknames one key can have pinned: nobody takes all names of a room.
const maxNames = 8

// Names tells how authors are called and which keys are one person's. It remembers the answers.
type Names struct{ l *ledger }

// NamesOf returns the names by what is known.
func NamesOf(known Known) *Names { return &Names{newLedger(known)} }

// Of returns how an author is called in the newest record.
func (n *Names) Of(key PublicKey) string { return n.l.name(key) }

// Person returns whose device a key is, which is the key itself if it is nobody's.
func (n *Names) Person(key PublicKey) PublicKey { return n.l.person(key) }

// LeftBy returns who has taken back that a key is a device of theirs, whoever's it is now.
func (n *Names) LeftBy(key PublicKey) []PublicKey { return n.l.leftBy(key) }

// Err returns the first error of what is known. Then the answers mean nothing.
func (n *Names) Err() error { return n.l.err }

// Name is how an author without nickname is called: a form that no nickname has.
func (t Tag) Name() string { return "~" + t.String() }

// name returns how an author is called by the last record.
func (l *ledger) name(key PublicKey) string { return l.label(key, l.author(key).Nick) }

// nameOf returns how the only author with a tag is called, or the tag.
func (l *ledger) nameOf(tag Tag) string {
	if signers := l.signers(tag); len(signers) == 1 {
		return l.name(signers[0].Key)
	}
	return tag.Name()
}

// label returns how a key is called in a record with this nickname: "ana", or, if it is a device of somebody, "py's
// phone", and "py's device (~3f9a12cd)" where the device has no name of its own. "py (~3f9a12cd)" is somebody else.
func (l *ledger) label(key PublicKey, nick string) string {
	called := l.called(key, nick)
	person := l.person(key)
	if person == key {
		return called
	}
	tag, owner := key.Tag().Name(), l.author(person).Nick
	if called == tag || owner != "" && l.alike(nick, owner) {
		return l.called(person, owner) + "'s device (" + tag + ")"
	}
	return l.called(person, owner) + "'s " + called
}

// alike reports whether two nicknames look alike.
func (l *ledger) alike(a, b string) bool {
	forms := l.skeletons(b)
	return slices.ContainsFunc(l.skeletons(a), func(form string) bool { return slices.Contains(forms, form) })
}

// called returns how a key is called by itself: by a nickname, if it is pinned to the key; with the tag
// behind it if it looks like another's; by the tag alone without a nickname, or with more than can be pinned.
func (l *ledger) called(key PublicKey, nick string) string {
	tag := key.Tag().Name()
	if nick == "" {
		return tag
	}
	switch own, others := l.holders(key, nick); {
	case own:
		return nick
	case !others && l.author(key).Pinned >= maxNames:
		return tag
	default:
		return nick + " (" + tag + ")"
	}
}

// holders reports whether a nickname is pinned to a key in all of its forms, and whether in any of them to somebody
// else's.
func (l *ledger) holders(key PublicKey, nick string) (own, others bool) {
	own = true
	for _, form := range l.skeletons(nick) {
		switch pinned, ok := l.pinned(form); {
		case !ok:
			own = false
		case l.person(pinned) != l.person(key):
			own, others = false, true
		}
	}
	return own, others
}

// nickname pins a record's nickname to its author, or finds that it looks like another's.
func (s *session) nickname(a *authorRow, r *Record, at Place) {
	if r.Nick == "" {
		return
	}
	own, others := s.holders(a.Key, r.Nick)
	switch {
	case others:
		s.judgeName(a, r.Nick, r.Number, at)
	case !own && !a.Nameless && a.Pinned < maxNames:
		for _, form := range s.skeletons(r.Nick) {
			if _, ok := s.pinned(form); !ok {
				s.pins[form] = pinRow{a.Key, true, true}
			}
		}
		a.Pinned++
		a.dirty = true
		s.takeBack(s.namesake(a, r.Nick, r.Number, at))
	}
}

// judgeName tells that a nickname of an author looks like another's, or takes that back. An author whose key was compared is
// nobody's namesake, for the user knows who it is, also by the tag. That does not give it the name: only [Compare] does, or
// whoever was compared once could take the name of anybody later, and had every name that it has ever used.
func (s *session) judgeName(a *authorRow, nick string, number uint32, at Place) {
	_, others := s.holders(a.Key, nick)
	if f := s.namesake(a, nick, number, at); others && !a.Compared {
		s.tell(f)
	} else {
		s.takeBack(f)
	}
}

// judgeNewest is judgeName of the nickname in an author's newest record.
func (s *session) judgeNewest(a *authorRow) {
	if a.Base != 0 && a.Nick != "" {
		s.judgeName(a, a.Nick, a.Top, s.placeOf(a, a.Top).Place)
	}
}

// HandOn returns the change by which forms of nicknames that were let go of get to those who have used them: first to keys
// that the user has compared under the nickname, as compared has it, then in the order of their lines, as if whoever had
// them before had never had one. What others have meanwhile stays theirs. records visits all records that are held. The
// heirs are who gets a nickname by it, as they have used it; all others who have used it are namesakes from now on.
func HandOn(
	known Known, forms []string, compared map[PublicKey]string, records func(visit func(Held) error) error,
) (change Change, heirs []Named, err error) {
	s := &session{ledger: newLedger(known)}
	type use struct {
		author PublicKey
		nick   string
	}
	first := map[use]Held{}
	err = records(func(h Held) error {
		isFree := func(form string) bool { return slices.Contains(forms, form) }
		if h.Author.IsZero() || h.Nick == "" || !slices.ContainsFunc(s.skeletons(h.Nick), isFree) {
			return nil
		}
		if before, ok := first[use{h.Author, h.Nick}]; !ok || h.Compare(&before) < 0 {
			first[use{h.Author, h.Nick}] = h
		}
		return nil
	})
	if err != nil {
		return Change{}, nil, err
	}
	rank := func(h *Held) int {
		if compared[h.Author] == h.Nick {
			return 0
		}
		return 1
	}
	uses := slices.SortedFunc(maps.Values(first), func(a, b Held) int { return cmp.Or(rank(&a)-rank(&b), a.Compare(&b)) })
	var others []Held
	for _, h := range uses {
		a := s.author(h.Author)
		pinned := a.Pinned
		if s.nickname(a, &Record{Number: h.Number, Nick: h.Nick}, h.At.Place); a.Pinned > pinned {
			heirs = append(heirs, Named{a.Key, h.Nick})
		} else {
			others = append(others, h)
		}
	}
	// Whoever came before the heir, above all who had the name, was nobody's namesake then.
	for _, h := range others {
		s.judgeName(s.author(h.Author), h.Nick, h.Number, h.At.Place)
	}
	return s.changes(), heirs, s.err
}

// takeOver gives an author whose key was compared a nickname that is pinned only to keys that were not. Then those are the
// namesakes, with all who are one person with them, and none who is one person with the author. Also what is pinned to a
// device of the author's becomes the author's own, who has it still when that is a device no more.
func (s *session) takeOver(a *authorRow, nick string) {
	if a.Pinned >= maxNames {
		return
	}
	var losers []*authorRow
	var forms []string
	for _, form := range s.skeletons(nick) {
		key, ok := s.pinned(form)
		if !ok {
			forms = append(forms, form)
		}
		if !ok || key == a.Key {
			continue
		}
		p, person := s.author(key), s.person(key)
		if p.Compared || person != s.person(a.Key) && s.author(person).Compared {
			return
		}
		forms = append(forms, form)
		if !slices.Contains(losers, p) {
			losers = append(losers, p)
		}
	}
	if len(forms) == 0 {
		return
	}
	for _, form := range forms {
		s.pins[form] = pinRow{a.Key, true, true}
	}
	a.Pinned, a.dirty = a.Pinned+1, true
	for _, p := range losers {
		p.Pinned, p.dirty = max(p.Pinned-1, 0), true
	}
	for _, p := range append(losers, a) {
		for _, key := range s.keysOf(s.person(p.Key)) {
			if k := s.author(key); s.alike(k.Nick, nick) {
				s.judgeNewest(k)
			}
		}
	}
}

// keysOf returns a person's own key and those of its devices.
func (l *ledger) keysOf(person PublicKey) []PublicKey {
	keys := []PublicKey{person}
	for _, c := range l.claimsBy(person) {
		if l.person(c.Device) == person {
			keys = append(keys, c.Device)
		}
	}
	return keys
}

func (s *session) namesake(a *authorRow, nick string, number uint32, at Place) Finding {
	f := s.finding(Namesake, a, number, at)
	f.Name = nick
	for _, form := range s.skeletons(nick) {
		if key, ok := s.pinned(form); ok && key != a.Key {
			f.Compared = f.Compared || s.author(key).Compared || s.author(s.person(key)).Compared
		}
	}
	return f
}

// Compare lets a key that the user has compared, as known has it, have the nickname of its newest record, unless that is
// pinned to another one that was compared. Another nickname, of an older record or a later one, it has only as everybody
// does: until the user compares it again under that. The change is to be kept; it says who is the namesake from now on. The
// key is none any more, under whatever name.
func Compare(known Known, key PublicKey) (Change, error) {
	s := &session{ledger: newLedger(known)}
	if a := s.author(key); a.Base != 0 {
		newest := Record{Number: a.Top, Nick: a.Nick}
		if newest.Nick != "" {
			s.takeOver(a, newest.Nick)
		}
		s.nickname(a, &newest, s.placeOf(a, a.Top).Place)
		held, err := known.Held(HeldQuery{Author: key, First: a.Base, Last: a.Top})
		if err != nil {
			s.fail(err)
		}
		nick := ""
		for i := range held {
			if h := &held[i]; h.Nick != nick && h.Nick != "" {
				nick = h.Nick
				s.takeBack(s.namesake(a, nick, h.Number, h.At.Place))
			}
		}
	}
	if s.err != nil {
		return Change{}, fmt.Errorf("giving a key its name: %w", s.err)
	}
	return s.changes(), nil
}

func (l *ledger) pinned(form string) (PublicKey, bool) {
	row, ok := l.pins[form]
	if !ok {
		pins, err := l.known.Pins(PinQuery{Form: form})
		if err != nil {
			l.fail(err)
		}
		if len(pins) > 0 {
			row = pinRow{key: pins[0].Key, found: true}
		}
		l.pins[form] = row
	}
	return row.key, row.found
}

// skeletons is [Skeletons], which costs more than looking up what it said of the nickname before.
func (l *ledger) skeletons(nick string) []string {
	forms, ok := l.forms[nick]
	if !ok {
		forms = Skeletons(nick)
		l.forms[nick] = forms
	}
	return forms
}

// nick returns the nickname in the record of an author with a number that is held; of a fork, in that with the lower
// hash.
func (s *session) nick(a *authorRow, number uint32) string { return s.records(a, number).nick() }

// rename tells where the nickname of an author changes: at number n, of which a record has come, and at the next one held.
// was is the nickname of the number until then.
func (s *session) rename(a *authorRow, n uint32, was string) {
	rows := s.records(a, n)
	nick, forked := rows.nick(), len(rows.rows) > 1
	if forked && nick == was {
		return // a rename that was told stands, and the other record comes last
	}
	before, after := a.below(n), a.above(n)
	if before != 0 && (forked || s.nick(a, before) != nick) {
		s.renamed(a, n, s.nick(a, before), nick)
	}
	if after != 0 && (forked || before == 0 || nick == "" || s.nick(a, before) != nick) {
		s.renamed(a, after, nick, s.nick(a, after))
	}
	if after != 0 && s.nick(a, after) == "" {
		s.renameAbove(a, after)
	}
	if after == 0 && a.Nick != nick {
		a.Nick, a.dirty = nick, true
	}
}

// maxUnnamed is how many records without nickname are looked through for one, on either side: whoever writes very many
// makes nobody search for long.
const maxUnnamed = 64

// nicknamed reports whether an author had a nickname before a number: otherwise one is the first, and no change of name.
func (s *session) nicknamed(a *authorRow, n uint32) bool {
	for range maxUnnamed {
		if n = a.below(n); n == 0 {
			return false
		}
		if s.nick(a, n) != "" {
			return true
		}
	}
	return false
}

// renameAbove judges the next nickname above a number without one anew: what came below may make it the first, or not.
func (s *session) renameAbove(a *authorRow, n uint32) {
	for range maxUnnamed {
		if n = a.above(n); n == 0 {
			return
		}
		nick := s.nick(a, n)
		if nick == "" {
			continue
		}
		f := s.finding(Renamed, a, n, s.placeOf(a, n).Place)
		if s.wasTold(f.ID()) != s.nicknamed(a, n) {
			s.renamed(a, n, "", nick)
		}
		return
	}
}

// renamed tells that an author is called otherwise from a number on, in place of what was told of it before another
// record came between. Who has chosen the name need not be told.
func (s *session) renamed(a *authorRow, number uint32, from, to string) {
	if a.Key == s.reader.own {
		return
	}
	f := s.finding(Renamed, a, number, s.placeOf(a, number).Place)
	// Not as whose device: that stands only until the claim is withdrawn, and this stays.
	f.Was, f.Name = s.called(a.Key, from), s.called(a.Key, to)
	s.takeBack(f)
	// Of nicknames that are not pinned for want of room the tag is shown: one tag instead of another is no news.
	if s.called(a.Key, from) != s.called(a.Key, to) && (from != "" || s.nicknamed(a, number)) {
		s.tell(f)
	}
}
