package cli

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// withoutFields cuts CSV rows, the header included, to the time and the number.
func withoutFields(row string) string {
	c := strings.Split(strings.TrimSuffix(row, "\n"), ",")
	if len(c) < 3 {
		return row
	}
	return strings.Join(c[:2], ",") + "\n"
}

// withoutField1 cuts the first field out of CSV rows.
func withoutField1(row string) string {
	c := strings.Split(strings.TrimSuffix(row, "\n"), ",")
	if len(c) < 3 {
		return row
	}
	return strings.Join(append(c[:2], c[3:]...), ",") + "\n"
}

// One answer without a field has blinded a reader for good, and nobody was told: also where the rows are not among the
// newest.
func TestAnAnswerWithoutFieldsBlindsNobody(t *testing.T) {
	const hidden = "which this room uses: what stands there was not read\n"
	cuts := map[string]func(string) string{"no field": withoutFields, "without field1": withoutField1}
	for name, cut := range cuts {
		for _, later := range []int{0, 150} {
			for _, profile := range []string{signedText, plainText} {
				t.Run(fmt.Sprint(name, " ", later, " ", profile == plainText), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						class := newClass(t, relaytest.InBubble(t))
						ana, bo := class.device("127.0.0.1"), class.device("localhost")
						channel := ana.makeRoom(profile)
						for i := range 3 {
							ana.must("send", fmt.Sprint("message ", i+1))
							time.Sleep(20 * time.Second)
						}
						class.relay.Seed(t, channel, later, func(int) thingspeak.Entry {
							time.Sleep(time.Second)
							return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text("21.5 °C")}}
						})
						bo.must("join", "lab", "--channel", fmt.Sprint(channel), "--profile", profile)
						class.relay.Inject(relaytest.RewriteRows(cut))
						if profile == plainText {
							time.AfterFunc(2*time.Minute, func() { class.relay.Inject(nil) })
							ctx, end := context.WithTimeout(t.Context(), 5*time.Minute)
							defer end()
							bo.runContext(ctx, "watch", "--from-start")
						} else {
							bo.exits(exitPartly, "verify")
							bo.exits(exitPartly, "recv", "-n", "0", "--strict")
						}
						if says := bo.stderr.String(); !strings.Contains(says, "field1") || !strings.Contains(says, hidden) {
							t.Errorf("says\n%s", says)
						}
						if profile != plainText {
							class.relay.Inject(nil)
							bo.must("recv", "-n", "0", "--strict")
						}
						if out := bo.stdout.String(); strings.Count(out, "message ") != 3 {
							t.Errorf("prints\n%s\nand says\n%s", out, &bo.stderr)
						}
					})
				})
			}
		}
	}
}

// What was read and shown stays so when its fields are hidden for a while, and when more fields are shown.
func TestFieldsThatComeAndGoChangeNothing(t *testing.T) {
	for _, profile := range []string{signedText, plainText} {
		synctest.Test(t, func(t *testing.T) {
			class := newClass(t, relaytest.InBubble(t))
			ana, bo := class.device("127.0.0.1"), class.device("localhost")
			channel := ana.makeRoom(profile)
			for i := range 3 {
				ana.must("send", fmt.Sprint("message ", i+1))
			}
			bo.must("join", "lab", "--channel", fmt.Sprint(channel), "--profile", profile)
			time.AfterFunc(time.Minute, func() { class.relay.Inject(relaytest.RewriteRows(withoutField1)) })
			time.AfterFunc(90*time.Second, func() { class.relay.Inject(nil) })
			time.AfterFunc(2*time.Minute, func() { ana.must("send", "message 4") })
			ctx, end := context.WithTimeout(t.Context(), 10*time.Minute)
			defer end()
			bo.runContext(ctx, "watch", "--from-start")
			if out := bo.stdout.String(); strings.Count(out, "message ") != 4 {
				t.Errorf("prints\n%s", out)
			}
			for _, word := range []string{"rewrote", "cleared", "not shown", "missing"} {
				if strings.Contains(bo.stderr.String(), word) {
					t.Errorf("says\n%s", &bo.stderr)
				}
			}
		})
	}
}
