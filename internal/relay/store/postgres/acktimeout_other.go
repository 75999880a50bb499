//go:build !linux

package postgres

import "syscall"

// limitUnacknowledged does nothing here: deadlines and keepalive have to do.
func limitUnacknowledged(string, string, syscall.RawConn) error { return nil }
