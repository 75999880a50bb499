package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/form"
	"github.com/fernpost/fernpost/internal/relay/storetest"
)

// FuzzBulkDates: whatever dates and steps a bulk call has, its entries have a date that can be written, and each is as old as
// the one before at most.
func FuzzBulkDates(f *testing.F) {
	f.Add("0", "15", true)
	f.Add("9999999999999999999", "-1", true)
	f.Add("2018-01-23 10:26:12 -0500", "1528978342", false)
	f.Add("1e20", "", false)
	f.Fuzz(func(t *testing.T, first, second string, relative bool) {
		call := &form.Bulk{Rows: []form.BulkRow{{Time: first}, {Time: second}}, Relative: relative}
		entries, err := bulkEntries(call, time.FixedZone("", 3600))
		if err != nil {
			if _, ours := errors.AsType[*form.Error](err); !ours {
				t.Errorf("the error is %v, which is none of ours", err)
			}
			return
		}
		for i, e := range entries {
			if year := e.CreatedAt.Year(); year < 1 || year > 9999 || e.Age < 0 || i > 0 && e.Age > entries[i-1].Age {
				t.Errorf("entry %d is of %v, %v old", i, e.CreatedAt, e.Age)
			}
		}
	})
}

// FuzzVersionless: what has a version goes on as it came, in whatever pieces, and what has none becomes one line of HTTP/1.0.
func FuzzVersionless(f *testing.F) {
	for _, s := range []string{
		"", "\n", "GET /\n", "GET /update?a=b c\r\n\r\n", "GET / HTTP/1.1\r\n\r\nbody", "POST /\r\n", "GET https://a/b\r\n\x1a",
		"GET \r\n", "GET / HTTP/1.0", "get /\n", "GET /\x00\n",
	} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, sent string, piece int) {
		c := &versionlessConn{Conn: &piecewise{rest: sent, piece: max(1, piece)}}
		got := readPieces(c, 4096)
		line, _, whole := strings.Cut(sent, "\n")
		if !c.bare {
			if got != sent {
				t.Errorf("%q was read as %q", sent, got)
			}
			return
		}
		if !whole || strings.Contains(line, " HTTP/") || !strings.HasPrefix(line, "GET ") {
			t.Errorf("%q was taken for a line without a version", sent)
		}
		target, isOne := strings.CutSuffix(strings.TrimPrefix(got, "GET "), " HTTP/1.0\r\n\r\n")
		if !isOne || strings.ContainsAny(target, " \n") {
			t.Errorf("%q became %q", sent, got)
		}
		var out bytes.Buffer
		c.Conn = &piecewise{to: &out}
		for reply := "HTTP/1.0 200 OK\r\nA: b\r\n\r\n" + sent; reply != ""; {
			n, err := c.Write([]byte(reply[:min(len(reply), max(1, piece))]))
			if err != nil || n == 0 {
				t.Fatalf("writing: %d, %v", n, err)
			}
			reply = reply[n:]
		}
		if out.String() != sent {
			t.Errorf("of a reply %q was written %q", sent, out.String())
		}
	})
}

// piecewise is a connection that gives a text in pieces.
type piecewise struct {
	net.Conn
	rest  string
	piece int
	to    io.Writer
}

func (p *piecewise) Read(b []byte) (int, error) {
	if p.rest == "" {
		return 0, io.EOF
	}
	n := copy(b, p.rest[:min(p.piece, len(p.rest))])
	p.rest = p.rest[n:]
	return n, nil
}

func (p *piecewise) Write(b []byte) (int, error) { return p.to.Write(b) }

// readPieces reads to the end with a buffer of a size.
func readPieces(r io.Reader, size int) string {
	var all strings.Builder
	buffer := make([]byte, size)
	for {
		n, err := r.Read(buffer)
		all.Write(buffer[:n])
		if err != nil {
			return all.String()
		}
	}
}

// FuzzPath: a split path has no extension of ours, no doubled slash and none at the end, and splitting it again changes
// nothing but a further extension.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/", "", "//", "/update", "/update/", "/a/b.json/", "/..", "/.json", "/a/./b", "a", "/x.json.csv"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got, _ := splitPath("/" + path)
		if !strings.HasPrefix(got, "/") || strings.Contains(got, "//") || len(got) > 1 && strings.HasSuffix(got, "/") {
			t.Errorf("splitPath(%q) = %q", path, got)
		}
	})
}

// FuzzRequest sends requests of all kinds through the whole handler: no panic, and no answer that blames us.
func FuzzRequest(f *testing.F) {
	limits, err := relay.Preset(relay.PresetNone)
	if err != nil {
		f.Fatal(err)
	}
	r := relay.New(storetest.NewMemory(), limits)
	channel, err := r.CreateChannel(f.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
	if err != nil {
		f.Fatal(err)
	}
	account, err := r.AccountByName(f.Context(), relay.LocalAccount)
	if err != nil {
		f.Fatal(err)
	}
	h := New(r, Options{})
	expand := strings.NewReplacer(
		"ID", strconv.FormatInt(channel.ID, 10), "KEY", channel.Keys[0].Text, "USER", account.Key).Replace
	for _, seed := range [][4]string{
		{"POST", "/update", "", "api_key=KEY&field1=1&created_at=2020-01-01"},
		{"POST", "/update.json", "", `{"api_key":"KEY","field1":1.5,"timezone":"Europe/Vienna"}`},
		{"GET", "/channels/ID/feeds.json", "results=10&start=2020-01-01&end=2021-01-01T00:00:00Z&timezone=Asia/Tokyo", ""},
		{"GET", "/channels/ID/fields/1.csv", "days=1&minutes=2&offset=-5&start_entry_id=1&end_entry_id=2", ""},
		{"GET", "/channels/ID/feeds/last.xml", "location=true&status=true", ""},
		{"GET", "/channels/ID/fields/1/last", "prepend=a&append=b", ""},
		{"GET", "/channels/ID/feeds/1.json", "callback=x", ""},
		{"DELETE", "/channels/ID/feeds", "api_key=KEY", ""},
		{"PUT", "/channels/ID", "", "name=x"},
		{"POST", "/channels.json", "", "name=x"},
		{"POST", "/channels/ID/bulk_update.json", "", `{"write_api_key":"KEY","updates":[{"delta_t":0,"field1":1},{"delta_t":5}]}`},
		{"POST", "/channels/ID/bulk_update.csv", "", "write_api_key=KEY&time_format=absolute&updates=2020-01-01,1|946684800,2"},
		{"POST", "/channels/ID/feeds.json", "", `{"key":"KEY","field1":"x"}`},
		{"GET", "/channels/ID/feeds.json", "average=60&round=2&min=1&max=9&start=2020-01-01", ""},
		{"GET", "/channels/ID/fields/1.xml", "timescale=daily&timezone=Asia/Tokyo", ""},
		{"GET", "/channels/ID/feeds/last_median.csv", "median=50", ""},
		{"GET", "/channels/ID/status.xml", "results=2", ""},
		{"GET", "/channels/ID/status/last.txt", "", ""},
		{"GET", "/channels/public.json", "page=2&tag=a&username=local&latitude=1&longitude=2&distance=3", ""},
		{"GET", "/users/local/channels.xml", "", ""},
		{"PUT", "/channels/ID.xml", "api_key=USER", `{"name":"x","tags":["a","b"],"public_flag":true,"latitude":"1.5"}`},
		{"GET", "/stream/channels/ID/feeds.csv", "offset=3", ""},
		{"GET", "/channels/ID/feeds/stream", "after=0", ""},
		{"GET", "/stream", "channels=ID&after=ID:1-0&api_key=KEY", ""},
		{"GET", "/channels/ID", "", ""},
		{"POST", "/update", "", "<u><api-key>KEY</api-key><field1>1</field1></u>"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		q, err := http.NewRequestWithContext(t.Context(), method, "http://relay/", strings.NewReader(expand(body)))
		if err != nil {
			t.Skip("not a method")
		}
		q.URL.Path, q.URL.RawQuery = "/"+strings.TrimPrefix(expand(path), "/"), expand(query)
		switch {
		case strings.HasPrefix(body, "{"):
			q.Header.Set("Content-Type", "application/json")
		case strings.HasPrefix(body, "<"):
			q.Header.Set("Content-Type", "application/xml")
		}
		w := httptest.NewRecorder()
		if IsStream(q) { // it has no end
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			q = q.WithContext(gone)
		}
		h.ServeHTTP(w, q)
		if w.Code >= http.StatusInternalServerError || w.Code >= 300 && w.Code < 400 {
			t.Errorf("%s %q ? %q with %q: status %d", method, path, query, body, w.Code)
		}
		got := w.Header().Get("Content-Length")
		if w.Header().Get("X-Accel-Buffering") != "" {
			if got != "" {
				t.Errorf("%s %q: a stream of %s bytes", method, path, got)
			}
			return
		}
		if got == "" && w.Body.Len() <= shortReply { // which net/http adds it to
			return
		}
		if got != strconv.Itoa(w.Body.Len()) && method != http.MethodHead && w.Header().Get("Content-Disposition") == "" {
			t.Errorf("%s %q: Content-Length %s of %d bytes", method, path, got, w.Body.Len())
		}
	})
}

// FuzzMarks reads where streams go on, as strangers write it: what is understood means one place, and what we write ourselves
// is understood.
func FuzzMarks(f *testing.F) {
	for _, s := range []string{
		"", "17", "3-17", "0-17", "-", "3-", "-17", "3-17-1", " 3-17 ", "+3-17", "99999999999999999999", "7:3-17", "7:3-17,9:1-0",
		"7:17", "7:", ":3-17", "7:3-17,", "7:3-17,7:4-1", "7,9", "7,7", "0", "x", ",",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if at, ok := parseMark(s); ok {
			if at.Number < 0 || at.Feed < unknownFeed {
				t.Errorf("parseMark(%q) = %+v", s, at)
			}
			if again, ok := parseMark(string(appendMark(nil, at))); at.Feed > 0 && (!ok || again != at) {
				t.Errorf("parseMark(%q) = %+v, which is written as %s", s, at, appendMark(nil, at))
			}
		}
		if all, ok := parseMarks(s); ok {
			if len(all) == 0 || len(all) > strings.Count(s, ":") {
				t.Errorf("parseMarks(%q) = %v", s, all)
			}
			for id, at := range all {
				if id <= 0 || at.Number < 0 || at.Feed < unknownFeed {
					t.Errorf("parseMarks(%q) = %v", s, all)
				}
			}
		}
		ids, ok := parseChannels(s)
		if ok != (len(ids) > 0) || len(ids) > maxStreamed {
			t.Errorf("parseChannels(%q) = %v, %v", s, ids, ok)
		}
		for i, id := range ids {
			if id <= 0 || slices.Contains(ids[:i], id) {
				t.Errorf("parseChannels(%q) = %v", s, ids)
			}
		}
	})
}
