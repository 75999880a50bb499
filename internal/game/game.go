package game

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/channel"
)

// Options say what game it is.
type Options struct {
	// Seed is what the game follows from.
	Seed uint64
	// Pairs is for how many there is a place; 0 is for one.
	Pairs int
	// Rounds is how many there are, and Length how long all of them take at most.
	Rounds int
	Length time.Duration
	// Pace is how long the bots wait between two messages.
	Pace time.Duration
	// Access is how the game's relay is reached.
	Access channel.Access
}

// Game is a game under way. It is safe for concurrent use; rounds are begun by one goroutine.
type Game struct {
	o     Options
	stage *Stage
	ends  time.Time

	mu    sync.Mutex // guards what follows
	score *Score
	// rounds are those that were played, and open tells that the last one can be answered, since from.
	rounds []Round
	open   bool
	from   time.Time
	over   bool
	// changed is closed and made anew when any of this changes.
	changed chan struct{}
}

// ErrOver means that there are no more rounds.
var ErrOver = errors.New("the game is over")

// Start starts a game. Its time runs from [Game.Begin] on.
func Start(ctx context.Context, o Options) (*Game, error) {
	stage, err := OpenStage(ctx, o.Access)
	if err != nil {
		return nil, err
	}
	return &Game{o: o, stage: stage, score: NewScore(o.Seed, max(1, o.Pairs)), changed: make(chan struct{})}, nil
}

// Begin begins the game's time, and returns when it ends.
func (g *Game) Begin() time.Time {
	g.ends = time.Now().Add(g.o.Length)
	return g.ends
}

// Close ends the game; nothing of what was played stays.
func (g *Game) Close() error { return g.stage.Close() }

// change changes what is guarded, and tells those who wait for that.
func (g *Game) change(do func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	do()
	close(g.changed)
	g.changed = make(chan struct{})
}

// Next plays the next round, which can be answered then. The error is [ErrOver] if there is none.
func (g *Game) Next(ctx context.Context) error {
	number := len(g.rounds) + 1
	if number > g.o.Rounds {
		g.End()
		return ErrOver
	}
	round, err := g.stage.Play(ctx, NewPlan(g.o.Seed, number), g.o.Pace, nil)
	if err != nil {
		return fmt.Errorf("round %d: %w", number, err)
	}
	g.change(func() {
		g.rounds, g.open, g.from = append(g.rounds, round), true, time.Now()
		g.score.Begin(round.Plan.Lie)
	})
	return nil
}

// End ends the game, also before its time, and the round under way.
func (g *Game) End() {
	g.change(func() {
		g.settle()
		g.over = true
	})
}

// settle ends the round under way. The lock is held.
func (g *Game) settle() {
	g.open = false
	g.score.Settle()
}

// Shown is what a pair is shown of a round before it has answered.
type Shown struct {
	Event   string   `json:"event" means:"round"`
	Pair    string   `json:"pair" means:"who is to answer"`
	Round   int      `json:"round" means:"the round, from 1"`
	Rounds  int      `json:"rounds" means:"how many there are"`
	Seconds int      `json:"seconds" means:"how long the game goes on"`
	Show    Evidence `json:"evidence" means:"what is shown, before anything is said about it:"`
}

// Outcome is what a pair is told once nobody can answer the round any more.
type Outcome struct {
	Event string `json:"event" means:"outcome"`
	Answer
	Does     string   `json:"does" means:"what that lie does, in words"`
	By       string   `json:"by" means:"who has told it: relay or insider; nobody where there was none"`
	How      string   `json:"how" means:"where one could have seen it"`
	Here     string   `json:"here" means:"what of the evidence shows it"`
	Findings []string `json:"findings" means:"what fernpost says of it to who reads this room"`
	Others   []string `json:"other_findings" means:"what it says to the other pair, where that differs"`
	Digests  []string `json:"digests" means:"the six words of \"verify\" of this pair, and of the other one"`
	Sum      int      `json:"sum" means:"the pair's points up to this round"`
	Flag     string   `json:"flag" means:"the pair's flag: the word that stands for it where names are not to be shown"`
}

// Join is [Score.Join] for a game that is not over.
func (g *Game) Join(pair, word string) (m Member, err error) {
	g.change(func() {
		if m, err = g.score.Join(pair, word); err == nil && g.over {
			err = ErrOver
		}
	})
	return m, err
}

// Kick removes a pair, and reports whether there was one of that name.
func (g *Game) Kick(pair string) (was bool) {
	g.change(func() { was = g.score.Kick(pair) })
	return was
}

// Pairs are those who play, the best first.
func (g *Game) Pairs() []Pair {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.score.Pairs()
}

// Changes returns what is closed when anything of the game changes.
func (g *Game) Changes() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

// wait waits until done says so, or its error. The lock is held while it looks.
func (g *Game) wait(ctx context.Context, done func() (bool, error)) error {
	for {
		g.mu.Lock()
		changed := g.changed
		ok, err := done()
		g.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// Round returns what a pair is shown of a round after another one, once that is there. The error is [ErrOver] after the last one, or
// [ErrNoPair].
func (g *Game) Round(ctx context.Context, pair, word string, after int) (s Shown, err error) {
	err = g.wait(ctx, func() (bool, error) {
		p, err := g.score.member(pair, word)
		switch number := len(g.rounds); {
		case err != nil:
			return false, err
		case g.over:
			return false, ErrOver
		case g.open && number > after:
			left := max(0, time.Until(g.ends).Round(time.Second)/time.Second)
			s = Shown{
				Event: "round", Pair: pair, Round: number, Rounds: g.o.Rounds, Seconds: int(left), Show: g.rounds[number-1].Evidence(p.Version),
			}
			return true, nil
		}
		return false, nil
	})
	return s, err
}

// Answer takes a pair's answer to a round: see [Score.Answer]. The error may also be [ErrOver], or [ErrNoPair].
func (g *Game) Answer(pair, word string, round int, said Lie) (err error) {
	g.change(func() {
		if _, err = g.score.member(pair, word); err != nil {
			return
		}
		if err = ErrOver; !g.over {
			err = g.score.Answer(pair, round, said, time.Since(g.from))
		}
	})
	return err
}

// Outcome returns what was so in a round that was begun, once nobody can answer it any more: who was told before could tell others. The
// error is [ErrNotNow] if the game ends before that round, or [ErrNoPair].
func (g *Game) Outcome(ctx context.Context, pair, word string, round int) (o Outcome, err error) {
	err = g.wait(ctx, func() (bool, error) {
		p, err := g.score.member(pair, word)
		if err == nil && (round < 1 || round > len(g.rounds)) {
			err = ErrNotNow
		}
		if err != nil || round == len(g.rounds) && g.open {
			return false, err
		}
		o = g.outcome(p, round)
		return true, nil
	})
	return o, err
}

// outcome tells what was so. The lock is held.
func (g *Game) outcome(p *Member, round int) Outcome {
	r := g.rounds[round-1]
	a, _ := g.score.Answered(p.Name, round)
	e := r.Evidence(p.Version)
	_, here := e.Suspect()
	o := Outcome{
		Event: "outcome", Answer: a, Does: a.Truth.Does(), By: r.Plan.by(), How: a.Truth.How(), Here: here,
		Findings: append([]string{}, r.Verdict.Findings[p.Version]...), Others: []string{},
		Digests: []string{r.Verdict.Digests[p.Version], r.Verdict.Digests[1-p.Version]}, Sum: g.score.sum(p.Name, round), Flag: p.Flag,
	}
	mine := map[string]bool{}
	for _, text := range o.Findings {
		mine[text] = true
	}
	for _, text := range r.Verdict.Findings[1-p.Version] {
		if !mine[text] {
			o.Others = append(o.Others, text)
		}
	}
	return o
}

// by says who lies in a round.
func (p *Plan) by() string {
	switch {
	case p.Lie == None:
		return "nobody"
	case p.Insider:
		return "insider"
	}
	return "relay"
}

// Settled waits until every pair has answered the round under way, or a time. Then nobody can answer it any more.
func (g *Game) Settled(ctx context.Context, until time.Time) error {
	timed, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	err := g.wait(timed, func() (bool, error) { return g.score.AllAnswered(len(g.rounds)), nil })
	if ctx.Err() != nil {
		return err
	}
	g.change(g.settle)
	return nil
}

// WriteSheet is [Score.WriteSheet].
func (g *Game) WriteSheet(w io.Writer) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.score.WriteSheet(w)
}

// Outcomes are those of the last round for all pairs, the best first. None are told while it can be answered.
func (g *Game) Outcomes() (all []Outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if round := len(g.rounds); round > 0 && !g.open {
		for _, p := range g.score.Pairs() {
			all = append(all, g.outcome(g.score.named(p.Name), round))
		}
	}
	return all
}
