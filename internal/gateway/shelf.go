package gateway

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// shelf are the readings of one room.
type shelf struct {
	room              string
	channel           *relay.Channel
	writeKey, readKey string
	// state is where writing stands: its Last is the number of the newest reading.
	state relay.State

	// rows are the newest readings, with consecutive numbers. Those that no key of the room opens are among them, saying nothing.
	rows []row
	// unseen are the numbers of those rows that were taken here and not seen in the room yet, in order, by what they say.
	unseen map[told][]int64

	// queue are the numbers of readings taken here that are to be handed over, in order, and locked how many wait beside them as no
	// key opens them. handed is the highest number that is in the room's outbox, or was, and left the highest that the cloud has
	// taken; both go on in order, and posting is how many are in between. moved is closed when left goes on, and replaced.
	queue        []int64
	locked       int
	handed, left int64
	posting      int
	moved        chan struct{}

	// authors are who has written: first whoever writes here, then nobody, then the others, as byKey finds them.
	authors []author
	byKey   map[string]int32
	// findings are what is wrong with what the room holds, and settings counts their changes and those of authors.
	findings []item.Finding
	settings int64
	// renamed counts how often authors were called, or counted, otherwise than before.
	renamed int
	// views are the last that were used, the last one last, with those that somebody may have begun to read.
	views []*view

	following bool
	// known is closed once the authors are known.
	known chan struct{}
}

// row is a reading in memory: what a [thingspeak.Entry] says, in a tenth of the room.
type row struct {
	number, date int64 // seconds since 1970
	said         string
	author       int32
}

const (
	here, nobody = 0, 1 // places in shelf.authors
)

// told is what a reading says, and when.
type told struct {
	date int64
	said string
}

// values are what is packed of an entry, in order.
func values(e *thingspeak.Entry) (all [thingspeak.FieldCount + 4]*thingspeak.Value) {
	for i := range e.Fields {
		all[i] = &e.Fields[i]
	}
	copy(all[thingspeak.FieldCount:], []*thingspeak.Value{&e.Status, &e.Latitude, &e.Longitude, &e.Elevation})
	return all
}

// pack writes the values of an entry one after the other, each behind its length and one, or behind 0 where it is not given. An empty
// status or place is none: a reading of a room has no other.
func pack(e *thingspeak.Entry) string {
	b := make([]byte, 0, 64)
	for i, v := range values(e) {
		if !v.Given || v.Text == "" && i >= thingspeak.FieldCount {
			b = append(b, 0)
			continue
		}
		b = append(binary.AppendUvarint(b, uint64(len(v.Text))+1), v.Text...)
	}
	return string(b)
}

// unpack is the entry of a row. Its texts are parts of the packed one.
func (r *row) unpack() (e thingspeak.Entry) {
	e.ID, e.CreatedAt = r.number, time.Unix(r.date, 0).UTC()
	said := r.said
	for _, v := range values(&e) {
		if said == "" {
			break
		}
		size, n := uint64(said[0]), 1
		if size >= 0x80 {
			size, n = binary.Uvarint([]byte(said[:min(len(said), binary.MaxVarintLen64)]))
		}
		if said = said[n:]; size > 0 {
			*v = thingspeak.Text(said[:size-1])
			said = said[size-1:]
		}
	}
	return e
}

// at returns the place of the first row with this number or a higher one.
func (s *shelf) at(number int64) int {
	at, _ := slices.BinarySearchFunc(s.rows, number, func(r row, number int64) int { return cmp.Compare(r.number, number) })
	return at
}

// put appends a row, and forgets the oldest ones.
func (s *shelf) put(r row) {
	s.rows = append(s.rows, r)
	if n := len(s.rows) - maxShown; n > maxShown/8 {
		for i := range s.rows[:n] {
			gone := &s.rows[i]
			if waits := s.unseen[gone.told()]; len(waits) > 0 && waits[0] == gone.number {
				s.see(gone.told(), 1)
			}
		}
		s.rows = slices.Clone(s.rows[n:])
	}
}

func (r *row) told() told { return told{r.date, r.said} }

// expect notes that a row that was taken here will be seen in the room.
func (s *shelf) expect(r *row) { s.unseen[r.told()] = append(s.unseen[r.told()], r.number) }

// see notes that the first so many readings taken here that say the same were seen in the room, or are forgotten.
func (s *shelf) see(what told, n int) {
	if s.unseen[what] = s.unseen[what][n:]; len(s.unseen[what]) == 0 {
		delete(s.unseen, what)
	}
}

// authorOf returns the place of an author, who may be new.
func (s *shelf) authorOf(key string) int32 {
	if key == "" {
		return nobody
	}
	at, known := s.byKey[key]
	if !known {
		at = int32(len(s.authors))
		s.byKey[key] = at
		s.authors = append(s.authors, author{key: key})
	}
	return at
}

// choice says which rows of a room are shown. The zero choice is all.
type choice struct {
	signed, verified bool
	author           string
}

func (c *choice) takes(a *author) bool {
	switch {
	case c.signed && a.key == "":
		return false
	case c.verified && a.standing != model.Verified && a.standing != model.Yours:
		return false
	}
	return c.author == "" || c.author == a.name || c.author == a.key
}

// view is a choice of a shelf's rows as a feed: its entries are counted from 1 without gaps, as the rules of a relay want them. It has
// a generation of its own. Once authors are called otherwise, or the oldest rows are forgotten, another one takes its place; it stays for
// a while for those who have begun to read it.
type view struct {
	choice choice
	shelf  *shelf
	// begin is the number of the shelf's first row, and renamed its count, when the view was made.
	begin   int64
	renamed int
	// until is the number up to which rows were looked at, and picked are those that were taken, unless all are.
	until  int64
	picked []int64
	state  relay.State
}

const (
	// maxViews is how many views of a shelf are kept.
	maxViews = 16
	// viewedAtOnce is how many rows are looked at for a view before whoever writes has a turn.
	viewedAtOnce = 1000
	// noAuthor is the choice of an author who is none of those of the room.
	noAuthor = "\x00"
)

// begin is the number of the first row, or of the one to come.
func (s *shelf) begin() int64 {
	if len(s.rows) > 0 {
		return s.rows[0].number
	}
	return s.state.Last + 1
}

// isNow reports whether the view is still as its rows are.
func (v *view) isNow() bool { return v.begin == v.shelf.begin() && v.renamed == v.shelf.renamed }

// view returns a choice as it is now. The caller holds mu, which others get meanwhile if there is much to look at.
func (r *readings) view(s *shelf, c choice) *view {
	named := func(a author) bool { return c.author == a.name || c.author == a.key }
	if c.author != "" && !slices.ContainsFunc(s.authors, named) {
		c.author = noAuthor
	}
	v := r.find(s, c)
	for !v.lookOn(viewedAtOnce) {
		r.mu.Unlock()
		r.mu.Lock()
		if !v.isNow() {
			v = r.find(s, c)
		}
	}
	s.use(v)
	v.state.Settings = s.settings
	return v
}

// find returns the view of a choice, which is made if it is not there. The caller holds mu.
func (r *readings) find(s *shelf, c choice) *view {
	next := view{choice: c, shelf: s, begin: s.begin(), state: relay.State{Channel: s.channel.ID, WriteKey: s.writeKey}}
	for _, v := range s.views {
		switch {
		case v.choice != c:
		case v.isNow():
			return v
		case c.author == "" && !c.verified && v.begin == next.begin: // by whatever names, it is the same rows
			next = *v
			next.picked = slices.Clip(v.picked) // whoever reads the other has that
		}
	}
	r.generation++
	next.renamed, next.state.Generation = s.renamed, r.generation
	s.use(&next)
	return &next
}

// use keeps a view longer than the others.
func (s *shelf) use(v *view) {
	s.views = slices.DeleteFunc(s.views, func(other *view) bool { return other == v })
	if len(s.views) >= maxViews {
		oldest := slices.IndexFunc(s.views, func(v *view) bool { return v.choice != choice{} || !v.isNow() })
		s.views = slices.Delete(s.views, oldest, oldest+1)
	}
	s.views = append(s.views, v)
}

// lookOn looks at some more rows, and reports whether these were the last.
func (v *view) lookOn(most int) (done bool) {
	rows := v.shelf.rows[v.shelf.at(v.until+1):]
	for i := range rows[:min(most, len(rows))] {
		row := &rows[i]
		if v.until = row.number; v.choice != (choice{}) {
			if !v.choice.takes(&v.shelf.authors[row.author]) {
				continue
			}
			v.picked = append(v.picked, row.number)
		}
		v.state.Add(&relay.NewEntry{Entry: row.unpack()}, time.Time{})
	}
	return len(rows) <= most
}

// generationOf returns the view that has a generation, nil if it is gone. The caller holds mu.
func (r *readings) generationOf(generation int64) *view {
	for _, s := range r.shelves {
		for _, v := range s.views {
			if v.state.Generation == generation {
				return v
			}
		}
	}
	return nil
}

// shown are entries of a view from a place on, which nobody changes any more.
type shown struct {
	first   int64
	rows    []row
	authors []author
}

// errNoView: what somebody reads is not kept any more; asked anew it is there.
var errNoView = fmt.Errorf("the feed has changed while it was read: %w", relay.ErrUnavailable)

// part returns the entries first to last of a generation. It fails rather than that any of them is missing.
func (r *readings) part(generation, first, last int64) (p shown, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.generationOf(generation)
	if v == nil {
		return p, errNoView
	}
	s := v.shelf
	p.first, p.authors = max(first, 1), s.authors
	last = min(last, v.state.Last)
	if last < p.first {
		return p, nil
	}
	number := v.begin + p.first - 1
	var picked []int64
	if v.choice != (choice{}) {
		picked = v.picked[p.first-1 : last]
		number = picked[0]
	}
	if number < s.begin() {
		return p, errNoView
	}
	rows := s.rows[s.at(number):]
	if picked == nil {
		p.rows = rows[:last-p.first+1]
		return p, nil
	}
	p.rows = make([]row, 0, len(picked))
	for i := 0; len(p.rows) < len(picked); i++ {
		if rows[i].number == picked[len(p.rows)] {
			p.rows = append(p.rows, rows[i])
		}
	}
	return p, nil
}

// signedBy is how the status of a reading begins that says nothing else: by whom it is signed.
const signedBy = "signed by "

// show visits the entry of a number in the view.
func (p *shown) show(number int64, visit func(*thingspeak.Entry) error) error {
	r := &p.rows[number-p.first]
	e := r.unpack()
	if a := &p.authors[r.author]; !e.Status.Given {
		if a.key != "" && a.name != "" {
			e.Status = thingspeak.Text(signedBy + a.name)
		}
	} else if record.BeginsLike(e.Status.Text, signedBy) { // anybody can write that
		by := "unsigned"
		if a.key != "" {
			by = signedBy + cmp.Or(a.name, a.key)
		}
		e.Status.Text = by + ": " + e.Status.Text
	}
	if e.ID = number; number != r.number {
		e.Shown = r.number
	}
	return visit(&e)
}

// visit visits all entries, until that fails.
func (p *shown) visit(visit func(*thingspeak.Entry) error) error {
	for n := range p.rows {
		if err := p.show(p.first+int64(n), visit); err != nil {
			return err
		}
	}
	return nil
}

// byTime visits the entries of a stretch, the newest first.
func (p *shown) byTime(stretch *relay.Stretch, limit int, visit func(*thingspeak.Entry) error) error {
	type dated struct{ date, number int64 }
	var found []dated
	start, end := stretch.Seconds()
	for n := range p.rows {
		if date := p.rows[n].date; date >= start && date <= end {
			found = append(found, dated{date, p.first + int64(n)})
		}
	}
	slices.SortFunc(found, func(a, b dated) int { return cmp.Or(cmp.Compare(b.date, a.date), cmp.Compare(b.number, a.number)) })
	for _, d := range found[:min(limit, len(found))] {
		if err := p.show(d.number, visit); err != nil {
			return err
		}
	}
	return nil
}

// place is the place in a view of the first entry with this number or a higher one.
func (r *readings) place(generation, number int64) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.generationOf(generation)
	switch {
	case v == nil: // whoever reads on is told
		return 1
	case v.choice == (choice{}):
		return min(max(number, v.begin), v.until+1) - v.begin + 1
	}
	at, _ := slices.BinarySearch(v.picked, number)
	return int64(at) + 1
}

// sealedRow is a row as it is on disk.
type sealedRow struct {
	number, date int64
	sealed       string
	handed, seen bool
	author       *string // nil: it was taken here
}

// load opens a row with the room's keys; what no key opens says nothing, as whoever reads wants every number.
func (s *shelf) load(on *sealedRow, ring fernet.Ring) {
	e, err := unseal(ring, on.sealed)
	locked := err != nil
	r := row{number: on.number, date: on.date, said: pack(&e)}
	switch {
	case on.author != nil:
		r.author = s.authorOf(*on.author)
	case on.handed:
		s.handed, s.left = on.number, on.number
	case locked:
		s.locked++
	default:
		s.queue = append(s.queue, on.number)
	}
	s.rows = append(s.rows, r)
	if on.author == nil && !on.seen && !locked {
		s.expect(&r)
	}
}
