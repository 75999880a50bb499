package record

import (
	"bytes"
	"cmp"
	"slices"
)

// Receipt says that By has signed a seen of our record with this number or a higher one, and with the hash that we
// hold. It is By's claim.
type Receipt struct {
	By     PublicKey
	ByName string
	Number uint32
}

// NextSeen returns what the next record by own is to name: the highest record of each other author of whom something
// was verified since own last named them, those first whom own named longest ago or never. The first belongs into the
// record's Seen, the others suit a [Heartbeat]. Once the record is kept for sending, [Author.MarkNamed] notes it.
func NextSeen(own PublicKey, authors []Author) []Seen {
	fresh := slices.DeleteFunc(slices.Clone(authors), func(a Author) bool {
		return a.Key == own || a.Top <= a.Named
	})
	slices.SortFunc(fresh, func(a, b Author) int {
		return cmp.Or(cmp.Compare(a.NamedAt, b.NamedAt), bytes.Compare(a.Key[:], b.Key[:]))
	})
	seen := make([]Seen, len(fresh))
	for i, a := range fresh {
		seen[i] = Seen{a.Key.Tag(), a.Top, a.TopHash}
	}
	return seen
}

// MarkNamed notes that our own record with number at names this author's record with the given number.
func (a *Author) MarkNamed(number, at uint32) {
	a.Named, a.NamedAt = max(a.Named, number), max(a.NamedAt, at)
}
