package cli

import (
	"os"
	"os/signal"
)

// The first call that waits for a signal starts a goroutine for all: in a bubble of testing/synctest it would end the process, once
// another test waits for one outside.
func init() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	signal.Stop(signals)
}
