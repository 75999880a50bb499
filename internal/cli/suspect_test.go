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

// A row that a relay has shown once without its fields is asked for again, by the next recv and by a watch that goes on.
func TestRowShownBlankOnceComes(t *testing.T) {
	const missing = "1 message from ana missing (ana 2)"
	for name, read := range map[string]func(bo *device, honest func()){
		"recv": func(bo *device, honest func()) {
			bo.must("recv", "-n", "0")
			if got := bo.stderr.String(); !strings.Contains(got, missing) {
				t.Errorf("recv says\n%s", got)
			}
			honest()
			bo.must("recv", "-n", "0")
		},
		"watch": func(bo *device, honest func()) {
			ctx, end := context.WithTimeout(bo.t.Context(), 5*time.Minute)
			defer end()
			time.AfterFunc(2*time.Minute, honest)
			bo.runContext(ctx, "watch", "--from-start")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				class := newClass(t, relaytest.InBubble(t))
				ana, bo := class.device("127.0.0.1"), class.device("localhost")
				channel := ana.makeRoom(signedText)
				ana.must("identity", "name", "ana")
				for i := range 4 {
					ana.must("send", fmt.Sprint("message ", i+1))
					time.Sleep(20 * time.Second)
				}
				class.relay.Seed(t, channel, 150, func(int) thingspeak.Entry {
					time.Sleep(time.Second)
					return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text("21.5 °C")}}
				})
				bo.must("join", "lab", "--channel", fmt.Sprint(channel), "--profile", signedText)
				class.relay.Inject(relaytest.RewriteRows(func(row string) string {
					if c := strings.Split(row, ","); len(c) > 2 && c[1] == "2" {
						return strings.Join(c[:2], ",") + strings.Repeat(",", len(c)-2) + "\n"
					}
					return row
				}))
				read(bo, func() { class.relay.Inject(nil) })
				out, says := bo.stdout.String(), bo.stderr.String()
				if !strings.Contains(out, "message 2") || !strings.Contains(says, "no longer true: "+missing) {
					t.Errorf("prints\n%s\nand says\n%s", out, says)
				}
			})
		})
	}
}
