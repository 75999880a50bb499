package httpapi

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/relay/storetest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// browser is what browsers send.
const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// pageServer is a relay whose pages are looked at.
type pageServer struct {
	*testing.T
	rules   *relay.Relay
	handler http.Handler
}

func newPageServer(t *testing.T, o Options) *pageServer {
	t.Helper()
	limits, err := relay.Preset(relay.PresetNone)
	if err != nil {
		t.Fatal(err)
	}
	limits.Interval = 0
	rules := relay.New(storetest.NewMemory(), limits)
	return &pageServer{T: t, rules: rules, handler: New(rules, o)}
}

func (s *pageServer) channel(set relay.Settings) *relay.Channel {
	s.Helper()
	c, err := s.rules.CreateChannel(s.Context(), relay.LocalAccountID, set)
	if err != nil {
		s.Fatal(err)
	}
	return c
}

func (s *pageServer) post(c *relay.Channel, e thingspeak.Entry) {
	s.Helper()
	_, err := s.rules.Update(s.Context(), relay.Update{Key: c.Keys[0].Text, Entries: []relay.NewEntry{{Entry: e}}})
	if err != nil {
		s.Fatal(err)
	}
}

func (s *pageServer) get(path, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "relay.example"
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// page gets a page and holds it against what all pages have in common.
func (s *pageServer) page(path string, status int) string {
	s.Helper()
	w := s.get(path, browser)
	body := w.Body.String()
	if w.Code != status {
		s.Fatalf("%s: status %d, want %d\n%s", path, w.Code, status, body)
	}
	if got := w.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		s.Errorf("%s: type %q", path, got)
	}
	checkPolicy(s.T, path, w.Header().Get("Content-Security-Policy"))
	for _, want := range []string{
		"<!doctype html>", `<html lang="en">`, `<meta name="viewport" content="width=device-width, initial-scale=1">`,
		"<title>", "<main>", "</html>",
	} {
		if !strings.Contains(body, want) {
			s.Errorf("%s: the page lacks %q", path, want)
		}
	}
	if n := strings.Count(body, "<h1>"); n != 1 {
		s.Errorf("%s: %d first headings", path, n)
	}
	checkNesting(s.T, path, body)
	// Nothing inline, nothing foreign: the policy would stop it, and it should not be tried.
	for _, bad := range []string{
		`style="`, "<style", `href="javascript:`, "onclick", `onerror="`, "<script>", "<iframe", "<form",
	} {
		if strings.Contains(strings.ToLower(body), bad) {
			s.Errorf("%s: the page has %s", path, bad)
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
		loads := strings.HasPrefix(m[0], "src") || strings.Contains(body, `<link rel="stylesheet" `+m[0])
		if target := m[1]; loads && (!strings.HasPrefix(target, "/page/") || s.get(target, "").Code != http.StatusOK) {
			s.Errorf("%s: the page loads %s", path, target)
		}
	}
	return body
}

func checkPolicy(t *testing.T, path, policy string) {
	t.Helper()
	for _, want := range []string{
		"default-src 'none'", "style-src 'self'", "script-src 'self'", "base-uri 'none'", "form-action 'none'",
		"frame-ancestors 'none'",
	} {
		if !strings.Contains(policy, want) {
			t.Errorf("%s: the policy lacks %q: %s", path, want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Contains(policy, "http") {
		t.Errorf("%s: the policy is loose: %s", path, policy)
	}
}

// checkNesting reads a page as XML, but for its first line and the elements that have no end in HTML: if a stranger's
// text had broken out of its place, elements would not fit together any more.
func checkNesting(t *testing.T, path, body string) {
	t.Helper()
	body = strings.TrimPrefix(body, "<!doctype html>\n")
	body = regexp.MustCompile(`<(meta|link|img|input)\b((?:"[^"]*"|[^">])*)>`).ReplaceAllString(body, "<$1$2/>")
	body = strings.ReplaceAll(body, "\x01", "") // a browser shows nothing for it, XML has no place for it
	body = regexp.MustCompile(` (hidden|checked|defer)\b`).ReplaceAllString(body, ` $1="$1"`)
	d := xml.NewDecoder(strings.NewReader(body))
	d.Entity = xml.HTMLEntity
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Errorf("%s: elements do not fit together: %v", path, err)
			return
		}
	}
}

func TestChannelPage(t *testing.T) {
	s := newPageServer(t, Options{})
	c := s.channel(relay.Settings{
		Name: new("Greenhouse"), Description: new("Two sensors."), Public: new(true), Tags: new([]string{"school", "plants"}),
		URL: new("https://example.org/greenhouse"), Latitude: new("48.2"), Longitude: new("16.4"), Elevation: new("171"),
		Labels: [8]*string{new("Temperature"), nil, new("Note")},
	})
	path := fmt.Sprint("/channels/", c.ID)
	if body := s.page(path, http.StatusOK); !strings.Contains(body, "Nothing has been posted yet") ||
		!strings.Contains(body, `data-last="-1"`) || strings.Contains(body, "<table") {
		t.Errorf("the page of an empty channel:\n%s", body)
	}
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range pageRows + 10 {
		e := thingspeak.Entry{CreatedAt: begin.Add(time.Duration(i) * time.Minute)}
		e.Fields[0] = thingspeak.Text(fmt.Sprint("reading ", i+1))
		e.Fields[1] = thingspeak.Text("of a field that is not enabled")
		if i == pageRows {
			e.Status, e.Latitude, e.Longitude = thingspeak.Text("battery low"), thingspeak.Text("48.3"), thingspeak.Text("16.5")
		}
		s.post(c, e)
	}
	body := s.page(path, http.StatusOK)
	for _, want := range []string{
		"<title>Greenhouse · channel ", "Two sensors.", ">school<", ">plants<",
		`<a href="https://example.org/greenhouse" rel="nofollow`, "at <bdi>48.2, 16.4, 171 m</bdi>", "<li>60 entries</li>",
		"<time datetime=\"2026-03-01T12:59:00Z\">2026-03-01 12:59:00</time>", "Newest 50 entries", `data-last="60"`,
		`data-entry="60"`, `data-entry="11"`, "reading 60<", "reading 11<", ">status<", "battery low", ">place<", "48.3, 16.5",
		fmt.Sprintf(`<a href="/channels/%d/feeds.csv?results=8000">CSV</a>`, c.ID),
		fmt.Sprintf(`data-news="/channels/%d/last_entry_id.txt"`, c.ID),
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, bad := range []string{`data-entry="10"`, "reading 10<", "not enabled", c.Keys[0].Text, c.Keys[1].Text} {
		if strings.Contains(body, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if strings.Index(body, "reading 60<") > strings.Index(body, "reading 59<") {
		t.Error("the newest entry does not come first")
	}
	if t.Failed() {
		t.Log(body)
	}
}

// Whoever could not be told what is wrong with a channel was not shown its entries either.
func TestAChannelIsShownWhereNobodyKnowsWhatIsWrong(t *testing.T) {
	var failed error
	var log bytes.Buffer
	s := newPageServer(t, Options{
		Log:      slog.New(slog.NewTextHandler(&log, nil)),
		Findings: func(*relay.View) (*Findings, error) { return &Findings{Texts: []string{"a gap"}}, failed },
	})
	c := s.channel(relay.Settings{Name: new("Greenhouse"), Public: new(true)})
	e := thingspeak.Entry{}
	e.Fields[0] = thingspeak.Text("reading 1")
	s.post(c, e)
	for _, failed = range []error{nil, errors.New("the index is damaged")} {
		body := s.page(fmt.Sprint("/channels/", c.ID), http.StatusOK)
		if !strings.Contains(body, "reading 1<") || strings.Contains(body, "a gap") == (failed != nil) ||
			strings.Contains(body, "could not be found out") != (failed != nil) || strings.Contains(body, "the index") {
			t.Errorf("with the error %v:\n%s", failed, body)
		}
	}
	if !strings.Contains(log.String(), "the index is damaged") {
		t.Errorf("the log says %q", log.String())
	}
}

// Fields of numbers are drawn, as far as a read reaches; tokens, texts and single numbers are not, and a label stays a text.
func TestNumbersArePlotted(t *testing.T) {
	s := newPageServer(t, Options{})
	label := `</title><script>alert("1")</script>`
	c := s.channel(relay.Settings{Public: new(true), Labels: [8]*string{&label, new("tokens"), new("once"), new("mixed"), new("words")}})
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range 200 {
		e := thingspeak.Entry{CreatedAt: begin.Add(time.Duration(i) * time.Minute)}
		e.Fields[0] = thingspeak.Text(fmt.Sprint(20 + i%5))
		e.Fields[1] = thingspeak.Text("gAAAAABl" + strings.Repeat("A", 92))
		if i == 100 {
			e.Fields[2] = thingspeak.Text("7")
		}
		e.Fields[3] = thingspeak.Text([]string{"1", "off"}[i%2])
		e.Fields[4] = thingspeak.Text([]string{"1,5", "NaN", "2,5"}[i%3])
		s.post(c, e)
	}
	body := s.page(fmt.Sprint("/channels/", c.ID), http.StatusOK)
	if n := strings.Count(body, `<svg xmlns="http://www.w3.org/2000/svg" class="plot" `); n != 1 {
		t.Errorf("%d plots\n%s", n, body)
	}
	for _, want := range []string{"200 values from 20 to 24, 2026-03-01 12:00:00 to 2026-03-01 15:19:00 UTC", "newest <bdi>24<"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Count(body, "<script") != 1 {
		t.Errorf("a label is a script:\n%s", body)
	}
	again := s.page(fmt.Sprint("/channels/", c.ID), http.StatusOK)
	if again != body {
		t.Error("the page is another one when it is asked for again")
	}
	label = "warmth"
	if _, err := s.rules.ChangeChannel(s.Context(), relay.LocalAccountID, c.ID, relay.Settings{Labels: [8]*string{&label}}); err != nil {
		t.Fatal(err)
	}
	s.post(c, thingspeak.Entry{CreatedAt: begin.Add(10 * time.Hour), Fields: thingspeak.Fields{thingspeak.Text("99")}})
	for _, want := range []string{"201 values from 20 to 99", ">warmth<", "newest <bdi>99<"} {
		if body := s.page(fmt.Sprint("/channels/", c.ID), http.StatusOK); !strings.Contains(body, want) {
			t.Errorf("the page lacks %q after a change", want)
		}
	}
	if css := s.get("/page/style.css", "").Body.String(); !strings.Contains(css, ".plot-line {") {
		t.Error("the style sheet colours no plots")
	}
}

// TestProgramsGetData: only what a browser asks for without an extension is a page.
func TestProgramsGetData(t *testing.T) {
	s := newPageServer(t, Options{})
	c := s.channel(relay.Settings{Public: new(true)})
	path := fmt.Sprint("/channels/", c.ID)
	for _, tt := range []struct {
		path, accept string
		page         bool
	}{
		{path, browser, true},
		{path + "/", browser, true},
		{path + ".html", browser, true},
		{path, "text/html", true},
		{path, "*/*", false},
		{path, "", false},
		{path, "application/json", false},
		{path, "text/htmlx, */*", false},
		{path + ".json", browser, false},
		{path + "?api_key=" + c.Keys[1].Text, browser, false},
	} {
		w := s.get(tt.path, tt.accept)
		isPage := strings.HasPrefix(w.Body.String(), "<!doctype html>")
		if w.Code != http.StatusOK || isPage != tt.page {
			t.Errorf("%s, Accept %q: status %d, a page: %v; want %v", tt.path, tt.accept, w.Code, isPage, tt.page)
		}
		if !isPage && !strings.HasPrefix(w.Body.String(), fmt.Sprintf(`{"id":%d,`, c.ID)) {
			t.Errorf("%s, Accept %q: %s", tt.path, tt.accept, w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodPost, path, nil)
	r.Header.Set("Accept", browser)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST of a page: %d", w.Code)
	}
}

// TestPrivateChannelsShowNothing: a visitor cannot tell one from a channel that is not there.
func TestPrivateChannelsShowNothing(t *testing.T) {
	s := newPageServer(t, Options{})
	private := s.channel(relay.Settings{Name: new("secret diary"), Description: new("mine")})
	s.post(private, thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text("dear diary")}})
	missing := s.page("/channels/1", http.StatusNotFound)
	if got := s.page(fmt.Sprint("/channels/", private.ID), http.StatusNotFound); got != missing {
		t.Errorf("the page of a private channel:\n%s\nof one that is not there:\n%s", got, missing)
	}
	if got := s.page("/channels/nonsense", http.StatusNotFound); got != missing {
		t.Errorf("the page of no number:\n%s", got)
	}
	front := s.page("/", http.StatusOK)
	if strings.Contains(front, "diary") || strings.Contains(front, fmt.Sprint(private.ID)) {
		t.Errorf("the front page shows it:\n%s", front)
	}
}

// hostile are texts that want to be more than text.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `</td></table></main>`,
	`]]>`, `-->`, `<!--`, `{{.Keys}}`, `&lt;b&gt;`, "javascript:alert(1)", "a\u202eb", "x\x01y", "\u2028", "`${1}`", "a\r\nb",
}

func TestPagesEscape(t *testing.T) {
	s := newPageServer(t, Options{})
	for _, text := range hostile {
		set := relay.Settings{
			Name: &text, Description: &text, URL: &text, Elevation: &text, Public: new(true), Tags: &[]string{text},
			Latitude: new("1"), Longitude: new("2"),
		}
		for i := range set.Labels {
			set.Labels[i] = &text
		}
		c := s.channel(set)
		e := thingspeak.Entry{Status: thingspeak.Text(text), Elevation: thingspeak.Text(text)}
		e.Latitude, e.Longitude = thingspeak.Text("1"), thingspeak.Text("2")
		for i := range e.Fields {
			e.Fields[i] = thingspeak.Text(text)
		}
		s.post(c, e)
		body := s.page(fmt.Sprint("/channels/", c.ID), http.StatusOK)
		if strings.ContainsAny(text, "<>") && strings.Contains(body, text) {
			t.Errorf("%q stands on the page as it is", text)
		}
		if strings.Contains(text, ":") && strings.Contains(body, `href="`+text) {
			t.Errorf("%q is a link", text)
		}
	}
	front := s.page("/", http.StatusOK)
	for _, text := range hostile {
		if strings.ContainsAny(text, "<>") && strings.Contains(front, text) {
			t.Errorf("%q stands on the front page as it is", text)
		}
	}
}

func FuzzChannelPage(f *testing.F) {
	for _, text := range hostile {
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		s := newPageServer(t, Options{})
		c, err := s.rules.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{
			Name: &name, Description: &value, URL: &name, Public: new(true), Labels: [8]*string{&name, &value},
		})
		if err != nil {
			return // not UTF-8, or too long
		}
		_, err = s.rules.Update(t.Context(), relay.Update{Key: c.Keys[0].Text, Entries: []relay.NewEntry{{
			Entry: thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(value)}, Status: thingspeak.Text(name)},
		}}})
		if err != nil {
			return
		}
		w := s.get(fmt.Sprint("/channels/", c.ID), browser)
		if w.Code != http.StatusOK {
			t.Fatalf("status %d", w.Code)
		}
		// Whatever the texts are, the page has the same elements as with plain ones; a link more if one is an address.
		if n := strings.Count(w.Body.String(), "<script"); n != 1 {
			t.Errorf("the page has %d scripts\n%s", n, w.Body)
		}
		if n := strings.Count(w.Body.String(), "<a "); n != 4 && (n != 5 || webAddress(name) == "") {
			t.Errorf("the page has %d links\n%s", n, w.Body)
		}
	})
}

func TestFrontPage(t *testing.T) {
	s := newPageServer(t, Options{})
	empty := s.page("/", http.StatusOK)
	for _, want := range []string{"None yet", "http://relay.example/update", "takes a user key"} {
		if !strings.Contains(empty, want) {
			t.Errorf("the front page of a new relay lacks %q:\n%s", want, empty)
		}
	}
	for i := range 2*pageLength + 1 {
		s.channel(relay.Settings{Name: new(fmt.Sprintf("board %02d", i)), Public: new(true)})
	}
	seen := map[string]bool{}
	for page, links := range map[string]string{"": "next", "2": "previous next", "3": "previous"} {
		body := s.page("/?page="+page, http.StatusOK)
		for _, m := range regexp.MustCompile(`board \d\d`).FindAllString(body, -1) {
			if seen[m] {
				t.Errorf("%s stands on two pages", m)
			}
			seen[m] = true
		}
		for _, link := range []string{"previous", "next"} {
			if strings.Contains(body, ">"+link+"<") != strings.Contains(links, link) {
				t.Errorf("page %s: link %s", page, link)
			}
		}
	}
	if len(seen) != 2*pageLength+1 {
		t.Errorf("%d channels are listed", len(seen))
	}
	for _, odd := range []string{"0", "-1", "99999999999999999999", "x"} {
		s.page("/?page="+odd, http.StatusOK)
	}
}

// TestAddressOnTheFrontPage: it is the one that the visitor has.
func TestAddressOnTheFrontPage(t *testing.T) {
	for _, tt := range []struct {
		name, remote, proto, want string
	}{
		{"plain", "203.0.113.7:1", "", "http://relay.example"},
		{"behind our proxy", "10.0.0.1:1", "https", "https://relay.example"},
		{"a stranger's claim", "203.0.113.7:1", "https", "http://relay.example"},
	} {
		s := newPageServer(t, Options{Clients: guard.New(guard.Limits{}, proxies(t, "10.0.0.1"), nil)})
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host, r.RemoteAddr = "relay.example", tt.remote
		if tt.proto != "" {
			r.Header.Set("X-Forwarded-Proto", tt.proto)
		}
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), "<pre tabindex=\"0\">"+tt.want+"</pre>") {
			t.Errorf("%s: %s", tt.name, w.Body)
		}
	}
}

// TestPageFiles: what pages load is served with its type, once from there, then from the browser's memory.
func TestPageFiles(t *testing.T) {
	s := newPageServer(t, Options{})
	for name, media := range map[string]string{
		"style.css": "text/css; charset=utf-8", "refresh.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
	} {
		want, err := os.ReadFile("page/" + name)
		if err != nil {
			t.Fatal(err)
		}
		w := s.get("/page/"+name, "")
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != media || !strings.HasPrefix(w.Body.String(), string(want)) {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		r := httptest.NewRequest(http.MethodGet, "/page/"+name, nil)
		r.Header.Set("If-None-Match", w.Header().Get("Etag"))
		again := httptest.NewRecorder()
		s.handler.ServeHTTP(again, r)
		if again.Code != http.StatusNotModified {
			t.Errorf("%s asked for again: %d", name, again.Code)
		}
	}
	if w := s.get("/page/page.html", ""); w.Code != http.StatusNotFound {
		t.Errorf("the template is served: %d", w.Code)
	}
}

// TestTextsAreNotPages: values that are typed as HTML cannot run as a page of this address, whatever the request says.
func TestTextsAreNotPages(t *testing.T) {
	s := newPageServer(t, Options{})
	c := s.channel(relay.Settings{Public: new(true)})
	s.post(c, thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text("<script>alert(1)</script>")}})
	for _, query := range []string{"", "?headers=false"} {
		w := s.get(fmt.Sprintf("/channels/%d/fields/1/last%s", c.ID, query), browser)
		if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, "sandbox") {
			t.Errorf("%q: policy %q", query, got)
		}
	}
}

// TestNotice: what whoever runs the relay has to say stands on every page, and nowhere else.
func TestNotice(t *testing.T) {
	const notice = "this relay cheats & says so"
	s := newPageServer(t, Options{Notice: notice})
	c := s.channel(relay.Settings{Public: new(true)})
	for path, status := range map[string]int{
		"/": http.StatusOK, fmt.Sprint("/channels/", c.ID): http.StatusOK, "/channels/1": http.StatusNotFound,
	} {
		if page := s.page(path, status); !strings.Contains(page, "this relay cheats &amp; says so") {
			t.Errorf("%s lacks the notice:\n%s", path, page)
		}
	}
	if got := s.get(fmt.Sprint("/channels/", c.ID), "*/*").Body.String(); strings.Contains(got, "cheats") {
		t.Errorf("a program gets %s", got)
	}
	if page := newPageServer(t, Options{}).page("/", http.StatusOK); strings.Contains(page, `class="notice"`) {
		t.Errorf("there is a notice on\n%s", page)
	}
}

// The page for invitations tells what to do and asks the relay for nothing: what is behind the # stays in the browser.
func TestJoinPage(t *testing.T) {
	s := newPageServer(t, Options{})
	body := s.page("/join", http.StatusOK)
	for _, want := range []string{"fernpost join", "whoever serves this page", `src="/page/join.js"`, `id="join"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	script := s.get("/page/join.js", "").Body.String()
	if !strings.Contains(script, "history.replaceState") {
		t.Error("the invitation stays in the address bar")
	}
	if !strings.Contains(script, `addEventListener("hashchange"`) {
		t.Error("an invitation that is pasted into the address bar of the page stays there")
	}
	for _, bad := range []string{"fetch(", "XMLHttpRequest", "sendBeacon", "localStorage", "document.cookie"} {
		if strings.Contains(script, bad) {
			t.Errorf("the script uses %s", bad)
		}
	}
}
