package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// "identity open --out" that was killed left half a file under its final name, though there is to be the whole one or none.
func TestANewFileIsWholeOrNotThere(t *testing.T) {
	name := filepath.Join(t.TempDir(), "report.pdf")
	failed := errors.New("the disk is full")
	for _, end := range []error{failed, nil} {
		err := writeNew("out", name, 0o600, func(w io.Writer) error {
			if _, err := io.WriteString(w, "the first half"); err != nil {
				return err
			}
			if _, err := os.Lstat(name); !os.IsNotExist(err) {
				t.Errorf("half way the file is there: %v", err)
			}
			return end
		})
		if !errors.Is(err, end) {
			t.Errorf("writing: %v, want %v", err, end)
		}
		if _, err := os.Lstat(name); (err == nil) != (end == nil) {
			t.Errorf("after %v: %v", end, err)
		}
	}
	for name, says := range map[string]string{
		name: "is there already", t.TempDir() + "/": "names no file", filepath.Join(name, "x"): "--out: ",
		filepath.Join(t.TempDir(), "none", "x"): "no such file",
	} {
		err := writeNew("out", name, 0o600, func(io.Writer) error { t.Errorf("%s is written", name); return nil })
		if !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), says) {
			t.Errorf("writing %s: %v", name, err)
		}
	}
	if all, err := os.ReadDir(filepath.Dir(name)); err != nil || len(all) != 1 {
		t.Errorf("beside the file there are %v, %v", all, err)
	}
}
