package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// Types of bodies that clients name.
const (
	asForm      = "application/x-www-form-urlencoded"
	asXML       = "application/xml"
	asMultipart = "multipart/form-data; boundary=x"
)

// partOf is a form in parts between a boundary.
func partOf(boundary, value string) string {
	return "--" + boundary + "\r\nContent-Disposition: form-data; name=\"field1\"\r\n\r\n" + value + "\r\n--" + boundary + "--\r\n"
}

// What a device sends is stored, or refused so that the device can tell: a body that cannot be decoded is never an
// entry without values (contract section 1.2).
func TestUndecodedBodiesAreNotStoredEmpty(t *testing.T) {
	const key = "/update?api_key=AAAABBBBCCCCDDDD"
	for _, tt := range []struct {
		name, method, target, media, body string
		status                            int
		value                             string // of field 1, if the status is 200
	}{
		{"array", "POST", key, asForm, `[{"field1":1}]`, 400, ""},
		{"XML under another type", "POST", key, asForm, `<feed><field1>5</field1></feed>`, 400, ""},
		{"half an object", "POST", key, asForm, `"field1":5`, 400, ""},
		{"colon", "POST", key, asForm, `field1:5`, 400, ""},
		{"word", "POST", key, asForm, `hello`, 400, ""},
		{"misspelt name", "POST", key, asForm, `Field1=5`, 400, ""},
		{"misspelt name in JSON", "POST", key, "application/json", `{"Field1":5}`, 400, ""},
		{"no names", "POST", key, asForm, `&=5&`, 400, ""},
		{"word in a GET", "GET", key, asForm, `hello`, 400, ""},
		{"word behind a field", "POST", key + "&field1=7", asForm, `hello`, 200, "7"},
		{"key alone, fields in the query", "POST", "/update?field1=5", asForm, `api_key=AAAABBBBCCCCDDDD`, 200, "5"},
		{"unknown beside known", "POST", key, asForm, `field1=5&x=1`, 200, "5"},
		{"empty on purpose", "POST", key, asForm, `api_key=AAAABBBBCCCCDDDD`, 200, ""},
		{"empty object", "POST", key, "application/json", `{ }`, 200, ""},
		{"line end", "POST", key, asForm, "\r\n", 200, ""},
		{"no body", "POST", key, asForm, "", 200, ""},

		{"parts as a form", "POST", key, asForm, partOf("x", "5"), 200, "5"},
		{"parts without a type", "POST", key, "", partOf("x-y", "5"), 200, "5"},
		{"parts of another boundary", "POST", key, asMultipart, partOf("y", "5"), 400, ""},
		{"parts of two boundaries", "POST", key, asMultipart, partOf("y", "5") + "\r\n--x--\r\n", 400, ""},
		{"parts before a boundary that is cut", "POST", key, asMultipart, "field1=5\r\n--x--\r\n", 400, ""},
		{"parts as a form, cut", "POST", key, asForm, strings.TrimSuffix(partOf("x", "5"), "--x--\r\n"), 400, ""},
		{"no parts", "POST", key, asMultipart, "--x--\r\n", 400, ""},

		{"form as XML", "POST", key, asXML, `field1=5`, 400, ""},
		{"word as XML", "POST", key, asXML, `hello`, 400, ""},
		{"text in the root", "POST", key, asXML, `<feed>5</feed>`, 400, ""},
		{"unknown element", "POST", key, asXML, `<feed><value>5</value></feed>`, 400, ""},
		{"XML", "POST", key, asXML, "<?xml version=\"1.0\"?>\n<feed>\n  <field1>5</field1>\n</feed>\n", 200, "5"},

		{"form with a BOM", "POST", key, asForm, "\ufefffield1=5", 200, "5"},
		{"JSON with a BOM", "POST", key, "application/json", "\ufeff{\"field1\":\"5\"}", 200, "5"},
		{"XML with a BOM", "POST", key, asXML, "\ufeff<feed><field1>5</field1></feed>", 200, "5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n", tt.method, tt.target, len(tt.body))
			if tt.media != "" {
				request += "Content-Type: " + tt.media + "\r\n"
			}
			checkStored(t, request+"\r\n"+tt.body, tt.status, tt.value)
		})
	}
}

// A body of which nobody says how long it is was not read: with nothing to store beside it that is told.
func TestBodiesWithoutLengthAreNotStoredEmpty(t *testing.T) {
	const key = "/update?api_key=AAAABBBBCCCCDDDD"
	for _, tt := range []struct {
		request string
		status  int
		value   string
	}{
		{"POST " + key + " HTTP/1.1\r\nHost: x\r\n\r\nfield1=5", 411, ""},
		{"POST " + key + " HTTP/1.0\r\n\r\nfield1=5", 411, ""},
		{"POST /update HTTP/1.1\r\nHost: x\r\nX-THINGSPEAKAPIKEY: AAAABBBBCCCCDDDD\r\n\r\nfield1=5", 411, ""},
		{"POST /channels/1234567/feeds.json?api_key=AAAABBBBCCCCDDDD HTTP/1.1\r\nHost: x\r\n\r\n{\"field1\":5}", 411, ""},
		{"POST " + key + "&field1=5 HTTP/1.1\r\nHost: x\r\n\r\n", 200, "5"},
		{"POST " + key + "&field1=5 HTTP/1.0\r\n\r\n", 200, "5"},
		{"GET " + key + " HTTP/1.1\r\nHost: x\r\n\r\n", 200, ""},
		{"POST " + key + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nfield1=5\r\n0\r\n\r\n", 200, "5"},
	} {
		checkStored(t, tt.request, tt.status, tt.value)
	}
}

// Nor does a change of settings whose body was not read pass for one that changes nothing.
func TestChangesWithoutLengthAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := relaytest.InBubble(t)
		channel := s.CreateChannel(t, relay.Settings{Name: new("before")})
		target := fmt.Sprintf("/channels/%d.json?api_key=%s", channel.ID, s.UserKey)
		for _, tt := range []struct {
			request string
			status  int
			name    string
		}{
			{"PUT " + target + " HTTP/1.1\r\nHost: x\r\n\r\nname=after", 411, "before"},
			{"PUT " + target + " HTTP/1.0\r\n\r\nname=after", 411, "before"},
			{"PUT " + target + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 200, "before"},
			{"PUT " + target + "&name=query HTTP/1.1\r\nHost: x\r\n\r\n", 200, "query"},
			{"PUT " + target + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nname=after", 200, "after"},
		} {
			status, answer := sendRaw(t, s, []byte(tt.request))
			_, now := sendRaw(t, s, []byte("GET "+target+" HTTP/1.0\r\n\r\n"))
			if status != tt.status || !strings.Contains(now, `"name":"`+tt.name+`"`) {
				t.Errorf("%q is answered with %d %q, and there is %q, want %d and the name %q", tt.request, status, answer, now, tt.status, tt.name)
			}
		}
	})
}

// checkStored sends a request and looks at what it stored.
func checkStored(t *testing.T, request string, status int, value string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := relaytest.InBubble(t, relaytest.WithStore(recordedStore))
		got, answer := sendRaw(t, s, []byte(request))
		entries := s.Entries(t, recordedChannel)
		stored := ""
		if len(entries) > 0 {
			stored = entries[0].Fields[0].Text
		}
		if got != status || (status == 200) != (len(entries) == 1) || stored != value {
			t.Errorf("%q is answered with %d %q and stored as %v, want %d and %q",
				request, got, answer, entries, status, value)
		}
	})
}
