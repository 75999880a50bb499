package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/eavesdrop/replay"
	"github.com/fernpost/fernpost/internal/feed"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/tui"
)

type replayOptions struct {
	csv    csvSource
	keys   keySource
	out    string
	newest int
	speed  float64
	asJSON bool
}

func (a *app) eavesdropReplayCommand() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Show a recorded feed as it happened, and what is said beside it",
		Long: `replay shows the entries of a feed that was saved, in the order of their dates, with the pauses between them: so many times faster
(--speed), and none longer than 3 seconds. Space pauses, n or → goes on by one entry, b or ← goes back, + and - change the
speed, q ends it. Where the output or the input is no terminal, all comes at once, in lines.

With a key, what is said stands left of what everybody sees: of a room of this device (--room), of a file (--key-file) or of a
passphrase (--profile, --passphrase-file); --channel names the channel for which signed messages were made, and by itself asks for
the passphrase. Without any of these flags no key is used.

--out writes it as a page for a browser, with a bar to move through it: one file, which asks the network for nothing, with at most
the newest 5,000 entries. With a key that page has the messages in clear.

Nothing is judged: what is missing, repeated or forged "fernpost verify --csv" says.`,
		Example: `  fernpost eavesdrop --room lab --raw > feed.csv
  fernpost eavesdrop replay feed.csv
  fernpost eavesdrop replay feed.csv --room lab --speed 600
  fernpost eavesdrop replay feed.csv --channel 1234567 --passphrase-file passphrase.txt --out replay.html`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.csv.name = args[0]
			return a.eavesdropReplay(cmd.Context(), &o)
		},
	}
	flags := cmd.Flags()
	flags.Var(&o.csv.dates, "dates", "the `ORDER` of day, month and year in the file's dates, mdy, dmy or ymd, if it cannot be told")
	flags.IntVarP(&o.newest, "newest", "n", thingspeak.MaxResults, "show the newest `N` entries; 0 is all")
	flags.Float64Var(&o.speed, "speed", 60, "show it so many `TIMES` faster than it happened")
	flags.StringVarP(&o.out, "out", "o", "", "write it as a page into this new `FILE`, - is standard output")
	flags.BoolVar(&o.asJSON, "json", false, "one JSON object a line")
	a.addKeySource(cmd, &o.keys)
	return cmd
}

func (a *app) eavesdropReplay(ctx context.Context, o *replayOptions) error {
	switch {
	case o.newest < 0:
		return usagef("-n %d: want 0 or more", o.newest)
	case !(o.speed > 0) || math.IsInf(o.speed, 0):
		return usagef("--speed %v: want a number above 0", o.speed)
	case o.out != "" && o.asJSON:
		return usagef("--json and --out exclude each other")
	}
	open, err := a.clearReader(ctx, o)
	if err != nil {
		return err
	}
	kept := feed.Newest{Most: o.newest}
	end, said, err := a.readReplay(ctx, o, open, kept.Add)
	entries := kept.Entries()
	if _, wrong := errors.AsType[usageError](err); err != nil && len(entries) == 0 || wrong || errors.Is(err, messenger.ErrNoKey) {
		return err
	}
	if o.out != "" && len(entries) > replay.MostOnPage {
		entries = entries[len(entries)-replay.MostOnPage:]
	}
	if n := end.Rows; n > len(entries) {
		a.say("these are the newest %d of %s", len(entries), count(n, "entry"))
	}
	if shown := a.showReplay(ctx, replay.Steps(entries, said), o, open.read != nil); shown != nil {
		return shown
	}
	a.tellUnread(model.Room{}, &end, o.asJSON)
	if err != nil {
		return partlyError{err}
	}
	return end.incomplete()
}

// opener opens a file: read is nil without a key, and texts says that nobody signs what is written under it.
type opener struct {
	read  func(messenger.File) (messenger.Memory, error)
	texts bool
}

// clearReader returns what opens a file with the keys that the flags name.
func (a *app) clearReader(ctx context.Context, o *replayOptions) (open opener, err error) {
	changed := func(names ...string) bool {
		for _, name := range names {
			if o.keys.cmd.Flags().Changed(name) {
				return true
			}
		}
		return false
	}
	typed, inFile, inRoom := changed("profile", "passphrase-file", "salt-name"), changed("key-file"), changed("room")
	var keys []fernet.Key
	switch {
	case inRoom && changed("channel") && !typed && !inFile:
		return open, usagef("--room %s knows its channel: leave out --channel", shellWord(o.keys.room))
	case typed && inFile || inRoom && (typed || inFile):
		return open, hint(usagef("the keys come from one place: a room, a file or a passphrase"), "see \"%s --help\"", o.keys.cmd.CommandPath())
	case inRoom:
		r, err := a.loadRoom(o.keys.room)
		if err == nil {
			open.texts, err = unsignedRoom(r)
		}
		open.read = func(f messenger.File) (messenger.Memory, error) { return a.engine().ReadFile(r, f) }
		return open, err
	case o.csv.name == "-" && (o.keys.file == "-" || o.keys.passphraseFile == "-"):
		return open, hint(usagef("standard input cannot bring the key as well"), "put the key or the passphrase into a file")
	case inFile:
		keys, err = a.keysFromFile(ctx, o.keys.file)
	case typed || changed("channel"):
		keys = make([]fernet.Key, 1)
		keys[0], err = a.keyFromPassphrase(ctx, &o.keys)
	default:
		return open, nil
	}
	open.read = func(f messenger.File) (messenger.Memory, error) {
		return a.engine().ReadFileWith(keys, o.keys.channel, f)
	}
	return open, err
}

func unsignedRoom(r model.Room) (bool, error) {
	signed, err := messenger.Signed(r)
	return !signed, err
}

// readReplay reads the file, and what read opens of it.
func (a *app) readReplay(
	ctx context.Context, o *replayOptions, open opener, keep func(*thingspeak.Entry) error,
) (end feedEnd, said []replay.Said, err error) {
	if open.read == nil {
		end, err = a.readCSV(ctx, o.csv, keep)
		return end, nil, err
	}
	talk, err := open.read(func(visit func(*thingspeak.Entry) error) (_ channel.End, err error) {
		end, err = a.readCSV(ctx, o.csv, func(e *thingspeak.Entry) error { return errors.Join(keep(e), visit(e)) })
		return end.End, err
	})
	if _, ok := errors.AsType[*messenger.UnfinishedError](err); err != nil && !ok {
		return end, nil, err
	}
	unread := err
	err = talk.History(0, func(it *model.Item) error {
		text := saidIn(it)
		if text != "" {
			if it.Unsigned != nil && !open.texts { // or it could look like what somebody has signed
				text = "[unsigned] " + text
			}
			said = append(said, replay.Said{Entry: it.At.Entry, Posted: it.Posted, Text: text})
		}
		return nil
	})
	switch {
	case err != nil:
		return end, said, err
	case end.ofAnother(o.keys.channel):
		return end, nil, usagef("--channel %d: the file is of channel %d", o.keys.channel, end.file.Channel)
	case len(said) == 0 && talk.Arrivals.NotOurs > 0:
		next := "without a key \"fernpost eavesdrop replay %s\" shows what everybody sees"
		if o.keys.channel != 0 {
			next = fmt.Sprintf("is --channel %d the feed's? the key is made of it; ", o.keys.channel) + next
		}
		return end, nil, hint(messenger.ErrNoKey, next, shellWord(o.csv.name))
	case len(said) == 0 && o.keys.channel != 0 && talk.OpenedParts():
		return end, nil, hint(usagef("--channel %d: the key opens parts of signed messages, and none whole: they are made for another channel",
			o.keys.channel), "a feed as CSV does not say of which channel it is; whoever saved it knows, and so does its feed.json")
	case len(said) == 0 && o.keys.file != "" && o.keys.channel == 0 && talk.OpenedParts():
		a.say("%s", a.style.warn("the key opens parts of signed messages, and none whole: they are made for a channel, whose number --channel ID names"))
	}
	return end, said, unread
}

// saidIn is what a message says to people, with its author where one has signed it; "" of what is not for people.
func saidIn(it *model.Item) string {
	if m := it.Unsigned; m != nil {
		switch m.Kind {
		case model.KindText:
			return m.Text
		case model.KindReading:
			return m.Reading.String()
		default:
			return item.OfUnsignedKind(m)
		}
	}
	if !it.ForPeople() {
		return ""
	}
	if it.Notice != "" {
		return it.Notice
	}
	author := record.Numbers(it.Record.Name, it.Record.Number, it.Record.Number)
	if text, ok := it.Text(); ok {
		return author + ": " + text
	}
	if reading, ok := it.Reading(); ok {
		return author + ": " + reading.String()
	}
	words, _ := item.OfBody(it.Record.Body, "")
	return author + " " + words
}

func (a *app) showReplay(ctx context.Context, steps []replay.Step, o *replayOptions, keyed bool) error {
	switch {
	case o.out != "":
		mode := os.FileMode(0o644)
		if keyed {
			mode = 0o600 // it has what was said
		}
		p := replay.Page{Of: feedName(o.csv.name), At: time.Now(), Keyed: keyed, Speed: o.speed}
		err := a.write(o.out, mode, func(w io.Writer) error { return replay.Write(w, steps, p) })
		if err == nil && o.out != "-" {
			a.say("the replay is in %s: open it in a browser", screen.Line(o.out))
			if keyed {
				a.say("%s", a.style.warn("that page has the messages in clear"))
			}
		}
		return err
	case o.asJSON:
		for i := range steps {
			s := &steps[i]
			if err := a.printJSON(stepJSON{Entry: s.Entry, Posted: known(s.Posted), Said: orEmpty(s.Said), Seen: orEmpty(s.Seen)}); err != nil {
				return err
			}
		}
		return nil
	case len(steps) == 0:
		a.say("nothing to see: the feed has no entries")
		return nil
	}
	if terminal := a.getenv("TERM"); !a.stdinTerminal || !a.stdoutTerminal || terminal == "" || terminal == "dumb" || o.csv.name == "-" {
		return a.printReplay(steps)
	}
	ctx, stop := holdingTerminal(ctx)
	defer stop()
	return tui.RunReplay(ctx, tui.Replay{Steps: steps, Keyed: keyed, Speed: o.speed, Colour: a.style.on})
}

// orEmpty has JSON show an empty list as one.
func orEmpty(texts []string) []string { return append([]string{}, texts...) }

// printReplay prints steps in lines.
func (a *app) printReplay(steps []replay.Step) error {
	for i := range steps {
		s := &steps[i]
		var b strings.Builder
		put := func(what string, texts []string) {
			for _, text := range texts {
				for line := range strings.SplitSeq(text, "\n") {
					b.WriteString(fmt.Sprintf("%-19s  entry %-6d  %s  %s\n", s.When(), s.Entry, what, line))
				}
			}
		}
		put("said", s.Said)
		put("seen", s.Seen)
		if len(s.Said)+len(s.Seen) == 0 {
			put("seen", []string{"(empty)"})
		}
		if err := a.printLines(b.String()); err != nil {
			return err
		}
	}
	return nil
}
