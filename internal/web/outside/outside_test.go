package outside

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// seen is what was on the wire of one request.
type seen struct {
	wire string
	came int
}

// tapServer serves on a listener that is looked at, and tells what was on the wire of each request.
func tapServer(t *testing.T) (address string, requests <-chan seen, tap *Tap) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tap = NewTap()
	all := make(chan seen, 10)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		wire, came := tap.Take(r.RemoteAddr)
		all <- seen{string(wire), came}
		w.WriteHeader(http.StatusNoContent)
	})}
	served := make(chan error, 1)
	go func() { served <- s.Serve(tap.Listen(l)) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
	return l.Addr().String(), all, tap
}

// TestTapTakesEachRequestToTheByte: what a client sends is shown as it was sent, each request of a connection by itself, also if
// the next one came before the first was answered.
func TestTapTakesEachRequestToTheByte(t *testing.T) {
	t.Parallel()
	address, requests, tap := tapServer(t)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	first := "POST /update HTTP/1.1\r\nHost: x\r\nX-Odd:  two blanks \r\nContent-Length: 12\r\n\r\nfield1=\x00\xff\r\nA"
	second := "POST /update HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
	third := "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	if _, err := io.WriteString(conn, first+second); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{first, second} {
		if got := testenv.Receive(t, requests, "a request"); got != (seen{want, len(want)}) {
			t.Fatalf("on the wire was %q (%d bytes), want %q", got.wire, got.came, want)
		}
	}
	if _, err := io.WriteString(conn, third); err != nil {
		t.Fatal(err)
	}
	if got := testenv.Receive(t, requests, "the third request"); got != (seen{third, len(third)}) {
		t.Fatalf("on the wire was %q, want %q", got.wire, third)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	testenv.Await(t, "the connection forgotten", func() bool {
		tap.mu.Lock()
		defer tap.mu.Unlock()
		return len(tap.conns) == 0
	})
}

// TestTapKeepsTheBeginning: a large upload takes no memory, and its size is told.
func TestTapKeepsTheBeginning(t *testing.T) {
	t.Parallel()
	address, requests, _ := tapServer(t)
	body := strings.Repeat("x", 1<<20)
	answer, err := http.Post("http://"+address+"/", "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	got := testenv.Receive(t, requests, "the request")
	if len(got.wire) != maxTapped || got.came < len(body) || !strings.HasPrefix(got.wire, "POST / HTTP/1.1\r\n") {
		t.Fatalf("%d bytes are kept of %d, beginning with %.20q", len(got.wire), got.came, got.wire)
	}
}

func TestTapKnowsNobodyElse(t *testing.T) {
	t.Parallel()
	if wire, came := NewTap().Take("127.0.0.1:9"); wire != nil || came != 0 {
		t.Fatalf("Take of an unknown connection = %q, %d", wire, came)
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	b := append([]byte{22, 3, 1, 0, 2}, 1, 2)
	b = append(b, 23, 3, 3, 0, 1, 9)
	b = append(b, 23, 3, 3, 1, 0, 7) // cut: of 256 bytes one was kept
	want := []Record{{"handshake", 2}, {"application data", 1}, {"application data", 256}}
	if diff := cmp.Diff(want, Records(b)); diff != "" {
		t.Fatal(diff)
	}
	if got := Records([]byte("GET / HTTP/1.1\r\n")); got != nil {
		t.Fatalf("records in plain HTTP: %v", got)
	}
	wire := NewWire("a", time.UnixMilli(7), b, 300, true)
	if wire.Request != nil || len(wire.Records) != 3 || wire.Bytes != 300 || wire.At != 7 {
		t.Fatalf("with TLS nothing but records is to be seen: %+v", wire)
	}
}

func TestRowTakesTokensApart(t *testing.T) {
	t.Parallel()
	ring, err := fernet.NewRing(fernet.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := ring.Seal(bytes.Repeat([]byte("x"), 127), time.Unix(1700000000, 0))
	if err != nil {
		t.Fatal(err)
	}
	e := &thingspeak.Entry{ID: 7, CreatedAt: time.Unix(1700000001, 0)}
	e.Fields[0] = thingspeak.Text(sealed)
	e.Fields[1] = thingspeak.Text("b'" + sealed + "'")
	e.Fields[2] = thingspeak.Text("21.5")
	row := NewRow(e, thingspeak.FieldsOf(1, 2, 3))
	want := fmt.Sprintf("2023-11-14 22:13:21 UTC,7,%s,b'%s',21.5", sealed, sealed)
	if row.CSV != want || row.Entry != 7 || len(row.Values) != 3 {
		t.Fatalf("row %+v, want %q", row, want)
	}
	for _, v := range row.Values[:2] {
		size := 0
		for _, p := range v.Parts {
			if p.At != size {
				t.Fatalf("part %+v of %d begins elsewhere than at %d", p, v.Field, size)
			}
			size += p.Size
		}
		if size != 185 || v.Token != sealed || v.Min != 112 || v.Max != 127 || !v.Sealed.Equal(time.Unix(1700000000, 0)) {
			t.Fatalf("field %d: %d bytes, %+v", v.Field, size, v)
		}
	}
	if last := row.Values[2]; last.Parts != nil || last.Token != "" || last.Text != "21.5" {
		t.Fatalf("a value that is no token: %+v", last)
	}
}

// FuzzRequestEnd: whatever comes, a request ends within it, and what was cut off begins the next one.
func FuzzRequestEnd(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n"))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nX"))
	f.Add([]byte("\x16\x03\x01\x00\x02ab"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if end := requestEnd(b); end < 0 || end > len(b) || end == 0 && len(b) > 0 {
			t.Fatalf("requestEnd = %d of %d", end, len(b))
		}
	})
}

// FuzzRecords: no record is longer than a record may say, and all bytes are accounted for.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{22, 3, 1, 0, 2, 1, 2, 23, 3, 3, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		size := 0
		for i, r := range Records(b) {
			size += 5
			if size > len(b) || r.Length > 65535 {
				t.Fatalf("record %d of %d bytes: %+v", i, len(b), r)
			}
			size += r.Length
		}
	})
}

// FuzzRow: whatever stands in a field, its row is one of the feed, and the parts of a token are all of its bytes.
func FuzzRow(f *testing.F) {
	f.Add("gAAAAABlU_ABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", "b'x'")
	f.Add("21.5", "a,\"b\"\r\nc")
	f.Fuzz(func(t *testing.T, first, second string) {
		e := &thingspeak.Entry{ID: 1, CreatedAt: time.Unix(1700000000, 0)}
		e.Fields[0], e.Fields[1] = thingspeak.Text(first), thingspeak.Text(second)
		row := NewRow(e, thingspeak.FieldsOf(1, 2))
		if !strings.HasPrefix(row.CSV, "2023-11-14 22:13:20 UTC,1,") || len(row.Values) > 2 {
			t.Fatalf("row %+v", row)
		}
		for _, v := range row.Values {
			size := 0
			for _, p := range v.Parts {
				size += p.Size
			}
			if raw, err := base64.URLEncoding.DecodeString(v.Token); err != nil || len(raw) != size {
				t.Fatalf("the token %q has parts of %d bytes: %v", v.Token, size, err)
			}
		}
	})
}
