//go:build unix

package cli

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// Commands that were given a pipe which nobody writes did not hear the first Ctrl-C.
func TestAPipeThatNobodyWritesEndsWithTheCommand(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip("no named pipes: ", err)
	}
	d := newDevice(t, relaytest.New(t))
	d.makeRoom(quickSigned)
	for _, args := range [][]string{
		{"hash", pipe},
		{"join", "--qr", pipe},
		{"identity", "sign", pipe},
		{"identity", "open", pipe},
		{"identity", "check", pipe, "--signature", pipe},
		{"send", "--file", pipe},
		{"token", "encrypt", "--key-file", pipe},
		{"eavesdrop", "--csv", pipe},
		{"eavesdrop", "--pcap", pipe},
		{"eavesdrop", "replay", pipe},
		{"rooms", "import", pipe},
		{"join", "school", "--channel", "1", "--passphrase-file", pipe},
		{"eavesdrop", "guess", "--csv", pipe, "--mask", "?d"},
		{"eavesdrop", "guess", "--csv", pipe, "--wordlist", "x", "--rules", pipe},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		if code := d.runContext(ctx, args...); code != exitInterrupted {
			t.Errorf("%v ends with %d: %s", args, code, d.stderr.String())
		}
	}
}
