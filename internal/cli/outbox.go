package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

func (a *app) outboxCommand() *cobra.Command {
	var roomName string
	var asJSON, retry, oldKey, anyway bool
	var drop uint32
	cmd := &cobra.Command{
		Use:   "outbox",
		Short: "Messages that are on their way: list, post again, take back",
		Long: `outbox lists the messages of a room that the relay has not accepted yet. --retry posts what is waiting; what was
tried before is looked for first, so that nothing is sent twice and a long transfer goes on where it was cut off. --drop
takes a message back of which nothing was tried; in a signed room its number was taken, so a message that says nothing goes
out in its place. What the relay has refused it has had, and may have stored: taken back with --anyway, and shown later all the
same, it looks to everybody as if you had written two messages under one number.

Where somebody whose words were compared has moved the room to a key that is not here, nothing is posted: "fernpost key add"
with the new passphrase, then --retry, sends it under the new key, and --retry --old-key under the old one.`,
		Example: "  fernpost outbox\n  fernpost outbox --retry\n  fernpost outbox --drop 7",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if oldKey && !retry {
				return usagef("--old-key goes with --retry")
			}
			if anyway && !cmd.Flags().Changed("drop") {
				return usagef("--anyway goes with --drop")
			}
			return a.withRoom(roomName, func(c *conversation) error {
				if cmd.Flags().Changed("drop") {
					if err := c.takeBack(cmd.Context(), drop, anyway); err != nil {
						return err
					}
				}
				c.asJSON, c.slowEvents = asJSON, asJSON && retry
				if retry {
					c.yes = true // it was asked for when it was written
					return c.retry(cmd.Context(), oldKey)
				}
				return c.listOutbox(asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&roomName, "room", "", "the `ROOM` in question (default: the only one)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().BoolVar(&retry, "retry", false, "post what is waiting")
	cmd.Flags().BoolVar(&oldKey, "old-key", false, "with --retry: post also what is sealed with a key that the room has moved away from")
	cmd.Flags().Uint32Var(&drop, "drop", 0, "take back the message with this `NUMBER`")
	cmd.Flags().BoolVar(&anyway, "anyway", false, "with --drop: also one that the relay has refused, and may have all the same")
	return cmd
}

// takeBack takes a message out of the outbox.
func (c *conversation) takeBack(ctx context.Context, number uint32, anyway bool) error {
	room := c.Settings().Name
	switch err := c.Drop(ctx, number, anyway); {
	case errors.Is(err, model.ErrOtherIdentity):
		return hint(fmt.Errorf("not taken back: %w", err), "%s lists the messages under the numbers that they have now",
			outboxOf(room))
	case errors.Is(err, model.ErrRefused):
		return hint(c.explainOutbox(err), "%s takes it back all the same (see \"fernpost outbox --help\"); "+
			"--retry posts it once the relay takes it", outboxOf(room, "--drop", fmt.Sprint(number), "--anyway"))
	case err != nil:
		return c.explainOutbox(err)
	}
	c.say("%s is taken back", c.OwnNumber(number))
	return nil
}

// explainOutbox adds the next step to an error of posting what waits.
func (c *conversation) explainOutbox(err error) error {
	if _, moved := errors.AsType[*model.MovedError](err); moved {
		return explainDelivery(err, c.Settings().Name)
	}
	return explainSending(err, c.Settings().Name, "")
}

func (c *conversation) retry(ctx context.Context, oldKey bool) error {
	done, waited, err := c.Retry(ctx, messenger.SendOptions{OldKey: oldKey})
	if err != nil {
		err = c.explainOutbox(err)
	}
	for i := 0; c.asJSON && i < len(waited); i++ {
		err = errors.Join(err, c.printJSON(jsonOfSent(c.Settings(), &waited[i])))
	}
	switch {
	case err != nil:
	case done.Posted > 0:
		c.say("accepted, the last one as entry %d", done.Last)
	case len(waited) > 0:
		c.say("what was waiting had been accepted already")
	default:
		c.say("nothing was waiting")
	}
	return err
}

func (c *conversation) listOutbox(asJSON bool) error {
	queue, err := c.NotAccepted()
	if err != nil {
		return err
	}
	items, err := c.OnTheirWay()
	if err != nil {
		return err
	}
	if len(queue) == 0 {
		c.say("the outbox is empty")
		return nil
	}
	held, err := "", c.HeldBack()
	moved, ok := errors.AsType[*model.MovedError](err)
	if ok {
		held = fmt.Sprintf("%s has moved the room to a new key, which is not here", moved.By.Name)
	} else if err != nil {
		return err
	}
	for i := range queue {
		q := &queue[i]
		if asJSON {
			o := queuedJSON{
				q.Number, q.Kind.String(), q.Sent.String(), q.Since, q.Entries, q.Accepted, known(q.Author), known(beginning(q, items)),
				known(held),
			}
			if err := c.printJSON(o); err != nil {
				return err
			}
			continue
		}
		line := fmt.Sprintf("%-10s  %-9s %s  %s", q.What(), q.Kind, q.Since.Local().Format(item.Stamp), state(q))
		if held != "" {
			line += ", held back: " + screen.Line(held)
		}
		if text := beginning(q, items); text != "" {
			line += ": " + text
		}
		if err := c.printLines(line + "\n"); err != nil {
			return err
		}
	}
	if moved != nil {
		c.say("%s", afterMove(moved))
	}
	return nil
}

// mostBeginning is how many characters of a message that waits are shown.
const mostBeginning = 60

// beginning is the beginning of what a message of the outbox says or has measured, or the name of its file; "" where it
// is none of these, or cannot be opened.
func beginning(q *model.Queued, items []model.Item) string {
	at := slices.IndexFunc(items, func(it model.Item) bool { return it.Sent.Author == q.Author && it.Sent.Number == q.Number })
	if at < 0 {
		return ""
	}
	if m := items[at].Unsigned; m != nil && m.Reading != nil {
		return excerpt(m.Reading.String(), mostBeginning)
	} else if m != nil {
		return excerpt(m.Text, mostBeginning)
	}
	switch b := items[at].Record.Body.(type) {
	case record.Text:
		return excerpt(string(b), mostBeginning)
	case record.File:
		return excerpt(b.Name, mostBeginning)
	case record.Reading:
		return excerpt(b.String(), mostBeginning)
	}
	return ""
}

// state says how far a message has come.
func state(q *model.Queued) string {
	if q.Entries > 1 {
		return fmt.Sprintf("%s, %d of %d entries accepted", q.Sent, q.Accepted, q.Entries)
	}
	return q.Sent.String()
}
