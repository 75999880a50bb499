//go:build !linux && !darwin && !freebsd

package serve

import "errors"

// freeBytes is not known here.
func freeBytes(string) (uint64, error) { return 0, errors.ErrUnsupported }

// writable is not known here; a write will tell.
func writable(string) error { return nil }

// maxOpenFiles is 0: not known.
func maxOpenFiles() int { return 0 }
