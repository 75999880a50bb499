package room

import (
	"maps"
	"slices"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// keepToSize makes an archive smaller that has come to its size: it drops old findings about cells of no record, then such
// cells, those that came first before others, and at last tokens that no key opens. Records stay. The error is [*model.FullError] if there are not enough of them.
func (b *batch) keepToSize(state *kept.State) error {
	c := b.in.c
	size, err := c.store.Size()
	if err != nil || c.o.ArchiveSize == 0 || size <= c.o.ArchiveSize {
		return err
	}
	// Or every reading would go through the whole archive again, only to end here and be rolled back.
	if state.Full.Size == c.o.ArchiveSize && b.used <= state.Full.Used+c.o.ArchiveSize/16 {
		return &model.FullError{Size: c.o.ArchiveSize}
	}
	if err := dropFindings(c.store, max(min(c.o.ArchiveSize>>14, maxFindings), 1)); err != nil {
		return err
	}
	if err := b.letGoOfCells(state, &size); err != nil {
		return err
	}
	if size > c.o.ArchiveSize {
		if err := c.store.Apply(&kept.Change{UnopenedGone: true}); err != nil {
			return err
		}
		if size, err = c.store.Size(); err != nil {
			return err
		}
	}
	if size > c.o.ArchiveSize {
		b.full = kept.Full{Used: b.used, Size: c.o.ArchiveSize}
		return &model.FullError{Size: c.o.ArchiveSize}
	}
	state.Full = kept.Full{}
	c.reader = record.NewReader(c.o.Salt, c.own) // what it remembers may be gone
	return c.store.Apply(&kept.Change{State: state})
}

// inTransit is how many of the newest entries may hold the beginning of a message of which the rest is still to come: they are
// gone through only where what has come before them makes no room.
const inTransit = 256

// letGoOfCells drops cells of no record until the archive, of that size, is small enough. The entries are noted: a record may
// lack what they had.
func (b *batch) letGoOfCells(state *kept.State, size *int64) error {
	c := b.in.c
	all, err := c.store.Ranges(kept.LetGo)
	if err != nil {
		return err
	}
	all, _ = within(all, state.Clears) // what stood before a clear is not shown again
	gone, found := entrySet{all: all}, false
	_, newest, err := c.span(state.Clears)
	if err != nil {
		return err
	}
	old := record.Place{Clear: newest.Clear, Entry: max(newest.Entry-inTransit, 0)}
	young := record.Place{Clear: old.Clear, Entry: old.Entry + 1}
	for _, part := range []struct {
		first, last record.Place
		enough      int64
	}{
		{state.LetGo, old, c.o.ArchiveSize / 16 * 15}, // a little further saves doing it all again for the next batch
		{young, kept.Highest(), c.o.ArchiveSize},
		{record.Place{}, old, c.o.ArchiveSize}, // what has come since may stand below
	} {
		for from := part.first; *size > part.enough; {
			pages, err := c.keptPages(kept.EntryQuery{First: from, Last: part.last, Limit: entriesAtOnce})
			if err != nil {
				return err
			}
			if len(pages) == 0 {
				break
			}
			c.openAll(pages)
			for k := range pages {
				some, err := c.evict(&pages[k])
				if err != nil {
					return err
				}
				found = found || some
				if at := pages[k].at; some && at.Clear == state.Clears && gone.add(at) {
					model.Count(&b.findings.LetGo, &b.findings.FirstLetGo, &b.findings.LastLetGo, at.Entry)
				}
			}
			from = pages[len(pages)-1].at
			from.Entry++
			if part.last == old {
				state.LetGo = from
			}
			if *size, err = c.store.Size(); err != nil {
				return err
			}
		}
	}
	if !found {
		return nil
	}
	gone.bound()
	return c.store.Apply(&kept.Change{
		Ranges: map[int][]kept.Range{kept.LetGo: gone.all},
		Marks:  []kept.Mark{{Name: letGoMark, Message: c.o.ArchiveSize}},
	})
}

// letGoMark is the name of the mark at the size of the archive with which cells were let go of.
const letGoMark = "let go of cells at this size"

// noteFull notes, once the batch was rolled back, that messages alone fill the archive, if that has just turned out.
func (b *batch) noteFull() error {
	if b.full == (kept.Full{}) {
		return nil
	}
	c := b.in.c
	return c.note(func() error {
		state, err := c.store.State()
		if err != nil {
			return err
		}
		state.Full = b.full
		return c.store.Apply(&kept.Change{State: &state})
	})
}

// evict drops the cells in an entry that are of no record, and reports whether there were any.
func (c *Conversation) evict(p *page) (some bool, err error) {
	e := kept.Entry{At: p.at, Posted: p.posted, Wiped: p.before.Wiped}
	var change kept.Change
	var gone []record.Spot
	groups := map[record.GroupID]bool{} // each cell may have one of its own, whose row would stay for good
	for field, raw := range kept.Tokens(p.tokens) {
		t := p.in(field)
		if t != nil && t.isCell() {
			cell := c.cell(p.at, t)
			needed, err := c.isOfRecord(&cell)
			if err != nil {
				return false, err
			}
			if !needed {
				gone = append(gone, cell.Spot)
				if id, err := cell.Group(); err == nil {
					groups[id] = true
				}
				change.MACsGone = append(change.MACsGone, t.mac)
				continue
			}
		}
		e.Tokens = kept.AppendToken(e.Tokens, field, raw)
	}
	if len(gone) == 0 {
		return false, nil
	}
	change.Entries, change.Learnt = []kept.Entry{e}, &record.Change{PendingGone: gone}
	change.Emptied = slices.Collect(maps.Keys(groups))
	return true, c.store.Apply(&change)
}

// dropFindings lets go of the findings about cells of no record, which anybody with the room's key can make without end,
// but for those among the newest events, as many as keep says. One that turns out anew is told anew; that a record is
// incomplete of which parts are held is told once, so that stays.
func dropFindings(store Store, keep int64) error {
	end, err := store.End()
	if err != nil {
		return err
	}
	newest := map[record.FindingID]int64{} // of its events
	old := map[int64]record.FindingID{}
	err = eachFinding(store, func(e *kept.Event) {
		f := &e.Finding
		if f.Kind == record.Forged || f.Kind == record.Incomplete || f.Kind == record.Malformed && f.Author.IsZero() {
			if newest[f.ID()] = e.ID; e.ID <= end.Event-keep {
				old[e.ID] = f.ID()
			}
		}
	})
	if err != nil {
		return err
	}
	var change kept.Change
	for event, id := range old {
		// What an older event says of a finding that was told again since, the newer one says.
		if newest[id] == event {
			lacks, err := toldIncomplete(store, id)
			if err != nil {
				return err
			}
			if lacks {
				continue
			}
			change.ToldGone = append(change.ToldGone, id)
		}
		change.EventsGone = append(change.EventsGone, event)
	}
	return store.Apply(&change)
}

// toldIncomplete reports whether a finding is that a record is incomplete of which parts are held.
func toldIncomplete(store Store, id record.FindingID) (bool, error) {
	if id.Kind != record.Incomplete {
		return false, nil
	}
	groups, err := store.Groups(record.GroupQuery{
		Tag: id.Tag, First: id.Number, Last: id.Number, Only: record.WasIncomplete,
	})
	return len(groups) > 0, err
}

// isOfRecord reports whether a cell is where a record that is held has it.
func (c *Conversation) isOfRecord(cell *record.Cell) (bool, error) {
	id, err := cell.Group()
	if err != nil {
		return false, nil
	}
	authors, err := c.store.Authors(record.AuthorQuery{Tag: &id.Tag})
	if err != nil {
		return false, err
	}
	for i := range authors {
		held, err := c.store.Held(record.HeldQuery{Author: authors[i].Key, First: id.Number, Last: id.Number})
		if err != nil {
			return false, err
		}
		for i := range held {
			if slices.Contains(held[i].Cells, cell.Spot) {
				return true, nil
			}
		}
	}
	return false, nil
}
