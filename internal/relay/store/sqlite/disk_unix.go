//go:build unix

package sqlite

import (
	"errors"
	"syscall"
)

// isFull reports whether an error says that a disk, or our share of it, is full.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
