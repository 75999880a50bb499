package archive

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

type position struct {
	Last int64 `json:"last"`
}

func open(t *testing.T) (*Archive, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a, dir
}

func TestPositionComesBack(t *testing.T) {
	a, dir := open(t)
	var p position
	if err := a.Load("lab", &p); !errors.Is(err, ErrNothing) {
		t.Errorf("Load of nothing = %v, want ErrNothing", err)
	}
	for _, n := range []int64{7, 8} {
		if err := a.Save("lab", position{n}); err != nil {
			t.Fatal(err)
		}
		if err := a.Load("lab", &p); err != nil || p.Last != n {
			t.Errorf("Load = %d, %v, want %d", p.Last, err, n)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("files left behind: %v (%v)", files, err)
	}
	info, err := os.Stat(filepath.Join(dir, "lab.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode().Perm(), err)
	}
}

func TestDamagedPositionIsAnError(t *testing.T) {
	a, dir := open(t)
	if err := os.WriteFile(filepath.Join(dir, "lab.json"), []byte(`{"last":`), 0o600); err != nil {
		t.Fatal(err)
	}
	var p position
	if err := a.Load("lab", &p); !errors.Is(err, ErrDamaged) {
		t.Errorf("Load = %v, want ErrDamaged", err)
	}
}
