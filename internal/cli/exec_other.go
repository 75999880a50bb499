//go:build !unix

package cli

import "os/exec"

// runTogether runs a command, and leaves it at the end of the command itself.
func runTogether(cmd *exec.Cmd) error { return cmd.Run() }
