package item

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// What was no text was shown as an empty bubble, and what a terminal notes of a message was not told on pages.
func TestWhatIsNoTextIsSaidInWords(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	signed := func(body record.Body, posted time.Time) *model.Item {
		it := &model.Item{Record: &record.Message{Record: record.Record{Body: body, Clock: now.UnixMilli()}}}
		it.Posted = posted
		return it
	}
	left := model.Left{By: make([]record.PublicKey, 4), Names: []string{"py", "mal\x1b[2J", "a", "b"}}
	if got, want := OfLeft(&left), "py, mal[2J, a and 1 more have taken back that this is a device of theirs"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for name, c := range map[string]struct {
		it    *model.Item
		words string
		notes int
	}{
		"a text":             {it: signed(record.Text("hello"), now)},
		"a text, back-dated": {it: signed(record.Text("hello"), now.Add(-24*time.Hour)), notes: 1},
		"of a lost device":   {it: &model.Item{Record: signed(record.Text("hello"), now).Record, Posted: now, Lost: true, Left: &left}, notes: 1},
		"of one taken back":  {it: &model.Item{Record: signed(record.Text("hello"), now).Record, Posted: now, Left: &left}, notes: 1},
		"a file":             {it: signed(record.File{Name: "a.txt"}, now)},
		"unreadable":         {it: signed(record.Unreadable{}, now), words: "(unreadable)"},
		"a heartbeat":        {it: signed(record.Heartbeat{}, now), words: "[is here]"},
		"binary":             {it: &model.Item{Unsigned: &model.Message{Kind: model.KindBinary, Size: 3}}, words: "(binary, 3 bytes)"},
		"an unsigned text":   {it: &model.Item{Unsigned: &model.Message{Kind: model.KindText, Text: "hello"}}},
	} {
		m := Of(c.it, false)
		got := ""
		if m.Words != nil {
			got = *m.Words
		}
		if got != c.words || len(m.Notes) != c.notes || m.Notes == nil {
			t.Errorf("%s: %q, notes %q; want %q, and %d notes", name, got, m.Notes, c.words, c.notes)
		}
	}
}

// What a reading counts is told with where it stands.
func TestCountsAreTold(t *testing.T) {
	all := OfCounts(model.Findings{NotOurs: 2, FirstNotOurs: 3, LastNotOurs: 9, Plain: 1, FirstPlain: 4, LastPlain: 4, Repeats: 1})
	var texts []string
	for _, f := range all {
		texts = append(texts, f.Text)
	}
	want := []string{
		"2 entries not for this key (among entries 3–9): sealed with another one, or altered",
		"1 entry that is not encrypted (entry 4), not shown", "1 token repeated from before, not shown again",
	}
	if !slices.Equal(texts, want) {
		t.Errorf("told is\n%s", strings.Join(texts, "\n"))
	}
}
