package passphrase

import (
	_ "embed"
	"math"
	"strings"
	"sync"
	"unicode/utf8"
)

//go:embed commonpasswords.txt
var commonPasswords string

//go:embed commonwords.txt
var commonWords string

// effBits is what one word of the EFF long list is worth: log2(7776).
const effBits = 12.925

// A dictionary is what a guesser knows before he begins.
type dictionary struct {
	// guesses holds, for a password, word or name in lower case, how many bits it takes to say which one it is.
	guesses map[string]float64
	// passwords holds those that are known as whole passwords.
	passwords map[string]bool
	// eff holds the words that Generate draws from.
	eff map[string]bool
	// longest is the length of the longest key of guesses, in runes.
	longest int
	// pair is how surprising the second of two letters a to z is after the first, in bits.
	pair [26][26]float64
}

// loadDictionary builds the dictionary on first use; a few milliseconds, paid only by who rates a passphrase.
var loadDictionary = sync.OnceValue(func() *dictionary {
	d := &dictionary{
		guesses:   make(map[string]float64, listSize+4096),
		passwords: make(map[string]bool, 2048),
		eff:       make(map[string]bool, listSize),
	}
	for _, word := range wordList() {
		d.eff[word] = true
		d.add(word, effBits)
	}
	for rank, word := range listed(commonWords) {
		d.add(word, math.Log2(float64(rank)+2))
	}
	for rank, password := range listed(commonPasswords) {
		d.passwords[password] = true
		d.add(password, math.Log2(float64(rank)+2))
	}
	d.countPairs()
	return d
})

// listed returns the words of an embedded list in order.
func listed(list string) []string {
	var words []string
	for line := range strings.Lines(list) {
		if !strings.HasPrefix(line, "#") {
			words = append(words, strings.Fields(line)...)
		}
	}
	return words
}

func (d *dictionary) add(word string, bits float64) {
	if known, ok := d.guesses[word]; !ok || bits < known {
		d.guesses[word] = bits
	}
	d.longest = max(d.longest, utf8.RuneCountInString(word))
}

// countPairs learns from the lists which letters follow each other in words.
func (d *dictionary) countPairs() {
	const unseen = 0.5 // added to every count, so that no pair is impossible
	var total [26]float64
	for _, words := range [][]string{wordList(), listed(commonWords)} {
		for _, word := range words {
			for i := 1; i < len(word); i++ {
				if isLower(rune(word[i-1])) && isLower(rune(word[i])) {
					d.pair[word[i-1]-'a'][word[i]-'a']++
					total[word[i-1]-'a']++
				}
			}
		}
	}
	for a := range d.pair {
		for b, count := range d.pair[a] {
			d.pair[a][b] = -math.Log2((count + unseen) / (total[a] + 26*unseen))
		}
	}
}

// surprise returns how many bits a letter of the run tells on average, given the one before it: 2 to 4.5 in English
// words, 3 to 6 in words of other languages, about 7 where letters are random.
func (d *dictionary) surprise(run []rune) float64 {
	sum, pairs := 0.0, 0.0
	for i := 1; i < len(run); i++ {
		if isLower(run[i-1]) && isLower(run[i]) {
			sum += d.pair[run[i-1]-'a'][run[i]-'a']
			pairs++
		}
	}
	if pairs == 0 {
		return 0 // other alphabets: taken for words
	}
	return sum / pairs
}

func isLower(r rune) bool { return 'a' <= r && r <= 'z' }
func isDigit(r rune) bool { return '0' <= r && r <= '9' }
