package game

import (
	"encoding/csv"
	"errors"
	"fmt"
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

func TestAnswersAreRead(t *testing.T) {
	for text, want := range map[string]Lie{
		"drop": Drop, " Wipe ": Wipe, "n": None, "rep": Repeat, "reo": Reorder, "imp": Impersonate, "backdate": Backdate,
	} {
		if got, err := ParseLie(text); err != nil || got != want {
			t.Errorf("ParseLie(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "re", "\x1b[31m", "dropped", strings.Repeat("x", 1000)} {
		if _, err := ParseLie(text); err == nil || !strings.Contains(err.Error(), "impersonate") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("ParseLie(%q): %v", text, err)
		}
	}
}

func TestScore(t *testing.T) {
	s := NewScore(7)
	one, err := s.Join("owls")
	two, err2 := s.Join("2b")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if one.Flag == two.Flag || one.Flag == "" || one.Version == two.Version {
		t.Errorf("pairs %+v and %+v", one, two)
	}
	if again, err := s.Join("owls"); err != nil || again != one {
		t.Errorf("a second player joins as %+v, %v", again, err)
	}
	for _, bad := range []string{"", "\x1b[2J", "a,b", strings.Repeat("x", 40), "=cmd"} {
		if _, err := s.Join(bad); err == nil {
			t.Errorf("a pair is called %q", bad)
		}
	}
	s.Begin(Drop)
	if _, err := s.Answer("cats", 1, Drop, 0); !errors.Is(err, ErrNoPair) {
		t.Errorf("a stranger answers: %v", err)
	}
	if _, err := s.Answer("owls", 2, Drop, 0); !errors.Is(err, ErrNotNow) {
		t.Errorf("the next round is answered: %v", err)
	}
	for _, c := range []struct {
		pair   string
		said   Lie
		points int
	}{{"owls", Wipe, 0}, {"2b", Drop, pointsRight + pointsFirst}} {
		if a, err := s.Answer(c.pair, 1, c.said, 3*time.Second); err != nil || a.Points != c.points {
			t.Errorf("%s gets %+v, %v", c.pair, a, err)
		}
	}
	if a, err := s.Answer("owls", 1, Drop, 0); !errors.Is(err, ErrAnswered) || a.Said != Wipe || !s.AllAnswered(1) {
		t.Errorf("a second answer: %+v, %v", a, err)
	}
	s.Begin(None)
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

// What begins like a formula is no formula in a sheet.
func TestCellsAreNoFormulas(t *testing.T) {
	for cell, want := range map[string]string{"=1": "'=1", "+1": "'+1", "-1": "'-1", "@a": "'@a", "\tx": "'\tx", "a=": "a=", "": ""} {
		if got := plainCell(cell); got != want {
			t.Errorf("plainCell(%q) = %q", cell, got)
		}
	}
}
