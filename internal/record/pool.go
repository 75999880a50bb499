package record

import (
	"encoding/binary"
	"maps"
	"slices"
)

const (
	// maxPending is how many cells wait in memory after a call: 16 MiB of plaintext.
	maxPending = 131_072
	// maxChains is how many chains of one tag and number are tried in one call, and maxTried how many bytes of records
	// in all.
	maxChains = 64
	maxTried  = 64 << 20
)

// pool remembers the cells that are not yet part of a record, so that a long one, arriving entry by entry, need not be
// opened anew for each. It is a cache: what it lacks comes back from [Known.Pending].
type pool map[GroupID]*group

// group is the cells of one [GroupID], each once: those that wait, and those of the records with its number that are
// held, because a copy of theirs may come, or another record that ends like them.
type group struct {
	id    GroupID
	parts map[link]*part
	// starts are the cells of part 0 that wait.
	starts []*part
	// held are the records whose cells are among the parts.
	held map[Hash]bool
	// waiting counts the cells that wait, sum is the exclusive or of their links, and newest where the newest stands.
	waiting int
	sum     link
	newest  Place
}

// part is one cell, by the lowest of its copies.
type part struct {
	link  link
	plain [CellSize]byte
	// spots are the copies worth keeping: each stands lower than the one before it. Of the first stored of them Known
	// has been told.
	spots  []Spot
	stored int
	// used means that a record which is held has this cell: then it does not wait.
	used bool
	// fresh means that it has come in this call, or a copy that stands lower.
	fresh bool
	// genuine means that the chain which begins here was verified, and waits for those that were left untried.
	genuine bool
	// far is a part further on in the same chain.
	far *part
}

func (p *part) at() Spot      { return p.spots[len(p.spots)-1] }
func (p *part) next() link    { return link(binary.BigEndian.Uint64(p.plain[linkAt:])) }
func (p *part) index() int    { return int(binary.BigEndian.Uint16(p.plain[partAt:])) }
func (p *part) slice() []byte { return p.plain[headerSize:] }

func newGroup(id GroupID) *group {
	return &group{id: id, parts: map[link]*part{}, held: map[Hash]bool{}}
}

// What adding a cell to a group has come to.
type added uint8

const (
	newCell added = iota
	lowerCopy
	higherCopy // nothing changes
	collision  // another cell has its link, and stays
)

// add puts in a cell, and returns the part that has its link: a copy, at most, lowers the place of that.
func (g *group) add(c *Cell) (*part, added) {
	l := linkTo(&c.Plain)
	if p, ok := g.parts[l]; ok {
		switch {
		case p.plain != c.Plain:
			return p, collision
		case c.Spot.Compare(p.at()) >= 0:
			return p, higherCopy
		}
		p.spots = append(p.spots, c.Spot)
		return p, lowerCopy
	}
	p := &part{link: l, plain: c.Plain, spots: []Spot{c.Spot}}
	g.parts[l] = p
	g.sum ^= l
	g.waiting++
	if c.Place.Compare(g.newest) > 0 {
		g.newest = c.Place
	}
	if p.index() == 0 {
		g.starts = append(g.starts, p)
	}
	return p, newCell
}

// restore puts in cells that Known has kept.
func (g *group) restore(cells []Cell) {
	slices.SortFunc(cells, func(a, b Cell) int { return b.Spot.Compare(a.Spot) }) // see part.spots
	for i := range cells {
		if id, err := cells[i].Group(); err == nil && id == g.id {
			g.add(&cells[i])
		}
	}
	for _, p := range g.parts {
		if !p.used {
			p.stored = len(p.spots)
		}
	}
	// The oldest are tried first, so that no newer ones can come before them for ever.
	slices.SortFunc(g.starts, func(p, q *part) int { return p.at().Compare(q.at()) })
}

// hold puts in the cells of a record that is held, and returns where those stand that waited.
func (g *group) hold(h Hash, cells []Cell) (gone []Spot) {
	g.held[h] = true
	for i := range cells {
		c := &cells[i]
		if id, err := c.Group(); err != nil || id != g.id {
			continue
		}
		if p, is := g.add(c); is != collision {
			gone = append(gone, g.use(p)...)
		}
	}
	return gone
}

// use notes that a record has a part, which waits no more, and returns where it stands as Known was told.
func (g *group) use(p *part) (gone []Spot) {
	if p.used {
		return nil
	}
	p.used = true
	g.forget(p)
	gone = p.spots[:p.stored]
	p.spots, p.stored = p.spots[len(p.spots)-1:], 0
	return gone
}

// release lets a part wait again that no record has any more.
func (g *group) release(p *part) {
	p.used = false
	g.waiting++
	g.sum ^= p.link
	if p.index() == 0 {
		g.starts = append(g.starts, p)
	}
}

// reject takes out the first cell of a chain that is no record. The others may belong to one that begins elsewhere.
func (g *group) reject(start *part) (gone []Spot) {
	delete(g.parts, start.link)
	g.forget(start)
	return start.spots[:start.stored]
}

// forget takes a part out of those that wait.
func (g *group) forget(p *part) {
	g.waiting--
	g.sum ^= p.link
	if i := slices.Index(g.starts, p); i >= 0 {
		g.starts = slices.Delete(g.starts, i, i+1)
	}
}

// end returns the last part of the chain that p is on, as far as there are cells. What was found is remembered in the
// parts, and the way there made short: many beginnings may lead into one long end.
func (g *group) end(p *part) *part {
	last := p
	for {
		for last.far != nil {
			last = last.far
		}
		next, ok := g.parts[last.next()]
		if !ok || next.index() != last.index()+1 {
			break
		}
		last.far = next
	}
	for p != last {
		p, p.far = p.far, last
	}
	return last
}

// whole reports whether all parts of a chain are there.
func (g *group) whole(start *part) bool { return g.end(start).index() == int(g.id.Parts)-1 }

// walk returns the parts of a chain that is whole.
func (g *group) walk(start *part) []*part {
	parts := make([]*part, g.id.Parts)
	for i, p := 0, start; i < len(parts); i++ {
		parts[i] = p
		p = g.parts[p.next()]
	}
	return parts
}

// join appends to b the record that the slices of its parts carry, and reports whether only zeros follow it.
func join(b []byte, parts []*part) (joined []byte, whole bool) {
	end := len(b) + recordSize(&parts[0].plain)
	b = append(b, parts[0].slice()[lengthSize:]...)
	for _, p := range parts[1:] {
		b = append(b, p.slice()...)
	}
	return b[:end], !slices.ContainsFunc(b[end:], func(c byte) bool { return c != 0 })
}

// spotsOf returns where the parts of a record stand.
func spotsOf(parts []*part) []Spot {
	spots := make([]Spot, len(parts))
	for i, p := range parts {
		spots[i] = p.at()
	}
	return spots
}

// trim forgets groups, the one first whose newest cell is oldest, until the pool keeps its bound with some room to
// spare: sorting at every call would cost more than opening a group again.
func (p pool) trim() {
	cells := 0
	for _, g := range p {
		cells += len(g.parts)
	}
	if cells <= maxPending {
		return
	}
	oldest := slices.SortedFunc(maps.Values(p), func(a, b *group) int { return a.newest.Compare(b.newest) })
	for _, g := range oldest {
		if cells <= maxPending*7/8 {
			break
		}
		delete(p, g.id)
		cells -= len(g.parts)
	}
}
