package archive_test

import (
	"os"
	"slices"
	"testing"

	"github.com/fernpost/fernpost/internal/archive"
)

// What is noted while others take in what was noted before is taken in by the next one, also where two do so at once.
func TestNothingThatWasSentIsForgottenUnread(t *testing.T) {
	dir := t.TempDir()
	note := func(line string) {
		if err := archive.NoteSent(dir, "lab", []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	a, err := archive.OpenRoom(dir, "lab")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := archive.OpenRoom(dir, "lab")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	got := map[string]bool{}
	take := func(r *archive.Room, meanwhile func()) {
		if err := r.TakeSent(func(lines [][]byte) error {
			for _, l := range lines {
				got[string(l)] = true
			}
			meanwhile()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	note("one")
	take(a, func() {
		note("two")
		take(b, func() { note("three") })
	})
	take(b, func() {})
	if len(got) != 3 {
		t.Errorf("taken in: %v", got)
	}
	note("four")
	if err := archive.RemoveRoom(t.Context(), dir, "lab"); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || slices.ContainsFunc(left, func(e os.DirEntry) bool { return e.Name() != "lab.lock" }) {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
