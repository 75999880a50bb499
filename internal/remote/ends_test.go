package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

// longest is how long one request may wait for a relay that brings next to nothing: three time-outs.
const longest = 30*time.Second + time.Second

// asHandler lets a fault answer everything.
func asHandler(f relaytest.Fault) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(w, r, http.NotFoundHandler()) })
}

// Answers that never come, never end or fill the memory once hung the program, past its time-out and Ctrl-C.
func TestEveryRequestEnds(t *testing.T) {
	for name, fault := range relaytest.Hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for operation, run := range operations {
				synctest.Test(t, func(t *testing.T) {
					c := newClient(t, asHandler(fault))
					began := time.Now()
					err := run(t.Context(), c)
					if took := time.Since(began); took > longest {
						t.Errorf("%s took %v: %v", operation, took, err)
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					began = time.Now()
					err = run(ctx, c)
					if took := time.Since(began); took > time.Second || ctx.Err() != nil && err == nil {
						t.Errorf("%s took %v with a second to go: %v", operation, took, err)
					}
				})
			}
		})
	}
}

// A connection that is taken, and then not even TLS comes to its end.
func TestEveryRequestEndsBeforeItIsSent(t *testing.T) {
	for name, base := range map[string]string{"http": "http://relay.test", "https": "https://relay.test"} {
		for operation, run := range operations {
			synctest.Test(t, func(t *testing.T) {
				tr := &http.Transport{TLSHandshakeTimeout: remote.DefaultTimeout, DialContext: func(context.Context, string, string) (net.Conn, error) {
					ours, theirs := net.Pipe()
					go func() { _, _ = io.Copy(io.Discard, theirs) }() // the bubble waits for its end
					return ours, nil
				}}
				c := clientOver(t, tr, func(o *remote.Options) { o.BaseURL = base })
				began := time.Now()
				err := run(t.Context(), c)
				if took := time.Since(began); took > longest || err == nil {
					t.Errorf("%s over %s took %v: %v", operation, name, took, err)
				}
			})
		}
	}
}

// An answer of a status that nobody asked for says nothing in its body, so that is not waited for.
func TestUnexpectedStatusEndsAtOnce(t *testing.T) {
	for _, name := range []string{"101", "no content, but more", "206", "304", "a redirect to itself"} {
		for operation, run := range operations {
			synctest.Test(t, func(t *testing.T) {
				c := newClient(t, asHandler(relaytest.Hostile()[name]))
				began := time.Now()
				err := run(t.Context(), c)
				if _, ok := errors.AsType[*wire.UnexpectedError](err); !ok || time.Since(began) > 0 {
					t.Errorf("%s: %s took %v: %v", name, operation, time.Since(began), err)
				}
				if redirects := strings.Contains(fmt.Sprint(err), "redirects to"); redirects != (name == "a redirect to itself") {
					t.Errorf("%s: %s: %v", name, operation, err) // a 304 was told as one
				}
			})
		}
	}
}

// A large answer over a slow line is no hostile one: it has a second more for each 64 KiB.
func TestASlowLineIsGivenTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fields = thingspeak.AllFields
		var full thingspeak.Fields
		for i := range full {
			full[i] = thingspeak.Text(strings.Repeat("x", 250))
		}
		for range 2000 {
			relay.addLocked(time.Now(), full)
		}
		at := func(rate int) *remote.Client {
			slow := relaytest.SlowBody(rate, time.Second)
			return newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { slow(w, r, relay) }))
		}
		began := time.Now()
		info, err := readFeed(t.Context(), at(96<<10), exchange.Query{Results: 8000}, ignore)
		if took := time.Since(began); err != nil || info.Rows != 2000 || took < longest {
			t.Errorf("%d rows in %v: %v", info.Rows, took, err)
		}
		c := at(16 << 10)
		_, err = readFeed(t.Context(), c, exchange.Query{Results: 8000}, ignore)
		if e, ok := errors.AsType[*wire.UnreachableError](err); !ok || e.Cause != wire.TimedOut {
			t.Errorf("too slow: %v", err)
		}
	})
}
