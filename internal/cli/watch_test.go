package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// withheld hides an entry of every feed.
type withheld struct {
	http.RoundTripper

	entry int64
}

func (h *withheld) RoundTrip(r *http.Request) (*http.Response, error) {
	reply, err := h.RoundTripper.RoundTrip(r)
	if err != nil || !strings.Contains(r.URL.Path, "feeds") {
		return reply, err
	}
	body, err := io.ReadAll(reply.Body)
	if err := reply.Body.Close(); err != nil {
		return nil, err
	}
	body = regexp.MustCompile(fmt.Sprintf(`(?m)^[^,\n]*,%d,.*\n`, h.entry)).ReplaceAll(body, nil)
	reply.Body, reply.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	reply.Header.Del("Content-Length")
	return reply, err
}

// boasting names an entry that is not there.
type boasting struct {
	http.RoundTripper

	entry int64
}

func (b *boasting) RoundTrip(r *http.Request) (*http.Response, error) {
	reply, err := b.RoundTripper.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "last_entry_id.txt") {
		return reply, err
	}
	body := fmt.Sprint(b.entry)
	reply.Header.Del("Content-Length")
	err = reply.Body.Close()
	reply.Body, reply.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	return reply, err
}

// TestARelayThatNamesWhatItDoesNotShow: that is said, counts as waiting, and blinds nobody.
func TestARelayThatNamesWhatItDoesNotShow(t *testing.T) {
	for _, profile := range []string{signedText, plainText} {
		synctest.Test(t, func(t *testing.T) {
			class := newClass(t, relaytest.InBubble(t))
			ana, bo := class.device("127.0.0.1"), class.device("127.0.0.1")
			channel := fmt.Sprint(ana.makeRoom(profile))
			ana.must("send", "one")
			bo.must("join", "lab", "--channel", channel, "--profile", profile)
			bo.transport = &boasting{bo.transport, 2}
			const named = "the relay names entry 2 and does not show it\n"
			bo.must("watch", "--from-start", "--messages", "1")
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			bo.runContext(ctx, "watch")
			if got := bo.stderr.String(); strings.Count(got, named) != 1 {
				t.Errorf("%s: watch says\n%s", profile, got)
			}
			if profile == signedText {
				bo.exits(exitPartly, "verify")
				if got := bo.stderr.String(); !strings.HasPrefix(got, named) {
					t.Errorf("verify says\n%s", got)
				}
				bo.exits(exitPartly, "recv", "--strict")
			}
			ana.must("send", "two")
			bo.transport.(*boasting).entry = 1 << 53
			bo.must("watch", "--messages", "1")
			if got := bo.stdout.String(); !strings.Contains(got, "two\n") {
				t.Errorf("%s: watch prints\n%s", profile, got)
			}
		})
	}
}

// refusing answers with a status, from a number of requests on as often as it says.
type refusing struct {
	http.RoundTripper

	status, after, times int
}

func (r *refusing) RoundTrip(q *http.Request) (*http.Response, error) {
	status := http.StatusNotFound // there is no stream, over which entries would come all the same
	if !strings.HasSuffix(q.URL.Path, "/feeds/stream") {
		if r.after--; r.after >= 0 || r.after < -r.times {
			return r.RoundTripper.RoundTrip(q)
		}
		status = r.status
	}
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader("")), Request: q,
	}, nil
}

// TestARefusalEndsNoWatchThatWasAnswered: unless it lasts. One that was never answered ends at once.
func TestARefusalEndsNoWatchThatWasAnswered(t *testing.T) {
	for _, profile := range []string{signedText, plainText} {
		for _, status := range []int{401, 403, 404} {
			synctest.Test(t, func(t *testing.T) {
				class := newClass(t, relaytest.InBubble(t))
				ana, bo := class.device("127.0.0.1"), class.device("127.0.0.1")
				channel := fmt.Sprint(ana.makeRoom(profile))
				ana.must("send", "one")
				bo.must("join", "lab", "--channel", channel, "--profile", profile)
				bo.must("watch", "--from-start", "--messages", "1")
				direct := bo.transport

				bo.transport = &refusing{direct, status, 3, 1}
				time.AfterFunc(20*time.Second, func() { ana.must("send", "two") })
				bo.must("watch", "--messages", "1")
				if got := bo.stdout.String() + bo.stderr.String(); !strings.Contains(got, "two\n") ||
					!strings.Contains(got, "trying again for a minute") || !strings.Contains(got, "the relay is back") {
					t.Errorf("%s, %d: watch says\n%s", profile, status, got)
				}

				bo.transport = &refusing{direct, status, 3, 1 << 30}
				began := time.Now()
				if bo.exits(exitRefused, "watch"); time.Since(began) < time.Minute || time.Since(began) > 3*time.Minute {
					t.Errorf("%s, %d: a watch that is refused ends after %v", profile, status, time.Since(began))
				}
				bo.transport = &refusing{direct, status, 0, 1 << 30}
				began = time.Now()
				if bo.exits(exitRefused, "watch"); time.Since(began) > time.Second {
					t.Errorf("%s, %d: a watch that was never answered ends after %v", profile, status, time.Since(began))
				}
			})
		}
	}
}

// TestWatchOfPlainTextsTellsWhatWaits: there an entry that does not come is all that shows.
func TestWatchOfPlainTextsTellsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t))
		ana, bo := class.device("127.0.0.1"), class.device("127.0.0.1")
		channel := fmt.Sprint(ana.makeRoom(plainText))
		for _, text := range []string{"one", "two", "three"} {
			ana.must("send", text)
		}
		bo.must("join", "lab", "--channel", channel, "--profile", plainText)
		bo.transport = &withheld{bo.transport, 2}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
		defer cancel()
		bo.runContext(ctx, "watch", "--from-start")
		waits, lost, ok := strings.Cut(bo.stderr.String(), "waiting for entry 2\n")
		if !ok || strings.Contains(waits, "entry 2") || strings.Count(lost, "entry 2 was not shown\n") != 1 {
			t.Errorf("watch says\n%s", &bo.stderr)
		}
	})
}

// TestWatchTellsWhatWaits: a message that does not come is told to be waited for after a minute, once, and to be missing
// when the relay had time enough to show it. With --strict it counts from the beginning.
func TestWatchTellsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t))
		ana, bo := class.device("127.0.0.1"), class.device("127.0.0.1")
		channel := fmt.Sprint(ana.makeRoom(signedText))
		ana.must("identity", "name", "ana")
		for _, text := range []string{"one", "two", "three"} {
			ana.must("send", text)
		}
		bo.must("join", "lab", "--channel", channel, "--profile", signedText)
		bo.transport = &withheld{bo.transport, 2}
		const waits, lost = "waiting for 1 message from ana (ana 2)\n", "1 message from ana missing (ana 2)\n"
		bo.exits(exitFindings, "watch", "--from-start", "--messages", "2", "--strict") // as verify
		watch := func(d time.Duration) string {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			bo.runContext(ctx, "watch")
			return bo.stderr.String()
		}
		if got := watch(50 * time.Second); strings.Contains(got, "ana 2") {
			t.Errorf("within a minute watch says\n%s", got)
		}
		if got := watch(2 * time.Minute); strings.Count(got, waits) != 1 || strings.Contains(got, lost) {
			t.Errorf("after a minute watch says\n%s", got)
		}
		if got := watch(30 * time.Minute); strings.Count(got, lost) != 1 {
			t.Errorf("after half an hour watch says\n%s", got)
		}
	})
}

// With --strict a watch gave a good verdict on a room where an earlier one, or recv, had told what is missing.
func TestAStrictWatchCountsWhatStillHolds(t *testing.T) {
	for _, profile := range []string{plainText, signedText} {
		synctest.Test(t, func(t *testing.T) {
			class := newClass(t, relaytest.InBubble(t))
			ana, bo := class.device("127.0.0.1"), class.device("127.0.0.1")
			channel := fmt.Sprint(ana.makeRoom(profile))
			for _, text := range []string{"one", "two", "three"} {
				ana.must("send", text)
			}
			bo.must("join", "lab", "--channel", channel, "--profile", profile)
			honest := bo.transport
			bo.transport = &withheld{honest, 2}
			code := exitPartly // it waits
			if profile == signedText {
				bo.exits(exitFindings, "verify")
				code = exitFindings // as verify says
			}
			bo.exits(code, "watch", "--from-start", "--messages", "2", "--strict")
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
			defer cancel()
			bo.runContext(ctx, "watch")
			for _, text := range []string{"four", "five"} {
				ana.must("send", text)
				bo.exits(exitFindings, "watch", "--messages", "1", "--strict")
				if profile == signedText {
					bo.exits(exitFindings, "recv", "--strict")
				}
			}
			bo.transport = honest
			bo.must("watch", "--messages", "1", "--strict")
			if got := bo.stdout.String(); !strings.Contains(got, "two") {
				t.Errorf("%s: watch prints\n%s", profile, got)
			}
			bo.must("recv", "--strict")
		})
	}
}

// absent is a relay that cannot be reached for some time.
type absent struct {
	http.RoundTripper

	until time.Time
}

func (a *absent) RoundTrip(r *http.Request) (*http.Response, error) {
	if time.Now().Before(a.until) {
		return nil, errors.New("no route to host")
	}
	return a.RoundTripper.RoundTrip(r)
}

// The first watch of a room printed all that was kept where the relay could not be reached at first.
func TestTheFirstWatchBeginsWithTheRelay(t *testing.T) {
	for _, profile := range []string{plainText, signedText} {
		synctest.Test(t, func(t *testing.T) {
			class := newClass(t, relaytest.InBubble(t))
			ana, bo := class.device("127.0.0.1"), class.device("127.0.0.1")
			channel := fmt.Sprint(ana.makeRoom(profile))
			ana.must("send", "old")
			bo.must("join", "lab", "--channel", channel, "--profile", profile)
			bo.must("recv")
			bo.transport = &absent{bo.transport, time.Now().Add(time.Minute)}
			go func() {
				time.Sleep(10 * time.Minute)
				ana.must("send", "new")
			}()
			bo.must("watch", "--messages", "1")
			got := bo.stdout.String()
			if strings.Contains(got, "old\n") || !strings.Contains(got, "new\n") {
				t.Errorf("%s: watch prints\n%s", profile, got)
			}
			synctest.Wait()
		})
	}
}

// A watch that was to end after some messages never showed what had come with them: the next one went on behind all.
func TestWatchOfSomeMessagesLosesNone(t *testing.T) {
	for _, profile := range []string{plainText, signedText} {
		synctest.Test(t, func(t *testing.T) {
			class := newClass(t, relaytest.InBubble(t))
			ana, bo := class.device("127.0.0.1"), class.device("127.0.0.1")
			channel := fmt.Sprint(ana.makeRoom(profile))
			bo.must("join", "lab", "--channel", channel, "--profile", profile)
			for n := range 4 {
				ana.must("send", fmt.Sprint("text ", n+1))
			}
			watch := func(want []string, args ...string) {
				t.Helper()
				bo.must(append([]string{"watch", "--json"}, args...)...)
				var got []string
				for _, e := range bo.events()[""] {
					if e["finding"] != nil {
						t.Errorf("%s: watch tells %v", profile, e)
						continue
					}
					got = append(got, fmt.Sprint(e["text"]))
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: watch %v prints %q, want %q\n%s", profile, args, got, want, &bo.stderr)
				}
			}
			watch([]string{"text 1"}, "--from-start", "--messages", "1")
			watch([]string{"text 2", "text 3"}, "--messages", "2")
			ana.must("send", "text 5")
			watch([]string{"text 4", "text 5"}, "--messages", "2")
		})
	}
}

// What waits without anybody knowing since when was never told by a watch: parts of a message by nobody known.
func TestWatchTellsWhatWaitsWithoutAnAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t))
		ana := class.device("127.0.0.1")
		cells, post := ana.insider(class.relay, ana.makeRoom(signedText))
		post(cells[0])
		watch := func(d time.Duration, want int) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			ana.runContext(ctx, "watch")
			if got := ana.stderr.String(); strings.Count(got, "parts of 1 message have come, and none of them is whole\n") != want {
				t.Errorf("in %v watch says\n%s", d, got)
			}
		}
		watch(50*time.Second, 0)
		watch(30*time.Minute, 1)
	})
}

// A watch of a room that was renamed ended with "no such room", or went on with the keys of whichever room has the name now.
func TestAWatchGoesOnWhenItsRoomIsRenamed(t *testing.T) {
	for _, profile := range []string{signedText, plainText} {
		synctest.Test(t, func(t *testing.T) {
			ana := newClass(t, relaytest.InBubble(t)).device("127.0.0.1")
			ana.makeRoom(profile)
			ana.must("send", "one")
			watch, code := ana.beside(), 0
			var watching sync.WaitGroup
			watching.Go(func() { code = watch.run("watch", "--from-start", "--messages", "3") })
			time.Sleep(time.Minute)
			ana.must("rooms", "rename", "lab", "school")
			time.Sleep(time.Minute)
			ana.must("send", "two")
			ana.makeRoom(profile) // it is called lab, too
			time.Sleep(time.Minute)
			ana.must("send", "--room", "school", "three")
			watching.Wait()
			got := watch.stdout.String()
			if code != exitDone || !strings.Contains(got, "two\n") || !strings.Contains(got, "three\n") {
				t.Errorf("%s: watch exits %d, having printed\n%s%s", profile, code, got, watch.stderr.String())
			}
		})
	}
}

// A watch that nobody asks for a verdict remembered every finding and every gap that it had told, for as long as it ran.
func TestAWatchWithoutAVerdictRemembersNothingThatItTold(t *testing.T) {
	for _, strict := range []bool{false, true} {
		a := &app{stdout: io.Discard, stderr: io.Discard}
		a.verdict.Endless = !strict
		c := &conversation{app: a}
		for n := range int64(100) {
			lost := exchange.Range{First: 2*n + 1, Last: 2*n + 1}
			c.tellLost([]exchange.Range{lost}, false)
			f := record.Finding{Kind: record.Forged, First: uint32(n), Last: uint32(n)}
			a.tellFinding(&f, false, false)
		}
		want := 0
		if strict {
			want = 100
		}
		found, _, _ := a.verdict.Counts()
		if found -= 100; len(c.lost) != want || found != want { // the gaps are only counted
			t.Errorf("strict %t: it remembers %d gaps and %d findings, want %d", strict, len(c.lost), found, want)
		}
	}
}

// A watch of a room of texts said nothing of the entries behind a clear that it had passed over.
func TestAWatchTellsWhatItHasPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t))
		ana, bo := class.device("127.0.0.1"), class.device("127.0.0.1")
		channel := ana.makeRoom(plainText)
		for range 3 {
			ana.must("send", "hello")
		}
		bo.must("join", "lab", "--channel", fmt.Sprint(channel), "--profile", plainText)
		time.AfterFunc(2*time.Minute, func() {
			class.relay.Clear(t, channel)
			strangers(t, class.relay, channel, 8100, time.Now())
		})
		bo.watchFor(20 * time.Minute)
		const passed = " were not looked at; \"fernpost recv --all\" reads them\n"
		if got := bo.stderr.String(); strings.Count(got, passed) != 1 {
			t.Errorf("watch says\n%s", got)
		}
	})
}
