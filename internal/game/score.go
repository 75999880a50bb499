package game

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// Points of an answer.
const (
	pointsRight = 10
	pointsFirst = 5 // for the first pair that is right in a round, where there are two
)

// MaxPairs is how many pairs play one game: each has a flag of its own.
const MaxPairs = len(flags)

// Refused players and answers.
var (
	ErrNoPair   = errors.New("nobody of that pair has joined, or not with that word")
	ErrAnswered = errors.New("this pair has answered already: its first answer counts")
	ErrNotNow   = errors.New("that round cannot be answered now")
	ErrFull     = errors.New("there is no place for another pair: as many have joined as play")
	ErrBegun    = errors.New("the game has begun: only pairs that have joined before play")
	// ErrPairWord keeps one pair from playing for another one.
	ErrPairWord = errors.New("there is a pair of that name: who belongs to it has its word")
	// ErrAlike refuses a name that could be taken for another pair's.
	ErrAlike = errors.New("that name looks like the one of a pair that has joined")
)

// Pair is who plays together.
type Pair struct {
	Name   string `json:"pair" means:"what the pair calls itself"`
	Flag   string `json:"flag" means:"its flag: the word that stands for it where names are not to be shown"`
	Points int    `json:"points" means:"its points in the rounds that are over"`
	// Version is which of the two versions of readers it is.
	Version int `json:"-"`
}

// Member is a pair with the word that its players show.
type Member struct {
	Pair
	Word string `json:"word"`
}

// Answer is what a pair said of a round.
type Answer struct {
	Pair    string `json:"pair" means:"who has answered"`
	Round   int    `json:"round" means:"the round, from 1"`
	Said    *Lie   `json:"answer" means:"which lie they said it was; null where they said nothing in time"`
	Truth   Lie    `json:"lie" means:"which it was"`
	Right   bool   `json:"right" means:"whether that is the same"`
	Points  int    `json:"points" means:"points for it"`
	Seconds int    `json:"seconds" means:"after how many seconds"`
}

// Score is who plays, and what was answered. It is used by one goroutine at a time.
type Score struct {
	seed    uint64
	places  int
	flags   []int // in the order in which they are given out
	pairs   []Member
	answers []Answer // of rounds that are over, and then of the one under way, which have no points yet
	lies    []Lie    // of the rounds that were begun
	settled int      // how many of them are over
}

// NewScore begins the score of the game with a seed, for at most so many pairs.
func NewScore(seed uint64, places int) *Score {
	return &Score{seed: seed, places: min(places, MaxPairs), flags: chance(seed, 0).Perm(len(flags))}
}

// Join lets a player of a pair in. The first one brings no word: the pair gets one then, which all others bring. A name is like a
// nickname that somebody chooses, see [record.CheckChosen], and looks like no other pair's. New pairs join before the first round only.
func (s *Score) Join(name, word string) (Member, error) {
	if err := record.CheckChosen(name); err != nil {
		return Member{}, fmt.Errorf("the name of a pair is like a nickname: %w", err)
	}
	if p := s.named(name); p != nil {
		if !p.shows(word) {
			return Member{}, ErrPairWord
		}
		return *p, nil
	}
	switch {
	case len(s.lies) > 0:
		return Member{}, ErrBegun
	case s.looksTaken(name):
		return Member{}, ErrAlike
	case len(s.pairs) >= s.places:
		return Member{}, ErrFull
	}
	s.pairs = append(s.pairs, Member{s.newPair(name), newWord()})
	return s.pairs[len(s.pairs)-1], nil
}

// newWord is one that nobody guesses, and that is short enough to be typed.
func newWord() string { return strings.ToLower(rand.Text()[:12]) }

// newPair is a pair with a flag that is free, of the version that fewer see.
func (s *Score) newPair(name string) Pair {
	p, second := Pair{Name: name}, 0
	taken := map[string]bool{}
	for i := range s.pairs {
		taken[s.pairs[i].Flag] = true
		second += s.pairs[i].Version
	}
	if second < len(s.pairs)-second {
		p.Version = 1
	}
	for _, i := range s.flags {
		if !taken[flags[i]] {
			p.Flag = flags[i]
			break
		}
	}
	return p
}

// looksTaken reports whether people could take a name for one that has joined.
func (s *Score) looksTaken(name string) bool {
	forms := record.Skeletons(name)
	return slices.ContainsFunc(s.pairs, func(p Member) bool {
		return slices.ContainsFunc(record.Skeletons(p.Name), func(form string) bool { return slices.Contains(forms, form) })
	})
}

// shows reports whether a word is the pair's. It takes as long for every word.
func (p *Member) shows(word string) bool {
	return subtle.ConstantTimeCompare([]byte(p.Word), []byte(word)) == 1
}

// Kick removes a pair, and reports whether there was one of that name.
func (s *Score) Kick(name string) bool {
	before := len(s.pairs)
	s.pairs = slices.DeleteFunc(s.pairs, func(p Member) bool { return p.Name == name })
	return len(s.pairs) < before
}

func (s *Score) named(name string) *Member {
	i := slices.IndexFunc(s.pairs, func(p Member) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &s.pairs[i]
}

// member is the pair of a name, for who shows its word.
func (s *Score) member(name, word string) (*Member, error) {
	if p := s.named(name); p != nil && p.shows(word) {
		return p, nil
	}
	return nil, ErrNoPair
}

// Pairs are those who play, the best first.
func (s *Score) Pairs() []Pair {
	all := make([]Pair, len(s.pairs))
	for i := range s.pairs {
		all[i] = s.pairs[i].Pair
	}
	slices.SortStableFunc(all, func(a, b Pair) int { return b.Points - a.Points })
	return all
}

// Begin begins the next round.
func (s *Score) Begin(truth Lie) { s.lies = append(s.lies, truth) }

// Answered returns what a pair said of a round.
func (s *Score) Answered(pair string, round int) (Answer, bool) {
	i := slices.IndexFunc(s.answers, func(a Answer) bool { return a.Pair == pair && a.Round == round })
	if i < 0 {
		return Answer{Pair: pair, Round: round}, false
	}
	return s.answers[i], true
}

// AllAnswered reports whether every pair has answered the round.
func (s *Score) AllAnswered(round int) bool {
	for i := range s.pairs {
		if _, ok := s.Answered(s.pairs[i].Name, round); !ok {
			return false
		}
	}
	return len(s.pairs) > 0
}

// Answer takes a pair's answer to the round under way, so long after that could be answered. What it is worth is seen when the round is
// over, see [Score.Settle]. The error is [ErrAnswered] or [ErrNotNow].
func (s *Score) Answer(pair string, round int, said Lie, after time.Duration) error {
	if _, ok := s.Answered(pair, round); ok {
		return ErrAnswered
	}
	if round < 1 || round != len(s.lies) || round <= s.settled {
		return ErrNotNow
	}
	s.answers = append(s.answers, Answer{Pair: pair, Round: round, Said: &said, Seconds: int(after.Round(time.Second) / time.Second)})
	return nil
}

// Settle ends the round under way: its answers get their points, and pairs that have said nothing an answer without any.
func (s *Score) Settle() {
	round := len(s.lies)
	if s.settled == round {
		return
	}
	s.settled = round
	for i := range s.pairs {
		if a, ok := s.Answered(s.pairs[i].Name, round); !ok {
			s.answers = append(s.answers, a)
		}
	}
	truth, first := s.lies[round-1], true
	for i := range s.answers {
		a := &s.answers[i]
		p := s.named(a.Pair)
		if a.Round != round || p == nil {
			continue
		}
		a.Truth, a.Right = truth, a.Said != nil && *a.Said == truth
		if !a.Right {
			continue
		}
		a.Points = pointsRight
		if first && len(s.pairs) > 1 {
			a.Points += pointsFirst
		}
		first = false
		p.Points += a.Points
	}
}

// sum is what a pair has got up to a round.
func (s *Score) sum(pair string, round int) (points int) {
	for i := range s.answers {
		if a := &s.answers[i]; a.Pair == pair && a.Round <= round {
			points += a.Points
		}
	}
	return points
}

// WriteSheet writes who has answered what as CSV: a row for each pair and round, and one with its sum.
func (s *Score) WriteSheet(w io.Writer) error {
	out := csv.NewWriter(w)
	row := func(cells ...string) error {
		for i := range cells {
			cells[i] = screen.Cell(cells[i])
		}
		return out.Write(cells)
	}
	if err := row("pair", "flag", "round", "answer", "lie", "right", "points", "seconds", "seed"); err != nil {
		return err
	}
	seed := SeedText(s.seed)
	for _, p := range s.Pairs() {
		for i, truth := range s.lies {
			cells := []string{p.Name, p.Flag, strconv.Itoa(i + 1), "", truth.String(), "no", "0", "", seed}
			if a, _ := s.Answered(p.Name, i+1); a.Said != nil {
				cells[3], cells[6] = a.Said.String(), strconv.Itoa(a.Points)
				cells[7] = strconv.Itoa(a.Seconds)
				if a.Right {
					cells[5] = "yes"
				}
			}
			if err := row(cells...); err != nil {
				return err
			}
		}
		if err := row(p.Name, p.Flag, "all", "", "", "", strconv.Itoa(p.Points), "", seed); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// SeedText writes a seed so that no spreadsheet rounds it: one of more than 15 digits is hexadecimal.
func SeedText(seed uint64) string {
	if seed < 1e15 {
		return strconv.FormatUint(seed, 10)
	}
	return "0x" + strconv.FormatUint(seed, 16)
}
