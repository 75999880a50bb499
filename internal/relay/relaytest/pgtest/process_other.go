//go:build !linux

package pgtest

import (
	"errors"
	"fmt"
	"syscall"
)

func asUser(int, int) (*syscall.SysProcAttr, error) {
	return nil, fmt.Errorf("running as another user: %w", errors.ErrUnsupported)
}

func hold(int) ([]int, error) {
	return nil, fmt.Errorf("finding a server's processes: %w", errors.ErrUnsupported)
}

func letGo(int) error { return nil }
