//go:build unix

package tui

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A pipe that nobody wrote to held up all that was typed after it, until the room was left.
func TestAPipeThatNobodyWritesHoldsUpNoMessage(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Skip("no named pipes: ", err)
	}
	_, err := readFile(t.Context(), name, 20*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "has not come to its end within 20ms, so it was not sent") {
		t.Errorf("reading it: %v", err)
	}
}
