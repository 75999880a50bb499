//go:build unix

package cli

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// endTogether has a command end with all that it has started, when it is to end: it is asked to, and after a while made to.
func endTogether(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
}
