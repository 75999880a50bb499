package remote_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

func TestFeed(t *testing.T) {
	const header = "created_at,entry_id,field1,field3\n"
	tests := map[string]struct {
		body string
		want exchange.Answer
		rows []string
	}{
		"header only":             {header, exchange.Answer{}, nil},
		"header without line end": {strings.TrimSpace(header), exchange.Answer{CutShort: true}, nil},
		"rows": {
			header + "2018-06-12 21:16:46 UTC,17,5,\n2018-06-12T21:16:47Z,18,\"a,b\",c\n",
			exchange.Answer{Rows: 2},
			[]string{"17 5 ", "18 a,b c"},
		},
		"half a line": {
			header + "2018-06-12 21:16:46 UTC,17,5,\n2018-06-12 21:16:47 UTC,1",
			exchange.Answer{Rows: 1, CutShort: true},
			[]string{"17 5 "},
		},
		"a last line without its end, which HTTP says is whole": {
			header + "2018-06-12 21:16:46 UTC,17,5,x",
			exchange.Answer{Rows: 1, CutShort: true},
			[]string{"17 5 x"},
		},
		"broken rows": {
			header + "yesterday,17,5,\n2018-06-12 21:16:46 UTC,-3,5,\n2018-06-12 21:16:46 UTC,9007199254740993,5,\n" +
				"2018-06-12 21:16:46 UTC,17,5,\n",
			exchange.Answer{Rows: 1, Skipped: 3},
			[]string{"17 5 "},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, status(200, test.body))
			var rows []string
			info, err := readFeed(t.Context(), c, exchange.Query{}, func(e *thingspeak.Entry) error {
				rows = append(rows, fmt.Sprint(e.ID, " ", e.Fields[0].Text, " ", e.Fields[2].Text))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if time.Since(info.Date).Abs() > time.Minute {
				t.Errorf("date %v", info.Date)
			}
			info.Date = time.Time{}
			test.want.Bytes = int64(len(test.body))
			test.want.Header.Fields = thingspeak.FieldsOf(1, 3)
			if diff := cmp.Diff(test.want, info); diff != "" {
				t.Errorf("info (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.rows, rows); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

// Where the end of the answer is only the end of the connection, a last line without its own end may be cut.
func TestFeedUnframedLastLine(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		fmt.Fprint(conn, "HTTP/1.0 200 OK\r\n\r\ncreated_at,entry_id,field1\n2018-06-12 21:16:46 UTC,17,toke")
		conn.Close()
	}))
	info, err := readFeed(t.Context(), c, exchange.Query{}, func(e *thingspeak.Entry) error {
		t.Errorf("visited %+v", e)
		return nil
	})
	if err != nil || !info.CutShort {
		t.Errorf("Feed = %+v, %v", info, err)
	}
}

func TestFeedBounds(t *testing.T) {
	tests := map[string]http.HandlerFunc{
		"rows without end": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "created_at,entry_id\n")
			for id := 1; r.Context().Err() == nil && id < 1_000_000; id++ {
				fmt.Fprintf(w, "2018-06-12 21:16:46 UTC,%d\n", id)
			}
		},
		"long rows without end": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "created_at,entry_id\n")
			line := append(bytes.Repeat([]byte("x"), 50_000), '\n')
			for range 2000 {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		},
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			info, err := readFeed(t.Context(), newClient(t, handler), exchange.Query{Results: 8000}, ignore)
			if _, ok := errors.AsType[*wire.UnexpectedError](err); !ok || info.Rows > 8001 {
				t.Errorf("Feed = %+v, %v", info, err)
			}
		})
	}
}

func TestFeedQuery(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 30, 5, 0, time.FixedZone("", 3600))
	tests := map[string]struct {
		query exchange.Query
		want  string
	}{
		"zero":   {exchange.Query{}, "GET feeds.csv?results=100"},
		"capped": {exchange.Query{Results: 9000}, "GET feeds.csv?results=8000"},
		"all": {
			exchange.Query{Results: 5, End: at, FirstID: 3, LastID: 9},
			"GET feeds.csv?end=2026-03-01+11%3A30%3A05&end_entry_id=9&results=5&start_entry_id=3",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			relay := newFakeRelay()
			if _, err := readFeed(t.Context(), newClient(t, relay), test.query, ignore); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{test.want}, relay.requests()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// Answers of more than a hundred rows are cached by their address.
func TestLongFeedsHaveFreshAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[string]bool{}
		c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen[r.URL.RawQuery] = true
			fmt.Fprint(w, "created_at,entry_id\n")
		}))
		for range 3 {
			time.Sleep(time.Millisecond)
			for _, n := range []int{100, 101} {
				if _, err := readFeed(t.Context(), c, exchange.Query{Results: n}, ignore); err != nil {
					t.Fatal(err)
				}
			}
		}
		if len(seen) != 4 {
			t.Errorf("addresses: %v", seen)
		}
	})
}

func TestFeedVisitError(t *testing.T) {
	relay := newFakeRelay()
	relay.fill(5)
	full := errors.New("disk full")
	info, err := readFeed(t.Context(), newClient(t, relay), exchange.Query{}, func(e *thingspeak.Entry) error {
		if e.ID == 3 {
			return full
		}
		return nil
	})
	if err != full || info.Rows != 3 {
		t.Errorf("Feed = %+v, %v", info, err)
	}
}

func TestRaw(t *testing.T) {
	const body = "created_at,entry_id,field1\r\n2018-06-12 21:16:46 UTC,17,\"\x1b[31m\"\r\nhalf"
	var out bytes.Buffer
	n, err := newClient(t, status(200, body)).Raw(t.Context(), exchange.Query{}, &out)
	if err != nil || n != int64(len(body)) || out.String() != body {
		t.Errorf("Raw = %d, %v, wrote %q", n, err, out.String())
	}
	out.Reset()
	_, err = newClient(t, status(200, "<html>no feed</html>")).Raw(t.Context(), exchange.Query{}, &out)
	if _, ok := errors.AsType[*wire.UnexpectedError](err); !ok || out.Len() > 0 {
		t.Errorf("Raw of a page: %v, wrote %q", err, out.String())
	}
	full := errors.New("disk full")
	_, err = newClient(t, status(200, body)).Raw(t.Context(), exchange.Query{}, failingWriter{full})
	if err != full {
		t.Errorf("Raw to a full disk: %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestEntry(t *testing.T) {
	relay := newFakeRelay()
	relay.fill(3)
	c := newClient(t, relay)
	if e, err := readEntry(t.Context(), c, 2); err != nil || e.ID != 2 || e.Fields[0].Text != "text 2" {
		t.Errorf("Entry(2) = %+v, %v", e, err)
	}
	if _, err := readEntry(t.Context(), c, 4); !errors.Is(err, wire.ErrNoEntry) {
		t.Errorf("Entry(4): %v", err)
	}
	other := newClient(t, status(200, "created_at,entry_id\n2018-06-12 21:16:46 UTC,17\n"))
	if _, err := readEntry(t.Context(), other, 4); err == nil || errors.Is(err, wire.ErrNoEntry) {
		t.Errorf("another entry than asked for: %v", err)
	}
}

func TestLastID(t *testing.T) {
	for body, want := range map[string]int64{
		"17": 17, "17\n": 17, "0": 0, "-1": 0, `"-1"`: 0, "null": 0, "": 0,
	} {
		if got, err := newClient(t, status(200, body)).LastID(t.Context()); got != want || err != nil {
			t.Errorf("LastID of %q = %d, %v", body, got, err)
		}
	}
}

func TestChannel(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.String() != "/channels/4242/feeds.json?results=0&metadata=true" || r.Header.Get("X-THINGSPEAKAPIKEY") != readKey ||
			r.UserAgent() != "fernpost/test" {
			t.Errorf("%s with %v", r.URL, r.Header)
		}
		fmt.Fprint(w, `{"channel":{"id":4242,"name":"lab","field1":"a","field2":"b","last_entry_id":null},"feeds":[]}`)
	}))
	ch, err := c.Channel(t.Context())
	if err != nil || ch.ID != 4242 || ch.Name != "lab" || ch.Enabled() != thingspeak.FieldsOf(1, 2) {
		t.Errorf("Channel = %+v, %v", ch, err)
	}
	other := newClient(t, status(200, `{"channel":{"id":1},"feeds":[]}`))
	if _, err := other.Channel(t.Context()); err == nil {
		t.Error("another channel's settings were taken")
	}
}

func TestCreateChannel(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.String() != "/channels.json" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		if r.Header.Get("X-THINGSPEAKAPIKEY") != userKey {
			t.Error("the user key is not in its header")
		}
		want := "field1=talk&field8=more&name=lab&public_flag=true&tags=a%2Cb"
		if r.ParseForm(); r.PostForm.Encode() != want {
			t.Errorf("form %s, want %s", r.PostForm.Encode(), want)
		}
		fmt.Fprint(w, `{"id":7,"name":"lab","api_keys":[{"api_key":"W","write_flag":true},`+
			`{"api_key":"R","write_flag":false}]}`)
	}))
	labels := [thingspeak.FieldCount]string{0: "talk", 7: "more"}
	ch, err := c.CreateChannel(t.Context(), thingspeak.Channel{
		Name: "lab", Labels: labels, Tags: []string{"a", "b"}, Public: true,
	})
	want := []thingspeak.Key{{Text: "W", Write: true}, {Text: "R"}}
	if err != nil || ch.ID != 7 || !cmp.Equal(ch.Keys, want) || ch.Labels != labels {
		t.Errorf("CreateChannel = %+v, %v", ch, err)
	}
}

func TestUpdate(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.String() != "/update" || r.Header.Get("X-THINGSPEAKAPIKEY") != writeKey {
			t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
		}
		if r.ParseForm(); r.PostForm.Encode() != "field1=a%2Bb&field8=%C3%A9" {
			t.Errorf("form %s", r.PostForm.Encode())
		}
		fmt.Fprint(w, "17")
	}))
	id, err := c.Update(t.Context(), thingspeak.Fields{0: thingspeak.Text("a+b"), 7: thingspeak.Text("é")})
	if id != 17 || err != nil {
		t.Errorf("Update = %d, %v", id, err)
	}
}

func TestAddresses(t *testing.T) {
	urls := map[string]string{
		"http://relay.test":         "http://relay.test/channels/4242/last_entry_id.txt",
		"http://relay.test:3000/":   "http://relay.test:3000/channels/4242/last_entry_id.txt",
		" https://relay.test/a/b/ ": "https://relay.test/a/b/channels/4242/last_entry_id.txt",
		"http://[::1]:3000/x%2Fy/":  "http://[::1]:3000/x%2Fy/channels/4242/last_entry_id.txt",
		"127.0.0.1:3000":            "http://127.0.0.1:3000/channels/4242/last_entry_id.txt",
		"localhost":                 "http://localhost/channels/4242/last_entry_id.txt",
		"[::1]:3000/a/":             "http://[::1]:3000/a/channels/4242/last_entry_id.txt",
	}
	for _, refused := range []string{
		"relay.test:3000",
		"192.168.1.5:3000",
		"",
		"ftp://relay.test",
		"http://",
		"http://user:secretpw@relay.test",
		"http://relay.test/?api_key=secretpw",
		"https://relay.test/channels/9/feeds.csv",
		"https://relay.test/update?api_key=secretpw",
		"http://relay.test/\x7fsecretpw",
	} {
		urls[refused] = ""
	}
	for address, want := range urls {
		var got string
		c, err := remote.New(remote.Options{
			BaseURL: address, Channel: 4242, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				got = r.URL.String()
				return nil, errors.New("enough")
			}),
		})
		if (err == nil) != (want != "") {
			t.Errorf("New(%q): %v", address, err)
		}
		if err != nil {
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("New(%q) repeats it: %v", address, err)
			}
			continue
		}
		if _, err := c.LastID(t.Context()); err == nil || got != want {
			t.Errorf("with %q asked for %q, want %q", address, got, want)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNeedsAChannel(t *testing.T) {
	c, err := remote.New(remote.Options{BaseURL: "http://relay.test"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.LastID(t.Context()); err == nil {
		t.Error("no error without a channel")
	}
}

// One connection serves all requests that follow each other.
func TestKeepsOneConnection(t *testing.T) {
	relay := newFakeRelay()
	relay.fill(500)
	seen := map[string]bool{}
	relay.before = func(_ http.ResponseWriter, r *http.Request) bool {
		seen[fmt.Sprintf("%p", r.Context().Value(http.ServerContextKey))+r.RemoteAddr] = true
		return false
	}
	c := newTCPClient(t, relay)
	for range 3 {
		if _, err := c.LastID(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := readFeed(t.Context(), c, exchange.Query{Results: 500}, ignore); err != nil {
			t.Fatal(err)
		}
		if _, err := readEntry(t.Context(), c, 1000); !errors.Is(err, wire.ErrNoEntry) {
			t.Fatal(err)
		}
		if _, err := c.Update(t.Context(), oneField("x")); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 1 {
		t.Errorf("%d connections", len(seen))
	}
}

func TestDownload(t *testing.T) {
	relay := newFakeRelay()
	relay.fill(3)
	o := remote.Options{Transport: serve(t, relay)}
	const address = "http://relay.test/channels/4242/feeds.csv?results=2&api_key=" + readKey
	body, err := remote.Download(t.Context(), address, o)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(body)
	if lines := bytes.Count(content, []byte("\n")); err != nil || lines != 3 {
		t.Errorf("downloaded %q, %v", content, err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	if got := relay.requests(); len(got) != 1 || !strings.HasSuffix(got[0], "api_key="+readKey+"&results=2") {
		t.Errorf("requests %q", got)
	}

	o.Transport = serve(t, status(500, "no "+readKey))
	_, err = remote.Download(t.Context(), address, o)
	if e, ok := errors.AsType[*wire.UnexpectedError](err); !ok || e.Excerpt != "no [key]" {
		t.Errorf("Download: %v", err)
	}
	for _, bad := range []string{"feeds.csv", "ftp://relay.test/x", "http://me:" + readKey + "@relay.test/x"} {
		if _, err := remote.Download(t.Context(), bad, o); err == nil || strings.Contains(err.Error(), readKey) {
			t.Errorf("Download(%q): %v", bad, err)
		}
	}
}
