package passphrase

import (
	"math"
	"slices"
	"strings"
	"unicode"
)

// MinBits is the strength under which a passphrase is taken only after an explicit yes.
const MinBits = 50

// Strength is what a guesser faces.
type Strength struct {
	// Bits is the base-2 logarithm of the number of guesses that find the passphrase for sure, at least 0. It is an
	// estimate that errs low: better to ask for a fourth word in vain than to praise what a program finds in an hour.
	Bits float64
	// Why names what the passphrase is weak by, in the order in which it occurs there, as clauses that lack
	// their subject: "repeats itself". Nothing is quoted.
	Why []string
}

// maxRated is how many characters are looked at. What follows can only make a passphrase stronger.
const maxRated = 256

// Estimate rates a passphrase that somebody typed. It looks for the cheapest way to put the passphrase together from
// common passwords, dictionary words, names, keyboard rows, sequences, repetitions, dates and look-alike letters, and
// adds up what each part takes to guess. Only the first 256 characters count, so its time is bounded.
func Estimate(pass string) Strength {
	text := ratedPart(pass)
	if len(text) == 0 {
		return Strength{Why: whyShort.addTo(nil)}
	}
	d := loadDictionary()
	if words := strings.Split(string(text), " "); d.looksGenerated(words) {
		return Strength{Bits: float64(len(words)) * effBits}
	}

	best := newPuzzle(d, text).solve()
	// "p a s s w o r d" and "correct-horse-battery-staple" are hardly better than without what stands between.
	if joined := withoutSeparators(text); len(joined) > 0 && len(joined) < len(text) {
		if other := newPuzzle(d, joined).solve(); other.Bits+1 < best.Bits {
			best = Strength{Bits: other.Bits + 1, Why: other.Why}
		}
	}
	if len(text) < shortText {
		best.Why = whyShort.addTo(best.Why)
	}
	return best
}

// ratedPart returns the beginning of the passphrase that is rated, normalised.
func ratedPart(pass string) []rune {
	const maxBytes = maxRated * 16 // room for letters with their accents apart, and for some white space
	pass = strings.ToValidUTF8(pass[:min(len(pass), maxBytes)], string(unicode.ReplacementChar))
	text := []rune(Normalize(pass))
	return text[:min(len(text), maxRated)]
}

// looksGenerated reports whether the words are what Generate makes, so that each is worth its share of the list. People
// who pick words themselves pick common ones, repeat them, or put small words between that the list does not have.
func (d *dictionary) looksGenerated(words []string) bool {
	const fewest = 5
	common := 0
	for i, word := range words {
		if !d.eff[word] || slices.Contains(words[:i], word) {
			return false
		}
		if d.guesses[word] < effBits {
			common++
		}
	}
	return len(words) >= fewest && 4*common <= 3*len(words)
}

// withoutSeparators drops white space, and marks that occur more than once.
func withoutSeparators(text []rune) []rune {
	count := map[rune]int{}
	for _, r := range text {
		count[r]++
	}
	var kept []rune
	for _, r := range text {
		if r != ' ' && (count[r] == 1 || !unicode.In(r, unicode.Punct, unicode.Symbol)) {
			kept = append(kept, r)
		}
	}
	return kept
}

// shortText is the number of characters under which a passphrase is called short.
const shortText = 10

// A reason is a set of entries of Strength.Why.
type reason uint16

const (
	whyPassword reason = 1 << iota
	whyWord
	whyLetters
	whyLookAlike
	whyReversed
	whySequence
	whyKeyboard
	whyRepeat
	whyDate
	whyEnding
	whyShort
)

// clauses are the texts of the reasons, in the order of their bits.
var clauses = [...]string{
	"contains a password that guessing programs try first",
	"contains words or names that stand in every dictionary",
	"contains what looks like a word of some language",
	"has look-alikes for letters, which guessing programs try too",
	"contains a common word backwards",
	"contains a sequence such as abc or 321",
	"contains neighbouring keys of a keyboard",
	"repeats itself",
	"contains what looks like a date or a year",
	"ends in a digit or a mark, as most passwords do",
	"is short",
}

// addTo appends the clauses of the set that are not yet there.
func (r reason) addTo(why []string) []string {
	for i, clause := range clauses {
		if r&(1<<i) != 0 && !slices.Contains(why, clause) {
			why = append(why, clause)
		}
	}
	return why
}

// A puzzle finds the cheapest way to put a text together. Once the parts that begin before i have been offered, best[i]
// is the fewest bits that say what the first i characters are, and last[i] is the last part of that.
type puzzle struct {
	d *dictionary
	// text is as typed, low in lower case, and backwards is low from its end; plain has low with look-alikes read as
	// letters, in two readings, since 1 may stand for i and for l.
	text, low, backwards []rune
	plain                [2][]rune
	// seen tells whether a character stands in low before, distinct how many different ones do.
	seen     []bool
	distinct []int

	best []float64
	last []part
}

// A part is one piece of a text and what it is weak by, if anything.
type part struct {
	from int
	why  reason
}

func newPuzzle(d *dictionary, text []rune) *puzzle {
	p := &puzzle{
		d: d, text: text, low: make([]rune, len(text)),
		seen: make([]bool, len(text)), distinct: make([]int, len(text)),
		best: make([]float64, len(text)+1), last: make([]part, len(text)+1),
	}
	before := map[rune]bool{}
	for i, r := range text {
		p.low[i] = unicode.ToLower(r)
		p.seen[i], p.distinct[i] = before[p.low[i]], len(before)
		before[p.low[i]] = true
		p.best[i+1] = math.Inf(1)
	}
	p.backwards = slices.Clone(p.low)
	slices.Reverse(p.backwards)
	p.plain = [2][]rune{readLookAlikes(p.low, 'i'), readLookAlikes(p.low, 'l')}
	return p
}

// offer says that so many bits tell the characters from i up to j.
func (p *puzzle) offer(i, j int, bits float64, why reason) {
	if total := p.best[i] + bits; total < p.best[j] {
		p.best[j], p.last[j] = total, part{i, why}
	}
}

// solve offers every part, from left to right, and reads off the cheapest way.
func (p *puzzle) solve() Strength {
	runs := p.letterRuns()
	for i := range p.text {
		p.offer(i, i+1, p.characterBits(i), 0)
		p.offerDictionary(i)
		p.offerUnknownWords(i, runs[i])
		p.offerSequences(i)
		p.offerKeyboard(i)
		p.offerRepeats(i)
		p.offerDates(i)
		p.offerEnding(i)
	}
	var parts []part
	for j := len(p.text); j > 0; j = p.last[j].from {
		parts = append(parts, p.last[j])
	}
	strength := Strength{Bits: p.best[len(p.text)]}
	for _, part := range slices.Backward(parts) {
		strength.Why = part.why.addTo(strength.Why)
	}
	return strength
}
