package model

import "github.com/fernpost/fernpost/internal/record"

// Weight is what a finding is to a verdict.
type Weight uint8

// The weights.
const (
	// Wrong: something is wrong.
	Wrong Weight = iota
	// Unsure: something could not be judged.
	Unsure
	// Noted: nothing is wrong with it.
	Noted
)

// weights are those of the kinds that say less than that something is wrong.
var weights = map[string]Weight{
	record.NotOurs.String(): Unsure, "damaged": Unsure, "disguised": Unsure, record.Newer.String(): Unsure, "unread": Unsure, "claimed": Unsure,
	"too late": Unsure, "not compared": Unsure, "key gone": Unsure, "not of this room": Unsure, "cut off": Unsure, "part": Noted, "not cleared": Unsure, "two dates": Unsure,
	record.Repeat.String(): Noted, "expired": Noted, "from the future": Noted, record.Unsigned.String(): Noted,
	record.Renamed.String(): Noted, "letter": Noted, "not encrypted": Noted, "elsewhere": Noted, "before the clear": Noted,
}

// WeightOf returns the weight of a kind of finding, which goes by its name.
func WeightOf(kind string) Weight { return weights[kind] }

// IsWrong reports whether a finding about records says that something is wrong.
func IsWrong(f *record.Finding) bool { return WeightOf(f.Kind.String()) == Wrong }

// Verdict is what the findings that were told come to. The zero Verdict is that nothing is wrong.
type Verdict struct {
	// Endless means that nobody asks for it: then what was told is not remembered, which has no end.
	Endless bool
	// Pending is what may still come.
	Pending int

	told                  map[record.FindingID]bool // findings about records that were not taken back
	others, unsure, noted int
}

// Add counts findings of a kind, and returns what each weighs.
func (v *Verdict) Add(kind string, n int) Weight {
	w := WeightOf(kind)
	switch w {
	case Wrong:
		v.others += n
	case Unsure:
		v.unsure += n
	case Noted:
		v.noted += n
	}
	return w
}

// Doubt counts something that could not be judged, and never will be by whoever asks.
func (v *Verdict) Doubt() { v.unsure++ }

// Note counts a finding about records by which something is wrong, or counts it no more.
func (v *Verdict) Note(f *record.Finding, takenBack bool) {
	switch {
	case v.Endless:
	case takenBack:
		delete(v.told, f.ID())
	default:
		if v.told == nil {
			v.told = map[record.FindingID]bool{}
		}
		v.told[f.ID()] = true
	}
}

// Untold returns those of the findings about records by which something is wrong and that were not counted.
func (v *Verdict) Untold(all []record.Finding) (rest []*record.Finding) {
	for i := range all {
		if f := &all[i]; IsWrong(f) && !v.told[f.ID()] {
			rest = append(rest, f)
		}
	}
	return rest
}

// Counts returns how many findings say that something is wrong, how many that something waits or could not be judged, and how
// many neither. Where the first are none, nothing is known to be wrong; where the second are none as well, nothing is.
func (v *Verdict) Counts() (wrong, unsure, noted int) {
	return len(v.told) + v.others, v.unsure + v.Pending, v.noted
}
