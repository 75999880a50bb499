//go:build unix

package cli

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// runTogether runs a command. When it is to end, or has ended and left something running that holds its output, all that it has
// started is asked to end, and made to after its WaitDelay.
func runTogether(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	asked := false
	cmd.Cancel = func() error {
		asked = true
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err := cmd.Wait()
	if !asked && errors.Is(err, exec.ErrWaitDelay) { // what is left would go on past any --exec-timeout
		asked = cmd.Cancel() == nil
	}
	if asked { // Wait has made the command itself end, no other
		for end := time.Now().Add(cmd.WaitDelay); time.Now().Before(end) && syscall.Kill(-cmd.Process.Pid, 0) == nil; {
			time.Sleep(20 * time.Millisecond)
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	return err
}
