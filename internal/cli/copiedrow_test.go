package cli

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// plainRoom is a room of plain texts with messages, and a device that has joined it.
func plainRoom(t *testing.T, messages int) (class *class, bo *device) {
	class = newClass(t, relaytest.InBubble(t))
	ana := class.device("127.0.0.1")
	bo = class.device("localhost")
	channel := ana.makeRoom(plainText)
	for i := range messages {
		ana.must("send", fmt.Sprint("message ", i+1))
		time.Sleep(20 * time.Second)
	}
	bo.must("join", "lab", "--channel", fmt.Sprint(channel), "--profile", plainText)
	return class, bo
}

// watchFor runs a watch for a while.
func (d *device) watchFor(long time.Duration, args ...string) {
	d.t.Helper()
	ctx, end := context.WithTimeout(d.t.Context(), long)
	defer end()
	d.runContext(ctx, append([]string{"watch"}, args...)...)
}

// Rows that were made up have pushed out what was known of blank ones, which were never read then.
func TestMadeUpRowsKeepNoTextFromComing(t *testing.T) {
	for _, first := range []int{6, 1000} {
		synctest.Test(t, func(t *testing.T) {
			class, bo := plainRoom(t, 5)
			class.relay.Inject(relaytest.RewriteBody(func(body []byte) []byte {
				if !strings.HasPrefix(string(body), "created_at") {
					return body
				}
				var out strings.Builder
				for row := range strings.Lines(string(body)) {
					if c := strings.Split(row, ","); c[1] == "3" || c[1] == "5" {
						row = c[0] + "," + c[1] + ",\n"
					}
					out.WriteString(row)
				}
				for n := range 150 {
					fmt.Fprintf(&out, "2000-01-01 00:05:00 UTC,%d,junk\n", first+n)
				}
				return []byte(out.String())
			}))
			time.AfterFunc(20*time.Second, func() { class.relay.Inject(nil) })
			bo.watchFor(5*time.Minute, "--from-start")
			for n := range 5 {
				if out := bo.stdout.String(); strings.Count(out, fmt.Sprint("message ", n+1)) != 1 {
					t.Errorf("prints\n%s\nand says\n%s", out, &bo.stderr)
				}
			}
		})
	}
}

// A token that was shown again under a higher number, and then no more, has kept a clear from being told.
func TestClearIsToldAfterACopiedRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class, bo := plainRoom(t, 5)
		bo.watchFor(time.Minute, "--from-start")
		class.relay.Inject(relaytest.RewriteBody(func(body []byte) []byte {
			for row := range strings.Lines(string(body)) {
				if c := strings.SplitN(row, ",", 3); len(c) == 3 && c[1] == "1" {
					return fmt.Appendf(body, "%s,8,%s", c[0], c[2])
				}
			}
			if string(body) == "5" {
				return []byte("8")
			}
			return body
		}))
		time.AfterFunc(2*time.Second, func() { class.relay.Inject(nil) })
		bo.watchFor(2 * time.Minute)
		class.relay.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			switch {
			case strings.HasSuffix(r.URL.Path, "last_entry_id.txt"):
				fmt.Fprint(w, 0)
			case strings.HasSuffix(r.URL.Path, "feeds.csv"):
				fmt.Fprint(w, "created_at,entry_id,field1\n")
			default:
				fmt.Fprint(w, "-1")
			}
		})
		time.AfterFunc(2*time.Minute, func() { class.relay.Inject(nil) })
		bo.watchFor(5 * time.Minute)
		if says := bo.stderr.String(); !strings.Contains(says, "cleared") {
			t.Errorf("says\n%s\nand prints\n%s", says, &bo.stdout)
		}
	})
}
