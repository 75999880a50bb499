package postgres

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestNoServerIsSaidInOneLine: the driver's words for a server that is not there had several lines, and each address twice.
func TestNoServerIsSaidInOneLine(t *testing.T) {
	c, err := parseURL("postgres://relay:secret@127.0.0.1:1/relay")
	if err != nil {
		t.Fatal(err)
	}
	_, err = pgx.ConnectConfig(t.Context(), c.connect)
	if got := c.explain(err); got.Error() != "no connection: nothing answers there: connection refused" {
		t.Errorf("it says %v", got)
	}
}

// FuzzURL: whatever a URL looks like, what is said about it does not show its password.
func FuzzURL(f *testing.F) {
	f.Add("relay", "pa55word", "localhost/relay")
	f.Add("relay", "p@ss:w?rd/%", "db1:5432,db2:5433/relay?sslmode=disable&pool_max_conns=3")
	f.Add("", "12?5ecret", "/relay?host=/tmp&sslmode=none")
	f.Fuzz(func(t *testing.T, user, password, rest string) {
		const least = 4 // shorter ones stand in any text
		if len(password) < least || strings.Contains(user+rest, password[:least]) {
			return
		}
		for _, written := range []string{password, url.QueryEscape(password)} {
			text := "postgres://" + user + ":" + written + "@" + rest
			shown := ""
			if c, err := parseURL(text); err != nil {
				shown = err.Error()
			} else {
				shown = c.where
			}
			harmless, err := parseURL("postgres://" + user + ":@" + rest)
			if err != nil && strings.Contains(err.Error(), password) ||
				err == nil && strings.Contains(harmless.where, password) {
				return // our own words
			}
			if strings.Contains(shown, password) {
				t.Errorf("%q: it says %q", text, shown)
			}
		}
	})
}

func TestWhere(t *testing.T) {
	for url, want := range map[string]string{
		"postgres://u:p@h/d":                                 "d on h:5432",
		"postgres://u@h1,h2:5433/d?sslmode=disable":          "d on h1:5432, h2:5433",
		"postgresql://u@h1:1,h2:2,h3:3/d":                    "d on h1:1, h2:2, h3:3",
		"postgres:///d?host=/run/postgresql&user=u&port=123": "d on /run/postgresql:123",
	} {
		if c, err := parseURL(url); err != nil || c.where != want {
			t.Errorf("%s: %+v, %v; want %q", url, c, err, want)
		}
	}
}

func TestPayloads(t *testing.T) {
	var w waker
	w.init()
	var want []string
	for n := range 2*notifyNumbers + 1 {
		channel := int64(1)<<62 + int64(n)
		w.changed(channel)
		w.changed(channel)
		want = append(want, strconv.FormatInt(channel, 10))
	}
	payloads := w.take()
	if len(payloads) != 3 {
		t.Errorf("there are %d payloads, want 3", len(payloads))
	}
	for _, p := range payloads {
		if len(p) >= 8000 {
			t.Errorf("a payload has %d bytes, and 7999 are allowed", len(p))
		}
	}
	got := strings.Fields(strings.Join(payloads, " "))
	slices.Sort(got)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("they name %d channels, want %d", len(got), len(want))
	}
	if again := w.take(); again != nil {
		t.Errorf("they are told twice: %q", again)
	}
}

func TestWakesSubscribersOfTheChannelOnly(t *testing.T) {
	s := &Store{}
	s.waker.init()
	one, end := s.Subscribe(1)
	both, _ := s.Subscribe(1)
	other, _ := s.Subscribe(2)
	s.waker.changed(1)
	s.waker.changed(1)
	if len(one) != 1 || len(both) != 1 || len(other) != 0 {
		t.Errorf("woken: %d, %d, %d; want 1, 1, 0", len(one), len(both), len(other))
	}
	<-one
	end()
	s.waker.subscribers.WakeAll()
	if len(one) != 0 || len(other) != 1 {
		t.Errorf("woken: %d, %d; want 0, 1", len(one), len(other))
	}
}
