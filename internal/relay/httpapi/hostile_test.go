package httpapi_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// raw sends bytes and returns the status of the answer, 0 if the server hung up instead.
func raw(t *testing.T, s *relaytest.Server, request io.Reader) int {
	t.Helper()
	conn, err := s.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(conn, request) }() // the answer may come before all is read
	got, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	defer got.Body.Close()
	if _, err := io.Copy(io.Discard, got.Body); err != nil {
		t.Errorf("reading an answer: %v", err)
	}
	return got.StatusCode
}

// others checks that an ordinary client is served.
func others(t *testing.T, s *relaytest.Server, c relaytest.Channel, while string) {
	t.Helper()
	for _, target := range []string{
		"/update?api_key=" + c.WriteKey + "&field1=alive", fmt.Sprintf("/channels/%d/fields/1/last", c.ID),
		fmt.Sprintf("/channels/%d/feeds.json?results=10", c.ID),
	} {
		status := raw(t, s, strings.NewReader("GET "+target+" HTTP/1.1\r\nHost: x\r\n\r\n"))
		if status != http.StatusOK {
			t.Errorf("%s: status %d for another client's %s", while, status, target)
		}
	}
}

// post is a request with a body of so many bytes.
func post(path, contentType string, body io.Reader, length int) io.Reader {
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n",
		path, contentType, length)
	return io.MultiReader(strings.NewReader(head), body)
}

// endless is a reader that repeats a text.
func endless(text string) io.Reader { return &repeated{text: text} }

type repeated struct {
	text string
	at   int
}

func (r *repeated) Read(p []byte) (n int, err error) {
	for n < len(p) {
		copied := copy(p[n:], r.text[r.at:])
		n, r.at = n+copied, (r.at+copied)%len(r.text)
	}
	return n, nil
}

func TestHostileRequests(t *testing.T) {
	testenv.Unwatched(t)
	s := relaytest.New(t)
	c := s.CreateChannel(t, relaytest.AllFields(true))
	bulk := fmt.Sprintf("/channels/%d/bulk_update", c.ID)
	const (
		form  = "application/x-www-form-urlencoded"
		inXML = "application/xml"
		asJ   = "application/json"
	)
	nested := func(open, inner, end string, depth int) string {
		return strings.Repeat(open, depth) + inner + strings.Repeat(end, depth)
	}
	body := func(path, contentType, text string) io.Reader {
		return post(path, contentType, strings.NewReader(text), len(text))
	}
	chunked := func(path string) io.Reader {
		return io.MultiReader(
			strings.NewReader("POST "+path+" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
			io.LimitReader(endless("100\r\n"+strings.Repeat("x", 256)+"\r\n"), 263*40_000),
			strings.NewReader("0\r\n\r\n"))
	}
	plain := func(text string) io.Reader { return strings.NewReader(text + "\r\n\r\n") }
	const host = " HTTP/1.1\r\nHost: x"
	fields := func(n int) string {
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, "&field%d=x", i)
		}
		return text.String()
	}
	members := func(n int) string {
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, `,"field%d":%d`, i, i)
		}
		return text.String()
	}
	const ok, bad, large, cut = http.StatusOK, http.StatusBadRequest, http.StatusRequestEntityTooLarge, 0
	for _, tt := range []struct {
		name    string
		request io.Reader
		want    []int
	}{
		{"10 MB announced", post("/update", form, endless("x"), 10<<20), []int{large, cut}},
		{"10 MB of JSON announced", post("/update", asJ, endless("["), 10<<20), []int{large, cut}},
		{"10 MB in chunks", chunked("/update"), []int{large, cut}},
		{"10 MB in chunks for a bulk call", chunked(bulk + ".json"), []int{bad, cut}},
		{
			"10 MB of numbers in a bulk call",
			post(bulk+".json", asJ, io.LimitReader(endless("[1,"), 10<<20), 10<<20),
			[]int{bad},
		},
		{
			"10 MB of separators in a bulk call",
			post(bulk+".csv", form, io.MultiReader(strings.NewReader("updates="),
				io.LimitReader(endless("|"), 10<<20-8)), 10<<20),
			[]int{http.StatusUnauthorized},
		},
		{
			"10 MB of entries in a bulk call",
			post(bulk+".csv", form, io.MultiReader(strings.NewReader("updates="),
				io.LimitReader(endless("0|"), 10<<20-8)), 10<<20),
			[]int{large},
		},
		{"40 MB announced for a bulk call", post(bulk+".json", asJ, endless("["), 40<<20), []int{large, cut}},
		{"a terabyte announced", post("/update", form, strings.NewReader("x"), 1<<40), []int{large, cut}},
		{"1,000 fields in a form", body("/update", form, "api_key="+c.WriteKey+fields(998)), []int{ok}},
		{"1,000 fields in JSON", body("/update", asJ, `{"api_key":"`+c.WriteKey+`"`+members(998)+"}"), []int{ok}},
		{"5,000 fields in a form", body("/update", form, "api_key="+c.WriteKey+fields(5000)), []int{bad}},
		{"5,000 fields in JSON", body("/update", asJ, `{"api_key":"`+c.WriteKey+`"`+members(3000)+"}"), []int{bad}},
		{"5,000 fields in XML", body("/update", inXML, "<u>"+strings.Repeat("<a/>", 5000)+"</u>"), []int{bad}},
		{
			"100,000 arrays deep", body(bulk+".json", asJ, nested("[", "", "]", 100_000)), []int{bad},
		},
		{
			"100,000 objects deep", body(bulk+".json", asJ, nested(`{"updates":`, "1", "}", 100_000)), []int{bad},
		},
		{
			"100,000 deep inside of an update",
			body(bulk+".json", asJ, `{"updates":[{"field1":`+nested("[", "", "]", 100_000)+"}]}"),
			[]int{bad},
		},
		{
			"30,000 deep in a channel's settings",
			body("/channels.json", asJ, `{"tags":`+nested("[", "", "]", 30_000)+"}"),
			[]int{bad},
		},
		{"10,000 deep in XML", body("/update", inXML, nested("<a>", "", "</a>", 8000)), []int{bad}},
		{
			"XML entities",
			body("/update", inXML, `<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a><field1>&c;</field1></a>`),
			[]int{bad},
		},
		{"no HTTP", plain("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello"), []int{bad, cut}},
		{"no request at all", plain("\r\n"), []int{bad, cut}},
		{"a method of its own", plain("BREW /update" + host), []int{http.StatusMethodNotAllowed}},
		{"two lengths", plain("POST /update" + host + "\r\nContent-Length: 3\r\nContent-Length: 4"), []int{bad}},
		{
			"a length and chunks",
			plain("POST /update" + host + "\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0"),
			[]int{bad},
		},
		{"a path of odd bytes", plain("GET /channels/%00%ff%2e%2e%2f/feeds.json" + host), []int{http.StatusNotFound}},
		{"a path out of the tree", plain("GET /channels/../../../etc/passwd" + host), []int{http.StatusNotFound}},
		{"an address of 100 KB", plain("GET /" + strings.Repeat("a/", 50_000) + host), []int{http.StatusNotFound}},
		{"a query of 500 KB", plain("GET /update?" + strings.Repeat("a=b&", 125_000) + host), []int{bad}},
		{
			"2 MB of one header", io.MultiReader(strings.NewReader("GET / HTTP/1.1\r\nHost: x\r\nX-A: "),
				io.LimitReader(endless("a"), 2<<20), strings.NewReader("\r\n\r\n")),
			[]int{http.StatusRequestHeaderFieldsTooLarge, cut},
		},
		{
			"100,000 headers", io.MultiReader(strings.NewReader("GET / HTTP/1.1\r\nHost: x\r\n"),
				io.LimitReader(endless("X-THINGSPEAKAPIKEY: a\r\n"), 23*100_000), strings.NewReader("\r\n")),
			[]int{http.StatusRequestHeaderFieldsTooLarge, cut},
		},
		{
			"10,000 keys in headers", io.MultiReader(
				strings.NewReader(fmt.Sprintf("GET /channels/%d/feeds.json HTTP/1.1\r\nHost: x\r\n", c.ID)),
				io.LimitReader(endless("X-THINGSPEAKAPIKEY: a\r\n"), 23*10_000), strings.NewReader("\r\n")),
			[]int{ok, bad},
		},
	} {
		status := raw(t, s, tt.request)
		found := false
		for _, want := range tt.want {
			found = found || status == want
		}
		if !found {
			t.Errorf("%s: status %d, want one of %v", tt.name, status, tt.want)
		}
		others(t, s, c, tt.name)
	}
}

// A client that still sends gets to read why it is refused, also through the listeners of a relay that serves.
func TestRefusedWhileSending(t *testing.T) {
	loopback, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepting := httpapi.AnswerVersionless(guard.New(guard.Limits{}, nil, nil).Listen(loopback))
	server := &http.Server{Handler: http.NotFoundHandler()}
	served := make(chan error, 1)
	go func() { served <- server.Serve(accepting) }()
	defer func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-served
	}()
	conn, err := net.Dial("tcp", loopback.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.Copy(conn, io.MultiReader(strings.NewReader("GET / HTTP/1.1\r\nHost: x\r\nX-A: "),
			io.LimitReader(endless("a"), 8<<20)))
	}()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer came: %v", err)
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge || len(all) == 0 || err != nil {
		t.Errorf("status %d, %q, %v", answer.StatusCode, all, err)
	}
	conn.Close()
	<-sent
}

// awkward are texts that other programs have stumbled over.
var awkward = []string{
	`'; DROP TABLE entries; --`, `" OR ""="`, `' UNION SELECT key FROM accounts --`, `<script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`, `&lt;&amp;&#x3C;`, `%s%n%x%d`, `{{.}}${7*7}#{7*7}`, `../../../../etc/passwd`,
	"line\nbreak\r\nand\ttab", "quote\" comma, semicolon;", "=1+1|cmd", "\u202egnp.exe", "\ufeffbom", "emoji 😀 zwj 👨\u200d👩",
	"\x01\x02\x1b[31m\x7f", "\u2028\u2029", "]]>", "-->", `\`, `\"`, "null", "-1", "0", "NaN", "'", `"`, " blanks ", "%00%ff",
}

// TestAwkwardTexts: whatever stands in a text, it comes back as it was in every format, and nothing else happens.
func TestAwkwardTexts(t *testing.T) {
	s := relaytest.New(t)
	client := s.Client(t)
	c := s.CreateChannel(t, relaytest.AllFields(false))
	channel := fmt.Sprintf("%s/channels/%d", s.URL, c.ID)
	get := func(path string) (*http.Response, string) {
		t.Helper()
		r, err := client.Get(channel + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v\n%s", path, r.Status, err, body)
		}
		return r, string(body)
	}
	for _, text := range awkward {
		form := url.Values{"api_key": {c.WriteKey}, "elevation": {text}, "status": {text}}
		for n := 1; n <= thingspeak.FieldCount; n++ {
			form.Set(fmt.Sprint("field", n), text)
		}
		r, err := client.PostForm(s.URL+"/update", form)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Fatalf("writing %q: %s", text, r.Status)
		}
		key := "?key=" + c.ReadKey
		if r, got := get("/fields/3/last" + key); got != text ||
			!strings.Contains(r.Header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%q is read as %q under %v", text, got, r.Header)
		}
		_, got := get("/feeds/last.json" + key + "&status=true&location=true")
		var entry map[string]any
		if err := json.Unmarshal([]byte(got), &entry); err != nil ||
			entry["field8"] != text || entry["status"] != text || entry["elevation"] != text {
			t.Errorf("%q is in JSON %s, %v", text, got, err)
		}
		if strings.ContainsAny(got, "<>") {
			t.Errorf("%q is in JSON not escaped: %s", text, got)
		}
		_, got = get("/feeds.csv" + key + "&results=1&status=true&location=true")
		rows := thingspeak.NewCSVReader(strings.NewReader(got))
		var e thingspeak.Entry
		if err := rows.Read(&e); err != nil || e.Fields[0].Text != text || e.Status.Text != text {
			t.Errorf("%q is in CSV %q, %v", text, got, err)
		}
		_, got = get("/feeds.xml" + key + "&results=1")
		if strings.Contains(got, "<script>") || strings.Contains(got, "<img") {
			t.Errorf("%q is in XML not escaped: %s", text, got)
		}
		settings := url.Values{"api_key": {s.UserKey}, "tags": {text}}
		for _, name := range []string{"name", "description", "metadata", "url", "elevation"} {
			settings.Set(name, text)
		}
		settings.Set("field1", "label "+text) // of blanks alone it would disable the field
		sent := strings.NewReader(settings.Encode())
		put, err := http.NewRequestWithContext(t.Context(), http.MethodPut, channel+".json", sent)
		if err != nil {
			t.Fatal(err)
		}
		put.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if r, err = client.Do(put); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(r.Body)
		r.Body.Close()
		var object map[string]any
		if err != nil || json.Unmarshal(answer, &object) != nil || object["name"] != text || object["metadata"] != text {
			t.Errorf("settings of %q: %s %s", text, r.Status, answer)
		}
		// As parameters of reads, too.
		for _, name := range []string{
			"results", "start", "end", "timezone", "offset", "min", "max", "round", "sum", "callback", "prepend", "days",
		} {
			get("/feeds.json" + key + "&" + url.Values{name: {text}}.Encode())
		}
		for _, path := range []string{
			"/channels/public.json?tag=", "/channels/public.json?username=", "/channels.json?api_key=",
		} {
			r, err := client.Get(s.URL + path + url.QueryEscape(text))
			if err != nil {
				t.Fatal(err)
			}
			r.Body.Close()
			if r.StatusCode >= http.StatusInternalServerError {
				t.Errorf("%s%q: %s", path, text, r.Status)
			}
		}
	}
	if n := len(s.Entries(t, c.ID)); n != len(awkward) {
		t.Errorf("%d entries, want %d", n, len(awkward))
	}
}

// TestInvalidUTF8 sends bytes that are no text in every parameter.
func TestInvalidUTF8(t *testing.T) {
	s := relaytest.New(t)
	c := s.CreateChannel(t, relaytest.AllFields(true))
	const junk = "\xff\xfe\xc0\xafa\xed\xa0\x80\x00b"
	names := []string{
		"field1", "field8", "status", "elevation", "lat", "created_at", "timezone", "name", "description", "tags", "metadata",
		"url", "results", "start", "callback", "prepend", "api_key", "updates", "time_format",
	}
	for _, path := range []string{
		"/update", "/update.json", fmt.Sprintf("/channels/%d/feeds.json", c.ID),
		fmt.Sprintf("/channels/%d/bulk_update.csv", c.ID), fmt.Sprintf("/channels/%d/bulk_update.json", c.ID),
		"/channels.json",
	} {
		for _, name := range names {
			for contentType, text := range map[string]string{
				"application/x-www-form-urlencoded": "key=" + c.WriteKey + "&" + name + "=" + junk,
				"application/json":                  `{"key":"` + c.WriteKey + `","` + name + `":"` + junk + `"}`,
				"application/xml": "<a><key>" + c.WriteKey + "</key>" +
					"<" + name + ">" + junk + "</" + name + "></a>",
			} {
				request := post(path, contentType, strings.NewReader(text), len(text))
				if status := raw(t, s, request); status == 0 || status >= http.StatusInternalServerError {
					t.Errorf("%s with %s in %s: status %d", path, name, contentType, status)
				}
			}
		}
	}
	for _, e := range s.Entries(t, c.ID) {
		text := e.Fields[0].Text + e.Fields[7].Text + e.Status.Text
		if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
			t.Errorf("stored is %q", text)
		}
	}
	others(t, s, c, "after invalid UTF-8")
}

// TestSlowClients: readers that do not read and writers that do not write keep nobody else from being served.
func TestSlowClients(t *testing.T) {
	s := relaytest.New(t)
	c := s.CreateChannel(t, relaytest.AllFields(true))
	// More than the system's buffers take, in few rows.
	value := thingspeak.Text(strings.Repeat("x", 250))
	s.Seed(t, c.ID, 1500, func(int) thingspeak.Entry {
		return thingspeak.Entry{Fields: thingspeak.Fields{value, value, value, value, value, value, value, value}}
	})
	var idle []net.Conn
	defer func() {
		for _, conn := range idle {
			conn.Close()
		}
	}()
	begin := func(request string) {
		t.Helper()
		conn, err := s.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		begin(fmt.Sprintf("GET /channels/%d/feeds.csv?results=8000 HTTP/1.1\r\nHost: x\r\n\r\n", c.ID))
		begin(fmt.Sprintf("GET /channels/%d/feeds.json?results=8000 HTTP/1.1\r\nHost: x\r\n\r\n", c.ID))
		begin(fmt.Sprintf("GET /stream/channels/%d/feeds.csv HTTP/1.1\r\nHost: x\r\n\r\n", c.ID))
		begin("POST /update HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\nfield1=")
		begin(fmt.Sprintf("POST /channels/%d/bulk_update.json HTTP/1.1\r\nHost: x\r\n", c.ID) +
			"Content-Length: 30000000\r\n\r\n{")
		begin("POST /update HTTP/1.1\r\nHost: x\r\nX-THING")
		begin("GET /upd")
		begin("")
	}
	others(t, s, c, "with 80 slow clients")
}

// TestReaderThatStops: a reader that stops in the middle of a large reply is cut off, and what it held is given back;
// one that goes on reading gets all of it, and its connection lives on.
func TestReaderThatStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := relaytest.InBubble(t)
		c := s.CreateChannel(t, relaytest.AllFields(true))
		s.Seed(t, c.ID, 8000, func(int) thingspeak.Entry {
			return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(strings.Repeat("x", 200))}}
		})
		for _, path := range []string{
			fmt.Sprintf("/channels/%d/feeds.csv?results=8000", c.ID),
			fmt.Sprintf("/channels/%d/feeds.json?results=8000", c.ID),
			fmt.Sprintf("/stream/channels/%d/feeds.csv", c.ID),
		} {
			request := "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"
			conn, err := s.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, request); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(conn, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(30 * time.Second)
			if n, err := io.Copy(io.Discard, conn); n > 1<<20 {
				t.Errorf("%s: a reader that had stopped got %d more bytes, %v", path, n, err)
			}
			conn.Close()

			if conn, err = s.Dial(t.Context()); err != nil {
				t.Fatal(err)
			}
			reader := bufio.NewReader(conn)
			for range 2 {
				if _, err := io.WriteString(conn, request); err != nil {
					t.Fatal(err)
				}
				answer, err := http.ReadResponse(reader, nil)
				if err != nil {
					t.Fatalf("%s: %v", path, err)
				}
				if body, err := io.ReadAll(answer.Body); err != nil || bytes.Count(body, []byte("xxx")) < 8000 {
					t.Errorf("%s: %d bytes, %v", path, len(body), err)
				}
				time.Sleep(time.Hour) // a deadline that was left behind would cut the next reply
			}
			conn.Close()
		}
	})
}

// TestManyConnections: ten thousand clients that keep their connections open, and each is answered.
func TestManyConnections(t *testing.T) {
	connections := testenv.Cases(10_000)
	if testing.Short() {
		connections = 500
	}
	s := relaytest.InBubble(t) // over pipes, which take no file descriptors
	c := s.CreateChannel(t, relay.Settings{Public: new(true)})
	request := fmt.Sprintf("GET /channels/%d/last_entry_id.txt HTTP/1.1\r\nHost: x\r\n\r\n", c.ID)
	conns := make([]net.Conn, connections)
	defer func() {
		for _, conn := range conns {
			if conn != nil {
				conn.Close()
			}
		}
	}()
	ask := func(conn net.Conn) error {
		if _, err := io.WriteString(conn, request); err != nil {
			return err
		}
		got, err := http.ReadResponse(bufio.NewReaderSize(conn, 1024), nil)
		if err != nil {
			return err
		}
		defer got.Body.Close()
		if body, err := io.ReadAll(got.Body); err != nil || got.StatusCode != http.StatusOK || string(body) != "-1" {
			return fmt.Errorf("%s %q: %w", got.Status, body, err)
		}
		return nil
	}
	for range 2 { // once more when all are open
		var clients sync.WaitGroup
		for from := range 16 {
			clients.Go(func() {
				for i := from; i < connections; i += 16 {
					if conns[i] == nil {
						conn, err := s.Dial(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						conns[i] = conn
					}
					if err := ask(conns[i]); err != nil {
						t.Errorf("connection %d: %v", i, err)
						return
					}
				}
			})
		}
		clients.Wait()
	}
	others(t, s, c, "with many connections open")
}
