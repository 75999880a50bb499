package room

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// ErrReadElsewhere means that another process has noticed meanwhile that the channel was cleared. What was read before
// is kept; the rest is to be read again, from the position that the archive has now.
var ErrReadElsewhere = errors.New("another process has read the room meanwhile")

// Facts are what a reader of the feed knows once it has read as far as it wants.
type Facts struct {
	// View tells what is lacking. Numbers that were given up belong among its holes.
	View record.View
	// Position is where reading goes on, to be kept beside what was read; nil leaves the one before.
	Position []byte
	// LastID is the channel's last entry number, 0 if it is not known.
	LastID int64
	// Rewritten are entries that the relay was seen to lack, or to have rewritten.
	Rewritten []int64
	// Now is the reader's clock.
	Now time.Time
}

// Arrivals are what a reading has brought. All of it is kept already.
type Arrivals struct {
	// Items are the newest of the messages that came, as many as were asked for, by place; Fresh is how many came.
	Items []Item
	Fresh int
	// Told are new findings, TakenBack findings that were told and turned out otherwise, and Waiting what may be missing
	// but may still come. Of more than 10,000 told only the first are here.
	Told, TakenBack, Waiting []record.Finding
	// Receipts say who has seen messages of our own.
	Receipts []record.Receipt
	// Findings counts rows and what is no message. Rows that were known before count as entries only.
	Findings
	// LeftOver and Refused count cells that belong to no record, see [record.Result].
	LeftOver, Refused int
	// Elsewhere are the numbers of records of our own key that this archive has not written: there is a copy of it, or
	// this is an old one.
	Elsewhere []uint32
}

// maxFindings bounds the findings that are handed out at a time.
const maxFindings = 10_000

// entriesAtOnce is how many entries are read in one transaction: enough to keep all processors busy.
const entriesAtOnce = 4096

// Intake is one reading of the feed: entries are added in any order, and Finish says what came of them. While entries
// come in, those before them are opened, judged and kept in the background; the Conversation must not be used until
// Finish, which must be called.
type Intake struct {
	c     *Conversation
	keep  int
	state kept.State // as it was when the reading began
	// clears counts the clears before the entries that are added.
	clears uint32

	batch   []thingspeak.Entry
	entries int // that were added
	refused int // those of them with a number that no relay gives

	// working is closed when the batch under way is done. Until then what follows belongs to it.
	working chan struct{}
	err     error
	out     Arrivals
}

// Receive begins a reading. Of the messages that come the newest are handed out, as many as keep says.
func (c *Conversation) Receive(keep int) (*Intake, error) {
	state, err := c.store.State()
	if err != nil {
		return nil, fmt.Errorf("reading the room: %w", err)
	}
	return &Intake{c: c, keep: keep, state: state, clears: state.Clears}, nil
}

// Position returns what the reading before was finished with: where to go on.
func (in *Intake) Position() []byte { return in.state.Position }

// Add hands in an entry. The error is one of a batch before: the reading is to be ended with Finish.
func (in *Intake) Add(e *thingspeak.Entry) error {
	in.entries++
	if e.ID < 1 || e.ID > kept.MaxEntry {
		in.refused++
		return nil
	}
	in.batch = append(in.batch, *e)
	if len(in.batch) < entriesAtOnce {
		return nil
	}
	if err := in.wait(); err != nil {
		return err
	}
	batch := in.batch
	in.batch = make([]thingspeak.Entry, 0, entriesAtOnce)
	done := make(chan struct{})
	in.working = done
	go func() {
		defer close(done)
		in.err = in.take(batch, nil)
	}()
	return nil
}

// wait waits for the batch that is under way.
func (in *Intake) wait() error {
	if in.working != nil {
		<-in.working
		in.working = nil
	}
	return in.err
}

// Cleared tells that the channel was cleared: what is added from here on comes after all that was read before, and its
// numbers have begun anew.
func (in *Intake) Cleared() error {
	if err := in.wait(); err != nil {
		return err
	}
	in.err = in.take(in.batch, nil)
	in.batch = nil
	if in.err == nil {
		in.err = in.clear()
	}
	return in.err
}

// clear notes the clear, unless another process has done so since the reading began.
func (in *Intake) clear() error {
	var told []record.Finding
	err := in.c.transact(func() error {
		state, err := in.c.store.State()
		if err != nil {
			return err
		}
		if state.Clears != in.clears {
			in.clears = state.Clears
			return nil
		}
		first, last, err := in.c.store.Span(state.Clears)
		if err != nil {
			return err
		}
		if first.Entry > 0 {
			told = []record.Finding{wiped(first, last.Entry)}
		}
		if state.Clears == kept.MaxClear {
			return errors.New("the channel was cleared too often")
		}
		state.Clears++
		state.Position = nil
		in.clears = state.Clears
		if err := in.c.store.Apply(&record.Change{Told: told}); err != nil {
			return err
		}
		return in.c.store.SetState(state)
	})
	if err != nil {
		return fmt.Errorf("noting that the channel was cleared: %w", err)
	}
	in.out.tell(told)
	return nil
}

// wiped is the finding that entries are not there any more, or are other ones.
func wiped(first record.Place, last int64) record.Finding {
	return record.Finding{Kind: record.Wiped, At: first, Until: last, Count: int(last - first.Entry + 1)}
}

// Finish ends the reading: what is left is opened, judged by all that was read, and kept with the facts.
func (in *Intake) Finish(facts Facts) (Arrivals, error) {
	err := in.wait()
	if err == nil {
		err = in.reopen()
	}
	if err == nil {
		err = in.take(in.batch, &facts)
	}
	in.out.Entries, in.out.Refused = in.entries, in.out.Refused+in.refused
	if err != nil {
		return in.out, err
	}
	c := in.c
	c.read = true
	c.newest = record.Place{Clear: in.clears, Entry: min(max(facts.LastID, 0), kept.MaxEntry)}
	return in.out, nil
}

// reopen reads what was kept unopened, if a key has come since.
func (in *Intake) reopen() error {
	c := in.c
	ids := c.sortedIDs()
	if len(in.state.Keys) == 0 || !slices.ContainsFunc(ids, func(id record.KeyID) bool {
		return !slices.Contains(in.state.Keys, id)
	}) {
		return nil
	}
	at := record.Place{}
	for {
		var pages []*page
		err := c.store.Unopened(at, entriesAtOnce, func(e kept.Entry) error {
			at = e.At
			pages = append(pages, &page{at: e.At, posted: e.Posted, tokens: e.Tokens})
			return nil
		})
		if err != nil {
			return fmt.Errorf("reading with a new key: %w", err)
		}
		if len(pages) == 0 {
			return nil
		}
		c.openAll(pages)
		b := batch{in: in, again: pages}
		if err := b.keep(nil); err != nil {
			return fmt.Errorf("reading with a new key: %w", err)
		}
	}
}

// take reads a batch of entries; with facts it is the last one.
func (in *Intake) take(entries []thingspeak.Entry, facts *Facts) error {
	pages := make([]page, len(entries))
	parallel(len(entries), func(i int) { pages[i].read(&entries[i], in.clears) })
	slices.SortStableFunc(pages, func(a, b page) int { return a.at.Compare(b.at) })
	pages = slices.CompactFunc(pages, func(a, b page) bool { return a.at == b.at })

	b := batch{in: in}
	if err := b.compare(pages); err != nil {
		return fmt.Errorf("reading the room: %w", err)
	}
	in.c.openAll(b.fresh)
	for i := range b.changed {
		in.c.opener.open(b.changed[i].now)
	}
	if err := b.keep(facts); err != nil {
		return fmt.Errorf("reading the room: %w", err)
	}
	return nil
}

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

// changedPage is an entry that comes back otherwise.
type changedPage struct {
	before kept.Entry
	now    *page
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

// keep judges the batch and keeps it.
func (b *batch) keep(facts *Facts) error {
	if facts == nil && len(b.fresh)+len(b.changed)+len(b.again) == 0 {
		return nil
	}
	in, c := b.in, b.in.c
	view, now := partOfFeed(), time.Now()
	if facts != nil {
		view, now = facts.View, facts.Now
	}
	var results []*record.Result
	var elsewhere []uint32
	err := c.transact(func() error {
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
		for cells, more := b.cells, true; more; cells = nil {
			result, err := c.reader.Read(c.known(), cells, view, now)
			if err != nil {
				return err
			}
			texts := b.texts
			if len(results) > 0 {
				texts = nil
			}
			found, err := b.learn(result, cells, texts, state.Own)
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
	ids := in.c.sortedIDs()
	position := facts.Position
	if position == nil {
		position = state.Position
	}
	if slices.Equal(position, state.Position) && slices.Equal(ids, state.Keys) {
		return nil
	}
	state.Position, state.Keys = position, ids
	return in.c.store.SetState(*state)
}

// collect keeps the entries, and gathers what the tokens hold that did not come before.
func (b *batch) collect(facts *Facts) error {
	store := b.in.c.store
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
	if err := b.addCopies(); err != nil {
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

// addCopies hands in once more the cells of records that are held, where a copy of one has come that stands lower than
// the record does: it may stand lower, too, which only all copies of its cells tell.
func (b *batch) addCopies() error {
	store := b.in.c.store
	places := map[record.GroupID][]record.Place{}
	for i := range b.cells {
		if id, err := b.cells[i].Group(); err == nil {
			places[id] = append(places[id], b.cells[i].Place)
		}
	}
	tagged := map[record.Tag][]record.Author{}
	for id, at := range places {
		authors, ok := tagged[id.Tag]
		if !ok {
			keys, _, err := store.Tagged(id.Tag)
			if err != nil {
				return err
			}
			for _, key := range keys {
				a, _, err := store.Author(key)
				if err != nil {
					return err
				}
				authors = append(authors, a)
			}
			tagged[id.Tag] = authors
		}
		for i := range authors {
			if a := &authors[i]; a.Base == 0 || id.Number < a.Base || id.Number > a.Top {
				continue
			}
			if err := b.addCopy(authors[i].Key, id, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// addCopy does the work of addCopies for the records of one author with the number of a group, of which cells have come
// at some places. Those are noted, for the next copy.
func (b *batch) addCopy(author record.PublicKey, id record.GroupID, came []record.Place) error {
	c := b.in.c
	lowest := slices.MinFunc(came, record.Place.Compare)
	held, err := c.store.Held(author, id.Number, id.Number)
	if err != nil || !slices.ContainsFunc(held, func(h record.Held) bool { return h.At.Compare(lowest) > 0 }) {
		return err
	}
	places, err := c.store.Parts(author, id.Number)
	if err != nil {
		return err
	}
	for _, at := range came {
		if err := c.store.AddPart(kept.Part{Author: author, Number: id.Number, At: at}); err != nil {
			return err
		}
	}
	for _, h := range held {
		places = append(places, h.At)
	}
	pages, err := c.fetch(c.store, places)
	if err != nil {
		return err
	}
	for i := range pages {
		for cell := range pages[i].cells(&c.opener) {
			if group, err := cell.Group(); err == nil && group == id {
				b.cells = append(b.cells, cell)
			}
		}
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
	return store.MoveText(from, field, to, t.field)
}

// rewritten takes in what stands in the place of entries that are kept, and tells that they were lost, once for each.
func (b *batch) rewritten(facts *Facts) error {
	store := b.in.c.store
	var lost []record.Place
	for i := range b.changed {
		e, now := b.changed[i].before, b.changed[i].now
		tokens, added := supplement(e.Tokens, now)
		if !e.Wiped {
			if isSubset(e.Tokens, now.tokens) {
				// Another process has read it with other eyes, or a field was switched on: nothing was lost.
				if len(added) == 0 {
					continue
				}
			} else {
				lost = append(lost, e.At)
				e.Wiped = true
			}
		} else if len(added) == 0 {
			continue
		}
		e.Tokens = tokens
		if err := store.PutEntry(e); err != nil {
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
	in := b.in
	mark := func(first, last int64) error {
		var entries []kept.Entry
		err := in.c.store.Entries(
			record.Place{Clear: in.clears, Entry: max(first, 0)}, record.Place{Clear: in.clears, Entry: min(last, kept.MaxEntry)},
			func(e kept.Entry) error {
				if !e.Wiped {
					entries = append(entries, e)
				}
				return nil
			})
		for _, e := range entries {
			if err != nil {
				break
			}
			e.Wiped = true
			lost = append(lost, e.At)
			err = in.c.store.PutEntry(e)
		}
		return err
	}
	for _, n := range facts.Rewritten {
		if err := mark(n, n); err != nil {
			return nil, err
		}
	}
	for _, h := range facts.View.Holes {
		if h.Asked.IsZero() || facts.Now.Sub(h.Asked) < record.AskedLongEnough {
			continue
		}
		if err := mark(h.First, h.Last); err != nil {
			return nil, err
		}
	}
	return lost, nil
}

// learn keeps what a call of the reader has learnt, and returns the numbers of records of our own key that were written
// elsewhere.
func (b *batch) learn(
	result *record.Result, cells []record.Cell, texts []textToken, own record.PublicKey,
) (elsewhere []uint32, err error) {
	store := b.in.c.store
	parts, err := b.parts(result, cells)
	if err != nil {
		return nil, err
	}
	fresh := map[heldID]record.Place{}
	for i := range result.Messages {
		m := &result.Messages[i]
		fresh[heldID{m.Author, m.Number, m.Hash}] = m.At
	}
	change := result.Change
	change.Held = slices.DeleteFunc(slices.Clone(change.Held), func(h record.Held) bool {
		at, ok := fresh[heldID{h.Author, h.Number, h.Hash}]
		return ok && at == h.At
	})
	moved := change.Held
	change.Held = nil
	if err := store.Apply(&change); err != nil { // the authors must be there before their messages
		return nil, err
	}
	if err := b.addMessages(result, texts); err != nil {
		return nil, err
	}
	if err := store.Apply(&record.Change{Held: moved}); err != nil {
		return nil, err
	}
	for _, p := range parts {
		if err := store.AddPart(p); err != nil {
			return nil, err
		}
	}
	return b.readBack(result, own)
}

// heldID names a record.
type heldID struct {
	author record.PublicKey
	number uint32
	hash   record.Hash
}

// addMessages keeps records and texts in one order: that of their places.
func (b *batch) addMessages(result *record.Result, texts []textToken) error {
	store := b.in.c.store
	slices.SortFunc(texts, compareTexts)
	for i := range result.Messages {
		m := &result.Messages[i]
		for len(texts) > 0 && texts[0].at.Compare(m.At) < 0 {
			if err := store.AddMessage(texts[0].message()); err != nil {
				return err
			}
			texts = texts[1:]
		}
		err := store.AddMessage(kept.Message{
			Held: record.Held{Author: m.Author, Number: m.Number, Hash: m.Hash, Previous: m.Previous, At: m.At}, Kind: m.Kind(),
		})
		if err != nil {
			return err
		}
	}
	for i := range texts {
		if err := store.AddMessage(texts[i].message()); err != nil {
			return err
		}
	}
	return nil
}

func compareTexts(a, b textToken) int {
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.field, b.field))
}

func (t *textToken) message() kept.Message {
	return kept.Message{Held: record.Held{At: t.at}, Field: t.field}
}

// parts returns the entries that hold cells of the records that were read, apart from where these stand: from this batch,
// and from those before whose cells are pending until now.
func (b *batch) parts(result *record.Result, cells []record.Cell) (parts []kept.Part, err error) {
	type numberKey struct {
		tag    record.Tag
		number uint32
	}
	places := map[numberKey][]record.Place{}
	for i := range cells {
		id, err := cells[i].Group()
		if err != nil {
			continue
		}
		k := numberKey{id.Tag, id.Number}
		if at := places[k]; len(at) == 0 || at[len(at)-1] != cells[i].Place {
			places[k] = append(at, cells[i].Place)
		}
	}
	store := b.in.c.store
	for i := range result.Messages {
		h := &result.Messages[i]
		k := numberKey{h.Author.Tag(), h.Number}
		groups, err := store.Groups(k.tag, k.number, k.number)
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			spots, err := store.PendingSpots(g.ID)
			if err != nil {
				return nil, err
			}
			for _, s := range spots {
				places[k] = append(places[k], s.Place)
			}
		}
		for _, at := range places[k] {
			if at != h.At {
				parts = append(parts, kept.Part{Author: h.Author, Number: h.Number, At: at})
			}
		}
	}
	return parts, nil
}

// readBack takes records of the identity that signs here out of the outbox, and returns the numbers of those that were
// never there.
func (b *batch) readBack(result *record.Result, own record.PublicKey) (elsewhere []uint32, err error) {
	store := b.in.c.store
	for i := range result.Messages {
		m := &result.Messages[i]
		if m.Author != own {
			continue
		}
		sent, err := store.Own(m.Number, m.Number)
		if err != nil {
			return nil, err
		}
		if len(sent) == 0 || sent[0].Hash != m.Hash {
			elsewhere = append(elsewhere, m.Number)
			continue
		}
		if err := store.DeleteOwn(sent[0]); err != nil {
			return nil, err
		}
	}
	return elsewhere, nil
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
			out.Items = append(out.Items, in.c.item(&r.Messages[i]))
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

func (out *Arrivals) tell(found []record.Finding) { out.Told = appendBounded(out.Told, found) }

func appendBounded(all, more []record.Finding) []record.Finding {
	return append(all, more[:min(len(more), maxFindings-len(all))]...)
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
