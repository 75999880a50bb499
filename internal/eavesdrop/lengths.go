package eavesdrop

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/fernpost/fernpost/internal/token"
)

// Length is how many tokens are of a length.
type Length struct {
	// Min and Max bound the plaintext, in bytes; Count is how many tokens are so long.
	Min, Max, Count int
}

// FormClaim is how what is inside seems to be written.
type FormClaim struct {
	// Records says that these are cells of one size, as signed records are posted in; else they are texts.
	Records   bool
	Certainty float64
}

func (a *Analysis) form(r *Report, p *pace) {
	cells := 0
	for i := range a.seals {
		if a.seals[i].blocks == token.CellSize/token.BlockSize+1 {
			cells++
		}
	}
	n := len(a.seals)
	r.Form.Records = cells == n
	how := fmt.Sprintf("%d of %d tokens have 248 characters, as every cell of a record has", cells, n)
	switch {
	case cells == n:
		// Texts of 112 to 127 bytes look the same; that each of n is one of these grows unlikely fast.
		r.Form.Certainty = min(1-0.45*math.Pow(0.4, float64(n-1)), 0.99)
		if 4*p.run > 3*n { // so are the parts of a long text
			r.Form.Certainty = longTextCertainty
		}
		r.add(Form, r.Form.Certainty, "these are records in cells of one size, padded, so that lengths say little", how)
	default:
		r.Form.Certainty = 1
		says := "each token is a text of its own, as long as the text is"
		if r.Wrapped*2 > n {
			says += `, in b'…', as a script writes that forgot to decode its bytes`
		}
		r.add(Form, 1, says, how)
	}
	r.add(Form, 0, "cannot tell how the key was made: nothing of that stands in a token", "a token has a version, a clock, a vector, "+
		"a ciphertext and a code that only the key checks")
}

func (a *Analysis) lengths(r *Report) {
	counts := map[uint16]int{}
	for i := range a.seals {
		counts[a.seals[i].blocks]++
	}
	for _, blocks := range slices.Sorted(maps.Keys(counts)) {
		most := int(blocks)*token.BlockSize - 1
		r.Lengths = append(r.Lengths, Length{Min: most - token.BlockSize + 1, Max: most, Count: counts[blocks]})
	}
	bits := entropy(slices.Collect(maps.Values(counts)))
	says := "all tokens are of one length, which tells messages apart by nothing but how many tokens they take"
	if len(r.Lengths) > 1 {
		often := slices.MaxFunc(r.Lengths, func(x, y Length) int { return cmp.Compare(x.Count, y.Count) })
		says = fmt.Sprintf("messages have %d lengths, from %d to %d bytes, most often %d to %d: each is known to 16 bytes",
			len(r.Lengths), r.Lengths[0].Min, r.Lengths[len(r.Lengths)-1].Max, often.Min, often.Max)
	}
	r.add(Lengths, 1, says, "a ciphertext is a whole number of blocks of 16 bytes, and padding fills the last one; bits are the entropy of the "+
		"lengths").count(bits)
}

// entropy is that of what was counted, in bits.
func entropy(counts []int) (bits float64) {
	all := 0
	for _, n := range counts {
		all += n
	}
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(all)
			bits -= p * math.Log2(p)
		}
	}
	return bits
}

func (a *Analysis) copies(r *Report) {
	texts, vectors := make(map[uint64]int, len(a.seals)), make(map[uint64]int, len(a.seals))
	var twice, reused []int
	for i := range a.seals {
		s := &a.seals[i]
		switch at, ok := texts[s.text]; {
		case ok:
			twice = append(twice, at, i)
			continue
		default:
			texts[s.text] = i
		}
		if at, ok := vectors[s.iv]; ok {
			reused = append(reused, at, i)
		} else {
			vectors[s.iv] = i
		}
	}
	if n := len(twice) / 2; n > 0 {
		x, y := &a.seals[twice[0]], &a.seals[twice[1]]
		r.add(Copies, 1, fmt.Sprintf("%s there again to the letter, first %s as %s: somebody copied it, or a sender that had no answer sent it "+
			"twice", wasOrWere(n), place(y), place(x)), "equal texts")
	} else {
		r.add(Copies, 1, "no token stands there twice", "equal texts")
	}
	if n := len(reused) / 2; n > 0 {
		x, y := &a.seals[reused[0]], &a.seals[reused[1]]
		r.add(Copies, 1, fmt.Sprintf("%d times a vector (IV) was used again, first in %s and %s: it has to be random, and where it is not, equal "+
			"beginnings of messages show", n, place(x), place(y)), "equal vectors in different tokens")
	}
}

func wasOrWere(n int) string {
	if n == 1 {
		return "1 token stands"
	}
	return fmt.Sprintf("%d tokens stand", n)
}

func place(s *seal) string { return fmt.Sprintf("entry %d field %d", s.entry, s.field) }

func (a *Analysis) damage(r *Report) {
	for _, c := range []struct {
		n         int
		one, many string
		how       string
	}{
		{
			r.Damaged, "1 begins as a token and is none: cut, or altered on the way", "%d begin as tokens and are none: cut, or altered on the way",
			"they begin as tokens of our time do",
		},
		{
			r.Disguised, "1 seems to hold a token in another form", "%d seem to hold a token in another form",
			"inside JSON, in base64 once more, with invisible characters",
		},
		{
			r.Mended, "1 token came with white space around or without its last characters =",
			"%d tokens came with white space around or without their last characters =", "what carriers are known to do",
		},
		{
			r.Others, "1 field is readable by everybody, without any key", "%d fields are readable by everybody, without any key",
			"they are no tokens",
		},
	} {
		switch c.n {
		case 0:
		case 1:
			r.add(Damage, 1, c.one, c.how)
		default:
			r.add(Damage, 1, fmt.Sprintf(c.many, c.n), c.how)
		}
	}
}
