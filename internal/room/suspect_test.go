package room_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// instead lets a relay show other fields of one entry than it has.
func instead(entry int64, fields func(true []string) []string) relaytest.Fault {
	return relaytest.RewriteRows(func(row string) string {
		columns := strings.Split(strings.TrimRight(row, "\r\n"), ",")
		if len(columns) < 3 || columns[1] != fmt.Sprint(entry) {
			return row
		}
		return strings.Join(append(columns[:2:2], fields(columns[2:])...), ",") + "\n"
	})
}

// busy is a hall in which ana has written four messages, the second of them in entry 2, and strangers a lot more between
// them and after them: nothing of that is among the newest rows.
func busy(t *testing.T, between int) (h *hall, bo *member) {
	t.Helper()
	h = hallOf(t, relaytest.InBubble(t, relaytest.InMemory()))
	strangers := func(n int) {
		h.relay.Seed(t, h.channel.ID, n, func(i int) thingspeak.Entry {
			time.Sleep(time.Second)
			return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(fmt.Sprint(i, " °C"))}}
		})
	}
	ana := h.join(1, "ana")
	for i := range 4 {
		ana.say(fmt.Sprint(i))
		if i == 1 {
			strangers(between)
		}
		time.Sleep(time.Second)
	}
	strangers(150)
	return h, h.join(2, "bo")
}

func blank(fields []string) []string { return make([]string, len(fields)) }

// A row that a relay has shown once without what it holds, with something else in its place, or with a part of it only, is
// shown to be missing; and once the relay is honest, the message comes, and that is taken back.
func TestRowShownOtherwiseOnceComes(t *testing.T) {
	other, err := fernet.NewRing(fernet.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.Seal([]byte("not for you"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var third []string // what stands in entry 3
	for name, change := range map[string]func([]string) []string{
		"blank":   blank,
		"foreign": func(f []string) []string { return append([]string{foreign}, blank(f)[1:]...) },
		"in part": func(f []string) []string { return append(blank(f)[:1], f[1:]...) },
		"cut":     func(f []string) []string { return append([]string{f[0][:100]}, blank(f)[1:]...) },
		"another": func([]string) []string { return third },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, bo := busy(t, 0)
				rows := h.relay.Entries(t, h.channel.ID)
				third = nil
				for _, v := range rows[2].Fields {
					third = append(third, v.Text)
				}
				missing := func(s string) bool { return strings.HasPrefix(s, "1 message from ana missing (ana 2") }
				h.relay.Inject(instead(2, change))
				got := bo.look()
				h.relay.Inject(nil)
				if !slices.ContainsFunc(told(got.Told), missing) {
					t.Fatalf("told %v", told(got.Told))
				}
				bo = bo.again(h)
				got = bo.look()
				if got.Fresh != 1 || !slices.ContainsFunc(told(got.TakenBack), missing) {
					t.Errorf("%d messages, taken back %v", got.Fresh, told(got.TakenBack))
				}
				if got.Damaged > 0 || got.NotOurs > 0 {
					t.Errorf("counted once more: %+v", got.Findings)
				}
				h.relay.Requests()
				bo = bo.again(h)
				bo.look()
				if asked := len(h.relay.Requests()); asked > 2 {
					t.Errorf("once all is there, %d requests", asked)
				}
				if all := bo.history(); len(all) != 4 || !slices.Contains(all, "ana: 1") {
					t.Errorf("history %v", all)
				}
			})
		})
	}
}

// A relay that never shows a row as it is costs a few requests a day, however long that lasts and however much may be
// suspect, and the message comes within a day once it is honest.
func TestRowBlankForLongCostsLittle(t *testing.T) {
	testenv.Unwatched(t)
	for _, between := range []int{0, 2000} {
		synctest.Test(t, func(t *testing.T) {
			h, bo := busy(t, between)
			h.relay.Inject(instead(2, blank))
			bo.look()
			h.relay.Requests()
			const days = 4
			asked := 0
			for range days * 24 * 3 {
				time.Sleep(20 * time.Minute)
				if got := bo.look(); got.Fresh > 0 || len(got.TakenBack) > 0 {
					t.Fatalf("%d messages, taken back %v", got.Fresh, told(got.TakenBack))
				}
				for _, r := range h.relay.Requests() {
					if strings.Contains(r.Target, "end_entry_id") {
						asked++
					}
				}
			}
			// About a dozen rounds on the first day, then one a day; each takes a request for 256 entries.
			if most := (12 + days) * (1 + between/200); asked < days || asked > most {
				t.Errorf("%d between: %d requests in %d days, want at most %d", between, asked, days, most)
			}
			h.relay.Inject(nil)
			back := false
			for range 25 * 3 {
				time.Sleep(20 * time.Minute)
				back = back || len(bo.look().TakenBack) > 0
			}
			if !back {
				t.Error("ana 2 has not come within a day")
			}
		})
	}
}
