package httpapi_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/relay/storetest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// recordedChannel and its keys stand in the requests of testdata/requests.
const recordedChannel = 1_234_567

func recordedStore(t testing.TB) relay.Store {
	t.Helper()
	s := storetest.NewMemory()
	c := &relay.Channel{Owner: relay.LocalAccountID, Channel: thingspeak.Channel{
		ID: recordedChannel, Name: "recorded", Latitude: "0.0", Longitude: "0.0", Public: true,
		Keys: []thingspeak.Key{{Text: "AAAABBBBCCCCDDDD", Write: true}, {Text: "EEEEFFFFGGGGHHHH"}},
	}}
	for i := range c.Labels {
		c.Labels[i] = fmt.Sprintf("label %d", i+1)
	}
	if err := s.CreateChannel(t.Context(), c, 0); err != nil {
		t.Fatal(err)
	}
	return s
}

// recorded says what becomes of a request: how it is answered, and which rows of the CSV are there afterwards besides the
// first.
type recorded struct {
	status int    // 0 is an answer without a head
	answer string // {any} is any text
	rows   []string
}

// now is the row of an entry without a date of its own.
func now(id int, values string) string {
	return fmt.Sprintf("2000-01-01 00:00:00 UTC,%d,%s", id, values)
}

var recordedRequests = map[string]recorded{
	"arduino-write-field":   {200, "2", []string{now(2, "42,,,,,,,")}},
	"arduino-write-fields":  {200, "2", []string{now(2, "3.25000,grüße ,-7,,,,,")}},
	"arduino-read-field":    {200, "first", nil},
	"arduino-read-status":   {200, `{"created_at":"2000-01-01T00:00:00Z","entry_id":1,"field1":"first",{any},"status":null}`, nil},
	"arduino-read-multiple": {200, `{any},"latitude":null,"longitude":null,"elevation":null,"status":null}`, nil},
	"arduino-bulk":          {202, `{"success":true}`, []string{"1999-12-31 23:59:58 UTC,2,1.0,,,,,,,", now(3, "2.0,3.0,,,,,,")}},
	"at-esp8266":            {0, "2", []string{now(2, "11,,,,,,,")}},
	"at-esp8266-host":       {0, "2", []string{now(2, "12,,,,,,,")}},
	"sim900":                {0, "2", []string{now(2, "13,,,,,,,")}},
	"curl-form":             {200, "2", []string{now(2, "21.5,grün & 5 %,,,,,,")}},
	"curl-form-file":        {200, `{any}"entry_id":2,"field1":"twelve",{any}`, []string{now(2, "twelve,,,,,,,")}},
	"multipart":             {200, `{any}"entry_id":2,"field1":"77",{any}`, []string{now(2, "77,,,,,,,")}},
	"php-stream":            {200, "2", []string{now(2, "16,a b,,,,,,")}},
	"php-curl-array":        {200, "2", []string{now(2, "17,,,,,,,")}},
	"node-queue":            {200, "2", []string{now(2, "15,a b,,,,,,")}},
	"node-formdata":         {200, "2", []string{now(2, "5,,,,,,,")}},
	"node-fetch-text":       {200, "2", []string{now(2, "6,,,,,,,")}},
	"domoticz":              {200, "2", []string{now(2, "21.5,,,,,,,")}},
	"esp-idf-bulk":          {202, `{"success":true}`, []string{"2026-01-01 00:00:00 UTC,2,1.5,,,,,,,", "2026-01-01 00:01:00 UTC,3,2.5,3,,,,,,"}},
	"esp8266-post":          {200, "2", []string{now(2, "22.50,\"60.00\r\n\r\n\",,,,,,")}},
	"espeasy":               {200, "2", []string{now(2, "1.00,2.00,,,,,,")}},
	"grafana-infinity":      {200, `{"channel":{{any}},"feeds":[]}`, nil},
	"matlab-read":           {200, `{"channel":{{any}},"feeds":[{{any}"entry_id":1,{any}}]}`, nil},
	"matlab-write":          {200, `{"channel_id":1234567,"created_at":"2026-11-29T08:00:00-05:00","entry_id":2,{any}`, []string{"2026-11-29 13:00:00 UTC,2,1.5,,,,,,,"}},
	"matlab-url-write":      {200, "2", []string{"2026-11-29 13:00:00 UTC,2,1.5,,,,,,,"}},
	"matlab-bulk":           {202, `{"success":true}`, []string{"2026-11-29 13:00:00 UTC,2,1,,,,,,,", "2026-11-29 13:00:15 UTC,3,2,,,,,,,"}},
	"python-thingspeak":     {200, `{any}"entry_id":2,"field1":"21.5",{any}`, []string{now(2, "21.5,,,,,,,")}},
	"shelly":                {200, `{any}"entry_id":2,"field1":12.5,{any}`, []string{now(2, "12.5,,,,,,,")}},
	"tasmota-webquery":      {200, "2", []string{now(2, "3,,,,,,,")}},
	"weewx":                 {200, "2", []string{now(2, "32.5,24,,,,,,")}},
}

// TestRecordedRequests sends what real clients send, to the byte, and looks at what is stored.
func TestRecordedRequests(t *testing.T) {
	files, err := filepath.Glob("testdata/requests/*.http")
	if err != nil || len(files) != len(recordedRequests) {
		t.Errorf("there are %d recorded requests, %v; want %d", len(files), err, len(recordedRequests))
	}
	for name, want := range recordedRequests {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join("testdata", "requests", name+".http"))
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				s := relaytest.InBubble(t, relaytest.WithStore(recordedStore))
				s.Seed(t, recordedChannel, 1, func(int) thingspeak.Entry {
					return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text("first")}}
				})
				status, answer := sendRaw(t, s, raw)
				if status != want.status || !relaytest.Like(want.answer, answer) {
					t.Errorf("answered with %d %q, want %d %q", status, answer, want.status, want.answer)
				}
				_, csv := sendRaw(t, s, fmt.Appendf(nil, "GET /channels/%d/feeds.csv\r\n", recordedChannel))
				rows := strings.Join(append([]string{
					"created_at,entry_id,field1,field2,field3,field4,field5,field6,field7,field8", now(1, "first,,,,,,,"),
				}, want.rows...), "\n") + "\n"
				if byTime(csv) != byTime(rows) {
					t.Errorf("the channel has\n%q, want\n%q", csv, rows)
				}
			})
		})
	}
}

// byTime puts a date before the first entry's behind it, as reads do in the other order.
func byTime(csv string) string {
	lines := strings.SplitAfter(csv, "\n")
	if len(lines) > 2 && lines[1] < lines[2] && strings.HasPrefix(lines[1], "1999") {
		lines[1], lines[2] = lines[2], lines[1]
	}
	return strings.Join(lines, "")
}

// sendRaw sends bytes as they are and reads the answer. Status 0 is one without a head, after which the connection ends.
func sendRaw(t *testing.T, s *relaytest.Server, raw []byte) (status int, body string) {
	t.Helper()
	conn, err := s.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = conn.Write(raw) }()
	reader := bufio.NewReader(conn)
	if first, err := reader.Peek(5); err == nil && bytes.Equal(first, []byte("HTTP/")) {
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		all, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(all)
	}
	all, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return 0, string(all)
}

// What has no version is answered without a head, a refusal too, however the line comes; what has one is answered as ever,
// and what is no GET is refused.
func TestRequestsWithoutVersion(t *testing.T) {
	for _, tt := range []struct {
		request string
		status  int
		want    string
	}{
		{"GET /update?api_key=AAAABBBBCCCCDDDD&field1=a%20b\n", 0, "2"},
		{"GET /update?api_key=AAAABBBBCCCCDDDD&field1=5 HTTP1.1\r\n\r\n", 400, "400 Bad Request"},
		{"GET /update?api_key=AAAABBBBCCCCDDDD&field1=5 http/1.1\r\n\r\n", 400, "400 Bad Request"},
		{"GET /update?api_key=AAAABBBBCCCCDDDD&field1=5 HTTP\r\n\r\n", 400, "400 Bad Request"},
		{"GET /update?api_key=AAAABBBBCCCCDDDD&field1=7 Host: api.thingspeak.com\r\n\r\n", 400, "400 Bad Request"},
		{"GET /update?api_key=AAAABBBBCCCCDDDD" + fullFields() + "\r\n", 0, "2"},
		{"GET /update?api_key=AAAABBBBCCCCDDDD" + fullFields() + " HTTP/1.0\r\n\r\n", 200, "2"},
		{"GET /update?api_key=AAAABBBBCCCCDDDD&field1=" + strings.Repeat("x", 2000) + "\r\n", 0, "0"},
		{"GET /update?api_key=XXXXBBBBCCCCDDDD&field1=1\r\n\r\n", 0, "0"},
		{"GET /nowhere\r\n", 0, "error_resource_not_found"},
		{"GET http://api.thingspeak.com/channels/1234567/fields/1/last\r\n", 0, "first"},
		{"GET /channels/1234567/fields/1/last\r\nX: y\r\nBody-Of-Something\r\n\r\n\x1a", 0, "first"},
		{"GET /channels/1234567/fields/1/last HTTP/1.0\r\n\r\n", 200, "first"},
		{"GET /channels/1234567/fields/1/last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200, "first"},
		{"POST /update?api_key=AAAABBBBCCCCDDDD&field1=1\r\n\r\n", 400, "400 Bad Request"},
		{"GET nonsense\r\n\r\n", 400, "400 Bad Request"},
		{"GET /" + strings.Repeat("x", 5000) + "\r\n\r\n", 0, "error_resource_not_found"},
		{"GET /" + strings.Repeat("x", 20_000) + "\r\n\r\n", 400, "400 Bad Request"},
	} {
		for _, piece := range []int{1, 7, 1 << 20} {
			synctest.Test(t, func(t *testing.T) {
				s := relaytest.InBubble(t, relaytest.WithStore(recordedStore))
				s.Seed(t, recordedChannel, 1, func(int) thingspeak.Entry {
					return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text("first")}}
				})
				conn, err := s.Dial(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				go func() {
					for rest := tt.request; rest != ""; {
						n := min(piece, len(rest))
						if _, err := io.WriteString(conn, rest[:n]); err != nil {
							return // answered before all was sent
						}
						rest = rest[n:]
					}
				}()
				all, err := io.ReadAll(io.LimitReader(conn, 1<<20))
				if err != nil {
					t.Fatal(err)
				}
				head, body, hasHead := strings.Cut(string(all), "\r\n\r\n")
				if !hasHead {
					head, body = "", head
				}
				if hasHead != (tt.status != 0) || hasHead && !strings.Contains(head, fmt.Sprint(" ", tt.status, " ")) ||
					!strings.HasPrefix(body, tt.want) {
					t.Errorf("%.60q in pieces of %d is answered with %q, want %d %q", tt.request, piece, all, tt.status, tt.want)
				}
			})
		}
	}
}

// fullFields is a query of eight full values, each byte percent-encoded.
func fullFields() string {
	var all strings.Builder
	for n := 1; n <= thingspeak.FieldCount; n++ {
		fmt.Fprintf(&all, "&field%d=%s", n, strings.Repeat("%41", 255))
	}
	return all.String()
}
