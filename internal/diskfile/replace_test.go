package diskfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A file that is replaced is the one before or the next one, whole, whatever ends the writing, and nothing else is left.
func TestReplaceKeepsTheFileBeforeUntilTheNextIsWhole(t *testing.T) {
	name := filepath.Join(t.TempDir(), "session")
	failed := errors.New("the disk is full")
	for _, step := range []struct {
		text, want string
		fails      error
	}{{"one", "one", nil}, {"tw", "one", failed}, {"two", "two", nil}} {
		err := Replace(name, func(f *os.File) error {
			_, err := f.WriteString(step.text)
			return errors.Join(err, step.fails)
		})
		if !errors.Is(err, step.fails) {
			t.Errorf("writing %q: %v", step.text, err)
		}
		if got, err := os.ReadFile(name); string(got) != step.want || err != nil {
			t.Errorf("after %q there is %q, %v", step.text, got, err)
		}
		if all, err := os.ReadDir(filepath.Dir(name)); len(all) != 1 || err != nil {
			t.Errorf("after %q there are %v, %v", step.text, all, err)
		}
	}
	if err := Replace(filepath.Join(filepath.Dir(name), "none", "x"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("where there is no directory: %v", err)
	}
}
