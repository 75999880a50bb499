package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// What newcomers type in place of what they mean is refused with the way to say it.
func TestWhatNewcomersTypeIsRefusedWithTheWayToSayIt(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	channel := fmt.Sprint(ana.makeRoom(quickSigned))
	dir := t.TempDir()
	file := filepath.Join(dir, "key.csv")
	if err := os.WriteFile(file, []byte("Write API Key;0PMVFFL3L2JQQ9M7\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		says string
		args []string
	}{
		{"my-room would be possible", []string{"init", "My Room"}},
		{"lab2 would be possible", []string{"rooms", "rename", "lab", "Lab2!"}},
		{`did you mean "fernpost join lab2 --channel ` + channel + `"?`, []string{"join", "lab2", channel}},
		{`did you mean "fernpost join ROOM --channel ` + channel + `"?`, []string{"join", channel}},
		{`did you mean "fernpost join ROOM --relay ` + relay.URL + " --channel " + channel + `"?`, []string{"join", relay.URL + "/channels/" + channel}},
		{`did you mean "fernpost join ROOM --relay ` + relay.URL + " --channel " + channel, []string{"join", relay.URL + "/channels/" + channel + "/feeds.csv"}},
		{`did you mean "fernpost eavesdrop --channel ` + channel + `"?`, []string{"eavesdrop", channel}},
		{"comes from --passphrase-file FILE", []string{"key", "add", "maple"}},
		{"did you mean --room?", []string{"recv", "-room", "lab"}},
		{`"fernpost rooms" alone lists this device's rooms`, []string{"rooms", "list"}},
		{dir + " is a directory, and no file", []string{"rooms", "set", "lab", "--write-key-file", dir}},
		{dir + " is a directory, and no file", []string{"send", "--file", dir}},
		{dir + " is a directory, and no file", []string{"invite", "lab", "--recipients", dir}},
		{dir + " is a directory, and no file", []string{"join", "--qr", dir}},
		{dir + " is a directory, and no file", []string{"hash", dir}},
		{"there are blanks in it: leave out what does not belong to it", []string{"rooms", "set", "lab", "--write-key-file", file}},
	} {
		ana.exits(exitUsage, c.args...)
		ana.says(1, c.says)
		ana.says(0, "shell's history")
	}
	// A blank that was pasted with the number is none of it.
	ana.must("init", "other", "--channel", channel+" ", "--profile", quickSigned)
	ana.exits(exitRefused, "join", "another", "--channel", "1234567890")
	ana.says(1, "hint: is that the channel's number, and this relay's?")
}
