package httpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// board is the vendor's Arduino library as far as a server can tell: it sends its bytes to a socket, and searches the
// answer forwards for a few texts, as the Stream of a board does.
type board struct {
	conn   net.Conn
	stream *bufio.Reader
}

func newBoard(t *testing.T, s *relaytest.Server) *board {
	t.Helper()
	conn, err := s.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &board{conn: conn, stream: bufio.NewReader(conn)}
}

// find reads past a text.
func (b *board) find(text string) bool {
	seen := ""
	for !strings.HasSuffix(seen, text) {
		c, err := b.stream.ReadByte()
		if err != nil {
			return false
		}
		seen += string(c)
	}
	return true
}

// parseInt skips what is no digit and reads a number.
func (b *board) parseInt() (n int) {
	for started := false; ; started = true {
		c, err := b.stream.ReadByte()
		for err == nil && !started && (c < '0' || c > '9') {
			c, err = b.stream.ReadByte()
		}
		if err != nil {
			return n
		}
		if c < '0' || c > '9' {
			_ = b.stream.UnreadByte()
			return n
		}
		n = 10*n + int(c-'0')
	}
}

// do sends a request and reads the answer.
func (b *board) do(t *testing.T, request string) (status int, content string) {
	t.Helper()
	if _, err := io.WriteString(b.conn, request); err != nil {
		t.Fatal(err)
	}
	if !b.find("HTTP/1.1") {
		t.Fatalf("no HTTP/1.1 in the answer to %q", request)
	}
	if status = b.parseInt(); status != 200 {
		return status, ""
	}
	if !b.find("Content-Length:") {
		t.Fatalf("no Content-Length: in the answer to %q", request)
	}
	body := make([]byte, b.parseInt())
	if !b.find("\r\n\r\n") {
		t.Fatalf("no end of the headers in the answer to %q", request)
	}
	if _, err := io.ReadFull(b.stream, body); err != nil {
		t.Fatalf("reading the answer to %q: %v", request, err)
	}
	return status, string(body)
}

// valueOf is how the library takes a value out of JSON.
func valueOf(content, name string) string {
	_, rest, found := strings.Cut(content, `"`+name+`":"`)
	if !found {
		return ""
	}
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// write is a request of writeFields in version 2 of the library, with the line ends of a version.
func (b *board) write(t *testing.T, key, fields, lineEnd string) (int, string) {
	t.Helper()
	fields += "&headers=false"
	return b.do(t, strings.Join([]string{
		"POST /update HTTP/1.1",
		"Host: api.thingspeak.com",
		"User-Agent: tslib-arduino/2.0.1 (arduino uno or mega)",
		"X-THINGSPEAKAPIKEY: " + key,
		"Content-Type: application/x-www-form-urlencoded",
		fmt.Sprint("Content-Length: ", len(fields)),
		"", fields,
	}, lineEnd))
}

// read is a request of readRaw.
func (b *board) read(t *testing.T, channel int64, suffix, key, lineEnd string) (int, string) {
	t.Helper()
	lines := []string{
		fmt.Sprintf("GET /channels/%d%s HTTP/1.1", channel, suffix),
		"Host: api.thingspeak.com",
		"User-Agent: tslib-arduino/2.0.1 (arduino uno or mega)",
	}
	if key != "" {
		lines = append(lines, "X-THINGSPEAKAPIKEY: "+key)
	}
	return b.do(t, strings.Join(append(lines, "", ""), lineEnd))
}

// TestArduinoLibrary: the vendor's library, with CRLF as it sends now, and with LF as its first version did.
func TestArduinoLibrary(t *testing.T) {
	for name, lineEnd := range map[string]string{"CRLF": "\r\n", "LF": "\n"} {
		t.Run(name, func(t *testing.T) {
			s := relaytest.New(t)
			c := s.CreateChannel(t, relaytest.AllFields(false))
			full := strings.Repeat("é", 127) + "x" // 255 bytes
			var fields strings.Builder
			for n := 1; n <= 8; n++ {
				fmt.Fprintf(&fields, "&field%d=%s", n, full)
			}
			for i, fields := range []string{
				fields.String()[1:] + "&status=" + full,
				"field1=3.14159&lat=40.12345&long=-79.99999&elevation=100.00&created_at=2017-01-12 13:22:54-05",
				"field1=again&created_at=2017-01-12 13:22:54-05",
				"field2=it is 100% wet & cold, 20 °C&status=fine",
			} {
				status, id := newBoard(t, s).write(t, c.WriteKey, fields, lineEnd)
				if status != 200 || id != fmt.Sprint(i+1) {
					t.Errorf("writing %q: %d %q", fields, status, id)
				}
				// A read right after a write sees it.
				if _, content := newBoard(t, s).read(t, c.ID, "/feeds/last.txt", c.ReadKey, lineEnd); !strings.Contains(
					content, fmt.Sprintf(`"entry_id":%d,`, i+1)) {
					t.Errorf("after entry %d the last is %q", i+1, content)
				}
			}
			const all = "/feeds/last.txt?status=true&location=true"
			status, content := newBoard(t, s).read(t, c.ID, all, c.ReadKey, lineEnd)
			if status != 200 || valueOf(content, "field2") != "it is 100% wet " || valueOf(content, "status") != "fine" ||
				valueOf(content, "field1") != "" || valueOf(content, "latitude") != "" {
				t.Errorf("reading several fields: %d %q", status, content)
			}
			status, content = newBoard(t, s).read(t, c.ID, "/fields/8/last", c.ReadKey, lineEnd)
			if status != 200 || content != full {
				t.Errorf("reading a field: %d %q", status, content)
			}
			for _, tt := range []struct {
				channel int64
				key     string
				want    int
			}{{c.ID, "", 400}, {c.ID, "AAAAAAAAAAAAAAAA", 400}, {0, c.ReadKey, 404}, {1, "", 404}} {
				if status, _ := newBoard(t, s).read(t, tt.channel, "/fields/1/last", tt.key, lineEnd); status != tt.want {
					t.Errorf("reading channel %d with key %q: status %d, want %d", tt.channel, tt.key, status, tt.want)
				}
			}
			if status, _ := newBoard(t, s).write(t, c.ReadKey, "field1=1", lineEnd); status != 400 {
				t.Errorf("writing with the read key: status %d", status)
			}
			// A board with keep-alive uses its connection again.
			b := newBoard(t, s)
			for range 3 {
				if status, _ := b.write(t, c.WriteKey, "field1=1", lineEnd); status != 200 {
					t.Errorf("writing on one connection: status %d", status)
				}
			}
		})
	}
}
