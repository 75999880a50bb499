//go:build unix

package cli

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/testenv"
)

// A child that does not end when it is asked to ends all the same, and with it what it has started.
func TestACommandLeavesNothingRunning(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", `(trap '' TERM; echo started; while :; do sleep 1; done) & wait`)
	cmd.WaitDelay = 100 * time.Millisecond
	var out strings.Builder
	cmd.Stdout = writerFunc(func(b []byte) (int, error) {
		cancel()
		return out.Write(b)
	})
	if err := runTogether(cmd); err == nil {
		t.Error("it has ended by itself")
	}
	runs := func() bool {
		all, err := exec.Command("ps", "-A", "-o", "pgid=,stat=").Output()
		if err != nil {
			testenv.Missing(t, "no program ps (Debian: procps)")
		}
		for line := range strings.Lines(string(all)) { // what was killed is there as a Z until somebody has heard of it
			f := strings.Fields(line)
			if len(f) == 2 && f[0] == strconv.Itoa(cmd.Process.Pid) && !strings.HasPrefix(f[1], "Z") {
				return true
			}
		}
		return false
	}
	testenv.Await(t, "nothing of the command runs on", func() bool { return !runs() })
}
