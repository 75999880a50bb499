package record

import (
	"encoding/binary"
	"maps"
	"slices"
)

const (
	// maxPending is how many cells wait in memory after a call: 16 MiB of plaintext.
	maxPending = 131_072
	// maxChains is how many chains of one tag and number are tried in one call.
	maxChains = 64
)

// pool remembers the cells that are not yet part of a record, so that a long one, arriving entry by entry, need not be
// opened anew for each. It is a cache: what it lacks comes back from [Known.Pending].
type pool map[GroupID]*group

// group is the cells of one [GroupID], each once, and the chains that begin among them.
type group struct {
	id     GroupID
	parts  map[link]*part
	chains []*chain
	sum    link
	newest Place
}

// part is one cell, by the lowest of its copies.
type part struct {
	link  link
	plain [CellSize]byte
	// spots are the copies worth keeping: each stands lower than the one before it. Of the first stored of them Known
	// has been told.
	spots  []Spot
	stored int
}

func (p *part) at() Spot      { return p.spots[len(p.spots)-1] }
func (p *part) next() link    { return link(binary.BigEndian.Uint64(p.plain[linkAt:])) }
func (p *part) index() int    { return int(binary.BigEndian.Uint16(p.plain[partAt:])) }
func (p *part) slice() []byte { return p.plain[headerSize:] }

// chain is the way from a cell of part 0 along the links, as far as it has come.
type chain struct {
	start, tip *part
	length     int
}

func newGroup(id GroupID) *group { return &group{id: id, parts: map[link]*part{}} }

// add puts in a cell and reports whether it is new. It returns the part that has it, or nil if that stays as it was: a
// copy, at most, lowers the place of a part. Of two cells with one link, which their author alone can make with much
// effort, the first stays.
func (g *group) add(c *Cell) (p *part, isNew bool) {
	l := linkTo(&c.Plain)
	if p, ok := g.parts[l]; ok {
		if p.plain != c.Plain || c.Spot.Compare(p.at()) >= 0 {
			return nil, false
		}
		p.spots = append(p.spots, c.Spot)
		return p, false
	}
	p = &part{link: l, plain: c.Plain, spots: []Spot{c.Spot}}
	g.parts[l] = p
	g.sum ^= l
	if c.Place.Compare(g.newest) > 0 {
		g.newest = c.Place
	}
	if p.index() == 0 {
		g.chains = append(g.chains, &chain{start: p, tip: p, length: 1})
	}
	return p, true
}

// restore puts in cells that Known has kept.
func (g *group) restore(cells []Cell) {
	slices.SortFunc(cells, func(a, b Cell) int { return b.Spot.Compare(a.Spot) }) // see part.spots
	for i := range cells {
		g.add(&cells[i])
	}
	for _, p := range g.parts {
		p.stored = len(p.spots)
	}
}

// follow goes along the links as far as there are cells, and reports whether it came any further.
func (g *group) follow(c *chain) (moved bool) {
	for c.length < int(g.id.Parts) {
		p, ok := g.parts[c.tip.next()]
		if !ok || p.index() != c.length {
			break
		}
		c.tip, c.length, moved = p, c.length+1, true
	}
	return moved
}

// walk returns the parts of a chain that is complete.
func (g *group) walk(c *chain) []*part {
	parts := make([]*part, 1, c.length)
	parts[0] = c.start
	for p := c.start; p != c.tip; {
		p = g.parts[p.next()]
		parts = append(parts, p)
	}
	return parts
}

// join appends to b the record that the parts carry, and reports whether only zeros follow it.
func join(b []byte, parts []*part) (joined []byte, whole bool) {
	end := len(b) + recordSize(&parts[0].plain)
	b = append(b, parts[0].slice()[lengthSize:]...)
	for _, p := range parts[1:] {
		b = append(b, p.slice()...)
	}
	return b[:end], !slices.ContainsFunc(b[end:], func(c byte) bool { return c != 0 })
}

// place returns where a record stands: where its last cell does.
func place(parts []*part) Spot {
	last := parts[0].at()
	for _, p := range parts[1:] {
		if at := p.at(); at.Compare(last) > 0 {
			last = at
		}
	}
	return last
}

// use takes out the cells of a record and returns where those stand that Known was told to keep.
func (g *group) use(parts []*part) (gone []Spot) {
	for _, p := range parts {
		if g.parts[p.link] == p { // otherwise another record has used it
			delete(g.parts, p.link)
			g.sum ^= p.link
			gone = append(gone, p.spots[:p.stored]...)
		}
	}
	g.chains = slices.DeleteFunc(g.chains, func(c *chain) bool { return g.parts[c.start.link] != c.start })
	for _, c := range g.chains { // one may have led through a cell that is gone
		c.tip, c.length = c.start, 1
	}
	return gone
}

// reject takes out the first cell of a chain that is no record. The others may belong to one that begins elsewhere.
func (g *group) reject(c *chain) (gone []Spot) {
	delete(g.parts, c.start.link)
	g.sum ^= c.start.link
	g.chains = slices.DeleteFunc(g.chains, func(other *chain) bool { return other == c })
	return c.start.spots[:c.start.stored]
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
