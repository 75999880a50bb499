package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

func TestSavingNeverReplacesAFile(t *testing.T) {
	dir := t.TempDir()
	s, err := newSaver(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for _, c := range []struct {
		content, want string
		there         bool
	}{{"one", "a.txt", false}, {"two", "a-2.txt", false}, {"one", "a.txt", true}, {"three", "a-3.txt", false}} {
		name, there, err := s.save(record.File{Name: "../a.txt", Content: []byte(c.content)})
		if err != nil || name != c.want || there != c.there {
			t.Errorf("saving %q = %q, %v, %v, want %q, %v", c.content, name, there, err, c.want, c.there)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a.txt")); err != nil || string(b) != "one" {
		t.Errorf("a.txt holds %q (%v)", b, err)
	}
}

// What stands under a file's name already is neither written to nor read if it is no file: a link that leads
// elsewhere, a directory.
func TestSavingKeepsToItsDirectory(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside.txt")
	if err := os.WriteFile(outside, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link.txt")); err != nil {
		t.Skip("no symbolic links: ", err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling.txt")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := newSaver(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for name, want := range map[string]string{
		"link.txt": "link-2.txt", "dangling.txt": "dangling-2.txt", "folder": "folder-2", outside: "outside.txt",
	} {
		got, there, err := s.save(record.File{Name: name, Content: []byte("mine")})
		if err != nil || got != want || there {
			t.Errorf("saving %s = %q, %v, %v, want %q", name, got, there, err, want)
		}
	}
	if b, err := os.ReadFile(outside); err != nil || string(b) != "mine" {
		t.Errorf("what the link leads to holds %q (%v)", b, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a dangling link was written through")
	}
}

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

// A thousand files of one name were tried one by one, and the next one had no name.
func TestThousandFilesOfOneNameAreAllSaved(t *testing.T) {
	dir := t.TempDir()
	s, err := newSaver(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	const files = 1002
	for _, again := range []bool{false, true} {
		for i := range files {
			if _, there, err := s.save(record.File{Name: "a.txt", Content: fmt.Append(nil, i)}); err != nil || there != again {
				t.Fatalf("file %d: was there %v (%v), want %v", i, there, err, again)
			}
		}
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != files {
		t.Errorf("%d files (%v)", len(all), err)
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
