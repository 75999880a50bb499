package record

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
)

// Memory is a [Known] that keeps everything in memory: for a feed that is read once, and what room/memory is built on. Make
// it with [NewMemory]. To have cells again by their spots give it those of each call with [Memory.Keep] before. It is not
// safe for concurrent use.
type Memory struct {
	// Undo, unless it is nil, remembers how to take back what is applied.
	Undo *Undo

	authors   map[PublicKey]Author
	arrived   map[PublicKey]int // in which order
	tagged    map[Tag]map[PublicKey]bool
	held      map[PublicKey]map[uint32][]Held
	claims    map[Tag]map[claimKey]Claim
	unsettled map[claimKey]bool
	waiting   map[PublicKey]bool // authors with gaps that were not told
	pins      map[string]PublicKey
	devices   map[devicePair]DeviceClaim
	about     map[PublicKey]map[devicePair]bool // the same, by both of their keys
	told      map[FindingID]Finding
	// A map in a map would take a kilobyte for each cell of a stranger that waits.
	groups  map[GroupID]Group
	numbers map[numberKey][]GroupID // the same
	pending map[GroupID][]Spot
	spots   map[Spot]GroupID // the same
	untried map[GroupID]bool
	cells   map[Spot]*keptCell
}

var _ Known = (*Memory)(nil)

// NewMemory returns one that knows nothing.
func NewMemory() *Memory {
	return &Memory{
		authors: map[PublicKey]Author{}, arrived: map[PublicKey]int{}, tagged: map[Tag]map[PublicKey]bool{},
		held:   map[PublicKey]map[uint32][]Held{},
		claims: map[Tag]map[claimKey]Claim{}, unsettled: map[claimKey]bool{}, waiting: map[PublicKey]bool{},
		pins: map[string]PublicKey{}, devices: map[devicePair]DeviceClaim{}, about: map[PublicKey]map[devicePair]bool{},
		told: map[FindingID]Finding{}, groups: map[GroupID]Group{}, numbers: map[numberKey][]GroupID{},
		pending: map[GroupID][]Spot{}, spots: map[Spot]GroupID{}, untried: map[GroupID]bool{},
		cells: map[Spot]*keptCell{},
	}
}

// Introduce makes known what is known elsewhere of whose names are whose, before anything is read: the pins and devices of
// a change, and what was pinned to its authors and what the user has said of them.
func (m *Memory) Introduce(c Change) {
	m.Apply(Change{Pins: c.Pins, Devices: c.Devices})
	for _, a := range c.Authors {
		m.setAuthor(Author{Key: a.Key, Pinned: a.Pinned, Compared: a.Compared, Nameless: a.Nameless})
	}
}

func (m *Memory) setAuthor(a Author) {
	if _, ok := m.arrived[a.Key]; !ok {
		Put(m.Undo, m.arrived, a.Key, len(m.arrived))
	}
	Put(m.Undo, m.authors, a.Key, a)
}

// SetCompared notes that the user has compared the key of an author who is known, and SetNameless that the author's
// nicknames are let go of: what is pinned to the key goes, and that it was compared is forgotten.
func (m *Memory) SetCompared(key PublicKey) { m.say(key, true) }

// SetNameless is described at [Memory.SetCompared].
func (m *Memory) SetNameless(key PublicKey) {
	for form, other := range m.pins {
		if other == key {
			Drop(m.Undo, m.pins, form)
		}
	}
	m.say(key, false)
}

func (m *Memory) say(key PublicKey, compared bool) {
	if a, ok := m.authors[key]; ok {
		if a.Compared, a.Nameless = compared, !compared; !compared {
			a.Pinned = 0
		}
		m.setAuthor(a)
	}
}

// keptCell is a cell without what its spot tells.
type keptCell struct {
	key   KeyID
	plain [CellSize]byte
}

// Keep remembers cells, so that they can be had again by their spots.
func (m *Memory) Keep(cells []Cell) {
	for i := range cells {
		c := &cells[i]
		m.cells[c.Spot] = &keptCell{c.Key, c.Plain}
	}
}

// Apply keeps a change. What the user has said of its authors stays.
func (m *Memory) Apply(c Change) {
	for _, a := range c.Authors {
		before := m.authors[a.Key]
		if a = a.clone(); before.Key == a.Key {
			a.Compared, a.Nameless = before.Compared, before.Nameless
		}
		m.setAuthor(a)
		putIn(m.Undo, m.tagged, a.Key.Tag(), a.Key, true)
		mark(m.Undo, m.waiting, a.Key, a.Waiting())
	}
	for _, h := range c.Held {
		rows := m.held[h.Author][h.Number]
		if i := slices.IndexFunc(rows, func(r Held) bool { return r.Hash == h.Hash }); i >= 0 {
			before := rows[i]
			m.Undo.Add(func() { rows[i] = before })
			rows[i] = h
		} else {
			putIn(m.Undo, m.held, h.Author, h.Number, append(rows, h))
		}
	}
	for _, claim := range c.ClaimsGone {
		Drop(m.Undo, m.claims[claim.Tag], claim.key())
		Drop(m.Undo, m.unsettled, claim.key())
	}
	for _, claim := range c.Claims {
		putIn(m.Undo, m.claims, claim.Tag, claim.key(), claim)
		mark(m.Undo, m.unsettled, claim.key(), claim.Doubted || claim.Below)
	}
	for _, p := range c.Pins {
		Put(m.Undo, m.pins, p.Form, p.Key)
	}
	for _, d := range c.Devices {
		Put(m.Undo, m.devices, d.pair(), d)
		putIn(m.Undo, m.about, d.Author, d.pair(), true)
		putIn(m.Undo, m.about, d.Device, d.pair(), true)
	}
	m.applyGroups(&c)
	for _, f := range slices.Concat(c.TakenBack, c.Superseded) {
		Drop(m.Undo, m.told, f.ID())
	}
	for _, f := range c.Told {
		if _, ok := m.told[f.ID()]; !ok {
			Put(m.Undo, m.told, f.ID(), f)
		}
	}
}

// Forget lets go of what was told, so that it may be told anew, and DropIfEmpty of groups of which no cell waits.
func (m *Memory) Forget(told []FindingID) {
	for _, id := range told {
		Drop(m.Undo, m.told, id)
	}
}

// DropIfEmpty is described at [Memory.Forget].
func (m *Memory) DropIfEmpty(groups []GroupID) {
	groups = slices.DeleteFunc(slices.Clone(groups), func(id GroupID) bool { return len(m.pending[id]) > 0 })
	m.applyGroups(&Change{GroupsGone: groups})
}

// applyGroups keeps groups of cells, and the cells that wait.
func (m *Memory) applyGroups(c *Change) {
	for _, id := range c.GroupsGone {
		m.forgetPending(m.pending[id])
		Drop(m.Undo, m.untried, id)
		Drop(m.Undo, m.groups, id)
		left := slices.Clone(m.numbers[id.claimed()])
		left = slices.DeleteFunc(left, func(other GroupID) bool { return other == id })
		setList(m.Undo, m.numbers, id.claimed(), left)
	}
	m.forgetPending(c.PendingGone) // first: a cell may wait again
	for _, g := range c.Groups {
		if _, ok := m.groups[g.ID]; !ok {
			Put(m.Undo, m.numbers, g.ID.claimed(), append(m.numbers[g.ID.claimed()], g.ID))
		}
		Put(m.Undo, m.groups, g.ID, g)
		mark(m.Undo, m.untried, g.ID, g.Untried)
	}
	for _, cell := range c.Pending {
		id, err := cell.Group()
		if err != nil {
			continue
		}
		if _, ok := m.spots[cell.Spot]; !ok {
			Put(m.Undo, m.pending, id, append(m.pending[id], cell.Spot))
		}
		Put(m.Undo, m.spots, cell.Spot, id)
	}
}

// forgetPending forgets that cells at some spots wait.
func (m *Memory) forgetPending(spots []Spot) {
	groups := map[GroupID]bool{}
	for _, spot := range spots {
		groups[m.spots[spot]] = true
		Drop(m.Undo, m.spots, spot)
	}
	for id := range groups {
		setList(m.Undo, m.pending, id, slices.DeleteFunc(slices.Clone(m.pending[id]), func(spot Spot) bool {
			_, waits := m.spots[spot]
			return !waits
		}))
	}
}

func putIn[K1, K2 comparable, V any](u *Undo, m map[K1]map[K2]V, k1 K1, k2 K2, v V) {
	inner, ok := m[k1]
	if !ok {
		inner = map[K2]V{}
		m[k1] = inner
	}
	Put(u, inner, k2, v)
}

// mark notes whether something is so.
func mark[K comparable](u *Undo, m map[K]bool, key K, is bool) {
	if is {
		Put(u, m, key, true)
	} else {
		Drop(u, m, key)
	}
}

// setList sets a list, and nothing for an empty one.
func setList[K comparable, V any](u *Undo, m map[K][]V, key K, list []V) {
	if len(list) > 0 {
		Put(u, m, key, list)
	} else {
		Drop(u, m, key)
	}
}

// Author implements [Known].
func (m *Memory) Author(key PublicKey) (Author, bool, error) {
	a, ok := m.authors[key]
	return a.clone(), ok, nil
}

func (a Author) clone() Author {
	a.Gaps = slices.Clone(a.Gaps)
	return a
}

// Authors implements [Known].
func (m *Memory) Authors(q AuthorQuery) (authors []Author, err error) {
	add := func(key PublicKey) {
		if a, ok := m.authors[key]; ok && q.Only.Of(&a) {
			authors = append(authors, a.clone())
		}
	}
	switch {
	case q.Tag != nil:
		for key := range m.tagged[*q.Tag] {
			add(key)
		}
	case q.Only == GapsWait: // asked for in each call
		for key := range m.waiting {
			add(key)
		}
	default:
		for key := range m.authors {
			add(key)
		}
	}
	slices.SortFunc(authors, func(a, b Author) int { return cmp.Compare(m.arrived[a.Key], m.arrived[b.Key]) })
	return authors, nil
}

// Claims implements [Known].
func (m *Memory) Claims(q ClaimQuery) (claims []Claim, err error) {
	if q.Tag != nil {
		return slices.Collect(maps.Values(m.claims[*q.Tag])), nil
	}
	for key := range m.unsettled {
		claims = append(claims, m.claims[key.tag][key])
	}
	return claims, nil
}

// Held implements [Known].
func (m *Memory) Held(q HeldQuery) (rows []Held, err error) {
	records := m.held[q.Author]
	switch {
	case q.Last == 0:
		return linesOf(records, q.From, q.To), nil
	case uint64(q.Last)-uint64(q.First) < uint64(len(records)):
		for n := uint64(q.First); n <= uint64(q.Last); n++ {
			rows = append(rows, records[uint32(n)]...)
		}
		return rows, nil
	}
	for _, n := range slices.Sorted(maps.Keys(records)) {
		if q.First <= n && n <= q.Last {
			rows = append(rows, records[n]...)
		}
	}
	return rows, nil
}

// linesOf returns the records that stand from one spot to another, and the last one before them.
func linesOf(records map[uint32][]Held, from, to Spot) (lines []Held) {
	for _, rows := range records {
		lines = append(lines, rows...)
	}
	slices.SortFunc(lines, func(a, b Held) int { return a.Compare(&b) })
	lines = slices.DeleteFunc(lines, func(h Held) bool { return h.At.Compare(to) > 0 })
	for len(lines) > 1 && lines[1].At.Compare(from) < 0 {
		lines = lines[1:]
	}
	return lines
}

// Pins implements [Known].
func (m *Memory) Pins(q PinQuery) (pins []Pin, err error) {
	if q.Form != "" {
		if key, ok := m.pins[q.Form]; ok {
			pins = []Pin{{q.Form, key}}
		}
		return pins, nil
	}
	for form, key := range m.pins {
		if q.Key.IsZero() || key == q.Key {
			pins = append(pins, Pin{form, key})
		}
	}
	slices.SortFunc(pins, func(a, b Pin) int { return cmp.Compare(a.Form, b.Form) })
	return pins, nil
}

// Devices implements [Known].
func (m *Memory) Devices(key PublicKey) (claims []DeviceClaim, err error) {
	for pair := range m.about[key] {
		claims = append(claims, m.devices[pair])
	}
	return claims, nil
}

// Told implements [Known].
func (m *Memory) Told(id FindingID) (last uint32, told bool, err error) {
	f, ok := m.told[id]
	return f.Last, ok, nil
}

// Groups implements [Known].
func (m *Memory) Groups(q GroupQuery) (groups []Group, err error) {
	add := func(g Group) {
		isAsked := q.Last == 0 || g.ID.Tag == q.Tag && q.First <= g.ID.Number && g.ID.Number <= q.Last
		if isAsked && q.Only.Of(&g) {
			groups = append(groups, g)
		}
	}
	switch {
	case q.Only == WithUntried: // asked for in each call
		for id := range m.untried {
			add(m.groups[id])
		}
	case q.Last > 0 && uint64(q.Last)-uint64(q.First) < uint64(len(m.groups)):
		for n := uint64(q.First); n <= uint64(q.Last); n++ {
			for _, id := range m.numbers[numberKey{q.Tag, uint32(n)}] {
				add(m.groups[id])
			}
		}
	default:
		for _, g := range m.groups {
			add(g)
		}
	}
	slices.SortFunc(groups, func(a, b Group) int { return compareGroups(a.ID, b.ID) })
	if q.Numbers > 0 {
		groups = lowest(groups, q.Numbers)
	}
	return groups, nil
}

// lowest returns the groups of the lowest numbers, in order, of so many.
func lowest(groups []Group, numbers int) []Group {
	for n := range groups {
		if n > 0 && groups[n].ID.Number != groups[n-1].ID.Number {
			if numbers--; numbers == 0 {
				return groups[:n]
			}
		}
	}
	return groups
}

// Pending implements [Known].
func (m *Memory) Pending(id GroupID) ([]Spot, error) {
	return slices.Clone(m.pending[id]), nil
}

// Cells implements [Known].
func (m *Memory) Cells(spots []Spot) (cells []Cell, err error) {
	for _, spot := range spots {
		cells = append(cells, m.open(spot)...)
	}
	return cells, nil
}

func (m *Memory) open(spot Spot) []Cell {
	c := m.cells[spot]
	if c == nil {
		return nil
	}
	return []Cell{{spot, c.key, c.plain}}
}

// Arriving implements [Known].
func (m *Memory) Arriving() (arrival Arrival, err error) {
	tags := map[Tag]bool{}
	for id, g := range m.groups {
		switch {
		case g.State != Arriving:
		case m.isHeld(id.Tag):
			tags[id.Tag] = true
		default:
			arrival.Strays++
		}
	}
	arrival.Tags = slices.Collect(maps.Keys(tags))
	return arrival, nil
}

// isHeld reports whether something is held of an author with a tag.
func (m *Memory) isHeld(tag Tag) bool {
	for key := range m.tagged[tag] {
		if m.authors[key].Base > 0 {
			return true
		}
	}
	return false
}

// All returns the change that makes the same Memory of an empty one, but for its cells.
func (m *Memory) All() Change {
	c := Change{Held: m.Records(), Told: m.Findings()}
	c.Authors, _ = m.Authors(AuthorQuery{})
	c.Pins, _ = m.Pins(PinQuery{})
	for _, claims := range m.claims {
		c.Claims = slices.AppendSeq(c.Claims, maps.Values(claims))
	}
	slices.SortFunc(c.Claims, compareClaims)
	c.Devices = slices.SortedFunc(maps.Values(m.devices), func(a, b DeviceClaim) int {
		return cmp.Or(bytes.Compare(a.Author[:], b.Author[:]), bytes.Compare(a.Device[:], b.Device[:]))
	})
	c.Groups, _ = m.Groups(GroupQuery{})
	for _, id := range slices.SortedFunc(maps.Keys(m.pending), compareGroups) {
		for _, spot := range m.pending[id] {
			c.Pending = append(c.Pending, id.CellAt(spot))
		}
	}
	return c
}

// Records returns all records, by author and number.
func (m *Memory) Records() []Held {
	var held []Held
	for _, records := range m.held {
		for _, rows := range records {
			held = append(held, rows...)
		}
	}
	slices.SortStableFunc(held, func(a, b Held) int {
		if a.Author == b.Author && a.Number == b.Number {
			return 0 // in the order in which they came
		}
		return compareNumbered(a, b)
	})
	return held
}

// Findings returns what was told and not taken back, in a fixed order.
func (m *Memory) Findings() []Finding {
	byID := map[string]Finding{}
	for id, f := range m.told {
		byID[id.String()] = f
	}
	var found []Finding
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		found = append(found, byID[id])
	}
	return found
}
