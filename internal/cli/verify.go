package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/feed"
	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// verifyOptions are the flags of verify.
type verifyOptions struct {
	room   string
	csv    csvSource
	until  int64 // 0: to the end
	asJSON bool
}

func (a *app) verifyCommand() *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check a room's whole history and print a digest to compare",
		Long: `verify reads the whole feed afresh, from the relay or with --csv from a file, checks every signature and every number,
and prints what it finds: forged, missing, forked or incomplete messages, with their entries, and entries that were not
shown, or in two versions. From the relay it also tells what this device holds otherwise: messages that are not there
any more or stand elsewhere, messages of your own that were accepted and are not shown, and what was told before and
still stands. Names belong to whom they belong to on this device. What stood before the channel was cleared cannot be
checked any more: it is told, and counts only if the relay shows some of it again, as it was (7) or copies of half of it
(3).

It ends with a verdict and a digest, in six words, of what the relay shows now. Two people who read the same words to
each other are shown the same conversation by verify, to the letter and in the same order; recv and watch show what this
device holds, which is the same unless verify tells otherwise. If one of them has read further, --until checks and
compares what both have. A reader in Python, examples/python/fernpost_record.py, prints the digest as 32 hexadecimal digits:
"digest_hex" of --json.

The exit code is 7 if something is wrong, 3 if nothing is but something waits or could not be judged, and 6 if no key
opens anything.`,
		Example: "  fernpost verify\n  fernpost verify --room lab --csv feeds.csv\n  fernpost verify --until 120\n  fernpost verify --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.until < 0 || o.until == 0 && cmd.Flags().Changed("until") {
				return usagef("--until %d: want the number of an entry", o.until)
			}
			return a.verify(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.room, "room", "", "the `ROOM` to check (default: the only one)")
	o.csv.add(cmd.Flags(), "check the feed")
	cmd.Flags().Int64Var(&o.until, "until", 0, "check no entry above number `ENTRY`")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "one JSON object a line, the last one with the digest")
	return cmd
}

func (a *app) verify(ctx context.Context, o verifyOptions) error {
	r, err := a.loadRoom(o.room)
	if err != nil {
		return err
	}
	if signed, err := messenger.Signed(r); err != nil {
		return err
	} else if !signed {
		return hint(usagef("room %s holds plain texts: nobody has signed them, so there is nothing to verify", r.Name),
			"rooms of the profiles fernpost and pbkdf2 are signed")
	}
	var end feedEnd
	options := messenger.VerifyOptions{Until: o.until, Trying: a.tryingParts, Progress: func(rows, last int64) {
		a.say("read %s of %d ...", count(int(rows), "entry"), last)
	}}
	if o.csv.name != "" {
		options.File = func(visit func(*thingspeak.Entry) error) (channel.End, error) {
			end, err = a.readCSV(ctx, o.csv, visit)
			return end.End, err
		}
	}
	report, err := a.verifyFeed(ctx, r, options)
	if errors.Is(err, messenger.ErrNoKey) {
		return hint(err, noKeyHint, r.Name, r.Name, r.Channel)
	}
	if err != nil {
		return err
	}
	end.End = report.Feed.End
	if end.file != nil && o.until > 0 && report.Feed.Numbers.First() == 0 && end.Skipped == 0 && !end.CutShort {
		return hint(usagef("--until %d: the feed that --csv names has no entry up to that", o.until),
			"nothing was checked; \"fernpost recv --csv\" prints the numbers of the entries that it has")
	}
	a.tellReport(&report.Report, o.asJSON)
	if report.Opened == 0 && report.Plain > 0 {
		a.verdict.Doubt() // or a file of something else would have nothing wrong with it
	}
	if end.file == nil { // a file may well be older than what was read
		a.tellComparison(r, &report, o)
	}
	if report.NotOurs > 0 {
		if moved, err := a.engine().MovedAway(r); err == nil {
			a.sayMoved(r.Name, moved)
		}
	}
	a.tellNotShown(&report.Feed, end.file, o.until == 0, o.asJSON)
	a.tellUnread(r, &end, o.asJSON)
	if err := a.printVerdict(&report.Report, o); err != nil {
		return err
	}
	return judged(&a.verdict)
}

// tellReport tells what was found in the records, and what waits.
func (a *app) tellReport(r *model.Report, asJSON bool) {
	if slices.ContainsFunc(r.Found, func(f record.Finding) bool { return f.Kind == record.Namesake && !f.Compared }) {
		defer a.say("of two with one name, compare the words aloud: \"fernpost identity list\" shows them, \"fernpost identity " +
			"verify\" marks the one whose words are right")
	}
	lines := findings{a: a, asJSON: asJSON}
	for i := range r.Found {
		lines.tell(&r.Found[i], false)
	}
	lines.end()
	a.verdict.Pending = len(r.Waiting)
	a.tellWaiting(r.Waiting, asJSON)
	a.tellAll(item.OfCounts(r.Findings), asJSON)
}

// tellComparison tells where what this device holds differs from what the relay shows, up to its entry last. Where the
// archive cannot be used, what was found without it stands, and that nothing was compared is told.
func (a *app) tellComparison(r model.Room, v *messenger.Verified, o verifyOptions) {
	done := a.computing(func() string { return "comparing that with what this device holds" })
	d, err := a.engine().Compare(r, v, o.until)
	done()
	if err != nil {
		text := "what this device has read before could not be compared with it: " + err.Error()
		if next := nextStep(err); next != "" {
			text += " (" + next + ")"
		}
		a.tell(findingJSON{Finding: "not compared", Text: text}, o.asJSON)
		return
	}
	other := false // than the digest is of
	for i := range d.Differing {
		other = other || d.Differing[i].FirstShown > 0
		a.tell(findingJSON(messenger.OfDiffering(&d.Differing[i])), o.asJSON)
	}
	for i := range d.Redated {
		a.tell(jsonOfFinding(&d.Redated[i], false), o.asJSON)
	}
	for _, f := range a.unchecked(r, &d) {
		a.tell(f, o.asJSON)
	}
	for i := range d.Unshown {
		a.tellUnshown(&d.Unshown[i], v.Feed.Numbers.Highest(), o.asJSON)
	}
	for i := range d.Standing {
		j := jsonOfFinding(&d.Standing[i], false)
		j.Text = "told before: " + j.Text
		if j.Waiting = d.Behind; d.Behind { // what is not read yet may take it back
			a.verdict.Doubt()
		}
		a.tell(j, o.asJSON)
	}
	switch {
	case d.Behind && len(d.Standing) > 0:
		a.say("this device has not read all that the relay shows: \"fernpost recv\" does, and tells what is true no longer")
	case d.Behind: // else a message that it does not show yet passes for one that it does
		a.say("this device has not read all that the relay shows: \"fernpost recv\" does")
	}
	if other {
		a.say("the digest is of what the relay shows now, not of the order in which \"recv\" and \"watch\" show it here")
	}
}

// unchecked says what this device holds and cannot compare with what the relay shows, and what it has told of that, for
// information.
func (a *app) unchecked(r model.Room, d *model.Comparison) (all []findingJSON) {
	if d.KeyGone.Messages > 0 {
		all = append(all, keyGoneJSON(d.KeyGone, r.Name))
	}
	if n := d.Cleared.Messages; d.Cleared.Doubted(d.Copied) {
		all = append(all, notClearedJSON(n, d.Copied))
	} else if n > 0 {
		all = append(all, findingJSON{
			Finding: "before the clear", Count: &n,
			Text: count(n, "message") + " that this device has read or posted stood there before the channel was cleared, or the relay " +
				"lost its entries: nothing of that can be checked any more",
		})
	}
	for i := range d.Past {
		text := "told before, of what a clear took away: "
		if d.Past[i].Kind == record.Cleared {
			if text = "told before: "; d.Cleared.Messages > 0 { // it says that
				continue
			}
		}
		all = append(all, findingJSON{Finding: "before the clear", Text: text + d.Past[i].Text()})
	}
	if d.Elsewhere > 0 {
		all = append(all, findingJSON(a.engine().OfElsewhere(r, d.Elsewhere)))
	}
	return all
}

func notClearedJSON(gone, copied int) findingJSON {
	them := map[bool]string{true: "it", false: "them"}[gone == 1]
	text := fmt.Sprintf("%s that this device has read or posted %s not shown since the channel was cleared, and %s that stood there with %s %s "+
		"shown again: either somebody has posted those once more, or the relay has cleared nothing and withholds the others",
		count(gone, "message"), isOrAre(gone), count(copied, "message"), them, isOrAre(copied))
	return findingJSON{Finding: "not cleared", Count: &gone, Text: text}
}

// tellUnshown tells of a message of our own that the relay has accepted and, up to its entry last, does not show.
func (a *app) tellUnshown(q *model.Queued, last int64, asJSON bool) {
	what := q.What()
	f := findingJSON{
		Finding: "not shown", Author: &q.Name, Number: &q.Number, Last: &q.Number, Entry: &q.Entry, LastEntry: &q.Entry,
		Text: fmt.Sprintf("the relay has accepted %s as entry %d, and does not show it", what, q.Entry),
	}
	if q.Entry > last { // it may be slow
		f.Waiting = true
		a.verdict.Doubt()
		f.Text = fmt.Sprintf("the relay has accepted %s as entry %d, and shows no entry above %d", what, q.Entry, last)
	}
	a.tell(f, asJSON)
}

// tellNotShown tells which entries a feed lacks or shows in two ways, and those that it names above its rows: a file in
// JSON also beside them, unless only a part was wanted.
func (a *app) tellNotShown(f *messenger.Feed, file *feed.Report, all, asJSON bool) {
	a.tellContradicted(&f.Numbers, f.IsFile, asJSON)
	if file != nil {
		a.tellCuts(f, asJSON)
	}
	a.tellGaps(f.NotShown(), asJSON)
	if file != nil && all {
		f.Last = max(f.Last, file.LastEntryID)
	}
	first, last := f.Claimed()
	if last == 0 {
		return
	}
	text := messenger.NamedText(first, last)
	if file != nil {
		text = fmt.Sprintf("the file names entry %d as the newest, and has none above %d", last, first-1)
	}
	a.tell(findingJSON{Finding: "claimed", Text: text, Entry: &first, LastEntry: &last}, asJSON)
}

// tellGaps tells which entries were not shown.
func (a *app) tellGaps(gaps iter.Seq2[int64, int64], asJSON bool) {
	a.tellCounting(messenger.Gaps(gaps), asJSON)
}

// tellRanges tells of each of the first ranges of entries what say says, and of the others how many there are of what.
func (a *app) tellRanges(ranges iter.Seq2[int64, int64], asJSON bool, say func(first, last int64) (kind, text string), what string) {
	a.tellCounting(messenger.Ranges(ranges, say, what), asJSON)
}

// tellCounting tells findings of which one may stand for as many as it counts.
func (a *app) tellCounting(all []item.Finding, asJSON bool) {
	a.tellAll(all, asJSON)
	for _, f := range all {
		if f.Count != nil && *f.Count > 1 && model.WeightOf(f.Finding) == model.Wrong {
			a.verdict.Add(f.Finding, *f.Count-1)
		}
	}
}

func standOrStands(first, last int64) string {
	if first == last {
		return "stands"
	}
	return "stand"
}

// printVerdict prints what was checked, the verdict and the digest.
func (a *app) printVerdict(r *model.Report, o verifyOptions) error {
	digest := passphrase.SixWords([16]byte(r.Digest[:16]))
	found, unsure, noted := a.verdict.Counts()
	if o.asJSON {
		return a.printJSON(verdictJSON{
			r.Entries, r.Records, r.Authors, r.Unsigned, found, unsure, noted, digest, hex.EncodeToString(r.Digest[:16]),
			record.DigestVersion, len(r.Lines), r.Authors, known(o.until),
		})
	}
	verdict := a.style.good("nothing is wrong with them")
	switch {
	case found > 0:
		verdict = a.style.bad(judged(&a.verdict).Error())
	case unsure > 0:
		verdict = a.style.warn("nothing is known to be wrong with them, but not everything could be judged")
	}
	return a.printLines(fmt.Sprintf("%s by %s in %s; %s unsigned; %s\ndigest: %s (version %d, %s, %s)\n",
		count(r.Records, "record"), count(r.Authors, "author"), count(r.Entries, "entry"), count(r.Unsigned, "text"), verdict,
		a.style.bold(digest), record.DigestVersion, count(len(r.Lines), "line"), count(r.Authors, "key")))
}
