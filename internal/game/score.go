package game

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/record"
)

// Points of an answer.
const (
	pointsRight = 10
	pointsFirst = 5 // for the first pair that is right in a round, where there are two
)

// MaxPairs is how many pairs play one game: each has a flag of its own.
const MaxPairs = len(flags)

// Refused answers.
var (
	ErrNoPair   = errors.New("nobody of that pair has joined")
	ErrAnswered = errors.New("this pair has answered already: its first answer counts")
	ErrNotNow   = errors.New("that round cannot be answered now")
	ErrFull     = fmt.Errorf("a game has at most %d pairs", MaxPairs)
)

// Pair is who plays together.
type Pair struct {
	Name   string `json:"pair" means:"what the pair calls itself"`
	Flag   string `json:"flag" means:"its flag, a short word"`
	Points int    `json:"points" means:"its points so far"`
	// Version is which of the two versions of readers it is.
	Version int `json:"-"`
}

// Answer is what a pair said of a round.
type Answer struct {
	Pair    string `json:"pair" means:"who has answered"`
	Round   int    `json:"round" means:"the round, from 1"`
	Said    Lie    `json:"answer" means:"which lie they said it was"`
	Truth   Lie    `json:"lie" means:"which it was"`
	Right   bool   `json:"right" means:"whether that is the same"`
	Points  int    `json:"points" means:"points for it"`
	Seconds int    `json:"seconds" means:"after how many seconds"`
}

// Score is who plays, and what was answered. It is used by one goroutine at a time.
type Score struct {
	seed    uint64
	flags   []int
	pairs   []Pair
	answers []Answer
	lies    []Lie // of the rounds that were played
}

// NewScore begins the score of the game with a seed.
func NewScore(seed uint64) *Score {
	return &Score{seed: seed, flags: rand.New(rand.NewPCG(seed, 0)).Perm(len(flags))}
}

// Join lets a player of a pair in, and returns the pair: every second one sees the other version. The name is like a nickname, see
// [record.CheckNickname].
func (s *Score) Join(name string) (Pair, error) {
	if err := record.CheckNickname(name); err != nil {
		return Pair{}, fmt.Errorf("the name of a pair is like a nickname: %w", err)
	}
	if p := s.pair(name); p != nil {
		return *p, nil
	}
	if len(s.pairs) == MaxPairs {
		return Pair{}, ErrFull
	}
	n := len(s.pairs)
	s.pairs = append(s.pairs, Pair{Name: name, Flag: flags[s.flags[n]], Version: n % 2})
	return s.pairs[n], nil
}

func (s *Score) pair(name string) *Pair {
	i := slices.IndexFunc(s.pairs, func(p Pair) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &s.pairs[i]
}

// Pairs are those who play, the best first.
func (s *Score) Pairs() []Pair {
	all := slices.Clone(s.pairs)
	slices.SortStableFunc(all, func(a, b Pair) int { return b.Points - a.Points })
	return all
}

// Begin begins the next round.
func (s *Score) Begin(truth Lie) { s.lies = append(s.lies, truth) }

// Answered returns what a pair said of a round.
func (s *Score) Answered(pair string, round int) (Answer, bool) {
	i := slices.IndexFunc(s.answers, func(a Answer) bool { return a.Pair == pair && a.Round == round })
	if i < 0 {
		return Answer{}, false
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

// Answer takes a pair's answer to the round under way, so long after that could be answered. The error is [ErrNoPair],
// [ErrAnswered], with the answer that counts, or [ErrNotNow].
func (s *Score) Answer(pair string, round int, said Lie, after time.Duration) (Answer, error) {
	p := s.pair(pair)
	if p == nil {
		return Answer{}, ErrNoPair
	}
	if a, ok := s.Answered(pair, round); ok {
		return a, ErrAnswered
	}
	if round < 1 || round != len(s.lies) {
		return Answer{}, ErrNotNow
	}
	truth := s.lies[round-1]
	a := Answer{Pair: pair, Round: round, Said: said, Truth: truth, Right: said == truth, Seconds: int(after.Round(time.Second) / time.Second)}
	if a.Right {
		a.Points = pointsRight
		first := !slices.ContainsFunc(s.answers, func(b Answer) bool { return b.Round == round && b.Right })
		if first && len(s.pairs) > 1 {
			a.Points += pointsFirst
		}
	}
	p.Points += a.Points
	s.answers = append(s.answers, a)
	return a, nil
}

// WriteSheet writes who has answered what as CSV: a row for each pair and round, and one with its sum.
func (s *Score) WriteSheet(w io.Writer) error {
	out := csv.NewWriter(w)
	row := func(cells ...string) error {
		for i := range cells {
			cells[i] = plainCell(cells[i])
		}
		return out.Write(cells)
	}
	if err := row("pair", "flag", "round", "answer", "lie", "right", "points", "seconds", "seed"); err != nil {
		return err
	}
	seed := strconv.FormatUint(s.seed, 10)
	for _, p := range s.Pairs() {
		for i, truth := range s.lies {
			cells := []string{p.Name, p.Flag, strconv.Itoa(i + 1), "", truth.String(), "no", "0", "", seed}
			if a, ok := s.Answered(p.Name, i+1); ok {
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

// plainCell keeps a table's program from taking a cell for a formula.
func plainCell(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
