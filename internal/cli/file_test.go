package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

func TestAFileArrivesAsItWasSent(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom("fernpost")
	content := make([]byte, 20_000)
	for i := range content {
		content[i] = byte(i * i >> 3)
	}
	dir := t.TempDir()
	sent := filepath.Join(dir, "picture.png")
	if err := os.WriteFile(sent, content, 0o600); err != nil {
		t.Fatal(err)
	}
	ana.must("send", "--file", sent)
	ana.must("recv", "--save", filepath.Join(dir, "in"))
	if got := ana.stdout.String(); !strings.Contains(got, `[file "picture.png", 20000 bytes, saved as picture.png]`) {
		t.Errorf("recv prints %q", got)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "in", "picture.png")); err != nil || string(got) != string(content) {
		t.Errorf("what was saved differs (%v)", err)
	}
	if code := ana.run("send", "--file", filepath.Join(dir, "none")); code != exitUsage {
		t.Errorf("a file that is not there: exit %d", code)
	}
}

// A file that could not be saved ended recv, and what stood below it was not shown.
func TestAFileThatIsNotSavedHidesNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs a directory in which nobody can make files")
	}
	ana := newDevice(t, relaytest.New(t))
	ana.makeRoom(quickSigned)
	sent := filepath.Join(t.TempDir(), "a.txt")
	if err := os.WriteFile(sent, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	ana.must("send", "--file", sent)
	ana.must("send", "below it")
	if code := ana.run("recv", "--save", "/proc"); code != exitFailed || !strings.Contains(ana.stderr.String(), "1 file not saved") {
		t.Errorf("exit %d, %q", code, ana.stderr.String())
	}
	if got := ana.stdout.String(); !strings.Contains(got, "not saved: ") || !strings.Contains(got, "below it") {
		t.Errorf("prints %q", got)
	}
	if code := ana.run("recv", "--save", "/proc", "--json"); code != exitFailed {
		t.Errorf("--json: exit %d", code)
	}
	if got := ana.stdout.String(); !strings.Contains(got, `"finding":"not saved"`) || !strings.Contains(got, "below it") {
		t.Errorf("--json prints %q", got)
	}
}
