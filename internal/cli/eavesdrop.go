package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/config"
	"github.com/fernpost/fernpost/internal/eavesdrop"
	"github.com/fernpost/fernpost/internal/feed"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// openFeed is a feed that is read as everybody can: of a channel, or of a file.
type openFeed struct {
	relay       string
	channel     int64
	room        string
	csv         csvSource
	readKeyFile string
}

func (o *openFeed) add(flags *pflag.FlagSet) {
	flags.StringVar(&o.relay, "relay", config.Default().Get("relay"), "the relay's `URL`")
	flags.Var((*channelFlag)(&o.channel), "channel", "the channel's `ID` at the relay")
	flags.StringVar(&o.room, "room", "", "the channel of this `ROOM` (its keys stay unused)")
	o.csv.add(flags, "read the feed")
	flags.StringVar(&o.readKeyFile, "read-key-file", "", "read a private channel's read key from `FILE`")
}

type eavesdropOptions struct {
	openFeed

	newest      int
	raw, asJSON bool
	pcap        string
}

func (a *app) eavesdropCommand() *cobra.Command {
	var o eavesdropOptions
	cmd := &cobra.Command{
		Use:   "eavesdrop",
		Short: "Show what everybody sees of a channel, without a key",
		Long: `eavesdrop reads a feed as anybody can and shows what it gives away: when each entry was posted, the clock of the
device that sealed it, and how long the message can be. No key is used, and none could be: the part of the program that
does this links no code that opens tokens.

--raw prints the CSV itself, to the letter; on a terminal without the characters that would control it. It is one answer of
the relay: without -n as long as that may be, of 8,000 entries, and what is older is said to be missing.

--pcap reads a recording of a network, by Wireshark, tshark or tcpdump, in place of a feed: where http is plain, as in most
classrooms, everybody in the same Wi-Fi reads more than the feed has. It shows who asked for what, when and with which
program, the keys that were sent along, which entries came from which address, and nothing of what is inside a token.
Of a request that is cut, what came of it is shown; where the relay refused one, that is said, and nothing is learnt from it.
examples/wireshark has tokens taken apart in Wireshark itself.`,
		Example: `  fernpost eavesdrop --channel 1234567
  fernpost eavesdrop --room lab -n 100
  fernpost eavesdrop --csv feeds.csv --json
  fernpost eavesdrop --channel 1234567 --raw > feeds.csv
  fernpost eavesdrop --pcap wifi.pcapng`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.raw && !cmd.Flags().Changed("newest") {
				o.newest = 0 // a file that lacks most of the channel looks like all of it
			}
			err := a.eavesdrop(cmd.Context(), o)
			if o.channel != 0 {
				err = beforeRoom(err)
			}
			return err
		},
	}
	flags := cmd.Flags()
	o.add(flags)
	flags.IntVarP(&o.newest, "newest", "n", 20, "show the newest `N` entries; 0 is all, and so is --raw without it")
	flags.StringVar(&o.pcap, "pcap", "", "show what a network gave away, of which this `FILE` is a recording (pcap, pcapng); - is standard input")
	flags.BoolVar(&o.raw, "raw", false, "print the CSV as it came")
	flags.BoolVar(&o.asJSON, "json", false, "one JSON object a line")
	cmd.AddCommand(a.eavesdropReportCommand(), a.eavesdropReplayCommand(), a.eavesdropGuessCommand())
	return cmd
}

func (a *app) eavesdrop(ctx context.Context, o eavesdropOptions) error {
	if o.newest < 0 {
		return usagef("-n %d: want 0 or more", o.newest)
	}
	if o.raw && o.asJSON {
		return usagef("--raw and --json exclude each other")
	}
	if o.pcap != "" {
		return a.eavesdropPcap(ctx, o)
	}
	if o.csv.name != "" {
		return a.eavesdropCSV(ctx, o)
	}
	client, err := a.dialUnkeyed(ctx, &o.openFeed)
	if err != nil {
		return err
	}
	defer client.Close()
	if o.raw {
		var first oldestRow
		err := a.printRaw(func(to io.Writer) error {
			return o.explain(client.Raw(ctx, o.newest, io.MultiWriter(to, &first)))
		})
		if n := first.number(); n > 1 && (o.newest == 0 || o.newest > thingspeak.MaxResults) {
			a.say("%s", a.style.warn(fmt.Sprintf("this is one answer of the relay, which lacks what is older than entry %d; \"fernpost "+
				"eavesdrop -n 0 --json\" reads all that is there", n)))
		}
		return err
	}
	return a.showSightings(o, func(visit func(*thingspeak.Entry) error) (feedEnd, error) {
		end, err := client.Newest(ctx, o.newest, visit)
		return feedEnd{End: end}, o.explain(err)
	})
}

// explain is for a channel that was named by its number; a room's was read before.
func (o *openFeed) explain(err error) error {
	if o.channel == 0 {
		return err
	}
	return explainReading(err, o.channel, o.readKeyFile != "")
}

func (a *app) eavesdropCSV(ctx context.Context, o eavesdropOptions) error {
	if !o.raw {
		return a.showSightings(o, func(visit func(*thingspeak.Entry) error) (feedEnd, error) {
			return a.readCSV(ctx, o.csv, visit) // showSightings keeps the newest
		})
	}
	body, err := a.openCSV(ctx, o.csv.name)
	if err != nil {
		return err
	}
	defer body.Close()
	return a.printRaw(func(to io.Writer) error {
		_, err := io.Copy(to, body)
		return err
	})
}

// dialUnkeyed makes a client for the channel that the flags name. A room lends its relay, channel and read key: what
// opens its messages stays where it is.
func (a *app) dialUnkeyed(ctx context.Context, o *openFeed) (*channel.Reader, error) {
	relay, id, readKey := o.relay, o.channel, ""
	if o.channel == 0 {
		r, err := a.loadRoom(o.room)
		if err != nil {
			return nil, hint(err, "name a channel with --channel ID, or a feed with --csv FILE")
		}
		relay, id, readKey = r.Relay, r.Channel, r.ReadKey.Reveal()
	}
	if o.readKeyFile != "" {
		var err error
		if readKey, err = a.readSecretFile(ctx, "read-key-file", o.readKeyFile); err == nil {
			readKey, err = apiKey("read key", readKey)
		}
		if err != nil {
			return nil, err
		}
	}

	return a.access().Open(relay, id, readKey)
}

// oldestRow keeps the beginning of a feed's CSV, whose first row is the oldest.
type oldestRow struct{ beginning []byte }

func (o *oldestRow) Write(p []byte) (int, error) {
	o.beginning = append(o.beginning, p[:min(len(p), 1<<16-len(o.beginning))]...)
	return len(p), nil
}

// number returns the number of the first row, 0 if there is none.
func (o *oldestRow) number() int64 {
	var e thingspeak.Entry
	rows := thingspeak.NewCSVReader(bytes.NewReader(o.beginning))
	if _, err := rows.Header(); err != nil || rows.Read(&e) != nil {
		return 0
	}
	return e.ID
}

// printRaw prints what came to the letter; on a terminal, without the characters that it would obey.
func (a *app) printRaw(copyTo func(io.Writer) error) error {
	if !a.stdoutTerminal {
		return copyTo(a.stdout)
	}
	w := &cleanWriter{to: a.stdout}
	return errors.Join(copyTo(w), w.flush())
}

// cleanWriter cleans text line by line. The last line may have no end: flush writes it.
type cleanWriter struct {
	to   io.Writer
	rest []byte
}

func (w *cleanWriter) Write(p []byte) (int, error) {
	end := bytes.LastIndexByte(p, '\n') + 1
	w.rest = append(w.rest, p...)
	if end == 0 && len(w.rest) < 1<<16 {
		return len(p), nil
	}
	whole := len(w.rest)
	if end > 0 {
		whole -= len(p) - end
	}
	_, err := io.WriteString(w.to, screen.Text(string(w.rest[:whole])))
	w.rest = append(w.rest[:0], w.rest[whole:]...)
	return len(p), err
}

func (w *cleanWriter) flush() error {
	_, err := io.WriteString(w.to, screen.Text(string(w.rest)))
	w.rest = nil
	return err
}

// showSightings prints a table, or objects, of what the rows show, and what they show together.
func (a *app) showSightings(o eavesdropOptions, read func(visit func(*thingspeak.Entry) error) (feedEnd, error)) error {
	var summary eavesdrop.Summary
	var numbers feed.Rows
	rows := feed.Newest{Most: o.newest}
	end, err := read(func(e *thingspeak.Entry) error {
		numbers.Add(e, eavesdrop.Bare)
		return rows.Add(e)
	})
	entries := rows.Entries()
	if !o.asJSON && len(entries) > 0 {
		if err := a.printLines(a.style.bold(sightingHead) + "\n"); err != nil {
			return err
		}
	}
	for i := range entries {
		seen := eavesdrop.Look(&entries[i])
		summary.Add(seen)
		for _, s := range seen {
			if o.asJSON {
				if err := a.printSighting(s); err != nil {
					return err
				}
				continue
			}
			if err := a.printLines(a.sightingLine(s) + "\n"); err != nil {
				return err
			}
		}
	}
	if !o.asJSON && (err == nil && end.Skipped == 0 || len(entries) > 0) {
		all := 0
		if end.file == nil {
			all = int(end.Last)
		}
		a.say("%s", summarise(&summary, all))
		if n := summary.Backdated; n > 0 {
			sealed := map[bool]string{true: "its token was", false: "their tokens were"}[n == 1]
			a.say("%s %s dated before %s sealed: the rows of a bulk update are dated back, a second for each that follows; "+
				"or a clock is wrong", count(n, "entry"), isOrAre(n), sealed)
		}
	}
	if err != nil {
		if len(entries) > 0 {
			return partlyError{err}
		}
		return err
	}
	if end.file != nil {
		a.tellContradicted(&numbers, true, o.asJSON)
	}
	a.tellUnread(model.Room{}, &end, o.asJSON)
	return end.incomplete()
}

func (a *app) printSighting(s eavesdrop.Sighting) error {
	j := sightingJSON{
		Entry: s.Entry, Field: s.Field, Posted: s.Posted, Kind: s.Kind, Length: s.Length,
		Damage: known(s.Damage), Text: s.Text,
	}
	if s.Kind == eavesdrop.Token || s.Kind == eavesdrop.Letter {
		j.Sealed, j.MinPlaintext, j.MaxPlaintext = &s.Sealed, &s.MinPlaintext, &s.MaxPlaintext
	}
	return a.printJSON(j)
}

const sightingHead = "POSTED (UTC)           ENTRY  FIELD  CHARS  SEALED (UTC)         PLAINTEXT      CONTENT"

// sightingLine is one line of the table. The content is cut to the terminal's width, on a pipe to a few characters.
func (a *app) sightingLine(s eavesdrop.Sighting) string {
	sealed, message := "-", "-"
	switch s.Kind {
	case eavesdrop.Token:
		sealed, message = clock(s.Sealed), fmt.Sprintf("%d-%d bytes", s.MinPlaintext, s.MaxPlaintext)
	case eavesdrop.Letter:
		sealed, message = clock(s.Sealed), "a letter"
	case eavesdrop.Damaged:
		message = "damaged"
	default:
		if s.Damage != "" {
			message = "a token?"
		}
	}
	line := fmt.Sprintf("%-19s %8d %6d %6d  %-19s  %-13s  ", clock(s.Posted), s.Entry, s.Field, s.Length, sealed, message)
	return line + excerpt(s.Text, max(a.width-len(line), 16))
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// excerpt is the beginning of a stranger's text, in at most n characters.
func excerpt(s string, n int) string {
	runes := []rune(screen.Line(s))
	if len(runes) <= n {
		return string(runes)
	}
	return string(runes[:n-1]) + "…"
}

// summarise says in words what the rows show together, which are the newest of all, if that is known. Whether a token
// is a message or a part of one only a key shows.
func summarise(s *eavesdrop.Summary, all int) string {
	if s.Tokens+s.Letters+s.Damaged+s.Others == 0 {
		return "nothing to see: no entry has content"
	}
	var b strings.Builder
	show := "show"
	if s.Entries == 1 {
		show = "shows"
	}
	of := ""
	if all > s.Entries {
		of = fmt.Sprintf("the newest %d of ", s.Entries)
	}
	fmt.Fprintf(&b, "without a key, %s%s %s: ", of, count(max(all, s.Entries), "entry"), show)
	if s.Tokens > 0 {
		fmt.Fprintf(&b, "%s of %d to %d bytes, sealed ", count(s.Tokens, "token"), s.Shortest, s.Longest)
		if s.First.Equal(s.Last) {
			fmt.Fprintf(&b, "at %s UTC", clock(s.First))
		} else {
			fmt.Fprintf(&b, "from %s to %s UTC", clock(s.First), clock(s.Last))
		}
		if hour, known := s.BusiestHour(); known {
			fmt.Fprintf(&b, ", mostly in the hour from %02d:00 UTC", hour)
		}
		b.WriteString("; not one word")
	} else {
		b.WriteString("no token")
	}
	if s.Letters > 0 {
		fmt.Fprintf(&b, "; %s of invitations for somebody (letters), which say no more", count(s.Letters, "token"))
	}
	if s.Damaged > 0 {
		fmt.Fprintf(&b, "; %s", count(s.Damaged, "damaged token"))
	}
	if s.Others > 0 {
		fmt.Fprintf(&b, "; %s of other content, readable by everyone", count(s.Others, "field"))
	}
	if s.Disguised > 0 {
		how := s.Disguise
		if s.Disguised > 1 {
			how = strings.Replace(how, "looks", "look", 1)
		}
		fmt.Fprintf(&b, " (%d of them %s)", s.Disguised, how)
	}
	return b.String()
}
