//go:build unix

package cli

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/testenv"
)

// A child that does not end when it is asked to ends all the same, and with it what it has started.
// So does what it has left behind and holds its output, which no limit would end.
func TestACommandLeavesNothingRunning(t *testing.T) {
	const stubborn = `(trap '' TERM; echo started; while :; do sleep 1; done) &`
	for _, line := range []string{stubborn + " wait", stubborn} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		cmd := exec.CommandContext(ctx, "sh", "-c", line)
		cmd.WaitDelay = 100 * time.Millisecond
		cmd.Stdout = writerFunc(func(b []byte) (int, error) {
			if line != stubborn {
				cancel()
			}
			return len(b), nil
		})
		if err := runTogether(cmd); err == nil {
			t.Errorf("%s: it has ended by itself", line)
		}
		awaitNothing(t, cmd.Process.Pid)
	}
}

// awaitNothing waits until nothing of a group of processes runs.
func awaitNothing(t *testing.T, group int) {
	t.Helper()
	runs := func() bool {
		all, err := exec.Command("ps", "-A", "-o", "pgid=,stat=").Output()
		if err != nil {
			testenv.Missing(t, "no program ps (Debian: procps)")
		}
		for line := range strings.Lines(string(all)) { // what was killed is there as a Z until somebody has heard of it
			f := strings.Fields(line)
			if len(f) == 2 && f[0] == strconv.Itoa(group) && !strings.HasPrefix(f[1], "Z") {
				return true
			}
		}
		return false
	}
	testenv.Await(t, "nothing of the command runs on", func() bool { return !runs() })
}

// What a stranger has written reached the terminal through a command such as cat.
func TestACommandHandsNoEscapesToTheTerminal(t *testing.T) {
	var stdout, stderr strings.Builder
	x := &execution{
		app:     &app{stdout: &stdout, stderr: &stderr, stdoutTerminal: true, stderrTerminal: true},
		command: []string{"sh", "-c", "tee /dev/stderr"}, timeout: time.Minute, room: "lab",
	}
	it := &model.Item{Unsigned: &model.Message{Kind: model.KindText, Text: "\x1b[2Jgrüße\u202e\a"}}
	if err := x.run(t.Context(), it); err != nil || x.failed > 0 {
		t.Fatal(err, stderr.String())
	}
	if want := "[2Jgrüße"; stdout.String() != want || stderr.String() != want {
		t.Errorf("shown is %q and %q, want %q", stdout.String(), stderr.String(), want)
	}
}
