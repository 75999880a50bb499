package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/game"
	"github.com/fernpost/fernpost/internal/screen"
)

// hostGame lets pairs play from their own terminals.
func (a *app) hostGame(ctx context.Context, g *game.Game, o *gameOptions) (err error) {
	table, err := g.Serve(ctx, o.listen)
	if err != nil {
		return hint(err, "--listen HOST:PORT takes another address or port")
	}
	defer func() {
		g.End()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if ctx.Err() == nil { // who is stopped waits for nobody
			table.Ended(ending)
		}
		err = errors.Join(err, table.Close(ending))
	}()
	link := table.Link()
	base, _, _ := strings.Cut(link, "/game/")
	if !o.asJSON {
		if err := a.printLines("listening on " + base + "\nlink         " + link + "\n"); err != nil {
			return err
		}
	}
	if channel.IsLoopback(base) {
		a.say("note: only this machine can connect: it is in no network, or --listen says so")
	}
	a.say("pairs join by: fernpost game join %s --as PAIR", link)
	a.say("the game: %s, %s at most. Ctrl-C ends it.", count(o.rounds, "round"), count(o.minutes, "minute"))
	if err := a.gather(ctx, g, o.pairs); err != nil {
		return err
	}
	return a.hostRounds(ctx, g, o)
}

// hostRounds plays the rounds with the pairs that are there.
func (a *app) hostRounds(ctx context.Context, g *game.Game, o *gameOptions) error {
	ends := g.Begin()
	timed, cancel := context.WithDeadline(ctx, ends)
	defer cancel()
	for n := 1; ; n++ {
		a.sayTalking(n, o)
		switch err := g.Next(timed); {
		case errors.Is(err, game.ErrOver), timed.Err() != nil && ctx.Err() == nil:
			return a.gameOver(g, o)
		case err != nil:
			return err
		}
		share := time.Until(ends) / time.Duration(o.rounds-n+1)
		a.say("round %d of %d can be answered, for %v at most", n, o.rounds, share.Round(time.Second))
		if err := g.Settled(ctx, time.Now().Add(share)); err != nil {
			return err
		}
		if err := a.showOutcomes(g.Outcomes(), n, o.asJSON); err != nil {
			return err
		}
	}
}

// gather says who joins, until somebody begins by Enter; where nobody types, until all places are taken. Lines are taken until the game
// ends: who has gone home holds up every round.
func (a *app) gather(ctx context.Context, g *game.Game, places int) error {
	begin, begun, typing := make(chan struct{}), make(chan struct{}), a.stdinTerminal
	defer close(begun)
	if typing {
		a.say("Enter begins when the pairs have joined; \"kick NAME\" removes one")
	}
	go a.obey(ctx, g, begin, begun)
	for there := []string(nil); ; {
		changed := g.Changes()
		there = a.sayJoined(there, g.Pairs(), places)
		if !typing && len(there) == places {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-begin:
			if len(there) > 0 {
				return nil
			}
			a.say("nobody has joined yet")
		}
	}
}

// obey does what is typed while pairs play. It tells begin of empty lines, until the game has begun.
func (a *app) obey(ctx context.Context, g *game.Game, begin chan<- struct{}, begun <-chan struct{}) {
	for line := range linesOf(a.input) {
		word, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case word == "":
			select {
			case begin <- struct{}{}:
			case <-begun:
			case <-ctx.Done():
				return
			}
		case word != "kick":
			a.say("%s is nothing that can be done here: Enter begins, \"kick NAME\" removes a pair", screen.Line(word))
		case g.Kick(strings.TrimSpace(name)):
			a.say("%s plays no more", screen.Line(strings.TrimSpace(name)))
		default:
			a.say("there is no pair %q", name)
		}
	}
}

// sayJoined says who has joined since there, and returns who is there now.
func (a *app) sayJoined(there []string, pairs []game.Pair, places int) (now []string) {
	for _, p := range pairs {
		now = append(now, p.Name)
		if !slices.Contains(there, p.Name) {
			a.say("%s (flag %s) has joined: %d of %d", screen.Line(p.Name), screen.Line(p.Flag), len(now), places)
		}
	}
	return now
}

// showOutcomes says what the pairs have answered in a round.
func (a *app) showOutcomes(all []game.Outcome, round int, asJSON bool) error {
	var b strings.Builder
	for _, outcome := range all {
		if asJSON {
			if err := a.printJSON(gameOutcomeJSON(outcome)); err != nil {
				return err
			}
			continue
		}
		said := "no answer"
		if outcome.Said != nil {
			said = outcome.Said.String()
		}
		fmt.Fprintf(&b, "round %d, %s: %s, it was %v (by %s); %s\n", round, screen.Line(outcome.Pair), said, outcome.Truth,
			outcome.By, count(outcome.Points, "point"))
	}
	return a.printLines(b.String())
}

type joinGameOptions struct {
	pair, word string
	asJSON     bool
}

func (a *app) gameJoinCommand() *cobra.Command {
	var o joinGameOptions
	cmd := &cobra.Command{
		Use:   "join LINK",
		Short: "Play a game of lies as one of a pair",
		Long: `join plays the game of lies that "fernpost game" has printed a link to. Two players of a pair, each in a terminal of their own, give
the same name with --as. The first one is told the pair's word; the second one, and who comes back, gives it with --pair-word: so no
other pair answers for you. The first answer of the two counts. With the other pair you compare screens. What was right is told when
all pairs have answered, or the round's time is over.`,
		Example: `  fernpost game join http://192.168.1.20:3000/game/abcdefgh --as owls
  fernpost game join http://192.168.1.20:3000/game/abcdefgh --as owls --pair-word k3x2qpw7mnab`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.pair == "" {
				return usagef("--as PAIR says which pair you belong to: a name that the two of you choose")
			}
			return a.joinGame(cmd.Context(), args[0], &o)
		},
	}
	cmd.Flags().StringVar(&o.pair, "as", "", "the name of your `PAIR`")
	cmd.Flags().StringVar(&o.word, "pair-word", "", "the `WORD` that the first player of the pair was told")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "one JSON object a line: what is shown in a round, and the outcome")
	return cmd
}

func (a *app) joinGame(ctx context.Context, link string, o *joinGameOptions) error {
	at, err := game.Sit(ctx, link, o.pair, strings.ToLower(strings.TrimSpace(o.word)), a.timeout)
	if err != nil {
		return hintJoin(err)
	}
	pair := at.Pair()
	a.say("you are %s, your flag is %s; wait until whoever has started the game begins it", screen.Line(pair.Name), screen.Line(pair.Flag))
	a.say("the other player of your pair, or you once more: --as %q --pair-word %s", screen.Line(pair.Name), screen.Line(pair.Word))
	p := &player{app: a, asJSON: o.asJSON, lines: linesOf(a.input)}
	for round := 0; ; {
		shown, err := at.Round(ctx, round)
		if err == nil {
			round = shown.Round
			err = p.playAt(ctx, at, &shown)
		}
		if over, ok := errors.AsType[*game.OverError](err); ok {
			if o.asJSON {
				return a.printJSON(gameOverJSON{"over", nil, over.Pairs})
			}
			return a.showPairs(over.Pairs)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if _, away := errors.AsType[*game.AwayError](err); away {
			return hint(err, "the game may have ended; else come back with --pair-word %s", pair.Word)
		}
		if errors.Is(err, game.ErrNoPair) {
			return hint(fmt.Errorf("%s play no more: whoever leads the game has removed the pair", screen.Line(pair.Name)), "ask them")
		}
		if err != nil {
			return err
		}
	}
}

// hintJoin says what to do about an error of [game.Sit].
func hintJoin(err error) error {
	_, away := errors.AsType[*game.AwayError](err)
	switch {
	case errors.Is(err, game.ErrLink):
		return usageError{err}
	case away:
		return hint(err, "the link is what \"fernpost game\" prints while it runs; are you in the same network, and has the game not ended?")
	case errors.Is(err, game.ErrPairWord):
		return hint(err, "--pair-word takes the word that the pair's first player was told; a pair of your own needs another name")
	case errors.Is(err, game.ErrAlike):
		return hint(err, "choose a name that nobody takes for another one's")
	}
	return err
}

// playAt plays a round at a table: it asks until there is an answer, or the round is over, and then shows what was so.
func (p *player) playAt(ctx context.Context, at *game.Player, shown *game.Shown) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	asking, stop := context.WithCancel(ctx)
	var outcome game.Outcome
	var failed error
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer stop()
		outcome, failed = at.Outcome(ctx, shown.Round)
	}()
	said, err := p.ask(asking, shown)
	switch {
	case err == nil:
		err = p.answer(ctx, at, shown.Round, said)
	case asking.Err() != nil && ctx.Err() == nil:
		err = nil // the round is over
	}
	if err != nil {
		return err
	}
	select {
	case <-over:
	case <-ctx.Done():
		return ctx.Err()
	}
	if failed != nil {
		return failed
	}
	return p.tell(&outcome)
}

// answer says which lie it was. That a round is over, or was answered, ends nothing.
func (p *player) answer(ctx context.Context, at *game.Player, round int, said game.Lie) error {
	err := at.Answer(ctx, round, said)
	_, over := errors.AsType[*game.OverError](err)
	switch {
	case over, errors.Is(err, game.ErrNotNow):
		p.say("%s", p.style.warn("that came too late: the round is over"))
	case errors.Is(err, game.ErrAnswered):
		p.say("%s", p.style.warn(err.Error()))
	case err != nil:
		return err
	default:
		p.say("taken; what was so is told when all have answered, or the round's time is over")
	}
	return nil
}
