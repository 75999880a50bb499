package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/attachment"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// maxInput bounds what send reads from standard input, in bytes: enough to say how long a text is that does not fit.
const maxInput = 1 << 20

func (a *app) sendCommand() *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use:   "send [MESSAGE… | -]",
		Short: "Encrypt a message and post it",
		Long: `send seals a message with the room's key and posts it. The message is the argument, or standard input where the
argument is - or missing; a line end behind it is cut off. Several words without quotes are one message, with a blank
between them, unless one of them looks like a flag.

In a signed room it may be as long as you like, or a file: it takes as many entries as it needs, many of them in one
call where the relay has bulk updates. send says first how long that takes and what it costs of the relay's quota, and
asks if it is more than ten minutes or a tenth of a day's messages. In a room of plain texts a message has at most 127
bytes of UTF-8.

What the relay has not accepted stays in the outbox: "fernpost outbox --retry" posts it, or goes on where a file was
interrupted, and the next send posts it first.

--field sends the values of a sensor instead of a text, a reading: in a signed room one message that binds all of them to their
fields, their time and their author; in a room of plain texts one token a value, each in its own field, which the room has to
write to ("fernpost rooms set --fields"), and one in the status. A value has at most 255 bytes there, and 127 here.

--json prints one object with the result; of a message of several entries an "event" of the estimate and of each
progress comes before.

A relay takes one update of a channel in a certain time, over all who write to it. Where it refuses one for that reason,
send waits and says how long. If a reply is lost, it reads back and posts again only what is not there. A refusal ("0") counts as
not stored: of a relay that stores what it refuses, readers show one of the copies, "verify" counts the others, and the outbox is
empty once the room was read.`,
		Example: `  fernpost send 'hello, bo'
  uptime | fernpost send --room lab
  fernpost send --file picture.png
  fernpost send --field 1=21.5 --field 2=40 --status warm
  fernpost send --no-wait --json 'if it is possible now'
  fernpost send -- -1`,
		Args: cobra.ArbitraryArgs, Annotations: map[string]string{takesText: "yes"}, SuggestFor: []string{"write", "post", "say"},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.insist = insists
			o.isReading = cmd.Flags().Changed("field") || cmd.Flags().Changed("status")
			args, err := a.oneMessage(args, cmd.ArgsLenAtDash())
			if err != nil {
				return err
			}
			return a.send(cmd.Context(), args, o)
		},
	}
	cmd.Flags().StringVar(&o.room, "room", "", "the `ROOM` to write to (default: the only one)")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print the result as a JSON object")
	cmd.Flags().BoolVar(&o.noWait, "no-wait", false, "fail instead of waiting when the relay says that it is too soon; the message stays in the outbox")
	cmd.Flags().BoolVar(&o.queue, "queue", false, "only put it into the outbox")
	cmd.Flags().StringArrayVar(&o.fields, "field", nil, "a value of a reading, as `FIELD=VALUE` with a field from 1 to 8; may be repeated")
	cmd.Flags().StringVar(&o.status, "status", "", "the status of a reading")
	cmd.Flags().StringVar(&o.file, "file", "", "send this `FILE` of up to 4 MiB (signed rooms)")
	cmd.Flags().BoolVar(&o.oldKey, "old-key", false, "seal with the key that is here although the room has moved to another one (signed rooms)")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "do not ask before a transfer that takes long or costs much")
	return cmd
}

// sendOptions are the flags of send.
type sendOptions struct {
	room, file, status                 string
	asJSON, noWait, queue, yes, oldKey bool

	insist    string   // what to say about going on under an old key
	isReading bool     // values of a sensor are to be sent
	fields    []string // of it, FIELD=VALUE
}

func (a *app) send(ctx context.Context, args []string, o sendOptions) error {
	r, err := a.loadRoom(o.room)
	if err != nil {
		return err
	}
	if err := messenger.Writable(r); err != nil {
		return err
	}
	signed, err := messenger.Signed(r)
	if err != nil {
		return err
	}
	if o.oldKey && !signed {
		return usagef("--old-key is for signed rooms: in room %s nobody can say that it moves to another key", r.Name)
	}
	if o.isReading {
		reading, err := o.reading(args)
		if err != nil {
			return err
		}
		return a.sendBody(ctx, r, reading, o)
	}
	if o.file != "" {
		if len(args) > 0 {
			return usagef("--file sends a file, and no message beside it")
		}
		if !signed {
			return hint(usagef("room %s holds plain texts, and no files", r.Name), recordsRoom)
		}
		file, err := attachment.Read(ctx, o.file)
		if _, ok := errors.AsType[*attachment.RefusedError](err); ok {
			err = usagef("--file: %w", err)
		}
		if err != nil {
			return err
		}
		return a.sendBody(ctx, r, file, o)
	}
	text, err := a.message(args)
	if err != nil {
		return err
	}
	if !utf8.ValidString(text) {
		return hint(usageError{model.ErrNotUTF8}, "save it as UTF-8 first; in a signed room --file FILE sends any bytes")
	}
	// The message may have come after minutes: the room may have moved to another key meanwhile.
	if r, err = a.engine().Current(r); err != nil {
		return err
	}
	return a.sendBody(ctx, r, record.Text(text), o)
}

// reading returns the values that are to be sent.
func (o *sendOptions) reading(args []string) (r record.Reading, err error) {
	if len(args) > 0 || o.file != "" {
		return r, usagef("--field and --status send a reading, and neither a text nor a file beside it")
	}
	for _, s := range o.fields {
		number, value, ok := strings.Cut(s, "=")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || len(number) > 1 || n < 1 || n > record.ReadingFields {
			return r, usagef("--field %s: want FIELD=VALUE with a field from 1 to %d, such as 1=21.5", screen.Line(s), record.ReadingFields)
		}
		if r.Values[n-1].Given {
			return r, usagef("--field %d stands there twice: a reading has one value for each field", n)
		}
		r.Values[n-1] = record.Value{Text: value, Given: true}
	}
	r.Status = o.status
	if err := r.Check(); err != nil {
		return r, usageError{err}
	}
	return r, nil
}

// sendBody sends a message and says what became of it.
func (a *app) sendBody(ctx context.Context, r model.Room, body record.Body, o sendOptions) error {
	if o.noWait && o.queue {
		return usagef("--no-wait and --queue exclude each other")
	}
	c := &conversation{app: a, yes: o.yes, asJSON: o.asJSON}
	a.slowEvents = o.asJSON
	sent, err := a.engine().Send(ctx, r, body, messenger.SendOptions{NoWait: o.noWait, Queue: o.queue, OldKey: o.oldKey}, c.face())
	if err != nil && o.asJSON && sent.Number > 0 { // it is in the outbox
		err = errors.Join(explainSending(err, r.Name, o.insist), a.printJSON(jsonOfSent(r, &sent.Queued)))
	} else if err != nil {
		err = explainSending(err, r.Name, o.insist)
	}
	if err != nil {
		return err
	}
	switch {
	case o.queue:
		a.say("queued as %s; %s posts it", sent.What(), outboxOf(r.Name, "--retry"))
	case !o.asJSON && sent.Elsewhere && sent.Entry == 0:
		a.say("another process posted it")
	case !o.asJSON && sent.Elsewhere:
		a.say("another process posted it, accepted as entry %d", sent.Entry)
	case !o.asJSON:
		a.say("accepted as entry %d", sent.Entry)
	}
	if !o.asJSON {
		return nil
	}
	return a.printJSON(jsonOfSent(r, &sent.Queued))
}

func jsonOfSent(r model.Room, q *model.Queued) sentJSON {
	return sentJSON{r.Name, r.Channel, known(q.Number), q.Entries, q.Sent.String(), known(q.Entry)}
}

// oneMessage makes one argument of the words of a message that has no quotes around it. What may be a flag that was mistyped,
// or the room, is not sent to everybody, unless all words stand behind --. That stands before the word with the index dash,
// nowhere if it is -1.
func (a *app) oneMessage(words []string, dash int) ([]string, error) {
	if len(words) < 2 || dash == 0 {
		return []string{strings.Join(words, " ")}[:min(1, len(words))], nil
	}
	if dash > 0 {
		words = slices.Insert(slices.Clone(words), dash, "--")
	}
	// Telephones and word processors make longer dashes of "--".
	const dashes = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
	for _, word := range words {
		if first, size := utf8.DecodeRuneInString(word); size > 0 && strings.ContainsRune(dashes, first) {
			return nil, hint(usagef("%q in the message looks like a flag; nothing was sent", screen.Line(word)),
				"put quotes around the message, such as 'hello, bo'; \"fernpost send --help\" lists the flags")
		}
	}
	if a.isRoom(words[0]) {
		return nil, hint(usagef("the message begins with the name of room %s; nothing was sent", words[0]),
			"put quotes around the message, or name the room with --room %s", words[0])
	}
	return []string{strings.Join(words, " ")}, nil
}

// message returns what is to be sent.
func (a *app) message(args []string) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		return args[0], nil
	}
	if a.stdinTerminal {
		a.say("type the message, end it with Ctrl-D")
	}
	b, err := io.ReadAll(io.LimitReader(a.input, maxInput+1))
	if err != nil {
		return "", fmt.Errorf("reading the message: %w", err)
	}
	if len(b) > maxInput {
		return "", usagef("the message has more than %d bytes", maxInput)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}

func explainLength(err error) error {
	if long, ok := errors.AsType[*model.TooLongError](err); ok {
		return hint(err, "shorten it by %d bytes, or send it as %d messages; letters with accents take 2 bytes, emoji 4",
			long.Bytes-model.MaxText, (long.Bytes+model.MaxText-1)/model.MaxText)
	}
	if errors.Is(err, model.ErrNoText) {
		return usageError{err}
	}
	return err
}

// showWait says why and how long a post waits.
func (a *app) showWait(w exchange.Wait) {
	switch w.Reason {
	case exchange.OwnInterval:
		also := ""
		if w.Writers > 1 {
			also = ", and one more is left to those who have written here in the last ten minutes"
		}
		a.say("the channel's interval is not over%s; posting in %s", also, seconds(w.For))
	case exchange.ChannelBusy:
		why := ""
		if w.Writers > 1 {
			why = ", at a moment chosen by chance, so as not to meet those who have written here in the last ten minutes"
		}
		a.say("too soon after another update of the channel; trying again in %s%s", seconds(w.For), why)
	case exchange.ReplyLost:
		a.say("no clear answer came; looking in %s whether the message is there", seconds(w.For))
	}
}

// seconds writes a wait in whole seconds, rounded up.
func seconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}
