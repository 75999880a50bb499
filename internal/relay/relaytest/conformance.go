package relaytest

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Conformance holds a relay against the contract: the files *.http in a directory have a case for each fact, named by its
// section. open returns a new, empty store for a case, which the relay closes. It is called in a synctest bubble, whose
// clock the store must go by.
//
//	=== 5.3 the text reply is the number of the entry alone
//	@ interval 15s
//	POST /update
//	Content-Type: application/x-www-form-urlencoded
//
//	api_key={write}&field1=5
//	--- 200
//	Content-Type: text/html; charset=utf-8
//
//	1
//
// A case begins with "===" and may have lines "@" that set it up. What is sent stands as it goes over the wire, but for
// line ends, "HTTP/1.1", Host and Content-Length, which are added where they are missing. "---" begins the answer: its
// status, headers that it must have, or with "!" before the name must not, and behind a blank line the body, without the
// last line end. Without that blank line the body may be anything. "+++" begins another request of the case, and may be
// followed by lines "@". A blank line stands between cases.
//
// Every case has a relay of its own, whose clock begins at 2000-01-01T00:00:00Z and moves when told to. {id}, {write},
// {read} and {user} stand for a channel and its keys, {any} for any text, {byte:ff} for a byte, {times:255:x} for a text
// that is repeated. The set-up lines are
//
//	@ interval TIME                                of the relay; it and the next come before everything else
//	@ limits PRESET [limit=value …]                of the relay
//	@ account NAME                                 another account: {NAME.user}
//	@ channel [NAME] [private] [setting=value …]   another channel: {NAME.id} …; without a name it replaces the first;
//	                                               owner=NAME makes it an account's
//	@ entry setting=value …                        an entry in the first channel, without regard to its interval
//	@ wait TIME                                    lets time pass
//
// Whatever a case says, every answer must keep the transport rules of section 1.1.
func Conformance(t *testing.T, dir string, open func(testing.TB) relay.Store) {
	files, err := filepath.Glob(filepath.Join(dir, "*.http"))
	if err != nil || len(files) == 0 {
		t.Fatalf("cases in %s: %v, %v", dir, files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".http"), func(t *testing.T) {
			t.Parallel()
			for _, c := range readCases(t, file) {
				t.Run(c.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { c.run(t, open) })
				})
			}
		})
	}
}

// conformanceCase is one case of a file.
type conformanceCase struct {
	name  string
	at    string // file:line
	steps []conformanceStep
}

// conformanceStep is one request with what comes before it and what has to come back.
type conformanceStep struct {
	setup   []string
	request []string
	status  string
	answer  []string
}

// sectioned is how a case begins.
var sectioned = regexp.MustCompile(`^=== [0-9]+(\.[0-9]+)? `)

// readCases parses a file.
func readCases(t *testing.T, file string) []conformanceCase {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []conformanceCase
	var step *conformanceStep
	for n, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		begin := func() {
			c := &cases[len(cases)-1]
			c.steps = append(c.steps, conformanceStep{})
			step = &c.steps[len(c.steps)-1]
		}
		switch {
		case strings.HasPrefix(line, "=== "):
			if step != nil && len(step.answer) > 0 { // the blank line between cases
				step.answer = step.answer[:len(step.answer)-1]
			}
			if !sectioned.MatchString(line) {
				t.Fatalf("%s:%d: the case names no section", file, n+1)
			}
			cases = append(cases, conformanceCase{name: line[4:], at: fmt.Sprintf("%s:%d", file, n+1)})
			begin()
		case step == nil: // words before the first case
		case line == "+++":
			begin()
		case strings.HasPrefix(line, "@ ") && len(step.request) == 0:
			step.setup = append(step.setup, line[2:])
		case strings.HasPrefix(line, "--- ") && step.status == "":
			step.status = line[4:]
		case step.status == "":
			step.request = append(step.request, line)
		default:
			step.answer = append(step.answer, line)
		}
	}
	return cases
}

// caseRun is a case that runs.
type caseRun struct {
	server *Server
	names  map[string]string
	first  Channel
	// accounts are their numbers by name.
	accounts map[string]int64
}

func (c *conformanceCase) run(t *testing.T, open func(testing.TB) relay.Store) {
	with := []Option{WithStore(open)}
	var setup []string
	for _, line := range c.steps[0].setup {
		switch word, rest, _ := strings.Cut(line, " "); word {
		case "interval":
			with = append(with, Interval(duration(t, rest)))
		case "limits":
			with = append(with, Limits(parseLimits(t, strings.Fields(rest))))
		default:
			setup = append(setup, line)
		}
	}
	c.steps[0].setup = setup
	r := &caseRun{server: InBubble(t, with...), names: map[string]string{}, accounts: map[string]int64{}}
	r.names["{user}"] = r.server.UserKey
	r.setUp(t, "channel name=my_house field1=Light field2=Temp")
	for i := range c.steps {
		for _, line := range c.steps[i].setup {
			r.setUp(t, line)
		}
		r.step(t, &c.steps[i], c.at)
	}
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// parseLimits reads a preset and what differs from it.
func parseLimits(t *testing.T, words []string) relay.Limits {
	t.Helper()
	l, err := relay.Preset(words[0])
	if err != nil {
		t.Fatal(err)
	}
	numbers := map[string]*int{
		"bulk_updates": &l.BulkUpdates, "value_bytes": &l.ValueBytes, "message_bytes": &l.MessageBytes,
		"results": &l.Results, "channels": &l.Channels, "open_channels": &l.OpenChannels,
	}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		var err error
		switch to := numbers[name]; {
		case to != nil:
			*to, err = strconv.Atoi(value)
		case name == "entries":
			l.Entries, err = strconv.ParseInt(value, 10, 64)
		case name == "interval":
			l.Interval = duration(t, value)
		case name == "bulk_interval":
			l.BulkInterval = duration(t, value)
		default:
			t.Fatalf("unknown limit %q", w)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// setUp does what a line "@" says.
func (r *caseRun) setUp(t *testing.T, line string) {
	t.Helper()
	words := strings.Fields(line)
	values := url.Values{}
	name, private := "", false
	for _, w := range words[1:] {
		if key, value, ok := strings.Cut(w, "="); ok {
			value, err := url.QueryUnescape(value)
			if err != nil {
				t.Fatal(err)
			}
			values.Set(key, value)
		} else if w == "private" {
			private = true
		} else {
			name = w
		}
	}
	switch words[0] {
	case "wait":
		time.Sleep(duration(t, name))
	case "account":
		a := relay.Account{Name: name, Key: relay.NewKey(), CreatedAt: time.Now()}
		if err := r.server.Store.CreateAccount(t.Context(), &a); err != nil {
			t.Fatal(err)
		}
		r.names["{"+name+".user}"], r.accounts[name] = a.Key, a.ID
	case "channel":
		r.addChannel(t, name, private, values)
	case "entry":
		r.addEntries(t, values)
	default:
		t.Fatalf("unknown set-up %q", line)
	}
}

func (r *caseRun) addChannel(t *testing.T, name string, private bool, values url.Values) {
	t.Helper()
	optional := func(key string) *string {
		if !values.Has(key) {
			return nil
		}
		return new(values.Get(key))
	}
	s := relay.Settings{
		Name: optional("name"), Description: optional("description"), Metadata: optional("metadata"),
		Latitude: optional("latitude"), Longitude: optional("longitude"), Elevation: optional("elevation"),
		URL: optional("url"), Public: new(!private),
	}
	if values.Has("tags") {
		s.Tags = new(strings.Split(values.Get("tags"), ","))
	}
	for i := range s.Labels {
		s.Labels[i] = optional(fmt.Sprint("field", i+1))
	}
	owner := int64(relay.LocalAccountID)
	if named := values.Get("owner"); named != "" {
		owner = r.accounts[named]
	}
	made, err := r.server.Relay.CreateChannel(t.Context(), owner, s)
	if err != nil {
		t.Fatal(err)
	}
	channel := Channel{ID: made.ID, WriteKey: made.Keys[0].Text, ReadKey: made.Keys[1].Text}
	prefix := ""
	if name != "" {
		prefix = name + "."
	} else {
		r.first = channel
	}
	r.names["{"+prefix+"id}"] = fmt.Sprint(channel.ID)
	r.names["{"+prefix+"write}"] = channel.WriteKey
	r.names["{"+prefix+"read}"] = channel.ReadKey
}

func (r *caseRun) addEntries(t *testing.T, values url.Values) {
	t.Helper()
	e := thingspeak.Entry{}
	value := func(key string) thingspeak.Value {
		return thingspeak.Value{Text: values.Get(key), Given: values.Has(key)}
	}
	for i := range e.Fields {
		e.Fields[i] = value(fmt.Sprint("field", i+1))
	}
	e.Status, e.Latitude, e.Longitude, e.Elevation =
		value("status"), value("latitude"), value("longitude"), value("elevation")
	if at := values.Get("created_at"); at != "" {
		var err error
		if e.CreatedAt, err = thingspeak.ParseTime(at, nil); err != nil {
			t.Fatal(err)
		}
	}
	count := 1
	if n := values.Get("times"); n != "" {
		if _, err := fmt.Sscan(n, &count); err != nil {
			t.Fatal(err)
		}
	}
	r.server.Seed(t, r.first.ID, count, func(int) thingspeak.Entry { return e })
}

// special are the texts that a case cannot hold as they are.
var special = regexp.MustCompile(`\{byte:([0-9a-f]{2})\}|\{times:([0-9]+):([^}]*)\}`)

// expand puts the names of channels and keys in, and special texts.
func (r *caseRun) expand(text string) string {
	for name, value := range r.names {
		text = strings.ReplaceAll(text, name, value)
	}
	return special.ReplaceAllStringFunc(text, func(s string) string {
		part := special.FindStringSubmatch(s)
		if part[1] != "" {
			b, _ := hex.DecodeString(part[1])
			return string(b)
		}
		n, _ := strconv.Atoi(part[2])
		return strings.Repeat(part[3], n)
	})
}

func (r *caseRun) step(t *testing.T, s *conformanceStep, at string) {
	t.Helper()
	raw, method := wire(r.expand(strings.Join(s.request, "\n")))
	got, head, body := r.exchange(t, raw, method)
	checkTransport(t, raw, head, got, body, method)
	if len(got.TransferEncoding) > 0 {
		got.Header.Set("Transfer-Encoding", got.TransferEncoding[0]) // the parser takes it away
	}
	if status := strings.Fields(s.status)[0]; fmt.Sprint(got.StatusCode) != status {
		t.Errorf("%s: status %d, want %s\n%s\n%s", at, got.StatusCode, status, head, body)
	}
	headers, want, hasBody := strings.Cut(r.expand(strings.Join(s.answer, "\n")), "\n\n")
	if len(s.answer) > 0 && s.answer[0] == "" {
		want, headers, hasBody = strings.TrimPrefix(r.expand(strings.Join(s.answer, "\n")), "\n"), "", true
	}
	for line := range strings.SplitSeq(headers, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		switch absent, isAbsent := strings.CutPrefix(name, "!"); {
		case name == "":
		case isAbsent:
			if v := got.Header.Get(absent); v != "" {
				t.Errorf("%s: header %s is %q, want none", at, absent, v)
			}
		case !Like(value, got.Header.Get(name)):
			t.Errorf("%s: header %s is %q, want %q", at, name, got.Header.Get(name), value)
		}
	}
	if hasBody && !Like(want, body) {
		t.Errorf("%s: body is\n%q, want\n%q", at, body, want)
	}
}

// Like compares with a text that may hold {any}, which stands for any text.
func Like(want, got string) bool {
	parts := strings.Split(want, "{any}")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`(?s)\A` + strings.Join(parts, ".*") + `\z`).MatchString(got)
}

// wire makes what a case says into what is sent.
func wire(text string) (raw, method string) {
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	method, _, _ = strings.Cut(lines[0], " ")
	if !strings.Contains(lines[0], " HTTP/1.") {
		lines[0] += " HTTP/1.1"
	}
	has := func(name string) bool {
		for _, l := range lines[1:] {
			if strings.HasPrefix(strings.ToLower(l), name) {
				return true
			}
		}
		return false
	}
	if !has("host:") {
		lines = append(lines, "Host: api.thingspeak.com")
	}
	if !has("content-length:") && (body != "" || method != "GET" && method != "HEAD") {
		lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body, method
}

// exchange sends a request as it is and returns the answer, its head as it came, and its body.
func (r *caseRun) exchange(t *testing.T, raw, method string) (got *http.Response, head, body string) {
	t.Helper()
	conn, err := r.server.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() { _, _ = io.WriteString(conn, raw) }() // the answer may come before all is read
	var seen bytes.Buffer
	reader := bufio.NewReader(io.TeeReader(conn, &seen))
	got, err = http.ReadResponse(reader, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("reading the answer to %q: %v", raw, err)
	}
	defer got.Body.Close()
	all, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatalf("reading the body: %v", err)
	}
	head, _, _ = strings.Cut(seen.String(), "\r\n\r\n")
	if got.Close {
		got.Header.Set("Connection", "close") // the parser takes it away
	}
	return got, head, string(all)
}

// checkTransport holds an answer against contract section 1.1.
func checkTransport(t *testing.T, raw, head string, got *http.Response, body, method string) {
	t.Helper()
	version := "HTTP/1.1 "
	if strings.Contains(raw, " HTTP/1.0\r\n") {
		version = "HTTP/1.0 "
	}
	if !strings.HasPrefix(head, version) {
		t.Errorf("the answer begins with %q, want %s", head[:20], version)
	}
	if got.StatusCode == http.StatusNotModified {
		return
	}
	length := fmt.Sprintf("\r\nContent-Length: %d", len(body))
	if method == http.MethodHead {
		length = "\r\nContent-Length: "
	}
	// An export is a stream (section 9); there is nothing else of a length that is not known.
	if strings.Contains(raw, " /stream/") && got.StatusCode == http.StatusOK {
		length = "\r\nContent-Disposition: attachment"
	} else if len(got.TransferEncoding) > 0 {
		t.Errorf("the answer is chunked:\n%s", head)
	}
	if !strings.Contains(head+"\r\n", length) {
		t.Errorf("the answer lacks %q:\n%s", length, head)
	}
	if got.Header.Get("Content-Type") == "" {
		t.Errorf("the answer has no Content-Type:\n%s", head)
	}
	if got.StatusCode >= 300 && got.StatusCode < 400 {
		t.Errorf("the answer redirects:\n%s", head)
	}
}
