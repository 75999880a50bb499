package attachment

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/fernpost/fernpost/internal/record"
)

func TestSavingNeverReplacesAFile(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range []struct {
		content, want string
		there         bool
	}{{"one", "a.txt", false}, {"two", "a-2.txt", false}, {"one", "a.txt", true}, {"three", "a-3.txt", false}} {
		name, there, err := s.Save(record.File{Name: "../a.txt", Content: []byte(c.content)})
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
	s, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, want := range map[string]string{
		"link.txt": "link-2.txt", "dangling.txt": "dangling-2.txt", "folder": "folder-2", outside: "outside.txt",
	} {
		got, there, err := s.Save(record.File{Name: name, Content: []byte("mine")})
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

// A thousand files of one name were tried one by one, and the next one had no name.
func TestThousandFilesOfOneNameAreAllSaved(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const files = 1002
	for _, again := range []bool{false, true} {
		for i := range files {
			if _, there, err := s.Save(record.File{Name: "a.txt", Content: fmt.Append(nil, i)}); err != nil || there != again {
				t.Fatalf("file %d: was there %v (%v), want %v", i, there, err, again)
			}
		}
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != files {
		t.Errorf("%d files (%v)", len(all), err)
	}
}
