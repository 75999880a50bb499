package httpapi

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
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
		for _, p := range parseForm(s) {
			if p.name == "" || !utf8.ValidString(p.name+p.value) || strings.Contains(p.name+p.value, "\x00") {
				t.Errorf("parseForm(%q) holds %q = %q", s, p.name, p.value)
			}
		}
		want := clean(s)
		all := parseForm("field1=" + url.QueryEscape(want))
		if len(all) != 1 || all[0].value != want {
			t.Errorf("an encoded %q came back as %+v", want, all)
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
	h := New(r, Options{})
	expand := strings.NewReplacer("ID", strconv.FormatInt(channel.ID, 10), "KEY", channel.Keys[0].Text).Replace
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
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		q, err := http.NewRequestWithContext(t.Context(), method, "http://relay/", strings.NewReader(expand(body)))
		if err != nil {
			t.Skip("not a method")
		}
		q.URL.Path, q.URL.RawQuery = "/"+strings.TrimPrefix(expand(path), "/"), expand(query)
		if strings.HasPrefix(body, "{") {
			q.Header.Set("Content-Type", "application/json")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		if w.Code >= http.StatusInternalServerError || w.Code >= 300 && w.Code < 400 {
			t.Errorf("%s %q ? %q with %q: status %d", method, path, query, body, w.Code)
		}
		if got := w.Header().Get("Content-Length"); got != strconv.Itoa(w.Body.Len()) && method != http.MethodHead {
			t.Errorf("%s %q: Content-Length %s of %d bytes", method, path, got, w.Body.Len())
		}
	})
}
