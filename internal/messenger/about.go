package messenger

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/feed"
	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// doubt is said where a relay shows less than it did before. One stale answer proves nothing, so it has a minute.
const doubt = "the relay shows less than before; if that lasts for a minute it is believed, and reading goes on"

// Lasting is what a reading has found out for good, besides messages and findings about records. In a room of texts
// nothing else shows that entries are lacking.
func (r *Room) Lasting(n *exchange.News, arrivals *model.Arrivals) (all []item.Finding) {
	if !r.signed {
		all = Gaps(func(yield func(first, last int64) bool) {
			for i := range n.Lost {
				if !yield(n.Lost[i].First, n.Lost[i].Last) {
					return
				}
			}
		})
	}
	if all = append(all, OfArrivals(arrivals)...); n.Cleared {
		all = append(all, OfPassed(n.Passed)...)
	}
	return all
}

// Passing is what a reading has found out, and the next one may find otherwise; of entries that may still come those
// that have been lacking for so long. stopped says why the reading did not come to its end, "" if it did.
func (r *Room) Passing(
	n *exchange.News, arrivals *model.Arrivals, stopped string, since time.Duration,
) (all []item.Finding) {
	add := func(kind, text string) {
		all = append(all, item.Finding{Finding: kind, Text: text, Waiting: true})
	}
	if n.Doubtful {
		add("doubtful", doubt)
	}
	if text := HiddenText(r.settings, n.Hidden); text != "" {
		add("unread", text)
	}
	if n.Named.Last > 0 {
		add("claimed", NamedText(n.Named.First, n.Named.Last))
		all[len(all)-1].Entry, all[len(all)-1].LastEntry = &n.Named.First, &n.Named.Last
	}
	if stopped != "" {
		add("unread", stopped)
	}
	if n.Skipped > 0 {
		add("unread", screen.Count(n.Skipped, "row")+" of the feed could not be read")
	}
	if n.CutShort {
		add("unread", "the relay's answers end in the middle of a line: entries may be missing")
	}
	all = append(all, Untried(arrivals)...)
	if !r.signed || since == 0 {
		all = append(all, awaited(r.Awaited(n.Position.Gaps, time.Now(), since))...)
	}
	return all
}

// Said are the findings that were told after one reading, by their words.
type Said []string

// Fresh returns those of the findings of the next reading that were not told after the one before.
func (s *Said) Fresh(all []item.Finding) (fresh []item.Finding) {
	before := *s
	*s = nil
	for _, f := range all {
		if *s = append(*s, f.Text); !slices.Contains(before, f.Text) {
			fresh = append(fresh, f)
		}
	}
	return fresh
}

// HiddenText says which of a room's fields are among those that a relay did not show, "" if there are none.
func HiddenText(r model.Room, hidden thingspeak.FieldSet) string {
	var names []string
	for _, n := range r.Fields {
		if hidden.Has(n) {
			names = append(names, fmt.Sprint("field", n))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "the relay does not show " + strings.Join(names, ", ") + ", which this room uses: what stands there was " +
		"not read"
}

// NamedText says that a relay names entries that it does not show.
func NamedText(first, last int64) string {
	switch {
	case first == 1:
		return fmt.Sprintf("the relay names entry %d and shows none", last)
	case last > first:
		return fmt.Sprintf("the relay names entry %d and shows none above entry %d", last, first-1)
	}
	return fmt.Sprintf("the relay names entry %d and does not show it", last)
}

// Untried says that a reading has not joined parts in all ways that there are.
func Untried(arrivals *model.Arrivals) []item.Finding {
	if !arrivals.More {
		return nil
	}
	return []item.Finding{{Finding: "untried", Text: "not all parts of messages were joined yet; the next reading " +
		"goes on with that", Waiting: true}}
}

// awaited tells which entries may still come.
func awaited(late []exchange.Range) []item.Finding {
	if len(late) == 0 {
		return nil
	}
	first, last := late[0].First, late[len(late)-1].Last
	text := "waiting for " + record.Entries(first, last)
	if len(late) > 1 {
		text = fmt.Sprintf("waiting for %s of entries, among %s",
			screen.Count(len(late), "range"), record.Entries(first, last))
	}
	return []item.Finding{{Finding: "not shown", Text: text, Entry: &first, LastEntry: &last, Waiting: true}}
}

// OfArrivals is what a reading has noticed besides messages, findings about them and what waits.
func OfArrivals(arrivals *model.Arrivals) (all []item.Finding) {
	if n := int(arrivals.TooLate); n > 0 {
		text := screen.Count(n, "entry") + " that the new key might open " + verb(n, "was", "were") +
			" lost when the channel was cleared, and cannot be read again"
		all = append(all, item.Finding{Finding: "too late", Text: text, Count: &n})
	}
	return append(all, item.OfCounts(arrivals.Findings)...)
}

// OfPassed tells up to which entry a room of texts was passed over, if it was.
func OfPassed(last int64) []item.Finding {
	if last == 0 {
		return nil
	}
	first := int64(1)
	text := record.Entries(first, last) + " " + wasOrWere(first, last) + " not looked at; \"fernpost recv --all\" " +
		"reads them"
	return []item.Finding{{Finding: "unread", Text: text, Entry: &first, LastEntry: &last}}
}

// Gaps tells which entries were not shown.
func Gaps(gaps iter.Seq2[int64, int64]) []item.Finding {
	return Ranges(gaps, func(first, last int64) (kind, text string) {
		if last-first >= feed.DoubtfulGap {
			return "doubtful number", "none of the " + record.Entries(first, last) + " was shown, but one above " +
				"them: that number is doubtful"
		}
		return "not shown", record.Entries(first, last) + " " + wasOrWere(first, last) + " not shown"
	}, "of entries that were not shown")
}

// mostRanges is how many ranges of entries have lines of their own.
const mostRanges = 10

// Ranges tells of each of the first ranges of entries what say says, and of the others, in one that has a Count, how
// many there are of what.
func Ranges(
	ranges iter.Seq2[int64, int64], say func(first, last int64) (kind, text string), what string,
) (all []item.Finding) {
	rest := 0
	for first, last := range ranges {
		kind, text := say(first, last)
		switch {
		case len(all) < mostRanges:
			all = append(all, item.Finding{Finding: kind, Text: text, Entry: &first, LastEntry: &last})
			continue
		case rest == 0:
			all = append(all, item.Finding{Finding: kind, Entry: &first})
		}
		rest++
		f := &all[mostRanges]
		f.LastEntry, f.Count = &last, new(rest)
		f.Text = fmt.Sprintf("%s more %s, among %s", screen.Count(rest, "range"), what, record.Entries(*f.Entry, last))
	}
	return all
}

func wasOrWere(first, last int64) string { return verb(int(last-first)+1, "was", "were") }

// FreshElsewhere is what of our own key was not written here, unless it was told before, by whichever face: told
// remembers that it was.
func (r *Room) FreshElsewhere() (found []item.Finding, told func() error, err error) {
	all, fresh, err := r.Elsewhere()
	if err != nil || fresh <= 0 {
		return nil, nil, err
	}
	found = []item.Finding{r.engine.OfElsewhere(r.settings, fresh)}
	return found, func() error { return r.ToldElsewhere(all) }, nil
}

// OfElsewhere says where so many messages of our own key were written, if not here.
func (e *Engine) OfElsewhere(r model.Room, n int) item.Finding {
	moved, brought, _ := e.ownElsewhere(r) // where that cannot be told, all that may have been is named
	where := "a copied home directory, a backup that was restored, or a room that was removed and joined again; if " +
		"it is none of these, somebody else has your key"
	switch {
	case !moved.IsZero():
		where = "your identity has moved to another device (" + moved.Format(time.DateOnly) + "), which signs with " +
			"it since"
	case brought:
		where = "your identity came to this device from another one, and a second device signs with it: one of them " +
			"has to stop, \"fernpost identity export\" tells it to; if all others have stopped, somebody else has " +
			"your key"
	}
	text := screen.Count(n, "message") + " signed by your own key came from somewhere else: " + where
	return item.Finding{Finding: "elsewhere", Count: &n, Text: text}
}

// ownElsewhere says why messages of our own key may have been written elsewhere: since the identity has moved to
// another device, and when, the zero time if it has not; or as it came here from one.
func (e *Engine) ownElsewhere(settings model.Room) (moved time.Time, brought bool, err error) {
	moved, err = e.Gone()
	return moved, settings.Brought.Number > 0, err
}

// OfDiffering says what of a comparison differs: what is not there any more, or stands elsewhere.
func OfDiffering(d *model.Differing) item.Finding {
	messages := int(d.Last-d.First) + 1
	what := record.Numbers(d.Name, d.First, d.Last)
	f := item.Finding{
		Finding: "withheld", Author: &d.Name, Key: &d.Author, Number: &d.First, Last: &d.Last,
		Text: "not there any more: " + screen.Count(messages, "message") + " from " + d.Name + " that this device has read (" + what + ")",
	}
	if d.Texts > 0 {
		what = screen.Count(d.Texts, "unsigned text")
		f = item.Finding{
			Finding: "withheld", Count: &d.Texts, Entry: &d.FirstEntry, LastEntry: &d.LastEntry,
			Text: "not there any more: " + what + " that this device has read (among " + record.Entries(d.FirstEntry, d.LastEntry) + ")",
		}
	}
	held, shown := record.Entries(d.FirstEntry, d.LastEntry), record.Entries(d.FirstShown, d.LastShown)
	switch {
	case d.FirstShown == 0:
		return f
	case held == shown:
		f.Text = fmt.Sprintf("this device holds %s of %s elsewhere among the others than the relay shows it", what, held)
	default:
		f.Text = fmt.Sprintf("this device holds %s in %s, the relay shows it in %s", what, held, shown)
	}
	f.Finding, f.Entry, f.LastEntry = "moved", &d.FirstShown, &d.LastShown
	return f
}
