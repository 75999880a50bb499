package cli

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// withholding shows everything but one entry.
func withholding(entry int) relaytest.Fault {
	rows := relaytest.RewriteRows(func(row string) string {
		if c := strings.SplitN(row, ",", 3); len(c) == 3 && c[1] == fmt.Sprint(entry) {
			return ""
		}
		return row
	})
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, fmt.Sprintf("/feeds/%d.csv", entry)) {
			http.Error(w, "-1", http.StatusNotFound)
			return
		}
		rows(w, r, next)
	}
}

// A single row that was read and is then left out was noticed by verify only. It stands until it is shown again, in rooms
// of both kinds.
func TestAReadRowThatIsLeftOutIsTold(t *testing.T) {
	const lost = "the relay lost or rewrote entry 3\n"
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t))
		ana, bo := class.device("127.0.0.1"), class.device("localhost")
		channel := ana.makeRoom(signedText)
		say := func() {
			ana.must("send", "hello")
			time.Sleep(50 * time.Second)
		}
		for range 5 {
			say()
		}
		bo.must("join", "lab", "--channel", fmt.Sprint(channel), "--profile", signedText)
		bo.must("recv", "--strict")
		class.relay.Inject(withholding(3))
		say()
		bo.must("recv", "--strict") // one answer may be an old one
		bo.says(0, lost)
		say()
		say()
		bo.exits(exitFindings, "recv", "--strict")
		bo.says(1, lost)
		say()
		bo.exits(exitFindings, "recv", "--strict")
		bo.says(0, lost)
		bo.says(1, "1 finding from before still stands")
		bo.exits(exitFindings, "verify")
		bo.says(1, lost)
		class.relay.Inject(nil)
		say()
		bo.must("recv", "--strict")
		bo.says(1, "no longer true: "+lost)
		bo.must("verify")
		// The same again, for who watches.
		class.relay.Inject(withholding(3))
		time.AfterFunc(time.Second, say)
		time.AfterFunc(5*time.Minute, func() { class.relay.Inject(nil); say() })
		bo.watchFor(4 * time.Minute)
		bo.says(1, lost)
		bo.watchFor(4 * time.Minute)
		bo.says(1, "no longer true: "+lost)
	})
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t))
		ana, bo := class.device("127.0.0.1"), class.device("localhost")
		channel := ana.makeRoom(plainText)
		for range 5 {
			ana.must("send", "hello")
			time.Sleep(time.Second)
		}
		bo.must("join", "lab", "--channel", fmt.Sprint(channel), "--profile", plainText)
		time.AfterFunc(time.Minute, func() { class.relay.Inject(withholding(3)); ana.must("send", "hello") })
		bo.watchFor(10*time.Minute, "--from-start")
		bo.says(1, lost)
	})
}
