package gateway

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
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

	// rows are the newest readings, with consecutive numbers. Those that no key of the room opens are among them, saying nothing. seen
	// tells of each whether it was seen in the room; lookedAt is the number from which on the next is looked for that was.
	rows     []row
	seen     []bool
	lookedAt int64

	// queue are the numbers of readings taken here that are to be handed over, in order, and locked how many wait beside them as no
	// key opens them. handed is the highest number that is in the room's outbox, or was, and left the highest that the cloud has
	// taken; both go on in order, and posting is how many are in between. moved is closed when left goes on, and replaced.
	queue        []int64
	locked       int
	handed, left int64
	posting      int
	moved        chan struct{}

	// authors are who has written: first whoever writes here, then nobody, then the others, as byKey finds them.
	authors []Author
	byKey   map[string]int32
	// findings are what is wrong with what the room holds, and settings counts their changes and those of authors.
	findings []any
	settings int64
	views    map[choice]*view

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

func byNumber(r row, number int64) int { return cmp.Compare(r.number, number) }

// at returns the place of the first row with this number or a higher one.
func (s *shelf) at(number int64) int {
	at, _ := slices.BinarySearchFunc(s.rows, number, byNumber)
	return at
}

// put appends a row, and forgets the oldest ones.
func (s *shelf) put(r row, seen bool) {
	s.rows, s.seen = append(s.rows, r), append(s.seen, seen)
	if n := len(s.rows) - maxShown; n > maxShown/8 {
		s.rows, s.seen = slices.Clone(s.rows[n:]), slices.Clone(s.seen[n:])
		clear(s.views) // their rows have other places now
	}
}

// match returns the number of a reading taken here that says the same at the same time, was not seen in the room yet, and is none of
// some others; 0 if there is none. They come back in order, mostly.
func (s *shelf) match(date int64, said string, but map[int64]bool) int64 {
	from := s.at(s.lookedAt)
	for n := range s.rows {
		i := (from + n) % len(s.rows)
		if r := &s.rows[i]; r.author == here && !s.seen[i] && r.date == date && r.said == said && !but[r.number] {
			return r.number
		}
	}
	return 0
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
		s.authors = append(s.authors, Author{Key: key})
	}
	return at
}

// choice says which rows of a room are shown. The zero choice is all.
type choice struct {
	signed, verified bool
	author           string
}

func (c *choice) takes(a *Author) bool {
	switch {
	case c.signed && a.Key == "":
		return false
	case c.verified && (a.Key == "" || a.Lost || !a.Own && !a.Compared):
		return false
	}
	return c.author == "" || c.author == a.Name || c.author == a.Key
}

// view is a choice of a shelf's rows as a feed: its entries are counted from 1 without gaps, as the rules of a relay want them. It has
// a generation of its own.
type view struct {
	choice choice
	shelf  *shelf
	// until is the number up to which rows were looked at, and picked are those that were taken, unless all are.
	until  int64
	picked []int64
	state  relay.State
}

// maxViews is how many choices of a shelf are kept.
const maxViews = 16

// view returns a choice as it is now. The caller holds mu.
func (r *readings) view(s *shelf, c choice) *view {
	v := s.views[c]
	if v == nil {
		if len(s.views) >= maxViews {
			clear(s.views)
		}
		r.generation++
		v = &view{choice: c, shelf: s, state: relay.State{Channel: s.channel.ID, WriteKey: s.writeKey}}
		v.state.Generation = r.generation
		s.views[c] = v
	}
	for i := s.at(v.until + 1); i < len(s.rows); i++ {
		row := &s.rows[i]
		if v.until = row.number; c != (choice{}) {
			if !c.takes(&s.authors[row.author]) {
				continue
			}
			v.picked = append(v.picked, row.number)
		}
		v.state.Add(&relay.NewEntry{Entry: row.unpack()}, time.Time{})
	}
	v.state.Settings = s.settings
	return v
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

// shown are entries of a view, which nobody changes any more.
type shown struct {
	first   int64
	rows    []row   // all of them, or
	picked  []int64 // those of these numbers
	authors []Author
}

// part returns the entries first to last of a generation, as they are now.
func (r *readings) part(generation, first, last int64) (p shown) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.generationOf(generation)
	if v == nil {
		return p
	}
	p.first, p.rows, p.authors = max(first, 1), v.shelf.rows, v.shelf.authors
	last = min(last, v.state.Last)
	switch {
	case last < p.first:
		p.rows = nil
	case v.choice == (choice{}):
		p.rows = p.rows[p.first-1 : last]
	default:
		p.picked = v.picked[p.first-1 : last]
	}
	return p
}

// each visits the rows, until that fails.
func (p *shown) each(visit func(*row) error) error {
	for n := range p.count() {
		if err := visit(p.row(n)); err != nil {
			return err
		}
	}
	return nil
}

func (p *shown) count() int {
	if p.picked != nil {
		return len(p.picked)
	}
	return len(p.rows)
}

func (p *shown) row(n int) *row {
	if p.picked != nil {
		n, _ = slices.BinarySearchFunc(p.rows, p.picked[n], byNumber)
	}
	return &p.rows[n]
}

// show visits the entry of a number in the view.
func (p *shown) show(number int64, visit func(*thingspeak.Entry) error) error {
	r := p.row(int(number - p.first))
	e := r.unpack()
	if a := &p.authors[r.author]; !e.Status.Given && a.Key != "" && a.Name != "" {
		e.Status = thingspeak.Text("signed by " + a.Name)
	}
	if e.ID = number; number != r.number {
		e.Shown = r.number
	}
	return visit(&e)
}

// visit visits all entries, until that fails.
func (p *shown) visit(visit func(*thingspeak.Entry) error) error {
	for n := range p.count() {
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
	number := p.first
	err := p.each(func(r *row) error {
		if r.date >= start && r.date <= end {
			found = append(found, dated{r.date, number})
		}
		number++
		return nil
	})
	if err != nil {
		return err
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
	case v == nil:
		return 1
	case v.choice == (choice{}):
		return int64(v.shelf.at(number)) + 1
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

// load opens a row with the room's keys; what no key opens says nothing.
func (s *shelf) load(on *sealedRow, ring fernet.Ring) error {
	opened, err := ring.Open(on.sealed)
	locked := err != nil
	if locked {
		opened.Plaintext = []byte("{}") // whoever reads wants every number
	}
	e, err := openReading(opened.Plaintext)
	if err != nil {
		return err
	}
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
	s.rows, s.seen = append(s.rows, r), append(s.seen, on.seen)
	return nil
}
