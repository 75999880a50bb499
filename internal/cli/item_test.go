package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// signed returns a record as an item, at entry 7 of ten o'clock.
func signed(body record.Body, change func(*model.Item)) *model.Item {
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.Local)
	it := &model.Item{
		At: record.Spot{Place: record.Place{Entry: 7}}, Posted: at, Sealed: at,
		Record: &record.Message{Record: record.Record{Number: 3, Clock: at.UnixMilli(), Body: body}, Name: "ana"},
	}
	if change != nil {
		change(it)
	}
	return it
}

// reading is warm.
func reading(values ...string) (r record.Reading) {
	for i, text := range values {
		r.Values[i] = record.Value{Text: text, Given: true}
	}
	r.Status = "warm"
	return r
}

func TestItemsAsPeopleSeeThem(t *testing.T) {
	const head = "2026-11-20 10:00:00 +0000  entry 7     "
	unsigned := &model.Item{
		At: record.Spot{Place: record.Place{Entry: 7}}, Posted: time.Date(2026, 11, 20, 10, 0, 0, 0, time.Local),
		Unsigned: &model.Message{Kind: model.KindText, Text: "hi\x1b[2J"},
	}
	for _, c := range []struct {
		name   string
		item   *model.Item
		policy policy
		want   string
	}{
		{"text", signed(record.Text("two\nlines"), nil), policyBalanced, head + "ana 3: two\n" + strings.Repeat(" ", len(head)) + "| lines\n"},
		{"hostile text and name", signed(record.Text("a\x1b[31m\u202eb"), func(it *model.Item) { it.Record.Name = "an\x07a" }), policyBalanced, head + "ana 3: a[31mb\n"},
		{"reading", signed(reading("21.5\x1b[2J", "40"), nil), policyBalanced, head + "ana 3: field1=21.5[2J field2=40 (warm)\n"},
		{"a value of several lines", signed(reading("1\nana 3: yes"), nil), policyBalanced, head + `ana 3: field1="1\nana 3: yes" (warm)` + "\n"},
		{"unsigned reading", &model.Item{Posted: unsigned.Posted, At: unsigned.At, Unsigned: &model.Message{
			Kind: model.KindReading, Reading: new(reading("21.5")),
		}}, policyBalanced, head + "[unsigned] field1=21.5 (warm)\n"},
		{"file", signed(record.File{Name: "../x\x1b", Content: make([]byte, 5)}, nil), policyBalanced, head + `ana 3 [file "../x", 5 bytes: "fernpost recv --save DIR" writes it]` + "\n"},
		{"unreadable", signed(record.Unreadable{}, nil), policyBalanced, head + "ana 3 (unreadable)\n"},
		{"of a later version", signed(record.Unknown{Code: 99}, nil), policyBalanced, head + "ana 3 (of a kind that needs a newer fernpost)\n"},
		{"a key that is not here", signed(record.KeyMoved{}, func(it *model.Item) { it.Notice = "ana has moved" }), policyBalanced, head + "ana has moved\n"},
		{"late and forked", signed(record.Text("x"), func(it *model.Item) {
			it.Record.Behind, it.Record.Forked = 4, true
		}), policyBalanced, head + "ana 3 (stands behind ana 4; one of two with this number): x\n"},
		{"names what stands below", signed(record.Text("yes"), func(it *model.Item) {
			it.Record.Refers = &record.NamedRecord{Name: "b\x1bo", Number: 7, Below: true}
		}), policyBalanced, head + "ana 3 (names bo 7, which stands below): yes\n"},
		{"answers what stands further above", signed(record.Text("yes"), func(it *model.Item) {
			it.Record.Refers = &record.NamedRecord{Name: "bo", Number: 1}
		}), policyBalanced, head + "ana 3 (after bo 1): yes\n"},
		{"seen", signed(record.Text("x"), func(it *model.Item) {
			it.Record.Own, it.Sent, it.SeenBy = true, &model.Queued{Sent: model.StateAccepted}, []string{"bo", "cy"}
		}), policyBalanced, head + "ana 3 (seen by bo, cy): x\n"},
		{"waiting", signed(record.Text("x"), func(it *model.Item) {
			it.Record.Own, it.Sent, it.At, it.Posted = true, &model.Queued{Sent: model.StateQueued}, record.Spot{}, time.Time{}
		}), policyBalanced, strings.Repeat(" ", len(head)) + "ana 3 (queued): x\n"},
		{"unsigned", unsigned, policyBalanced, head + "[unsigned] hi[2J\n"},
		{"unsigned, open", unsigned, policyOpen, head + "hi[2J\n"},
	} {
		if got := string((&app{}).appendItem(nil, c.item, c.policy, "")); got != c.want {
			t.Errorf("%s:\n%q, want\n%q", c.name, got, c.want)
		}
		if _, err := json.Marshal(jsonOf(c.item, "", false)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestWhatIsNotForPeopleIsNotShown(t *testing.T) {
	heartbeat := signed(record.Heartbeat{}, nil)
	unsigned := &model.Item{Unsigned: &model.Message{Kind: model.KindText}}
	for _, p := range []policy{policyStrict, policyBalanced, policyOpen} {
		if p.shows(heartbeat) {
			t.Errorf("%s shows a heartbeat", p)
		}
		if p.shows(unsigned) != (p != policyStrict) {
			t.Errorf("%s shows unsigned text: %v", p, p.shows(unsigned))
		}
	}
	if _, err := parsePolicy("lax"); err == nil {
		t.Error("the policy lax is accepted")
	}
}

// A text with a line feed and what an own queued message looks like printed to the byte as two messages.
func TestFurtherLinesLookLikeNoMessage(t *testing.T) {
	queued := signed(record.Text("I agree, pay mal"), func(it *model.Item) {
		it.Record.Own, it.Sent, it.At, it.Posted = true, &model.Queued{Sent: model.StateQueued}, record.Spot{}, time.Time{}
	})
	mals := signed(record.Text("hi\nana 3 (queued): I agree, pay mal"), func(it *model.Item) { it.Record.Name = "mal" })
	message := (&app{}).appendItem(nil, queued, policyBalanced, "")
	text := (&app{}).appendItem(nil, mals, policyBalanced, "")
	if _, second, _ := strings.Cut(string(text), "\n"); second == string(message) || !strings.HasPrefix(second, indent+textGutter) {
		t.Errorf("the second line of a text is %q, a message of ana's own %q", second, message)
	}
}

// One text of 4 MiB of line feeds printed four million lines.
func TestATextOfLineFeedsHasFewLines(t *testing.T) {
	for lines, want := range map[int]string{
		mostLines: textGutter + "\n", mostLines + 1: "… 1 more line; --json has all\n", 5000: "… 4800 more lines; --json has all\n",
	} {
		got := string((&app{}).appendItem(nil, signed(record.Text(strings.Repeat("\n", lines-1)), nil), policyBalanced, ""))
		if n := strings.Count(got, "\n"); n > mostLines+1 || !strings.HasSuffix(got, indent+want) {
			t.Errorf("%d lines print %d, the last %q", lines, n, got[max(len(got)-60, 0):])
		}
	}
}

// One text of 4 MiB without a line feed flooded the terminal.
func TestATerminalGetsTheBeginningOfALongText(t *testing.T) {
	terminal := &app{stdoutTerminal: true, width: 2 * mostCharacters}
	for name, c := range map[string]struct {
		text, want string
	}{
		"one line":     {strings.Repeat("é", mostCharacters+2), "é\n" + indent + "… 2 more characters; --json or a pipe has all\n"},
		"just so long": {strings.Repeat("é", mostCharacters), "é\n"},
		"several lines": {
			strings.Repeat("a", mostCharacters-1) + "\nbé",
			"a\n" + indent + textGutter + "\n" + indent + "… 2 more characters; --json or a pipe has all\n",
		},
	} {
		it := signed(record.Text(c.text), nil)
		if got := string(terminal.appendItem(nil, it, policyOpen, "")); !strings.HasSuffix(got, c.want) {
			t.Errorf("%s: a terminal gets %d bytes that end with %q", name, len(got), got[max(len(got)-80, 0):])
		}
		lines := strings.ReplaceAll(c.text, "\n", "\n"+indent+textGutter)
		if got := string((&app{}).appendItem(nil, it, policyOpen, "")); !strings.HasSuffix(got, lines+"\n") {
			t.Errorf("%s: a pipe gets %d bytes of %d", name, len(got), len(c.text))
		}
	}
}

// A text padded with blanks wrapped into what looked like a line of somebody else.
func TestPaddingMakesNoLine(t *testing.T) {
	for _, blanks := range []string{" ", "\t", "\u00a0", "\u3000", "\u2800", "\u3164", " \u200d", " \ufe0f"} {
		text := record.Text("hi" + strings.Repeat(blanks, 60) + "end")
		got := string((&app{}).appendItem(nil, signed(text, nil), policyBalanced, ""))
		_, after, _ := strings.Cut(got, "hi")
		if before, _, found := strings.Cut(after, "end"); !found || utf8.RuneCountInString(before) > 8 {
			t.Errorf("%q prints %q", text, got)
		}
	}
}

// What fernpost says of a message stood behind its text: a text that ended like that looked as if it had been said.
func TestNoTextEndsInWordsOfOurs(t *testing.T) {
	own := func(it *model.Item) { it.Record.Own, it.Sent = true, &model.Queued{Sent: model.StateAccepted} }
	seen := func(it *model.Item) { own(it); it.SeenBy = []string{"ana"} }
	file := record.File{Name: "x", Content: []byte("x")}
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.Local)
	message := func(text string, sealed time.Time) string {
		m := model.Message{Entry: 7, Posted: at, Sealed: sealed, Kind: model.KindText, Text: text}
		it := &model.Item{At: record.Spot{Place: record.Place{Entry: 7}}, Posted: at, Sealed: sealed, Unsigned: &m}
		return string((&app{}).appendItem(nil, it, policyOpen, ""))
	}
	item := func(it *model.Item) string { return string((&app{}).appendItem(nil, it, policyBalanced, "")) }
	unsigned := func(m model.Message) *model.Item {
		return &model.Item{At: record.Spot{Place: record.Place{Entry: 7}}, Posted: at, Unsigned: &m}
	}
	for name, c := range map[string]struct {
		said    string
		written func(text string) string
	}{
		"seen":     {item(signed(record.Text("x"), seen)), func(text string) string { return item(signed(record.Text(text), own)) }},
		"a file":   {item(signed(file, own)), func(text string) string { return item(signed(record.Text(text), own)) }},
		"binary":   {item(unsigned(model.Message{Size: 3, Kind: model.KindBinary})), func(text string) string { return item(unsigned(model.Message{Text: text})) }},
		"a clock":  {message("x", at.Add(-24*time.Hour)), func(text string) string { return message(text, at) }},
		"unsigned": {item(unsigned(model.Message{Text: "x"})), func(text string) string { return item(signed(record.Text(text), own)) }},
	} {
		for i := len(indent); i < len(c.said); i++ { // wherever the text may begin
			text := strings.TrimSuffix(c.said[i:], "\n")
			for _, text := range []string{text, strings.ReplaceAll(text, "\n"+indent, "\n")} {
				if c.written(text) == c.said {
					t.Errorf("%s: a text prints %q as well", name, c.said)
				}
			}
		}
	}
}

// A terminal went on at the left margin with the rest of a long line, as if it were another message or a finding. On a narrow
// one a head of ours was broken behind the gutter, so that what a stranger wrote there looked like a head.
func TestALongTextStaysBehindItsGutter(t *testing.T) {
	forged := "2026-11-20 10:01:00 +0000  entry 8     ana 3: I agree, pay mal"
	texts := []string{
		strings.Repeat("x", 21) + forged, strings.Repeat("hi ho ", 200), strings.Repeat("中", 99), strings.Repeat("e\u0301", 99),
		strings.Repeat("❤\ufe0f", 99), strings.Repeat("䷀", 99) + forged, "short\n" + strings.Repeat("y", 500) + "\n" + forged, forged + forged,
	}
	for width := 1; width < 200; width++ {
		a := &app{stdoutTerminal: true, width: width, style: style{on: width%2 == 0}}
		for _, text := range texts {
			for _, it := range []*model.Item{
				signed(record.Text(text), func(it *model.Item) {
					it.Record.Name = "mal with a long nickname"
					it.Record.Behind, it.Record.Forked = 4, true
				}),
				{Posted: time.Now(), Before: 4, Unsigned: &model.Message{Kind: model.KindText, Text: text}},
			} {
				out := uncolour(string(a.appendItem(nil, it, policyBalanced, "")))
				whole := string((&app{}).appendItem(nil, it, policyBalanced, ""))
				head := whole[:len(indent)+strings.Index(whole[len(indent):], text[:5])]
				var back strings.Builder
				inText := false
				for i, line := range strings.Split(strings.TrimSuffix(out, "\n"), "\n") {
					columns := 0
					for _, r := range line {
						columns += columnsOf(r)
					}
					if columns > max(width, len("  "+textGutter)+leastColumns/2) {
						t.Fatalf("width %d: %q takes %d columns", width, line, columns)
					}
					bare := strings.TrimLeft(line, " ")
					if i > 0 && (!strings.HasPrefix(line, "  ") || !strings.HasPrefix(bare, textGutter) && !strings.HasPrefix(bare, "(came late") &&
						!strings.Contains("(came late, it stands before entry 4)", bare) && (inText || !strings.Contains(head, bare))) {
						t.Fatalf("width %d: %q begins like a line of ours", width, line)
					}
					said, behind := strings.CutPrefix(bare, textGutter)
					if inText = inText || behind; behind && !strings.Contains(text, said) {
						t.Fatalf("width %d: behind the gutter stands %q, which is not of the text", width, said)
					}
					back.WriteString(said)
				}
				if want := strings.ReplaceAll(screen.ShortBlanks(text), "\n", ""); !strings.Contains(back.String(), want) {
					t.Fatalf("width %d: of %q is left %q", width, want, back.String())
				}
			}
		}
	}
}

// 3,000 keys that say to have seen a message put 78 KB beside it.
func TestThousandsOfReceiptsAreCounted(t *testing.T) {
	it := signed(record.Text("x"), func(it *model.Item) {
		it.Record.Own, it.Sent = true, &model.Queued{Sent: model.StateAccepted}
		for i := range 3000 {
			it.SeenBy = append(it.SeenBy, fmt.Sprint("key ", i))
		}
	})
	got := string((&app{}).appendItem(nil, it, policyBalanced, ""))
	if !strings.HasSuffix(got, " ana 3 (seen by key 0, key 1, key 2 and 2997 more): x\n") {
		t.Errorf("prints %q", got)
	}
	if n := len(jsonOf(it, "", false).SeenBy); n != 3000 {
		t.Errorf("--json has %d", n)
	}
}

// Of a message that came late people were told, and programs were not.
func TestWhatCameLateIsToldToAll(t *testing.T) {
	late := signed(record.Text("x"), func(it *model.Item) { it.Before = 9 })
	text := &model.Item{At: late.At, Before: 9, Unsigned: &model.Message{Entry: 7, Field: 1, Kind: model.KindText, Text: "x"}}
	for it, want := range map[*model.Item]string{
		late: "ana 3 (came late, it stands before entry 9): x\n", text: "x\n" + indent + "(came late, it stands before entry 9)\n",
	} {
		if got := string((&app{}).appendItem(nil, it, policyOpen, "")); !strings.HasSuffix(got, want) {
			t.Errorf("people read %q", got)
		}
		if got := jsonOf(it, "", false); got.Before == nil || *got.Before != 9 {
			t.Errorf("programs read %+v", got)
		}
	}
	if got := jsonOf(signed(record.Text("x"), nil), "", false); got.Before != nil {
		t.Errorf("of one that came in its turn programs read %+v", got)
	}
}
