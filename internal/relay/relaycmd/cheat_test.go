package relaycmd_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/cheat"
	"github.com/fernpost/fernpost/internal/relay/relaycmd"
	"github.com/fernpost/fernpost/internal/relay/serve"
)

// TestCheat: a relay lies as it is told to, differently to two readers, and its page says so.
func TestCheat(t *testing.T) {
	r := start(t, serve.Options{Data: t.TempDir(), Cheat: cheat.Drop | cheat.Fork})
	defer r.Close()
	made, err := http.PostForm(r.URL()+"/channels.json", map[string][]string{"public_flag": {"true"}})
	if err != nil {
		t.Fatal(err)
	}
	defer made.Body.Close()
	body, err := io.ReadAll(made.Body)
	if err != nil {
		t.Fatal(err)
	}
	var channel struct {
		ID      int64 `json:"id"`
		APIKeys []struct {
			Key   string `json:"api_key"`
			Write bool   `json:"write_flag"`
		} `json:"api_keys"`
	}
	if err := json.Unmarshal(body, &channel); err != nil || len(channel.APIKeys) == 0 {
		t.Fatalf("%v: %s", err, body)
	}
	var answers []string
	for n := range 10 {
		update := fmt.Sprintf("%s/update?api_key=%s&field1=post%d", r.URL(), channel.APIKeys[0].Key, n+1)
		answers = append(answers, get(t, update))
	}
	if got, want := strings.Join(answers, " "), "1 2 3 3 4 5 6 7 8 8"; got != want {
		t.Errorf("the updates are answered with %s, want %s", got, want)
	}
	feed := fmt.Sprintf("/channels/%d/feeds.csv", channel.ID)
	first, other := get(t, r.URL()+feed), get(t, strings.Replace(r.URL(), "127.0.0.1", "localhost", 1)+feed)
	for _, c := range []struct {
		feed, shown, hidden string
	}{
		{first, ",7,post8\n", "post9"},
		{other, ",7,post9\n", "post8"},
	} {
		if !strings.Contains(c.feed, c.shown) || strings.Contains(c.feed, c.hidden) || strings.Contains(c.feed, "post3") ||
			!strings.Contains(c.feed, ",8,post10\n") {
			t.Errorf("a reader sees\n%s", c.feed)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/html")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil || !bytes.Contains(page, []byte("CHEATS on purpose (drop, fork)")) {
		t.Errorf("the page is %s, %v", page, err)
	}
	if metrics := get(t, r.URL()+"/metrics"); !strings.Contains(metrics, "fernpost_relay_entries_total 10\n") {
		t.Errorf("the metrics are\n%s", metrics)
	}
}

func TestUnknownLie(t *testing.T) {
	var stderr bytes.Buffer
	if code := relaycmd.Main([]string{"--cheat", "drop,lose"}, io.Discard, &stderr); code != 2 {
		t.Errorf("exit code %d", code)
	}
	if want := "want one or more of " + cheat.All.String(); !strings.Contains(stderr.String(), want) {
		t.Errorf("it says %s", stderr.String())
	}
}
