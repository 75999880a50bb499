package replay

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

var start = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

func entryOf(id int64, at time.Time, texts ...string) thingspeak.Entry {
	e := thingspeak.Entry{ID: id, CreatedAt: at}
	for i, text := range texts {
		e.Fields[i] = thingspeak.Text(text)
	}
	return e
}

func tokenOf(tb testing.TB, at time.Time, blocks int) string {
	tb.Helper()
	raw := make([]byte, token.Overhead+blocks*token.BlockSize)
	raw[0] = token.Version
	for i := range 8 {
		raw[1+i] = byte(at.Unix() >> (8 * (7 - i)))
	}
	tok, err := token.Encode(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return tok.String()
}

// Entries come in the order of their dates, however the rows stand in the file; one without a date stays behind the one before it.
func TestOrderIsThatOfTheDates(t *testing.T) {
	entries := []thingspeak.Entry{
		entryOf(3, time.Time{}, "c"), entryOf(4, start.Add(time.Second), "d"), entryOf(2, start.Add(time.Hour), "b"), entryOf(1, start, "a"),
	}
	var got []string
	for _, s := range Steps(entries, nil) {
		got = append(got, s.Seen[0][len(s.Seen[0])-1:]+" "+s.When())
	}
	want := []string{"a 2026-11-02 09:00:00", "d 2026-11-02 09:00:01", "b 2026-11-02 10:00:00", "c no date"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if steps := Steps([]thingspeak.Entry{entryOf(1, time.Time{}, "a")}, nil); steps[0].When() != "no date" || len(Steps(nil, nil)) != 0 {
		t.Errorf("%+v", steps)
	}
}

// Of two channels in one file a message stands beside the entry of its own date, and one of an entry that is not shown nowhere.
func TestSaidStandsBesideItsEntry(t *testing.T) {
	steps := Steps([]thingspeak.Entry{entryOf(7, start.Add(time.Minute), "x"), entryOf(7, start, "y"), entryOf(8, start.Add(2*time.Minute))}, []Said{
		{7, start, "ana: one\nbo: two"}, {7, start.Add(time.Minute), "cleo: three"}, {8, time.Time{}, "dora: four"}, {9, start, "nowhere"},
	})
	got := map[string][]string{}
	for _, s := range steps {
		got[s.When()] = s.Said
	}
	want := map[string][]string{
		"2026-11-02 09:00:00": {"ana: one\n| bo: two"}, "2026-11-02 09:01:00": {"cleo: three"}, "2026-11-02 09:02:00": {"dora: four"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// What is seen says how much is known of it, and no more.
func TestSeen(t *testing.T) {
	tok := tokenOf(t, start, 8)
	e := entryOf(1, start, tok, "21.5", tok[:99], "")
	e.Status = thingspeak.Text("warm")
	want := []string{
		"field 1: token of 248 characters, sealed 2026-11-02 09:00:00 UTC, 112 to 127 bytes inside: " + tok[:60] + "…",
		"field 2: readable by everybody: 21.5", "field 3: damaged token of 99 characters: " + tok[:60] + "…", "status, readable by everybody: warm",
	}
	if d := cmp.Diff(want, Steps([]thingspeak.Entry{e}, nil)[0].Seen); d != "" {
		t.Error(d)
	}
}

func TestWaits(t *testing.T) {
	at := func(d time.Duration) *Step { return &Step{Posted: start.Add(d)} }
	for _, c := range []struct {
		from, to *Step
		speed    float64
		want     time.Duration
	}{
		{at(0), at(time.Minute), 60, time.Second},
		{at(0), at(9 * time.Hour), 60, LongestWait},
		{at(0), at(0), 1, 0},
		{at(time.Minute), at(0), 1, 0},
		{&Step{}, at(0), 1, 0},
		{at(0), at(time.Second), 1e-300, LongestWait},
	} {
		if got := Wait(c.from, c.to, c.speed); got != c.want {
			t.Errorf("from %v to %v at %v: %v, want %v", c.from.Posted, c.to.Posted, c.speed, got, c.want)
		}
	}
}

// TestAYearThatIsFarAway: centuries were 106752 days, which is as long as a time.Duration can be; an entry without a date had that of
// the one before it.
func TestAYearThatIsFarAway(t *testing.T) {
	at := func(year int) *Step { return &Step{Posted: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)} }
	for _, c := range []struct {
		from, to *Step
		want     string
	}{
		{at(2026), at(9999), "7973 years later"},
		{at(2), at(2026), "2024 years later"},
		{at(2026), &Step{}, ""},
		{&Step{}, at(2026), ""},
		{nil, at(2026), ""},
		{at(2026), at(2026), ""},
		{&Step{Posted: start}, &Step{Posted: start.Add(24 * time.Hour)}, "24 hours later"},
	} {
		if got := Later(c.from, c.to); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if got := Wait(at(2), at(9999), 1e9); got != LongestWait {
		t.Error(got)
	}
}

// hostile are texts as a stranger would choose them.
var hostile = []string{
	"<script>alert(1)</script>", `"><img src=x onerror=alert(2)>`, "</script><script>alert(3)</script>", "'-alert(4)-'", "=cmd()|'/c calc'!A0",
	"\x1b[2J\x1b]0;title\x07\u202e\u0085", "\xff\xfe\x80", "javascript:alert(5)", "<!--", "{{.}}", "]]>", "\u2028alert(6)",
	`<svg onload=alert(7)>`, `<a href="javascript:alert(8)" autofocus onfocus=alert(9)>x</a>`, `<style>@import "http://x.test/a"</style>`,
}

func hostileSteps() []Step {
	var entries []thingspeak.Entry
	var said []Said
	for i, text := range hostile {
		e := entryOf(int64(i+1), start.Add(time.Duration(i)*time.Minute), text, hostile[(i+1)%len(hostile)])
		e.Status = thingspeak.Text(text)
		entries = append(entries, e)
		said = append(said, Said{e.ID, e.CreatedAt, text + ": " + text})
	}
	return Steps(entries, said)
}

func pageOf(tb testing.TB, steps []Step, keyed bool) string {
	tb.Helper()
	var b bytes.Buffer
	if err := Write(&b, steps, Page{Of: strings.Join(hostile, " "), At: start, Keyed: keyed, Speed: 60}); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

// checkPage looks for tags and attributes that are not ours.
func checkPage(tb testing.TB, page string) {
	tb.Helper()
	if n := strings.Count(page, "<script"); n != 1 || !strings.Contains(page, "<script>"+script+"</script>") {
		tb.Errorf("the page has %d scripts", n)
	}
	ours := map[string]bool{}
	for tag := range strings.FieldsSeq("!doctype html head meta title style body main h1 p div button label select option span input output ol li script") {
		ours["<"+tag], ours["</"+tag] = true, true
	}
	markup := strings.NewReplacer("<script>"+script+"</script>", "", style, "").Replace(page)
	for _, tag := range regexp.MustCompile(`<[a-zA-Z!/][a-zA-Z0-9]*`).FindAllString(markup, -1) {
		if !ours[tag] {
			tb.Errorf("there is a tag %s", tag)
		}
	}
	if m := regexp.MustCompile(`(?i)<[^>]*\s(on[a-z]+|src|href)=`).FindString(markup); m != "" {
		tb.Errorf("there is %s", m)
	}
	if i := strings.IndexFunc(page, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' || r == '\u202e' }); i >= 0 || !utf8.ValidString(page) {
		tb.Errorf("what controls a terminal, or is no text, is in the page at %d", i)
	}
}

func TestThePageIsOursAlone(t *testing.T) {
	steps := hostileSteps()
	for _, keyed := range []bool{false, true} {
		checkPage(t, pageOf(t, steps, keyed))
		checkPage(t, pageOf(t, steps[:1], keyed))
		checkPage(t, pageOf(t, nil, keyed))
	}
}

// In a browser without a network the page plays, steps and moves, asks for nothing, and nothing of the feed runs.
func TestThePageInABrowser(t *testing.T) {
	testenv.Unwatched(t)
	modules, node := testenv.NodeModules(t)
	chromium := testenv.Chromium(t)
	dir := t.TempDir()
	for name, page := range map[string]string{
		"keyed": pageOf(t, hostileSteps(), true), "open": pageOf(t, hostileSteps(), false), "one": pageOf(t, hostileSteps()[:1], true), "none": pageOf(t, nil, false),
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".html"), []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := testenv.Command(t, node, filepath.Join("testdata", "look.mjs"), dir)
	cmd.Env = append(os.Environ(), "CHROMIUM="+chromium, "NODE_MODULES="+modules, "SCREENSHOTS="+os.Getenv("FERNPOST_SCREENSHOTS"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// FuzzPage: of whatever stands in a feed nothing becomes markup, and no step is lost.
func FuzzPage(f *testing.F) {
	for _, text := range hostile {
		f.Add(int64(1), int64(0), text, text)
	}
	f.Add(int64(-1), int64(1<<40), tokenOf(f, start, 1), "")
	f.Fuzz(func(t *testing.T, id, at int64, field, said string) {
		when := time.Unix(at%(1<<40), 0)
		entries := []thingspeak.Entry{entryOf(id, when, field), entryOf(id, time.Time{}, said, field), entryOf(id+1, when)}
		steps := Steps(entries, []Said{{id, when, said}})
		if len(steps) != len(entries) {
			t.Errorf("%d steps", len(steps))
		}
		var before time.Time
		for i := range steps {
			if steps[i].Posted.IsZero() {
				continue
			}
			if steps[i].Posted.Before(before) {
				t.Error("a date goes back")
			}
			before = steps[i].Posted
		}
		checkPage(t, pageOf(t, steps, true))
	})
}
