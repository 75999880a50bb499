package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/game"
	"github.com/fernpost/fernpost/internal/screen"
)

// What a game takes at most.
const (
	mostRounds  = 50
	mostMinutes = 24 * 60
)

type gameOptions struct {
	solo    bool
	pairs   int
	listen  string
	rounds  int
	minutes int
	seed    uint64
	sheet   string
	pace    time.Duration
	asJSON  bool
}

func (a *app) gameCommand() *cobra.Command {
	var o gameOptions
	cmd := &cobra.Command{
		Use:   "game",
		Short: "Play a game of lies: find out what is wrong with a room",
		Long: `game starts a relay on this machine and lets two bots, ana and bo, talk through it. In each round the relay tells one lie, or somebody
who has the passphrase does, or nobody: drop, repeat, reorder, alter, fork, backdate, wipe, impersonate, none. You see what a careful
reader could look at, and what fernpost has noticed is kept from you until you have said which lie it was: the messages with their
authors' numbers, keys and clocks; the feed, each entry as it was when it was first seen, and as it is now; and, with "other", what
another reader is shown. Then you are told what it was, where one could have seen it, and what fernpost says.

An answer is the name of a lie, or its first letters. A right one is worth 10 points, and 5 more for the first pair. The game ends
after its rounds, after its minutes, or with Ctrl-C; --sheet writes who has answered what as CSV. A game follows from its seed, which
is printed: --seed plays it again.

Without --solo it waits for pairs, which join by the link that it prints, from their own terminals: "fernpost game join". Two players
of a pair see the same; what the first of them says counts. Pairs are shown two versions where the relay tells two: look at each
other's screens. The game begins when --pairs of them are there, and each round ends when all have answered, or when its share of the
minutes is over. The link is plain http: whoever has it plays, and there is nothing else to be had.`,
		Example: `  fernpost game --solo
  fernpost game --solo --rounds 9 --seed 7
  fernpost game --pairs 4 --sheet result.csv
  fernpost game join http://192.168.1.20:3000/game/abcdefgh --as owls`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				o.seed = rand.Uint64N(1_000_000)
			}
			return a.game(cmd.Context(), &o)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.pairs, "pairs", 2, "begin when `N` pairs have joined")
	flags.StringVar(&o.listen, "listen", defaultClass, "serve pairs on `HOST:PORT`; port 0 picks one")
	notASetting(flags.Lookup("listen"))
	flags.BoolVar(&o.solo, "solo", false, "play alone, in this terminal")
	flags.IntVar(&o.rounds, "rounds", 5, "how many `rounds` there are")
	flags.IntVar(&o.minutes, "minutes", 10, "how many `minutes` the game takes at most")
	flags.Uint64Var(&o.seed, "seed", 0, "play the game of this `NUMBER` again (default: one by chance)")
	flags.StringVar(&o.sheet, "sheet", "", "write the result to `FILE` (CSV)")
	flags.Var(duration.Flag(&o.pace, 0), "pace", "how long the bots wait between two messages")
	flags.BoolVar(&o.asJSON, "json", false, "one JSON object a line: what is shown in a round, and the outcome")
	cmd.AddCommand(a.gameJoinCommand())
	return cmd
}

func (o *gameOptions) check() error {
	switch {
	case o.rounds < 1 || o.rounds > mostRounds:
		return usagef("--rounds %d: want 1 to %d", o.rounds, mostRounds)
	case o.minutes < 1 || o.minutes > mostMinutes:
		return usagef("--minutes %d: want 1 to %d", o.minutes, mostMinutes)
	case o.pace < 0 || o.pace > time.Minute:
		return usagef("--pace %v: want 0s to 1m", o.pace)
	case o.pairs < 1 || o.pairs > game.MaxPairs:
		return usagef("--pairs %d: want 1 to %d", o.pairs, game.MaxPairs)
	case o.sheet == "":
		return nil
	}
	return newFile("sheet", o.sheet)
}

// game plays a game, and writes its sheet however it ends.
func (a *app) game(ctx context.Context, o *gameOptions) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	g, err := game.Start(ctx, game.Options{
		Seed: o.seed, Rounds: o.rounds, Length: time.Duration(o.minutes) * time.Minute, Pace: o.pace, Access: a.access(),
	})
	if err != nil {
		return err
	}
	defer func() {
		if o.sheet != "" && (err == nil || len(g.Pairs()) > 0) { // what has not begun would leave a file in the way
			failed := writeNew("sheet", o.sheet, 0o644, g.WriteSheet)
			if failed == nil {
				a.say("the result is in %s", o.sheet)
			}
			err = errors.Join(err, failed)
		}
		err = errors.Join(err, g.Close())
	}()
	play := a.playSolo
	if !o.solo {
		play = a.hostGame
	}
	if err = play(ctx, g, o); ctx.Err() != nil {
		return nil // that is how a game may end
	}
	return err
}

// soloPair is what somebody who plays alone is called in the sheet.
const soloPair = "solo"

func (a *app) playSolo(ctx context.Context, g *game.Game, o *gameOptions) error {
	pair, err := g.Join(soloPair)
	if err != nil {
		return err
	}
	a.say("the game of seed %d: %s, %s at most. Ctrl-C ends it.", o.seed, count(o.rounds, "round"), count(o.minutes, "minute"))
	timed, cancel := context.WithDeadline(ctx, g.Begin())
	defer cancel()
	p := &player{app: a, asJSON: o.asJSON, lines: linesOf(a.input)}
	for {
		switch err := g.Next(timed); {
		case errors.Is(err, game.ErrOver):
			return a.gameOver(g, o)
		case timed.Err() != nil && ctx.Err() == nil:
			a.say("the time is over")
			return a.gameOver(g, o)
		case err != nil:
			return err
		}
		shown, _, err := g.Show(pair.Name)
		if err != nil {
			return err
		}
		shown.Seed = &o.seed
		said, err := p.ask(timed, &shown)
		if timed.Err() != nil && ctx.Err() == nil {
			a.say("the time is over")
		}
		if errors.Is(err, io.EOF) || timed.Err() != nil {
			return a.gameOver(g, o)
		}
		if err != nil {
			return err
		}
		outcome, err := g.Answer(pair.Name, shown.Round, said)
		if err != nil {
			return err
		}
		if err := p.tell(&outcome); err != nil {
			return err
		}
	}
}

// gameOver says who has how many points.
func (a *app) gameOver(g *game.Game, o *gameOptions) error {
	if o.asJSON {
		return nil // the outcomes have said it
	}
	return a.showPairs(g.Pairs())
}

func (a *app) showPairs(pairs []game.Pair) error {
	var b strings.Builder
	for _, p := range pairs {
		fmt.Fprintf(&b, "%s (%s): %s\n", screen.Line(p.Name), screen.Line(p.Flag), count(p.Points, "point"))
	}
	return a.printLines(b.String())
}

// player is who answers at this terminal.
type player struct {
	*app
	asJSON bool
	lines  <-chan string
}

// linesOf reads lines in the background, until there are no more.
func linesOf(in io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines
}

const gameHelp = "which lie is it? its name, or: other (what the other one is shown), talk, feed, lies"

// ask shows a round, and returns the answer. The error is [io.EOF] where there is none.
func (p *player) ask(ctx context.Context, s *game.Shown) (game.Lie, error) {
	if err := p.show(s); err != nil {
		return game.None, err
	}
	for {
		p.say("%s", p.style.dim(gameHelp))
		var line string
		select {
		case <-ctx.Done():
			return game.None, ctx.Err()
		case text, ok := <-p.lines:
			if !ok {
				return game.None, io.EOF
			}
			line = strings.ToLower(strings.TrimSpace(text))
		}
		looks := map[string]func() error{
			"talk":  func() error { return p.showTalk(&s.Show.Mine) },
			"feed":  func() error { return p.showFeed(&s.Show.Mine) },
			"other": func() error { return errors.Join(p.showTalk(&s.Show.Other), p.showFeed(&s.Show.Other)) },
			"lies":  p.showLies,
		}
		if look, ok := looks[line]; ok && !p.asJSON { // the object has all of it
			if err := look(); err != nil {
				return game.None, err
			}
			continue
		}
		lie, err := game.ParseLie(line)
		if err == nil {
			return lie, nil
		}
		if line != "" {
			p.say("%s", p.style.warn(err.Error()))
		}
	}
}

// show shows what a round begins with.
func (p *player) show(s *game.Shown) error {
	if p.asJSON {
		return p.printJSON(gameRoundJSON(*s))
	}
	title := fmt.Sprintf("\nRound %d of %d (%v left)\n", s.Round, s.Rounds, time.Duration(s.Seconds)*time.Second)
	if err := p.printLines(p.style.bold(title)); err != nil {
		return err
	}
	return errors.Join(p.showTalk(&s.Show.Mine), p.showFeed(&s.Show.Mine))
}

// gameTime shows a clock with its day, as a day is what somebody may have lied about.
const gameTime = "Mon 15:04:05"

// showTalk shows the messages, as who has the passphrase reads them.
func (p *player) showTalk(s *game.Screen) error {
	var rows [][]string
	for i := range s.Lines {
		l := &s.Lines[i]
		rows = append(rows, []string{
			fmt.Sprint(l.Entry), gameClock(l.Posted), fmt.Sprintf("%s %d", l.Author, l.Number), l.Key, gameClock(l.Written), l.Text,
		})
	}
	return p.showGameTable("the messages:", []string{"ENTRY", "POSTED", "AUTHOR", "KEY", "WRITTEN", "TEXT"}, rows)
}

// showFeed shows the rows, as everybody downloads them, then and now.
func (p *player) showFeed(s *game.Screen) error {
	var rows [][]string
	then, now := byEntry(s.Then), byEntry(s.Now)
	entries := slices.Concat(slices.Collect(maps.Keys(then)), slices.Collect(maps.Keys(now)))
	slices.Sort(entries)
	for _, n := range slices.Compact(entries) {
		row := []string{fmt.Sprint(n), "-", "-", "-", "-", "-"}
		if r, ok := then[n]; ok {
			row[1], row[2] = gameClock(r.Posted), tokenEnd(r.Token)
		}
		if r, ok := now[n]; ok {
			row[3], row[4], row[5] = gameClock(r.Posted), gameClock(r.Sealed), tokenEnd(r.Token)
		}
		rows = append(rows, row)
	}
	return p.showGameTable("the feed, when each entry was first seen, and now:",
		[]string{"ENTRY", "POSTED THEN", "TOKEN THEN", "POSTED NOW", "SEALED NOW", "TOKEN NOW"}, rows)
}

func gameClock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(gameTime)
}

// tokenEnd are the last characters of a token, which are of its MAC: no two tokens have the same.
func tokenEnd(token string) string {
	const shown = 10
	return "…" + token[max(0, len(token)-shown):]
}

func byEntry(rows []game.Row) map[int64]game.Row {
	all := map[int64]game.Row{}
	for _, r := range rows {
		all[r.Entry] = r
	}
	return all
}

func (p *player) showLies() error {
	var rows [][]string
	for _, l := range game.Lies() {
		rows = append(rows, []string{l.String(), l.Does()})
	}
	return p.showGameTable("the lies:", []string{"NAME", "WHAT IT DOES"}, rows)
}

// showGameTable shows a table below its title.
func (p *player) showGameTable(title string, heading []string, rows [][]string) error {
	for _, row := range rows {
		for i := range row {
			row[i] = screen.Line(row[i])
		}
	}
	return errors.Join(p.printLines("\n"+p.style.bold(title)+"\n"), p.showTable(heading, rows))
}

// tell tells what was so, and what the engine says of it.
func (p *player) tell(o *game.Outcome) error {
	if p.asJSON {
		return p.printJSON(gameOutcomeJSON(*o))
	}
	var b strings.Builder
	verdict := p.style.bad(fmt.Sprintf("wrong: you said %v, it was %v.", o.Said, o.Truth))
	if o.Right {
		verdict = p.style.good(fmt.Sprintf("right: it was %v.", o.Truth))
	}
	by := ""
	if o.Truth != game.None {
		by = " (by the " + o.By + ")"
	}
	fmt.Fprintf(&b, "\n%s %s; %d in all, flag %s\n", verdict, count(o.Points, "point"), o.Sum, screen.Line(o.Flag))
	fmt.Fprintf(&b, "  %s%s\n", screen.Line(o.Does), screen.Line(by))
	fmt.Fprintf(&b, "  how to see it: %s\n  here: %s\n", screen.Line(o.How), screen.Line(o.Here))
	p.tellFindings(&b, "fernpost says:", o.Findings)
	if len(o.Others) > 0 {
		p.tellFindings(&b, "and to the other one:", o.Others)
	}
	if d := o.Digests; len(d) == 2 && d[0] != d[1] {
		fmt.Fprintf(&b, "  and \"verify\" has other words for each: %s / %s\n", screen.Line(d[0]), screen.Line(d[1]))
	}
	return p.printLines(b.String())
}

func (p *player) tellFindings(b *strings.Builder, title string, all []string) {
	fmt.Fprintf(b, "  %s\n", title)
	if len(all) == 0 {
		fmt.Fprintln(b, "    (nothing: all is as it should be)")
	}
	for _, text := range all {
		fmt.Fprintf(b, "    %s\n", screen.Line(text))
	}
}

// gameRoundJSON is what is shown in a round.
type gameRoundJSON game.Shown

func (gameRoundJSON) about() string {
	return `What is shown in a round ("game", "game join"), with "event" "round":`
}

// gameOutcomeJSON is what a pair is told once it has answered.
type gameOutcomeJSON game.Outcome

func (gameOutcomeJSON) about() string {
	return `What it was ("game", "game join"), with "event" "outcome":`
}
