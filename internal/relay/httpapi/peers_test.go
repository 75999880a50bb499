package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
)

// TestCurlStreams: curl -N shows entries as they come, in both forms.
func TestCurlStreams(t *testing.T) {
	t.Parallel()
	curl := testenv.Program(t, "curl")
	s := relaytest.New(t)
	c := s.CreateChannel(t, relaytest.AllFields(false))
	lines := func(args ...string) func() string {
		cmd := testenv.Command(t, curl, append(args, "-sN", "-H", "X-THINGSPEAKAPIKEY: "+c.ReadKey, s.URL+of(c, "?after=0"))...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed
		})
		scanner := bufio.NewScanner(out)
		return func() string {
			t.Helper()
			if !scanner.Scan() {
				t.Fatalf("curl ended: %v", scanner.Err())
			}
			return scanner.Text()
		}
	}
	events, objects := lines(), lines("-H", "Accept: application/x-ndjson")
	p, err := s.Store.Position(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{fmt.Sprintf("id: %d-0", p.Generation), ""} {
		if got := events(); got != want {
			t.Errorf("curl shows %q, want %q", got, want)
		}
	}
	for n := range 3 {
		text := fmt.Sprint("value ", n)
		postValue(t, http.DefaultClient, s.URL, c, text)
		if e := decodeEntry(t, objects()); e.Field1 != text || e.ChannelID != c.ID {
			t.Errorf("curl shows %+v, want %q", e, text)
		}
		if got, want := events(), fmt.Sprintf("id: %d-%d", p.Generation, n+1); got != want {
			t.Errorf("curl shows %q, want %q", got, want)
		}
		if e := decodeEntry(t, strings.TrimPrefix(events(), "data: ")); e.Field1 != text {
			t.Errorf("curl shows %+v, want %q", e, text)
		}
		if got := events(); got != "" {
			t.Errorf("behind an event curl shows %q", got)
		}
	}
}

// foreignPage is a page of another origin that reads, writes and watches a private channel with its keys.
const foreignPage = `<!doctype html><title>page</title><script>
const [relay, id, readKey, writeKey] = %s;
const tell = (what, value) => fetch('/tell/' + what, {method: 'POST', body: JSON.stringify(value)});
const ask = (path, options = {}) => fetch(relay + path, options);
const show = a => ({status: a.status, date: !!a.headers.get('Date'), tag: !!a.headers.get('ETag')});
(async () => {
  const got = [];
  let change;
  const count = n => new Promise(done => { (change = () => got.length >= n && done())(); });
  const source = new EventSource(relay + '/stream?channels=' + id + '&api_key=' + readKey);
  source.onmessage = e => { got.push([e.lastEventId, JSON.parse(e.data).field1]); change(); };
  await new Promise((open, failed) => { source.onopen = open; source.onerror = () => failed('no stream'); });
  source.onerror = null;

  const written = await ask('/update.json', {method: 'POST', body: JSON.stringify({field1: 'from a page'}), headers: {
    'X-THINGSPEAKAPIKEY': writeKey, 'Content-Type': 'application/json', 'Cache-Control': 'no-cache'}});
  await tell('written', [written.status, (await written.json()).entry_id]);
  const read = await ask('/channels/' + id + '/feeds/last.json', {headers: {'X-THINGSPEAKAPIKEY': readKey}});
  await tell('read', [show(read), (await read.json()).field1]);
  const again = await ask('/channels/' + id + '/feeds/last.json', {cache: 'no-store', headers: {
    'X-THINGSPEAKAPIKEY': readKey, 'If-None-Match': read.headers.get('ETag')}});
  await tell('unchanged', again.status);
  const refused = await ask('/channels/' + id + '/feeds.json', {headers: {'X-THINGSPEAKAPIKEY': 'WRONG'}});
  await tell('refused', [refused.status, await refused.text()]);
  const lines = await ask('/channels/' + id + '/feeds/stream', {headers: {
    'X-THINGSPEAKAPIKEY': readKey, 'Accept': 'application/x-ndjson', 'Last-Event-ID': '1-0'}});
  await tell('lines', [lines.status, lines.headers.get('Content-Type')]);
  lines.body.cancel();

  await count(1);
  await tell('first', got);
  await count(3); // the line is cut now, and the browser connects again by itself
  source.close();
  await tell('all', got);
})().catch(e => tell('failed', String(e)));
</script>`

// TestBrowserStreams: a page of another origin reads and writes with keys, sees refusals, and an EventSource goes on by itself
// where it was cut off.
func TestBrowserStreams(t *testing.T) {
	t.Parallel()
	s := relaytest.New(t)
	c := s.CreateChannel(t, relaytest.AllFields(false))
	cut := make(chan struct{})
	s.Inject(relaytest.On("GET /stream", relaytest.Times(1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go func() {
			select {
			case <-cut:
			case <-ctx.Done():
			}
			cancel()
		}()
		next.ServeHTTP(w, r.WithContext(ctx))
		panic(http.ErrAbortHandler)
	})))
	setup, err := json.Marshal([]any{s.URL, c.ID, c.ReadKey, c.WriteKey})
	if err != nil {
		t.Fatal(err)
	}
	type told struct{ what, value string }
	tellings := make(chan told, 20)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what, isTelling := strings.CutPrefix(r.URL.Path, "/tell/")
		if !isTelling {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprintf(w, foreignPage, setup)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		tellings <- told{what, string(body)}
	}))
	t.Cleanup(other.Close)
	testenv.Browse(t, other.URL)
	p, err := s.Store.Position(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	event := func(n int, value string) []any {
		return []any{fmt.Sprintf("%d:%d-%d", c.ID, p.Generation, n), value}
	}
	seen := map[string]any{"status": 200.0, "date": true, "tag": true}
	for _, want := range []struct {
		what  string
		value any
	}{
		{"written", []any{200.0, 1.0}},
		{"read", []any{seen, "from a page"}},
		{"unchanged", 304.0},
		{"refused", []any{400.0, "-1"}},
		{"lines", []any{200.0, "application/x-ndjson"}},
		{"first", []any{event(1, "from a page")}},
		{"all", []any{event(1, "from a page"), event(2, "while it was away"), event(3, "and later")}},
	} {
		got := testenv.Receive(t, tellings, "the page's word about "+want.what)
		var value any
		if err := json.Unmarshal([]byte(got.value), &value); err != nil {
			t.Fatalf("%s: %q: %v", got.what, got.value, err)
		}
		if got.what != want.what || !cmp.Equal(value, want.value) {
			t.Fatalf("the page tells of %s: %v, want %s: %v", got.what, value, want.what, want.value)
		}
		if want.what == "first" {
			close(cut)
			postValue(t, http.DefaultClient, s.URL, c, "while it was away")
			postValue(t, http.DefaultClient, s.URL, c, "and later")
		}
	}
}
