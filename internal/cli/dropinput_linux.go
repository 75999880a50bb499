package cli

import "golang.org/x/sys/unix"

const (
	readTerminal = unix.TCGETS
	setDropping  = unix.TCSETSF
)
