package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/storetest"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// countingStore counts the entries that are read.
type countingStore struct {
	relay.Store
	read int
}

func (s *countingStore) Entries(
	ctx context.Context, generation, first, last int64, visit func(*thingspeak.Entry) error,
) error {
	return s.Store.Entries(ctx, generation, first, last, func(e *thingspeak.Entry) error {
		s.read++
		return visit(e)
	})
}

func (s *countingStore) EntriesByTime(
	ctx context.Context, stretch relay.Stretch, limit int, visit func(*thingspeak.Entry) error,
) error {
	return s.Store.EntriesByTime(ctx, stretch, limit, func(e *thingspeak.Entry) error {
		s.read++
		return visit(e)
	})
}

// hostileValues are what parameters of all kinds may hold: numbers at their limits, dates, words.
var hostileValues = []string{
	"", "0", "1", "-1", "7", "60", "1440", "8000", "8001", "400000", "-9223372036854775807", "-9223372036854775808",
	"9223372036854775807", "9223372036854775808", "-99999999999999999999999", "99999999999999999999999", "1e9", "-1e9", "+5",
	"--5", "0x10", "2147483648", "-2147483649", "4294967296", "NaN", "Inf", "abc", "10", "daily", "true", "false", "null",
	"2023-11-14 22:20:00", "2023-11-14T22:20:00Z", "0001-01-01", "9999-12-31 23:59:59", "-0001-01-01", "1700000300",
	"Asia/Tokyo", "-14", "99999", "json", "xml", "csv", "first", "public", "0.5", "-0.0000000000000000000001",
}

// readParameters are those that reads know, some more than once as they choose the rows.
var readParameters = []string{
	"results", "results", "results", "results", "results", "start_entry_id", "end_entry_id", "days", "average", "start", "end", "start_entry_id", "end_entry_id", "days", "minutes", "timescale", "sum", "average", "median",
	"min", "max", "round", "status", "location", "metadata", "timezone", "offset", "format", "page", "tag", "username",
	"latitude", "longitude", "distance", "prepend", "append", "callback", "headers", "key", "api_key", "x",
}

// TestReadsAreBounded: whatever the parameters of whatever route say, no reply has more rows than a read may have, and no
// request reads or takes more than that costs.
func TestReadsAreBounded(t *testing.T) {
	const most, all = 20, 2000
	store := &countingStore{Store: storetest.NewMemory()}
	limits, err := relay.Preset(relay.PresetNone)
	if err != nil {
		t.Fatal(err)
	}
	limits.Results = most
	a := New(relay.New(store, limits), Options{Loopback: true}).(*api)
	var channels []string
	value := thingspeak.Text(strings.Repeat("\x01", 255))
	for _, back := range []int{0, 700, 2} { // of so many entries one is dated back
		c, err := a.relay.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
		if err != nil {
			t.Fatal(err)
		}
		u := relay.Update{Key: c.Keys[0].Text, Bulk: true}
		for i := range all {
			e := thingspeak.Entry{CreatedAt: time.Unix(1_700_000_000+int64(i), 0), Fields: thingspeak.Fields{value}, Status: value}
			if back > 0 && i%back == 1 {
				e.CreatedAt = e.CreatedAt.Add(-time.Minute)
			}
			u.Entries = append(u.Entries, relay.NewEntry{Entry: e})
		}
		if _, err := a.relay.Update(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		channels = append(channels, fmt.Sprint(c.ID))
	}
	var routes []string
	left := strings.Join(slices.Concat(slices.Collect(maps.Values(notServedHere()))...), " ") + " "
	for _, r := range Routes(a) {
		if method, pattern, _ := strings.Cut(r, " "); method == http.MethodGet && !strings.Contains(left, pattern+" ") {
			routes = append(routes, pattern)
		}
	}
	ask := func(t *rapid.T) {
		pattern := rapid.SampledFrom(routes).Draw(t, "route")
		path := pattern
		for name, values := range map[string][]string{
			"{id}": channels, "{field}": {"1", "2", "field1"}, "{name}": {relay.LocalAccount}, "{rest...}": {"x"},
			"{entry}": hostileValues,
		} {
			if strings.Contains(path, name) {
				path = strings.ReplaceAll(path, name, url.PathEscape(rapid.SampledFrom(values).Draw(t, name)))
			}
		}
		path += rapid.SampledFrom([]string{"", ".json", ".csv", ".xml", ".txt"}).Draw(t, "extension")
		query := url.Values{}
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(readParameters), 0, 6).Draw(t, "parameters") {
			query.Set(name, rapid.OneOf(
				rapid.SampledFrom(hostileValues), rapid.Map(rapid.Int64(), func(n int64) string { return fmt.Sprint(n) }),
			).Draw(t, name))
		}
		target := path + "?" + query.Encode()
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, target, nil)
		if IsStream(r) {
			return // which has no end; what it reads it reads a block after the other
		}
		store.read = 0
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		a.ServeHTTP(w, r)
		runtime.ReadMemStats(&after)

		if w.Code >= http.StatusInternalServerError {
			t.Fatalf("%s: status %d: %s", target, w.Code, w.Body)
		}
		if strings.HasPrefix(pattern, "/stream/") {
			return // a file of all entries, which goes out piece by piece
		}
		if n := rowsOf(w.Body.Bytes()); n > most {
			t.Fatalf("%s: %d rows, at most %d are granted", target, n, most)
		}
		if store.read > 5*most+200 { // rows that become others, and looks for a time among those that are in order
			t.Fatalf("%s: %d entries were read of %d", target, store.read, all)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 { // a reply of 20 rows has 70 KB
			t.Fatalf("%s: the request took %d bytes", target, took)
		}
	}
	testenv.Check(t, func(t *rapid.T) {
		for range 40 {
			ask(t)
		}
	})
	if n := a.underWay.Load(); n != 0 {
		t.Errorf("%d bytes count as under way afterwards", n)
	}
}

// rowsOf counts the rows of a reply in any format.
func rowsOf(body []byte) int {
	var feed struct{ Feeds, Channels []json.RawMessage }
	switch text := bytes.TrimSpace(body); {
	case bytes.HasPrefix(text, []byte("created_at,")):
		return bytes.Count(text, []byte("\n"))
	case bytes.HasPrefix(text, []byte("<?xml")):
		return bytes.Count(text, []byte("<created-at")) - 1
	case json.Unmarshal(text, &feed) == nil:
		return len(feed.Feeds) + len(feed.Channels)
	default:
		return bytes.Count(text, []byte(`"entry_id":`))
	}
}

// TestLargeReplies: what cannot be sent is not built either, and leaves nothing behind.
func TestLargeReplies(t *testing.T) {
	testenv.Unwatched(t)
	a, _ := newAPI(t, nil)
	c, err := a.relay.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	var e thingspeak.Entry
	for i := range e.Fields {
		e.Fields[i] = thingspeak.Text(strings.Repeat("\x01", 255))
	}
	labels := relay.Settings{}
	for i := range labels.Labels {
		labels.Labels[i] = new(fmt.Sprint("f", i))
	}
	if _, err := a.relay.ChangeChannel(t.Context(), relay.LocalAccountID, c.ID, labels); err != nil {
		t.Fatal(err)
	}
	u := relay.Update{Key: c.Keys[0].Text, Bulk: true}
	for range 8000 {
		u.Entries = append(u.Entries, relay.NewEntry{Entry: e})
	}
	if _, err := a.relay.Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	get := func(query string) (int, int) {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/channels/%d/feeds%s", c.ID, query), nil))
		return w.Code, w.Body.Len()
	}
	if code, size := get(".json?results=8000"); code != http.StatusRequestEntityTooLarge || size > 1000 {
		t.Errorf("a reply of 98 MB: status %d, %d bytes", code, size)
	}
	if code, size := get(".json?results=3000"); code != http.StatusOK || size < 30<<20 {
		t.Errorf("a reply of 37 MB: status %d, %d bytes", code, size)
	}
	a.underWay.Add(60 << 20) // others
	if code, _ := get(".json?results=3000"); code != http.StatusServiceUnavailable {
		t.Errorf("a reply of 37 MB beside others: status %d", code)
	}
	a.underWay.Add(-60 << 20)
	if n := a.underWay.Load(); n != 0 {
		t.Errorf("%d bytes count as under way afterwards", n)
	}
}

// TestLargestReplies: a reply that fits is given to whoever is alone, one that never fits is refused for good, however
// near the bound they are.
func TestLargestReplies(t *testing.T) {
	testenv.Unwatched(t)
	a, _ := newAPI(t, nil)
	c, err := a.relay.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	var e thingspeak.Entry
	labels := relay.Settings{}
	for i := range e.Fields {
		e.Fields[i] = thingspeak.Text(strings.Repeat("<", 255))
		labels.Labels[i] = new(fmt.Sprint("f", i))
	}
	if _, err := a.relay.ChangeChannel(t.Context(), relay.LocalAccountID, c.ID, labels); err != nil {
		t.Fatal(err)
	}
	u := relay.Update{Key: c.Keys[0].Text, Bulk: true, Entries: make([]relay.NewEntry, 8000)}
	for i := range u.Entries {
		u.Entries[i].Entry = e
	}
	if _, err := a.relay.Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	get := func(query string) (int, int) {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/channels/%d/feeds%s", c.ID, query), nil))
		return w.Code, w.Body.Len()
	}
	_, one := get(".json?results=1")
	_, two := get(".json?results=2")
	row := two - one
	for _, near := range []int{0, 1, 2, 10, 20, 40, 60, 100} {
		n := maxUnderWay/row - near
		code, size := get(fmt.Sprint(".json?results=", n))
		switch {
		case code == http.StatusOK && size <= maxUnderWay:
		case code == http.StatusRequestEntityTooLarge && near < 60:
		default:
			t.Errorf("%d rows, about %d bytes of %d: status %d, %d bytes", n, n*row, maxUnderWay, code, size)
		}
	}
	if code, _ := get(".xml?results=8000"); code != http.StatusRequestEntityTooLarge {
		t.Errorf("XML of 8,000 rows: status %d", code)
	}
	// What is built is there once: there is no slice that grows and is copied.
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if code, _ := get(".json?results=8000"); code != http.StatusRequestEntityTooLarge {
		t.Errorf("JSON of 8,000 rows: status %d", code)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 2*maxUnderWay {
		t.Errorf("a reply that does not fit took %d bytes", took)
	}
	if n := a.underWay.Load(); n != 0 {
		t.Errorf("%d bytes count as under way afterwards", n)
	}
}
