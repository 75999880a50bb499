package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

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
	if base, _, _ := strings.Cut(link, "/game/"); !o.asJSON {
		if err := a.printLines("listening on " + base + "\nlink         " + link + "\n"); err != nil {
			return err
		}
	}
	a.say("pairs join by: fernpost game join %s --as PAIR", link)
	a.say("the game of seed %d: %s, %s at most; it begins when %s there. Ctrl-C ends it.", o.seed, count(o.rounds, "round"),
		count(o.minutes, "minute"), count(o.pairs, "pair")+" "+isOrAre(o.pairs))
	if err := g.Gathered(ctx, o.pairs); err != nil {
		return err
	}
	ends := g.Begin()
	timed, cancel := context.WithDeadline(ctx, ends)
	defer cancel()
	for n := 1; ; n++ {
		switch err := g.Next(timed); {
		case errors.Is(err, game.ErrOver), timed.Err() != nil && ctx.Err() == nil:
			return a.gameOver(g, o)
		case err != nil:
			return err
		}
		a.say("round %d of %d can be answered", n, o.rounds)
		share := time.Until(ends) / time.Duration(o.rounds-n+1)
		if err := g.Settled(ctx, time.Now().Add(share)); err != nil {
			return err
		}
		if err := a.showOutcomes(g.Outcomes(), n, o.asJSON); err != nil {
			return err
		}
	}
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
		fmt.Fprintf(&b, "round %d, %s: %v, it was %v (by %s); %s\n", round, screen.Line(outcome.Pair), outcome.Said, outcome.Truth,
			outcome.By, count(outcome.Points, "point"))
	}
	if len(all) == 0 && !asJSON {
		fmt.Fprintf(&b, "round %d: nobody has answered\n", round)
	}
	return a.printLines(b.String())
}

func (a *app) gameJoinCommand() *cobra.Command {
	var pair string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "join LINK",
		Short: "Play a game of lies as one of a pair",
		Long: `join plays the game of lies that "fernpost game" has printed a link to. Two players of a pair, each in a terminal of their own, give
the same name with --as; the first answer of the two counts. With the other pair you compare screens.`,
		Example: "  fernpost game join http://192.168.1.20:3000/game/abcdefgh --as owls",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if pair == "" {
				return usagef("--as PAIR says which pair you belong to: a name that the two of you choose")
			}
			return a.joinGame(cmd.Context(), args[0], pair, asJSON)
		},
	}
	cmd.Flags().StringVar(&pair, "as", "", "the name of your `PAIR`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line: what is shown in a round, and the outcome")
	return cmd
}

func (a *app) joinGame(ctx context.Context, link, pair string, asJSON bool) error {
	at, err := game.Sit(ctx, link, pair, a.timeout)
	if errors.Is(err, game.ErrLink) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	a.say("you are %s, your flag is %s; the game begins when all pairs are there", screen.Line(at.Pair().Name), screen.Line(at.Pair().Flag))
	p := &player{app: a, asJSON: asJSON, lines: linesOf(a.input)}
	for round := 0; ; {
		shown, err := at.Round(ctx, round)
		if over, ok := errors.AsType[*game.OverError](err); ok {
			if asJSON {
				return nil
			}
			return a.showPairs(over.Pairs)
		}
		if err != nil {
			return err
		}
		round = shown.Round
		said, err := p.ask(ctx, &shown)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.answer(ctx, at, round, said); err != nil {
			return err
		}
	}
}

// answer says which lie it was, and shows what was so. That a round is over, or was answered, ends nothing.
func (p *player) answer(ctx context.Context, at *game.Player, round int, said game.Lie) error {
	outcome, err := at.Answer(ctx, round, said)
	switch {
	case errors.Is(err, game.ErrNotNow), errors.Is(err, game.ErrOver):
		p.say("%s", p.style.warn("that came too late: the round is over"))
		return nil
	case errors.Is(err, game.ErrAnswered):
		p.say("%s", p.style.warn(err.Error()))
	case err != nil:
		return err
	}
	return p.tell(&outcome)
}
