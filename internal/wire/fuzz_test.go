package wire_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

type header map[string]string

func (h header) Get(name string) string { return h[name] }

// Whatever a relay answers, it is an answer or an error that says what kind of failure it is and has no key in it.
func FuzzRead(f *testing.F) {
	f.Add(0, 200, "created_at,entry_id,field1\n2026-11-30 17:00:00 UTC,7,hello\n", "")
	f.Add(0, 200, "created_at,entry_id,field1\n2026-11-30 17:00:00 UTC,7,\"cut", "")
	f.Add(1, 200, "7", "")
	f.Add(2, 200, "-1", "")
	f.Add(2, 404, "-1", "")
	f.Add(3, 200, "0", "15")
	f.Add(3, 429, `{"status":"429"}`, "Mon, 30 Nov 2026 17:00:15 GMT")
	f.Add(3, 302, "", "")
	f.Add(3, 101, "WRITEKEY90123456", "")
	f.Add(4, 202, `{"success":true}`, "")
	f.Add(4, 500, "<html>", "1")
	c := wire.Channel{Base: &url.URL{Scheme: "http", Host: "relay.test"}, ID: 7, WriteKey: "WRITEKEY90123456", ReadKey: "READKEY890123456"}
	f.Fuzz(func(t *testing.T, what, status int, body, wait string) {
		r := exchange.Request{What: exchange.What(what % 5), Entry: 7, Fields: thingspeak.Fields{thingspeak.Text("x")}}
		r.Rows = []thingspeak.Entry{{Fields: r.Fields}}
		if r.What < 0 {
			return
		}
		call, err := c.Call(r)
		if err != nil {
			t.Fatal(err)
		}
		re := &wire.Reply{
			Doing: call.Doing, Status: status, Header: header{"Retry-After": wait}, Body: strings.NewReader(body), Framed: true,
			Date: wire.ParseDate("Mon, 30 Nov 2026 17:00:00 GMT"),
		}
		rows := 0
		a, err := c.Read(r, re, func(e *thingspeak.Entry, _ thingspeak.FieldSet) error {
			rows++
			if e.ID <= 0 || e.ID > exchange.MaxNumber {
				t.Errorf("row %d was shown", e.ID)
			}
			return nil
		})
		failure := wire.FailureOf(err)
		switch {
		case err == nil:
			if status/100 != 2 || rows > thingspeak.MaxResults {
				t.Errorf("status %d was taken for an answer: %+v", status, a)
			}
		case failure.Kind == exchange.NoFailure || failure.Wait < 0:
			t.Errorf("%v is failure %+v", err, failure)
		case strings.Contains(err.Error(), c.WriteKey), strings.Contains(err.Error(), c.ReadKey):
			t.Errorf("a key stands in %q", err)
		}
	})
}

// Whatever a relay says that it grants, nobody posts more often than the channel's own interval, nor in larger parts than are known.
func FuzzGranted(f *testing.F) {
	f.Add([]byte(`{"interval_ms":15000,"bulk_interval_ms":15000,"bulk_updates":960}`), int64(15*time.Second))
	f.Add([]byte(`{"interval_ms":0,"bulk_interval_ms":0,"bulk_updates":1000000}`), int64(0))
	f.Add([]byte(`{"interval_ms":-1,"bulk_updates":960}`), int64(0))
	f.Add([]byte(`{"interval_ms":9223372036854775807,"bulk_updates":1}`), int64(time.Second))
	f.Add([]byte(`[]`), int64(time.Minute))
	f.Fuzz(func(t *testing.T, content []byte, own int64) {
		interval := time.Duration(min(max(own, 0), int64(24*time.Hour)))
		l, told := wire.Granted(content, interval)
		switch {
		case !told && l != wire.Assumed(interval):
			t.Errorf("%q grants %+v", content, l)
		case l.Interval < interval, max(l.Interval, l.BulkInterval) > 24*time.Hour, l.BulkInterval < 0:
			t.Errorf("%q, beside %v, is an interval of %v, of bulk calls %v", content, interval, l.Interval, l.BulkInterval)
		case l.BulkRows < 1, l.BulkRows > exchange.MaxBulkRows:
			t.Errorf("%q is %d entries of one bulk call", content, l.BulkRows)
		}
	})
}

// A date is read as HTTP writes it, or is none.
func FuzzParseDate(f *testing.F) {
	f.Add("Mon, 30 Nov 2026 17:00:00 GMT")
	f.Add("Monday, 30-Nov-26 17:00:00 GMT")
	f.Add("Mon Nov 30 17:00:00 2026")
	f.Add("Mon, 30 Nov 2026 17:00:00 +0100")
	f.Add("Fri, 31 Feb 2026 17:00:00 GMT")
	f.Add("0")
	f.Fuzz(func(t *testing.T, text string) {
		at := wire.ParseDate(text)
		if at.IsZero() {
			return
		}
		if again := wire.ParseDate(at.UTC().Format(http.TimeFormat)); at.Year() > 0 && !again.Equal(at.Truncate(time.Second)) {
			t.Errorf("%q is %v, and written as HTTP does %v", text, at, again)
		}
	})
}
