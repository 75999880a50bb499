package room

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Anchor is an entry with tokens that a key of the room has opened. As long as the relay shows it, the channel was not
// cleared; entries without such tokens prove nothing, since anybody can write them under any number. It can be stored as
// JSON.
type Anchor struct {
	// Entry is its number; 0 if there is none.
	Entry int64 `json:"entry,omitempty"`
	// MACs are those of the tokens, cut to 16 bytes.
	MACs [][]byte `json:"macs,omitempty"`
}

// Shows reports whether a row of that number has one of the tokens.
func (a *Anchor) Shows(e *thingspeak.Entry) bool {
	var p page
	p.read(e, 0)
	for _, raw := range kept.Tokens(p.tokens) {
		if mac := macOf(raw); a.has(mac[:]) {
			return true
		}
	}
	return false
}

func (a *Anchor) has(mac []byte) bool {
	return slices.ContainsFunc(a.MACs, func(m []byte) bool { return bytes.Equal(m, mac) })
}

// Anchors are the highest entries with tokens that were opened since the channel was cleared last, ascending. It can be
// stored as JSON.
type Anchors struct {
	All []Anchor `json:"all,omitempty"`
	// Held tells that there were some, also if the relay has lost all of them.
	Held bool `json:"held,omitempty"`
}

// maxAnchors is how many there are. A relay that shows tokens again under higher numbers adds anchors that it can take
// away; then the next lower one counts.
const maxAnchors = 16

// Highest returns the highest one, the zero Anchor if there is none.
func (a *Anchors) Highest() Anchor {
	if len(a.All) == 0 {
		return Anchor{}
	}
	return a.All[len(a.All)-1]
}

// Without returns the anchors without entries that the relay has lost.
func (a Anchors) Without(entries []int64) Anchors {
	a.All = slices.DeleteFunc(slices.Clone(a.All), func(held Anchor) bool { return slices.Contains(entries, held.Entry) })
	return a
}

// After returns the anchors once messages were read.
func (a Anchors) After(messages []Message) Anchors {
	a.All = slices.Clone(a.All)
	for i := range messages {
		m := &messages[i]
		at, known := slices.BinarySearchFunc(a.All, m.Entry, func(held Anchor, n int64) int { return cmp.Compare(held.Entry, n) })
		if !known {
			a.All = slices.Insert(a.All, at, Anchor{Entry: m.Entry})
		}
		if mac := m.mac[:len([16]byte{})]; !a.All[at].has(mac) {
			a.All[at].MACs = append(slices.Clip(a.All[at].MACs), mac)
		}
		if len(a.All) > maxAnchors {
			a.All = slices.Delete(a.All, 0, 1)
		}
		a.Held = true
	}
	return a
}

// Anchor returns the highest entry that is kept, since the last clear, and that the relay was not seen to have lost.
func (in *Intake) Anchor() (Anchor, error) {
	store := in.c.store
	last := record.Place{Clear: in.clears, Entry: kept.MaxEntry}
	for atOnce := 1; ; atOnce = 64 { // mostly the newest entry is the one
		var entries []kept.Entry
		err := store.Entries(kept.EntryQuery{Last: last, Newest: true, Limit: atOnce}, func(e kept.Entry) error {
			entries = append(entries, e)
			return nil
		})
		if err != nil {
			return Anchor{}, fmt.Errorf("reading the room: %w", err)
		}
		for _, e := range entries {
			if e.At.Clear != in.clears { // what was before the last clear is gone
				return Anchor{}, nil
			}
			if !e.Wiped {
				return anchorAt(e), nil
			}
			last.Entry = e.At.Entry - 1
		}
		if len(entries) < atOnce {
			return Anchor{}, nil
		}
	}
}

// anchorAt returns the anchor that an entry is.
func anchorAt(e kept.Entry) Anchor {
	a := Anchor{Entry: e.At.Entry}
	for _, raw := range kept.Tokens(e.Tokens) {
		mac := macOf(raw)
		a.MACs = append(a.MACs, mac[:])
	}
	return a
}
