package room

import (
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// batch is entries that are kept in one transaction.
type batch struct {
	in *Intake
	// fresh are entries that were not kept before, changed those of which something else was, and again those that are
	// kept and were opened once more, with a new key.
	fresh   []*page
	changed []changedPage
	again   []*page

	cells    []record.Cell
	texts    []textToken
	told     []record.Finding
	findings Findings
}

// textToken is a token that holds something else than a cell.
type textToken struct {
	at     record.Place
	posted time.Time
	*opened
}

// compare finds out which entries are kept already. Those that are kept as they are now are done.
func (b *batch) compare(pages []page) error {
	store := b.in.c.store
	places := make([]record.Place, len(pages))
	for i := range pages {
		places[i] = pages[i].at
	}
	i := 0
	for run := range runs(places) {
		err := store.Entries(run[0], run[len(run)-1], func(e kept.Entry) error {
			for ; i < len(pages) && pages[i].at.Compare(e.At) < 0; i++ {
				b.add(&pages[i])
			}
			if i == len(pages) || pages[i].at != e.At {
				return nil
			}
			if !slices.Equal(pages[i].tokens, e.Tokens) {
				b.changed = append(b.changed, changedPage{e, &pages[i]})
			}
			i++
			return nil
		})
		if err != nil {
			return err
		}
	}
	for ; i < len(pages); i++ {
		b.add(&pages[i])
	}
	return nil
}

// add takes in an entry that is not kept.
func (b *batch) add(p *page) {
	if p.damaged {
		count(&b.findings.Damaged, &b.findings.FirstDamaged, &b.findings.LastDamaged, p.at.Entry)
	}
	if len(p.tokens) > 0 {
		b.fresh = append(b.fresh, p)
	}
}

// callsAtOnce is how often a reading lets chains that were left untried be tried.
const callsAtOnce = 8

// keep judges the batch and keeps it.
func (b *batch) keep(facts *Facts) error {
	if facts == nil && len(b.fresh)+len(b.changed)+len(b.again) == 0 {
		return nil
	}
	in, c := b.in, b.in.c
	view, now := partOfFeed(), time.Now()
	if facts != nil {
		view, now = facts.View, facts.Now
		view.Clear = in.clears
	}
	var results []*record.Result
	var elsewhere []uint32
	err := c.note(func() error {
		results, elsewhere = nil, nil
		state, err := c.store.State()
		if err != nil {
			return err
		}
		if state.Clears != in.clears {
			return ErrReadElsewhere
		}
		version, err := c.store.Version()
		if err != nil {
			return err
		}
		if version != c.version {
			c.reader, c.version = record.NewReader(c.o.Salt, c.own), version
		}
		if err := b.collect(facts); err != nil {
			return err
		}
		// What is left of many forged records is tried in the next reading.
		for cells, more, calls := b.cells, true, 0; more && calls < callsAtOnce; cells, calls = nil, calls+1 {
			result, err := c.reader.Read(c.known(), cells, view, now)
			if err != nil {
				return err
			}
			texts := b.texts
			if len(results) > 0 {
				texts = nil
			}
			found, err := b.learn(result, texts, state.Own)
			if err != nil {
				return err
			}
			elsewhere = append(elsewhere, found...)
			results = append(results, result)
			more = result.More
		}
		if facts == nil {
			return nil
		}
		return in.finish(&state, facts)
	})
	if err != nil {
		return err
	}
	b.report(results, elsewhere)
	return nil
}

// finish keeps the facts, where they are new.
func (in *Intake) finish(state *kept.State, facts *Facts) error {
	position := facts.Position
	if position == nil {
		position = state.Position
	}
	if slices.Equal(position, state.Position) && slices.Equal(in.ids, state.Keys) {
		return nil
	}
	state.Position, state.Keys = position, in.ids
	return in.c.store.SetState(*state)
}

// collect keeps the entries, and gathers what the tokens hold that did not come before.
func (b *batch) collect(facts *Facts) error {
	store := b.in.c.store
	n := 0
	for _, p := range b.fresh {
		n += len(p.opened)
	}
	b.cells = make([]record.Cell, 0, n)
	for _, p := range b.fresh {
		added, err := store.AddEntry(kept.Entry{At: p.at, Posted: p.posted, Tokens: p.tokens, Unopened: p.unopened})
		if err != nil {
			return err
		}
		if !added {
			continue // another process has read it meanwhile
		}
		if p.unopened {
			count(&b.findings.NotOurs, &b.findings.FirstNotOurs, &b.findings.LastNotOurs, p.at.Entry)
		}
		for i := range p.opened {
			if err := b.claim(p.at, p.posted, &p.opened[i], false); err != nil {
				return err
			}
		}
	}
	for _, p := range b.again {
		if !p.unopened {
			if err := store.PutEntry(kept.Entry{At: p.at, Posted: p.posted, Tokens: p.tokens}); err != nil {
				return err
			}
		}
		for i := range p.opened {
			if err := b.claim(p.at, p.posted, &p.opened[i], true); err != nil {
				return err
			}
		}
	}
	if err := b.rewritten(facts); err != nil {
		return err
	}
	return store.Apply(&record.Change{Told: b.told})
}

// claim takes an opened token in, unless it came before. A copy that stands lower than the first counts as a repeat and
// moves what it holds.
func (b *batch) claim(at record.Place, posted time.Time, t *opened, again bool) error {
	c := b.in.c
	first, fresh, err := c.store.ClaimMAC(t.mac, at)
	if err != nil {
		return err
	}
	lower := !fresh && at.Compare(first) < 0
	switch {
	case fresh:
	case again && at == first:
		return nil // it was opened before
	default:
		b.findings.Repeats++
	}
	if lower {
		if err := c.store.MoveMAC(t.mac, at); err != nil {
			return err
		}
	}
	switch {
	case t.isCell() && (fresh || lower):
		b.cells = append(b.cells, c.cell(at, t))
	case t.isCell():
	case fresh:
		b.texts = append(b.texts, textToken{at, posted, t})
	case lower:
		return b.moveText(first, at, t)
	}
	return nil
}

// moveText moves a text to where it stands now.
func (b *batch) moveText(from, to record.Place, t *opened) error {
	for i := range b.texts { // it may be in this batch
		if b.texts[i].mac == t.mac {
			b.texts[i].at, b.texts[i].opened = to, t
			return nil
		}
	}
	store := b.in.c.store
	field := 0
	err := store.Entries(from, from, func(e kept.Entry) error {
		for n, raw := range kept.Tokens(e.Tokens) {
			if macOf(raw) == t.mac {
				field = n
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return store.MoveText(record.Spot{Place: from, Field: field}, record.Spot{Place: to, Field: t.field})
}

// report adds what came of the batch to what is handed out.
func (b *batch) report(results []*record.Result, elsewhere []uint32) {
	in := b.in
	out := &in.out
	out.tell(b.told)
	out.Elsewhere = append(out.Elsewhere, elsewhere...)
	for _, r := range results {
		out.tell(r.Change.Told)
		out.TakenBack = appendBounded(out.TakenBack, r.Change.TakenBack)
		out.Receipts = append(out.Receipts, r.SeenBy...)
		out.LeftOver += r.LeftOver
		out.Refused += r.Refused
		out.Waiting = r.Waiting
		out.Fresh += len(r.Messages)
		for i := max(len(r.Messages)-in.keep, 0); i < len(r.Messages); i++ {
			m := &r.Messages[i]
			out.Items = append(out.Items, in.c.item(m, b.pageAt(m.At.Place)))
		}
	}
	out.Fresh += len(b.texts)
	for i := max(len(b.texts)-in.keep, 0); i < len(b.texts); i++ {
		t := &b.texts[i]
		out.Items = append(out.Items, in.c.text(t.at, t.posted, t.opened))
	}
	out.Findings.add(b.findings)
	slices.SortStableFunc(out.Items, func(a, b Item) int { return a.At.Compare(b.At) })
	if n := len(out.Items) - in.keep; n > 0 {
		out.Items = slices.Delete(out.Items, 0, n)
	}
}

// pageAt returns the entry of the batch that stands at a place. It is empty where the message has come without one:
// with chains that were left untried before, or with an entry that was rewritten.
func (b *batch) pageAt(at record.Place) *page {
	for _, pages := range [][]*page{b.fresh, b.again} {
		i, ok := slices.BinarySearchFunc(pages, at, func(p *page, at record.Place) int { return p.at.Compare(at) })
		if ok {
			return pages[i]
		}
	}
	return &page{}
}

func (out *Arrivals) tell(found []record.Finding) { out.Told = appendBounded(out.Told, found) }

func appendBounded(all, more []record.Finding) []record.Finding {
	return append(all, more[:min(len(more), maxFindings-len(all))]...)
}
