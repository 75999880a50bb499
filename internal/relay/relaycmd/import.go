package relaycmd

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// importRows is how many rows one transaction stores: few enough that the updates of a serving relay hardly wait.
	importRows = 1000
	// maxBadRows is how many rows are named that cannot be imported.
	maxBadRows = 20
)

func (f *flags) importCommand() *cobra.Command {
	var of channelFlag
	im, zone := &importer{}, ""
	preset, err := relay.Preset(relay.PresetNone)
	if err != nil {
		panic(err) // the preset is there
	}
	im.limits = preset
	cmd := &cobra.Command{
		Use:   "import --channel ID FILE",
		Short: "Add entries from a CSV file to a channel",
		Long: `import adds the rows of a CSV file to a channel, in their order and with their dates. It reads what "export" and
the service's website write, and files made by hand: the first line names the columns, created_at and any of field1
to field8, latitude, longitude, elevation, status. Dates are seconds since 1970, ISO 8601 or YYYY-MM-DD HH:MM:SS; those
without an offset are in --timezone. The rows get the numbers that come next; entry_id is ignored.

The whole file is checked first. If a row cannot be imported, it is named and nothing is stored. Rows that the channel
has already, with the same date and values, are left out, so an import that was interrupted is continued by the same
command, and a second one adds nothing. It works beside a relay that serves the data.`,
		Example: `  fernpost relay import --channel 4711123 feeds.csv
  fernpost relay import --channel 4711123 --timezone Europe/Vienna notes.csv`,
		Args: of.and(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			im.file, im.channel, im.talk = args[0], of.id, cmd.ErrOrStderr()
			var err error
			if im.zone, err = time.LoadLocation(zone); err != nil {
				return fmt.Errorf("--timezone: %w", err)
			}
			return f.withStore(cmd.Context(), func(s dataStore) error {
				im.store, im.rules = s, relay.New(s, im.limits)
				return im.run(cmd.Context())
			})
		},
	}
	of.add(cmd)
	cmd.Flags().StringVar(&zone, "timezone", "UTC", "zone of dates without an offset, by its IANA `NAME`")
	cmd.Flags().IntVar(&im.limits.ValueBytes, "max-value-bytes", preset.ValueBytes, "longest field or status, in `BYTES`")
	cmd.Flags().IntVar(&im.limits.MessageBytes, "max-message-bytes", preset.MessageBytes,
		"most `BYTES` that the values of one row have together")
	return cmd
}

// importer adds one file to one channel.
type importer struct {
	file    string
	channel int64
	zone    *time.Location
	limits  relay.Limits
	talk    io.Writer

	store dataStore
	rules *relay.Relay
	// columns are those of the file.
	columns thingspeak.Header
	rows    int
	// oldest and newest are of the file's rows.
	oldest, newest time.Time
}

// run checks the file, looks for rows that are there already, and adds the others.
func (im *importer) run(ctx context.Context) error {
	c, state, err := im.store.Channel(ctx, im.channel)
	if err != nil {
		return noChannel(err, im.channel)
	}
	if err := im.checkFile(ctx); err != nil {
		return err
	}
	known, err := im.knownRows(ctx, state)
	if err != nil {
		return err
	}
	return im.add(ctx, c.Keys[0].Text, known)
}

// each calls visit for the rows of the file, and bad for those that cannot be read; without bad there may be none.
func (im *importer) each(
	ctx context.Context, visit func(line int, e *thingspeak.Entry) error, bad func(line int, why string),
) error {
	f, err := os.Open(im.file)
	if err != nil {
		return err
	}
	defer f.Close()
	r := thingspeak.NewImportReader(f, im.zone)
	if im.columns, err = r.Header(); err != nil {
		return fmt.Errorf("%s: %w", im.file, err)
	}
	if im.columns.Fields == 0 && !im.columns.Location && !im.columns.Status {
		return fmt.Errorf("%s: the first line names none of the columns field1 to field8, latitude, longitude, elevation, "+
			"status", im.file)
	}
	if bad != nil {
		for _, name := range r.Ignored() {
			fmt.Fprintf(im.talk, "note: the column %q is ignored\n", name)
		}
	}
	var e thingspeak.Entry
	for n := 0; ; n++ {
		if n%importRows == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		err := r.Read(&e)
		cut, isCut := errors.AsType[*thingspeak.CutShortError](err)
		row, isRow := errors.AsType[*thingspeak.RowError](err)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case isCut && cut.Delivered: // the file merely has no line end
		case (isRow || isCut) && bad == nil:
			return errChanged
		case isRow:
			bad(row.Line, row.Reason)
		case isCut:
			bad(cut.Line, "the file ends in the middle of a row")
		case err != nil:
			return fmt.Errorf("%s: %w", im.file, err)
		default:
			if err := visit(r.Line(), &e); err != nil {
				return err
			}
		}
	}
}

// errChanged: what was checked is not what is there now.
var errChanged = errors.New("the file changed while it was read")

// checkFile reads the whole file, and names the rows that cannot be imported.
func (im *importer) checkFile(ctx context.Context) error {
	badRows := 0
	bad := func(line int, why string) {
		if badRows++; badRows <= maxBadRows {
			fmt.Fprintf(im.talk, "%s:%d: %s\n", im.file, line, screen.Line(why))
		}
	}
	err := im.each(ctx, func(line int, e *thingspeak.Entry) error {
		im.rows++
		if im.rows == 1 || e.CreatedAt.Before(im.oldest) {
			im.oldest = e.CreatedAt
		}
		if im.rows == 1 || e.CreatedAt.After(im.newest) {
			im.newest = e.CreatedAt
		}
		if err := im.rules.CheckEntry(e); err != nil {
			bad(line, err.Error())
		}
		return nil
	}, bad)
	if err != nil {
		return err
	}
	if badRows > maxBadRows {
		fmt.Fprintf(im.talk, "%s: and %d more\n", im.file, badRows-maxBadRows)
	}
	if badRows > 0 {
		return fmt.Errorf("%d rows cannot be imported; nothing was stored", badRows)
	}
	return nil
}

// rowHash stands for the date and the values of a row, as far as the file's columns show them.
type rowHash [16]byte

// hash uses buf, which it returns for the next call.
func (im *importer) hash(e *thingspeak.Entry, buf []byte) (rowHash, []byte) {
	row := *e
	row.ID = 0
	buf = thingspeak.AppendCSVRow(buf[:0], &row, im.columns.Fields, im.columns.Location, im.columns.Status, nil)
	sum := sha256.Sum256(buf)
	return rowHash(sum[:16]), buf
}

// knownRows counts the channel's entries of the file's time by their hash.
func (im *importer) knownRows(ctx context.Context, s relay.State) (map[rowHash]int, error) {
	known := map[rowHash]int{}
	var buf []byte
	tell := newProgress(im.talk, "compared")
	for first := int64(1); first <= s.Last; first += exportRows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		last := min(first+exportRows-1, s.Last)
		err := im.store.Entries(ctx, s.Generation, first, last, func(e *thingspeak.Entry) error {
			if e.CreatedAt.Before(im.oldest) || e.CreatedAt.After(im.newest) {
				return nil
			}
			var h rowHash
			h, buf = im.hash(e, buf)
			known[h]++
			return nil
		})
		if err != nil {
			return nil, err
		}
		tell.tell(int(last), int(s.Last))
	}
	return known, nil
}

// add stores the rows that are not known, a transaction for every importRows.
func (im *importer) add(ctx context.Context, writeKey string, known map[rowHash]int) error {
	var rows []relay.NewEntry
	var buf []byte
	stored, there := 0, 0
	tell := newProgress(im.talk, "imported")
	flush := func() error {
		if len(rows) == 0 {
			return nil
		}
		began := time.Now()
		_, err := im.rules.Update(ctx, relay.Update{Channel: im.channel, Key: writeKey, Entries: rows, Bulk: true})
		if err != nil {
			return err
		}
		stored += len(rows)
		rows = nil
		tell.tell(stored+there, im.rows)
		// Others get as much of the store's time as we take.
		select {
		case <-time.After(time.Since(began)):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := im.each(ctx, func(_ int, e *thingspeak.Entry) error {
		var h rowHash
		if h, buf = im.hash(e, buf); known[h] > 0 {
			known[h]--
			there++
			return nil
		}
		if rows = append(rows, relay.NewEntry{Entry: *e}); len(rows) == importRows {
			return flush()
		}
		return nil
	}, nil)
	if err == nil {
		err = flush()
	}
	if err != nil {
		return fmt.Errorf("%d of %d rows are stored, the same command goes on with the others: %w",
			stored+there, im.rows, err)
	}
	fmt.Fprintf(im.talk, "%d rows stored, %d were there already\n", stored, there)
	return nil
}
