package wire_test

import (
	"net/url"
	"strings"
	"testing"

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
