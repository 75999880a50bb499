package relaycmd

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/diskfile"
	"github.com/fernpost/fernpost/internal/feed"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// importRows is how many rows one transaction stores: few enough that the updates of a serving relay hardly wait.
	importRows = 1000
	// importPause is how long the store is left alone at least between two transactions: who waits for it looks every 2 ms.
	importPause = 2 * time.Millisecond
	// maxBadRows is how many rows are named that cannot be imported.
	maxBadRows = feed.NamedRows
)

func (f *flags) importCommand() *cobra.Command {
	var of channelFlag
	im, zone, order := &importer{}, "", ""
	preset, err := relay.Preset(relay.PresetNone)
	if err != nil {
		panic(err) // the preset is there
	}
	im.limits = preset
	cmd := &cobra.Command{
		Use:   "import --channel ID FILE",
		Short: "Add entries from a CSV or JSON feed to a channel",
		Long: `import adds the rows of a file, or of standard input (-), to a channel, in their order and with their dates. It
reads what "export" and the service's website write, what spreadsheets make of it, and files made by hand: the first line
names the columns, created_at and any of field1 to field8 (or the channel's labels), latitude, longitude, elevation,
status. Dates without a zone are in --timezone; where a file does not tell whether the day, the month or a year of two
digits comes first, --dates does. The rows get the numbers that come next; entry_id is ignored.

The whole file is checked first. If a row cannot be imported, it is named and nothing is stored. Rows that the channel
has already, with the same date and values, are left out, so an import that was interrupted is continued by the same
command, and a second one adds nothing. It works beside a relay that serves the data.`,
		Example: `  fernpost relay import --channel 4711123 feeds.csv
  fernpost relay import --channel 4711123 --timezone Europe/Vienna notes.csv`,
		Args: of.and(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			im.file, im.channel, im.talk = args[0], of.id, cmd.ErrOrStderr()
			var err error
			if cmd.Flags().Changed("timezone") { // or else the file may name one
				if im.options.Zone, err = time.LoadLocation(zone); err != nil {
					return fmt.Errorf("--timezone %s: want the name of a zone, such as UTC or Europe/Vienna", zone)
				}
			}
			if im.options.Dates, err = feed.ParseOrder(order); err != nil {
				return fmt.Errorf("--dates: %w", err)
			}
			if im.file == "-" {
				im.file = "standard input"
				if im.kept, err = os.CreateTemp("", "fernpost-import-"); err != nil {
					return err
				}
				defer func() { im.kept.Close(); os.Remove(im.kept.Name()) }()
				if _, err := io.Copy(im.kept, cmd.InOrStdin()); err != nil {
					return fmt.Errorf("keeping standard input: %w", err)
				}
			}
			return f.withStore(cmd.Context(), func(s serve.Data) error {
				im.store, im.rules = s, relay.New(s, im.limits)
				return im.run(cmd.Context())
			})
		},
	}
	of.add(cmd)
	cmd.Flags().StringVar(&zone, "timezone", "UTC", "zone of dates without an offset, by its IANA `NAME`")
	cmd.Flags().StringVar(&order, "dates", "", "`ORDER` of day, month and year in dates, mdy, dmy or ymd, if the file does not tell")
	cmd.Flags().IntVar(&im.limits.ValueBytes, "max-value-bytes", preset.ValueBytes, "longest field or status, in `BYTES`")
	cmd.Flags().IntVar(&im.limits.MessageBytes, "max-message-bytes", preset.MessageBytes,
		"most `BYTES` that the values of one row have together")
	return cmd
}

// importer adds one file to one channel.
type importer struct {
	file    string
	kept    *os.File // what came from standard input, since it is read twice; nil for a file
	channel int64
	options feed.Options
	limits  relay.Limits
	talk    io.Writer

	store serve.Data
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
	im.options.Import, im.options.Labels = true, c.Labels
	if err := im.checkFile(ctx); err != nil {
		return err
	}
	im.tellHidden(c.Enabled())
	known, err := im.knownRows(ctx, state)
	if err != nil {
		return err
	}
	return im.add(ctx, c.Keys[0].Text, known)
}

// tellHidden says which columns of the file the channel will not show.
func (im *importer) tellHidden(enabled thingspeak.FieldSet) {
	var names []string
	for n := range (im.columns.Fields &^ enabled).All() {
		names = append(names, fmt.Sprintf("field%d", n))
	}
	if len(names) > 0 {
		fmt.Fprintf(im.talk, "note: %s %s stored, but the channel does not show %s: enabled are only its fields with a label\n",
			strings.Join(names, ", "), map[bool]string{true: "is", false: "are"}[len(names) == 1],
			map[bool]string{true: "it", false: "them"}[len(names) == 1])
	}
}

// each calls visit for the rows of the file.
func (im *importer) each(ctx context.Context, visit func(line int, e *thingspeak.Entry) error) (feed.Report, error) {
	var f io.Reader = im.kept
	if im.kept == nil {
		named, err := diskfile.Open(ctx, im.file) // of which a reading ends with ctx, where nobody writes into a pipe
		if err != nil {
			return feed.Report{}, err
		}
		defer named.Close()
		f = named
	}
	n := 0
	report, err := feed.Read(f, im.options, func(line int, e *thingspeak.Entry) error {
		if n++; n%importRows == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		return visit(line, e)
	})
	return report, im.named(err)
}

// named adds the file's name to an error of reading it, and the next step, which who prints the error must not find in it
// once more.
func (im *importer) named(err error) error {
	if e, ok := errors.AsType[*feed.NotFeedError](err); ok {
		return fmt.Errorf("%s: %v (%s)", im.file, e, e.Next)
	}
	return err
}

// errChanged: what was checked is not what is there now.
var errChanged = errors.New("the file changed while it was read")

// checkFile reads the whole file, and names the rows that cannot be imported.
func (im *importer) checkFile(ctx context.Context) error {
	badRows := 0
	var first []thingspeak.RowError
	report, err := im.each(ctx, func(line int, e *thingspeak.Entry) error {
		im.rows++
		if im.rows == 1 || e.CreatedAt.Before(im.oldest) {
			im.oldest = e.CreatedAt
		}
		if im.rows == 1 || e.CreatedAt.After(im.newest) {
			im.newest = e.CreatedAt
		}
		if err := im.rules.CheckEntry(e); err != nil {
			if badRows++; badRows <= maxBadRows {
				first = append(first, thingspeak.RowError{Line: line, Reason: err.Error()})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, text := range report.Assumed {
		fmt.Fprintf(im.talk, "note: %s\n", screen.Line(text))
	}
	if im.columns = report.Columns; im.rows > 0 && im.columns == (thingspeak.Header{}) {
		return fmt.Errorf("%s: the first line names none of the columns field1 to field8, latitude, longitude, elevation, "+
			"status", im.file)
	}
	badRows += report.LeftOut
	first = append(first, report.Named...)
	slices.SortFunc(first, func(a, b thingspeak.RowError) int { return cmp.Compare(a.Line, b.Line) })
	first = first[:min(len(first), maxBadRows)]
	for _, row := range first {
		fmt.Fprintf(im.talk, "%s:%d: %s\n", im.file, row.Line, screen.Line(row.Reason))
	}
	if rest := badRows - len(first); rest > 0 {
		fmt.Fprintf(im.talk, "%s: and %d more\n", im.file, rest)
	}
	if report.Cut && report.LeftOut == 0 {
		return fmt.Errorf("%s ends in the middle; nothing was stored", im.file)
	}
	if badRows > 0 {
		return fmt.Errorf("%s cannot be imported; nothing was stored", rowCount(badRows))
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
	var free time.Time // until then the store is left to others; meanwhile rows are read
	flush := func() error {
		if len(rows) == 0 {
			return nil
		}
		select {
		case <-time.After(time.Until(free)):
		case <-ctx.Done():
			return ctx.Err()
		}
		began := time.Now()
		_, err := im.rules.Update(ctx, relay.Update{Channel: im.channel, Key: writeKey, Entries: rows, Bulk: true})
		if err != nil {
			return err
		}
		free = time.Now().Add(max(time.Since(began)/3, importPause))
		stored += len(rows)
		rows = rows[:0]
		tell.tell(stored+there, im.rows)
		return nil
	}
	report, err := im.each(ctx, func(_ int, e *thingspeak.Entry) error {
		if len(known) > 0 {
			var h rowHash
			if h, buf = im.hash(e, buf); known[h] > 0 {
				known[h]--
				there++
				return nil
			}
		}
		if rows = append(rows, relay.NewEntry{Entry: *e}); len(rows) == importRows {
			return flush()
		}
		return nil
	})
	if err == nil && report.LeftOut > 0 {
		err = errChanged
	}
	if err == nil {
		err = flush()
	}
	if err != nil {
		return fmt.Errorf("%d of %d rows are stored, the same command goes on with the others: %w",
			stored+there, im.rows, err)
	}
	fmt.Fprintf(im.talk, "%s stored, %d %s there already\n", rowCount(stored), there, wasOrWere(there))
	return nil
}

func rowCount(n int) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}

func wasOrWere(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}
