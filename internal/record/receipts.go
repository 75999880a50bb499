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

// ToName returns whom our own next record is to name, of authors who are [Unnamed]: those first whom ours named longest
// ago, at most limit.
func ToName(authors []Author, own PublicKey, limit int) []Author {
	authors = slices.DeleteFunc(slices.Clone(authors), func(a Author) bool { return a.Key == own || !Unnamed.Of(&a) })
	slices.SortFunc(authors, func(a, b Author) int {
		return cmp.Or(cmp.Compare(a.NamedAt, b.NamedAt), bytes.Compare(a.Key[:], b.Key[:]))
	})
	return authors[:min(len(authors), limit)]
}

// ComparedFirst puts authors whose keys were compared in front, without changing the order otherwise: that in which they
// became known, so that new keys of an insider do not push others aside.
func ComparedFirst(authors []Author) {
	slices.SortStableFunc(authors, func(a, b Author) int {
		switch {
		case a.Compared == b.Compared:
			return 0
		case a.Compared:
			return -1
		default:
			return 1
		}
	})
}

// MarkNamed notes that our own record with number at names this author's record with the given number.
func (a *Author) MarkNamed(number, at uint32) {
	a.Named, a.NamedAt = max(a.Named, number), max(a.NamedAt, at)
}
