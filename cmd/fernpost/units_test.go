package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/fernpost/fernpost/internal/testenv"
)

// TestUnits: what examples/deploy has for systemd is what that takes.
func TestUnits(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		testenv.Missing(t, "no systemd-analyze (Debian: systemd)")
	}
	for unit, manager := range map[string]string{"fernpost-relay.service": "--system", "fernpost-gateway.service": "--user"} {
		text, err := os.ReadFile(filepath.Join("../../examples/deploy", unit))
		if err != nil {
			t.Fatal(err)
		}
		// It looks for the program, which is installed nowhere.
		text = bytes.ReplaceAll(text, []byte("=/usr/local/bin/fernpost"), []byte("=/bin/true fernpost"))
		dir := t.TempDir()
		file := filepath.Join(dir, unit)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := testenv.Command(t, "systemd-analyze", "verify", "--man=no", manager, file)
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}
}
