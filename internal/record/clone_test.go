package record

import (
	"bytes"
	"maps"
	"slices"
)

// Clone returns a copy that goes its own way.
func (m *Memory) Clone() *Memory {
	c := NewMemory()
	c.Apply(m.all())
	c.cells = maps.Clone(m.cells)
	return c
}

// all returns everything as one change.
func (m *Memory) all() Change {
	var all Change
	all.Authors, _ = m.Authors(AuthorQuery{})
	slices.SortFunc(all.Authors, func(a, b Author) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	all.Held = m.Records()
	for _, claims := range m.claims {
		all.Claims = slices.AppendSeq(all.Claims, maps.Values(claims))
	}
	for form, key := range m.pins {
		all.Pins = append(all.Pins, Pin{form, key})
	}
	all.Devices = slices.Collect(maps.Values(m.devices))
	all.Groups = slices.Collect(maps.Values(m.groups))
	for spot := range m.spots {
		all.Pending = append(all.Pending, m.open(spot)...)
	}
	all.Told = m.Findings()
	return all
}
