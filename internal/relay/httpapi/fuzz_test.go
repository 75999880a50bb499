package httpapi

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/storetest"
)

// FuzzForm: whatever comes in, what goes on is UTF-8 without NUL, and decoding an encoded value gives it back.
func FuzzForm(f *testing.F) {
	for _, s := range []string{
		"", "&&=&", "a=b&c=d", "field1=100%&field2=%zz+%4", "a=%ff%00", "=x", "a=b=c==", "%61=%2B", "\xff=\xfe", "a+b=c+d",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		all, err := parseForm(s)
		if err != nil && strings.Count(s, "&") < maxParams {
			t.Errorf("parseForm(%q): %v", s, err)
		}
		for _, p := range all {
			if p.name == "" || !utf8.ValidString(p.name+p.value) || strings.Contains(p.name+p.value, "\x00") {
				t.Errorf("parseForm(%q) holds %q = %q", s, p.name, p.value)
			}
		}
		want := clean(s)
		all, err = parseForm("field1=" + url.QueryEscape(want))
		if err != nil || len(all) != 1 || all[0].value != want {
			t.Errorf("an encoded %q came back as %+v", want, all)
		}
	})
}

// FuzzMultipart: an error of ours or parameters that are UTF-8, as many bytes as came at most; and what the standard
// library writes comes back.
func FuzzMultipart(f *testing.F) {
	for _, s := range []string{
		"", "--X--", "--X\r\n\r\n--X--\r\n", "--X\r\nContent-Disposition: form-data; name=\"field1\"\r\n\r\n77\r\n--X--\r\n",
		"--X\nContent-Disposition: form-data; name=a; filename=b\n\n\xff\x00\n--X--", "--X\r\nContent-Disposition: x",
		"--X\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=41\r\n--X--",
		"preamble\r\n--X\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--X--\r\nepilogue", "--X--\r\n--X",
	} {
		f.Add("multipart/form-data; boundary=X", []byte(s))
	}
	f.Add("multipart/form-data", []byte("--"))
	f.Add("multipart/form-data; boundary=\"\xff\"", []byte("--\xff--"))
	f.Fuzz(func(t *testing.T, media string, body []byte) {
		all, err := parseMultipart(http.Header{"Content-Type": {media}}, body)
		if _, ours := errors.AsType[*refusal](err); err != nil && !ours {
			t.Errorf("the error is %v, which is none of ours", err)
		}
		size := 0
		for _, p := range all {
			size += len(p.value)
			if p.name == "" || !utf8.ValidString(p.name+p.value) || strings.Contains(p.name+p.value, "\x00") {
				t.Errorf("parseMultipart(%q) holds %q = %q", body, p.name, p.value)
			}
		}
		if size > len(body) {
			t.Errorf("%d bytes hold values of %d", len(body), size)
		}
		call, beside, err := decodeBulkMultipart(http.Header{"Content-Type": {media}}, body, 3)
		checkBulk(t, call, beside, err)

		var form bytes.Buffer
		w := multipart.NewWriter(&form)
		want := clean(string(body))
		if err := errors.Join(w.WriteField("field1", want), w.Close()); err != nil {
			t.Fatal(err)
		}
		all, err = parseMultipart(http.Header{"Content-Type": {w.FormDataContentType()}}, form.Bytes())
		if err != nil || len(all) != 1 || all[0].value != want {
			t.Errorf("%q came back as %+v, %v", want, all, err)
		}
	})
}

// FuzzJSON: an error or parameters that are UTF-8, never a panic.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		"", "{}", `{"a":1}`, `{"a":"b","c":null,"d":[1],"e":{"f":2},"g":true,"h":-1.5e3}`, "[]", "1", `{"a":1}` + "\r\n",
		`{"a":"\ud800"}`, `{"a":"` + "\xff" + `"}`, strings.Repeat("[", 1000), `{"a":` + strings.Repeat(`{"a":`, 1000),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		all, err := parseJSON(body)
		if err != nil {
			return
		}
		for _, p := range all {
			if !utf8.ValidString(p.name + p.value) {
				t.Errorf("parseJSON(%q) holds %q = %q", body, p.name, p.value)
			}
		}
	})
}

// FuzzXML: an error or parameters that are UTF-8, never a panic.
func FuzzXML(f *testing.F) {
	for _, s := range []string{
		"", "<a/>", "<a><b>c</b></a>", `<?xml version="1.0"?><a><b-c>d&amp;e</b-c><f nil="true"/><g><h>i</h></g></a>`,
		"<a><b>", "</a>", "<a><![CDATA[<b>]]></a>", "<!DOCTYPE a><a/>", strings.Repeat("<a>", 1000), "<a>\xff</a>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		all, err := parseXML(body)
		if err != nil {
			return
		}
		for _, p := range all {
			if !utf8.ValidString(p.name+p.value) || strings.Contains(p.value, "\x00") {
				t.Errorf("parseXML(%q) holds %q = %q", body, p.name, p.value)
			}
		}
	})
}

// FuzzBulkJSON: an error, or not more rows than there may be, with texts that are UTF-8.
func FuzzBulkJSON(f *testing.F) {
	for _, s := range []string{
		"", "{}", `{"write_api_key":"K","updates":[{"created_at":"2018-01-23 10:26:12 -0500","field1":"1"}],"timezone":"UTC"}`,
		`{"updates":{"delta_t":5,"1":true,"status":null}}`, `{"updates":[{"delta_t":0},{"delta_t":9e9},{"delta_t":"-1"}]}`,
		`{"updates":[[]]}`, `{"updates":[{"created_at":1e20,"latitude":1.5}]}`, `{"updates":[`, `{"updates":[{},{},{},{}]}`,
		`{"updates":[],"updates":[{}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		call, beside, err := decodeBulkJSON(body, 3)
		checkBulk(t, call, beside, err)
	})
}

// FuzzBulkForm does the same for CSV.
func FuzzBulkForm(f *testing.F) {
	for _, s := range []string{
		"", "write_api_key=K&time_format=absolute&updates=2018-06-14T12:12:22-0500,1,,3|1528978342,,2",
		"time_format=relative&updates=0,a|15,b|", "updates=%7C%7C%2C&updates=,", "updates=1,2,3,4,5,6,7,8,9,10,11,12,13",
		"time_format=%ff&updates=%00", "updates=a|b|c|d", "time_format=relative&updates=9999999999999999999|-1",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		call, beside, err := decodeBulkForm(bytes.Clone(body), 3)
		checkBulk(t, call, beside, err)
	})
}

func checkBulk(t *testing.T, call *bulkCall, beside []param, err error) {
	t.Helper()
	if err != nil {
		if _, ours := errors.AsType[*refusal](err); !ours {
			t.Errorf("the error is %v, which is none of ours", err)
		}
		return
	}
	for _, p := range beside {
		if !utf8.ValidString(p.name + p.value) {
			t.Errorf("beside the updates there is %q = %q", p.name, p.value)
		}
	}
	if len(call.rows) > 3 {
		t.Errorf("%d rows, at most 3", len(call.rows))
	}
	entries, err := call.entries(time.FixedZone("", 3600))
	if err != nil {
		return
	}
	for i, e := range entries {
		for _, v := range append(e.Fields[:], e.Status, e.Elevation, e.Latitude, e.Longitude) {
			if !utf8.ValidString(v.Text) {
				t.Errorf("entry %d holds %q", i, v.Text)
			}
		}
		if year := e.CreatedAt.Year(); year < 1 || year > 9999 || e.Age < 0 || i > 0 && e.Age > entries[i-1].Age {
			t.Errorf("entry %d is of %v, %v old", i, e.CreatedAt, e.Age)
		}
	}
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
		h.ServeHTTP(w, q)
		if w.Code >= http.StatusInternalServerError || w.Code >= 300 && w.Code < 400 {
			t.Errorf("%s %q ? %q with %q: status %d", method, path, query, body, w.Code)
		}
		got := w.Header().Get("Content-Length")
		if got == "" && w.Body.Len() <= shortReply { // which net/http adds it to
			return
		}
		if got != strconv.Itoa(w.Body.Len()) && method != http.MethodHead && w.Header().Get("Content-Disposition") == "" {
			t.Errorf("%s %q: Content-Length %s of %d bytes", method, path, got, w.Body.Len())
		}
	})
}
