package relaycmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/diskfile"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// exportRows is how many rows are read at a time. None of the store's resources is held while they are written.
const exportRows = 2000

func (f *flags) exportCommand() *cobra.Command {
	var of channelFlag
	cmd := &cobra.Command{
		Use:   "export --channel ID [FILE]",
		Short: "Write a channel's entries as CSV",
		Long: `export writes all entries of a channel in the format of the service's website: created_at, entry_id, the enabled
fields, latitude, longitude, elevation and status, in the order of entry numbers, dates in UTC. Without FILE, or with
"-", they go to standard output.

A FILE gets its name when it is complete; one that is there is replaced. It works beside a relay that serves the data:
what is posted meanwhile is left out.`,
		Example: `  fernpost relay export --channel 4711123 feeds.csv
  fernpost relay export --channel 4711123 | gzip > feeds.csv.gz`,
		Args: of.and(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.withStore(cmd.Context(), func(s serve.Data) error {
				e := &export{store: s, channel: of.id, progress: newProgress(cmd.ErrOrStderr(), "exported")}
				if len(args) == 0 || args[0] == "-" {
					return e.write(cmd.Context(), forReader(cmd.OutOrStdout()))
				}
				err := diskfile.Replace(args[0], func(f *os.File) error { return e.write(cmd.Context(), f) })
				if err == nil {
					fmt.Fprintf(cmd.ErrOrStderr(), "%d rows in %s\n", e.rows, args[0])
				}
				return err
			})
		},
	}
	of.add(cmd)
	return cmd
}

// export writes one channel.
type export struct {
	store    serve.Data
	channel  int64
	progress *progress
	rows     int
}

func (x *export) write(ctx context.Context, to io.Writer) error {
	c, state, err := x.store.Channel(ctx, x.channel)
	if err != nil {
		return noChannel(err, x.channel)
	}
	page := thingspeak.AppendCSVHeader(nil, c.Enabled(), true, true)
	if _, err := to.Write(page); err != nil {
		return err
	}
	for first := int64(1); first <= state.Last; first += exportRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		last, count := min(first+exportRows-1, state.Last), int64(0)
		page = page[:0]
		err := x.store.Entries(ctx, state.Generation, first, last, func(e *thingspeak.Entry) error {
			page = thingspeak.AppendCSVRow(page, e, c.Enabled(), true, true, nil)
			count++
			return nil
		})
		if err != nil {
			return err
		}
		if count != last-first+1 {
			return cmp.Or(x.sameFeed(ctx, state), fmt.Errorf("of the entries %d to %d only %d are there: the data is damaged",
				first, last, count))
		}
		if _, err := to.Write(page); err != nil {
			return err
		}
		x.rows = int(last)
		x.progress.tell(int(last), int(state.Last))
	}
	// Entries of a feed that was cleared are removed bit by bit: that all were there still does not prove it is ours.
	return x.sameFeed(ctx, state)
}

// sameFeed returns an error if the channel was cleared or deleted since it was in a state.
func (x *export) sameFeed(ctx context.Context, state relay.State) error {
	p, err := x.store.Position(ctx, x.channel)
	if errors.Is(err, relay.ErrNotFound) || err == nil && p.Generation != state.Generation {
		return fmt.Errorf("channel %d was cleared or deleted meanwhile", x.channel)
	}
	return err
}

// forReader takes what could act on a terminal out of a text if w is one; files and pipes get every byte.
func forReader(w io.Writer) io.Writer {
	f, ok := w.(*os.File)
	if !ok {
		return w
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return w
	}
	return terminal{w}
}

// terminal writes texts for people. What is written to it at once must be whole lines.
type terminal struct{ w io.Writer }

// Write is part of [io.Writer].
func (t terminal) Write(text []byte) (int, error) {
	_, err := io.WriteString(t.w, screen.Text(string(text)))
	return len(text), err
}

// progress tells every now and then how far long work has come.
type progress struct {
	w    io.Writer
	verb string
	last time.Time
}

// progressEvery is how long work may go on without a word.
const progressEvery = 2 * time.Second

func newProgress(w io.Writer, verb string) *progress {
	return &progress{w: w, verb: verb, last: time.Now()}
}

func (p *progress) tell(done, all int) {
	if now := time.Now(); now.Sub(p.last) >= progressEvery {
		p.last = now
		fmt.Fprintf(p.w, "%s %d of %d rows\n", p.verb, done, all)
	}
}
