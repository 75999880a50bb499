package record

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"hash"
)

// DigestVersion tells which digest [Digest] makes: those of two versions cannot be compared.
const DigestVersion = 2

// Digest is a hash of a conversation that two people can compare: it is the same exactly if both hold the same lines in
// the same order, whatever they have shown of them. Its bytes are those of package comment, under "Digest". Make it with
// [NewDigest].
type Digest struct {
	// Lines is how many it is of, and Until the highest entry in which one of them stands.
	Lines int
	Until int64

	hash hash.Hash
}

// NewDigest returns the digest of no lines, in the room with this salt.
func NewDigest(salt Salt) *Digest {
	d := &Digest{hash: sha256.New()}
	d.hash.Write([]byte(orderDomain))
	d.hash.Write(salt[:])
	return d
}

// Add adds a line, the next one in the order of [Held.Compare]: a record that was verified, of whatever kind, or a token
// that a key has opened and that is no cell. That has no author, and its Hash is the SHA-256 of its decoded bytes.
func (d *Digest) Add(line *Held) {
	what := byte(2)
	if !line.Author.IsZero() {
		what = 1
	}
	d.hash.Write([]byte{what})
	d.hash.Write(line.Hash[:])
	d.Lines, d.Until = d.Lines+1, max(d.Until, line.At.Entry)
}

// Sum returns the digest of the lines so far. Spoken as words it is SixWords(first 16 bytes) of internal/passphrase.
func (d *Digest) Sum() [sha256.Size]byte { return [sha256.Size]byte(d.hash.Sum(nil)) }

// compareNumbered orders records by author, number and hash.
func compareNumbered(a, b Held) int {
	return cmp.Or(bytes.Compare(a.Author[:], b.Author[:]), cmp.Compare(a.Number, b.Number),
		bytes.Compare(a.Hash[:], b.Hash[:]))
}
