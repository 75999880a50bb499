package web

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/web/outside"
)

// startClass starts a lesson on loopback, which ends with the test.
func startClass(t *testing.T, o ClassOptions) *Class {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Name == "" {
		o.Name = "class"
	}
	c, err := StartClass(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endClass(t, c) })
	return c
}

func endClass(t *testing.T, c *Class) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
}

// client trusts every certificate: it is the lesson's own.
func client(t *testing.T) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// call asks the lesson for something; body is sent as JSON if it is not nil.
func call(t *testing.T, c *Class, method, path, token string, body any) (status int, answer string) {
	t.Helper()
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, c.options.Address+path, in)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	got, err := client(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	all, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got.StatusCode, string(all)
}

// turnTo turns switches.
func turnTo(t *testing.T, c *Class, switches map[string]any) classState {
	t.Helper()
	status, answer := call(t, c, "POST", "/class/switches", c.token, switches)
	var s classState
	if err := json.Unmarshal([]byte(answer), &s); err != nil || status != http.StatusOK {
		t.Fatalf("turning %v: %d %s", switches, status, answer)
	}
	return s
}

// line is one of a stream.
type line struct {
	Wire   *outside.Wire
	Row    *outside.Row
	Was    string
	Reset  string
	Gone   int64
	Stolen *theft
	State  *classState
	End    bool
}

// streamOf reads a stream of the lesson.
func streamOf(t *testing.T, c *Class, path, token string) <-chan line {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", c.options.Address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := client(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s answers %s", path, answer.Status)
	}
	lines, done := make(chan line, 100), make(chan struct{})
	go func() {
		defer close(done)
		defer answer.Body.Close()
		for in := bufio.NewScanner(answer.Body); in.Scan(); {
			var l line
			if len(in.Bytes()) == 0 {
				continue
			}
			if err := json.Unmarshal(in.Bytes(), &l); err != nil {
				if ctx.Err() == nil { // or it is what came of a line before the test ended
					t.Errorf("%q: %v", in.Text(), err)
				}
				return
			}
			select {
			case lines <- l:
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return lines
}

// await returns the next line of a kind.
func await(t *testing.T, lines <-chan line, what string, is func(line) bool) line {
	t.Helper()
	for {
		if l := testenv.Receive(t, lines, what); is(l) {
			return l
		}
	}
}

func isWire(l line) bool { return l.Wire != nil }
func isRow(l line) bool  { return l.Row != nil }

// postValues posts an entry as phones do.
func postValues(t *testing.T, c *Class, values ...string) (answer string) {
	t.Helper()
	form := url.Values{}
	for i, v := range values {
		form.Set(fmt.Sprintf("field%d", i+1), v)
	}
	c.mu.Lock()
	form.Set("api_key", c.now().writeKey)
	c.mu.Unlock()
	got, err := client(t).PostForm(c.options.Address+"/update", form)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	all, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// TestClassShowsWireAndCloud: a request is shown to the byte as it came, and beside it the row that it has become, to the projector
// and to whoever is in the room.
func TestClassShowsWireAndCloud(t *testing.T) {
	t.Parallel()
	c := startClass(t, ClassOptions{})
	teacher := streamOf(t, c, "/class/events", c.token)
	phone := streamOf(t, c, "/class/outside", c.now().writeKey)
	if got := postValues(t, c, "one", "two, three"); got != "1" {
		t.Fatalf("the update is answered by %q", got)
	}
	for who, lines := range map[string]<-chan line{"the projector": teacher, "a phone": phone} {
		var w *outside.Wire
		var r *outside.Row
		for w == nil || r == nil {
			l := testenv.Receive(t, lines, "what "+who+" is shown")
			if l.Wire != nil {
				w = l.Wire
			}
			if l.Row != nil {
				r = l.Row
			}
		}
		request := string(w.Request)
		if !strings.HasPrefix(request, "POST /update HTTP/1.1\r\nHost: ") || !strings.Contains(request, "field1=one&field2=two%2C+three") ||
			!strings.HasSuffix(request, "three") || w.Bytes != len(request) || w.Entry != 1 || w.Status != http.StatusOK || w.Records != nil {
			t.Fatalf("%s is shown on the wire %+v %q", who, w, request)
		}
		if !strings.HasSuffix(r.CSV, `,1,one,"two, three",,,,,,`) || r.Entry != 1 {
			t.Fatalf("%s is shown in the cloud %q", who, r.CSV)
		}
	}
	// Who comes later is shown the same.
	await(t, streamOf(t, c, "/class/events", c.token), "the row, for who comes later", isRow)
}

// TestClassRefusedUpdate: what the relay does not take is on the wire all the same.
func TestClassRefusedUpdate(t *testing.T) {
	t.Parallel()
	c := startClass(t, ClassOptions{})
	turnTo(t, c, map[string]any{"interval_ms": 15000})
	lines := streamOf(t, c, "/class/events", c.token)
	if first, second := postValues(t, c, "1"), postValues(t, c, "2"); first != "1" || second != "0" {
		t.Fatalf("with an interval the two updates are answered by %q and %q", first, second)
	}
	if l := await(t, lines, "the first", isWire); l.Wire.Entry != 1 {
		t.Fatalf("the first is %+v", l.Wire)
	}
	if l := await(t, lines, "the second", isWire); l.Wire.Entry != 0 || !strings.Contains(string(l.Wire.Request), "field1=2") {
		t.Fatalf("the second is %+v", l.Wire)
	}
}

// Whoever reached the class wrote what he liked on the projector, without a key.
func TestAStrangersRequestsAreNotShown(t *testing.T) {
	t.Parallel()
	c := startClass(t, ClassOptions{})
	lines := streamOf(t, c, "/class/events", c.token)
	if status, _ := call(t, c, "GET", "/update?api_key=AAAAAAAAAAAAAAAA&field1=lies", "", nil); status == http.StatusOK {
		t.Fatal("a wrong key writes")
	}
	if status, _ := call(t, c, "GET", "/x/update.y?field1=lies", "", nil); status != http.StatusNotFound {
		t.Fatal(status)
	}
	if first := postValues(t, c, "1"); first != "1" {
		t.Fatal(first)
	}
	if l := await(t, lines, "the first", isWire); l.Wire.Entry != 1 {
		t.Errorf("shown is %s", l.Wire.Request)
	}
}

// TestClassRelayLies: the switch makes the relay lie from then on, and the column of the cloud shows what it shows.
func TestClassRelayLies(t *testing.T) {
	t.Parallel()
	c := startClass(t, ClassOptions{})
	if s := turnTo(t, c, map[string]any{"lies": []string{"alter"}}); s.Notice == "" || s.Switches.Lies[0] != "alter" {
		t.Fatalf("a relay that lies says %+v", s)
	}
	lines := streamOf(t, c, "/class/events", c.token)
	postValues(t, c, "aaaa")
	postValues(t, c, "bbbb")
	await(t, lines, "the second row as it is", func(l line) bool { return l.Row != nil && l.Row.Entry == 2 })
	postValues(t, c, "cccc")
	l := await(t, lines, "the altered row", func(l line) bool { return l.Row != nil && l.Was != "" })
	if l.Row.Entry != 2 || !strings.Contains(l.Was, ",2,bbbb") || strings.Contains(l.Row.CSV, "bbbb") {
		t.Fatalf("altered is %q, and was %q", l.Row.CSV, l.Was)
	}
	turnTo(t, c, map[string]any{"lies": []string{}})
	await(t, lines, "a feed that begins anew", func(l line) bool { return l.Reset == "cloud" })
	// What was on the wire stays, also for who comes later.
	if l := await(t, streamOf(t, c, "/class/events", c.token), "what was on the wire", isWire); l.Wire.Entry != 1 {
		t.Fatalf("what was on the wire is %+v", l.Wire)
	}
	if l := await(t, lines, "the second row", func(l line) bool { return l.Row != nil && l.Row.Entry == 2 }); !strings.Contains(l.Row.CSV, "bbbb") {
		t.Fatalf("without lies it shows %q", l.Row.CSV)
	}
}

// TestClassProfileIsAnotherRoom: plain texts have a room of their own, and the signed one is still there afterwards.
func TestClassProfileIsAnotherRoom(t *testing.T) {
	t.Parallel()
	c := startClass(t, ClassOptions{})
	signed := c.JoinLink()
	texts := turnTo(t, c, map[string]any{"profile": "tutorial"})
	if texts.Link == signed || texts.Name != "class-texts" || texts.Code.Path == "" {
		t.Fatalf("the room of texts is %+v", texts)
	}
	lines := streamOf(t, c, "/class/events", c.token)
	postValues(t, c, "b'gAAAA'")
	if l := await(t, lines, "the row", isRow); !strings.HasSuffix(l.Row.CSV, ",1,b'gAAAA'") {
		t.Fatalf("a room of texts has one field: %q", l.Row.CSV)
	}
	if back := turnTo(t, c, map[string]any{"profile": "fernpost"}); back.Link != signed {
		t.Fatal("the signed room is another one afterwards")
	}
	feeds, err := c.EndLies(t.Context())
	if err != nil || len(feeds) != 1 || feeds[0].Name != "class-texts" {
		t.Fatalf("kept would be %v, %v", feeds, err)
	}
	var feed bytes.Buffer
	if err := feeds[0].Write(t.Context(), &feed); err != nil {
		t.Fatal(err)
	}
	if got := feed.String(); !strings.HasPrefix(got, "created_at,entry_id,field1\n") || !strings.HasSuffix(got, ",1,b'gAAAA'\n") {
		t.Fatalf("kept would be %q", got)
	}
}

// TestClassIsTheTeachersOnly: without the token nobody turns a switch, reads the invitation or hears what was stolen; and nobody who
// is not in the room reads the requests with its key.
func TestClassIsTheTeachersOnly(t *testing.T) {
	t.Parallel()
	c := startClass(t, ClassOptions{Seats: 3})
	for _, ask := range []struct{ method, path string }{
		{"GET", "/class/state"},
		{"GET", "/class/events"},
		{"POST", "/class/switches"},
		{"GET", "/class/outside"},
	} {
		for _, token := range []string{"", "wrong", c.token + "x", c.token[:10]} {
			status, answer := call(t, c, ask.method, ask.path, token, map[string]any{"steals": true})
			if status != http.StatusUnauthorized || strings.Contains(answer, c.token) {
				t.Errorf("%s %s with token %q: %d %s", ask.method, ask.path, token, status, answer)
			}
		}
	}
	for _, path := range []string{"/", "/join", "/class", "/class/seats", "/class/now", "/static/class.js"} {
		status, answer := call(t, c, "GET", path, "", nil)
		_, fragment, _ := strings.Cut(c.JoinLink(), "#")
		if status != http.StatusOK || strings.Contains(answer, c.token) || strings.Contains(answer, fragment) || strings.Contains(answer, c.now().writeKey) {
			t.Errorf("%s: %d, and says what is the teacher's", path, status)
		}
	}
}

// TestClassSwitchesRefuse: what cannot be turned is refused with a reason, and nothing is turned.
func TestClassSwitchesRefuse(t *testing.T) {
	t.Parallel()
	c := startClass(t, ClassOptions{})
	for _, body := range []map[string]any{
		{"lies": []string{"flatter"}},
		{"interval_ms": -1},
		{"interval_ms": 1500},
		{"interval_ms": 3600000},
		{"profile": "rot13"},
		{"unknown": true},
		{"padding": "yes"},
	} {
		status, answer := call(t, c, "POST", "/class/switches", c.token, body)
		if status != http.StatusBadRequest || !strings.Contains(answer, `"detail"`) {
			t.Errorf("%v: %d %s", body, status, answer)
		}
	}
	if s := turnTo(t, c, map[string]any{}); s.Switches.Profile != "fernpost" || len(s.Switches.Lies) != 0 || s.Switches.IntervalMS != 0 {
		t.Fatalf("after all that the switches are %+v", s.Switches)
	}
}

// TestClassPageThatSteals: only while the switch says so the page has the script that steals, and takes the server what it sends.
func TestClassPageThatSteals(t *testing.T) {
	t.Parallel()
	c := startClass(t, ClassOptions{})
	key := c.now().writeKey
	honest := map[string]string{"what": "link", "name": "eve", "text": "x"}
	page := func() string {
		_, text := call(t, c, "GET", "/join", "", nil)
		return text
	}
	if status, _ := call(t, c, "POST", "/class/stolen", key, honest); status != http.StatusNotFound || strings.Contains(page(), "steal.js") {
		t.Fatalf("a page that does not steal: %d\n%s", status, page())
	}
	_, before := call(t, c, "GET", "/class/now", "", nil)
	turnTo(t, c, map[string]any{"steals": true})
	if _, now := call(t, c, "GET", "/class/now", "", nil); now == before {
		t.Fatal("phones are not told of another page")
	}
	lines := streamOf(t, c, "/class/events", c.token)
	if status, answer := call(t, c, "POST", "/class/stolen", key, honest); status != http.StatusNoContent || !strings.Contains(page(), "steal.js") {
		t.Fatalf("a page that steals: %d %s\n%s", status, answer, page())
	}
	if status, _ := call(t, c, "POST", "/class/stolen", "", honest); status != http.StatusUnauthorized {
		t.Errorf("a theft of somebody who is not in the room: %d", status)
	}
	if l := await(t, lines, "what was stolen", func(l line) bool { return l.Stolen != nil }); l.Stolen.Name != "eve" {
		t.Fatalf("stolen is %+v", l.Stolen)
	}
	for _, bad := range []any{map[string]string{"what": "cookies"}, map[string]string{"what": "link", "text": strings.Repeat("x", 2000)}, "x"} {
		if status, _ := call(t, c, "POST", "/class/stolen", key, bad); status != http.StatusBadRequest {
			t.Errorf("%v: %d", bad, status)
		}
	}
}

// TestClassTLS: with TLS nothing but records is left on the wire.
func TestClassTLS(t *testing.T) {
	t.Parallel()
	c := startClass(t, ClassOptions{TLS: true})
	if !strings.HasPrefix(c.JoinLink(), "https://") || len(c.Certificate()) != 32*3-1 {
		t.Fatalf("link %s, certificate %q", c.JoinLink(), c.Certificate())
	}
	lines := streamOf(t, c, "/class/events", c.token)
	postValues(t, c, "secret")
	l := await(t, lines, "what is on the wire", isWire)
	kinds := map[string]bool{}
	for _, r := range l.Wire.Records {
		kinds[r.Kind] = true
	}
	if l.Wire.Request != nil || !kinds["handshake"] || !kinds["application data"] || l.Wire.Entry != 1 {
		t.Fatalf("on the wire is %+v", l.Wire)
	}
}

// TestClassPages: every page and file has the policy that keeps foreign scripts out; only the worker may compile.
func TestClassPages(t *testing.T) {
	t.Parallel()
	c := startClass(t, ClassOptions{})
	for _, path := range []string{"/", "/join", "/class", "/class/seats", "/static/style.css", "/static/class.js", "/static/icon.svg"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", c.options.Address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", "gzip")
		got, err := client(t).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		policy := got.Header.Get("Content-Security-Policy")
		for _, part := range []string{
			"default-src 'none'", "script-src 'self';", "style-src 'self'", "connect-src 'self'", "worker-src 'self'", "base-uri 'none'",
			"form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types fernpost",
		} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy lacks %s: %q", path, part, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || got.Header.Get("X-Content-Type-Options") != "nosniff" || got.Header.Get("Content-Encoding") != "gzip" ||
			got.Header.Get("Referrer-Policy") != "no-referrer" || got.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %v", path, got.Status, got.Header)
		}
		r.Header.Set("If-None-Match", got.Header.Get("ETag"))
		again, err := client(t).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		again.Body.Close()
		if again.StatusCode != http.StatusNotModified {
			t.Errorf("%s: asked for again, it is sent again: %s", path, again.Status)
		}
	}
	if f := newFile("worker.js", nil); f.policy != workerPolicy || !strings.Contains(f.policy, "'wasm-unsafe-eval'") {
		t.Errorf("the worker's policy is %q", f.policy)
	}
	if status, _ := call(t, c, "GET", "/static/../class_test.go", "", nil); status != http.StatusNotFound {
		t.Errorf("a file that is no part of the page: %d", status)
	}
}

// TestClassIsAlsoARelay: what is no page of the lesson is the relay's own.
func TestClassIsAlsoARelay(t *testing.T) {
	t.Parallel()
	c := startClass(t, ClassOptions{})
	postValues(t, c, "here")
	status, feed := call(t, c, "GET", fmt.Sprintf("/channels/%d/feeds.csv", c.now().channel), "", nil)
	if status != http.StatusOK || !strings.Contains(feed, ",1,here,") {
		t.Fatalf("the feed: %d %s", status, feed)
	}
	// On this machine whoever reaches it makes channels.
	status, answer := call(t, c, "POST", "/channels.json", "", map[string]any{})
	if status != http.StatusOK || !c.Loopback() {
		t.Fatalf("a channel is made: %d %s", status, answer)
	}
}

// TestClassEndsWithoutATrace: the directory is gone, and so are those who listened.
func TestClassEndsWithoutATrace(t *testing.T) {
	t.Parallel()
	c := startClass(t, ClassOptions{})
	lines := streamOf(t, c, "/class/events", c.token)
	postValues(t, c, "gone soon")
	await(t, lines, "the row", isRow)
	began := time.Now()
	endClass(t, c)
	await(t, lines, "the end, of which the projector is told", func(l line) bool { return l.End })
	if _, err := os.Stat(c.dir.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the directory %s is there: %v", c.dir.Path(), err)
	}
	if time.Since(began) > testenv.Patience/2 {
		t.Fatal("a stream held up the end")
	}
}

// TestClassThatCannotStartLeavesNothing: an address that is taken is named, and no directory stays behind.
func TestClassThatCannotStartLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c := startClass(t, ClassOptions{})
	_, err := StartClass(t.Context(), ClassOptions{Listen: strings.TrimPrefix(c.options.Address, "http://"), Name: "class"})
	if err == nil || !strings.Contains(err.Error(), "listening on") {
		t.Fatalf("a second class at one address: %v", err)
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) != 1 {
		t.Fatalf("left are %v, %v", left, err)
	}
	if _, err := StartClass(t.Context(), ClassOptions{Listen: "127.0.0.1:0", Name: strings.Repeat("x", 100)}); err == nil {
		t.Fatal("a name that no invitation can have is taken")
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) != 1 {
		t.Fatalf("left are %v", left)
	}
}

// Phones of the lesson before ask the same address again and again: one that came before the new lesson had a room stopped it for good.
func TestNothingIsServedBeforeTheLessonHasBegun(t *testing.T) {
	c := &Class{begun: make(chan struct{})}
	front := c.onceBegun(http.HandlerFunc(c.getNow))
	reply := httptest.NewRecorder()
	front.ServeHTTP(reply, httptest.NewRequestWithContext(t.Context(), "GET", "/class/now", nil))
	if reply.Code != http.StatusServiceUnavailable || reply.Header().Get("Retry-After") == "" {
		t.Errorf("it answers %d, %v", reply.Code, reply.Header())
	}
}

// Whoever sent switches slowly stopped all phones.
func TestSlowSwitchesStopNobody(t *testing.T) {
	c := startClass(t, ClassOptions{})
	slow, rest := io.Pipe()
	ended := make(chan int)
	reading := make(chan struct{})
	go func() {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/class/switches", io.TeeReader(slow, closing(reading)))
		reply := httptest.NewRecorder()
		c.postSwitches(reply, r)
		ended <- reply.Code
	}()
	fmt.Fprint(rest, `{"padding"`)
	<-reading
	if s := c.forPhones(); s.Padding {
		t.Error("padding is on")
	}
	fmt.Fprint(rest, `: true}`)
	rest.Close()
	if code := <-ended; code != http.StatusOK || !c.forPhones().Padding {
		t.Errorf("it answers %d", code)
	}
}

// closing is closed by the first write.
type closing chan struct{}

func (c closing) Write(b []byte) (int, error) {
	select {
	case <-c:
	default:
		close(c)
	}
	return len(b), nil
}

// Each stranger who took no gzip had a copy of the core made for him.
func TestAFileIsUnpackedOnce(t *testing.T) {
	t.Parallel()
	f := files()["/static/core.wasm"]
	first, second := f.unpacked(), f.unpacked()
	if &first[0] != &second[0] || !bytes.HasPrefix(first, []byte("\x00asm")) {
		t.Error("it is unpacked twice")
	}
	reply := httptest.NewRecorder()
	f.ServeHTTP(reply, httptest.NewRequestWithContext(t.Context(), "GET", "/static/core.wasm", nil))
	head := reply.Header()
	if !bytes.Equal(reply.Body.Bytes(), first) || head.Get("Content-Encoding") != "" || head.Get("ETag") != "" {
		t.Errorf("without gzip it is served with %v", head)
	}
}

// TestPagesAreSmall: beside the core, which package web/core bounds, all that pages load comes in a moment over a crowded Wi-Fi.
func TestPagesAreSmall(t *testing.T) {
	t.Parallel()
	sum := len(phonePages()[false].packed)
	for path, f := range files() {
		if path != "/static/core.wasm" {
			sum += len(f.packed)
		}
	}
	if most := 64 << 10; sum > most {
		t.Errorf("the pages are %d bytes, packed; want at most %d", sum, most)
	}
	t.Logf("the pages are %d bytes, packed, and the core %d", sum, len(core))
}
