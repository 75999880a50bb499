// Command fernpost is an end-to-end encrypted messenger that uses a ThingSpeak channel as its post box.
package main

import (
	"os"

	"github.com/fernpost/fernpost/internal/cli"
)

func main() { os.Exit(cli.Main()) }
