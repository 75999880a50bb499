package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/config"
	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/screen"
)

type recvOptions struct {
	room   string
	newest int
	all    bool
	csv    csvSource
	ttl    time.Duration
	asJSON bool
	output
	policy policy
	save   string
	strict bool
}

func (a *app) recvCommand() *cobra.Command {
	var o recvOptions
	var unsigned, format string
	cmd := &cobra.Command{
		Use:   "recv [ROOM]",
		Short: "Read and decrypt the newest messages",
		Long: `recv reads the channel's feed, opens what the room's keys open and prints the newest messages, the newest last. It
reads the same CSV that everybody can read: from the relay, or with --csv from a file, an address or standard input (-).

The device keeps the tokens that it has read, so messages stay readable when the relay loses them. In a signed room each
message stands under its author's name, and what is missing, forged or altered is named below. "(after ana 2)" behind a
message means that its author had last been shown ana's second message, although a later one of hers stands above it here.
What comes late, in front of the newest messages, is printed once, and says so.

What stands before the colon behind a message's author, and below a text in lines without "|", is said by this program.
Of one text people are shown at most 200 lines, on a terminal at most 8,000 characters; --json prints all of it.

A reading of a sensor stands there as field1=21.5 field2=40 (warm). --format csv prints readings and texts as a table, to be
piped into a plot: the time by the author's clock in UTC, the author where somebody has signed it, field1 to field8, status,
text. In a room of plain texts a number stands in the column of its field. A text that a spreadsheet would run as a formula
(=, +, -, @) has a ' in front there; --json has it as it is.

The first reading of a room of plain texts looks at the newest 8,000 entries; --all reads the whole channel. -n 0 prints
every message.`,
		Example: `  fernpost recv
  fernpost recv lab -n 100
  fernpost recv --csv feeds.csv --json
  fernpost recv --save incoming
  fernpost recv -n 0 --format csv > readings.csv
  fernpost recv --json --numbers | jq .reading.field1
  fernpost recv lesson --ttl 24h`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := roomArgument(cmd, args, &o.room); err != nil {
				return err
			}
			if o.policy, err = parsePolicy(unsigned); err != nil {
				return err
			}
			if o.output, err = parseOutput(format, o.numbers, o.asJSON); err != nil {
				return err
			}
			return a.recv(cmd.Context(), o)
		},
		SuggestFor: []string{"receive", "recieve", "recive", "read", "get"},
	}
	o.addFlags(cmd.Flags())
	o.output.add(cmd.Flags(), &format)
	addStrict(cmd.Flags(), &o.strict)
	addUnsigned(cmd.Flags(), &unsigned)
	return cmd
}

func (o *recvOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.room, "room", "", "the `ROOM` to read (default: the only one)")
	flags.IntVarP(&o.newest, "newest", "n", 10, "print the newest `N` messages; 0 is all")
	flags.BoolVar(&o.all, "all", false, "read the whole channel, also what the first reading of a room of plain texts has passed over")
	o.csv.add(flags, "read the feed")
	flags.Var(duration.Flag(&o.ttl, 0), "ttl", "hide messages that were sealed longer ago than this, or in the future (rooms of plain texts)")
	flags.BoolVar(&o.asJSON, "json", false, "one JSON object a line")
	flags.StringVar(&o.save, "save", "", "write files that came in the messages into this `DIR`, never over another file")
}

// roomArgument takes the room that is named by an argument, unless the flag names another one.
func roomArgument(cmd *cobra.Command, args []string, room *string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.Flag("room").Changed && *room != args[0] {
		return hint(usagef("which room, %s or %s? both are named", screen.Line(args[0]), screen.Line(*room)), "leave out one of them")
	}
	*room = args[0]
	return nil
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
	signed, err := messenger.Signed(r)
	switch {
	case err != nil:
		return err
	case signed && o.ttl != 0:
		return hint(usagef("--ttl is for rooms of plain texts"), "the messages of this room carry their authors' clocks")
	case !signed:
		o.policy = policyOpen
	}
	if o.csv.name == "" {
		err = a.recvRoom(ctx, r, o)
	} else {
		err = a.recvCSV(ctx, r, o)
	}
	if n := a.unsaved; n > 0 {
		err = errors.Join(err, fmt.Errorf("%s not saved, as told above", count(n, "file")))
	}
	return err
}

// entryWidth is the width of an entry's number, for one of up to four digits.
const entryWidth = len("entry 1234")

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// sayNoMessages says that a feed of so many entries has no messages.
func (a *app) sayNoMessages(entries int, end *feedEnd) {
	switch {
	case entries > 0:
		a.say("no messages among %s", count(entries, "entry"))
	case end.file == nil:
		a.say("no messages yet: the channel is empty")
	case end.Skipped == 0 && !end.CutShort:
		a.say("the file has no entries")
	}
}
