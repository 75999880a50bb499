package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// TestOnlyTokensMakeInitDoubt: a room beside a sensor's values is what people want, one beside somebody's messages mostly is
// not.
func TestOnlyTokensMakeInitDoubt(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	for name, fill := range map[string]func(channel int64){
		"empty": func(int64) {},
		"values": func(channel int64) {
			relay.Seed(t, channel, 3, func(int) thingspeak.Entry {
				return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text("21.5")}}
			})
		},
		"messages": func(channel int64) { strangers(t, relay, channel, 1, time.Now().Add(-time.Hour)) },
	} {
		channel := relay.CreateChannel(t, relaytest.AllFields(true))
		fill(channel.ID)
		ana.env["FERNPOST_WRITE_KEY"] = channel.WriteKey
		ana.must("init", name, "--channel", fmt.Sprint(channel.ID), "--profile", quickSigned)
		if got := ana.stderr.String(); strings.Contains(got, "holds a room already") != (name == "messages") {
			t.Errorf("%s: init says\n%s", name, got)
		}
	}
}
