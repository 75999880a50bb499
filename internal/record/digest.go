package record

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Digest returns a hash of a conversation that two people can compare: it is the same exactly if both hold the same
// records. It is the SHA-256 of "fernpost/v1 digest", a zero byte, the room salt, and of each record the author's key
// (32), number (4) and hash (32), in ascending order of these 68 bytes. Spoken as words it is Words(6, first 16 bytes)
// of internal/passphrase.
func Digest(salt Salt, held []Held) [sha256.Size]byte {
	sorted := slices.Clone(held)
	slices.SortFunc(sorted, compareNumbered)
	h := sha256.New()
	h.Write([]byte(digestDomain))
	h.Write(salt[:])
	for _, r := range sorted {
		h.Write(r.Author[:])
		h.Write(binary.BigEndian.AppendUint32(nil, r.Number))
		h.Write(r.Hash[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func compareNumbered(a, b Held) int {
	return cmp.Or(bytes.Compare(a.Author[:], b.Author[:]), cmp.Compare(a.Number, b.Number),
		bytes.Compare(a.Hash[:], b.Hash[:]))
}
