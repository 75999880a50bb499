//go:build unix

package diskfile

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Whoever opened a pipe that nobody wrote to was deaf to Ctrl-C.
func TestAPipeThatNobodyWritesEndsWithTheCommand(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Skip("no named pipes: ", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := ReadFile(ctx, name, 10); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("opening and reading it: %v", err)
	}
	w, err := os.OpenFile(name, os.O_RDWR, 0) // it is written to from now on, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel = context.WithCancel(t.Context())
	f, err := Open(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.WriteString(w, "hello"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(f, make([]byte, 5)); err != nil {
		t.Errorf("reading what is there: %v", err)
	}
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := f.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("reading what does not come: %v", err)
	}
}
