// Package replay shows a recorded feed as it happened: entry after entry, what everybody sees of it beside what is said, where somebody
// with the key brings that along.
package replay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/eavesdrop"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Step is one entry of a feed, in lines that are clean for a screen.
type Step struct {
	Entry int64
	// Posted is the relay's date, zero of an entry without one, which stands behind the one before it in the feed's numbers.
	Posted time.Time
	// Seen is what the entry shows without a key, and Said what is said in it; none where no key was given, or none opens it.
	Seen, Said []string
}

// Said is a message that a key has opened, and where it ends: in which entry, of which date.
type Said struct {
	Entry  int64
	Posted time.Time
	Text   string
}

// Steps puts entries, which may come in any order, in the order of their dates, as far as they have any, and what is said beside them.
// Where a file has rows of several channels, several entries have one number: a message stands at the one that has its date.
func Steps(entries []thingspeak.Entry, said []Said) []Step {
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(x, y thingspeak.Entry) int { return cmp.Compare(x.ID, y.ID) })
	dated := make([]datedStep, len(entries))
	var before time.Time
	for i := range entries {
		e := &entries[i]
		if !e.CreatedAt.IsZero() {
			before = e.CreatedAt
		}
		dated[i] = datedStep{Step{Entry: e.ID, Posted: e.CreatedAt, Seen: seen(e)}, before}
	}
	slices.SortStableFunc(dated, func(x, y datedStep) int { return x.at.Compare(y.at) })
	steps := make([]Step, len(dated))
	for i := range dated {
		steps[i] = dated[i].Step
	}

	type place struct{ entry, posted int64 }
	exact, byNumber := make(map[place]int, len(steps)), make(map[int64]int, len(steps))
	for i := range steps {
		exact[place{steps[i].Entry, steps[i].Posted.Unix()}] = i
		byNumber[steps[i].Entry] = i
	}
	for _, s := range said {
		i, ok := exact[place{s.Entry, s.Posted.Unix()}]
		if !ok {
			i, ok = byNumber[s.Entry]
		}
		if ok {
			text := screen.ShortBlanks(screen.Text(s.Text))
			steps[i].Said = append(steps[i].Said, strings.ReplaceAll(text, "\n", "\n"+Gutter))
		}
	}
	return steps
}

// datedStep is a step and where it stands in time, also one without a date.
type datedStep struct {
	Step

	at time.Time
}

// Gutter stands before each further line of a message, which could look like another one otherwise.
const Gutter = "| "

// mostShown is how many characters of a stranger's text a line has.
const mostShown = 60

// seen is what an entry shows without a key, in a line for each field.
func seen(e *thingspeak.Entry) (lines []string) {
	for _, s := range eavesdrop.Look(e) {
		line := fmt.Sprintf("field %d: ", s.Field)
		switch s.Kind {
		case eavesdrop.Token, eavesdrop.Letter:
			what := "token"
			if s.Kind == eavesdrop.Letter {
				what = "part of an invitation for somebody"
			}
			line += fmt.Sprintf("%s of %s, sealed %s UTC, %d to %d bytes inside: ", what, screen.Count(s.Length, "character"),
				s.Sealed.Format("2006-01-02 15:04:05"), s.MinPlaintext, s.MaxPlaintext)
		case eavesdrop.Damaged:
			line += fmt.Sprintf("damaged token of %s: ", screen.Count(s.Length, "character"))
		default:
			line += "readable by everybody: "
		}
		lines = append(lines, line+excerpt(s.Text))
	}
	if text := e.Status.Text; text != "" {
		lines = append(lines, "status, readable by everybody: "+excerpt(text))
	}
	return lines
}

// excerpt is the beginning of a stranger's text.
func excerpt(s string) string {
	runes := []rune(screen.Line(s[:min(len(s), 8*mostShown)]))
	if len(runes) <= mostShown && len(s) <= 8*mostShown {
		return string(runes)
	}
	return string(runes[:min(len(runes), mostShown)]) + "…"
}

// LongestWait is how long a replay waits for an entry at most, however much later it came.
const LongestWait = 3 * time.Second

// Wait is how long to wait between two steps, so many times faster than it happened.
func Wait(from, to *Step, speed float64) time.Duration {
	if from.Posted.IsZero() || to.Posted.IsZero() {
		return 0
	}
	wait := seconds(from, to) / speed
	if !(wait > 0) { // no date goes back in a replay, and no speed is none
		return 0
	}
	return time.Duration(min(wait, LongestWait.Seconds()) * float64(time.Second))
}

// seconds are those between two steps: of years 1 to 9999, more than a [time.Duration] has.
func seconds(from, to *Step) float64 { return float64(to.Posted.Unix() - from.Posted.Unix()) }

// Later says how much later than the one before a step came; "" of the first, of one that came at once, and without both dates.
func Later(from, to *Step) string {
	if from == nil || from.Posted.IsZero() || to.Posted.IsZero() || seconds(from, to) <= 0 {
		return ""
	}
	return screen.Span(seconds(from, to)) + " later"
}

// When writes a step's date for people.
func (s *Step) When() string {
	if s.Posted.IsZero() {
		return "no date"
	}
	return s.Posted.UTC().Format("2006-01-02 15:04:05")
}
