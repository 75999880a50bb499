package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

// inBubble runs a test against the real relay, on a fresh channel with eight fields that everybody may read.
func inBubble(t *testing.T, test func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, c *remote.Client),
	with ...relaytest.Option,
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := relaytest.InBubble(t, with...)
		ch := s.CreateChannel(t, relaytest.AllFields(true))
		test(t, s, ch, relayClient(t, s, ch))
	})
}

func relayClient(t *testing.T, s *relaytest.Server, ch relaytest.Channel) *remote.Client {
	t.Helper()
	return clientOver(t, s.Transport(t), func(o *remote.Options) {
		o.BaseURL, o.Channel = s.URL, ch.ID
		o.WriteKey, o.ReadKey = remote.Secret(ch.WriteKey), remote.Secret(ch.ReadKey)
	})
}

// seeded makes rows a second apart that end now.
func seeded(n int) func(i int) thingspeak.Entry {
	now := time.Now().Truncate(time.Second)
	return func(i int) thingspeak.Entry {
		return thingspeak.Entry{
			CreatedAt: now.Add(time.Duration(i-n+1) * time.Second), Fields: oneField(fmt.Sprintf("text %d", i+1)),
		}
	}
}

func TestRelayRoundTrip(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, c *remote.Client) {
		ctx := t.Context()
		if id, err := c.LastID(ctx); id != 0 || err != nil {
			t.Errorf("LastID of an empty channel = %d, %v", id, err)
		}
		if info, err := readFeed(ctx, c, exchange.Query{}, ignore); err != nil || info.Header.Fields != thingspeak.AllFields {
			t.Errorf("Feed of an empty channel = %+v, %v", info, err)
		}
		fields := thingspeak.Fields{thingspeak.Text("a b+c&d%20"), thingspeak.Text(`"é",` + "\n"), 7: thingspeak.Text("h")}
		if id, err := c.Update(ctx, fields); id != 1 || err != nil {
			t.Errorf("Update = %d, %v", id, err)
		}
		if id, err := c.LastID(ctx); id != 1 || err != nil {
			t.Errorf("LastID = %d, %v", id, err)
		}
		e, err := readEntry(ctx, c, 1)
		if err != nil || e.Fields != fields {
			t.Errorf("Entry = %+v, %v", e, err)
		}
		if _, err := readEntry(ctx, c, 2); !errors.Is(err, wire.ErrNoEntry) {
			t.Errorf("Entry(2): %v", err)
		}
		info, err := readFeed(ctx, c, exchange.Query{Results: 10}, func(e *thingspeak.Entry) error {
			if e.Fields != fields {
				t.Errorf("Feed: %+v", e)
			}
			return nil
		})
		if err != nil || info.Rows != 1 || !info.Date.Equal(time.Now().Truncate(time.Second)) {
			t.Errorf("Feed = %+v, %v", info, err)
		}
		var raw bytes.Buffer
		_, err = c.Raw(ctx, exchange.Query{}, &raw)
		if err != nil || !strings.HasPrefix(raw.String(), "created_at,entry_id,field1,") {
			t.Errorf("Raw wrote %q, %v", raw.String(), err)
		}
		settings, err := c.Channel(ctx)
		if err != nil || settings.ID != ch.ID || settings.LastEntryID != 1 || settings.Enabled() != thingspeak.AllFields {
			t.Errorf("Channel = %+v, %v", settings, err)
		}
	})
}

func TestRelayCreatesAChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := relaytest.InBubble(t)
		c := clientOver(t, s.Transport(t), func(o *remote.Options) {
			o.BaseURL, o.Channel, o.UserKey = s.URL, 0, remote.Secret(s.UserKey)
		})
		labels := [thingspeak.FieldCount]string{"token", "token"}
		made, err := c.CreateChannel(t.Context(), thingspeak.Channel{Name: "lab", Labels: labels})
		if err != nil || made.ID == 0 || made.Name != "lab" || len(made.Keys) < 2 || !made.Keys[0].Write {
			t.Fatalf("CreateChannel = %+v, %v", made, err)
		}
		ch := relaytest.Channel{ID: made.ID, WriteKey: made.Keys[0].Text, ReadKey: made.Keys[1].Text}
		owner := relayClient(t, s, ch)
		if _, err := owner.Update(t.Context(), oneField("x")); err != nil {
			t.Fatal(err)
		}
		settings, err := owner.Channel(t.Context())
		if err != nil || settings.Labels != labels {
			t.Errorf("Channel = %+v, %v", settings, err)
		}
		// The channel is private, so others read nothing and write nothing.
		stranger := relayClient(t, s, relaytest.Channel{ID: made.ID, WriteKey: strings.Repeat("X", 16)})
		for operation, run := range operations {
			if operation == "Create" {
				continue
			}
			if problem := wantRefused(wire.KeyRefused)(operation, run(t.Context(), stranger)); problem != "" {
				t.Errorf("%s by a stranger: %v, %s", operation, run(t.Context(), stranger), problem)
			}
		}
		// A number that is not in use looks like a private channel, one that never is like none.
		for id, reason := range map[int64]wire.Reason{made.ID - 1: wire.KeyRefused, 10_000_000: wire.NotFound} {
			nowhere := relayClient(t, s, relaytest.Channel{ID: id, ReadKey: ch.ReadKey})
			if _, err := nowhere.LastID(t.Context()); wantRefused(reason)("", err) != "" {
				t.Errorf("LastID of no channel, %d: %v", id, err)
			}
		}
	})
}

func TestRelayInterval(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *relaytest.Server, _ relaytest.Channel, c *remote.Client) {
		if _, err := c.Update(t.Context(), oneField("first")); err != nil {
			t.Fatal(err)
		}
		_, err := c.Update(t.Context(), oneField("second"))
		if e, ok := errors.AsType[*wire.RefusedError](err); !ok || e.Reason != wire.TooSoon || e.Wait <= 0 {
			t.Errorf("Update: %v", err)
		}
		begin := time.Now()
		var told []exchange.Wait
		if _, err := c.Post(t.Context(), oneField("third"), 1, waits(&told)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != 15*time.Second || len(told) != 1 || told[0].Reason != exchange.ChannelBusy {
			t.Errorf("took %v, waits %+v; the relay says how long", took, told)
		}
	}, relaytest.Interval(15*time.Second))
}

func TestRelayLosesReplies(t *testing.T) {
	tests := map[string]struct {
		fault  relaytest.Fault
		posted int // entries in the channel afterwards
	}{
		"stored":          {relaytest.Times(1, relaytest.LoseReply()), 1},
		"not stored":      {relaytest.Times(1, relaytest.LoseRequest()), 1},
		"answer too late": {relaytest.Times(1, relaytest.DelayReply(time.Minute)), 1},
		"stored too late": {relaytest.Times(1, late(30*time.Second)), 2},
		"server error":    {relaytest.Times(1, relaytest.Answer(502, "text/html", "<html>bad gateway</html>")), 1},
		"nonsense":        {relaytest.Times(1, relaytest.Answer(200, "text/html", "<html>hello</html>")), 1},
		"lost twice":      {relaytest.Times(2, relaytest.LoseRequest()), 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, c *remote.Client) {
				s.Inject(relaytest.On("POST /update", test.fault))
				id, err := c.Post(t.Context(), oneField("token"), 0, nil)
				time.Sleep(time.Minute)
				if entries := s.Entries(t, ch.ID); err != nil || id != 1 || len(entries) != test.posted {
					t.Errorf("Post = %d, %v; %d entries, want %d", id, err, len(entries), test.posted)
				}
			})
		})
	}
}

// late lets the relay have a request only after a while, when the client has long given up.
func late(d time.Duration) relaytest.Fault {
	return func(_ http.ResponseWriter, r *http.Request, next http.Handler) {
		body, _ := io.ReadAll(r.Body)
		time.Sleep(d)
		r = r.WithContext(context.WithoutCancel(r.Context()))
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(httptest.NewRecorder(), r)
	}
}

func TestRelayScan(t *testing.T) {
	testenv.Unwatched(t)
	type dated func(i int) time.Time
	now := func() time.Time { return time.Now().Truncate(time.Second) }
	tests := map[string]struct {
		n    int
		date dated
	}{
		"in order":                 {9000, func(i int) time.Time { return now().Add(time.Duration(i-8999) * time.Second) }},
		"in reverse":               {9000, func(i int) time.Time { return now().Add(-time.Duration(i) * time.Second) }},
		"all in one second":        {9000, func(int) time.Time { return now() }},
		"all of 2099":              {9000, func(int) time.Time { return time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC) }},
		"every third is of 1999-1": {9000, func(i int) time.Time { return now().AddDate(0, -11*(i%3/2), 0) }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, c *remote.Client) {
				s.Seed(t, ch.ID, test.n, func(i int) thingspeak.Entry {
					return thingspeak.Entry{CreatedAt: test.date(i), Fields: oneField("x")}
				})
				for _, n := range []int{500, 8000} {
					s.Requests()
					scan := c.Scan()
					if got := scanAll(t, scan, n); !slices.Equal(got, countTo(1, int64(test.n))) {
						t.Errorf("n %d: visited %d entries, want %d; lacking %v", n, len(got), test.n, scan.Info().Lacking)
					}
					if reqs := s.Requests(); len(reqs) > 40 {
						t.Errorf("n %d: %d requests", n, len(reqs))
					}
				}
			})
		})
	}
}

func TestRelayNewestTen(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, c *remote.Client) {
		s.Seed(t, ch.ID, 8000, seeded(8000))
		// The newest by number, though their dates hide them.
		s.Seed(t, ch.ID, 3, func(int) thingspeak.Entry {
			return thingspeak.Entry{CreatedAt: time.Now().AddDate(-1, 0, 0), Fields: oneField("back-dated")}
		})
		s.Seed(t, ch.ID, 3, seeded(3))
		s.Requests()
		var ids []int64
		if _, err := c.Scan().Back(t.Context(), 10, collect(&ids)); err != nil {
			t.Fatal(err)
		}
		slices.Sort(ids)
		if want := countTo(7997, 8006); !slices.Equal(ids[len(ids)-10:], want) {
			t.Errorf("visited %v, want %v among them", ids, want)
		}
		if reqs := s.Requests(); len(reqs) > 4 || len(ids) > 20 {
			t.Errorf("%d requests for %d rows", len(reqs), len(ids))
		}
	})
}

func TestRelayFollow(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, c *remote.Client) {
		s.Seed(t, ch.ID, 200, seeded(200))
		pos := atEnd(t, c)
		var got []int64
		for i := range 20 {
			time.Sleep(20 * time.Second)
			s.Inject(nil)
			switch i % 4 {
			case 1:
				s.Inject(relaytest.Stale())
			case 2:
				s.Inject(relaytest.Times(2, relaytest.CutBody(30)))
			case 3:
				s.Inject(relaytest.Times(1, relaytest.Answer(503, "text/plain", "busy")))
			}
			if _, err := c.Post(t.Context(), oneField("x"), -1, nil); err != nil {
				t.Fatal(err)
			}
			ids, news := since(t, c, pos)
			got = append(got, ids...)
			if news.Cleared || len(news.Rewritten)+len(news.Lost) > 0 {
				t.Errorf("news %+v", news)
			}
		}
		s.Inject(nil)
		ids, _ := since(t, c, pos)
		wantNumbers(t, append(got, ids...), countTo(201, int64(len(s.Entries(t, ch.ID)))))

		s.Clear(t, ch.ID)
		s.Seed(t, ch.ID, 5, seeded(5))
		since(t, c, pos)
		time.Sleep(time.Minute)
		ids, news := since(t, c, pos)
		wantNumbers(t, ids, countTo(1, 5))
		if !news.Cleared {
			t.Errorf("news %+v", news)
		}
	})
}

// A relay that alters a row that was read is noticed at once, and that it does not show the anchor any more, not at the
// first glance.
func TestRelayAltersARow(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, c *remote.Client) {
		s.Seed(t, ch.ID, 10, seeded(10))
		pos := &keeper{}
		since(t, c, pos)
		s.Inject(relaytest.RewriteRows(func(row string) string { return strings.Replace(row, "text 10", "forged", 1) }))
		s.Seed(t, ch.ID, 1, func(int) thingspeak.Entry {
			return thingspeak.Entry{CreatedAt: time.Now(), Fields: oneField("junk")}
		})
		anchor := pos.anchor
		ids, news := since(t, c, pos)
		wantNumbers(t, ids, []int64{10, 11})
		if news.Doubtful || len(news.Rewritten) > 0 {
			t.Errorf("news %+v", news)
		}
		pos.anchor = anchor // which an archive keeps
		time.Sleep(time.Minute)
		if _, news = since(t, c, pos); !slices.Equal(news.Rewritten, []int64{10}) {
			t.Errorf("news %+v", news)
		}
	})
}

// The real thing over a real socket, with SQLite below.
func TestRelayOverTCP(t *testing.T) {
	s := relaytest.New(t)
	ch := s.CreateChannel(t, relay.Settings{})
	s.Seed(t, ch.ID, 8000, seeded(8000))
	c, err := remote.New(remote.Options{
		BaseURL: s.URL + "/", Channel: ch.ID, WriteKey: remote.Secret(ch.WriteKey), ReadKey: remote.Secret(ch.ReadKey),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if id, err := c.Post(t.Context(), oneField("new"), -1, nil); id != 8001 || err != nil {
		t.Errorf("Post = %d, %v", id, err)
	}
	if got := scanAll(t, c.Scan(), 8000); !slices.Equal(got, countTo(1, 8001)) {
		t.Errorf("visited %d entries", len(got))
	}
	for _, r := range s.Requests() {
		for _, key := range []string{ch.WriteKey, ch.ReadKey} {
			if strings.Contains(r.Target, key) {
				t.Errorf("a key in an address: %s %s", r.Method, r.Target)
			}
		}
		if r.Method == http.MethodPost && r.Header.Get("X-THINGSPEAKAPIKEY") != ch.WriteKey {
			t.Errorf("%s %s without its key in the header", r.Method, r.Target)
		}
	}
}

func TestFindTellsWhetherAnUpdateIsThere(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, c *remote.Client) {
		ctx := t.Context()
		s.Seed(t, ch.ID, 300, seeded(300))
		id, err := c.Update(ctx, oneField("ours"))
		if err != nil {
			t.Fatal(err)
		}
		s.Seed(t, ch.ID, 50, seeded(50))
		for _, want := range []struct {
			text  string
			known int64
			id    int64
		}{{"ours", 300, id}, {"ours", 0, id}, {"ours", id, 0}, {"never posted", 300, 0}, {"text 299", 300, 0}} {
			got, err := c.FindAll(ctx, []thingspeak.Fields{oneField(want.text)}, want.known)
			if err != nil || got[0] != want.id {
				t.Errorf("FindAll(%q, after %d) = %d, %v, want %d", want.text, want.known, got, err, want.id)
			}
		}
	})
}

// A status is posted alone and in bulk, and read by whoever asks for it: in a feed, and of one entry.
func TestStatusIsPostedAndRead(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, c *remote.Client) {
		asks := clientOver(t, s.Transport(t), func(o *remote.Options) {
			o.BaseURL, o.Channel, o.Status = s.URL, ch.ID, true
			o.WriteKey = remote.Secret(ch.WriteKey)
		})
		first := thingspeak.Entry{Fields: oneField("1"), Status: thingspeak.Text("a+b é")}
		if id, err := c.UpdateEntry(t.Context(), &first); id != 1 || err != nil {
			t.Fatalf("entry %d, %v", id, err)
		}
		bulk := []thingspeak.Entry{
			{CreatedAt: time.Now().Add(time.Second), Fields: oneField("2"), Status: thingspeak.Text("two")},
			{CreatedAt: time.Now().Add(2 * time.Second), Fields: oneField("3")},
		}
		if err := c.BulkUpdate(t.Context(), bulk); err != nil {
			t.Fatal(err)
		}
		for client, want := range map[*remote.Client][]string{asks: {"a+b é", "two", ""}, c: {"", "", ""}} {
			var got []string
			_, err := readFeed(t.Context(), client, exchange.Query{}, func(e *thingspeak.Entry) error {
				got = append(got, e.Status.Text)
				return nil
			})
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("the feed has %q, %v, want %q", got, err, want)
			}
			if e, err := readEntry(t.Context(), client, 1); err != nil || e.Status.Text != want[0] {
				t.Errorf("entry 1 has %q, %v, want %q", e.Status.Text, err, want[0])
			}
		}
		tooLong := thingspeak.Entry{Fields: oneField("1"), Status: thingspeak.Text(strings.Repeat("s", 256))}
		if _, err := c.UpdateEntry(t.Context(), &tooLong); !errors.Is(err, exchange.ErrTooLong) {
			t.Errorf("a status of 256 bytes: %v", err)
		}
	})
}
