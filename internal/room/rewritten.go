package room

import (
	"bytes"
	"slices"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// changedPage is an entry that comes back otherwise.
type changedPage struct {
	before kept.Entry
	now    *page
}

// rewritten takes in what stands in the place of entries that are kept, and tells that they were lost, once for each.
func (b *batch) rewritten(facts *Facts) error {
	var lost []record.Place
	for i := range b.changed {
		e, now := b.changed[i].before, b.changed[i].now
		tokens, added := supplement(e.Tokens, now)
		gone := !e.Wiped && !isSubset(e.Tokens, now.tokens) // more is no loss: a field may have been switched on
		if !gone && len(added) == 0 {
			continue
		}
		if gone {
			lost = append(lost, e.At)
			e.Wiped = true
		}
		e.Tokens = tokens
		if err := b.in.c.store.PutEntry(e); err != nil {
			return err
		}
		for j := range added {
			if err := b.claim(e.At, e.Posted, &added[j], false); err != nil {
				return err
			}
		}
	}
	if facts != nil {
		gone, err := b.gone(facts)
		if err != nil {
			return err
		}
		lost = append(lost, gone...)
	}
	slices.SortFunc(lost, record.Place.Compare)
	lost = slices.Compact(lost)
	for len(lost) > 0 {
		n := 1
		for n < len(lost) && lost[n].Clear == lost[0].Clear && lost[n].Entry == lost[n-1].Entry+1 {
			n++
		}
		b.told = append(b.told, wiped(lost[0], lost[n-1].Entry))
		lost = lost[n:]
	}
	return nil
}

// gone returns the entries that are kept and that the relay was seen to lack, and marks them.
func (b *batch) gone(facts *Facts) (lost []record.Place, err error) {
	for _, n := range facts.Rewritten {
		marked, err := b.mark(n, n)
		if err != nil {
			return nil, err
		}
		lost = append(lost, marked...)
	}
	for _, h := range facts.View.Holes {
		if !h.Asked {
			continue
		}
		marked, err := b.mark(h.First, h.Last)
		if err != nil {
			return nil, err
		}
		lost = append(lost, marked...)
	}
	return lost, nil
}

// mark marks the entries that are kept of a range as wiped, and returns those that were not.
func (b *batch) mark(first, last int64) (marked []record.Place, err error) {
	in := b.in
	from := record.Place{Clear: in.clears, Entry: max(first, 0)}
	to := record.Place{Clear: in.clears, Entry: min(last, kept.MaxEntry)}
	var entries []kept.Entry
	err = in.c.store.Entries(from, to, func(e kept.Entry) error {
		if !e.Wiped {
			entries = append(entries, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		e.Wiped = true
		if err := in.c.store.PutEntry(e); err != nil {
			return nil, err
		}
		marked = append(marked, e.At)
	}
	return marked, nil
}

// wiped is the finding that entries are not there any more, or are other ones.
func wiped(first record.Place, last int64) record.Finding {
	return record.Finding{Kind: record.Wiped, At: first, Until: last, Count: int(last - first.Entry + 1)}
}

// supplement returns the tokens that were kept for an entry together with those in its place now that are not among
// them and that a key opens, as what has come later; and those as opened tokens.
func supplement(before []byte, now *page) (tokens []byte, added []opened) {
	var highest [thingspeak.FieldCount + 1]int
	tokens = before
	has := map[[16]byte]bool{}
	for field, raw := range kept.Tokens(before) {
		has[macOf(raw)] = true
		n := (field-1)%thingspeak.FieldCount + 1
		highest[n] = max(highest[n], field)
	}
	raws := map[[16]byte][]byte{}
	for _, raw := range kept.Tokens(now.tokens) {
		raws[macOf(raw)] = raw
	}
	for _, t := range now.opened {
		if has[t.mac] {
			continue
		}
		has[t.mac] = true
		field := t.field
		if h := highest[field]; h > 0 {
			field = h + thingspeak.FieldCount
		}
		if field > 0xff {
			continue // this field was rewritten thirty times
		}
		highest[t.field] = field
		t.field = field
		tokens = kept.AppendToken(bytes.Clone(tokens), field, raws[t.mac])
		added = append(added, t)
	}
	return tokens, added
}

// isSubset reports whether all tokens of an entry are among others.
func isSubset(some, all []byte) bool {
	has := map[string]bool{}
	for _, raw := range kept.Tokens(all) {
		has[string(raw)] = true
	}
	for _, raw := range kept.Tokens(some) {
		if !has[string(raw)] {
			return false
		}
	}
	return true
}
