package check_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/relay/check"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// TestHonest: relays with troubles of all kinds that keep what they answer.
func TestHonest(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(f *fake, o *check.Options)
		want   func(u check.Updates, r *check.Report) bool
	}{
		{
			"no trouble",
			func(*fake, *check.Options) {},
			func(u check.Updates, r *check.Report) bool {
				return u.Answered > 200 && u.Sent == u.Answered && u.Requests == u.Answered && u.Stored == u.Answered &&
					r.Reads.By["feeds.csv"] > 20 && r.Reads.By["last_entry_id"] > 20 && r.Reads.By["last.json"] > 20 &&
					r.Reads.Late == 0 && r.Away.Times == 0
			},
		},
		{
			"requests and replies are lost",
			func(f *fake, _ *check.Options) {
				var count atomic.Int64
				f.fault = func(_ *http.Request, work func()) error {
					switch count.Add(1) % 50 {
					case 10:
						return errReset
					case 30:
						work()
						return errReset
					}
					work()
					return nil
				}
			},
			func(u check.Updates, r *check.Report) bool {
				return u.Found > 0 && u.Requests > u.Sent && u.Copies == 0 && u.RepliesLost >= u.Found+u.Requests-u.Sent &&
					u.Stored == u.Answered+u.Found+u.UnknownStored && u.Sent == u.Answered+u.Found+u.Unknown && r.Away.Times > 0
			},
		},
		{
			"a request is stored after its update was sent again",
			func(f *fake, o *check.Options) {
				var count atomic.Int64
				f.fault = func(r *http.Request, work func()) error {
					if r.URL.Path == "/update" && count.Add(1) == 100 {
						time.AfterFunc(o.Settle+10*time.Millisecond, work)
						return errReset
					}
					work()
					return nil
				}
			},
			func(u check.Updates, _ *check.Report) bool {
				return u.RepliesLost == 1 && u.Copies == 1 && u.Requests == u.Sent+1 && u.Stored == u.Sent+1
			},
		},
		{
			"an update never gets through",
			func(f *fake, _ *check.Options) {
				var cursed atomic.Value
				f.fault = func(r *http.Request, work func()) error {
					if r.URL.Path == "/update" {
						body := bodyOf(f.t, r)
						cursed.CompareAndSwap(nil, body)
						if cursed.Load() == body {
							return errReset
						}
					}
					work()
					return nil
				}
			},
			func(u check.Updates, _ *check.Report) bool {
				return u.RepliesLost == 3 && u.Unknown == 1 && u.UnknownStored == 0 && u.Requests == u.Sent+2
			},
		},
		{
			"nothing listens for a while",
			func(f *fake, _ *check.Options) {
				begin := time.Now()
				f.fault = func(_ *http.Request, work func()) error {
					if ms := time.Since(begin).Milliseconds(); ms >= 50 && ms < 150 {
						return &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
					}
					work()
					return nil
				}
			},
			func(u check.Updates, r *check.Report) bool {
				return u.RepliesLost == 0 && u.Answered == u.Requests && r.Away.Times == 1 &&
					time.Duration(r.Away.Longest) >= 100*time.Millisecond
			},
		},
		{
			"what was stored shows later",
			func(f *fake, _ *check.Options) {
				f.shown = func(c *fakeChannel, rows []thingspeak.Entry) []thingspeak.Entry {
					for len(rows) > 0 && time.Since(c.at[rows[len(rows)-1].ID]) < 20*time.Millisecond {
						rows = rows[:len(rows)-1]
					}
					return rows
				}
			},
			func(u check.Updates, r *check.Report) bool { return u.Answered == u.Stored && r.Reads.Late > 20 },
		},
		{
			"a page has 100 rows",
			func(f *fake, _ *check.Options) { f.rows = 100 },
			func(u check.Updates, _ *check.Report) bool { return u.Stored == u.Answered && u.Stored > 200 },
		},
		{
			"entries cannot be asked for by number",
			func(f *fake, _ *check.Options) { f.ranges = false },
			func(u check.Updates, _ *check.Report) bool { return u.Stored == u.Answered && u.Stored > 200 },
		},
		{
			"nor in pages that reach far",
			func(f *fake, o *check.Options) {
				f.ranges, f.rows, o.Interval, f.interval = false, 5, 20*time.Millisecond, 20*time.Millisecond
			},
			func(u check.Updates, _ *check.Report) bool {
				return u.Stored == u.Answered && u.Stored == 20 && u.Refused == 0
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				o := options(t, f)
				test.change(f, &o)
				r := run(t, o)
				if !r.OK || r.Broken != 0 {
					t.Errorf("findings: %+v", r.Findings)
				}
				if !test.want(r.Updates, r) {
					t.Errorf("the report is %+v", r)
				}
			})
		})
	}
}

func bodyOf(t testing.TB, r *http.Request) string {
	body, err := r.GetBody()
	if err != nil {
		t.Error(err)
		return ""
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// TestInterval: a check keeps to the interval that it was told, to the second.
func TestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.interval = 15 * time.Second
		o := options(t, f)
		o.Interval, o.Channels, o.Writers = f.interval, 3, 5
		plan := o.Plan(time.Minute)
		want := "writing for 1m0s, one update per channel every 15s, at most 15 in all, then reading everything back: " +
			"1 relay, 5 writers, 2 readers per channel, 3 channels"
		if plan != want {
			t.Errorf("Plan: %s", plan)
		}
		begin := time.Now()
		r, err := check.Run(t.Context(), o, time.Minute, nil)
		if err != nil {
			t.Fatal(err)
		}
		// At 0, 15, 30 and 45 s; the last turn would be a few milliseconds after a minute.
		if u := r.Updates; !r.OK || u.Answered != 12 || u.Refused != 0 {
			t.Errorf("%+v", r)
		}
		if took := time.Since(begin); took > 61*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestLongerInterval: a relay that is slower than told is obeyed, and if it never relents, told of.
func TestLongerInterval(t *testing.T) {
	for _, interval := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.interval = 10 * time.Second
			o := options(t, f)
			o.Interval, o.Writers, o.Readers = interval, 1, 0
			r, err := check.Run(t.Context(), o, time.Minute, nil)
			if err != nil {
				t.Fatal(err)
			}
			if u := r.Updates; !r.OK || u.Answered < 10 || u.Refused == 0 || u.Refused > 14 {
				t.Errorf("%+v", r)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.answer = func(int64) string { return "0" }
		o := options(t, f)
		o.Readers = 0
		r, err := check.Run(t.Context(), o, time.Minute, nil)
		if err == nil || !strings.Contains(err.Error(), "its interval is longer") {
			t.Errorf("Run: %v", err)
		}
		if r.OK {
			t.Error("it is a success")
		}
	})
}

// TestTargets: channels that exist, with entries of others in them.
func TestTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.channels = []*fakeChannel{
			{id: 101, last: 17, at: map[int64]time.Time{}},
			{id: 102, last: 3000, at: map[int64]time.Time{}},
		}
		for _, c := range f.channels {
			for n := max(1, c.last-20); n <= c.last; n++ {
				c.rows = append(c.rows, thingspeak.Entry{ID: n, CreatedAt: time.Now().Add(-time.Hour)})
			}
		}
		o := options(t, f)
		o.Channels = 0
		for _, c := range f.channels {
			o.Targets = append(o.Targets, check.Target{Channel: c.id, WriteKey: c.key()})
		}
		r := run(t, o)
		if !r.OK || r.Updates.Answered < 200 || !cmp.Equal(r.Channels, []int64{101, 102}) {
			t.Errorf("%+v", r)
		}
		// A row of 2099 would hide what the check writes.
		f.channels[1].rows[len(f.channels[1].rows)-1].CreatedAt = time.Now().AddDate(99, 0, 0)
		if _, err := check.Begin(t.Context(), o); err == nil || !strings.Contains(err.Error(), "dated in the future") {
			t.Errorf("with a row of the future: %v", err)
		}
		o.Targets[0].WriteKey = "WRONG"
		if _, err := check.Begin(t.Context(), o); err == nil || !strings.Contains(err.Error(), "channel 101") {
			t.Errorf("with a wrong key: %v", err)
		}
		o.Targets[0] = check.Target{Channel: 7, WriteKey: "WRONG"}
		if _, err := check.Begin(t.Context(), o); err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("with a channel that is not there: %v", err)
		}
	})
}

// TestNoVerdict: what ends a check, and what it tells then.
func TestNoVerdict(t *testing.T) {
	gone := func(f *fake) {
		begin := time.Now()
		f.fault = func(_ *http.Request, work func()) error {
			if time.Since(begin) > 100*time.Millisecond {
				return errReset
			}
			work()
			return nil
		}
	}
	for _, test := range []struct {
		name   string
		change func(f *fake, o *check.Options)
		cancel time.Duration
		want   string
	}{
		{
			"the relay does not come back",
			func(f *fake, o *check.Options) {
				gone(f)
				o.Patience = 10 * time.Second
			},
			0,
			"away for 10s",
		},
		{
			"the write key is refused",
			func(f *fake, _ *check.Options) {
				f.stored = once(100, func(c *fakeChannel) { c.id += 1000 })
			},
			0,
			"status 400",
		},
		{
			"the caller has no time left",
			func(f *fake, _ *check.Options) { gone(f) },
			200 * time.Millisecond,
			context.DeadlineExceeded.Error(),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				o := options(t, f)
				test.change(f, &o)
				ctx := t.Context()
				if test.cancel > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.cancel)
					defer cancel()
				}
				begin := time.Now()
				r, err := check.Run(ctx, o, time.Minute, nil)
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("Run: %v", err)
				}
				if took := time.Since(begin); took > 20*time.Second {
					t.Errorf("it took %v", took)
				}
				if r.OK || r.Updates.Answered < 50 {
					t.Errorf("%+v", r)
				}
				var text strings.Builder
				if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "no verdict") {
					t.Errorf("it says: %s, %v", text.String(), err)
				}
			})
		})
	}
}

// TestSeveralRelays: two addresses of one service share the work, also while one of them is away.
func TestSeveralRelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		begin := time.Now()
		f.fault = func(r *http.Request, work func()) error {
			if ms := time.Since(begin).Milliseconds(); r.URL.Host == "b.example" && ms >= 50 && ms < 150 {
				return errReset
			}
			work()
			return nil
		}
		o := options(t, f)
		o.Relays = []string{"http://a.example", "http://b.example/"}
		o.Patience = 50 * time.Millisecond // the other one is there
		r := run(t, o)
		if !r.OK || r.Away.Times != 1 {
			t.Errorf("%+v", r)
		}
		if a, b := f.asked["a.example"], f.asked["b.example"]; a < 100 || b < 50 {
			t.Errorf("a was asked %d times, b %d times", a, b)
		}
	})
}

// TestAnsweredAndStop: a caller may go by what was answered, and channels are deleted if a user key was given.
func TestAnsweredAndStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := options(t, f)
		o.UserKey = "USERKEY"
		var answered atomic.Int64
		enough := make(chan struct{})
		o.Answered = func() {
			if answered.Add(1) == 200 {
				close(enough)
			}
		}
		c, err := check.Begin(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		<-enough
		r, err := c.Finish(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !r.OK || int64(r.Updates.Answered) != answered.Load() || f.deleted != 2 {
			t.Errorf("%d were answered, %d channels were deleted; %+v", answered.Load(), f.deleted, r)
		}

		o.Answered = nil
		stop := make(chan struct{})
		time.AfterFunc(time.Second/5, func() { close(stop) })
		r, err = check.Run(t.Context(), o, time.Hour, stop)
		if err != nil || !r.OK || time.Duration(r.Written) != time.Second/5 {
			t.Errorf("Run, stopped: %+v, %v", r, err)
		}
		var text strings.Builder
		if err := r.WriteJSON(&text); err != nil {
			t.Fatal(err)
		}
		var shown check.Report
		if err := json.Unmarshal([]byte(text.String()), &shown); err != nil {
			t.Fatal(err)
		}
		asText := cmp.Transformer("text", func(s check.Seconds) string { return s.String() })
		if diff := cmp.Diff(r, &shown, asText); diff != "" {
			t.Errorf("the JSON is %s, which differs: %s", text.String(), diff)
		}
	})
}

// TestOptions: what cannot be checked is refused at once.
func TestOptions(t *testing.T) {
	good := options(t, newFake(t))
	for name, change := range map[string]func(o *check.Options){
		"no relay":        func(o *check.Options) { o.Relays = nil },
		"no channel":      func(o *check.Options) { o.Channels = 0 },
		"no writer":       func(o *check.Options) { o.Writers = 0 },
		"negative":        func(o *check.Options) { o.Readers = -1 },
		"an address of b": func(o *check.Options) { o.Relays = []string{"http://b\x7f"} },
	} {
		o := good
		change(&o)
		if _, err := check.Begin(t.Context(), o); err == nil {
			t.Errorf("%s: it begins", name)
		}
	}
}

// TestOurRelay: our own relay, which loses requests and replies on the way, is never late either.
func TestOurRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := relaytest.InBubble(t)
		delay := relaytest.Delay(time.Millisecond)
		var count atomic.Int64
		s.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			fault := delay
			switch count.Add(1) % 100 {
			case 20:
				fault = relaytest.All(delay, relaytest.LoseRequest())
			case 70:
				fault = relaytest.All(delay, relaytest.LoseReply())
			}
			fault(w, r, next)
		})
		o := options(t, s.Transport(t))
		o.Relays = []string{s.URL}
		o.UserKey = s.UserKey
		r := run(t, o)
		if !r.OK || r.Updates.Answered < 100 || r.Updates.Found == 0 || r.Reads.Late != 0 {
			t.Errorf("%+v", r)
		}
	})
}
