package record

import (
	"bytes"
	"maps"
	"slices"
)

// Memory is a [Known] that keeps everything in memory, for tests and for a feed that is read once. Make it with
// [NewMemory], and give it the cells of each call with [Memory.Keep] before. It is not safe for concurrent use.
type Memory struct {
	authors   map[PublicKey]Author
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
		authors: map[PublicKey]Author{}, tagged: map[Tag]map[PublicKey]bool{}, held: map[PublicKey]map[uint32][]Held{},
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
		m.authors[a.Key] = Author{Key: a.Key, Pinned: a.Pinned, Compared: a.Compared, Nameless: a.Nameless}
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

// Apply keeps a change.
func (m *Memory) Apply(c Change) {
	for _, a := range c.Authors {
		m.authors[a.Key] = a.clone()
		put(m.tagged, a.Key.Tag(), a.Key, true)
		if a.Waiting() {
			m.waiting[a.Key] = true
		} else {
			delete(m.waiting, a.Key)
		}
	}
	for _, h := range c.Held {
		rows := m.held[h.Author][h.Number]
		if i := slices.IndexFunc(rows, func(r Held) bool { return r.Hash == h.Hash }); i >= 0 {
			rows[i] = h
		} else {
			put(m.held, h.Author, h.Number, append(rows, h))
		}
	}
	m.applyClaims(&c)
	for _, p := range c.Pins {
		m.pins[p.Form] = p.Key
	}
	for _, d := range c.Devices {
		m.devices[d.pair()] = d
		put(m.about, d.Author, d.pair(), true)
		put(m.about, d.Device, d.pair(), true)
	}
	m.forgetPending(c.PendingGone) // first: a cell may wait again
	m.applyGroups(&c)
	for _, f := range slices.Concat(c.TakenBack, c.Superseded) {
		delete(m.told, f.ID())
	}
	for _, f := range c.Told {
		m.told[f.ID()] = f
	}
}

func (m *Memory) applyClaims(c *Change) {
	for _, claim := range c.Claims {
		put(m.claims, claim.Tag, claim.key(), claim)
		if delete(m.unsettled, claim.key()); claim.Doubted || claim.Below {
			m.unsettled[claim.key()] = true
		}
	}
	for _, claim := range c.ClaimsGone {
		delete(m.claims[claim.Tag], claim.key())
		delete(m.unsettled, claim.key())
	}
}

// applyGroups keeps groups of cells, and the cells that wait.
func (m *Memory) applyGroups(c *Change) {
	for _, g := range c.Groups {
		if _, ok := m.groups[g.ID]; !ok {
			m.numbers[g.ID.claimed()] = append(m.numbers[g.ID.claimed()], g.ID)
		}
		m.groups[g.ID] = g
		if delete(m.untried, g.ID); g.Untried {
			m.untried[g.ID] = true
		}
	}
	for _, id := range c.GroupsGone {
		delete(m.untried, id)
		delete(m.groups, id)
		left := slices.DeleteFunc(m.numbers[id.claimed()], func(other GroupID) bool { return other == id })
		if m.numbers[id.claimed()] = left; len(left) == 0 {
			delete(m.numbers, id.claimed())
		}
	}
	for _, cell := range c.Pending {
		if id, err := cell.Group(); err == nil {
			if _, ok := m.spots[cell.Spot]; !ok {
				m.pending[id] = append(m.pending[id], cell.Spot)
			}
			m.spots[cell.Spot] = id
		}
	}
}

// forgetPending forgets that cells at some spots wait.
func (m *Memory) forgetPending(spots []Spot) {
	groups := map[GroupID]bool{}
	for _, spot := range spots {
		groups[m.spots[spot]] = true
		delete(m.spots, spot)
	}
	for id := range groups {
		left := slices.DeleteFunc(m.pending[id], func(spot Spot) bool {
			_, waits := m.spots[spot]
			return !waits
		})
		if m.pending[id] = left; len(left) == 0 {
			delete(m.pending, id)
		}
	}
}

func put[K1, K2 comparable, V any](m map[K1]map[K2]V, k1 K1, k2 K2, v V) {
	inner, ok := m[k1]
	if !ok {
		inner = map[K2]V{}
		m[k1] = inner
	}
	inner[k2] = v
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

// Tagged implements [Known].
func (m *Memory) Tagged(tag Tag) ([]PublicKey, []Claim, error) {
	return slices.Collect(maps.Keys(m.tagged[tag])), slices.Collect(maps.Values(m.claims[tag])), nil
}

// Held implements [Known].
func (m *Memory) Held(author PublicKey, first, last uint32) ([]Held, error) {
	records := m.held[author]
	var rows []Held
	if uint64(last)-uint64(first) < uint64(len(records)) {
		for n := uint64(first); n <= uint64(last); n++ {
			rows = append(rows, records[uint32(n)]...)
		}
		return rows, nil
	}
	for _, n := range slices.Sorted(maps.Keys(records)) {
		if first <= n && n <= last {
			rows = append(rows, records[n]...)
		}
	}
	return rows, nil
}

// Lines implements [Known].
func (m *Memory) Lines(author PublicKey, from, to Spot) (lines []Held, err error) {
	for _, rows := range m.held[author] {
		lines = append(lines, rows...)
	}
	slices.SortFunc(lines, func(a, b Held) int { return a.Compare(&b) })
	lines = slices.DeleteFunc(lines, func(h Held) bool { return h.At.Compare(to) > 0 })
	for len(lines) > 1 && lines[1].At.Compare(from) < 0 {
		lines = lines[1:]
	}
	return lines, nil
}

// Pinned implements [Known].
func (m *Memory) Pinned(form string) (PublicKey, bool, error) {
	key, ok := m.pins[form]
	return key, ok, nil
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
func (m *Memory) Groups(tag Tag, first, last uint32) ([]Group, error) {
	var groups []Group
	if uint64(last)-uint64(first) < uint64(len(m.groups)) {
		for n := uint64(first); n <= uint64(last); n++ {
			for _, id := range m.numbers[numberKey{tag, uint32(n)}] {
				groups = append(groups, m.groups[id])
			}
		}
		return groups, nil
	}
	for id, g := range m.groups {
		if id.Tag == tag && first <= id.Number && id.Number <= last {
			groups = append(groups, g)
		}
	}
	return groups, nil
}

// Untried implements [Known].
func (m *Memory) Untried() ([]GroupID, error) {
	return slices.SortedFunc(maps.Keys(m.untried), compareGroups), nil
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
func (m *Memory) Arriving(tag Tag, above uint32, limit int) (groups []Group, err error) {
	for id, g := range m.groups {
		if id.Tag == tag && id.Number > above && g.State != LeftOver {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b Group) int { return compareGroups(a.ID, b.ID) })
	for n := range groups {
		if n > 0 && groups[n].ID.Number != groups[n-1].ID.Number {
			if limit--; limit == 0 {
				return groups[:n], nil
			}
		}
	}
	return groups, nil
}

// Waiting implements [Known].
func (m *Memory) Waiting() (Waiting, error) {
	w := Waiting{Authors: slices.Collect(maps.Keys(m.waiting))}
	for key := range m.unsettled {
		w.Claims = append(w.Claims, m.claims[key.tag][key])
	}
	tags := map[Tag]bool{}
	for id, g := range m.groups {
		switch {
		case g.State != Arriving:
		case len(m.tagged[id.Tag]) > 0:
			tags[id.Tag] = true
		default:
			w.Strays++
		}
	}
	w.Tags = slices.Collect(maps.Keys(tags))
	return w, nil
}

// Lacking implements [Known].
func (m *Memory) Lacking() (authors []PublicKey, tags []Tag, err error) {
	for _, a := range m.Authors() {
		if len(a.Gaps) > 0 {
			authors = append(authors, a.Key)
		}
	}
	for id, g := range m.groups {
		if g.State == ToldIncomplete && !slices.Contains(tags, id.Tag) {
			tags = append(tags, id.Tag)
		}
	}
	return authors, tags, nil
}

// Authors returns all authors, in a fixed order.
func (m *Memory) Authors() []Author {
	var authors []Author
	for _, a := range m.authors {
		authors = append(authors, a.clone())
	}
	slices.SortFunc(authors, func(a, b Author) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	return authors
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
