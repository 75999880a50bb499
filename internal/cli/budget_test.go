package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// flood claims a thousand million entries, and shows each that is asked for, with tokens that no key opens, or all with
// the one that is given; those that are there it shows as they are. It counts the bytes in sent.
func flood(sent *atomic.Int64, given string) relaytest.Fault {
	const last = 1_000_000_000
	base := time.Now().Unix() - last // row n was posted n seconds later
	random := rand.NewChaCha8([32]byte{1})
	token := make([]byte, 185)
	feed := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		q := r.URL.Query()
		number := func(name string, missing int64) int64 {
			if n, err := strconv.ParseInt(q.Get(name), 10, 64); err == nil {
				return n
			}
			return missing
		}
		top := number("end_entry_id", last)
		if end, err := time.Parse(time.DateTime, q.Get("end")); err == nil {
			top = min(top, end.Unix()-base)
		}
		if top < 1000 || strings.Contains(r.URL.Path, "/feeds/") {
			next.ServeHTTP(w, r)
			return
		}
		b := []byte("created_at,entry_id,field1,field2,field3,field4,field5,field6,field7,field8\n")
		for id := max(number("start_entry_id", 1), top-number("results", 100)+1); id <= top; id++ {
			b = time.Unix(base+id, 0).UTC().AppendFormat(b, "2006-01-02 15:04:05 UTC,")
			b = strconv.AppendInt(b, id, 10)
			for range 8 {
				b = append(append(b, ','), given...)
				if given == "" {
					_, _ = random.Read(token)
					token[0] = 0x80
					b = base64.URLEncoding.AppendEncode(b, token)
				}
			}
			b = append(b, '\n')
			if len(b) < 32<<10 && id < top {
				continue
			}
			n, err := w.Write(b)
			sent.Add(int64(n))
			if err != nil { // the reader has had enough
				return
			}
			b = b[:0]
		}
	}
	newest := relaytest.Answer(http.StatusOK, "text/plain", strconv.Itoa(last))
	return relaytest.All(relaytest.On("last_entry_id.txt", newest), relaytest.On("feeds", feed))
}

// floodBudget is the budget of the tests below, and floodSlack what the network may hold when a reading stops.
const floodBudget, floodSlack = 1 << 20, 256 << 10

// inFlood runs a test with a relay that floods; sent are the bytes of it. What the room lab holds is one message.
func inFlood(t *testing.T, test func(t *testing.T, s *relaytest.Server, ana *device, sent *atomic.Int64)) {
	t.Helper()
	inBubble(t, limitsOf(t, 0, 0, 960), 0, nil, func(t *testing.T, s *relaytest.Server, ana *device) {
		ana.must("init", "text", "--profile", plainText, "--weak")
		ana.env["FERNPOST_ROOM"], ana.env["FERNPOST_READ_BUDGET"] = "lab", "1MiB"
		ana.must("send", "before")
		ana.must("recv")
		var sent atomic.Int64
		s.Inject(flood(&sent, ""))
		test(t, s, ana, &sent)
		s.Inject(nil)
		time.Sleep(time.Hour)
		ana.must("recv")
		if !strings.Contains(ana.stdout.String(), "before") {
			t.Errorf("after the flood recv prints %q, %q", ana.stdout.String(), ana.stderr.String())
		}
	})
}

// A relay that served endless tokens which no key opens filled the disk, 1.4 GB in 25 seconds, without a word.
func TestAFloodIsStoppedByItsBudget(t *testing.T) {
	for command, want := range map[string]int{
		"recv": exitPartly, "send hello": exitDone, "outbox --retry": exitDone, "watch": exitInterrupted, "verify": exitPartly,
		"recv --room text --all": exitPartly, "watch --room text --from-start": exitInterrupted, "eavesdrop --room lab -n 0": exitPartly,
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			inFlood(t, func(t *testing.T, _ *relaytest.Server, ana *device, sent *atomic.Int64) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				defer time.AfterFunc(30*time.Minute, cancel).Stop()
				code := ana.runContext(ctx, strings.Fields(command)...)
				said := ana.stderr.String()
				if n := strings.Count(said, "read_budget"); code != want || n < 1 || n > 2 {
					t.Errorf("exit %d, want %d; the setting is named %d times: %s", code, want, n, said)
				}
				looks := int64(0)
				if strings.HasPrefix(command, "watch") { // at the newest rows, every two minutes
					looks = 15 * 128 << 10
				}
				if got := sent.Load(); got > floodBudget+floodSlack+looks {
					t.Errorf("%d bytes came, the budget is %d", got, floodBudget)
				}
			})
		})
	}
}

// What no key opens has one budget an hour: the next call does not begin a new one.
func TestAFloodIsStoppedForAnHour(t *testing.T) {
	inFlood(t, func(t *testing.T, s *relaytest.Server, ana *device, sent *atomic.Int64) {
		for hour := range 2 {
			if hour == 1 { // what was there before brings nothing either
				s.Inject(flood(sent, s.Entries(t, ana.channel())[0].Fields[0].Text))
			}
			for call := range 5 {
				if code := ana.run("recv"); code != exitPartly || !strings.Contains(ana.stderr.String(), "read_budget") {
					t.Errorf("hour %d, call %d: exit %d, %s", hour, call, code, ana.stderr.String())
				}
			}
			if got := sent.Swap(0); got > floodBudget+floodSlack || got < floodBudget/2 {
				t.Errorf("hour %d: %d bytes came, the budget is %d", hour, got, floodBudget)
			}
			ana.must("send", "heard all the same")
			time.Sleep(time.Hour)
		}
	})
}

// What is worth reading is read, however much it is: a room of more than the budget in a few calls, within the hour.
func TestALongRoomIsReadInSeveralCalls(t *testing.T) {
	testenv.Unwatched(t)
	inBubble(t, limitsOf(t, 0, 0, 960), 0, nil, func(t *testing.T, s *relaytest.Server, ana *device) {
		bo := newDevice(t, s)
		bo.transport = s.Transport(t)
		bo.must("join", "lab", "--channel", fmt.Sprint(ana.channel()), "--profile", quickSigned)
		file, _ := anyFile(t, 1<<20)
		ana.must("send", "--file", file, "--yes")
		ana.must("send", "the last")
		bo.env["FERNPOST_READ_BUDGET"] = "1MiB"
		calls := 1
		for ; bo.run("recv") != exitDone; calls++ {
			if calls > 8 {
				t.Fatalf("not read after %d calls: %s", calls, bo.stderr.String())
			}
		}
		if got := bo.stdout.String(); calls < 2 || !strings.Contains(got, "picture.png") || !strings.Contains(got, "the last") {
			t.Errorf("after %d calls recv prints %q, %q", calls, got, bo.stderr.String())
		}
	})
}

// Each look shows the newest rows again: on a busy channel an honest watch spent the hour's budget on comparing them, and
// stood still for the rest of it.
func TestComparingTheNewestRowsIsNotInVain(t *testing.T) {
	for _, profile := range []string{quickSigned, plainText} {
		inBubble(t, limitsOf(t, 0, 0, 960), 0, nil, func(t *testing.T, s *relaytest.Server, ana *device) {
			ana.must("init", "busy", "--profile", profile, "--weak")
			ana.env["FERNPOST_ROOM"] = "busy"
			a := &app{getenv: func(name string) string { return ana.env[name] }}
			r, err := a.loadRoom("busy")
			if err != nil {
				t.Fatal(err)
			}
			opener, err := openRoom(r)
			if err != nil {
				t.Fatal(err)
			}
			post := func(n int) {
				s.Seed(t, r.Channel, n, func(i int) thingspeak.Entry {
					e, err := opener.Seal(record.Text(strings.Repeat("long", 30)), time.Now())
					if err != nil {
						t.Fatal(err)
					}
					for i := range e.Fields {
						e.Fields[i] = e.Fields[0]
					}
					e.CreatedAt = time.Now()
					return e
				})
			}
			post(100)
			ana.env["FERNPOST_READ_BUDGET"] = "1MiB"
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			go func() {
				for range 20 {
					time.Sleep(20 * time.Second)
					post(1)
				}
			}()
			ana.runContext(ctx, "watch")
			if got := ana.stderr.String(); strings.Contains(got, "read_budget") {
				t.Errorf("%s: watch says %q", profile, got)
			}
			if got := strings.Count(ana.stdout.String(), "longlong"); got == 0 {
				t.Errorf("%s: watch prints %q", profile, ana.stdout.String())
			}
		})
	}
}
