package relaytest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

func TestServer(t *testing.T) {
	for name, with := range map[string][]relaytest.Option{"disk": nil, "memory": {relaytest.InMemory()}} {
		t.Run(name, func(t *testing.T) {
			s := relaytest.New(t, with...)
			c := s.Client(t)
			channel := s.CreateChannel(t, relaytest.AllFields(true))
			s.Seed(t, channel.ID, 2500, func(i int) thingspeak.Entry {
				return thingspeak.Entry{
					CreatedAt: time.Unix(1_700_000_000+int64(i), 0),
					Fields:    thingspeak.Fields{thingspeak.Text(fmt.Sprint("value ", i))},
				}
			})
			_, id := get(t, c, s.URL+"/update?api_key="+channel.WriteKey+"&field1=x")
			if id != "2501" {
				t.Errorf("update answered %q, want 2501", id)
			}
			_, last := get(t, c, fmt.Sprintf("%s/channels/%d/fields/1/last", s.URL, channel.ID))
			if last != "x" {
				t.Errorf("last value is %q, want x", last)
			}
			_, feed := get(t, c, fmt.Sprintf("%s/channels/%d/feeds.csv?results=8000", s.URL, channel.ID))
			if lines := strings.Count(feed, "\n"); lines != 2502 {
				t.Errorf("feed has %d lines, want 2502", lines)
			}
			if all := s.Entries(t, channel.ID); len(all) != 2501 {
				t.Errorf("there are %d entries, want 2501", len(all))
			}
			s.Clear(t, channel.ID)
			if _, last := get(t, c, fmt.Sprintf("%s/channels/%d/last_entry_id.txt", s.URL, channel.ID)); last != "-1" {
				t.Errorf("last_entry_id after a clear is %q, want -1", last)
			}
		})
	}
}

func TestInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := relaytest.InBubble(t, relaytest.Interval(15*time.Second))
		c := s.Client(t)
		channel := s.CreateChannel(t, relay.Settings{})
		update := func() string {
			r, err := c.PostForm(s.URL+"/update", url.Values{"api_key": {channel.WriteKey}, "field1": {"x"}})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			return string(body) + " " + r.Header.Get("Retry-After")
		}
		if got := update(); got != "1 " {
			t.Errorf("first update: %q", got)
		}
		time.Sleep(5500 * time.Millisecond)
		if got := update(); got != "0 10" {
			t.Errorf("update 5.5 s later: %q, want a refusal for 10 more", got)
		}
		time.Sleep(10 * time.Second)
		if got := update(); got != "2 " {
			t.Errorf("update 15.5 s later: %q", got)
		}
	})
}

func TestFaults(t *testing.T) {
	s := relaytest.New(t, relaytest.InMemory())
	c := s.Client(t)
	channel := s.CreateChannel(t, relaytest.AllFields(true))
	update := s.URL + "/update?api_key=" + channel.WriteKey + "&field1=x"

	s.Inject(relaytest.Times(1, relaytest.On("/update", relaytest.LoseReply())))
	if r, err := c.Post(update, "", nil); err == nil {
		r.Body.Close()
		t.Error("the reply was not lost")
	}
	if n := len(s.Entries(t, channel.ID)); n != 1 {
		t.Errorf("%d entries after a lost reply, want 1", n)
	}
	s.Inject(relaytest.Times(1, relaytest.LoseRequest()))
	if r, err := c.Post(update, "", nil); err == nil {
		r.Body.Close()
		t.Error("the request was not lost")
	}
	if _, id := get(t, c, update); id != "2" {
		t.Errorf("update after a lost request answered %q, want 2", id)
	}
	feed := fmt.Sprintf("%s/channels/%d/feeds.csv", s.URL, channel.ID)
	s.Inject(relaytest.Stale())
	_, before := get(t, c, feed)
	get(t, c, update)
	if _, after := get(t, c, feed); after != before {
		t.Error("the answer is not stale")
	}
	s.Inject(relaytest.RewriteRows(func(row string) string { return strings.ReplaceAll(row, "x", "y") }))
	if _, changed := get(t, c, feed); strings.Contains(changed, "x\n") || !strings.Contains(changed, ",y,") {
		t.Errorf("rows are not rewritten: %q", changed)
	}
	s.Inject(relaytest.Answer(http.StatusTooManyRequests, "text/html", "<html>busy</html>"))
	if status, _ := get(t, c, feed); status != http.StatusTooManyRequests {
		t.Errorf("status %d, want 429", status)
	}
	s.Inject(relaytest.SlowBody(10, time.Microsecond))
	if _, slow := get(t, c, feed); strings.Count(slow, "\n") != 4 {
		t.Errorf("slow body is %q", slow)
	}
	s.Inject(relaytest.CutBody(10))
	if r, err := c.Get(feed); err == nil {
		if _, err := io.ReadAll(r.Body); err == nil {
			t.Error("a body cut short was read without error")
		}
		r.Body.Close()
	}
	s.Inject(nil)
	if n := len(s.Requests()); n != 10 {
		t.Errorf("%d requests seen, want 10", n)
	}
}
