package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/config"
	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

type recvOptions struct {
	room   string
	newest int
	all    bool
	csv    csvSource
	ttl    time.Duration
	asJSON bool
	policy policy
	save   string
	strict bool
	own    record.PublicKey // of whom a conversation without identity takes messages for own ones
}

func (a *app) recvCommand() *cobra.Command {
	var o recvOptions
	var unsigned string
	cmd := &cobra.Command{
		Use:   "recv",
		Short: "Read and decrypt the newest messages",
		Long: `recv reads the channel's feed, opens what the room's keys open and prints the newest messages, the newest last. It
reads the same CSV that everybody can read: from the relay, or with --csv from a file, an address or standard input (-).

In a signed room each message stands under its author's name, and what is missing, forged or altered is named below. The
device keeps the tokens that it has read, so messages stay readable when the relay loses them. "(after ana 2)" behind a
message means that its author had last been shown ana's second message, although a later one of hers stands above it here.

What stands before the colon behind a message's author, and below a text in lines without "|", is said by this program.
Of one text people are shown at most 200 lines, on a terminal at most 8,000 characters; --json prints all of it.

In a room of plain texts it looks at the newest 8,000 rows at most; --all reads the whole channel. -n 0 prints every
message.`,
		Example: `  fernpost recv
  fernpost recv -n 100 --room lab
  fernpost recv --csv feeds.csv --json
  fernpost recv --save incoming
  fernpost recv --ttl 24h`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.policy, err = parsePolicy(unsigned); err != nil {
				return err
			}
			return a.recv(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.room, "room", "", "the `ROOM` to read (default: the only one)")
	flags.IntVarP(&o.newest, "newest", "n", 10, "print the newest `N` messages; 0 is all")
	flags.BoolVar(&o.all, "all", false, "look through the whole channel, not only its newest 8,000 rows")
	o.csv.add(flags, "read the feed")
	flags.DurationVar(&o.ttl, "ttl", 0, "hide messages that were sealed longer ago than this, or in the future")
	flags.BoolVar(&o.asJSON, "json", false, "one JSON object a line")
	flags.StringVar(&o.save, "save", "", "write files that came in the messages into this `DIR`, never over another file")
	addStrict(flags, &o.strict)
	addUnsigned(flags, &unsigned)
	return cmd
}

// addUnsigned adds the flag that says what becomes of unsigned text.
func addUnsigned(flags *pflag.FlagSet, to *string) {
	flags.StringVar(to, "unsigned", config.Default().Get("unsigned"), "text that nobody has signed: strict hides, balanced labels, open shows it")
}

func (a *app) recv(ctx context.Context, o recvOptions) error {
	if o.newest < 0 {
		return usagef("-n %d: want 0 or more", o.newest)
	}
	if o.ttl < 0 {
		return usagef("--ttl %v: want a duration above 0", o.ttl)
	}
	r, err := a.loadRoom(o.room)
	if err != nil {
		return err
	}
	if signed, err := messenger.Signed(r); err != nil {
		return err
	} else if signed {
		err := a.recvSigned(ctx, r, o)
		if n := a.tally.unsaved; n > 0 {
			err = errors.Join(err, fmt.Errorf("%s not saved, as told above", count(n, "file")))
		}
		return err
	}
	// A short life with much short-lived memory: collecting less often saves a fifth of the time for 8,000 messages and
	// costs 10 MB at most.
	debug.SetGCPercent(400)
	opener, err := openRoom(r)
	if err != nil {
		return err
	}
	done := a.computing(func() string { return "opening what was read" })
	rc, end, err := a.receive(ctx, r, opener, o)
	messages, findings := rc.Take()
	done()
	if perr := a.printMessages(messages, o.asJSON); perr != nil {
		return perr
	}
	if err != nil {
		if len(messages) > 0 {
			return partlyError{err}
		}
		return err
	}
	if err := a.tellCounted(findings, o.asJSON); err != nil {
		return err
	}
	if err := a.tellGaps(end.numbers.between(), o.asJSON); err != nil {
		return err
	}
	if err := a.tellUnread(r, &end, o.asJSON); err != nil {
		return err
	}
	return a.concludeRecv(r, messages, findings, end, o)
}

// receive reads as much of the feed as it takes to have the newest messages.
func (a *app) receive(ctx context.Context, r keyring.Room, opener *room.Room, o recvOptions) (rc *room.Receiver, end feedEnd, err error) {
	limit := room.AgeLimit{TTL: o.ttl, Now: time.Now()}
	rc = opener.Receive(o.newest, limit)
	visit := func(e *thingspeak.Entry) error {
		rc.Add(e)
		return nil
	}
	enough := func() bool { return o.newest > 0 && rc.Opened() >= o.newest }
	if o.csv.name != "" {
		end, err = a.readCSV(ctx, o.csv, o.newest, visit)
		if err == nil && end.more && !enough() {
			rc = opener.Receive(o.newest, limit) // the last rows are not all messages: look at the whole file
			end, err = a.readCSV(ctx, o.csv, 0, visit)
		}
		return rc, end, err
	}
	client, err := a.dial(r)
	if err != nil {
		return rc, end, err
	}
	defer client.Close()
	end, err = readChannel(ctx, client, o.newest, o.all, visit, enough)
	return rc, end, err
}

func (a *app) printMessages(messages []room.Message, asJSON bool) error {
	out := bufio.NewWriterSize(a.stdout, 64<<10)
	var line []byte
	for i := range messages {
		m := &messages[i]
		if asJSON {
			if err := writeJSON(out, jsonOfUnsigned(m)); err != nil {
				return err
			}
			continue
		}
		line = a.appendMessage(line[:0], m)
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}

// stampLayout is how a time is shown, always in the reader's own zone, whose offset tells apart the two hours of one name
// when clocks are set back.
const stampLayout = "2006-01-02 15:04:05 -0700"

// entryWidth is the width of an entry's number, for one of up to four digits.
const entryWidth = len("entry 1234")

// appendMessage writes a message for people: when, which entry, what.
func (a *app) appendMessage(b []byte, m *room.Message) []byte {
	l := a.startLines(b)
	b = a.style.start(b, styleDim)
	b = m.Posted.Local().AppendFormat(b, stampLayout)
	b = a.style.end(b)
	b = append(b, "  "...)
	b = a.style.start(b, styleName)
	at := len(b)
	b = append(b, record.Entries(m.Entry, m.Entry)...)
	for len(b) < at+entryWidth {
		b = append(b, ' ')
	}
	b = a.style.end(b)
	b = append(b, "  "...)
	l.b = b
	switch m.Kind {
	case room.Text:
		l.text(screen.Text(m.Text))
	case room.Record:
		l.own(a.style.warn("(part of a signed record: needs a newer fernpost)"))
	default:
		l.own(a.style.warn(fmt.Sprintf("(binary, %s)", count(m.Size, "byte"))))
	}
	if m.ClockSkew() != 0 {
		l.own(a.style.warn("(sealed " + m.Sealed.Local().Format(stampLayout) + " by the sender's clock)"))
	}
	return l.end()
}

// countedEntries counts entries of a kind and says where they stand: "2 entries not for this key (among entries 3–9)".
func countedEntries(n int, kind string, first, last int64) string {
	among := ""
	if last-first >= int64(n) {
		among = "among "
	}
	return fmt.Sprintf("%s %s (%s%s)", count(n, "entry"), kind, among, record.Entries(first, last))
}

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// counted returns what was counted besides messages, as findings.
func counted(f room.Findings) (all []findingJSON) {
	add := func(kind string, n int, first, last int64, text string) {
		if n > 0 {
			all = append(all, findingJSON{
				Finding: kind, Text: text, Count: &n, Entry: known(first), LastEntry: known(last),
			})
		}
	}
	add("not ours", f.NotOurs, f.FirstNotOurs, f.LastNotOurs,
		countedEntries(f.NotOurs, "not for this key", f.FirstNotOurs, f.LastNotOurs)+": sealed with another one, or altered")
	add("damaged", f.Damaged, f.FirstDamaged, f.LastDamaged,
		countedEntries(f.Damaged, "with a damaged token", f.FirstDamaged, f.LastDamaged)+": cut short, or altered")
	add("disguised", f.Disguised, f.FirstDisguised, f.LastDisguised,
		countedEntries(f.Disguised, "with what looks like a token "+f.Disguise, f.FirstDisguised, f.LastDisguised)+": not opened")
	add("not encrypted", f.Plain, f.FirstPlain, f.LastPlain,
		countedEntries(f.Plain, "that "+isOrAre(f.Plain)+" not encrypted", f.FirstPlain, f.LastPlain)+", not shown")
	add("unread", f.Overfull, f.FirstOverfull, f.LastOverfull,
		countedEntries(f.Overfull, "shown with too many rows", f.FirstOverfull, f.LastOverfull)+": not all was read")
	add("repeat", f.Repeats, 0, 0, count(f.Repeats, "token")+" repeated from before, not shown again")
	add("expired", f.Expired, 0, 0, count(f.Expired, "message")+" older than --ttl, not shown")
	add("from the future", f.Future, 0, 0,
		count(f.Future, "message")+" sealed in the future, not shown because of --ttl: is a clock wrong?")
	return all
}

// tellCounted prints what was counted besides messages.
func (a *app) tellCounted(f room.Findings, asJSON bool) error {
	for _, x := range counted(f) {
		if err := a.tell(x, asJSON); err != nil {
			return err
		}
	}
	return nil
}

// sayNoMessages says that a feed of so many entries has no messages.
func (a *app) sayNoMessages(entries int, end *feedEnd) {
	switch {
	case entries > 0:
		a.say("no messages among %s", count(entries, "entry"))
	case end.file == nil:
		a.say("no messages yet: the channel is empty")
	case end.skipped == 0 && !end.cut:
		a.say("the file has no entries")
	}
}

// concludeRecv says what a reader should know about an empty or incomplete result, and decides the exit code.
func (a *app) concludeRecv(r keyring.Room, messages []room.Message, f room.Findings, end feedEnd, o recvOptions) error {
	if end.more && (o.newest == 0 || len(messages) < o.newest) {
		a.say("looked at the newest %d of %d entries; --all looks at the rest", end.rows, end.last)
	}
	switch {
	case len(messages) == 0 && f.NotOurs > 0:
		return hint(errNoKey, noKeyHint, r.Name, r.Channel)
	case len(messages) == 0:
		a.sayNoMessages(f.Entries, &end)
	}
	if o.strict {
		return a.tally.verdict()
	}
	return end.incomplete()
}
