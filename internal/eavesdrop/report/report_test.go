package report

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/eavesdrop"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

// busy is a feed in which there is something to say of every topic: on ten days, and in many lengths.
func busy(tb testing.TB, entries int) eavesdrop.Report {
	tb.Helper()
	var a eavesdrop.Analysis
	start := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	for i := range entries {
		at := start.Add(time.Duration(i/40*24)*time.Hour + time.Duration(i%40)*7*time.Minute)
		raw := make([]byte, token.Overhead+(1+i*i%60)*token.BlockSize)
		raw[0], raw[9] = token.Version, byte(i)
		for b := range 8 {
			raw[1+b] = byte((at.Unix() - int64(i%2)*30) >> (8 * (7 - b)))
		}
		tok, err := token.Encode(raw)
		if err != nil {
			tb.Fatal(err)
		}
		e := thingspeak.Entry{ID: int64(i + 1), CreatedAt: at}
		e.Fields[0], e.Fields[1] = thingspeak.Text(tok.String()), thingspeak.Text("<script>alert(1)</script>")
		a.Add(&e)
	}
	r, err := a.Report(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// hostile is a name of a feed, as a stranger would choose it.
const hostile = "<script>alert(1)</script>\x1b[2J\u202e\"><img src=x onerror=alert(2)>' =cmd()"

func pageOf(tb testing.TB, r *eavesdrop.Report) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := Write(&b, r, Page{Of: hostile, At: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// A page has all that was found, is small however many entries there are, and takes nothing of a stranger's text for its own.
func TestThePageSaysAll(t *testing.T) {
	for _, entries := range []int{0, 1, 2, 8000} {
		r := busy(t, entries)
		page := string(pageOf(t, &r))
		if len(page) > 300<<10 {
			t.Errorf("%d entries make a page of %d bytes", entries, len(page))
		}
		// Of tags, only those that we write.
		for _, tag := range regexp.MustCompile(`<[a-zA-Z!/][a-zA-Z0-9]*`).FindAllString(page, -1) {
			if slices.Contains([]string{"<script", "<img", "<iframe", "<link", "<object"}, strings.ToLower(tag)) {
				t.Errorf("%d entries: there is a tag %s", entries, tag)
			}
		}
		if strings.ContainsAny(page, "\x1b\u202e") {
			t.Errorf("%d entries: what controls a terminal, or turns text around, is in the page", entries)
		}
		for _, topic := range topics {
			told := slices.ContainsFunc(r.Inferences, func(i eavesdrop.Inference) bool { return i.Topic == topic.topic })
			bits := topic.why + ` <span class="sure">` + BitsText(r.Bits(topic.topic))
			if strings.Contains(page, strings.ReplaceAll(bits, "'", "&#39;")) != told {
				t.Errorf("%d entries: of %s it is not said how many bits it gives away", entries, topic.topic)
			}
		}
		for _, i := range r.Inferences {
			if says := i.Says[1:]; !strings.Contains(page, strings.ReplaceAll(strings.ReplaceAll(says, "'", "&#39;"), "+", "&#43;")) {
				t.Errorf("%q is not in the page", i.Says)
			}
		}
	}
}

func TestThePageInABrowser(t *testing.T) {
	testenv.Unwatched(t)
	modules, node := testenv.NodeModules(t)
	chromium := testenv.Chromium(t)
	r := busy(t, 400)
	name := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(name, pageOf(t, &r), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := testenv.Command(t, node, filepath.Join("testdata", "look.mjs"), name)
	cmd.Env = append(os.Environ(), "CHROMIUM="+chromium, "NODE_MODULES="+modules, "SCREENSHOTS="+os.Getenv("FERNPOST_SCREENSHOTS"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
