package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// A message was shown as a second row of an entry, and then no more: verify alone said so.
func TestALostTwinIsTold(t *testing.T) {
	for name, look := range map[string]func(bo *device){
		"recv":  func(bo *device) { bo.run("recv") },
		"watch": func(bo *device) { bo.watchFor(time.Minute) },
	} {
		for _, plain := range []bool{false, true} {
			if plain && name == "recv" {
				continue // of a room of plain texts it remembers nothing
			}
			t.Run(fmt.Sprintf("%s/plain %t", name, plain), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					class := newClass(t, relaytest.InBubble(t))
					ana, bo := class.device("127.0.0.1"), class.device("localhost")
					profile := quickSigned
					if plain {
						profile = plainText
					}
					channel := ana.makeRoom(profile)
					bo.must("join", "lab", "--channel", fmt.Sprint(channel), "--profile", profile)
					for n := range 4 {
						ana.must("send", fmt.Sprint("message ", n+1))
						time.Sleep(20 * time.Second)
					}
					shown := true
					class.relay.Inject(relaytest.RewriteBody(func(body []byte) []byte {
						if !bytes.HasPrefix(body, []byte("created_at")) {
							if string(body) == "4" {
								return []byte("3")
							}
							return body
						}
						var out strings.Builder
						for row := range strings.Lines(string(body)) {
							if c := strings.SplitN(row, ",", 3); c[1] == "4" && shown {
								row = c[0] + ",3," + c[2]
							} else if c[1] == "4" {
								continue
							}
							out.WriteString(row)
						}
						return []byte(out.String())
					}))
					if name == "watch" {
						bo.watchFor(time.Minute, "--from-start")
					} else {
						bo.must("recv")
					}
					if out := bo.stdout.String(); !strings.Contains(out, "message 4") {
						t.Fatalf("prints\n%s\nand says\n%s", out, &bo.stderr)
					}
					shown = false
					ana.run("send", "message 5")
					time.Sleep(20 * time.Second)
					look(bo)
					if says := bo.stderr.String(); !strings.Contains(says, "the relay lost or rewrote entry 3") {
						t.Errorf("prints\n%s\nand says\n%s", &bo.stdout, says)
					}
				})
			})
		}
	}
}
