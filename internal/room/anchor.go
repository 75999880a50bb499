package room

import (
	"bytes"
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
	p.read(e, 0, true)
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
