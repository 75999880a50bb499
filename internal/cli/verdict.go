package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/feed"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// tally counts what a command has told, for its verdict.
type tally struct {
	// told are the findings about records that were told and not taken back, and others counts all other findings.
	told   map[record.FindingID]bool
	others int
	// noVerdict means that nobody will ask for one: a watch without end does not remember all that it has told.
	noVerdict bool
	// unsure counts what could not be judged and never will be by this command, and pending what may still come.
	unsure, pending int
	// noted counts what was told for information.
	noted int
	// moveShown means that a message was shown that says where the room has moved to.
	moveShown bool
	// unsaved counts the files that could not be saved.
	unsaved int
}

// weight is what a finding is to a verdict.
type weight uint8

const (
	wrong  weight = iota // something is wrong
	unsure               // something could not be judged
	noted                // nothing is wrong with it
)

// weights are those of the kinds that say less than that something is wrong.
var weights = map[string]weight{
	record.NotOurs.String(): unsure, "damaged": unsure, "disguised": unsure, record.Newer.String(): unsure, "unread": unsure, "claimed": unsure,
	"too late": unsure, "not compared": unsure, "key gone": unsure, "not of this room": unsure, "cut off": unsure, "part": noted, "not cleared": unsure, "two dates": unsure,
	record.Repeat.String(): noted, "expired": noted, "from the future": noted, record.Unsigned.String(): noted,
	record.Renamed.String(): noted, "not encrypted": noted, "elsewhere": noted, "before the clear": noted,
}

// tell prints a finding and counts it: among the data for programs, on stderr for people, also with --quiet. What waits
// is counted by whoever knows how much waits in the end.
func (a *app) tell(f findingJSON, asJSON bool) error {
	w := weights[f.Finding]
	if !f.Waiting && !f.TakenBack {
		switch w {
		case wrong:
			a.tally.others++
		case unsure:
			a.tally.unsure++
		case noted:
			a.tally.noted++
		}
	}
	return a.printTold(f, w, asJSON)
}

// tellFinding is tell for a finding about records, which may be taken back.
func (a *app) tellFinding(f *record.Finding, takenBack, asJSON bool) error {
	j := jsonOfFinding(f, takenBack)
	if w := weights[j.Finding]; f.Waiting || w != wrong {
		return a.tell(j, asJSON)
	}
	a.tally.note(f, takenBack)
	return a.printTold(j, wrong, asJSON)
}

// note counts a finding about records for the verdict, or counts it no more.
func (t *tally) note(f *record.Finding, takenBack bool) {
	switch {
	case t.noVerdict:
	case takenBack:
		delete(t.told, f.ID())
	default:
		if t.told == nil {
			t.told = map[record.FindingID]bool{}
		}
		t.told[f.ID()] = true
	}
}

// mostContradictions is how many claims about devices that contradict each other have lines of their own: whoever has the
// room's key makes as many as they like.
const mostContradictions = 10

// findings tells findings about records that come together.
type findings struct {
	a      *app
	asJSON bool
	// told and back count the contradictions that were told and taken back.
	told, back int
}

func (l *findings) tell(f *record.Finding, takenBack bool) error {
	if f.Kind == record.Contradiction {
		n := &l.told
		if takenBack {
			n = &l.back
		}
		if *n++; *n > mostContradictions {
			l.a.tally.note(f, takenBack)
			return nil
		}
	}
	return l.a.tellFinding(f, takenBack, l.asJSON)
}

// end tells how many had no line.
func (l *findings) end() error {
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
		if err := l.a.printTold(f, wrong, l.asJSON); err != nil {
			return err
		}
	}
	l.told, l.back = 0, 0
	return nil
}

func (a *app) printTold(f findingJSON, w weight, asJSON bool) error {
	if asJSON {
		return a.printJSON(f)
	}
	text := screen.Line(f.Text)
	switch {
	case text == "":
		return nil
	case f.TakenBack:
		text = a.style.good("no longer true: " + text)
	case f.Waiting:
		text = a.style.dim(text)
	case w == wrong:
		text = a.style.bad(text)
	default:
		text = a.style.warn(text)
	}
	_, err := fmt.Fprintln(a.stderr, text)
	return err
}

// tellUnread tells what of a room's feed could not be read, and of a file what was assumed.
func (a *app) tellUnread(r model.Room, end *feedEnd, asJSON bool) error {
	if text := hiddenText(r, end.Hidden); text != "" {
		if err := a.tell(findingJSON{Finding: "unread", Text: text}, asJSON); err != nil {
			return err
		}
	}
	rest := end.Skipped
	if end.file != nil {
		for _, text := range end.file.Assumed {
			a.say("%s", a.style.dim("note: "+screen.Line(text)))
		}
		for _, bad := range end.file.Named {
			rest--
			text := fmt.Sprintf("line %d is left out: %s", bad.Line, bad.Reason)
			if err := a.tell(findingJSON{Finding: "unread", Text: text}, asJSON); err != nil {
				return err
			}
		}
	}
	if end.file != nil {
		if err := a.tellPartly(end.file, asJSON); err != nil {
			return err
		}
	}
	if rest > 0 {
		text := count(rest, "row") + " of the feed could not be read"
		if end.file != nil && rest < end.Skipped {
			text = count(rest, "more row") + " of the file could not be read"
		}
		if err := a.tell(findingJSON{Finding: "unread", Text: text, Count: &rest}, asJSON); err != nil {
			return err
		}
	}
	if end.CutShort {
		const text = "the feed ends in the middle of a line: its last entry may be missing"
		return a.tell(findingJSON{Finding: "unread", Text: text}, asJSON)
	}
	return nil
}

// tellPartly tells of the rows of a file that were not read to their end.
func (a *app) tellPartly(file *feed.Report, asJSON bool) error {
	for _, row := range file.PartlyNamed {
		text := fmt.Sprintf("line %d is read in part: %s", row.Line, row.Reason)
		if err := a.tell(findingJSON{Finding: "unread", Text: text}, asJSON); err != nil {
			return err
		}
	}
	rest := file.Partly - len(file.PartlyNamed)
	if rest == 0 {
		return nil
	}
	text := count(rest, "more row") + " of the file " + map[bool]string{true: "is read", false: "are read"}[rest == 1] + " in part"
	return a.tell(findingJSON{Finding: "unread", Text: text, Count: &rest}, asJSON)
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

// found is how many findings were told.
func (t *tally) found() int { return len(t.told) + t.others }

// verdict is an error where something is wrong, or could not be judged.
func (t *tally) verdict() error {
	switch {
	case t.found() > 0:
		return foundError{t.found(), t.unsure + t.pending + t.noted}
	case t.unsure+t.pending > 0:
		return errUnsure
	}
	return nil
}

// addStrict adds the flag that makes a verdict out of what was told.
func addStrict(flags *pflag.FlagSet, to *bool) {
	flags.BoolVar(to, "strict", false, "end with code 7 if a finding was told or still stands, with 3 if something waits or could not be judged")
}
