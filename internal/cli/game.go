package cli

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
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
reader could look at, and what fernpost has noticed is kept from you until nobody can answer the round any more: the messages with
their authors' numbers, keys and clocks; the feed, each entry as it was when it was first seen, and as it is now; and, with "other",
what another reader is shown. Then you are told what it was, where one could have seen it, and what fernpost says.

An answer is the name of a lie, or its first letters; talk, feed, other and lies show something once more and answer nothing. A right
answer is worth 10 points, and 5 more for the first pair. Each pair also has a flag, a word that stands for it where its name is not to
be shown. The game ends after its rounds, after its minutes, or with Ctrl-C; --sheet writes who has answered what as CSV. A game follows
from its seed, which is told at the end, since it tells all lies: --seed plays the game again.

Without --solo it waits for at most --pairs pairs, which join by the link that it prints, from their own terminals: "fernpost game
join". The first player of a pair is told the pair's word: the second one joins with it, and so does who comes back. It says who has
joined. Enter begins, with those who are there; "kick NAME" removes a pair. (Where nobody types, as in a script, it begins when all are
there.) No pair joins later. Two players of a pair see the same; what the first of them says counts. Pairs are shown two versions where
the relay tells two: look at each other's screens. A round ends when all have answered, or when its share of the minutes is over, and
only then is everybody told what it was. The link is plain http: whoever has it can ask to join, and who listens on the way can
read a pair's word and answer for it; there is nothing else to be had.`,
		Example: `  fernpost game --solo
  fernpost game --solo --rounds 9 --seed 7
  fernpost game --pairs 4 --sheet result.csv
  fernpost game join http://192.168.1.20:3000/game/abcdefgh --as owls`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				o.seed = game.NewSeed()
			}
			return a.game(cmd.Context(), &o)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.pairs, "pairs", 2, "there is a place for `N` pairs")
	flags.StringVar(&o.listen, "listen", defaultClass, "serve pairs on `HOST:PORT`; port 0 picks one")
	notASetting(flags.Lookup("listen"))
	flags.BoolVar(&o.solo, "solo", false, "play alone, in this terminal")
	flags.IntVar(&o.rounds, "rounds", 5, "how many `rounds` there are")
	flags.IntVar(&o.minutes, "minutes", 10, "how many `minutes` the game takes at most")
	flags.Uint64Var(&o.seed, "seed", 0, "play the game of this `NUMBER` again (default: one that nobody guesses)")
	flags.StringVar(&o.sheet, "sheet", "", "write the result to `FILE` (CSV)")
	flags.Var(duration.Flag(&o.pace, 500*time.Millisecond), "pace", "how long the bots wait between two messages")
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
		Seed: o.seed, Pairs: o.pairs, Rounds: o.rounds, Length: time.Duration(o.minutes) * time.Minute, Pace: o.pace, Access: a.access(),
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
		err = nil // that is how a game may end
	}
	if err == nil && !o.asJSON {
		seed := game.SeedText(o.seed)
		a.say("the seed was %s: --seed %s plays this game again", seed, seed)
	}
	return err
}

// soloPair is what somebody who plays alone is called in the sheet.
const soloPair = "solo"

func (a *app) playSolo(ctx context.Context, g *game.Game, o *gameOptions) error {
	pair, err := g.Join(soloPair, "")
	if err != nil {
		return err
	}
	a.say("the game: %s, %s at most. Ctrl-C ends it.", count(o.rounds, "round"), count(o.minutes, "minute"))
	timed, cancel := context.WithDeadline(ctx, g.Begin())
	defer cancel()
	p := &player{app: a, asJSON: o.asJSON, lines: linesOf(a.input)}
	for round := 1; ; round++ {
		switch err := p.playRound(timed, g, pair, round, o); {
		case errors.Is(err, game.ErrOver), errors.Is(err, io.EOF):
			return a.gameOver(g, o)
		case timed.Err() != nil && ctx.Err() == nil:
			a.say("the time is over")
			return a.gameOver(g, o)
		case err != nil:
			return err
		}
	}
}

// playRound plays a round alone. The error is [game.ErrOver] after the last one, or [io.EOF] where nobody answers.
func (p *player) playRound(ctx context.Context, g *game.Game, pair game.Member, round int, o *gameOptions) error {
	p.sayTalking(round, o)
	if err := g.Next(ctx); err != nil {
		return err
	}
	shown, err := g.Round(ctx, pair.Name, pair.Word, round-1)
	if err != nil {
		return err
	}
	said, err := p.ask(ctx, &shown)
	if err != nil {
		return err
	}
	if err := g.Answer(pair.Name, pair.Word, round, said); err != nil {
		return err
	}
	if err := g.Settled(ctx, time.Now()); err != nil {
		return err
	}
	outcome, err := g.Outcome(ctx, pair.Name, pair.Word, round)
	if err != nil {
		return err
	}
	return p.tell(&outcome)
}

// sayTalking says why nothing is asked for a while.
func (a *app) sayTalking(round int, o *gameOptions) {
	if round <= o.rounds {
		a.say("round %d of %d: ana and bo talk …", round, o.rounds)
	}
}

// gameOver says who has how many points, and what the game followed from.
func (a *app) gameOver(g *game.Game, o *gameOptions) error {
	g.End()
	seed := game.SeedText(o.seed)
	if o.asJSON {
		return a.printJSON(gameOverJSON{"over", &seed, g.Pairs()})
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

// gameViews are what one can look at before one answers.
var gameViews = []struct{ name, shows string }{
	{"talk", "the messages"}, {"feed", "the feed"}, {"other", "what the other one is shown"}, {"lies", "the names of the lies"},
}

const gameHelp = "which lie is it? Its name answers; to look: talk, feed, other (what the other one is shown), lies (their names)"

// choose reads what somebody types: the name of a view or of a lie, or the first letters of just one of them all. What could be both is
// neither, or who wanted to look would have answered. The error lists the names.
func choose(typed string) (view string, lie game.Lie, err error) {
	var views, fits []string
	for _, v := range gameViews {
		views = append(views, v.name)
	}
	lies := namesOf(game.Lies())
	for _, name := range slices.Concat(views, lies) {
		if name == typed {
			fits = []string{name}
			break
		}
		if strings.HasPrefix(name, typed) {
			fits = append(fits, name)
		}
	}
	switch {
	case len(fits) != 1 && len(fits) <= 3 && len(fits) > 0:
		return "", game.None, fmt.Errorf("%q may be %s: type one more letter", typed, strings.Join(fits, " or "))
	case len(fits) != 1:
		return "", game.None, fmt.Errorf("%.40q is neither an answer (%s) nor something to look at (%s)",
			typed, strings.Join(lies, ", "), strings.Join(views, ", "))
	case slices.Contains(views, fits[0]):
		return fits[0], game.None, nil
	}
	lie, err = game.ParseLie(fits[0])
	return "", lie, err
}

func namesOf(lies []game.Lie) (names []string) {
	for _, l := range lies {
		names = append(names, l.String())
	}
	return names
}

// ask shows a round, and returns the answer. The error is [io.EOF] where there is none.
func (p *player) ask(ctx context.Context, s *game.Shown) (game.Lie, error) {
	if err := p.show(s); err != nil {
		return game.None, err
	}
	for {
		p.say("%s", p.style.dim(gameHelp))
		typed := ""
		select {
		case <-ctx.Done():
			return game.None, ctx.Err()
		case text, ok := <-p.lines:
			if !ok {
				return game.None, io.EOF
			}
			typed = strings.ToLower(strings.TrimSpace(text))
		}
		if typed == "" {
			continue
		}
		view, lie, err := choose(typed)
		switch {
		case err != nil:
			p.say("%s", p.style.warn(err.Error()))
		case view == "":
			return lie, nil
		case p.asJSON:
			p.say("the object of the round has all of it")
		default:
			if err := p.look(view, s); err != nil {
				return game.None, err
			}
		}
	}
}

// look shows a view.
func (p *player) look(view string, s *game.Shown) error {
	switch view {
	case "talk":
		return p.showTalk(&s.Show.Mine)
	case "feed":
		return p.showFeed(&s.Show.Mine)
	case "other":
		return errors.Join(p.showTalk(&s.Show.Other), p.showFeed(&s.Show.Other))
	}
	return p.showLies()
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
			row[1], row[2] = gameClock(r.Posted), tokenSum(r.Token)
		}
		if r, ok := now[n]; ok {
			row[3], row[4], row[5] = gameClock(r.Posted), gameClock(r.Sealed), tokenSum(r.Token)
		}
		rows = append(rows, row)
	}
	return p.showGameTable("the feed, when each entry was first seen, and now (SUM: the beginning of the token's SHA-256):",
		[]string{"ENTRY", "POSTED THEN", "SUM THEN", "POSTED NOW", "SEALED NOW", "SUM NOW"}, rows)
}

func gameClock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(gameTime)
}

// tokenSum is the beginning of the SHA-256 of a token. A few characters of the token itself would stay the same where another one is
// altered.
func tokenSum(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:5])
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
	var verdict string
	switch {
	case o.Right:
		verdict = p.style.good(fmt.Sprintf("right: it was %v.", o.Truth))
	case o.Said == nil:
		verdict = p.style.bad(fmt.Sprintf("no answer: it was %v.", o.Truth))
	default:
		verdict = p.style.bad(fmt.Sprintf("wrong: you said %v, it was %v.", *o.Said, o.Truth))
	}
	by := ""
	if o.Truth != game.None {
		by = " (by the " + o.By + ")"
	}
	fmt.Fprintf(&b, "\n%s %s; %d in all\n", verdict, count(o.Points, "point"), o.Sum)
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

// gameOutcomeJSON is what a pair is told once a round is over.
type gameOutcomeJSON game.Outcome

func (gameOutcomeJSON) about() string {
	return `What it was ("game", "game join"), with "event" "outcome":`
}

// gameOverJSON is how a game has ended.
type gameOverJSON struct {
	Event string      `json:"event" means:"over"`
	Seed  *string     `json:"seed" means:"what the game followed from, as --seed takes it; null in \"game join\""`
	Pairs []game.Pair `json:"pairs" means:"who has played, the best first"`
}

func (gameOverJSON) about() string {
	return `The last object of a game ("game", "game join"), with "event" "over":`
}
