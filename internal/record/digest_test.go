package record

import "testing"

// Two rows that the relay has exchanged change the digest, and so does a text that is left out; who reads it does not.
func TestDigestCoversTheOrder(t *testing.T) {
	question, answer := Held{Author: PublicKey{1}, Number: 1, Hash: Hash{1}}, Held{Author: PublicKey{2}, Number: 1, Hash: Hash{2}}
	text := Held{Hash: Hash{1}} // the same bytes as a record's hash
	sums := map[[32]byte]string{}
	for name, lines := range map[string][]Held{
		"none": nil, "in order": {question, answer}, "exchanged": {answer, question}, "one": {question}, "a text": {text},
		"with a text": {question, text, answer}, "with the text behind": {question, answer, text},
	} {
		d := NewDigest(testRoom.Salt)
		for i := range lines {
			d.Add(&lines[i])
		}
		if other, ok := sums[d.Sum()]; ok {
			t.Errorf("%s and %s have one digest", name, other)
		}
		sums[d.Sum()] = name
		elsewhere := NewDigest(Salt{9})
		for i := range lines {
			elsewhere.Add(&lines[i])
		}
		if d.Sum() == elsewhere.Sum() {
			t.Errorf("%s: the same in another room", name)
		}
	}
}
