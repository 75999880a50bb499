package record

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

// nearby is how many numbers around the one that a record names are looked at for one that stands between the two: where
// rows are in the order of their numbers, the next one is enough.
const nearby = 4

// referred returns the record that a line names, where a reader must be told: a line that answers would otherwise be read as
// an answer to what stands above it. It is nil where the newest line above of the named author is the one that is named,
// and where what is named is not held.
func (s *session) referred(by PublicKey, seen Seen, at Spot) *NamedRecord {
	if seen.Number == 0 {
		return nil
	}
	for _, a := range s.meant(&Claim{Tag: seen.Tag, By: by}) {
		for _, h := range s.records(a, seen.Number).rows {
			if h.Hash.Short() != seen.Hash {
				continue
			}
			below := h.At.Place.Compare(at.Place) > 0
			if !below && !s.anyBetween(a, seen.Number, h.At, at) {
				return nil
			}
			return &NamedRecord{Author: a.Key, Name: s.label(a.Key, h.Nick), Number: seen.Number, Below: below}
		}
	}
	return nil
}

// anyBetween reports whether a record of an author, with a number near n, stands between two spots.
func (s *session) anyBetween(a *authorRow, n uint32, from, to Spot) bool {
	between := func(n uint32) bool {
		for _, h := range s.records(a, n).rows {
			if h.At.Compare(from) > 0 && h.At.Compare(to) < 0 {
				return true
			}
		}
		return false
	}
	up, down := n, n
	for range nearby {
		if up != 0 {
			up = a.above(up)
		}
		if down != 0 {
			down = a.below(down)
		}
		if up != 0 && between(up) || down != 0 && between(down) {
			return true
		}
	}
	return false
}
