package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// doubt is said where a relay shows less than it did before. One stale answer proves nothing, so it has a minute.
const doubt = "the relay shows less than before; if that lasts for a minute it is believed, and reading goes on"

// aboutRelay is what a reading of a room found out about the relay itself, and that may change with the next one; stopped
// says why it did not come to its end, "" if it did.
func aboutRelay(r model.Room, n *exchange.News, stopped string) (all []findingJSON) {
	add := func(kind, text string) {
		all = append(all, findingJSON{Finding: kind, Text: text, Waiting: true})
	}
	if n.Doubtful {
		add("doubtful", doubt)
	}
	if text := hiddenText(r, n.Hidden); text != "" {
		add("unread", text)
	}
	if n.Named.Last > 0 {
		add("claimed", namedText(n.Named.First, n.Named.Last))
		all[len(all)-1].Entry, all[len(all)-1].LastEntry = &n.Named.First, &n.Named.Last
	}
	if stopped != "" {
		add("unread", stopped)
	}
	if n.Skipped > 0 {
		add("unread", count(n.Skipped, "row")+" of the feed could not be read")
	}
	if n.CutShort {
		add("unread", "the relay's answers end in the middle of a line: entries may be missing")
	}
	return all
}

// hiddenText says which of a room's fields are among those that a relay did not show, "" if there are none.
func hiddenText(r model.Room, hidden thingspeak.FieldSet) string {
	var names []string
	for _, n := range r.Fields {
		if hidden.Has(n) {
			names = append(names, fmt.Sprint("field", n))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "the relay does not show " + strings.Join(names, ", ") + ", which this room uses: what stands there was not read"
}

// awaited tells which entries may still come.
func awaited(late []exchange.Range) []findingJSON {
	if len(late) == 0 {
		return nil
	}
	first, last := late[0].First, late[len(late)-1].Last
	text := "waiting for " + record.Entries(first, last)
	if len(late) > 1 {
		text = fmt.Sprintf("waiting for %s of entries, among %s", count(len(late), "range"), record.Entries(first, last))
	}
	return []findingJSON{{Finding: "not shown", Text: text, Entry: &first, LastEntry: &last, Waiting: true}}
}

// namedText says that a relay names entries that it does not show.
func namedText(first, last int64) string {
	switch {
	case first == 1:
		return fmt.Sprintf("the relay names entry %d and shows none", last)
	case last > first:
		return fmt.Sprintf("the relay names entry %d and shows none above entry %d", last, first-1)
	}
	return fmt.Sprintf("the relay names entry %d and does not show it", last)
}

// relayTeller remembers what was told of a relay after the last reading.
type relayTeller struct{ said []string }

// tell tells what of a reading was not told after the one before: what may change with the next one, which is noted for
// the verdict together with the number of what waits besides.
func (r *relayTeller) tell(a *app, all []findingJSON, waiting int, asJSON bool) {
	a.verdict.Pending = waiting + len(all)
	var said []string
	for _, f := range all {
		said = append(said, f.Text)
		if slices.Contains(r.said, f.Text) {
			continue
		}
		a.tell(f, asJSON)
	}
	r.said = said
}
