package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/diskfile"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/guess"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

type guessOptions struct {
	csv           csvSource
	list, rules   string
	mask, profile string
	channel       int64
	name          string
	session       string
	table, asJSON bool

	// What was read of them.
	steps    []guess.Rule
	pattern  guess.Mask
	profiles []passphrase.Profile
	lacking  []string // profiles that are not tried, and why
	feed     [sha256.Size]byte
}

func (a *app) eavesdropGuessCommand() *cobra.Command {
	var o guessOptions
	cmd := &cobra.Command{
		Use:   "guess",
		Short: "Try passphrases on a feed that was saved",
		Long: `guess tries the words of a list on a feed in a file, changed by rules if you like, or all that fit a mask; and prints the
passphrase that opens a token, and the profile that made the key of it. It is for whoever wants to know, or to show, how long a
passphrase lasts: of a room of your own, or in a lesson. It opens nothing but the files that you name.

A mask has ?l, ?u, ?d, ?s and ?a for small letters, capitals, digits, signs and all of these. A file of rules has one a line, in
hashcat's words: ` + guess.RuleNames + ` (as it is, small, capital, first letter capital, the other way round, reversed, doubled, X
behind, X in front, Y for X). The salt of most rooms is made of the channel's number, which the file does not have: --channel names it.

--table says how long different attackers need under a profile, and why one salt for everyone means one table for everyone; it needs
no feed.`,
		Example: `  fernpost eavesdrop --channel 1234567 --raw > feed.csv
  printf '%s\n' hello tulip hunter2 > words.txt
  fernpost eavesdrop guess --csv feed.csv --wordlist words.txt --channel 1234567
  printf '%s\n' : c 'c $1' > rules.txt
  fernpost eavesdrop guess --csv feed.csv --wordlist words.txt --rules rules.txt --profile tutorial
  fernpost eavesdrop guess --csv feed.csv --mask '?l?l?l?l?d?d' --profile tutorial --session mine.json
  fernpost eavesdrop guess --table --profile tutorial`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.guess(cmd.Context(), &o) },
	}
	flags := cmd.Flags()
	o.csv.add(flags, "try passphrases on the feed")
	flags.StringVar(&o.list, "wordlist", "", "try the words in `FILE`, one a line")
	flags.StringVar(&o.rules, "rules", "", "change each word by each of the rules in `FILE`")
	flags.StringVar(&o.mask, "mask", "", "try all that fit a `MASK`")
	flags.StringVar(&o.profile, "profile", "", "try this `PROFILE` only (\"fernpost help profiles\")")
	flags.Var((*channelFlag)(&o.channel), "channel", "the channel's `ID`, of which most rooms' salt is made")
	flags.StringVar(&o.name, "name", "", "the room's `NAME`, of which some rooms' salt is made")
	flags.StringVar(&o.session, "session", "", "keep in `FILE` how far it came, and go on from there")
	flags.BoolVar(&o.table, "table", false, "say how long attackers need, by profile")
	flags.BoolVar(&o.asJSON, "json", false, "print the result as one JSON object")
	return cmd
}

func (a *app) guess(ctx context.Context, o *guessOptions) error {
	if o.table && o.asJSON {
		return usagef("--table and --json exclude each other")
	}
	if err := o.choose(ctx); err != nil {
		return err
	}
	if o.table && o.csv.name == "" {
		return a.guessTable(o, 0)
	}
	switch {
	case o.csv.name == "":
		return hint(usagef("guess needs a feed in a file, --csv FILE"), "\"fernpost eavesdrop --channel ID --raw > feed.csv\" saves one")
	case isURL(o.csv.name):
		return hint(usagef("guess works on a feed in a file, and asks no relay"), "save the feed first: \"fernpost eavesdrop --channel ID --raw > feed.csv\"")
	case (o.list == "") == (o.mask == ""):
		return usagef("guess needs either --wordlist FILE or --mask MASK")
	case o.rules != "" && o.list == "":
		return usagef("--rules changes the words of a --wordlist")
	}
	target := guess.Target{Profiles: o.profiles, Name: o.name}
	if o.channel != 0 {
		target.Salt = passphrase.RoomSalt(o.channel)
	}
	var err error
	if target.Tokens, err = a.tokensToGuess(ctx, o); err != nil {
		return err
	}
	for _, l := range o.lacking {
		a.say("%s", l)
	}
	return a.search(ctx, o, &target)
}

// choose reads rules, mask and profiles.
func (o *guessOptions) choose(ctx context.Context) error {
	if o.rules != "" {
		text, err := readNamed(ctx, o.rules)
		if err == nil {
			o.steps, err = guess.ParseRules(string(text))
		}
		if err != nil {
			return fmt.Errorf("--rules: %w", wrongFile(ctx, err))
		}
	}
	if o.mask != "" {
		var err error
		if o.pattern, err = guess.ParseMask(o.mask); err != nil {
			return usagef("--mask: %w", err)
		}
	}
	all := passphrase.JoinOrder()
	if o.profile != "" {
		p, err := passphrase.ParseProfile(o.profile)
		if err != nil {
			return usagef("--profile: %w", err)
		}
		all = []passphrase.Profile{p}
	}
	for _, p := range all {
		switch {
		case p.Salt.Kind == passphrase.SaltRoom && o.channel == 0 && o.csv.name != "":
			o.lacking = append(o.lacking, "profile "+p.Name()+" is not tried: its salt is made of the channel's number, see --channel")
		case p.Salt.Kind == passphrase.SaltName && o.name == "" && o.csv.name != "":
			o.lacking = append(o.lacking, "profile "+p.Name()+" is not tried: its salt is made of the room's name, see --name")
		case !slices.Contains(o.profiles, p):
			o.profiles = append(o.profiles, p)
		}
	}
	// What is tried fastest first, or a weak one would be found late.
	slices.SortStableFunc(o.profiles, func(x, y passphrase.Profile) int { return cmp.Compare(y.GuessesPerSecond(), x.GuessesPerSecond()) })
	if len(o.profiles) == 0 {
		return usagef("%s", strings.Join(o.lacking, "; "))
	}
	return nil
}

// triedTokens is how many tokens of a feed each candidate is tried on: others may be of another key.
const triedTokens = 8

// tokensToGuess reads the feed, and takes tokens from all over it.
func (a *app) tokensToGuess(ctx context.Context, o *guessOptions) (chosen []token.Token, err error) {
	var all []token.Token
	h := sha256.New()
	_, err = a.readCSV(ctx, o.csv, func(e *thingspeak.Entry) error {
		for _, v := range e.Fields {
			bare, _ := token.Unwrap(strings.Clone(v.Text))
			if t, err := token.Parse(bare); err == nil && !t.IsLetter() {
				io.WriteString(h, bare)
				all = append(all, t)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, hint(errors.New("there is no token in this feed"), "\"fernpost eavesdrop --csv FILE\" shows what is")
	}
	h.Sum(o.feed[:0])
	for i := range min(triedTokens, len(all)) {
		chosen = append(chosen, all[i*len(all)/min(triedTokens, len(all))])
	}
	return chosen, nil
}

// guessSession is what a session's file has.
type guessSession struct {
	Version int    `json:"version"`
	Of      string `json:"of"` // hash of what is tried on what
	Tried   uint64 `json:"tried"`
	Check   string `json:"check"` // hash of the two, or a number that was changed would pass over what was not tried
}

const sessionVersion = 2

func newSession(of string, tried uint64) guessSession {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", of, tried))
	return guessSession{sessionVersion, of, tried, hex.EncodeToString(sum[:8])}
}

// of names what a session tries on what: another list would have other words at the same place.
func (o *guessOptions) of(list []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%x %x %s %s %v %d %s", o.feed, list, o.mask, o.profile, o.steps, o.channel, o.name)
	return hex.EncodeToString(h.Sum(nil))
}

func (a *app) search(ctx context.Context, o *guessOptions, target *guess.Target) error {
	from := guess.Candidates{Rules: o.steps, Mask: o.pattern}
	options := guess.Options{}
	list := sha256.New()
	if o.list != "" {
		f, err := openFile(ctx, o.list)
		if err != nil {
			return fmt.Errorf("--wordlist: %w", err)
		}
		defer f.Close()
		words, err := o.countWords(ctx, f, list)
		if err != nil {
			return err
		}
		options.Of, from.Words = words*uint64(max(1, len(o.steps))), f
	} else {
		options.Of = o.pattern.Count()
	}
	of := o.of(list.Sum(nil))
	if o.session != "" {
		var err error
		if options.Skip, err = readSession(ctx, o.session, of, options.Of); err != nil {
			return err
		}
		if options.Skip > 0 {
			a.say("going on behind %d that were tried before", options.Skip)
		}
	}
	var saved time.Time
	var unsaved error
	options.Progress = func(p guess.Progress) {
		if o.session != "" && time.Since(saved) > 5*time.Second {
			saved, unsaved = time.Now(), writeSession(o.session, newSession(of, p.Tried))
		}
		if a.drawsStatus() {
			a.status.draw(0, a.style.dim(excerpt(guessProgress(p), a.width-1)))
		}
	}
	got, err := guess.Search(ctx, target, &from, options)
	a.status.draw(0, "")
	if o.session != "" {
		unsaved = writeSession(o.session, newSession(of, got.Tried))
	}
	return errors.Join(a.tellGuess(o, &got, err), unsaved)
}

// countWords counts the words of a list that is a file, and notes what it says; of a pipe nobody knows before it is read.
func (o *guessOptions) countWords(ctx context.Context, f *diskfile.File, list io.Writer) (words uint64, err error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return 0, usagef("--wordlist: %w", err)
	case !info.Mode().IsRegular() && o.session != "": // nobody knows whether it is the same once more
		return 0, usagef("--session goes with a word list in a file")
	case !info.Mode().IsRegular():
		return 0, nil
	}
	words, err = countLines(io.TeeReader(f, list))
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return 0, cmp.Or(ctx.Err(), usagef("--wordlist: %w", err))
	}
	return words, nil
}

func guessProgress(p guess.Progress) string {
	text := fmt.Sprintf("%d tried", p.Tried)
	if p.Of > 0 {
		text += fmt.Sprintf(" of %d", p.Of)
	}
	text += fmt.Sprintf(", %s a second", guess.Rate(p.PerSecond))
	if p.Left > 0 {
		text += fmt.Sprintf(", %v left", p.Left.Round(time.Second))
	}
	return text
}

func (a *app) tellGuess(o *guessOptions, got *guess.Result, err error) error {
	if got.TooLong > 0 {
		a.say("%s of more than 1024 bytes %s left out", count(int(got.TooLong), "line"), isOrAre(int(got.TooLong)))
	}
	if f := got.Found; f != nil || err == nil {
		j := guessJSON{Found: f != nil, Tried: got.Tried, PerSecond: got.PerSecond}
		if f != nil {
			j.Passphrase, j.Profile = &f.Passphrase, known(f.Profile.String())
		}
		if err := a.showGuess(o, j); err != nil {
			return err
		}
	}
	if got.Elapsed >= time.Second { // less measures how long it takes to begin
		a.say("tried %s a second on this machine", guess.Rate(got.PerSecond))
	}
	if o.table {
		measured := 0.
		if got.Elapsed >= time.Second && len(o.profiles) == 1 { // of several, each candidate is tried with all of them
			measured = got.PerSecond
		}
		if err := a.guessTable(o, measured); err != nil {
			return err
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("after %d passphrases: %w", got.Tried, err)
	case got.Found == nil && got.Tried == 0:
		return usagef("--wordlist: there is no word in it")
	case got.Found == nil:
		next := "another list, --rules, or another --profile"
		if o.channel == 0 && len(o.lacking) > 0 {
			next = "--channel ID, of which the salt of most rooms is made; " + next
		}
		return hint(fmt.Errorf("none of %d passphrases was right: %w", got.Tried, fernet.ErrNoKey), "%s", next)
	}
	return nil
}

func (a *app) showGuess(o *guessOptions, j guessJSON) error {
	if o.asJSON {
		return a.printJSON(j)
	}
	if !j.Found {
		return nil
	}
	text := *j.Passphrase
	if a.stdoutTerminal {
		text = screen.Line(text)
	}
	_, err := fmt.Fprintf(a.stdout, "passphrase  %s\nprofile     %s\n", text, *j.Profile)
	return err
}

// countLines counts the lines of a file that have something in them.
func countLines(f io.Reader) (n uint64, err error) {
	buf := make([]byte, 1<<20)
	last := byte('\n')
	for {
		k, err := f.Read(buf)
		for _, line := range bytes.SplitAfter(buf[:k], []byte{'\n'}) {
			if len(line) == 0 {
				continue
			}
			if last == '\n' && line[0] != '\n' && line[0] != '\r' {
				n++
			}
			last = line[len(line)-1]
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// readSession returns how many candidates of so many were tried.
func readSession(ctx context.Context, name, of string, most uint64) (tried uint64, err error) {
	text, err := readNamed(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("--session: %w", wrongFile(ctx, err))
	}
	refuse := func(why string) (uint64, error) {
		return 0, hint(usagef("--session: %s %s", screen.Line(name), why), "name another file, or remove this one to begin anew")
	}
	var s guessSession
	switch damaged := json.Unmarshal(text, &s); {
	case damaged != nil:
		return refuse("is no session, or is damaged")
	case s.Version != sessionVersion:
		return refuse("is no session of this version of the program")
	case s.Of != of:
		return refuse("is of another feed, list, mask, rules or profile")
	case s.Tried > most || s != newSession(of, s.Tried):
		return refuse("does not say how many were tried: it was changed, or is damaged")
	}
	return s.Tried, nil
}

// writeSession keeps how far it came: all of it, or what was there before.
func writeSession(name string, s guessSession) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	err = diskfile.Replace(name, func(f *os.File) error {
		_, err := f.Write(append(text, '\n'))
		return err
	})
	if err != nil {
		return fmt.Errorf("keeping the session: %w", err)
	}
	return nil
}

// guessTable says how long different attackers need, and what a salt is for.
func (a *app) guessTable(o *guessOptions, measured float64) error {
	whats := []struct {
		name string
		bits float64
	}{
		{"4 digits", math.Log2(1e4)},
		{"a word of a list of 100,000", math.Log2(1e5)},
		{"8 small letters, by chance", 8 * math.Log2(26)},
		{"6 words of \"init --generate\"", 77.5},
	}
	for _, p := range o.profiles {
		name := p.Name()
		if _, preset := passphrase.ByName(name); !preset { // of which there are many
			name = p.String()
		}
		heading := []string{"profile " + name, "guesses a second"}
		for _, w := range whats {
			heading = append(heading, w.name)
		}
		var rows [][]string
		for _, who := range guess.Attackers(p, measured) {
			row := []string{who.Name, guess.Rate(who.Least) + " to " + guess.Rate(who.Most)}
			for _, w := range whats {
				row = append(row, who.Takes(p, w.bits))
			}
			rows = append(rows, row)
		}
		if err := a.showTable(heading, rows); err != nil {
			return err
		}
		var b strings.Builder
		for _, who := range guess.Attackers(p, measured) {
			fmt.Fprintf(&b, "  %s: %s\n", who.Name, who.Source)
		}
		b.WriteString(saltText(p) + "\n")
		if err := a.printLines(b.String()); err != nil {
			return err
		}
	}
	return nil
}

// saltText says what the salt of a profile is good for, with keys that show it.
func saltText(p passphrase.Profile) string {
	keyOf := func(channel int64, room string) string {
		key, err := p.Derive("hunter2", passphrase.RoomSalt(channel), room)
		if err != nil {
			return "none"
		}
		return hex.EncodeToString(key[:4]) + "…"
	}
	one, other := keyOf(1, "one"), keyOf(2, "other")
	switch {
	case p.KDF == passphrase.KDFKey:
		return "  The passphrase is the key itself: there is nothing to guess but 256 bits."
	case one == other:
		return "  One salt for everyone: \"hunter2\" makes the key " + one + " in each room of the world. Who has computed a table of a " +
			"list once, 32 bytes a word, looks it up in every feed."
	}
	return "  A salt for each room: \"hunter2\" makes the key " + one + " in one room and " + other + " in another. A table of a list is " +
		"good for one room."
}
