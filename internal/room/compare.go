package room

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// Before tells what was there before a feed was read. What another process has read or posted since then the feed cannot show.
type Before struct {
	last     int64 // the ID of the last message
	accepted map[model.OwnID]bool
}

// Before returns what is there now.
func (c *Conversation) Before() (*Before, error) {
	b := &Before{accepted: map[model.OwnID]bool{}}
	queue, err := c.NotReadBack()
	if err != nil {
		return nil, err
	}
	for i := range queue {
		b.accepted[model.OwnID{Author: queue[i].Author, Number: queue[i].Number}] = true
	}
	now, err := c.Now() // after it: what was read back in between is among the messages
	if err != nil {
		return nil, err
	}
	b.last = now.Message
	return b, nil
}

// had reports whether a message was there then, or was accepted. Its ID is 0 if it was not read back.
func (b *Before) had(id int64, author record.PublicKey, number uint32) bool {
	return b == nil || id > 0 && id <= b.last || b.accepted[model.OwnID{Author: author, Number: number}]
}

// Compare compares what is held with what the whole feed shows, as a report tells. With until above 0 no entry above it
// counts, and with before nothing that has come since.
func (c *Conversation) Compare(r *model.Report, until int64, before *Before) (d model.Comparison, err error) {
	names := c.names()
	clears, err := c.clears()
	if err == nil {
		clears, err = c.differing(&d, r, until, before, clears)
	}
	if err == nil {
		d.Elsewhere, _, err = c.Elsewhere()
	}
	if err == nil {
		d.Redated, err = c.redated(r.Posted, clears, until)
	}
	if err != nil {
		return d, fmt.Errorf("comparing with what is held: %w", err)
	}
	for i := range d.Differing {
		if w := &d.Differing[i]; w.Texts == 0 {
			w.Name = names.Of(w.Author)
		}
	}
	queue, err := c.notReadBack(clears, &d.Cleared)
	if err != nil {
		return d, err
	}
	for i := range queue {
		if q := &queue[i]; (until == 0 || q.Entry <= until) && before.had(0, q.Author, q.Number) && !shows(r, q.Author, q.Number) {
			d.Unshown = append(d.Unshown, *q)
		}
	}
	found := make(map[record.FindingID]bool, len(r.Found))
	for i := range r.Found {
		found[r.Found[i].ID()] = true
	}
	all, err := c.standing()
	if err != nil {
		return d, err
	}
	all = slices.DeleteFunc(all, func(f record.Finding) bool {
		id := f.ID()
		id.At.Clear = 0 // a report knows of no clears
		return found[id] || until > 0 && f.At.Entry > until
	})
	if d.Standing, d.Past, err = c.split(all, clears); err != nil {
		return d, err
	}
	return d, names.Err()
}

// redated finds the entries that are held with another date than the one with which they are shown now.
func (c *Conversation) redated(shown map[int64]time.Time, clears clears, until int64) ([]record.Finding, error) {
	all, err := c.store.Ranges(kept.Redated)
	if err != nil {
		return nil, err
	}
	told := entrySet{all: all}
	from, to := record.Place{Clear: clears.all}, record.Place{Clear: clears.all, Entry: kept.MaxEntry}
	if until > 0 {
		to.Entry = min(to.Entry, until)
	}
	var found otherwise
	err = c.store.Entries(kept.EntryQuery{First: from, Last: to}, func(e kept.Entry) error {
		if at, ok := shown[e.At.Entry]; ok && len(e.Tokens) > 0 && at.Unix() != e.Posted.Unix() && told.add(e.At) {
			found.add(record.Redated, e.At)
		}
		return nil
	})
	return found, err
}

// shows reports whether a record is among the lines.
func shows(r *model.Report, author record.PublicKey, number uint32) bool {
	return slices.ContainsFunc(r.Lines, func(h record.Held) bool { return h.Author == author && h.Number == number })
}

// clears are those that were noticed: all of them, and up to which one they are in doubt.
type clears struct{ all, doubted uint32 }

// reshownMark is the name of the mark at the last clear after which the relay has shown again what it had taken away.
const reshownMark = "shown again as it was"

// shownAgain reports whether a row with a token that stood before a clear is the row of that time: by its number and date,
// which the relay gives. The token alone proves nothing: whoever may write can post a copy, and does if a reply was lost.
func shownAgain(store Store, before record.Place, entry int64, posted time.Time) (is bool, err error) {
	if before.Entry != entry {
		return false, nil
	}
	err = store.Entries(kept.EntryQuery{First: before, Last: before}, func(e kept.Entry) error {
		is = e.Posted.Unix() == posted.Unix()
		return nil
	})
	return is, err
}

// Shown is a token that a feed shows.
type Shown struct {
	// MAC is the first half of the token's.
	MAC    [16]byte
	Entry  int64
	Posted time.Time
}

// Copies says of tokens that are shown now which of them stood before a clear: somebody has posted them again, which proves
// nothing against anybody. It is nil if there are none, or if the relay shows a row of that time as it was, so that the
// clear is in doubt.
func (c *Conversation) Copies(shown []Shown) (copies []bool, err error) {
	clears, err := c.clears()
	if clears.doubted == clears.all {
		shown = nil
	}
	for at := 0; at < len(shown) && err == nil; at += entriesAtOnce {
		some := shown[at:min(at+entriesAtOnce, len(shown))]
		macs := make([][16]byte, len(some))
		for i := range some {
			macs[i] = some[i].MAC
		}
		var before map[[16]byte]record.Place
		before, err = c.store.MACs(macs)
		for i := 0; i < len(some) && err == nil; i++ {
			s := &some[i]
			place, ok := before[s.MAC]
			if !ok || !clears.took(place) {
				continue
			}
			is, failed := shownAgain(c.store, place, s.Entry, s.Posted)
			if err = failed; is {
				return nil, nil
			}
			if copies == nil {
				copies = make([]bool, len(shown))
			}
			copies[at+i] = true
		}
	}
	if err != nil {
		return nil, fmt.Errorf("comparing with what stood before a clear: %w", err)
	}
	return copies, nil
}

// Cleared returns what a clear that is not in doubt has taken away and was not shown again since, and how many messages were,
// elsewhere: see [model.Comparison.Copied].
func (c *Conversation) Cleared() (gone model.Unchecked, copied int, err error) {
	clears, err := c.clears()
	if err != nil || clears.doubted == clears.all {
		return gone, 0, err
	}
	again, err := c.store.Ranges(kept.Copied)
	if err == nil {
		shown := entrySet{all: again}
		err = c.records(func(_ int64, h record.Held) error {
			switch {
			case !clears.took(h.At.Place):
			case shown.has(h.At.Place):
				copied++
			default:
				gone.Add(h.At.Place)
			}
			return nil
		})
	}
	if err == nil {
		_, err = c.notReadBack(clears, &gone)
	}
	if err != nil {
		return gone, 0, fmt.Errorf("counting what stood before a clear: %w", err)
	}
	return gone, copied, nil
}

func (c *Conversation) clears() (k clears, err error) {
	state, err := c.store.State()
	if err != nil {
		return k, err
	}
	doubted, _, err := c.store.Mark(reshownMark)
	return clears{state.Clears, uint32(doubted.Message)}, err
}

// took reports whether a clear that is not in doubt has taken away what stood at a place. A relay that lets some entries
// vanish and shows others again has cleared nothing.
func (k clears) took(at record.Place) bool {
	return at.Entry > 0 && k.doubted <= at.Clear && at.Clear < k.all
}

// differing compares the lines, and finds out whether the report has some that are not held. It returns which clears are in
// doubt now.
func (c *Conversation) differing(
	d *model.Comparison, r *model.Report, until int64, before *Before, known clears,
) (clears, error) {
	type name struct {
		author record.PublicKey
		number uint32
		hash   record.Hash
	}
	lines := make(map[name]*record.Held, len(r.Lines))
	for i := range r.Lines {
		h := &r.Lines[i]
		lines[name{h.Author, h.Number, h.Hash}] = h
	}
	var differ, gone, again, same []pair
	held := 0
	err := c.records(func(id int64, h record.Held) error {
		p := pair{held: h, shown: lines[name{h.Author, h.Number, h.Hash}]}
		if p.held.Cells = nil; p.shown != nil {
			held++
		}
		switch {
		case p.shown == nil && (until > 0 && h.At.Entry > until || !before.had(id, h.Author, h.Number)):
		case p.shown == nil:
			gone = append(gone, p)
		case h.At.Clear < known.all:
			again = append(again, p)
		case h.At.Entry != p.shown.At.Entry:
			differ = append(differ, p)
		default:
			same = append(same, p)
		}
		return nil
	})
	if err != nil {
		return known, err
	}
	for i := 0; i < len(again) && known.doubted < known.all; i++ {
		p := &again[i]
		is, err := shownAgain(c.store, p.held.At.Place, p.entry(), r.Posted[p.entry()])
		if err != nil {
			return known, err
		}
		if is {
			known.doubted = known.all
		}
	}
	for _, p := range again {
		if !known.took(p.held.At.Place) {
			same = append(same, p)
		} else { // a copy, posted since: where that stands says nothing
			d.Copied++
		}
	}
	gone = slices.DeleteFunc(gone, func(p pair) bool {
		cleared := known.took(p.held.At.Place)
		if cleared {
			d.Cleared.Add(p.held.At.Place)
		}
		return cleared
	})
	if gone, err = c.opening(gone, &d.KeyGone); err != nil {
		return known, err
	}
	d.Differing, d.Behind = grouped(slices.Concat(differ, gone, outOfOrder(same))), held < len(lines)
	return known, nil
}

// KeyGone returns what is held and opens with no key of the room, since a key is not here any more.
func (c *Conversation) KeyGone() (gone model.Unchecked, err error) {
	var all []pair
	err = c.records(func(_ int64, h record.Held) error {
		if h.Author.IsZero() || !c.hasKey(h.Key) {
			h.Cells = nil
			all = append(all, pair{held: h})
		}
		return nil
	})
	if err == nil {
		_, err = c.opening(all, &gone)
	}
	if err != nil {
		return gone, fmt.Errorf("looking for what no key opens: %w", err)
	}
	return gone, nil
}

// opening returns those that a key here opens, and counts the others.
func (c *Conversation) opening(all []pair, closed *model.Unchecked) (open []pair, err error) {
	var texts []record.Spot
	for i := range all {
		if h := &all[i].held; h.Author.IsZero() { // it is not kept which key has opened it
			texts = append(texts, h.At)
		}
	}
	opened := map[record.Spot]bool{}
	for some := range slices.Chunk(texts, entriesAtOnce) {
		pages, err := c.fetch(c.store, some)
		if err != nil {
			return nil, err
		}
		for i := range pages {
			for _, t := range pages[i].opened {
				opened[record.Spot{Place: pages[i].at, Field: t.field}] = true
			}
		}
	}
	for i := range all {
		if h := &all[i].held; opened[h.At] || !h.Author.IsZero() && c.hasKey(h.Key) {
			open = append(open, all[i])
		} else {
			closed.Add(h.At.Place)
		}
	}
	return open, nil
}

// pair is a record as it is held, and as a report has it; nil if it has not.
type pair struct {
	held  record.Held
	shown *record.Held
}

// entry is where the report has it, 0 if it has not.
func (p *pair) entry() int64 {
	if p.shown == nil {
		return 0
	}
	return p.shown.At.Entry
}

// outOfOrder returns those that stand elsewhere among the others than they are held: as few as can be. They are in one
// entry, where only the field differs, or what was held before a clear is shown again.
func outOfOrder(all []pair) (out []pair) {
	slices.SortFunc(all, func(a, b pair) int { return a.shown.Compare(b.shown) })
	// ends[n] ends the run of n + 1 that ascend as they are held and that ends lowest, and before leads back in it.
	var ends []int
	before := make([]int, len(all))
	for i := range all {
		n, _ := slices.BinarySearchFunc(ends, i, func(end, i int) int { return all[end].held.Compare(&all[i].held) })
		if before[i] = -1; n > 0 {
			before[i] = ends[n-1]
		}
		if n == len(ends) {
			ends = append(ends, i)
		} else {
			ends[n] = i
		}
	}
	stays := -1
	if len(ends) > 0 {
		stays = ends[len(ends)-1]
	}
	for i := range slices.Backward(all) {
		if i == stays {
			stays = before[i]
			continue
		}
		out = append(out, all[i])
	}
	return out
}

// grouped takes together what one author wrote one after the other.
func grouped(pairs []pair) (all []model.Differing) {
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(bytes.Compare(a.held.Author[:], b.held.Author[:]), cmp.Compare(min(a.entry(), 1), min(b.entry(), 1)),
			cmp.Compare(a.held.Number, b.held.Number), a.held.Compare(&b.held))
	})
	for i := range pairs {
		p := &pairs[i]
		h := &p.held
		d := model.Differing{Author: h.Author, First: h.Number, Last: h.Number, LastEntry: h.At.Entry, FirstEntry: h.At.Entry}
		d.FirstShown, d.LastShown = p.entry(), p.entry()
		if h.Author.IsZero() {
			d.Texts = 1
		}
		if n := len(all) - 1; n < 0 || !joins(&all[n], &d) {
			all = append(all, d)
		}
	}
	return all
}

// joins adds to a finding what follows on it, and reports whether it does.
func joins(d, next *model.Differing) bool {
	if d.Author != next.Author || next.First > d.Last+1 || (d.FirstShown == 0) != (next.FirstShown == 0) {
		return false
	}
	d.Last = next.Last
	d.Texts += next.Texts
	d.FirstEntry, d.LastEntry = min(d.FirstEntry, next.FirstEntry), max(d.LastEntry, next.LastEntry)
	d.FirstShown, d.LastShown = min(d.FirstShown, next.FirstShown), max(d.LastShown, next.LastShown)
	return true
}
