package room

import (
	"maps"
	"slices"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// tellLost tells which entries the relay was seen to lack, or to have rewritten: once for each, until it shows them again as
// they were.
func (b *batch) tellLost(facts *Facts) error {
	if facts == nil {
		return nil // another row of the same number may come that has what is lacking
	}
	all, err := b.gone(facts)
	if err != nil {
		return err
	}
	if err := b.takeBackLost(all); err != nil {
		return err
	}
	slices.SortFunc(all, record.Place.Compare)
	all = slices.Compact(all)
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Clear == all[0].Clear && all[n].Entry == all[n-1].Entry+1 {
			n++
		}
		b.told = append(b.told, lost(record.Wiped, all[0], all[n-1].Entry))
		all = all[n:]
	}
	return nil
}

// gone returns the entries that are kept and that the relay was seen to lack, and marks them.
func (b *batch) gone(facts *Facts) (lost []record.Place, err error) {
	lacking := maps.Clone(b.in.lacking)
	b.compareRows(lacking)
	for _, n := range facts.Twins {
		delete(lacking, record.Place{Clear: b.in.clears, Entry: n})
	}
	rewritten := slices.Clone(facts.Rewritten)
	for at := range lacking {
		rewritten = append(rewritten, at.Entry)
	}
	for _, n := range rewritten {
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

// takeBackLost unmarks the entries that this reading has shown as they were, unless they are lost as well, and takes back what
// was told of them: once all that was told together is back.
func (b *batch) takeBackLost(lost []record.Place) error {
	back := maps.Clone(b.in.back)
	b.comeBack(back)
	for _, at := range lost {
		delete(back, at)
	}
	if len(back) == 0 {
		return nil
	}
	for at := range back {
		if _, err := b.in.c.setWiped(at, at, false); err != nil {
			return err
		}
	}
	found, err := b.in.c.standing()
	if err != nil {
		return err
	}
	for _, f := range found {
		last := record.Place{Clear: f.At.Clear, Entry: f.Until}
		covers := func(at record.Place) bool { return f.At.Compare(at) <= 0 && at.Compare(last) <= 0 }
		if f.Kind != record.Wiped || f.At.Clear != b.in.clears || !slices.ContainsFunc(slices.Collect(maps.Keys(back)), covers) {
			continue
		}
		lost := false
		err := b.in.c.store.Entries(kept.EntryQuery{First: f.At, Last: last}, func(e kept.Entry) error {
			lost = lost || e.Wiped
			return nil
		})
		if err != nil {
			return err
		}
		if !lost {
			b.takenBack = append(b.takenBack, f)
		}
	}
	return nil
}

// comeBack adds the entries that are marked as wiped and of which the batch has a row with all that is kept.
func (b *batch) comeBack(back map[record.Place]bool) {
	for i := range b.pages {
		if p := &b.pages[i]; p.before.Wiped && !p.gone {
			back[p.at] = true
		}
	}
}

// compareRows adds the entries of which the batch has a row without tokens that are kept. If a reading has several rows
// of a number, none of them need have all.
func (b *batch) compareRows(lacking map[record.Place]bool) {
	for i := range b.pages {
		p := &b.pages[i]
		switch {
		case b.in.came.has(p.at):
			delete(lacking, p.at)
		case p.gone:
			lacking[p.at] = true
		}
	}
}

// mark marks the entries that are kept of a range as wiped, and returns those that were not.
func (b *batch) mark(first, last int64) (marked []record.Place, err error) {
	in := b.in
	from := record.Place{Clear: in.clears, Entry: max(first, 0)}
	to := record.Place{Clear: in.clears, Entry: min(last, kept.MaxEntry)}
	return in.c.setWiped(from, to, true)
}

// setWiped marks the entries that are kept of a range as wiped, or as there again, and returns those that were not.
func (c *Conversation) setWiped(from, to record.Place, wiped bool) (changed []record.Place, err error) {
	var entries []kept.Entry
	err = c.store.Entries(kept.EntryQuery{First: from, Last: to}, func(e kept.Entry) error {
		if e.Wiped != wiped {
			e.Wiped = wiped
			entries = append(entries, e)
			changed = append(changed, e.At)
		}
		return nil
	})
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	return changed, c.store.Apply(&kept.Change{Entries: entries})
}

// lost is the finding that entries are not there any more, or are other ones: some of them, or all after a clear.
func lost(kind record.FindingKind, first record.Place, last int64) record.Finding {
	return record.Finding{Kind: kind, At: first, Until: last, Count: int(last - first.Entry + 1)}
}
