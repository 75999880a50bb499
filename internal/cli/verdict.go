package cli

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/feed"
	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// tell prints a finding and counts it: among the data for programs, on stderr for people, also with --quiet. What waits
// is counted by whoever knows how much waits in the end.
func (a *app) tell(f findingJSON, asJSON bool) {
	if !f.Waiting && !f.TakenBack && f.Finding != letterNews {
		a.verdict.Add(f.Finding, 1)
	}
	a.printTold(f, asJSON)
}

// letterNews is the kind of what is told of invitations for somebody: news, of which a verdict says nothing.
const letterNews = "letter"

// tellAll tells findings of the engine.
func (a *app) tellAll(all []item.Finding, asJSON bool) {
	for _, f := range all {
		a.tell(findingJSON(f), asJSON)
	}
}

// tellFinding is tell for a finding about records, which may be taken back.
func (a *app) tellFinding(f *record.Finding, takenBack, asJSON bool) {
	j := jsonOfFinding(f, takenBack)
	if f.Waiting || !model.IsWrong(f) {
		a.tell(j, asJSON)
		return
	}
	a.verdict.Note(f, takenBack)
	a.printTold(j, asJSON)
}

// mostContradictions is how many claims about devices that contradict each other have lines of their own: whoever has
// the room's key makes as many as they like.
const mostContradictions = 10

// findings tells findings about records that come together.
type findings struct {
	a      *app
	asJSON bool
	// told and back count the contradictions that were told and taken back.
	told, back int
}

func (l *findings) tell(f *record.Finding, takenBack bool) {
	if f.Kind == record.Contradiction {
		n := &l.told
		if takenBack {
			n = &l.back
		}
		if *n++; *n > mostContradictions {
			l.a.verdict.Note(f, takenBack)
			return
		}
	}
	l.a.tellFinding(f, takenBack, l.asJSON)
}

// end tells how many had no line.
func (l *findings) end() {
	for _, takenBack := range []bool{false, true} {
		n := l.told
		if takenBack {
			n = l.back
		}
		if n -= mostContradictions; n <= 0 {
			continue
		}
		text := count(n, "more claim") + " about devices that others contradict: none counts"
		f := findingJSON{Finding: record.Contradiction.String(), Text: text, Count: &n, TakenBack: takenBack}
		l.a.printTold(f, l.asJSON)
	}
	l.told, l.back = 0, 0
}

// printTold prints a finding. That it could not be printed is kept: nothing is to be taken for told then.
func (a *app) printTold(f findingJSON, asJSON bool) {
	if asJSON {
		a.unprinted = errors.Join(a.unprinted, a.printJSON(f))
		return
	}
	text := screen.Line(f.Text)
	switch {
	case text == "":
		return
	case f.TakenBack:
		text = a.style.good("no longer true: " + text)
	case f.Waiting:
		text = a.style.dim(text)
	case f.Finding == letterNews:
		text = a.style.dim("note: " + text)
	case model.WeightOf(f.Finding) == model.Wrong:
		text = a.style.bad(text)
	default:
		text = a.style.warn(text)
	}
	_, err := fmt.Fprintln(a.stderr, text)
	a.unprinted = errors.Join(a.unprinted, err)
}

// tellUnread tells what of a room's feed could not be read, and of a file what was assumed.
func (a *app) tellUnread(r model.Room, end *feedEnd, asJSON bool) {
	if text := messenger.HiddenText(r, end.Hidden); text != "" {
		a.tell(findingJSON{Finding: "unread", Text: text}, asJSON)
	}
	rest := end.Skipped
	if end.file != nil {
		for _, text := range end.file.Assumed {
			a.say("%s", a.style.dim("note: "+screen.Line(text)))
		}
		for _, bad := range end.file.Named {
			rest--
			text := fmt.Sprintf("line %d is left out: %s", bad.Line, bad.Reason)
			a.tell(findingJSON{Finding: "unread", Text: text}, asJSON)
		}
	}
	if end.file != nil {
		a.tellPartly(end.file, asJSON)
	}
	if rest > 0 {
		text := count(rest, "row") + " of the feed could not be read"
		if end.file != nil && rest < end.Skipped {
			text = count(rest, "more row") + " of the file could not be read"
		}
		a.tell(findingJSON{Finding: "unread", Text: text, Count: &rest}, asJSON)
	}
	if end.CutShort {
		const text = "the feed ends in the middle of a line: its last entry may be missing"
		a.tell(findingJSON{Finding: "unread", Text: text}, asJSON)
	}
}

// tellPartly tells of the rows of a file that were not read to their end.
func (a *app) tellPartly(file *feed.Report, asJSON bool) {
	for _, row := range file.PartlyNamed {
		text := fmt.Sprintf("line %d is read in part: %s", row.Line, row.Reason)
		a.tell(findingJSON{Finding: "unread", Text: text}, asJSON)
	}
	if rest := file.Partly - len(file.PartlyNamed); rest > 0 {
		text := count(rest, "more row") + " of the file " + isOrAre(rest) + " read in part"
		a.tell(findingJSON{Finding: "unread", Text: text, Count: &rest}, asJSON)
	}
}

// tellContradicted tells which entries a feed shows in two ways: a relay may show one of them to some people, the other
// to others.
func (a *app) tellContradicted(n *feed.Rows, isFile, asJSON bool) {
	const clear = "; or the channel was cleared in between, or somebody has altered it"
	a.tellRanges(n.Contradicted(false), asJSON, func(first, last int64) (kind, text string) {
		return "two versions", record.Entries(first, last) + " " + standOrStands(first, last) + " in this feed with two contents: people may be shown " +
			"different ones" + clear
	}, "of entries with two contents")
	a.tellRanges(n.Contradicted(true), asJSON, func(first, last int64) (kind, text string) {
		if kind = "two dates"; !isFile { // of which nobody has put two together
			kind = record.Redated.String()
		}
		return kind, record.Entries(first, last) + " " + standOrStands(first, last) + " in this feed with two dates"
	}, "of entries with two dates")
}

// tellCuts tells that a file is a part, and which entries between its rows may have been cut off as well.
func (a *app) tellCuts(f *messenger.Feed, asJSON bool) {
	var inside int
	var from, to int64
	for first, last := range f.Numbers.Cuts() {
		if first == 1 && f.Numbers.First() > 1 {
			text := fmt.Sprintf("this is a part of the feed: the file begins with entry %d, and says nothing of what stands before it", last+1)
			a.tell(findingJSON{Finding: "part", Text: text, Entry: &first, LastEntry: &last}, asJSON)
			continue
		}
		inside += int(last - first + 1)
		from, to = cmp.Or(from, first), last
	}
	if inside > 0 {
		text := count(inside, "entry") + " may have been cut off (" + record.Entries(from, to) + "): a bulk update is dated back, so a window by date takes rows out of the middle"
		a.tell(findingJSON{Finding: "cut off", Text: text, Count: &inside, Entry: &from, LastEntry: &to}, asJSON)
	}
}

// foundError says how many findings that were told before say that something is wrong, and how many others were told.
type foundError struct{ wrong, others int }

func (e foundError) Error() string {
	if e.others == 0 {
		return count(e.wrong, "finding") + ", told above"
	}
	says := "say"
	if e.wrong == 1 {
		says += "s"
	}
	return fmt.Sprintf("%d of %s, told above, %s that something is wrong", e.wrong, count(e.wrong+e.others, "finding"), says)
}

// errUnsure says that nothing is known to be wrong, but not everything could be judged.
var errUnsure = partlyError{errors.New("nothing was found to be wrong, but not everything could be judged, as told above")}

// judged is an error where something is wrong, or could not be judged.
func judged(v *model.Verdict) error {
	wrong, unsure, noted := v.Counts()
	switch {
	case wrong > 0:
		return foundError{wrong, unsure + noted}
	case unsure > 0:
		return errUnsure
	}
	return nil
}

// addStrict adds the flag that makes a verdict out of what was told.
func addStrict(flags *pflag.FlagSet, to *bool) {
	flags.BoolVar(to, "strict", false, "end with code 7 if a finding was told or still stands, with 3 if something waits or could not be judged")
}
