package room

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// batch is entries that are kept in one transaction.
type batch struct {
	in *Intake
	// pages are the entries in order, compared with what the store kept when it had the version.
	pages   []page
	version int64
	// kept means that the tokens were kept before, and stay in their fields.
	kept bool

	cells     []record.Cell
	texts     []textToken
	told      []record.Finding
	takenBack []record.Finding
	findings  model.Findings
	opened    int // tokens that had not come before
	// reshown means that a row has come again that stood before a clear.
	reshown bool
	// moved tells where tokens stand now that a copy has come which stands lower.
	moved map[record.Spot]record.Spot
	// ranges are those of the store that were asked for, by the reason why they are kept.
	ranges map[int]*entrySet
	// macs tell where the tokens stand, and change is what is to be kept of them.
	macs   map[[16]byte]record.Place
	change kept.Change
	// full is set if it turns out that messages alone fill the archive, used being what was in use before the batch.
	full kept.Full
	used int64
}

// textToken is a token that holds something else than a cell.
type textToken struct {
	at     record.Place
	posted time.Time
	own    uint32 // our number of it, 0 for somebody else's
	*opened
}

// prepare finds out which tokens are not kept yet, and opens them.
func (b *batch) prepare() error {
	c := b.in.c
	var err error
	if b.version, err = c.store.Version(); err != nil {
		return err
	}
	places := make([]record.Place, len(b.pages))
	for i := range b.pages {
		places[i] = b.pages[i].at
		b.pages[i].compare(kept.Entry{})
	}
	for run := range runs(places) {
		err := c.store.Entries(kept.EntryQuery{First: run[0], Last: run[len(run)-1]}, func(e kept.Entry) error {
			if p := b.pageAt(e.At); p != nil {
				p.compare(e)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	c.openAll(b.pages)
	c.remember(b.pages)
	return nil
}

// keep judges the batch and keeps it.
func (b *batch) keep(facts *Facts) error {
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
		if version != b.version { // another process may have kept some of it meanwhile
			if err := b.prepare(); err != nil {
				return err
			}
		}
		if b.used, err = c.store.Size(); err != nil {
			return err
		}
		if err := b.collect(facts); err != nil {
			return err
		}
		if results, elsewhere, err = b.judge(view, now); err != nil {
			return err
		}
		if err := b.keepToSize(&state); err != nil {
			return err
		}
		if facts == nil {
			return nil
		}
		learnt := learnt(results)
		learnt.Opened = in.opened + b.opened
		return in.finish(&state, facts, learnt)
	})
	if err != nil {
		return errors.Join(err, b.noteFull())
	}
	b.report(results, elsewhere)
	return nil
}

// triesFor is for how long a reading lets chains that were left untried be tried: verify tries some thousands in a second.
const triesFor = 2500 * time.Millisecond

// mayTry reports whether a reading goes on with chains that were left untried. By their number it could not be bounded: whoever
// has the key makes ten thousand in a minute, and each reading would leave most of them, and what stands among them, to the next.
func (in *Intake) mayTry() bool {
	if in.trying == nil && in.c.o.Trying != nil {
		in.trying = in.c.o.Trying()
	} else if in.trying == nil {
		began := time.Now()
		in.trying = func() bool { return time.Since(began) < triesFor }
	}
	return in.trying()
}

// judge judges what the batch has brought, and keeps what is learnt.
func (b *batch) judge(view record.View, now time.Time) (results []*record.Result, elsewhere []uint32, err error) {
	c := b.in.c
	known := knowledge{c.store, &c.opener, b.moved, c.o.Lost}
	cells, texts := b.cells, b.texts
	overfull, err := b.entries(kept.Overfull)
	if err != nil {
		return nil, nil, err
	}
	view = withOverfull(view, overfull.all)
	// What is left of many forged records is tried in the next reading.
	for more := true; more; cells, texts = nil, nil {
		result, err := c.reader.Read(known, cells, view, now)
		if err != nil {
			return nil, nil, err
		}
		found, err := b.learn(result, texts)
		if err != nil {
			return nil, nil, err
		}
		elsewhere = append(elsewhere, found...)
		results = append(results, result)
		more = result.More && b.in.mayTry()
	}
	return results, elsewhere, nil
}

// learnt returns what results say about how to go on.
func learnt(results []*record.Result) (l Learnt) {
	for _, r := range results {
		l.Needed = r.Needed // each call judges all that waits
		l.Missing = l.Missing || slices.ContainsFunc(r.Change.Told, func(f record.Finding) bool {
			return f.Kind == record.Missing || f.Kind == record.Incomplete
		})
	}
	return l
}

// finish keeps the facts, where they are new.
func (in *Intake) finish(state *kept.State, facts *Facts, learnt Learnt) error {
	if facts.Position == nil {
		return nil
	}
	position, err := facts.Position(learnt)
	if err != nil || slices.Equal(position, state.Position) {
		return err
	}
	state.Position = position
	return in.c.store.Apply(&kept.Change{State: state})
}

// collect keeps what of the entries is to be kept, and gathers what the tokens hold that did not come before.
func (b *batch) collect(facts *Facts) error {
	b.cells, b.texts, b.told, b.takenBack, b.findings, b.opened = nil, nil, nil, nil, model.Findings{}, 0
	b.ranges, b.moved, b.reshown = map[int]*entrySet{}, map[record.Spot]record.Spot{}, false
	n := 0
	for i := range b.pages {
		n += len(b.pages[i].opened)
	}
	macs := make([][16]byte, 0, n)
	for i := range b.pages {
		for k := range b.pages[i].opened {
			macs = append(macs, b.pages[i].opened[k].mac)
		}
	}
	var err error
	if b.macs, err = b.in.c.store.MACs(macs); err != nil {
		return err
	}
	b.cells, b.change = make([]record.Cell, 0, n), kept.Change{MACs: make([]kept.MAC, 0, n)}
	for i := range b.pages {
		if err := b.take(&b.pages[i]); err != nil {
			return err
		}
	}
	if err := b.write(); err != nil { // or what is lost would be looked for among what was kept before
		return err
	}
	if err := b.tellLost(facts); err != nil {
		return err
	}
	if err := b.tellOtherwise(facts); err != nil {
		return err
	}
	if b.reshown {
		b.change.Marks = []kept.Mark{{Name: reshownMark, Message: int64(b.in.clears)}}
	}
	b.change.Ranges = map[int][]kept.Range{}
	for why, set := range b.ranges {
		if set.bound(); set.changed {
			b.change.Ranges[why] = set.all
		}
	}
	b.change.Learnt = &record.Change{Told: b.told, TakenBack: b.takenBack}
	return b.write()
}

// write writes what was gathered.
func (b *batch) write() error {
	change := b.change
	b.change = kept.Change{}
	return b.in.c.store.Apply(&change)
}

// entries returns the entries that are kept as ranges for a reason.
func (b *batch) entries(why int) (*entrySet, error) {
	set := b.ranges[why]
	if set == nil {
		all, err := b.in.c.store.Ranges(why)
		if err != nil {
			return nil, err
		}
		set = &entrySet{all: all}
		b.ranges[why] = set
	}
	return set, nil
}

// take takes in an entry.
func (b *batch) take(p *page) error {
	if len(p.before.Tokens) == 0 && p.at.Compare(b.in.known) > 0 {
		noToken(&b.findings, p)
	}
	e := kept.Entry{At: p.at, Posted: p.posted, Tokens: slices.Clip(p.before.Tokens), Wiped: p.before.Wiped}
	if len(e.Tokens) > 0 {
		e.Posted = p.before.Posted
	}
	repeats, overfull := 0, false
	for i := range p.opened {
		t := &p.opened[i]
		if !b.kept || p.taken.has(t.field) {
			if t.field = freeField(t.field, p.taken.has); t.field == 0 {
				first, known := b.macs[t.mac]
				overfull = overfull || !known || p.at.Compare(first) < 0
				continue
			}
		}
		stays, err := b.place(p, t)
		if err != nil {
			return err
		}
		if !stays {
			repeats++
			continue
		}
		p.taken.add(t.field)
		e.Tokens = kept.AppendToken(e.Tokens, t.field, t.raw)
	}
	if len(e.Tokens) > len(p.before.Tokens) {
		b.change.Entries = append(b.change.Entries, e)
	}
	if overfull {
		set, err := b.entries(kept.Overfull)
		if err != nil {
			return err
		}
		if set.add(p.at) {
			model.Count(&b.findings.Overfull, &b.findings.FirstOverfull, &b.findings.LastOverfull, p.at.Entry)
		}
	}
	return b.note(p, repeats)
}

// note notes what of an entry is not kept, and counts it unless it was noted before.
func (b *batch) note(p *page, repeats int) error {
	if repeats > 0 {
		repeated, err := b.entries(kept.Repeated)
		if err != nil {
			return err
		}
		if repeated.add(p.at) {
			b.findings.Repeats += repeats
		}
	}
	if p.letter {
		letters, err := b.entries(kept.Letters)
		if err != nil {
			return err
		}
		if letters.add(p.at) {
			model.Count(&b.findings.Letters, &b.findings.FirstLetter, &b.findings.LastLetter, p.at.Entry)
		}
	}
	if p.unopened {
		foreign, err := b.entries(kept.Foreign)
		if err != nil {
			return err
		}
		if foreign.add(p.at) && len(p.before.Tokens) == 0 { // otherwise it is told that the entry was rewritten
			model.Count(&b.findings.NotOurs, &b.findings.FirstNotOurs, &b.findings.LastNotOurs, p.at.Entry)
		}
	}
	if b.in.letGo.has(p.at) {
		gone, err := b.entries(kept.LetGo)
		if err != nil {
			return err
		}
		gone.remove(p.at)
	}
	if len(b.in.again) == 0 {
		return nil
	}
	again, err := b.entries(kept.Again)
	if err != nil || !again.has(p.at) {
		return err
	}
	again.remove(p.at)
	if p.unopened {
		return nil
	}
	foreign, err := b.entries(kept.Foreign)
	if err == nil {
		foreign.remove(p.at)
	}
	return err
}

// place gives an opened token its place, and reports whether it is to be kept here. Of several copies of a token the lowest
// counts, by clear and entry, and the others are only counted as repeats: whoever copies a token cannot move it. A lower copy
// that comes later takes the token out of the entry where it was. Where that has to be read, what was gathered is written
// first. [verifier] does the same.
func (b *batch) place(p *page, t *opened) (stays bool, err error) {
	c := b.in.c
	first, known := b.macs[t.mac]
	if known && first.Clear < p.at.Clear && !b.reshown {
		if err = b.write(); err == nil { // of what is read through anew, what stood before a clear may be in this batch
			b.reshown, err = shownAgain(c.store, first, p.at.Entry, p.posted)
		}
	}
	if err == nil && known && first.Clear < p.at.Clear {
		var copied *entrySet
		if copied, err = b.entries(kept.Copied); err == nil {
			copied.add(first)
		}
	}
	if err != nil || known && p.at.Compare(first) >= 0 {
		return false, err
	}
	var from record.Spot
	if !known {
		b.opened++
	} else if from, err = b.takeOut(first, t.raw); err != nil {
		return false, err
	}
	b.macs[t.mac] = p.at
	b.change.MACs = append(b.change.MACs, kept.MAC{MAC: t.mac, At: p.at})
	at := record.Spot{Place: p.at, Field: t.field}
	if known {
		b.moved[from] = at
	}
	switch {
	case t.isCell():
		b.cells = append(b.cells, c.cell(p.at, t))
	case !known:
		b.texts = append(b.texts, textToken{at: p.at, posted: p.posted, opened: t})
	default:
		b.change.TextsMoved = append(b.change.TextsMoved, kept.TextMove{From: from, To: at})
	}
	return true, nil
}

// takeOut takes a token out of the entry in which it is kept, and returns where that was.
func (b *batch) takeOut(at record.Place, raw []byte) (from record.Spot, err error) {
	if err := b.write(); err != nil { // the entry may be among what this batch has brought
		return from, err
	}
	var e kept.Entry
	err = b.in.c.store.Entries(kept.EntryQuery{First: at, Last: at}, func(found kept.Entry) error {
		e = found
		e.Tokens = nil
		for field, other := range kept.Tokens(found.Tokens) {
			if bytes.Equal(other, raw) {
				from = record.Spot{Place: at, Field: field}
				continue
			}
			e.Tokens = kept.AppendToken(e.Tokens, field, other)
		}
		return nil
	})
	if err != nil {
		return from, err
	}
	b.change.Entries = append(b.change.Entries, e)
	if p := b.pageAt(at); p != nil {
		p.before.Tokens = e.Tokens
	}
	repeated, err := b.entries(kept.Repeated)
	if err == nil {
		repeated.add(at)
	}
	return from, err
}

// report adds what came of the batch to what is handed out.
func (b *batch) report(results []*record.Result, elsewhere []uint32) {
	in := b.in
	out := &in.out
	tell(out, b.told)
	out.TakenBack = appendBounded(out.TakenBack, b.takenBack)
	out.Elsewhere = append(out.Elsewhere, elsewhere...)
	for _, r := range results {
		tell(out, r.Change.Told)
		out.TakenBack = appendBounded(out.TakenBack, r.Change.TakenBack)
		out.LeftOver += r.LeftOver
		out.Refused += r.Refused
		out.Waiting, out.More = r.Waiting, r.More
		out.Fresh += len(r.Messages)
		for i := max(len(r.Messages)-in.keep, 0); i < len(r.Messages); i++ {
			m := &r.Messages[i]
			p := b.pageAt(m.At.Place)
			if p == nil { // it has come with chains that were left untried before, or with copies
				p = &page{}
			}
			out.Items = append(out.Items, in.c.item(m, p))
		}
	}
	out.Fresh += len(b.texts)
	for i := max(len(b.texts)-in.keep, 0); i < len(b.texts); i++ {
		t := &b.texts[i]
		out.Items = append(out.Items, in.c.text(t.at, t.posted, t.opened))
	}
	out.Findings.Add(b.findings)
	in.opened += b.opened
	slices.SortStableFunc(out.Items, func(a, b model.Item) int { return a.At.Compare(b.At) })
	if n := len(out.Items) - in.keep; n > 0 {
		out.Items = slices.Delete(out.Items, 0, n)
	}
}

// pageAt returns the entry of the batch that stands at a place, nil if there is none.
func (b *batch) pageAt(at record.Place) *page {
	i, ok := slices.BinarySearchFunc(b.pages, at, func(p page, at record.Place) int { return p.at.Compare(at) })
	if !ok {
		return nil
	}
	return &b.pages[i]
}

func tell(out *model.Arrivals, found []record.Finding) { out.Told = appendBounded(out.Told, found) }

func appendBounded(all, more []record.Finding) []record.Finding {
	return append(all, more[:min(len(more), maxFindings-len(all))]...)
}
