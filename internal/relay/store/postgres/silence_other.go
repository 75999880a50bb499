//go:build !linux

package postgres

import "syscall"

// limitSilence does nothing here: deadlines and keepalive have to do.
func limitSilence(string, string, syscall.RawConn) error { return nil }
