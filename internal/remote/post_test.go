package remote_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

// waits collects what Post says about waiting.
func waits(list *[]exchange.Wait) func(exchange.Wait) {
	return func(w exchange.Wait) { *list = append(*list, w) }
}

func TestPostIsOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(3)
		c := newClient(t, relay)
		if id, err := c.Post(t.Context(), oneField("x"), 3, nil); id != 4 || err != nil {
			t.Fatalf("Post = %d, %v", id, err)
		}
		if diff := cmp.Diff([]string{"POST update"}, relay.requests()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		time.Sleep(time.Hour)
		if id, err := c.Post(t.Context(), oneField("x"), -1, nil); id != 5 || err != nil {
			t.Fatalf("Post = %d, %v", id, err)
		}
		if diff := cmp.Diff([]string{"GET last_entry_id.txt", "POST update"}, relay.requests()); diff != "" {
			t.Errorf("requests of a post that knows nothing (-want +got):\n%s", diff)
		}
	})
}

func TestPostKeepsItsOwnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.interval = 15 * time.Second
		c := newClient(t, relay)
		var told []exchange.Wait
		for range 3 {
			if _, err := c.Post(t.Context(), oneField("x"), 0, waits(&told)); err != nil {
				t.Fatal(err)
			}
		}
		own := exchange.Wait{Reason: exchange.OwnInterval, For: 15 * time.Second}
		if diff := cmp.Diff([]exchange.Wait{own, own}, told); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
		if n := len(relay.requests()); n != 3 {
			t.Errorf("%d requests for three posts", n)
		}
	})
}

// A number that no channel can have is no number: what was posted is looked for, and has the one under which it is shown.
func TestPostBelievesNoImpossibleNumber(t *testing.T) {
	for _, shown := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			relay := newFakeRelay()
			relay.fill(3)
			relay.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/update" {
					return false
				}
				if shown {
					relay.addLocked(time.Now(), formFields(r))
				} else { // under the very number
					relay.rows = append(relay.rows, thingspeak.Entry{ID: 1<<53 - 1, CreatedAt: time.Now().UTC(), Fields: formFields(r)})
				}
				fmt.Fprint(w, 1<<53-1)
				return true
			}
			c := newClient(t, relay)
			id, err := c.Post(t.Context(), oneField("x"), 3, nil)
			if shown && (id != 4 || err != nil) {
				t.Errorf("Post = %d, %v, want 4", id, err)
			}
			if !shown && (!errors.Is(err, exchange.ErrUnknownOutcome) || !strings.Contains(err.Error(), "9007199254740991")) {
				t.Errorf("Post = %d, %v, want an unknown outcome that names the number", id, err)
			}
		})
	}
}

// With one writer about, the relay's own pause is over after a few tries, wherever in it the first one falls.
func TestPostAfterSomebodyElse(t *testing.T) {
	for since := range 15 {
		synctest.Test(t, func(t *testing.T) {
			relay := newFakeRelay()
			relay.interval = 15 * time.Second
			relay.accepted = time.Now()
			time.Sleep(time.Duration(since) * time.Second)
			var told []exchange.Wait
			begin := time.Now()
			if _, err := newClient(t, relay).Post(t.Context(), oneField("x"), 0, waits(&told)); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took < time.Duration(15-since)*time.Second || took > 2*time.Minute {
				t.Errorf("took %v", took)
			}
			for i, w := range told {
				if w.Reason != exchange.ChannelBusy || w.Round != i+1 || w.For <= 0 || w.For > 15*time.Second<<i {
					t.Errorf("wait %d: %+v", i, w)
				}
			}
		})
	}
}

func TestPostObeysRetryAfter(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusTooManyRequests} {
		synctest.Test(t, func(t *testing.T) {
			relay := newFakeRelay()
			n := 0
			relay.before = func(w http.ResponseWriter, _ *http.Request) bool {
				if n++; n > 1 {
					return false
				}
				w.Header().Set("Retry-After", "42")
				w.WriteHeader(status)
				fmt.Fprint(w, "0")
				return true
			}
			begin := time.Now()
			if _, err := newClient(t, relay).Post(t.Context(), oneField("x"), 0, nil); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took != 42*time.Second {
				t.Errorf("took %v, want 42s", took)
			}
		})
	}
}

func TestPostGivesUpOnABusyChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const writers = 4
		relay := newFakeRelay()
		relay.before = func(w http.ResponseWriter, _ *http.Request) bool {
			fmt.Fprint(w, "0")
			return true
		}
		c := newClient(t, relay)
		c.SetWriters(func() int { return writers })
		var told []exchange.Wait
		_, err := c.Post(t.Context(), oneField("x"), 0, waits(&told))
		refused, ok := errors.AsType[*wire.RefusedError](err)
		if !ok || refused.Reason != wire.TooSoon || busy(err) != 5 {
			t.Fatalf("Post: %v", err)
		}
		if want := "others keep the channel busy or the quota is spent"; !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
		for _, w := range told {
			if w.For > time.Duration(max(writers, 1<<(w.Round-1)))*15*time.Second {
				t.Errorf("waited %v", w.For)
			}
		}
		if len(told) != 4 || len(relay.requests()) != 5 {
			t.Errorf("%d waits", len(told))
		}
	})
}

func TestPostDoesNotWaitForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.before = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "4000")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
		_, err := newClient(t, relay).Post(t.Context(), oneField("x"), 0, nil)
		if refused, ok := errors.AsType[*wire.RefusedError](err); !ok || refused.Wait != 4000*time.Second {
			t.Errorf("Post: %v", err)
		}
	})
}

// loseReplies makes the relay break the connection instead of answering the first n updates, storing the entry or not.
func loseReplies(relay *fakeRelay, n int, stored bool) {
	relay.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || n == 0 {
			return false
		}
		n--
		fields := formFields(r)
		if stored {
			relay.addLocked(time.Now(), fields)
		}
		panic(http.ErrAbortHandler)
	}
}

func TestPostLostReply(t *testing.T) {
	tests := map[string]struct {
		prepare func(f *fakeRelay)
		id      int64
		copies  int
		took    time.Duration
	}{
		"stored":     {func(f *fakeRelay) { loseReplies(f, 1, true) }, 6, 1, 15 * time.Second},
		"not stored": {func(f *fakeRelay) { loseReplies(f, 1, false) }, 6, 1, 15 * time.Second},
		"lost twice": {func(f *fakeRelay) { loseReplies(f, 2, false) }, 6, 1, 30 * time.Second},
		"stored the 3rd time": {func(f *fakeRelay) {
			n := 0
			f.before = func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPost {
					return false
				}
				if n++; n == 3 {
					f.addLocked(time.Now(), formFields(r))
				}
				panic(http.ErrAbortHandler)
			}
		}, 6, 1, 45 * time.Second},
		"stored late": {func(f *fakeRelay) {
			loseReplies(f, 1, true)
			f.hidden = map[int64]bool{6: true}
		}, 7, 2, 15 * time.Second},
		"server error, stored": {func(f *fakeRelay) {
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPost {
					return false
				}
				f.addLocked(time.Now(), formFields(r))
				w.WriteHeader(http.StatusGatewayTimeout)
				return true
			}
		}, 6, 1, 15 * time.Second},
		"looking fails twice": {func(f *fakeRelay) {
			n := 0
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPost {
					f.addLocked(time.Now(), formFields(r))
					panic(http.ErrAbortHandler)
				}
				if n++; n <= 8 {
					w.WriteHeader(http.StatusServiceUnavailable)
					return true
				}
				return false
			}
		}, 6, 1, 45 * time.Second},
		"behind many rows of others": {func(f *fakeRelay) {
			f.before = func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPost {
					return false
				}
				f.addLocked(time.Now(), formFields(r))
				for range 9000 {
					f.addLocked(time.Now(), oneField("stranger"))
				}
				panic(http.ErrAbortHandler)
			}
		}, 6, 1, 15 * time.Second},
		"the channel was cleared in between": {func(f *fakeRelay) {
			f.before = func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPost {
					return false
				}
				f.rows, f.last = nil, 0
				f.addLocked(time.Now(), formFields(r))
				panic(http.ErrAbortHandler)
			}
		}, 1, 1, 15 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				relay := newFakeRelay()
				relay.fill(5)
				test.prepare(relay)
				c := newClient(t, relay)
				var told []exchange.Wait
				begin := time.Now()
				id, err := c.Post(t.Context(), oneField("our token"), 5, waits(&told))
				if err != nil || id != test.id {
					t.Errorf("Post = %d, %v; want %d", id, err, test.id)
				}
				copies := 0
				for _, e := range relay.rows {
					if e.Fields[0].Text == "our token" {
						copies++
					}
				}
				if copies != test.copies {
					t.Errorf("%d copies, want %d", copies, test.copies)
				}
				if took := time.Since(begin); took < test.took || took > test.took+15*time.Second {
					t.Errorf("took %v, want about %v", took, test.took)
				}
				if len(told) == 0 || told[0] != (exchange.Wait{Reason: exchange.ReplyLost, For: 15 * time.Second, Round: 1}) {
					t.Errorf("waits: %+v", told)
				}
			})
		})
	}
}

// Entries of the channel that were there before, and entries that hold a part of ours, are not our lost update.
func TestPostLostReplyMistakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fields = thingspeak.FieldsOf(1, 2)
		ours := thingspeak.Fields{thingspeak.Text("one"), thingspeak.Text("two"), thingspeak.Text("not shown")}
		relay.addLocked(time.Now(), ours)
		relay.before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost || relay.last > 1 {
				return false
			}
			relay.addLocked(time.Now(), thingspeak.Fields{thingspeak.Text("one")})
			relay.addLocked(time.Now(), thingspeak.Fields{thingspeak.Text("one"), thingspeak.Text("other")})
			panic(http.ErrAbortHandler)
		}
		if id, err := newClient(t, relay).Post(t.Context(), ours, 1, nil); id != 4 || err != nil {
			t.Errorf("Post = %d, %v; want 4, posted anew", id, err)
		}
		loseReplies(relay, 1, true)
		if id, err := newClient(t, relay).Post(t.Context(), ours, 4, nil); id != 5 || err != nil {
			t.Errorf("Post = %d, %v; want 5, found without the field that the channel does not show", id, err)
		}
	})
}

func TestPostUnknownOutcome(t *testing.T) {
	tests := map[string]func(f *fakeRelay){
		"never stored": func(f *fakeRelay) { loseReplies(f, 100, false) },
		"relay gone after the first": func(f *fakeRelay) {
			f.before = func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
		},
		"busy after the first": func(f *fakeRelay) {
			n := 0
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPost {
					return false
				}
				if n++; n == 1 {
					panic(http.ErrAbortHandler)
				}
				fmt.Fprint(w, "0")
				return true
			}
		},
		"key refused after the first": func(f *fakeRelay) {
			n := 0
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPost {
					return false
				}
				if n++; n == 1 {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				relay := newFakeRelay()
				prepare(relay)
				_, err := newClient(t, relay).Post(t.Context(), oneField("x"), 0, nil)
				if !errors.Is(err, exchange.ErrUnknownOutcome) {
					t.Fatalf("Post: %v", err)
				}
				posts := 0
				for _, line := range relay.requests() {
					if line == "POST update" {
						posts++
					}
				}
				if name == "never stored" && posts != 3 {
					t.Errorf("%d posts, want 3", posts)
				}
			})
		})
	}
}

func TestPostEndsAtOnce(t *testing.T) {
	page := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html><title>Log in to this network</title>")
	}
	tests := map[string]struct {
		answer func(w http.ResponseWriter)
		want   string
	}{
		"key refused": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, "0")
		}, "posting to channel 4242: the relay refused the key"},
		"quota spent": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusPaymentRequired)
		}, "posting to channel 4242: the quota is spent"},
		"a page": {page, `posting to channel 4242: relay.test:3000 answered with status 200: expected the number of the ` +
			`new entry, got an HTML page: "Log in to this network"`},
		"redirect": {func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://elsewhere.test/update?api_key="+writeKey)
			w.WriteHeader(http.StatusFound)
		}, "posting to channel 4242: relay.test:3000 redirects to https://elsewhere.test (status 302), " +
			"which is not followed"},
		"no such address": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusNotFound)
		}, "posting to channel 4242: relay.test:3000 answered with status 404: this address takes no updates"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { test.answer(w) }))
				begin := time.Now()
				_, err := c.Post(t.Context(), oneField("x"), 0, nil)
				if err == nil || err.Error() != test.want {
					t.Errorf("error %v\nwant  %s", err, test.want)
				}
				if time.Since(begin) > 0 {
					t.Errorf("took %v", time.Since(begin))
				}
			})
		})
	}
}

func TestPostRelayDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, tr := newPipeNet(t)
		p.Close()
		_, err := clientOver(t, tr).Post(t.Context(), oneField("x"), 0, nil)
		if e, ok := errors.AsType[*wire.UnreachableError](err); !ok || e.Sent {
			t.Errorf("Post: %#v", err)
		}
	})
}

func TestPostTooLong(t *testing.T) {
	c := newClient(t, http.NotFoundHandler())
	long := strings.Repeat("x", 256)
	for name, fields := range map[string]thingspeak.Fields{
		"field": oneField(long),
		"empty": {},
	} {
		_, err := c.Post(t.Context(), fields, 0, nil)
		if err == nil || errors.Is(err, exchange.ErrTooLong) != (name == "field") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPostCanBeInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.interval = time.Hour
		relay.accepted = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := newClient(t, relay).Post(ctx, oneField("x"), 0, nil)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(relay.accepted) != time.Second {
			t.Errorf("Post: %v", err)
		}
	})
}

// An update over a connection that the relay is about to close would be lost; a fresh one is not.
func TestPostDoesNotTrustAnIdleConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		connections := 0
		p, tr := newPipeNet(t)
		srv := &http.Server{Handler: relay, ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			connections++
			return ctx
		}}
		go srv.Serve(p)
		t.Cleanup(func() { srv.Close() })
		c := clientOver(t, tr, func(o *remote.Options) { o.Interval = 0 })
		for range 3 {
			if _, err := c.Post(t.Context(), oneField("x"), 0, nil); err != nil {
				t.Fatal(err)
			}
		}
		if connections != 1 {
			t.Errorf("%d connections for three posts in a row, want 1", connections)
		}
		time.Sleep(10 * time.Second)
		if _, err := c.Post(t.Context(), oneField("x"), 0, nil); err != nil {
			t.Fatal(err)
		}
		if connections != 2 {
			t.Errorf("%d connections, want a new one after a pause", connections)
		}
	})
}
