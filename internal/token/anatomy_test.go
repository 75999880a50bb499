package token

import (
	"errors"
	"slices"
	"testing"
)

// The parts of a token are all of its bytes, once each, in order.
func TestPartsAreTheWholeToken(t *testing.T) {
	for blocks := 1; blocks < 4; blocks++ {
		tok, err := Encode(shaped(1_700_000_000, blocks*BlockSize))
		if err != nil {
			t.Fatal(err)
		}
		var all []byte
		counted := 0
		for part := range tok.Parts() {
			if part.At != len(all) {
				t.Errorf("%v begins at %d, want %d", part.Kind, part.At, len(all))
			}
			if part.Block > 0 {
				counted++
			}
			all = append(all, part.Bytes...)
		}
		if !slices.Equal(all, tok.Bytes()) || counted != blocks || tok.Blocks() != blocks {
			t.Errorf("%d blocks: %d counted, %x", blocks, counted, all)
		}
	}
}

// Each bit can be turned, belongs to the part that is named, and turned again gives the token back.
func TestTamperTurnsOneBit(t *testing.T) {
	tok, err := Encode(shaped(1_700_000_000, 2*BlockSize))
	if err != nil {
		t.Fatal(err)
	}
	for bit := range tok.Bits() {
		text, hit, err := tok.Tamper(bit)
		if err != nil || bit/8 < hit.At || bit/8 >= hit.At+len(hit.Bytes) {
			t.Fatalf("bit %d hits %v at %d: %v", bit, hit.Kind, hit.At, err)
		}
		other, err := Parse(text)
		if (err != nil) != (hit.Kind == PartVersion) || err != nil && !errors.Is(err, WrongVersion) {
			t.Fatalf("bit %d of the %v: %v", bit, hit.Kind, err)
		}
		if err != nil {
			continue
		}
		if back, _, _ := other.Tamper(bit); back != tok.String() || text == back {
			t.Errorf("bit %d turned twice: %q", bit, back)
		}
	}
	for _, bit := range []int{-1, tok.Bits()} {
		if _, _, err := tok.Tamper(bit); err == nil {
			t.Errorf("bit %d is turned", bit)
		}
	}
}
