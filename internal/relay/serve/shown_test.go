package serve_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay/cheat"
	"github.com/fernpost/fernpost/internal/relay/serve"
)

// update posts a value, and returns the answer.
func update(t *testing.T, at, key, value string) string {
	t.Helper()
	answer, err := http.PostForm(at+"/update", url.Values{"api_key": {key}, "field1": {value}})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return readAll(t, answer.Body)
}

// TestChange: other limits and lies hold from the next request on; streams end, so that whoever reads one sees what is shown now.
func TestChange(t *testing.T) {
	r := start(t, serve.Options{Data: t.TempDir()})
	c := newChannel(t, r.URL())
	at := fmt.Sprintf("%s/channels/%d/feeds", r.URL(), c.ID)
	stream, err := http.Get(at + "/stream?api_key=" + c.Keys[1].Key)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	for _, value := range []string{"aaaa", "bbbb", "cccc"} {
		update(t, r.URL(), c.Keys[0].Key, value)
	}
	limits := r.Rules().Limits()
	limits.Interval = time.Hour
	if err := r.Change(limits, cheat.Alter); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, stream.Body); err != nil {
		t.Errorf("a stream does not end as it should: %v", err)
	}
	feed := get(t, at+".csv?api_key="+c.Keys[1].Key)
	if !strings.Contains(feed, ",1,aaaa") || strings.Contains(feed, "bbbb") {
		t.Errorf("a relay that lies from now on shows\n%s", feed)
	}
	if got := update(t, r.URL(), c.Keys[0].Key, "dddd"); got != "0" {
		t.Errorf("with an interval of an hour an update is answered by %q", got)
	}
	limits.Interval = 0
	if err := r.Change(limits, 0); err != nil {
		t.Fatal(err)
	}
	if got := update(t, r.URL(), c.Keys[0].Key, "eeee"); got != "4" {
		t.Errorf("without an interval an update is answered by %q", got)
	}
	if feed := get(t, at+".csv?api_key="+c.Keys[1].Key); !strings.Contains(feed, ",2,bbbb") {
		t.Errorf("a relay that lies no more shows\n%s", feed)
	}
	if figures := get(t, r.URL()+"/metrics"); !strings.Contains(figures, `outcome="accepted"`) {
		t.Errorf("after all that the metrics are\n%s", figures)
	}
}

// TestChangeLeavesMQTT: those who are connected would go on by the rules of before.
func TestChangeLeavesMQTT(t *testing.T) {
	r := start(t, serve.Options{Data: t.TempDir(), MQTT: "127.0.0.1:0"})
	if err := r.Change(r.Rules().Limits(), 0); !errors.Is(err, serve.ErrMQTT) {
		t.Fatalf("Change = %v", err)
	}
}
