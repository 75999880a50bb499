package guess

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Rule changes a word into another candidate, as a rule of hashcat does (https://hashcat.net/wiki/doku.php?id=rule_based_attack): a few
// of them, which are what people do to words.
type Rule []step

// step is one function of a rule, with what it takes.
type step struct {
	do   byte
	x, y byte
}

// takes is how many characters a function takes behind its name.
var takes = map[byte]int{':': 0, 'l': 0, 'u': 0, 'c': 0, 't': 0, 'r': 0, 'd': 0, '$': 1, '^': 1, 's': 2}

// RuleNames says which functions a rule may have.
const RuleNames = ": l u c t r d $X ^X sXY"

// ParseRule reads a rule: functions one after the other, with blanks between them or without. The error names what is not known.
func ParseRule(text string) (Rule, error) {
	var r Rule
	for rest := text; rest != ""; {
		if rest[0] == ' ' || rest[0] == '\t' {
			rest = rest[1:]
			continue
		}
		n, ok := takes[rest[0]]
		if !ok {
			name, _ := utf8.DecodeRuneInString(rest)
			return nil, fmt.Errorf("rule %q: there is no function %q here, of hashcat's there are %s", text, string(name), RuleNames)
		}
		if len(rest) <= n {
			return nil, fmt.Errorf("rule %q: function %q takes %d characters behind it", text, rest[:1], n)
		}
		if strings.IndexFunc(rest[:1+n], func(r rune) bool { return r > unicode.MaxASCII }) >= 0 {
			return nil, fmt.Errorf("rule %q: function %q takes characters of ASCII here", text, rest[:1])
		}
		s := step{do: rest[0]}
		if n > 0 {
			s.x = rest[1]
		}
		if n > 1 {
			s.y = rest[2]
		}
		r, rest = append(r, s), rest[1+n:]
	}
	if len(r) == 0 {
		return nil, fmt.Errorf("a rule has at least one function: %s", RuleNames)
	}
	return r, nil
}

// ParseRules reads a file of rules: one a line; empty lines, and those that begin with #, do not count.
func ParseRules(text string) (rules []Rule, err error) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		r, err := ParseRule(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// longest is how many bytes a candidate has at most: doubling a word again and again would fill the memory.
const longest = 1024

// Apply returns what the rule makes of a word; ok is false where that is longer than 1,024 bytes.
func (r Rule) Apply(word string) (candidate string, ok bool) {
	for _, s := range r {
		if word = s.apply(word); len(word) > longest {
			return "", false
		}
	}
	return word, true
}

func (s step) apply(w string) string {
	switch s.do {
	case 'l':
		return strings.ToLower(w)
	case 'u':
		return strings.ToUpper(w)
	case 'c':
		_, n := utf8.DecodeRuneInString(w)
		return strings.ToUpper(w[:n]) + strings.ToLower(w[n:])
	case 't':
		return strings.Map(func(r rune) rune {
			if unicode.IsUpper(r) {
				return unicode.ToLower(r)
			}
			return unicode.ToUpper(r)
		}, w)
	case 'r':
		runes := []rune(w)
		for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
			runes[i], runes[j] = runes[j], runes[i]
		}
		return string(runes)
	case 'd':
		return w + w
	case '$':
		return w + string(s.x)
	case '^':
		return string(s.x) + w
	case 's':
		return string(bytes.ReplaceAll([]byte(w), []byte{s.x}, []byte{s.y}))
	}
	return w
}

// Mask is a pattern of candidates, as hashcat has it (https://hashcat.net/wiki/doku.php?id=mask_attack): at each place a character, or
// one of a set.
type Mask []string

// sets are what stands behind a question mark.
var sets = map[byte]string{
	'l': "abcdefghijklmnopqrstuvwxyz", 'u': "ABCDEFGHIJKLMNOPQRSTUVWXYZ", 'd': "0123456789",
	's': " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", '?': "?",
}

func init() { sets['a'] = sets['l'] + sets['u'] + sets['d'] + sets['s'] }

// longestMask keeps the number of a mask's candidates within 64 bits: 95⁹ is less than 2⁶⁰.
const longestMask = 64

// ParseMask reads a mask such as ?u?l?l?l?d?d: ?l, ?u, ?d, ?s and ?a are small letters, capitals, digits, signs and all of these, ??
// is a question mark, and everything else itself.
func ParseMask(text string) (Mask, error) {
	var m Mask
	for rest := text; rest != ""; {
		set := rest[:1]
		n := 1
		if rest[0] == '?' {
			if len(rest) < 2 || sets[rest[1]] == "" {
				return nil, fmt.Errorf("mask %q: there are ?l ?u ?d ?s ?a and ??, not %q", text, rest[:min(2, len(rest))])
			}
			set, n = sets[rest[1]], 2
		}
		m, rest = append(m, set), rest[n:]
	}
	if len(m) == 0 || len(m) > longestMask {
		return nil, fmt.Errorf("mask %q: it has to have 1 to %d places", text, longestMask)
	}
	if m.Count() == 0 {
		return nil, fmt.Errorf("mask %q: more candidates than anybody could try", text)
	}
	return m, nil
}

// Count is how many candidates a mask has; 0 if they are more than 2⁶².
func (m Mask) Count() uint64 {
	n := uint64(1)
	for _, set := range m {
		if n > 1<<62/uint64(len(set)) {
			return 0
		}
		n *= uint64(len(set))
	}
	return n
}

// At is the candidate of that number, from 0 on: the last place changes first.
func (m Mask) At(n uint64) string {
	b := make([]byte, len(m))
	for i := len(m) - 1; i >= 0; i-- {
		size := uint64(len(m[i]))
		b[i], n = m[i][n%size], n/size
	}
	return string(b)
}
