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
	round *Round // under way; nil while the bots talk, and before the first one
	// number is that of the round under way, and from since when it can be answered.
	number int
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
	return &Game{o: o, stage: stage, score: NewScore(o.Seed), changed: make(chan struct{})}, nil
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
	if g.number == g.o.Rounds {
		g.change(func() { g.over, g.round = true, nil })
		return ErrOver
	}
	g.change(func() { g.round = nil })
	round, err := g.stage.Play(ctx, NewPlan(g.o.Seed, g.number+1), g.o.Pace, nil)
	if err != nil {
		return fmt.Errorf("round %d: %w", g.number+1, err)
	}
	g.change(func() {
		g.round, g.from = &round, time.Now()
		g.number++
		g.score.Begin(round.Plan.Lie)
	})
	return nil
}

// End ends the game before its time.
func (g *Game) End() { g.change(func() { g.over, g.round = true, nil }) }

// Shown is what a pair is shown of a round before it has answered.
type Shown struct {
	Event   string   `json:"event" means:"round"`
	Pair    string   `json:"pair" means:"who is to answer"`
	Round   int      `json:"round" means:"the round, from 1"`
	Rounds  int      `json:"rounds" means:"how many there are"`
	Seconds int      `json:"seconds" means:"how long the game goes on"`
	Seed    *uint64  `json:"seed" means:"what the game follows from; null for who plays against others"`
	Show    Evidence `json:"evidence" means:"what is shown, before anything is said about it:"`
}

// Outcome is what a pair is told once it has answered.
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
	Sum      int      `json:"sum" means:"the pair's points so far"`
	Flag     string   `json:"flag" means:"the pair's flag"`
}

// Join lets a player of a pair in.
func (g *Game) Join(pair string) (p Pair, err error) {
	g.change(func() {
		if p, err = g.score.Join(pair); err == nil && g.over {
			err = ErrOver
		}
	})
	return p, err
}

// Pairs are those who play, the best first.
func (g *Game) Pairs() []Pair {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.score.Pairs()
}

// Show returns what a pair is shown, and false while the bots talk.
func (g *Game) Show(pair string) (s Shown, ok bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.score.pair(pair)
	switch {
	case p == nil:
		return s, false, ErrNoPair
	case g.over:
		return s, false, ErrOver
	case g.round == nil:
		return s, false, nil
	}
	left := max(0, time.Until(g.ends).Round(time.Second)/time.Second)
	return Shown{
		Event: "round", Pair: pair, Round: g.number, Rounds: g.o.Rounds, Seconds: int(left), Show: g.round.Evidence(p.Version),
	}, true, nil
}

// Wait returns what a pair is shown of a round after another one, once that is there. The error is [ErrOver] after the last one.
func (g *Game) Wait(ctx context.Context, pair string, after int) (Shown, error) {
	for {
		g.mu.Lock()
		changed := g.changed
		g.mu.Unlock()
		if s, ok, err := g.Show(pair); err != nil || ok && s.Round > after {
			return s, err
		}
		select {
		case <-ctx.Done():
			return Shown{}, ctx.Err()
		case <-changed:
		}
	}
}

// Answer takes a pair's answer to a round. With [ErrAnswered] the outcome is that of the answer that counts.
func (g *Game) Answer(pair string, round int, said Lie) (o Outcome, err error) {
	g.change(func() {
		var a Answer
		switch {
		case g.over:
			err = ErrOver
		case g.round == nil:
			err = ErrNotNow
		default:
			a, err = g.score.Answer(pair, round, said, time.Since(g.from))
		}
		if err == nil || errors.Is(err, ErrAnswered) && round == g.number && g.round != nil {
			o = g.outcome(a)
		}
	})
	return o, err
}

// outcome tells what was so. The lock is held.
func (g *Game) outcome(a Answer) Outcome {
	p, r := g.score.pair(a.Pair), g.round
	e := r.Evidence(p.Version)
	_, here := e.Suspect()
	o := Outcome{
		Event: "outcome", Answer: a, Does: a.Truth.Does(), By: r.Plan.by(), How: a.Truth.How(), Here: here,
		Findings: append([]string{}, r.Verdict.Findings[p.Version]...), Others: []string{},
		Digests: []string{r.Verdict.Digests[p.Version], r.Verdict.Digests[1-p.Version]}, Sum: p.Points, Flag: p.Flag,
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

// Settled waits until every pair has answered the round under way, or a time.
func (g *Game) Settled(ctx context.Context, until time.Time) error {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	for {
		g.mu.Lock()
		changed, all := g.changed, g.score.AllAnswered(g.number)
		g.mu.Unlock()
		if all {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			return nil
		case <-changed:
		}
	}
}

// Gathered waits until so many pairs have joined.
func (g *Game) Gathered(ctx context.Context, pairs int) error {
	for {
		g.mu.Lock()
		changed, there := g.changed, len(g.score.pairs)
		g.mu.Unlock()
		if there >= pairs {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// WriteSheet is [Score.WriteSheet].
func (g *Game) WriteSheet(w io.Writer) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.score.WriteSheet(w)
}

// Outcomes are those of the answers to the round under way, in the order in which they came.
func (g *Game) Outcomes() (all []Outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range g.score.answers {
		if g.round != nil && a.Round == g.number {
			all = append(all, g.outcome(a))
		}
	}
	return all
}
