//go:build !linux

package main

import "github.com/rogpeppe/go-internal/testscript"

func cmdTerminal(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Fatalf("terminal: only on Linux; let the script begin with [!linux] skip")
}
