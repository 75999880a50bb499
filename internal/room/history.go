package room

import (
	"fmt"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// item returns a record as an item. p is where it stands.
func (o *opener) item(m *record.Message, p *page) model.Item {
	it := model.Item{At: m.At, Posted: p.posted, Record: m}
	if t := p.in(m.At.Field); t != nil {
		it.Sealed = t.sealed
	}
	return it
}

// text returns an opened token that is no cell as an item.
func (o *opener) text(at record.Place, posted time.Time, t *opened) model.Item {
	field := t.field
	if field >= kept.StatusField {
		field = 0
	}
	m := &model.Message{
		Entry: at.Entry, Field: field, Posted: posted, Sealed: t.sealed, Kind: model.KindBinary, Size: len(t.plain), Key: t.key,
	}
	if utf8.Valid(t.plain) {
		m.Kind, m.Text = model.KindText, string(t.plain)
	}
	return model.Item{At: record.Spot{Place: at, Field: t.field}, Posted: posted, Sealed: t.sealed, Unsigned: m}
}

// itemsAtOnce is how many messages of a history are opened at a time.
const itemsAtOnce = 512

// History visits the messages that are kept, by place, and after them those of our own that are on their way. With
// newest above 0 it visits only that many, heartbeats not counted. An error of visit ends it and is returned.
func (c *Conversation) History(newest int, visit func(*model.Item) error) error {
	var from record.Held
	c.leftOut = 0
	begun, err := c.store.End()
	var waiting []model.Item
	if err == nil {
		waiting, err = c.onTheirWay()
	}
	if err == nil && newest > 0 {
		waiting = waiting[max(len(waiting)-newest, 0):]
		from, err = c.beginning(newest - len(waiting))
	}
	if err != nil {
		return fmt.Errorf("reading the history: %w", err)
	}
	seen, err := c.witnesses()
	if err != nil {
		return fmt.Errorf("reading the history: %w", err)
	}
	for first := true; ; first = false {
		limit := c.rowsFor(itemsAtOnce)
		rows, err := c.store.Messages(kept.MessageQuery{From: &from, Limit: limit})
		if err != nil {
			return fmt.Errorf("reading the history: %w", err)
		}
		rows, _ = c.cutRows(rows, limit, limit)
		if !first && len(rows) > 0 {
			rows = rows[1:] // the last one of those before
		}
		if len(rows) == 0 {
			break
		}
		items, n, err := c.recall(rows, seen)
		if err != nil {
			return fmt.Errorf("reading the history: %w", err)
		}
		from = rows[n-1].Held
		c.leftOut += n - len(items)
		// Another process may have read them back since: they would be visited twice.
		for i := range rows[:n] {
			if h := &rows[i].Held; rows[i].ID > begun.Message && h.Number > 0 {
				waiting = slices.DeleteFunc(waiting, func(w model.Item) bool {
					same := w.Record == nil || w.Record.Hash == h.Hash // two devices may have one identity
					return same && w.Sent.Author == h.Author && w.Sent.Number == h.Number
				})
			}
		}
		items = c.joinReadings(items)
		for i := range items {
			if err := visit(&items[i]); err != nil {
				return err
			}
		}
	}
	for i := range waiting {
		if err := visit(&waiting[i]); err != nil {
			return err
		}
	}
	return nil
}

// LeftOut returns how many messages the last call of History has left out, since they could not be opened: their keys may
// be gone, see [Conversation.KeyGone].
func (c *Conversation) LeftOut() int { return c.leftOut }

// beginning returns the first of the newest messages, as many as n.
func (c *Conversation) beginning(n int) (from record.Held, err error) {
	if n <= 0 {
		from.At = record.Spot{Place: kept.Highest(), Field: math.MaxInt32}
		return from, nil
	}
	limit := c.rowsFor(n)
	rows, err := c.store.Messages(kept.MessageQuery{Newest: true, Said: true, Limit: limit})
	if err != nil || len(rows) == 0 {
		return from, err
	}
	rows, _ = c.cutRows(rows, n, limit)
	return rows[len(rows)-1].Held, nil
}

// News are messages, findings and states in the order in which they came.
type News struct {
	Items []model.Item
	// Found are findings that were told or taken back, without those that were told anew after that.
	Found []kept.Event
	// States say how far messages of our own have come.
	States []model.OwnState
	// Until is the mark behind all of them, and More tells that there is more.
	Until model.Mark
	More  bool
}

// newsAtOnce bounds what [Conversation.Since] returns at a time.
const newsAtOnce = 1000

// Since returns what has come since a mark, whichever process has read it, at most 1,000 messages, and as many findings and
// states. With most above 0 it returns no more messages than that.
func (c *Conversation) Since(m model.Mark, most int) (News, error) {
	if most <= 0 || most > newsAtOnce {
		most = newsAtOnce
	}
	n := News{Until: m}
	// What is told of a message is kept together with it: asked in this order, it is not told before the message.
	var rows []kept.Message
	var err error
	limit := c.rowsFor(most)
	if n.Found, err = c.store.Events(m.Event, newsAtOnce); err == nil {
		rows, err = c.store.Messages(kept.MessageQuery{After: m.Message, Limit: limit})
	}
	if err != nil {
		return News{Until: m}, fmt.Errorf("reading what has come: %w", err)
	}
	rows, n.More = c.cutRows(rows, most, limit)
	n.More = n.More || len(n.Found) == newsAtOnce
	if len(n.Found) > 0 {
		n.Until.Event = n.Found[len(n.Found)-1].ID
		for _, e := range n.Found {
			if e.Own == nil {
				continue
			}
			s := *e.Own
			if err := c.nameState(&s); err != nil {
				return News{Until: m}, fmt.Errorf("reading what has come: %w", err)
			}
			n.States = append(n.States, s)
		}
		n.Found = toldLast(n.Found)
	}
	if len(rows) == 0 {
		return n, nil
	}
	recalled := 0
	if err := c.renewKeys(); err != nil { // with which another Conversation may have read them
		return News{Until: m}, fmt.Errorf("reading what has come: %w", err)
	}
	seen, err := c.witnesses()
	if err == nil {
		n.Items, recalled, err = c.recall(rows, seen)
		n.Items = c.joinReadings(n.Items)
	}
	if err == nil {
		err = c.markLate(m, n.Items)
	}
	if err != nil {
		return News{Until: m}, fmt.Errorf("reading what has come: %w", err)
	}
	n.Until.Message = rows[recalled-1].ID
	n.More = n.More || recalled < len(rows)
	return n, nil
}

// Late visits those of the messages with an ID above after that stand behind a place, and below first as well as below what had
// come up to that ID: at most so many, unless that is 0, in the order of their places. It returns the ID up to which it has
// looked, and how many stand there still that came behind it.
func (c *Conversation) Late(
	after int64, behind record.Place, first record.Spot, most int, visit func(*model.Item) error,
) (until int64, left int, err error) {
	if first.Entry == 0 { // it is on its way
		first.Place = kept.Highest()
	}
	rows, until, left, err := c.cameLate(after, behind, first, most)
	if err == nil {
		err = c.renewKeys()
	}
	slices.SortFunc(rows, func(a, b kept.Message) int { return a.Held.Compare(&b.Held) })
	for len(rows) > 0 && err == nil {
		var items []model.Item
		var n int
		if items, n, err = c.recall(rows, nil); err != nil {
			break
		}
		items = c.joinReadings(items)
		err = c.markLate(model.Mark{Message: after}, items)
		for i := 0; i < len(items) && err == nil; i++ {
			if err = visit(&items[i]); err != nil {
				return until, left, err
			}
		}
		rows = rows[n:]
	}
	if err != nil {
		err = fmt.Errorf("looking for what has come late: %w", err)
	}
	return until, left, err
}

func (c *Conversation) cameLate(
	until int64, behind record.Place, first record.Spot, most int,
) (late []kept.Message, last int64, left int, err error) {
	var top []kept.Message
	if until > 0 {
		top, err = c.store.Messages(kept.MessageQuery{Until: until, Newest: true, Said: true, Limit: 1})
	}
	if len(top) > 0 && top[0].Held.At.Compare(first) < 0 {
		first = top[0].Held.At
	} else if len(top) == 0 {
		first = record.Spot{} // nothing was there
	}
	messages := 0
	for after := until; err == nil; {
		var rows []kept.Message
		rows, err = c.store.Messages(kept.MessageQuery{After: after, Limit: newsAtOnce})
		for i := range rows {
			m := &rows[i]
			after = m.ID
			switch is := m.Kind != record.KindHeartbeat && m.Held.At.Compare(first) < 0 && behind.Compare(m.Held.At.Place) < 0; {
			// What is left of a reading that has begun would look like another one.
			case is && left == 0 && c.o.Texts && len(late) > 0 && late[len(late)-1].Held.At.Place == m.Held.At.Place:
				late = append(late, *m)
			case is && most > 0 && messages == most:
				left++
			case is:
				late, messages = append(late, *m), messages+1
			}
			if left == 0 {
				until = m.ID
			}
		}
		if len(rows) < newsAtOnce {
			break
		}
	}
	return late, until, left, err
}

// Disordered reports whether the message that stands first has not come first, as where the beginning was read after the rest.
func (c *Conversation) Disordered() (bool, error) {
	stands, err := c.store.Messages(kept.MessageQuery{From: new(record.Held), Limit: 1})
	if err == nil && len(stands) > 0 {
		var came []kept.Message
		if came, err = c.store.Messages(kept.MessageQuery{Limit: 1}); err == nil && len(came) > 0 {
			return came[0].ID != stands[0].ID, nil
		}
	}
	if err != nil {
		err = fmt.Errorf("reading the history: %w", err)
	}
	return false, err
}

// Replay returns messages in the order of their places, of those that had come at a mark the ones that stand behind a line, or
// from the first one on if that is nil; at most as many as [Conversation.Since]. The line behind which to go on is nil once all
// were returned.
func (c *Conversation) Replay(at model.Mark, behind *record.Held, most int) (items []model.Item, next *record.Held, err error) {
	if most <= 0 || most > newsAtOnce {
		most = newsAtOnce
	}
	var from record.Held
	if behind != nil {
		from = *behind
	}
	limit := c.rowsFor(most) + 1
	rows, err := c.store.Messages(kept.MessageQuery{From: &from, Limit: limit})
	if err == nil {
		err = c.renewKeys()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the history: %w", err)
	}
	if behind != nil && len(rows) > 0 && rows[0].Held.Compare(behind) == 0 {
		rows = rows[1:]
	}
	rows, _ = c.cutRows(rows, most, limit)
	if len(rows) == 0 {
		return nil, nil, nil
	}
	last := rows[len(rows)-1].Held
	rows = slices.DeleteFunc(rows, func(m kept.Message) bool { return m.ID > at.Message })
	if len(rows) == 0 {
		return nil, &last, nil
	}
	items, n, err := c.recall(rows, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the history: %w", err)
	}
	items = c.joinReadings(items)
	if n < len(rows) {
		last = rows[n-1].Held
	}
	return items, &last, nil
}

// toldLast leaves out what was told anew, as with another number: what it said then holds no more.
func toldLast(events []kept.Event) (last []kept.Event) {
	anew := map[record.FindingID]bool{}
	for i := range slices.Backward(events) {
		e := &events[i]
		if e.Own != nil {
			continue
		}
		id := e.Finding.ID()
		if e.TakenBack || !anew[id] {
			last = append(last, *e)
		}
		anew[id] = !e.TakenBack
	}
	slices.Reverse(last)
	return last
}

// Standing returns the findings that still hold, in the order of their coming. Past are those about what stood before the
// channel was cleared, of which nothing can be checked any more, and that it was; none if the clear is in doubt, as the relay
// has shown again what it took away.
func (c *Conversation) Standing() (all, past []record.Finding, err error) {
	err = c.ofOneMoment(func() error {
		found, err := c.standing()
		if err != nil {
			return err
		}
		clears, err := c.clears()
		if err != nil {
			return fmt.Errorf("reading what was told before: %w", err)
		}
		all, past, err = c.split(found, clears)
		return err
	})
	return all, past, err
}

// split parts findings that hold from those that are past.
func (c *Conversation) split(found []record.Finding, clears clears) (hold, past []record.Finding, err error) {
	for i := range found {
		f := &found[i]
		gone := clears.took(f.At)
		if !gone && f.Kind == record.Missing && clears.all > 0 {
			if gone, err = c.posted(f, clears); err != nil {
				return nil, nil, fmt.Errorf("reading what was told before: %w", err)
			}
		}
		if gone {
			past = append(past, *f)
		} else {
			hold = append(hold, *f)
		}
	}
	return hold, past, nil
}

// posted reports whether what is missing was posted here before a clear. Of what others have written nobody knows where it
// stood: a relay that leaves out what comes first after a clear is not to hide behind it.
func (c *Conversation) posted(f *record.Finding, clears clears) (bool, error) {
	own, err := c.store.Own(kept.OwnQuery{Author: f.Author, First: f.First, Last: f.Last})
	if err != nil || len(own) <= int(f.Last-f.First) {
		return false, err
	}
	for i := range own {
		if q, err := c.queued(&own[i]); err != nil || q.Sent != model.StateAccepted || !clears.took(q.At) {
			return false, err
		}
	}
	return true, nil
}

func (c *Conversation) standing() (all []record.Finding, err error) {
	at := map[record.FindingID]int{}
	err = eachFinding(c.store, func(e *kept.Event) {
		id := e.Finding.ID()
		if before, ok := at[id]; ok { // what was told anew says something else, as with another number
			all[before] = record.Finding{}
			delete(at, id)
		}
		if !e.TakenBack {
			at[id] = len(all)
			all = append(all, e.Finding)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("reading what was told before: %w", err)
	}
	all = slices.DeleteFunc(all, func(f record.Finding) bool {
		if f.Kind == 0 || err != nil {
			return true
		}
		// What others took the place of was told, and nobody took it back.
		_, stands, failed := c.store.Told(f.ID())
		if stands && failed == nil && f.Kind == record.Namesake { // an older version let it stand of who was compared
			var a record.Author
			a, _, failed = c.store.Author(f.Author)
			stands = !a.Compared
		}
		err = failed
		return !stands
	})
	if err != nil {
		return nil, fmt.Errorf("reading what was told before: %w", err)
	}
	return all, nil
}

// eachFinding visits all findings that were told or taken back, in the order of their coming.
func eachFinding(store Store, visit func(*kept.Event)) error {
	for last := int64(0); ; {
		events, err := store.Events(last, newsAtOnce)
		if err != nil {
			return err
		}
		for i := range events {
			if last = events[i].ID; events[i].Own == nil {
				visit(&events[i])
			}
		}
		if len(events) < newsAtOnce {
			return nil
		}
	}
}

// records visits all records that are held, and tokens that nobody has signed, in the order of their arrival, with their IDs.
func (c *Conversation) records(visit func(id int64, h record.Held) error) error {
	for last := int64(0); ; {
		rows, err := c.store.Messages(kept.MessageQuery{After: last, Limit: newsAtOnce})
		if err != nil {
			return err
		}
		for i := range rows {
			if err := visit(rows[i].ID, rows[i].Held); err != nil {
				return err
			}
			last = rows[i].ID
		}
		if len(rows) < newsAtOnce {
			return nil
		}
	}
}

// markLate marks those of the items since a mark that stand before what came before them.
func (c *Conversation) markLate(m model.Mark, items []model.Item) error {
	var highest record.Spot
	if m.Message > 0 {
		shown, err := c.store.Messages(kept.MessageQuery{Until: m.Message, Newest: true, Said: true, Limit: 1})
		if err != nil {
			return err
		}
		for i := range shown {
			highest = shown[i].Held.At
		}
	}
	for i := range items {
		it := &items[i]
		if it.At.Compare(highest) < 0 {
			it.Before = highest.Entry
		} else if it.Record == nil || it.Record.Kind() != record.KindHeartbeat { // which is not shown
			highest = it.At
		}
	}
	return nil
}

// Now returns the mark behind everything that has come so far.
func (c *Conversation) Now() (m model.Mark, err error) {
	end, err := c.store.End()
	if err != nil {
		return m, fmt.Errorf("reading how much has come: %w", err)
	}
	return model.Mark{Message: end.Message, Event: end.Event}, nil
}

// MarkBehind returns the mark before the first message that came and stands above an entry.
func (c *Conversation) MarkBehind(entry int64) (m model.Mark, err error) {
	for {
		rows, err := c.store.Messages(kept.MessageQuery{After: m.Message, Limit: newsAtOnce})
		if err != nil {
			return m, fmt.Errorf("reading how much has come: %w", err)
		}
		for i := range rows {
			if rows[i].Held.At.Entry > entry {
				return m, nil
			}
			m.Message = rows[i].ID
		}
		if len(rows) < newsAtOnce {
			return m, nil
		}
	}
}

// Shown returns the mark that was set under a name, and whether one was.
func (c *Conversation) Shown(name string) (m model.Mark, ok bool, err error) {
	mark, ok, err := c.store.Mark(name)
	if err != nil {
		return m, ok, fmt.Errorf("reading how much was shown: %w", err)
	}
	return model.Mark{Message: mark.Message, Event: mark.Event}, ok, nil
}

// SetShown sets a mark under a name: how far the messages have been shown there, or passed over, see [model.Printed]. It goes
// forward only: whoever shows all from the beginning once more, and ends early, has shown as much as before.
func (c *Conversation) SetShown(name string, m model.Mark) error {
	before, _, err := c.store.Mark(name)
	mark := kept.Mark{Name: name, Message: max(m.Message, before.Message), Event: max(m.Event, before.Event)}
	if err == nil {
		err = c.store.Apply(&kept.Change{Marks: []kept.Mark{mark}})
	}
	if err != nil {
		return fmt.Errorf("noting how much was shown: %w", err)
	}
	return nil
}

// AllShown returns the marks that were set under names with a prefix, by what follows that.
func (c *Conversation) AllShown(prefix string) (map[string]model.Mark, error) {
	marks, err := c.store.Marks(prefix)
	if err != nil {
		return nil, fmt.Errorf("reading how much was shown: %w", err)
	}
	all := make(map[string]model.Mark, len(marks))
	for _, m := range marks {
		all[m.Name[len(prefix):]] = model.Mark{Message: m.Message, Event: m.Event}
	}
	return all, nil
}

// ForgetShown forgets the mark that was set under a name.
func (c *Conversation) ForgetShown(name string) error {
	if err := c.store.Apply(&kept.Change{MarksGone: []string{name}}); err != nil {
		return fmt.Errorf("forgetting how much was shown: %w", err)
	}
	return nil
}

// SetPrinted keeps what of a conversation was shown.
func (c *Conversation) SetPrinted(p model.Printed) error {
	if p.Top.At.Entry == 0 {
		return nil
	}
	if err := c.store.Transact(func() error { return c.noteShown(&p.Top) }); err != nil {
		return fmt.Errorf("noting what was shown: %w", err)
	}
	return nil
}

// shownMark is the mark at the record that stands highest of those that were shown. Other marks say where somebody goes
// on: behind what was passed over, too.
const shownMark = "shown"

// noteShown notes that a record was shown, unless one that stands higher was.
func (c *Conversation) noteShown(h *record.Held) error {
	before, ok, err := c.lastShown()
	if err != nil {
		return err
	}
	held, err := c.store.Held(record.HeldQuery{Author: h.Author, First: h.Number, Last: h.Number})
	i := slices.IndexFunc(held, func(other record.Held) bool { return other.Hash == h.Hash })
	if err != nil || i < 0 || ok && before.At.Compare(held[i].At) >= 0 {
		return err
	}
	rows, err := c.store.Messages(kept.MessageQuery{From: &held[i], Limit: 1})
	if err != nil || len(rows) == 0 {
		return err
	}
	return c.store.Apply(&kept.Change{Marks: []kept.Mark{{Name: shownMark, Message: rows[0].ID}}})
}

// lastShown returns the record that stands highest of those that were shown; ok tells whether one was.
func (c *Conversation) lastShown() (h record.Held, ok bool, err error) {
	m, ok, err := c.store.Mark(shownMark)
	if err != nil || !ok {
		return h, false, err
	}
	rows, err := c.store.Messages(kept.MessageQuery{After: m.Message - 1, Until: m.Message, Limit: 1})
	if err != nil || len(rows) == 0 {
		return h, false, err
	}
	return rows[0].Held, true, nil
}

// cellsOpened is how many cells are opened again at a time: 16 MiB of them.
const cellsOpened = 131_072

// recall opens messages that are kept again, in their order: the first n of them, at least one, because there may be
// files among them.
func (c *Conversation) recall(rows []kept.Message, seen []record.Receipt) (items []model.Item, n int, err error) {
	var spots []record.Spot
	for n < len(rows) && (n == 0 || len(spots)+len(rows[n].Held.Cells) <= cellsOpened) {
		h := &rows[n].Held
		n++
		spots = append(append(spots, h.At), h.Cells...)
	}
	rows = rows[:n]
	pages, err := c.fetch(c.store, spots)
	if err != nil {
		return nil, 0, err
	}
	byPlace := make(map[record.Place]*page, len(pages))
	for i := range pages {
		byPlace[pages[i].at] = &pages[i]
	}
	records := make([]record.Pieces, 0, len(rows))
	for i := range rows {
		if h := &rows[i].Held; len(h.Cells) > 0 {
			records = append(records, record.Pieces{Held: *h, Opened: c.pieces(h.Cells, byPlace)})
		}
	}
	messages, err := record.Recall(c.known(), c.o.Salt, c.own, records)
	if err != nil {
		return nil, 0, err
	}
	byID := make(map[heldID]*record.Message, len(messages))
	for i := range messages {
		m := &messages[i]
		byID[heldID{m.Author, m.Number, m.Hash}] = m
	}
	items = make([]model.Item, 0, len(rows))
	for i := range rows {
		if it, ok := c.itemOf(&rows[i], byID, byPlace[rows[i].Held.At.Place], seen); ok {
			items = append(items, it)
		}
	}
	if err := c.noticeMoves(items); err != nil {
		return nil, 0, err
	}
	if err := c.noteStandings(items); err != nil {
		return nil, 0, err
	}
	return items, n, c.markOldKeys(items)
}

// noteStandings notes what is known of who has written messages.
func (c *Conversation) noteStandings(items []model.Item) error {
	authors, names := map[record.PublicKey]*model.Person{}, c.names()
	for i := range items {
		m := items[i].Record
		if m == nil {
			items[i].Standing = model.Unsigned
			continue
		}
		p := authors[m.Author]
		if p == nil {
			author, _, err := c.store.Author(m.Author)
			if err != nil {
				return err
			}
			p = c.personOf(author)
			p.Left = c.leftBy(names, m.Author)
			authors[m.Author] = p
		}
		items[i].Lost, items[i].Left, items[i].Standing = p.Lost, p.Left, p.StandingOf(m.Number)
	}
	return names.Err()
}

// Numbered returns the messages that a key has signed under a number, as far as they can be opened: more than one where that key
// wrote two.
func (c *Conversation) Numbered(author record.PublicKey, number uint32) (items []model.Item, err error) {
	held, err := c.store.Held(record.HeldQuery{Author: author, First: number, Last: number})
	var rows []kept.Message
	for i := 0; i < len(held) && err == nil; i++ {
		var at []kept.Message
		at, err = c.store.Messages(kept.MessageQuery{From: &held[i], Limit: 1})
		rows = append(rows, at...)
	}
	if err == nil && len(rows) > 0 {
		err = c.renewKeys()
	}
	for n := 0; len(rows) > 0 && err == nil; rows = rows[n:] {
		var some []model.Item
		some, n, err = c.recall(rows, nil)
		items = append(items, some...)
	}
	if err != nil {
		return nil, fmt.Errorf("reading message %d of %s: %w", number, author.Tag().Name(), err)
	}
	return items, nil
}

// pieces returns the cells at some spots, as far as they could be opened.
func (o *opener) pieces(spots []record.Spot, pages map[record.Place]*page) []record.Cell {
	cells := make([]record.Cell, 0, len(spots))
	for _, s := range spots {
		if p := pages[s.Place]; p != nil {
			if t := p.in(s.Field); t != nil && t.isCell() {
				cells = append(cells, o.cell(s.Place, t))
			}
		}
	}
	return cells
}

// itemOf returns the item of a message, and whether it could be opened: its key may be gone.
func (c *Conversation) itemOf(
	row *kept.Message, messages map[heldID]*record.Message, p *page, seen []record.Receipt,
) (it model.Item, ok bool) {
	if p == nil {
		return it, false
	}
	h := &row.Held
	if h.Author.IsZero() {
		t := p.in(h.At.Field)
		if t == nil {
			return it, false
		}
		it = c.text(p.at, p.posted, t)
		it.Unsigned.Own = h.Number > 0
		return it, true
	}
	m := messages[heldID{h.Author, h.Number, h.Hash}]
	if m == nil {
		return it, false
	}
	it = c.item(m, p)
	if m.Own {
		it.Sent = &model.Queued{Number: m.Number, Kind: m.Kind(), Sent: model.StateAccepted, Entry: m.At.Entry}
		for _, r := range seen {
			if r.Number >= m.Number {
				it.SeenBy = append(it.SeenBy, r.ByName)
			}
		}
	}
	return it, true
}

// onTheirWay returns the messages of our own that were not read back.
func (c *Conversation) onTheirWay() ([]model.Item, error) {
	own, err := c.store.Own(kept.OwnQuery{})
	if err != nil || len(own) == 0 {
		return nil, err
	}
	messages, err := c.unsent(own)
	if err != nil {
		return nil, err
	}
	var items []model.Item
	for i := range own {
		it, ok, err := c.unsentItem(&own[i], messages)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		q, err := c.queued(&own[i]) // which asks the store: not of the thousands that were read back
		if err != nil {
			return nil, err
		}
		it.Sent = &q
		items = append(items, it)
	}
	return items, nil
}

// unsentItem returns a message of our own that was not read back, of which messages has those with an author.
func (c *Conversation) unsentItem(own *kept.Own, messages map[record.Hash]record.Message) (it model.Item, ok bool, err error) {
	if own.Author.IsZero() {
		text, ok, err := c.unsentText(own)
		return model.Item{Sealed: text.Sealed, Unsigned: &text}, ok, err
	}
	m, ok := messages[own.Hash]
	if !ok || own.Kind == record.KindHeartbeat {
		return it, false, nil
	}
	m.At = record.Spot{}
	return model.Item{Record: &m}, true, nil
}

// witnesses returns the highest receipt of everybody for our own records.
func (c *Conversation) witnesses() (seen []record.Receipt, err error) {
	authors, err := c.store.Authors(record.AuthorQuery{Only: record.Witness})
	if err != nil {
		return nil, err
	}
	record.ComparedFirst(authors)
	names := c.names()
	for i := range authors {
		a := &authors[i]
		seen = append(seen, record.Receipt{By: a.Key, ByName: names.Of(a.Key), Number: a.SawOwn})
	}
	return seen, names.Err()
}
