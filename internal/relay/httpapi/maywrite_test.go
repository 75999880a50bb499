package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay"
)

func (s *strangers) ask(method, path, key, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-THINGSPEAKAPIKEY", key)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// Whether a key writes a channel is told without an entry, and nothing about channels that are not the asker's.
func TestMayWriteProvesTheWriteKey(t *testing.T) {
	for _, public := range []bool{false, true} {
		s := newStrangers(t, public)
		before := s.state(t)
		for key, want := range map[string]bool{
			s.ana.write: true, s.ana.read: false, s.ana.user: false, s.bo.write: false, "": false, "AAAAAAAAAAAAAAAA": false,
		} {
			w := s.ask(http.MethodGet, fmt.Sprintf("/channels/%d/may_write.json", s.ana.channel), key, "")
			if got := w.Body.String(); w.Code != http.StatusOK || got != fmt.Sprintf(`{"may_write":%v}`, want) {
				t.Errorf("public %v, key %q: %d %s, want %v", public, key, w.Code, got, want)
			}
		}
		nobodys := s.ana.channel%9_000_000 + 1_000_000 // a number that could be one's
		for nobodys == s.ana.channel || nobodys == s.bo.channel {
			nobodys++
		}
		w := s.ask(http.MethodGet, fmt.Sprintf("/channels/%d/may_write.json", nobodys), s.ana.write, "")
		if got := w.Body.String(); w.Code != http.StatusOK || got != `{"may_write":false}` {
			t.Errorf("a channel of nobody: %d %s, want what a private one answers", w.Code, got)
		}
		if d := s.state(t); d != before {
			t.Errorf("asking has changed the channel: %s", d)
		}
	}
}

// The write key adds to a channel's metadata, and nothing else; what was put there stays.
func TestTheWriteKeyOnlyAddsToMetadata(t *testing.T) {
	s := newStrangers(t, true)
	path := fmt.Sprintf("/channels/%d.json", s.ana.channel)
	metadata := func() string {
		channel, _, err := s.server.Store.Channel(t.Context(), s.ana.channel)
		if err != nil {
			t.Fatal(err)
		}
		return channel.Metadata
	}
	for _, refused := range []struct{ key, body string }{
		{s.ana.read, "metadata=x"},
		{s.bo.write, "metadata=x"},
		{"", "metadata=x"},
		{s.ana.write, "metadata=x&name=y"},
		{s.ana.write, "name=y"},
		{s.ana.write, ""},
	} {
		if w := s.ask(http.MethodPut, path, refused.key, refused.body); w.Code != http.StatusUnauthorized || metadata() != "" {
			t.Errorf("%q with key %q: %d, the metadata is %q", refused.body, refused.key, w.Code, metadata())
		}
	}
	w := s.ask(http.MethodPut, path, s.ana.write, "metadata=x")
	if w.Code != http.StatusOK || metadata() != "x" || strings.Contains(w.Body.String(), s.ana.read) {
		t.Errorf("the write key: %d %s, the metadata is %q", w.Code, w.Body, metadata())
	}
	for _, less := range []string{"z", "zx", "", "X"} {
		if w := s.ask(http.MethodPut, path, s.ana.write, "metadata="+less); w.Code != http.StatusConflict || metadata() != "x" ||
			!strings.Contains(w.Body.String(), "added to") {
			t.Errorf("%q in place of it: %d, the metadata is %q", less, w.Code, metadata())
		}
	}
	if w := s.ask(http.MethodPut, path, s.ana.write, "metadata=x%0Ay"); w.Code != http.StatusOK || metadata() != "x\ny" {
		t.Errorf("behind it: %d %s, the metadata is %q", w.Code, w.Body, metadata())
	}
	if _, err := s.server.Relay.AddMetadata(t.Context(), s.bo.channel, s.bo.write, strings.Repeat("x", 10_001)); err == nil {
		t.Error("metadata of any length are taken")
	}
	if _, err := s.server.Relay.AddMetadata(t.Context(), 12, s.bo.write, "x"); err != relay.ErrNotFound {
		t.Errorf("of no channel: %v", err)
	}
}

// A wrong key in a header, or in the query, is told before the body of a bulk call is decoded: a body that cannot be read makes no
// difference to it.
func TestBulkBodiesAreDecodedForTheRightKeyOnly(t *testing.T) {
	s := newStrangers(t, true)
	path := fmt.Sprintf("/channels/%d/bulk_update.json", s.ana.channel)
	const unreadable, lacking = `{"updates":`, `{"updates":[]}`
	for _, tt := range []struct {
		header, query, body string
		want                int
	}{
		{s.ana.write, "", unreadable, http.StatusBadRequest},
		{s.bo.write, "", unreadable, http.StatusUnauthorized},
		{s.bo.write, "", lacking, http.StatusUnauthorized},
		{"", "?write_api_key=" + s.ana.write, unreadable, http.StatusBadRequest},
		{"", "?write_api_key=" + s.bo.write, unreadable, http.StatusUnauthorized},
		{"", "?api_key=" + s.bo.write, `{"write_api_key":"` + s.ana.write + `","updates":[{"field1":1}]}`, http.StatusAccepted},
	} {
		if w := s.ask(http.MethodPost, path+tt.query, tt.header, tt.body); w.Code != tt.want {
			t.Errorf("header %q, query %q, %s: %d %s, want %d", tt.header, tt.query, tt.body, w.Code, w.Body, tt.want)
		}
	}
}
