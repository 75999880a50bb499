package cli

import (
	"fmt"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// Whoever copied an address or a key out of a page or a mail, with what that had put in, was told that it must look otherwise.
func TestWhatWasPastedIsToldInWords(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	channel := fmt.Sprint(ana.makeRoom(quickSigned))
	key := ana.writeKey()
	for says, pasted := range map[string]string{
		"invisible character": "\u200b", "HTML entities": "&amp;", "quotes or brackets": ">",
	} {
		bo.env["FERNPOST_WRITE_KEY"] = key
		bo.exits(exitUsage, "join", "lab", "--channel", channel, "--profile", quickSigned, "--relay", relay.URL+pasted)
		bo.says(1, says)
		bo.env["FERNPOST_WRITE_KEY"] = key + pasted
		bo.exits(exitUsage, "join", "lab", "--channel", channel, "--profile", quickSigned)
		bo.says(1, says)
		bo.says(0, key)
	}
	bo.env["FERNPOST_WRITE_KEY"] = key
	for _, port := range []string{"http://127.0.0.1:", "http://127.0.0.1:99999"} {
		bo.exits(exitUsage, "join", "lab", "--channel", channel, "--relay", port)
		bo.says(1, "the port of the relay's address is a number from 1 to 65535")
	}
}
