// Command fernpost-relay serves a relay: what "fernpost relay" does, in a program that links no token or key code.
package main

import (
	"os"

	"github.com/fernpost/fernpost/internal/relay/relaycmd"
)

func main() { os.Exit(relaycmd.Main(os.Args[1:], os.Stdout, os.Stderr)) }
