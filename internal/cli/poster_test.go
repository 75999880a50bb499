package cli

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// late lets the relay store updates a moment after they came, also when whoever sent them is gone.
func late(d time.Duration) relaytest.Fault {
	return func(_ http.ResponseWriter, r *http.Request, next http.Handler) {
		time.Sleep(d)
		next.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithoutCancel(r.Context())))
		panic(http.ErrAbortHandler)
	}
}

// twice returns the tokens that stand in more than one place of a feed.
func twice(entries []thingspeak.Entry) (tokens []string) {
	count := map[string]int{}
	for i := range entries {
		for _, v := range entries[i].Fields {
			if count[v.Text]++; v.Text != "" && count[v.Text] == 2 {
				tokens = append(tokens, v.Text)
			}
		}
	}
	return tokens
}

// TestWhatAKilledProcessSentIsAwaited: a process that is killed while it posts leaves an update on its way, which the
// relay stores a moment later. The next process must not take for lost what only has not come yet.
func TestWhatAKilledProcessSentIsAwaited(t *testing.T) {
	for name, texts := range map[string]int{"one entry": 1, "a bulk call": 6} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				class := newClass(t, relaytest.InBubble(t))
				ana := class.device("127.0.0.1")
				channel := ana.makeRoom(signedText)
				for range texts - 1 {
					ana.must("send", "--queue", "before")
				}
				class.relay.Inject(relaytest.On("POST /", relaytest.Times(1, late(3*time.Second))))
				ctx, kill := context.WithTimeout(t.Context(), time.Second)
				defer kill()
				if code := ana.runContext(ctx, "send", "one"); code == exitDone {
					t.Fatal("it was not killed")
				}
				ana.must("send", "two")
				time.Sleep(time.Minute)
				if got := twice(class.relay.Entries(t, channel)); len(got) > 0 {
					t.Errorf("%d tokens stand twice", len(got))
				}
			})
		})
	}
}

// A text whose reply was lost was posted again by the next command, while the relay had not shown yet that it is stored.
func TestATextWithALostReplyStandsOnce(t *testing.T) {
	for name, next := range map[string][]string{"another text": {"send", "two"}, "a retry": {"outbox", "retry"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				class := newClass(t, relaytest.InBubble(t, relaytest.Interval(time.Second)))
				ana := class.device("127.0.0.1")
				channel := ana.makeRoom(plainText)
				ana.must("send", "zero")
				time.Sleep(time.Minute)
				class.relay.Inject(relaytest.On("POST /update", relaytest.Times(1, func(_ http.ResponseWriter, r *http.Request, next http.Handler) {
					body, err := io.ReadAll(r.Body) // which is gone with the connection
					if err != nil {
						t.Error(err)
					}
					r = r.WithContext(context.WithoutCancel(r.Context()))
					r.Body = io.NopCloser(bytes.NewReader(body))
					go func() {
						time.Sleep(4 * time.Second)
						next.ServeHTTP(httptest.NewRecorder(), r)
					}()
					panic(http.ErrAbortHandler)
				})))
				ana.run("send", "--no-wait", "one")
				ana.run(next...)
				time.Sleep(time.Minute)
				ana.must("recv")
				ana.says(1, " one\n")
				entries := class.relay.Entries(t, channel)
				if got := twice(entries); len(got) > 0 {
					t.Errorf("%d tokens stand twice among %d entries", len(got), len(entries))
				}
			})
		})
	}
}
