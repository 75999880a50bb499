package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// access is what a key has to open so that a route does something.
type access int

const (
	anybody  access = iota // no key, and nothing of a private channel is shown
	toRead                 // any key of the channel
	toWrite                // the channel's write key
	toManage               // the owner's user key
	toView                 // settings: a key of the channel or the owner's user key
)

// routeAccess says for each route of the API what it takes. A route that is missing here fails the test.
var routeAccess = map[string]access{
	"GET /update": toWrite, "POST /update": toWrite, "GET /s/update": toWrite, "POST /s/update": toWrite,
	"POST /channels/{id}/bulk_update": toWrite,
	"POST /channels/{id}/feeds":       toWrite, "POST /channels/{id}/feed": toWrite,

	"GET /channels/{id}/feeds": toRead, "GET /channels/{id}/feed": toRead,
	"GET /channels/{id}/fields/{field}": toRead, "GET /channels/{id}/field/{field}": toRead,
	"GET /channels/{id}/status": toRead, "GET /channels/{id}/statuses": toRead,
	"GET /channels/{id}/feeds/last": toRead, "GET /channels/{id}/feed/last": toRead,
	"GET /channels/{id}/fields/{field}/last": toRead, "GET /channels/{id}/field/{field}/last": toRead,
	"GET /channels/{id}/status/last": toRead, "GET /channels/{id}/statuses/last": toRead,
	"GET /channels/{id}/feeds/{entry}": toRead, "GET /channels/{id}/feed/{entry}": toRead,
	"GET /channels/{id}/feeds/entry/{entry}": toRead, "GET /channels/{id}/feed/entry/{entry}": toRead,
	"GET /channels/{id}/fields/{field}/{entry}": toRead, "GET /channels/{id}/field/{field}/{entry}": toRead,
	"GET /channels/{id}/last_entry_id":       toRead,
	"GET /channels/{id}/feeds/last_data_age": toRead, "GET /channels/{id}/feed/last_data_age": toRead,
	"GET /channels/{id}/fields/{field}/last_data_age": toRead, "GET /channels/{id}/field/{field}/last_data_age": toRead,
	"GET /channels/{id}/feeds/last_average": toRead, "GET /channels/{id}/feed/last_average": toRead,
	"GET /channels/{id}/feeds/last_median": toRead, "GET /channels/{id}/feed/last_median": toRead,
	"GET /channels/{id}/feeds/last_sum": toRead, "GET /channels/{id}/feed/last_sum": toRead,
	"GET /channels/{id}/feeds/stream": toRead, "GET /channels/{id}/feed/stream": toRead, "GET /stream": toRead,
	"GET /stream/channels/{id}/feeds": toRead, "POST /stream/channels/{id}/feeds": toRead,

	"GET /channels/{id}":    toView,
	"PUT /channels/{id}":    toManage,
	"DELETE /channels/{id}": toManage, "DELETE /channels/{id}/feeds": toManage, "DELETE /channels/{id}/feed": toManage,
	"POST /channels/{id}/clear": toManage,
	"GET /channels":             anybody, "POST /channels": anybody, // of the account whose key is shown
	"GET /channels/public": anybody, "GET /users/{name}": anybody, "GET /users/{name}/channels": anybody,
	"GET /limits": anybody, "GET /channels/{id}/may_write": anybody,
}

// secrets are texts that only whoever may read the private channel may see.
var secrets = []string{"SECRET-VALUE", "SECRET-NAME", "SECRET-LABEL", "SECRET-STATUS"}

// party is an account with a channel.
type party struct {
	user, write, read string
	channel           int64
}

// strangers is a relay with two accounts.
type strangers struct {
	server  *relaytest.Server
	handler http.Handler
	// ana has the channel that it is about, bo one of his own.
	ana, bo party
}

func newStrangers(t *testing.T, public bool) *strangers {
	t.Helper()
	server := relaytest.New(t, relaytest.InMemory())
	s := &strangers{server: server, handler: httpapi.New(server.Relay, httpapi.Options{Loopback: true})}
	add := func(name string, settings relay.Settings) party {
		account := relay.Account{Name: name, Key: relay.NewKey(), CreatedAt: time.Now()}
		if err := server.Store.CreateAccount(t.Context(), &account); err != nil {
			t.Fatal(err)
		}
		c, err := server.Relay.CreateChannel(t.Context(), account.ID, settings)
		if err != nil {
			t.Fatal(err)
		}
		return party{user: account.Key, channel: c.ID, write: c.Keys[0].Text, read: c.Keys[1].Text}
	}
	s.ana = add("ana", relay.Settings{
		Name: new("SECRET-NAME"), Labels: [thingspeak.FieldCount]*string{new("SECRET-LABEL")}, Public: &public,
	})
	s.bo = add("bo", relay.Settings{Public: new(true)})
	_, err := server.Relay.Update(t.Context(), relay.Update{
		Channel: s.ana.channel, Key: s.ana.write,
		Entries: []relay.NewEntry{{Entry: thingspeak.Entry{
			Fields: thingspeak.Fields{thingspeak.Text("SECRET-VALUE")}, Status: thingspeak.Text("SECRET-STATUS"),
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// state is all that there is about ana's channel.
func (s *strangers) state(t *testing.T) string {
	t.Helper()
	channel, state, err := s.server.Store.Channel(t.Context(), s.ana.channel)
	if err != nil {
		t.Fatalf("ana's channel is gone: %v", err)
	}
	var entries []thingspeak.Entry
	err = s.server.Store.Entries(t.Context(), state.Generation, 1, state.Last, func(e *thingspeak.Entry) error {
		entries = append(entries, *e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%+v\n%+v\n%+v", channel, state, entries)
}

// place puts a key into a request.
type place struct {
	name string
	put  func(r *http.Request, form url.Values, key string)
}

var places = []place{
	{"X-THINGSPEAKAPIKEY", func(r *http.Request, _ url.Values, key string) { r.Header.Set("X-THINGSPEAKAPIKEY", key) }},
	{"THINGSPEAKAPIKEY", func(r *http.Request, _ url.Values, key string) { r.Header.Set("THINGSPEAKAPIKEY", key) }},
	{"query key", func(r *http.Request, _ url.Values, key string) { addQuery(r, "key", key) }},
	{"query api_key", func(r *http.Request, _ url.Values, key string) { addQuery(r, "api_key", key) }},
	{"query apikey", func(r *http.Request, _ url.Values, key string) { addQuery(r, "apikey", key) }},
	{"query write_api_key", func(r *http.Request, _ url.Values, key string) { addQuery(r, "write_api_key", key) }},
	{"body key", func(_ *http.Request, form url.Values, key string) { form.Set("key", key) }},
	{"body api_key", func(_ *http.Request, form url.Values, key string) { form.Set("api_key", key) }},
	{"body write_api_key", func(_ *http.Request, form url.Values, key string) { form.Set("write_api_key", key) }},
	{"authorization", func(r *http.Request, _ url.Values, key string) { r.Header.Set("Authorization", "Bearer "+key) }},
	{"cookie", func(r *http.Request, _ url.Values, key string) { r.Header.Set("Cookie", "api_key="+key) }},
}

// extensions are tried in turn with the places; their numbers share no divisor, so that two walks differ.
var extensions = []string{".json", "", ".xml", ".csv", ".txt"}

func addQuery(r *http.Request, name, value string) {
	q := r.URL.Query()
	q.Set(name, value)
	r.URL.RawQuery = q.Encode()
}

// send asks a route of ana's channel for something, with a key in a place.
func (s *strangers) send(t *testing.T, route, extension string, p place, key string) *httptest.ResponseRecorder {
	t.Helper()
	method, pattern, _ := strings.Cut(route, " ")
	path := strings.NewReplacer(
		"{id}", fmt.Sprint(s.ana.channel), "{field}", "1", "{entry}", "1", "{name}", "ana",
	).Replace(pattern)
	r := httptest.NewRequest(method, "http://relay.example"+path+extension, nil)
	form := url.Values{
		"field1": {"WRITTEN"}, "name": {"WRITTEN"}, "public_flag": {"true"}, "status": {"true"}, "location": {"true"},
		"metadata": {"true"}, "time_format": {"relative"}, "updates": {"0,WRITTEN"},
		"channels": {fmt.Sprint(s.ana.channel)},
	}
	p.put(r, form, key)
	body := form.Encode()
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if extension == ".json" {
		members := map[string]any{}
		for name, values := range form {
			members[name] = values[0]
		}
		members["updates"] = []map[string]string{{"field1": "WRITTEN"}}
		encoded, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		body = string(encoded)
		r.Header.Set("Content-Type", "application/json")
	}
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, briefly(r))
	return w
}

// briefly lets a stream that a request is for end as soon as nothing more is to be said.
func briefly(r *http.Request) *http.Request {
	if !httpapi.IsStream(r) {
		return r
	}
	ctx, cancel := context.WithCancel(r.Context())
	cancel()
	return r.WithContext(ctx)
}

// TestKeysOpenNothingElse walks all routes with all kinds of wrong keys in all places where a key may stand: the key of
// one channel never opens another, a read key never writes, and no channel key manages.
func TestKeysOpenNothingElse(t *testing.T) {
	t.Run("private", func(t *testing.T) { walkWithWrongKeys(t, newStrangers(t, false), false) })
	t.Run("public", func(t *testing.T) { walkWithWrongKeys(t, newStrangers(t, true), true) })
}

func walkWithWrongKeys(t *testing.T, s *strangers, public bool) {
	before := s.state(t)
	routes := httpapi.Routes(s.handler)
	for _, route := range routes {
		if _, pattern, _ := strings.Cut(route, " "); pattern == "/" || isLeftOut(pattern) {
			continue
		}
		takes, known := routeAccess[route]
		if !known {
			t.Errorf("%s is in no list of what it takes", route)
			continue
		}
		if public && (takes == toRead || takes == toView) {
			takes = anybody
		}
		wrong := s.wrongKeys(takes)
		for _, name := range slices.Sorted(maps.Keys(wrong)) {
			for i := range max(len(places), len(extensions)) {
				p, extension := places[i%len(places)], extensions[i%len(extensions)]
				w := s.send(t, route, extension, p, wrong[name])
				doing := fmt.Sprintf("%s%s with %s in %s", route, extension, name, p.name)
				if w.Code >= http.StatusInternalServerError {
					t.Errorf("%s: status %d", doing, w.Code)
				}
				for _, secret := range secrets {
					if !public && strings.Contains(w.Body.String(), secret) {
						t.Errorf("%s shows %s", doing, secret)
					}
				}
				for _, key := range []string{s.ana.write, s.ana.read, s.ana.user} {
					if key != wrong[name] && strings.Contains(w.Body.String(), key) {
						t.Errorf("%s shows a key", doing)
					}
				}
				// What a route for everybody may do is checked by its effects alone; and a key that writes another
				// channel is the right one where the address names none.
				if takes != anybody && w.Code < 300 && !(strings.HasSuffix(route, "/update") && name == "bo's write key") {
					t.Errorf("%s: status %d", doing, w.Code)
				}
			}
		}
		if after := s.state(t); after != before {
			t.Fatalf("%s has changed ana's channel (-before +after):\n%s", route, cmp.Diff(before, after))
		}
	}
	for route := range routeAccess {
		if !slices.Contains(routes, route) {
			t.Errorf("%s does not exist", route)
		}
	}
}

// wrongKeys are keys that do not open what takes some other.
func (s *strangers) wrongKeys(takes access) map[string]string {
	wrong := map[string]string{
		"none": "", "garbage": "AAAAAAAAAAAAAAAA", "odd": "' OR 1=1 --", "bo's write key": s.bo.write,
		"bo's read key": s.bo.read, "bo's user key": s.bo.user, "the local user key": s.server.UserKey,
		"lower case": strings.ToLower(s.ana.write), "cut": s.ana.write[:15], "doubled": s.ana.write + s.ana.write,
	}
	switch takes {
	case toWrite:
		wrong["ana's read key"], wrong["ana's user key"] = s.ana.read, s.ana.user
	case toRead:
		wrong["ana's user key"] = s.ana.user
	case toManage:
		wrong["ana's write key"], wrong["ana's read key"] = s.ana.write, s.ana.read
	}
	return wrong
}

func isLeftOut(pattern string) bool {
	for _, part := range []string{"talkbacks", "/apps/", "/charts", "/maps", "/plugins", "/images", "/alerts"} {
		if strings.Contains(pattern, part) {
			return true
		}
	}
	return false
}

// TestKeysOpenTheirOwn is the other side: each route does its work with the right key in the usual place.
func TestKeysOpenTheirOwn(t *testing.T) {
	for route, takes := range routeAccess {
		s := newStrangers(t, false)
		var right []string
		switch takes {
		case toRead:
			right = []string{s.ana.read, s.ana.write}
		case toWrite:
			right = []string{s.ana.write}
		case toManage, anybody:
			right = []string{s.ana.user}
		case toView:
			right = []string{s.ana.user, s.ana.read, s.ana.write}
		}
		extension := ".json"
		for _, key := range right {
			if w := s.send(t, route, extension, places[0], key); w.Code >= 300 {
				t.Errorf("%s: status %d\n%s", route, w.Code, w.Body)
			}
		}
	}
}
