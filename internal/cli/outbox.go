package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/model"
)

func (a *app) outboxCommand() *cobra.Command {
	var roomName string
	var asJSON, retry bool
	var drop uint32
	cmd := &cobra.Command{
		Use:   "outbox",
		Short: "Messages that are on their way: list, post again, take back",
		Long: `outbox lists the messages of a room that the relay has not accepted yet. --retry posts what is waiting; what was
tried before is looked for first, so that nothing is sent twice and a long transfer goes on where it was cut off. --drop
takes a message back of which nothing was tried; in a signed room its number was taken, so a message that says nothing goes
out in its place.`,
		Example: "  fernpost outbox\n  fernpost outbox --retry\n  fernpost outbox --drop 7",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withRoom(roomName, func(c *conversation) error {
				if cmd.Flags().Changed("drop") {
					if err := c.Drop(drop, time.Now()); errors.Is(err, model.ErrOtherIdentity) {
						if err := c.Adopt(cmd.Context(), true); err != nil {
							return explainSending(err)
						}
						return hint(fmt.Errorf("not taken back: %w", err), "\"fernpost outbox\" lists the messages under the numbers that they have now")
					} else if err != nil {
						return err
					}
					a.say("%s is taken back", c.OwnNumber(drop))
				}
				c.asJSON, c.slowEvents = asJSON, asJSON && retry
				if retry {
					c.yes = true // it was asked for when it was written
					return c.retry(cmd.Context())
				}
				return c.listOutbox(asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&roomName, "room", "", "the `ROOM` in question (default: the only one)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().BoolVar(&retry, "retry", false, "post what is waiting")
	cmd.Flags().Uint32Var(&drop, "drop", 0, "take back the message with this `NUMBER`")
	return cmd
}

func (c *conversation) retry(ctx context.Context) error {
	done, waiting, err := c.Retry(ctx)
	switch {
	case err != nil:
		return explainSending(err)
	case done.Posted > 0:
		c.say("accepted, the last one as entry %d", done.Last)
	case waiting:
		c.say("another process has posted what was waiting")
	default:
		c.say("nothing was waiting")
	}
	return nil
}

func (c *conversation) listOutbox(asJSON bool) error {
	queue, err := c.Outbox()
	if err != nil {
		return err
	}
	queue = slices.DeleteFunc(queue, func(q model.Queued) bool { return q.Sent == model.StateAccepted })
	if len(queue) == 0 {
		c.say("the outbox is empty")
	}
	for i := range queue {
		q := &queue[i]
		if asJSON {
			o := queuedJSON{q.Number, q.Kind.String(), q.Sent.String(), q.Since, q.Entries, q.Accepted, known(q.Author)}
			if err := c.printJSON(o); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintf(c.stdout, "%-10s  %-9s %s  %s\n", q.What(), q.Kind, q.Since.Local().Format(stampLayout), state(q)); err != nil {
			return err
		}
	}
	return nil
}

// state says how far a message has come.
func state(q *model.Queued) string {
	if q.Entries > 1 {
		return fmt.Sprintf("%s, %d of %d entries accepted", q.Sent, q.Accepted, q.Entries)
	}
	return q.Sent.String()
}
