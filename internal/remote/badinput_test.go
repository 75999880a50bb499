package remote_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

func ignore(*thingspeak.Entry) error { return nil }

// operations are all that the client does, each in one request.
var operations = map[string]func(context.Context, *remote.Client) error{
	"LastID":  func(ctx context.Context, c *remote.Client) error { _, err := c.LastID(ctx); return err },
	"Channel": func(ctx context.Context, c *remote.Client) error { _, err := c.Channel(ctx); return err },
	"Create": func(ctx context.Context, c *remote.Client) error {
		_, err := c.CreateChannel(ctx, thingspeak.Channel{Name: "x"})
		return err
	},
	"Update": func(ctx context.Context, c *remote.Client) error { _, err := c.Update(ctx, oneField("x")); return err },
	"Feed": func(ctx context.Context, c *remote.Client) error {
		_, err := readFeed(ctx, c, exchange.Query{}, ignore)
		return err
	},
	"Raw": func(ctx context.Context, c *remote.Client) error {
		_, err := c.Raw(ctx, exchange.Query{}, io.Discard)
		return err
	},
	"Entry": func(ctx context.Context, c *remote.Client) error { _, err := readEntry(ctx, c, 7); return err },
}

// answers are what a relay, or something that is none, may answer in place of data, to any operation.
var answers = map[string]struct {
	handler http.HandlerFunc
	// check says what is wrong with the error of an operation.
	check func(operation string, err error) string
}{
	"20 MB of HTML": {func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<!doctype html><html><title>Captive \x1b[31mportal</title><body>")
		chunk := bytes.Repeat([]byte("<p>Hello!</p>\n"), 1000)
		for sent := 0; sent < 20<<20; {
			n, err := w.Write(chunk)
			if sent += n; err != nil {
				return
			}
			if sent > 2<<20 {
				panic("the client reads on")
			}
		}
	}, func(_ string, err error) string {
		return wantUnexpected(err, 200, "Captive [31mportal")
	}},
	"an empty answer": {func(http.ResponseWriter, *http.Request) {}, func(op string, err error) string {
		if op == "LastID" { // one of the ways to say that a channel is empty
			return wantNil(err)
		}
		return wantUnexpected(err, 200, "")
	}},
	"a redirect": {func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://other.test/x?api_key="+writeKey, http.StatusMovedPermanently)
	}, func(_ string, err error) string {
		if e, ok := errors.AsType[*wire.UnexpectedError](err); !ok || e.RedirectTo != "other.test" {
			return "want a redirect to other.test"
		}
		return ""
	}},
	"a redirect to nowhere": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://[::bad")
		w.WriteHeader(http.StatusFound)
	}, func(_ string, err error) string { return wantUnexpected(err, 0, "") }},
	"400 and -1": {status(400, "-1"), wantRefused(wire.KeyRefused)},
	"401": {
		status(401, `{"status":"401","error":{"error_code":"error_auth_required","message":"Authorization Required",`+
			`"details":"no `+writeKey+`"}}`), wantRefused(wire.KeyRefused),
	},
	"402": {status(402, "error_payment_required"), wantRefused(wire.QuotaSpent)},
	"403": {status(403, `{"error":"only here"}`), wantRefused(wire.NotAllowed)},
	"403 page": {status(403, "<html><h1>Forbidden</h1>"), func(_ string, err error) string {
		return wantUnexpected(err, 403, "")
	}},
	"404": {status(404, "<html><title>Not here</title>"), func(op string, err error) string {
		switch op {
		case "Update":
			return wantUnexpected(err, 404, "")
		case "Entry":
			if !errors.Is(err, wire.ErrNoEntry) {
				return "want ErrNoEntry"
			}
			return ""
		}
		return wantRefused(wire.NotFound)(op, err)
	}},
	"413": {status(413, "error_request_too_large"), wantRefused(wire.TooLarge)},
	"422": {status(422, "error_invalid_byte_sequence"), wantRefused(wire.Malformed)},
	"429": {status(429, "error_too_many_requests"), wantRefused(wire.TooSoon)},
	"500 page that repeats the key": {
		status(500, "<html><title>Key: "+strings.ToLower(writeKey)+"</title>"),
		func(_ string, err error) string { return wantUnexpected(err, 500, "Key: [key]") },
	},
	"500 that is cut within the key": {
		status(500, strings.Repeat("é ", 63)+writeKey),
		func(_ string, err error) string { return wantUnexpected(err, 500, "") },
	},
	"204": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, func(_ string, err error) string {
		return wantUnexpected(err, 204, "")
	}},
	"junk": {status(200, "\x00\x01\x02 "+readKey+" \u202e junk"), func(_ string, err error) string {
		return wantUnexpected(err, 200, "[key]")
	}},
	"a number beyond 64 bits": {status(200, "99999999999999999999"), func(_ string, err error) string {
		return wantUnexpected(err, 200, "")
	}},
	"a number beyond reason": {status(200, "9007199254740993"), func(_ string, err error) string {
		return wantUnexpected(err, 200, "")
	}},
	"the connection is cut": {func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler)
	}, func(_ string, err error) string {
		return wantUnreachable(err, wire.Cut, "relay.test:3000 cut the connection")
	}},
	"the answer is cut": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "created_at,entry_id\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, func(_ string, err error) string { return wantUnreachable(err, wire.Cut, "") }},
	"no HTTP": {func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		fmt.Fprintf(conn, "SSH-2.0-OpenSSH_9.9 %s\r\n", writeKey)
		conn.Close()
	}, func(_ string, err error) string { return wantUnexpected(err, 0, "") }},
	"no answer": {func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a server notices that its client is gone only behind the body
		<-r.Context().Done()
	}, func(_ string, err error) string {
		return wantUnreachable(err, wire.TimedOut, "took the connection and did not answer for 10s")
	}},
	"the answer stops": {func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "created_at,entry_id\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, func(_ string, err error) string {
		return wantUnreachable(err, wire.TimedOut, "stopped in the middle of its answer for 10s")
	}},
	"the answer trickles": {func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "created_at,entry_id\n")
		for r.Context().Err() == nil {
			fmt.Fprint(w, "1")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	}, func(_ string, err error) string { return wantUnreachable(err, wire.TimedOut, "") }},
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
}

func wantNil(err error) string {
	if err != nil {
		return "want no error"
	}
	return ""
}

func wantRefused(reason wire.Reason) func(string, error) string {
	return func(_ string, err error) string {
		if e, ok := errors.AsType[*wire.RefusedError](err); !ok || e.Reason != reason {
			return fmt.Sprintf("want a refusal: %v", reason)
		}
		return ""
	}
}

func wantUnexpected(err error, status int, excerpt string) string {
	e, ok := errors.AsType[*wire.UnexpectedError](err)
	if !ok || e.Status != status || !strings.Contains(e.Excerpt, excerpt) {
		return fmt.Sprintf("want an UnexpectedError of status %d and excerpt %q", status, excerpt)
	}
	return ""
}

func wantUnreachable(err error, cause wire.Cause, text string) string {
	e, ok := errors.AsType[*wire.UnreachableError](err)
	if !ok || e.Cause != cause || !e.Sent || !strings.Contains(e.Error(), text) {
		return fmt.Sprintf("want an UnreachableError of cause %d that says %q", cause, text)
	}
	return ""
}

func TestBadAnswers(t *testing.T) {
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			for operation, run := range operations {
				synctest.Test(t, func(t *testing.T) {
					c := newClient(t, answer.handler)
					begin := time.Now()
					err := run(t.Context(), c)
					if problem := answer.check(operation, err); problem != "" {
						t.Errorf("%s: %v\n%s", operation, err, problem)
					}
					if took := time.Since(begin); took > 11*time.Second {
						t.Errorf("%s took %v", operation, took)
					}
				})
			}
		})
	}
}

// No failure shows a key, printed in whatever way, and none is written to a log.
func TestNoKeyInErrorsAndLogs(t *testing.T) {
	var logged bytes.Buffer
	defer log.SetOutput(log.Writer())
	log.SetOutput(&logged)
	quiet := func(o *remote.Options) { o.BaseURL = "http://relay.test:3000/" }
	check := func(t *testing.T, err error) {
		t.Helper()
		logger := slog.New(slog.NewJSONHandler(&logged, nil))
		logger.Error("failed", "err", err)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			for e := err; e != nil; e = errors.Unwrap(e) {
				text := strings.ToUpper(fmt.Sprintf(verb, e))
				for _, key := range []string{writeKey, readKey, userKey} {
					// Eight characters of a key are as bad as all of it, for those who can guess.
					if strings.Contains(text, key[:8]) {
						t.Errorf("%s shows %s: %s", verb, key, text)
					}
				}
			}
		}
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			for _, run := range operations {
				synctest.Test(t, func(t *testing.T) {
					c := newClient(t, answer.handler, quiet)
					check(t, run(t.Context(), c))
					check(t, fmt.Errorf("%+v %#v", c, c))
				})
			}
			synctest.Test(t, func(t *testing.T) {
				c := newClient(t, answer.handler, quiet)
				_, err := c.Post(t.Context(), oneField("x"), 0, nil)
				check(t, err)
				_, err = c.Follow(t.Context(), exchange.Position{}, exchange.Visitor{Entry: ignore})
				check(t, err)
				_, err = c.Scan().Back(t.Context(), 10, ignore)
				check(t, err)
			})
		})
	}
	if text := strings.ToUpper(logged.String()); strings.Contains(text, writeKey[:8]) ||
		strings.Contains(text, readKey[:8]) || strings.Contains(text, userKey[:8]) {
		t.Errorf("a log shows a key: %s", text)
	}
}

func TestNeverConnects(t *testing.T) {
	tests := map[string]struct {
		dial func(ctx context.Context) error
		want string
	}{
		"refused": {func(context.Context) error {
			return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}, "reading channel 4242: nothing answers at relay.test:3000: connection refused"},
		"no such host": {func(context.Context) error {
			return &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}
		}, "reading channel 4242: no host is called relay.test"},
		"no name server": {func(context.Context) error {
			return &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving"}}
		}, "reading channel 4242: no connection to relay.test:3000: its name cannot be looked up"},
		"no network": {func(context.Context) error {
			return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ENETUNREACH}
		}, "reading channel 4242: no connection to relay.test:3000: network is unreachable"},
		"silence": {func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, "reading channel 4242: relay.test:3000 did not take a connection within 10s"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := clientOver(t, &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					return nil, test.dial(ctx)
				}})
				_, err := c.LastID(t.Context())
				if e, ok := errors.AsType[*wire.UnreachableError](err); !ok || e.Sent || err.Error() != test.want {
					t.Errorf("error %v\nwant  %s", err, test.want)
				}
			})
		})
	}
}

// The network itself: a port of this machine where nobody listens.
func TestRelayDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String()
	l.Close()
	c := clientOver(t, nil, func(o *remote.Options) { o.BaseURL = address })
	_, err = c.LastID(t.Context())
	e, ok := errors.AsType[*wire.UnreachableError](err)
	if !ok || e.Cause != wire.NobodyListens || !e.Loopback() {
		t.Errorf("LastID: %v", err)
	}
}

func TestTLSFailures(t *testing.T) {
	quiet := log.New(io.Discard, "", 0)
	secure := httptest.NewUnstartedServer(newFakeRelay())
	secure.Config.ErrorLog = quiet
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewServer(newFakeRelay())
	defer plain.Close()
	old := httptest.NewUnstartedServer(newFakeRelay())
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.Config.ErrorLog = quiet
	old.StartTLS()
	defer old.Close()
	tests := map[string]struct{ url, want string }{
		"unknown authority": {secure.URL, "its certificate is signed by an unknown authority"},
		"no TLS":            {strings.Replace(plain.URL, "http:", "https:", 1), "what answers there does not speak TLS"},
		"TLS of yesterday":  {old.URL, "the handshake failed: protocol version not supported"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := clientOver(t, nil, func(o *remote.Options) { o.BaseURL = test.url })
			for operation, run := range operations {
				err := run(t.Context(), c)
				e, ok := errors.AsType[*wire.UnreachableError](err)
				if !ok || e.Cause != wire.TLSFailed || e.Sent || !strings.Contains(err.Error(), test.want) ||
					!strings.Contains(err.Error(), "TLS") {
					t.Errorf("%s: %v, want %q", operation, err, test.want)
				}
			}
		})
	}
	t.Run("plain HTTP to a TLS port", func(t *testing.T) {
		c := clientOver(t, nil, func(o *remote.Options) { o.BaseURL = strings.Replace(secure.URL, "https:", "http:", 1) })
		_, err := c.LastID(t.Context())
		if e, ok := errors.AsType[*wire.UnexpectedError](err); !ok || !strings.Contains(e.Excerpt, "HTTPS") {
			t.Errorf("LastID: %v", err)
		}
	})
	t.Run("trusted", func(t *testing.T) {
		c := clientOver(t, secure.Client().Transport, func(o *remote.Options) { o.BaseURL = secure.URL })
		if _, err := c.LastID(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestRequestsEndWithTheirContext(t *testing.T) {
	for operation, run := range operations {
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, answers["the answer stops"].handler)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			if err := run(ctx, c); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", operation, err)
			}
			if err := run(ctx, c); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", operation, err)
			}
		})
	}
}
