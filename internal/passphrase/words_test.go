package passphrase

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
)

// indices returns where the words stand in the EFF long list.
func indices(t *testing.T, words []string) []int {
	t.Helper()
	var found []int
	for _, word := range words {
		i, ok := slices.BinarySearch(wordList(), word)
		if !ok {
			t.Fatalf("%q is not a word of the list", word)
		}
		found = append(found, i)
	}
	return found
}

// The list is the one that the EFF publishes, byte for byte: check words must not change with a library.
func TestTheWordListIsTheEFFs(t *testing.T) {
	const published = "addd35536511597a02fa0a9ff1e5284677b8883b83e986e43f15a3db996b903e" // eff_large_wordlist.txt
	hash := sha256.New()
	for i, word := range wordList() {
		fmt.Fprintf(hash, "%d\t%s\n", roll(i), word)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != published {
		t.Errorf("the list hashes to %s, want %s", got, published)
	}
	// Whoever writes another reader finds the list by what the specification says of it.
	if page, err := os.ReadFile("../record/doc.go"); err != nil || !strings.Contains(string(page), published) {
		t.Errorf("the specification does not name the list by its hash (%v)", err)
	}
}

func TestWords(t *testing.T) {
	for _, v := range readVectors(t).Words {
		number, err := hex.DecodeString(v.Number)
		if err != nil {
			t.Fatal(err)
		}
		before := slices.Clone(number)
		if got := indices(t, Words(len(v.Digits), number)); !slices.Equal(got, v.Digits) {
			t.Errorf("Words(%d, %s) = %v, want %v", len(v.Digits), v.Number, got, v.Digits)
		}
		if !slices.Equal(number, before) {
			t.Errorf("Words(%d, %s) changed its argument", len(v.Digits), v.Number)
		}
	}
}

func TestGenerate(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	const phrases = 2000
	// Without care the first 65,536 mod 7,776 words of the list are drawn nine times as others are eight times.
	const favoured = 1 << 16 % listSize
	low := 0
	drawn := map[int]bool{}
	for range phrases {
		phrase, bits, err := Generate(DefaultWords)
		if err != nil || math.Abs(bits-77.54) > 0.01 {
			t.Fatalf("Generate: %v bits, %v", bits, err)
		}
		words := strings.Split(phrase, " ")
		if len(words) != DefaultWords {
			t.Fatalf("%q does not have %d words", phrase, DefaultWords)
		}
		found := indices(t, words)
		slices.Sort(found)
		if len(slices.Compact(found)) != DefaultWords {
			t.Errorf("%q repeats a word", phrase)
		}
		for _, i := range found {
			drawn[i] = true
			if i < favoured {
				low++
			}
		}
		if Normalize(phrase) != phrase {
			t.Errorf("%q is not normal", phrase)
		}
	}
	// 12,000 draws leave 7776·exp(-12000/7776) = 1,662 words out, give or take 35, if every word is equally likely.
	if missing := listSize - len(drawn); missing < 1460 || missing > 1860 {
		t.Errorf("%d words were never drawn, want about 1660", missing)
	}
	// Of 12,000 draws 5,136 are among them, give or take 54; with the bias it would be 5,484.
	if low < 4970 || low > 5300 {
		t.Errorf("%d draws among the first %d words, want about 5136", low, favoured)
	}
	if !drawn[0] && !drawn[1] && !drawn[2] || !drawn[listSize-1] && !drawn[listSize-2] && !drawn[listSize-3] {
		t.Error("the ends of the list are never drawn")
	}
}

func TestGenerateRefusesOddNumbersOfWords(t *testing.T) {
	for _, words := range []int{-1, 0, 101, math.MaxInt} {
		if phrase, _, err := Generate(words); err == nil {
			t.Errorf("Generate(%d) = %q, want an error", words, phrase)
		}
	}
	phrase, bits, err := Generate(100)
	if err != nil || strings.Count(phrase, " ") != 99 || bits < 1290 {
		t.Errorf("Generate(100) = %q, %v, %v", phrase, bits, err)
	}
}

func BenchmarkGenerate(b *testing.B) {
	b.Run("6words", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			phrase, _, _ := Generate(DefaultWords)
			io.WriteString(io.Discard, phrase)
		}
	})
}

// TestAsGenerated: what keyboards and chats make of a generated passphrase is found again, and nothing is made of another.
func TestAsGenerated(t *testing.T) {
	want, _, err := Generate(4)
	if err != nil {
		t.Fatal(err)
	}
	w := strings.Fields(want)
	for _, typed := range []string{
		want, strings.ToUpper(want), strings.Join(w, ", ") + ".", "  " + strings.Join(w, "\t \u00a0"),
		w[0] + "," + w[1] + ";" + w[2] + "\u200b\n" + w[3] + "\n",
	} {
		if got, ok := AsGenerated(typed); got != want || !ok {
			t.Errorf("AsGenerated(%q) = %q, %t", typed, got, ok)
		}
	}
	for _, typed := range []string{"", " , ", want + " xyzzyx", w[0] + w[1] + w[2] + w[3], strings.Join(w, "-")} {
		if got, ok := AsGenerated(typed); ok {
			t.Errorf("AsGenerated(%q) = %q", typed, got)
		}
	}
}

// roll returns the rolls of the dice that stand for the word at index i, as one decimal number: 0 is 11111.
func roll(i int) int {
	n := 0
	for place := 1; place <= 10_000; place *= 10 {
		n += (i%6 + 1) * place
		i /= 6
	}
	return n
}
