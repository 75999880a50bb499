package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fernpost/fernpost/internal/testenv"
)

// blocks are the lines of a page that stand four blanks in.
func blocks(t *testing.T, page string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			lines = append(lines, command)
		}
	}
	return lines
}

// relayAddress is where a relay listens unless told otherwise.
const relayAddress = "127.0.0.1:3000"

// freePorts makes a script of lines, with free ports of this machine in the place of those that they name, and for the relay.
func freePorts(t *testing.T, lines []string) (script string) {
	t.Helper()
	script = strings.Join(lines, "")
	addresses := append(regexp.MustCompile(`127\.0\.0\.1:[0-9]+`).FindAllString(script, -1), relayAddress)
	slices.Sort(addresses)
	for _, address := range slices.Compact(addresses) {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer free.Close()
		script = strings.ReplaceAll(script, address, free.Addr().String())
		if address == relayAddress {
			script = fmt.Sprintf("export FERNPOST_LISTEN=%[1]s FERNPOST_RELAY=http://%[1]s\n", free.Addr()) + script
		}
	}
	return script
}

// The page used a key file and a token that it had not made: its blocks are run as one script, in an empty home.
func TestTutorialPage(t *testing.T) {
	script := freePorts(t, blocks(t, "../../examples/tutorial/README.md"))
	python := testenv.FindPython()
	dir := t.TempDir()
	page := "[!unix] skip 'its lines are of bash'\n[!exec:bash] skip 'no bash'\n[!python] skip 'no Python with cryptography'\n" +
		"[!curl] skip 'no curl and jq'\nsymlink examples -> $EXAMPLES\n" +
		"exec bash -e page.sh\nstdout -count=2 'hello from Python$'\nstdout '\"encrypted_data\": ?\"gAAAA'\nstdout 'hello from a socket$'\n" +
		"-- page.sh --\ntrap 'kill $(jobs -p)' EXIT\npython3() { command '" + python + "' \"$@\"; }\n" + script
	if err := os.WriteFile(filepath.Join(dir, "tutorial.txtar"), []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, scriptParams(dir))
}
