package passphrase

import (
	"math"
	"slices"
	"strings"
	"unicode"
)

// The parts that a puzzle is offered, and what each takes to guess. Where a figure is not a count of possibilities, it
// is a guess that errs low.

// Bits for one character that belongs to nothing.
const (
	letterBits      = 4   // of log2(26) = 4.7
	upperBits       = 1.5 // more, for an upper-case letter
	digitBits       = 3.3 // log2(10)
	markBits        = 4.5 // of log2(33) = 5
	otherLetterBits = 3.5 // Greek, Cyrillic, Arabic, …: keyboards have about 30, words favour ten
	syllableBits    = 4.5 // kana, Hangul: a hundred or more, words favour thirty
	ideographBits   = 7   // Han: a few hundred make up most of what people write
	otherBits       = 5   // emoji and the rest
)

// characterBits rates one character by itself.
func (p *puzzle) characterBits(i int) float64 {
	r := p.text[i]
	var bits float64
	switch {
	case r == ' ':
		return 0 // where words end is no secret
	case isDigit(r):
		bits = digitBits
	case isLower(r):
		bits = letterBits
	case 'A' <= r && r <= 'Z':
		bits = letterBits + upperBits
	case r < 0x80:
		bits = markBits
	case unicode.Is(unicode.Han, r):
		bits = ideographBits
	case unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Hangul):
		bits = syllableBits
	case unicode.IsLetter(r):
		bits = otherLetterBits
	case unicode.IsMark(r), unicode.IsControl(r):
		return 1
	default:
		bits = otherBits
	}
	if p.seen[i] {
		if !unicode.IsLetter(r) && !isDigit(r) {
			return 1 // the same mark again: most likely what separates words
		}
		// Few different characters: whoever drums on three keys has three to choose from.
		bits = min(bits, math.Log2(float64(p.distinct[i]))+0.5)
	}
	return bits
}

// caseBits rates which letters of a part are in upper case: none, the first, all, or some.
func (p *puzzle) caseBits(i, j int) float64 {
	upper, lower := 0, 0
	for _, r := range p.text[i:j] {
		switch {
		case unicode.IsUpper(r):
			upper++
		case unicode.IsLower(r):
			lower++
		}
	}
	switch {
	case upper == 0:
		return 0
	case lower == 0, upper == 1 && unicode.IsUpper(p.text[i]):
		return 1
	default:
		return 1 + 1.5*float64(min(upper, lower))
	}
}

// readLookAlikes reads digits and marks as the letters that they are used for; one is what 1 and ! stand for.
func readLookAlikes(low []rune, one rune) []rune {
	plain := slices.Clone(low)
	for i, r := range plain {
		switch r {
		case '0':
			plain[i] = 'o'
		case '1', '!', '|':
			plain[i] = one
		case '3', '€':
			plain[i] = 'e'
		case '4', '@':
			plain[i] = 'a'
		case '5', '$':
			plain[i] = 's'
		case '7', '+':
			plain[i] = 't'
		case '8':
			plain[i] = 'b'
		case '9', '6':
			plain[i] = 'g'
		}
	}
	return plain
}

// lookAlikes counts the characters of a part that are read as letters.
func (p *puzzle) lookAlikes(i, j int) int {
	n := 0
	for k := i; k < j; k++ {
		if p.low[k] != p.plain[0][k] {
			n++
		}
	}
	return n
}

const (
	lookAlikeBits = 1.5
	reversedBits  = 1.5
)

// offerDictionary offers the passwords, words and names that begin at i, as they are, with look-alikes, and backwards.
func (p *puzzle) offerDictionary(i int) {
	for j := i + 1; j <= min(i+p.d.longest, len(p.text)); j++ {
		if j-i < 3 && !p.standsAlone(i, j) {
			continue // two letters make a word nearly anywhere
		}
		upper := p.caseBits(i, j)
		p.offerWord(i, j, p.low[i:j], upper, 0)
		if j-i < 3 {
			continue
		}
		for _, plain := range p.plain {
			if n := p.lookAlikes(i, j); n > 0 && n < j-i {
				p.offerWord(i, j, plain[i:j], upper+lookAlikeBits, whyLookAlike)
			}
		}
		n := len(p.text)
		p.offerWord(i, j, p.backwards[n-j:n-i], upper+reversedBits, whyReversed)
	}
}

func (p *puzzle) offerWord(i, j int, word []rune, extra float64, why reason) {
	bits, known := p.d.guesses[string(word)]
	if !known {
		return
	}
	if p.d.passwords[string(word)] {
		why |= whyPassword
	} else {
		why |= whyWord
	}
	p.offer(i, j, bits+extra, why)
}

// standsAlone reports whether neither a letter nor a digit touches the part.
func (p *puzzle) standsAlone(i, j int) bool {
	inWord := func(k int) bool {
		return k >= 0 && k < len(p.text) && (unicode.IsLetter(p.text[k]) || unicode.IsDigit(p.text[k]))
	}
	return !inWord(i-1) && !inWord(j)
}

// A letterRun is a run of letters, look-alikes included, that ends before index end.
type letterRun struct {
	end int
	// perLetter is what a letter of it takes to guess; wordLike says that the run resembles a word of some language.
	perLetter float64
	wordLike  bool
}

// letterRuns returns for each index the run that it stands in; the zero letterRun where there is none.
func (p *puzzle) letterRuns() []letterRun {
	const (
		short        = 4   // letters; fewer have too few pairs to judge
		wordSurprise = 5.5 // bits; words of other Latin alphabets stay below, nine in ten random runs above
	)
	runs := make([]letterRun, len(p.text))
	for start := 0; start < len(p.text); start++ {
		end := start
		for end < len(p.text) && unicode.In(p.plain[0][end], unicode.Letter, unicode.Mark) &&
			!unicode.Is(unicode.Han, p.plain[0][end]) {
			end++
		}
		if end-start >= short {
			surprise := p.d.surprise(p.plain[0][start:end])
			run := letterRun{end: end, wordLike: surprise < wordSurprise}
			run.perLetter = min(2.8+1.2*max(surprise-wordSurprise, 0), letterBits)
			for k := start; k < end; k++ {
				runs[k] = run
			}
		}
		start = max(start, end)
	}
	return runs
}

// offerUnknownWords offers what begins at i as a word that no list of ours has, because it is a rare one or of another
// language. Guessing programs come with dictionaries of every language: 9 to 24 bits tell a single word, and longer
// ones are put together.
func (p *puzzle) offerUnknownWords(i int, run letterRun) {
	const fewest, most = 3, 40 // letters
	for j := i + fewest; j <= min(run.end, i+most); j++ {
		n := float64(j - i)
		bits := n * run.perLetter
		if run.wordLike {
			switch {
			case n <= 6:
				bits = 1 + 2.5*n
			case n <= 14:
				bits = 16 + (n - 6)
			default:
				bits = 24 + 2*(n-14)
			}
		}
		bits += p.caseBits(i, j)
		why := reason(0)
		if run.wordLike {
			why = whyLetters
		}
		if n := p.lookAlikes(i, j); n > 0 {
			if 2*n > j-i {
				continue // mostly digits: rated as digits
			}
			bits += lookAlikeBits
			why |= whyLookAlike
		}
		p.offer(i, j, bits, why)
	}
}

// offerSequences offers runs of at least three letters or digits that count up or down.
func (p *puzzle) offerSequences(i int) {
	for _, step := range []rune{1, -1} {
		j := i + 1
		for j < len(p.low) && p.low[j] == p.low[j-1]+step &&
			(unicode.IsLetter(p.low[j]) && unicode.IsLetter(p.low[i]) || isDigit(p.low[j]) && isDigit(p.low[i])) {
			j++
			if j-i >= 3 {
				p.offer(i, j, 2+math.Log2(float64(j-i))+p.caseBits(i, j), whySequence)
			}
		}
	}
}

// keyboards are the rows, and the columns that people like, of common keyboards.
var keyboards = []string{
	"`1234567890-=", "~!@#$%^&*()_+", "qwertyuiop[]\\", "asdfghjkl;'", "zxcvbnm,./",
	"qwertzuiopü", "asdfghjklöä", "yxcvbnm,.-", "azertyuiop", "qsdfghjklmù", "wxcvbn,;:!", "&é\"'(-è_çà)=",
	"ёйцукенгшщзхъ", "фывапролджэ", "ячсмитьбю.", "йцукенгшщзхї", "фівапролджє", ";ςερτυθιοπ", "ασδφγηξκλ", "ζχψωβνμ",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/", "!qaz@wsx#edc$rfv%tgb^yhn", "zaq1xsw2cde3vfr4bgt5nhy6mju7",
	"q1w2e3r4t5y6u7i8o9p0", "1q2w3e4r5t6y7u8i9o0p", "a1s2d3f4g5h6j7k8l9", "qawsedrftgyhujikolp",
	"qazwsxedcrfvtgbyhnujmikolp",
	"147258369", "159753", "789456123", "741852963",
}

// offerKeyboard offers walks over neighbouring keys, at least three, in either direction.
func (p *puzzle) offerKeyboard(i int) {
	for _, keys := range keyboards {
		row := []rune(keys)
		for at, key := range row {
			if key != p.low[i] {
				continue
			}
			for _, step := range []int{1, -1} {
				j, k := i+1, at+step
				for j < len(p.low) && k >= 0 && k < len(row) && row[k] == p.low[j] {
					j, k = j+1, k+step
				}
				if j-i >= 3 {
					p.offer(i, j, 4+math.Log2(float64(j-i))+p.caseBits(i, j), whyKeyboard)
				}
			}
		}
	}
}

// offerRepeats offers what already occurred, as a distance to go back and a number of characters to copy, which may run
// into itself: "aaaa" goes back by one.
func (p *puzzle) offerRepeats(i int) {
	longest := 0
	for distance := 1; distance <= i; distance++ {
		n := 0
		for i+n < len(p.low) && p.low[i+n] == p.low[i+n-distance] {
			n++
		}
		if n <= longest || n < 3 && distance > n {
			continue // a nearer one says as much
		}
		// Any length up to n could be copied; the longest is nearly always the best.
		p.offer(i, i+n, math.Log2(float64(distance))+math.Log2(float64(n))+p.caseBits(i, i+n), whyRepeat)
		longest = n
	}
}

// Bits for dates. A guesser tries the last hundred years first.
const (
	yearBits     = 6  // of log2(120) = 6.9
	dayBits      = 8  // day and month: log2(366) = 8.5
	fullDateBits = 14 // of log2(366·100) = 15.2
)

// offerDates offers years, days and dates, written in the common orders, in digits or with separators, where no further
// digit touches them.
func (p *puzzle) offerDates(i int) {
	if !isDigit(p.low[i]) || i > 0 && isDigit(p.low[i-1]) {
		return
	}
	var lengths, ends []int // of up to three groups of digits
	var separators []rune
	for j := i; j < len(p.low) && isDigit(p.low[j]) && len(lengths) < 3; j++ {
		from := j
		for j < len(p.low) && isDigit(p.low[j]) {
			j++
		}
		lengths, ends = append(lengths, j-from), append(ends, j)
		if j == len(p.low) || !strings.ContainsRune("-./ ,_", p.low[j]) {
			break
		}
		separators = append(separators, p.low[j])
	}
	switch digits := string(p.low[i:ends[0]]); {
	case lengths[0] == 4 && hasCentury(digits):
		p.offer(i, ends[0], yearBits, whyDate)
	case lengths[0] == 4 && isDate(digits):
		p.offer(i, ends[0], dayBits, whyDate)
	case isDate(digits):
		p.offer(i, ends[0], fullDateBits, whyDate)
	}
	if len(lengths) == 3 && separators[0] == separators[1] && lengths[0]+lengths[1]+lengths[2] <= 8 {
		p.offer(i, ends[2], fullDateBits, whyDate)
	}
}

// isDate reports whether four digits are a day and a month in either order, six or eight digits the same with a year
// before or behind.
func isDate(digits string) bool {
	within := func(text string, most int) bool {
		n := int(text[0]-'0')*10 + int(text[1]-'0')
		return n >= 1 && n <= most
	}
	dayAndMonth := func(text string) bool {
		return within(text[:2], 31) && within(text[2:], 12) || within(text[:2], 12) && within(text[2:], 31)
	}
	switch len(digits) {
	case 4:
		return dayAndMonth(digits)
	case 6:
		return dayAndMonth(digits[:4]) || dayAndMonth(digits[2:])
	case 8:
		return dayAndMonth(digits[:4]) && hasCentury(digits[4:]) || dayAndMonth(digits[4:]) && hasCentury(digits)
	}
	return false
}

func hasCentury(digits string) bool {
	return strings.HasPrefix(digits, "19") || strings.HasPrefix(digits, "20")
}

// offerEnding offers what people add because a form demands a digit or a mark: up to two digits, up to two marks.
func (p *puzzle) offerEnding(i int) {
	const oneDigit, twoDigits, oneMark = 2, 5, 1.5
	rest := p.text[i:]
	if i == 0 || len(rest) > 4 || !unicode.IsLetter(p.text[i-1]) {
		return
	}
	digits := 0
	for digits < len(rest) && isDigit(rest[digits]) {
		digits++
	}
	marks := len(rest) - digits
	for _, r := range rest[digits:] {
		if !strings.ContainsRune("!?.,*#$@&+-", r) {
			return
		}
	}
	if digits > 2 || marks > 2 {
		return
	}
	p.offer(i, len(p.text), []float64{0, oneDigit, twoDigits}[digits]+oneMark*float64(marks), whyEnding)
}
