package passphrase

import (
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
)

// DefaultWords is how many words a generated passphrase has unless the user wants another number: 77.5 bits.
const DefaultWords = 6

// listSize is the length of the EFF long list: five rolls of a die, 6⁵.
const listSize = 7776

//go:embed efflarge.txt
var effLarge string

// wordList returns the EFF long list in its order.
var wordList = sync.OnceValue(func() []string { return listed(effLarge) })

// Words writes a big-endian number of any length, modulo 7776ⁿ, in base 7776, highest digit first, each digit as a word
// of the EFF long list: https://www.eff.org/files/2016/07/18/eff_large_wordlist.txt, in the order of its dice numbers,
// 0 for 11111 and 7775 for 66666. It returns n words.
func Words(n int, number []byte) []string {
	list := wordList()
	rest := slices.Clone(number)
	words := make([]string, n)
	for i := range slices.Backward(words) {
		remainder := 0
		for j, digit := range rest { // long division by 7776, in base 256
			remainder = remainder<<8 | int(digit)
			rest[j] = byte(remainder / listSize)
			remainder %= listSize
		}
		words[i] = list[remainder]
	}
	return words
}

// SixWords are the words in which people compare a number aloud, with single spaces between them.
func SixWords(number [16]byte) string { return strings.Join(Words(6, number[:]), " ") }

// CheckWordCount is how many words name a key.
const CheckWordCount = 3

// CheckWords names a key by three words: the first 8 bytes of SHA-256("fernpost/v1 check" ‖ 0x00 ‖ key) as a number,
// written by [Words]. Two people who compare them notice a typing error. They tell about 39 bits of the key's hash,
// which a guesser could use, so they are spoken, and never posted.
func CheckWords(key [KeySize]byte) [CheckWordCount]string {
	sum := sha256.Sum256(append([]byte("fernpost/v1 check\x00"), key[:]...))
	return [CheckWordCount]string(Words(CheckWordCount, sum[:8]))
}

// Generate makes a passphrase of different words of the EFF long list, joined by single spaces, and says how many bits
// it is worth: 77.5 for six words. Every such passphrase is equally likely. The number of words is from 1 to 100;
// another one is an error.
func Generate(words int) (phrase string, bits float64, err error) {
	const most = 100
	if words < 1 || words > most {
		return "", 0, fmt.Errorf("generating a passphrase: want 1 to %d words, not %d", most, words)
	}
	list := wordList()
	chosen := make([]string, 0, words)
	for len(chosen) < words {
		// A phrase that repeats a word is drawn again: it costs 0.003 bits of six words, and a guesser who tries
		// repetitions first gains nothing.
		if word := list[randomIndex()]; !slices.Contains(chosen, word) {
			bits += math.Log2(float64(listSize - len(chosen)))
			chosen = append(chosen, word)
		}
	}
	return strings.Join(chosen, " "), bits, nil
}

// AsGenerated returns the passphrase that [Generate] would have written with the words of a typed one: in small letters, with
// single spaces. Capitals, commas and blanks are what keyboards and chats make of it. ok is false unless all are words of
// the list.
func AsGenerated(pass string) (phrase string, ok bool) {
	words := typedWords(pass)
	return strings.Join(words, " "), len(words) > 0 && len(unlisted(words)) == 0
}

// Unlisted returns how many words a typed passphrase has, and which of them, counted from 1, are none that [Generate] writes.
func Unlisted(pass string) (words int, which []int) {
	typed := typedWords(pass)
	return len(typed), unlisted(typed)
}

// typedWords are the words of a typed passphrase, in small letters.
func typedWords(pass string) []string {
	return strings.FieldsFunc(strings.ToLower(pass), splits)
}

func unlisted(words []string) (which []int) {
	for i, word := range words {
		if !IsWord(word) {
			which = append(which, i+1)
		}
	}
	return which
}

// randomIndex returns a uniform index into the list.
func randomIndex() int {
	const limit = 1 << 16 / listSize * listSize // above it the first words of the list would be likelier
	for {
		var b [2]byte
		rand.Read(b[:]) // never fails, since Go 1.24
		if n := int(binary.BigEndian.Uint16(b[:])); n < limit {
			return n % listSize
		}
	}
}
