package record

import "sort"

// NamedRecord is a record that another one names in its seen.
type NamedRecord struct {
	Author PublicKey
	// Name is how its author is called; it is a peer's word.
	Name   string
	Number uint32
	// Below means that it stands below the record that names it. Otherwise another record of its author stands between
	// the two.
	Below bool
}

// window is the part of a conversation that is recalled, and the lines in it of those who are named.
type window struct {
	first, last Spot
	lines       map[PublicKey][]Held
}

func windowOf(messages []Message) window {
	w := window{lines: map[PublicKey][]Held{}}
	for i := range messages {
		at := messages[i].At
		if i == 0 || at.Compare(w.first) < 0 {
			w.first = at
		}
		if at.Compare(w.last) > 0 {
			w.last = at
		}
	}
	return w
}

// referred returns the record that a line names, where a reader must be told: a line that answers would otherwise be read as
// an answer to what stands above it. It is nil where the newest line above of the named author is the one that is named,
// and where what is named is not held.
func (s *session) referred(m *Message, w *window) *NamedRecord {
	if m.Seen.Number == 0 {
		return nil
	}
	for _, a := range s.meant(&Claim{Tag: m.Seen.Tag, By: m.Author}) {
		h := s.records(a, m.Seen.Number).findShort(m.Seen.Hash)
		if h == nil {
			continue
		}
		below := h.At.Place.Compare(m.At.Place) > 0
		if !below && s.lastBefore(a.Key, m.At, w) == h.Hash {
			return nil
		}
		return &NamedRecord{Author: a.Key, Name: s.label(a.Key, h.Nick), Number: m.Seen.Number, Below: below}
	}
	return nil
}

// lastBefore returns the hash of the last record of an author that stands before a spot in the window.
func (s *session) lastBefore(author PublicKey, at Spot, w *window) Hash {
	lines, ok := w.lines[author]
	if !ok {
		var err error
		if lines, err = s.known.Held(HeldQuery{Author: author, From: w.first, To: w.last}); err != nil {
			s.fail(err)
		}
		w.lines[author] = lines
	}
	n := sort.Search(len(lines), func(i int) bool { return lines[i].At.Compare(at) >= 0 })
	if n == 0 {
		return Hash{}
	}
	return lines[n-1].Hash
}
