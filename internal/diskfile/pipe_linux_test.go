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

// hasReader reports whether somebody has a pipe open for reading, or waits to.
func hasReader(t *testing.T, name string) bool {
	t.Helper()
	w, err := os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err == nil {
		w.Close()
	}
	if err != nil && !errors.Is(err, syscall.ENXIO) {
		t.Fatal(err)
	}
	return err == nil
}

// Of each pipe that was given up a goroutine stayed, for as long as the program ran: a conversation gathered them.
func TestAPipeThatIsGivenUpLeavesNobodyWaiting(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := ReadFile(ctx, name, 10); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("reading it: %v", err)
		}
		cancel()
	}
	if hasReader(t, name) {
		t.Error("somebody still waits for a writer")
	}
}

// A pipe is read to its end also where its writer comes later than whoever reads it.
func TestAPipeWaitsForItsWriter(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() {
		w, err := os.OpenFile(name, os.O_WRONLY, 0) // once somebody reads
		if err == nil {
			_, err = io.WriteString(w, "hello")
			err = errors.Join(err, w.Close())
		}
		wrote <- err
	}()
	f, err := Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); string(got) != "hello" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}
