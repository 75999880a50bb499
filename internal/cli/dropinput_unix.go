//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// dropInput drops what has come to a terminal and was not read.
func dropInput(f *os.File) {
	if settings, err := unix.IoctlGetTermios(int(f.Fd()), readTerminal); err == nil {
		_ = unix.IoctlSetTermios(int(f.Fd()), setDropping, settings)
	}
}
