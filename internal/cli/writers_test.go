package cli

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// updateTimes are when a device has asked for an update.
type updateTimes struct {
	http.RoundTripper

	all []time.Time
}

func (u *updateTimes) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, "/update") {
		u.all = append(u.all, time.Now())
	}
	return u.RoundTripper.RoundTrip(r)
}

// Whoever was refused came back at the moment that the relay had named to all who were, for nobody counted who writes.
func TestFiveMembersWhoWriteAtOnceAllGetThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t, relaytest.Interval(15*time.Second)))
		var members []*device
		var updates []*updateTimes
		for i := range 5 {
			d := class.device("127.0.0.1")
			d.env["FERNPOST_INTERVAL"] = "15s"
			if i == 0 {
				d.makeRoom(signedText)
			} else {
				d.env["FERNPOST_WRITE_KEY"] = members[0].writeKey()
				d.must("join", "lab", "--channel", fmt.Sprint(members[0].channel()), "--profile", signedText)
			}
			members = append(members, d)
			time.Sleep(16 * time.Second)
			d.must("send", "hello")
		}
		time.Sleep(16 * time.Second)
		for _, d := range members {
			d.must("recv")
			u := &updateTimes{RoundTripper: d.transport}
			d.transport = u
			updates = append(updates, u)
		}
		var all sync.WaitGroup
		for _, d := range members {
			all.Go(func() {
				if code := d.run("send", "now"); code != exitDone {
					t.Errorf("send: exit %d, %s", code, &d.stderr)
				}
			})
		}
		all.Wait()
		again := map[time.Time]bool{}
		for _, u := range updates {
			if len(u.all) > 1 {
				again[u.all[1]] = true
			}
		}
		if len(again) != 4 {
			t.Errorf("of four who were refused %d came back at a time of their own: %v", len(again), again)
		}
	})
}

// Nobody said why a message waited for 28 seconds at a relay that takes one in 15.
func TestAWaitThatIsLongerThanTheIntervalIsExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t, relaytest.Interval(15*time.Second)))
		ana, bo := class.device("127.0.0.1"), class.device("127.0.0.1")
		ana.env["FERNPOST_INTERVAL"], bo.env["FERNPOST_INTERVAL"] = "15s", "15s"
		ana.makeRoom(signedText)
		bo.env["FERNPOST_WRITE_KEY"] = ana.writeKey()
		bo.must("join", "lab", "--channel", fmt.Sprint(ana.channel()), "--profile", signedText)
		const why = ", at a moment chosen by chance, so as not to meet those who have written here in the last ten minutes\n"
		ana.must("send", "alone")
		ana.must("send", "and again")
		if got := ana.stderr.String(); !strings.Contains(got, "trying again in ") || strings.Contains(got, why) {
			t.Errorf("who is alone is told %q", got)
		}
		time.Sleep(20 * time.Second)
		bo.must("send", "two")
		ana.must("recv")
		ana.must("send", "three")
		if got := ana.stderr.String(); !strings.Contains(got, why) {
			t.Errorf("who is not is told %q", got)
		}
	})
}

// Where others write, a file of a few entries left an interval to them between two of its own, and waited for a minute without a word.
func TestAFileSaysThatItLeavesAnIntervalToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t, relaytest.Interval(15*time.Second)))
		ana, bo := class.device("127.0.0.1"), class.device("127.0.0.1")
		for _, d := range []*device{ana, bo} {
			d.env["FERNPOST_INTERVAL"] = "15s"
		}
		ana.makeRoom(signedText)
		bo.env["FERNPOST_WRITE_KEY"] = ana.writeKey()
		bo.must("join", "lab", "--channel", fmt.Sprint(ana.channel()), "--profile", signedText)
		ana.must("send", "hello")
		time.Sleep(16 * time.Second)
		bo.must("send", "hello")
		time.Sleep(16 * time.Second)
		bo.must("send", strings.Repeat("a long message ", 120))
		if got := bo.stderr.String(); strings.Count(got, "one more is left to those who have written here") != 1 || !strings.Contains(got, "takes 3 entries") {
			t.Errorf("bo is told\n%s", got)
		}
	})
}
