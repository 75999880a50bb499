package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

func (a *app) verifyCommand() *cobra.Command {
	var roomName, csv string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check a room's whole history and print a digest to compare",
		Long: `verify reads the whole feed afresh, from the relay or with --csv from a file, checks every signature and every
number, and prints what it finds: forged, missing, forked or incomplete messages, with their entries. From the relay it
also tells which messages this device has read that are not there any more. It ends with a digest of the conversation
in six words. Two people who read the same words to each other were shown the same conversation, to the letter;
otherwise the relay has shown them different ones.`,
		Example: "  fernpost verify\n  fernpost verify --room lab --csv feeds.csv\n  fernpost verify --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.verify(cmd.Context(), roomName, csv, asJSON)
		},
	}
	cmd.Flags().StringVar(&roomName, "room", "", "the `ROOM` to check (default: the only one)")
	cmd.Flags().StringVar(&csv, "csv", "", "check the feed in `FILE`, at an address, or - for standard input")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line, the last one with the digest")
	return cmd
}

func (a *app) verify(ctx context.Context, roomName, csv string, asJSON bool) error {
	r, err := a.loadRoom(roomName)
	if err != nil {
		return err
	}
	if signed, err := isSigned(r); err != nil {
		return err
	} else if !signed {
		return hint(usagef("room %s holds plain texts: nobody has signed them, so there is nothing to verify", r.Name),
			"rooms of the profiles fernpost and pbkdf2 are signed")
	}
	read := func(visit func(*thingspeak.Entry) error) (feedEnd, record.View, error) {
		return a.readWholeChannel(ctx, r, visit)
	}
	if csv != "" {
		read = func(visit func(*thingspeak.Entry) error) (feedEnd, record.View, error) {
			return a.readWholeCSV(ctx, csv, visit)
		}
	}
	report, end, err := a.verifyFeed(ctx, r, read)
	if err != nil {
		return err
	}
	var withheld []room.Withheld
	if csv == "" { // a file may well be older than what was read
		if withheld, err = a.withheld(r, &report); err != nil {
			return err
		}
	}
	if err := a.printReport(&report, withheld, asJSON); err != nil {
		return err
	}
	if end.cut {
		return partlyError{errors.New("the feed ends in the middle of a line: its last entry may be missing")}
	}
	if report.Records == 0 && report.NotOurs > 0 {
		return errNoKey
	}
	return nil
}

// readWholeChannel reads a channel back to its beginning.
func (a *app) readWholeChannel(
	ctx context.Context, r keyring.Room, visit func(*thingspeak.Entry) error,
) (end feedEnd, view record.View, err error) {
	client, err := a.dial(r)
	if err != nil {
		return end, view, err
	}
	defer client.Close()
	scan := client.Scan()
	for more := true; more; {
		if more, err = scan.Back(ctx, thingspeak.MaxResults, visit); err != nil {
			return end, view, err
		}
		if more {
			a.say("read %s of %d ...", count(int(scan.Info().Rows), "entry"), scan.Info().LastID)
		}
	}
	info := scan.Info()
	view.FromStart = true
	view.Holes = holes(info.Lacking)
	end.last, end.cut, end.skipped = info.LastID, info.CutShort, int(info.Skipped)
	return end, view, nil
}

// readWholeCSV reads a feed from a file. Whether it begins with the channel's first entry shows in the numbers; the
// entries between that are not in it will not come, so they count as asked for.
func (a *app) readWholeCSV(
	ctx context.Context, name string, visit func(*thingspeak.Entry) error,
) (end feedEnd, view record.View, err error) {
	first := int64(0)
	end, err = a.readCSV(ctx, name, 0, func(e *thingspeak.Entry) error {
		if first == 0 || e.ID < first {
			first = e.ID
		}
		return visit(e)
	})
	view.FromStart = first == 1
	view.Unread = end.cut || end.skipped > 0
	return end, view, err
}

// withheld finds out what this device has read that the relay does not show.
func (a *app) withheld(r keyring.Room, report *room.Report) (all []room.Withheld, err error) {
	dir, err := a.dataDir("archive")
	if err != nil {
		return nil, err
	}
	store, err := archive.OpenRoom(dir, r.Name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return report.Withheld(store)
}

func (a *app) printWithheld(w *room.Withheld, asJSON bool) error {
	text := fmt.Sprintf("not there any more: %s from %s that this device has read (%s)",
		count(int(w.Last-w.First)+1, "message"), w.Name, record.Numbers(w.Name, w.First, w.Last))
	if asJSON {
		return a.printJSON(findingJSON{
			Finding: "withheld", Text: text, Author: &w.Name, Key: &w.Author, Number: &w.First, Last: &w.Last,
		})
	}
	a.say("%s", a.style.bad(screen.Line(text)))
	return nil
}

func (a *app) printReport(r *room.Report, withheld []room.Withheld, asJSON bool) error {
	for i := range r.Found {
		if err := a.printFinding(&r.Found[i], false, asJSON); err != nil {
			return err
		}
	}
	for i := range r.Waiting {
		if err := a.printFinding(&r.Waiting[i], false, asJSON); err != nil {
			return err
		}
	}
	if err := a.printFindings(r.Findings, asJSON); err != nil {
		return err
	}
	for i := range withheld {
		if err := a.printWithheld(&withheld[i], asJSON); err != nil {
			return err
		}
	}
	found := len(r.Found) + len(withheld)
	digest := strings.Join(passphrase.Words(6, r.Digest[:16]), " ")
	if asJSON {
		return a.printJSON(verdictJSON{r.Entries, r.Records, r.Authors, r.Unsigned, found, digest})
	}
	verdict := a.style.good("nothing is wrong with them")
	if found > 0 {
		verdict = a.style.bad(count(found, "finding") + ", told above")
	}
	_, err := fmt.Fprintf(a.stdout, "%s by %s in %s; %s unsigned; %s\ndigest: %s\n", count(r.Records, "record"),
		count(r.Authors, "author"), count(r.Entries, "entry"), count(r.Unsigned, "text"), verdict, a.style.bold(digest))
	return err
}
