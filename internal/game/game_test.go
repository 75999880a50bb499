package game

import (
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/channel"
)

func newStage(t *testing.T) *Stage {
	t.Helper()
	s, err := OpenStage(t.Context(), channel.Access{Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// seeds is how many games are tried of each lie: all hundred take minutes.
func seeds(t *testing.T) uint64 {
	n, err := strconv.ParseUint(os.Getenv("FERNPOST_GAME_SEEDS"), 10, 16)
	if err != nil {
		return 2
	}
	t.Logf("%d seeds", n)
	return n
}

// Whatever the seed, the evidence of a lie differs from that of an honest room in what the lie does, an honest room shows nothing, and
// the engine names the lie.
func TestEveryLieShows(t *testing.T) {
	for _, lie := range Lies() {
		t.Run(lie.String(), func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			for seed := range seeds(t) {
				p := plan(rand.New(rand.NewPCG(seed, 1)), lie)
				r, err := s.Play(t.Context(), p, 0, nil)
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				checkRound(t, seed, &r)
			}
		})
	}
}

func checkRound(t *testing.T, seed uint64, r *Round) {
	t.Helper()
	for version := range r.Screens {
		e := r.Evidence(version)
		if got, what := e.Suspect(); got != r.Plan.Lie {
			t.Errorf("seed %d, insider %v: screen %d shows %v (%s)", seed, r.Plan.Insider, version, got, what)
		}
		if len(e.Mine.Lines) < posts-2 || len(e.Mine.Now) == 0 {
			t.Errorf("seed %d: screen %d has %d messages and %d rows", seed, version, len(e.Mine.Lines), len(e.Mine.Now))
		}
	}
	if r.Verdict.Lie != r.Plan.Lie {
		t.Errorf("seed %d, insider %v: the engine names %v: %q", seed, r.Plan.Insider, r.Verdict.Lie, r.Verdict.Findings)
	}
	said := len(r.Verdict.Findings[0]) + len(r.Verdict.Findings[1])
	if (said > 0) != (r.Plan.Lie != None) {
		t.Errorf("seed %d: the engine says %q", seed, r.Verdict.Findings)
	}
}

// A game is what its seed says, and all lies come up.
func TestASeedIsAGame(t *testing.T) {
	met := map[Lie]int{}
	for seed := range uint64(100) {
		for round := 1; round <= 5; round++ {
			p := NewPlan(seed, round)
			if p != NewPlan(seed, round) {
				t.Fatalf("seed %d, round %d is another one the second time", seed, round)
			}
			if p.Authors[0] == p.Authors[1] || p.Authors[5] != p.Authors[6] || p.Authors[10] == p.Authors[11] {
				t.Errorf("seed %d, round %d: a lie may not show by %v", seed, round, p.Authors)
			}
			texts := slices.Sorted(slices.Values(p.Texts[:]))
			if len(slices.Compact(texts)) != posts {
				t.Errorf("seed %d, round %d: a sentence stands twice in %q", seed, round, p.Texts)
			}
			met[p.Lie]++
		}
	}
	for _, lie := range Lies() {
		if n := met[lie]; n < 25 { // 55 are expected
			t.Errorf("%v comes %d times in 500 rounds", lie, n)
		}
	}
}

func TestLiesAreReadByTheirNames(t *testing.T) {
	for _, l := range Lies() {
		if got, err := ParseLie(l.String()); err != nil || got != l {
			t.Errorf("ParseLie(%q) = %v, %v", l, got, err)
		}
	}
	for _, text := range []string{"", "re", "\x1b[31m", "dropped", strings.Repeat("x", 1000)} {
		if _, err := ParseLie(text); err == nil || !strings.Contains(err.Error(), "impersonate") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("ParseLie(%q): %v", text, err)
		}
	}
}

// joined lets pairs join.
func joined(t *testing.T, s *Score, names ...string) (all []Member) {
	t.Helper()
	for _, name := range names {
		m, err := s.Join(name, "")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func TestScore(t *testing.T) {
	s := NewScore(7, 2)
	pairs := joined(t, s, "owls", "2b")
	one, two := pairs[0], pairs[1]
	if one.Flag == two.Flag || one.Flag == "" || one.Version == two.Version {
		t.Errorf("pairs %+v and %+v", one, two)
	}
	s.Begin(Drop)
	if err := s.Answer("owls", 2, Drop, 0); !errors.Is(err, ErrNotNow) {
		t.Errorf("the next round is answered: %v", err)
	}
	if err := errors.Join(s.Answer("owls", 1, Wipe, 3*time.Second), s.Answer("2b", 1, Drop, 3*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := s.Answer("owls", 1, Drop, 0); !errors.Is(err, ErrAnswered) || !s.AllAnswered(1) {
		t.Errorf("a second answer: %v", err)
	}
	s.Settle()
	s.Settle()
	s.Begin(None)
	s.Settle()
	if err := s.Answer("owls", 2, None, 0); !errors.Is(err, ErrNotNow) && !errors.Is(err, ErrAnswered) {
		t.Errorf("a round that is over is answered: %v", err)
	}
	var sheet strings.Builder
	if err := s.WriteSheet(&sheet); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(sheet.String())).ReadAll()
	if err != nil || len(rows) != 7 {
		t.Fatalf("%v\n%s", err, &sheet)
	}
	for i, want := range []string{
		"pair flag round answer lie right points seconds seed",
		fmt.Sprintf("2b %s 1 drop drop yes 15 3 7", two.Flag), fmt.Sprintf("2b %s 2  none no 0  7", two.Flag), fmt.Sprintf("2b %s all    15  7", two.Flag),
		fmt.Sprintf("owls %s 1 wipe drop no 0 3 7", one.Flag), fmt.Sprintf("owls %s 2  none no 0  7", one.Flag), fmt.Sprintf("owls %s all    0  7", one.Flag),
	} {
		if got := strings.Join(rows[i], " "); got != want {
			t.Errorf("row %d is %q, want %q", i, got, want)
		}
	}
}

// Whoever knew the name of a pair played for it.
func TestAPairIsJoinedByItsWordOnly(t *testing.T) {
	s := NewScore(7, 3)
	pairs := joined(t, s, "owls", "cats")
	owls, cats := pairs[0], pairs[1]
	if again, err := s.Join("owls", owls.Word); err != nil || again != owls {
		t.Errorf("a second player joins as %+v, %v", again, err)
	}
	for _, word := range []string{"", cats.Word, owls.Word + "x", owls.Word[1:]} {
		if _, err := s.Join("owls", word); !errors.Is(err, ErrPairWord) {
			t.Errorf("somebody joins owls by %q: %v", word, err)
		}
		if _, err := s.member("owls", word); !errors.Is(err, ErrNoPair) {
			t.Errorf("somebody asks as owls by %q: %v", word, err)
		}
	}
}

// One person filled forty places, with names that nobody tells apart, and while the others played.
func TestPlacesAreForPairsThatPeopleTellApart(t *testing.T) {
	s := NewScore(7, 2)
	for _, bad := range []string{"", "\x1b[2J", "a,b", strings.Repeat("x", 40), "=cmd", "42"} {
		if _, err := s.Join(bad, ""); err == nil {
			t.Errorf("a pair is called %q", bad)
		}
	}
	joined(t, s, "owls")
	for _, like := range []string{"Owls", "оwls", "OWLS.", "ow-ls", "owIs"} {
		if _, err := s.Join(like, ""); !errors.Is(err, ErrAlike) {
			t.Errorf("%q joins beside owls: %v", like, err)
		}
	}
	joined(t, s, "cats")
	if _, err := s.Join("dogs", ""); !errors.Is(err, ErrFull) {
		t.Errorf("a third pair of two: %v", err)
	}
	if !s.Kick("owls") || s.Kick("owls") {
		t.Error("a pair cannot be removed just once")
	}
	if p := joined(t, s, "dogs")[0]; p.Version != 0 {
		t.Errorf("both pairs see version %d", p.Version)
	}
	s.Kick("dogs")
	s.Begin(Drop)
	if _, err := s.Join("late", ""); !errors.Is(err, ErrBegun) {
		t.Errorf("a pair joins when it has begun: %v", err)
	}
}

// A pair that joined once more saw by its points whether its answer was right, while others could still answer.
func TestAnswersHaveNoPointsWhileARoundCanBeAnswered(t *testing.T) {
	s := NewScore(7, 2)
	owls := joined(t, s, "owls", "cats")[0]
	s.Begin(Drop)
	if err := s.Answer("owls", 1, Drop, 0); err != nil {
		t.Fatal(err)
	}
	if m, err := s.Join("owls", owls.Word); err != nil || m.Points != 0 || s.Pairs()[0].Points != 0 {
		t.Errorf("owls see %+v, %v", m, err)
	}
	s.Settle()
	if m, err := s.Join("owls", owls.Word); err != nil || m.Points != pointsRight+pointsFirst {
		t.Errorf("after the round owls have %+v, %v", m, err)
	}
	if a, said := s.Answered("cats", 1); !said || a.Said != nil || a.Truth != Drop || a.Points != 0 {
		t.Errorf("who has said nothing is told %+v", a)
	}
}

// The seed was one of a million, so that all of them could be tried on what the first round shows.
func TestASeedIsLong(t *testing.T) {
	long := 0
	for range 64 {
		if NewSeed() > 1<<40 {
			long++
		}
	}
	if long < 60 {
		t.Errorf("%d of 64 seeds are longer than 40 bits", long)
	}
	for seed, want := range map[uint64]string{7: "7", 999_999_999_999_999: "999999999999999", math.MaxUint64: "0xffffffffffffffff"} {
		if got := SeedText(seed); got != want {
			t.Errorf("SeedText(%d) = %s", seed, got)
		}
		if back, err := strconv.ParseUint(SeedText(seed), 0, 64); err != nil || back != seed {
			t.Errorf("%s is read as %d, %v", SeedText(seed), back, err)
		}
	}
}
