package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// On a narrow terminal no line of ours is broken within a word, nothing is lost or added, and a table stays one that can be read.
func TestANarrowTerminalBreaksNoWord(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	channel := fmt.Sprint(ana.makeRoom(quickSigned))
	ana.must("identity", "name", "ana")
	ana.must("send", "hello")
	ana.must("gateway", "token", "add", "--room", "lab", "--read", "--write")
	ana.must("key", "rotate", "--generate")
	ana.must("send", "--queue", "a message that waits and takes more than one line")
	for _, command := range [][]string{
		{"rooms"},
		{"gateway", "token", "list"},
		{"rooms", "show", "lab", "--reveal"},
		{"key", "list"},
		{"outbox"},
		{"verify"},
		{"identity", "list"},
		{"identity", "show"},
		{"doctor"},
		{"eavesdrop", "--channel", channel},
		{"invite", "lab"},
		{"join", "other", "--channel", channel},
		{"rooms", "set", "lab", "--relay", "http://127.0.0.1:1"},
		{"init", "new", "--private", "--weak", "--profile", quickSigned},
	} {
		ana.screen, ana.terminal, ana.width = false, false, 0
		ana.run(command...)
		wide := ana.stdout.String() + ana.stderr.String()
		words := strings.Fields(wide)
		for _, width := range []int{30, 40, 60} {
			if command[0] == "init" {
				ana.must("rooms", "rename", "new", fmt.Sprint("new", width)) // the next one is another
			}
			ana.screen, ana.terminal, ana.width = true, true, width
			ana.env["NO_COLOR"], ana.env["TERM"], ana.env["LC_ALL"] = "1", "dumb", "C.UTF-8"
			ana.run(command...)
			narrow := ana.stdout.String() + ana.stderr.String()
			for line := range strings.Lines(narrow) {
				line = strings.TrimRight(line, "\n")
				longest := slices.MaxFunc(append(strings.Fields(line), ""), func(a, b string) int { return len(a) - len(b) })
				if columnsIn([]byte(line)) > width && len(longest)+20 <= width {
					t.Errorf("%v at %d columns: %q is wider", command, width, line)
				}
			}
			ana.screen, ana.terminal = false, false
			if command[0] != "doctor" && command[0] != "rooms" && command[0] != "invite" && command[0] != "init" {
				if got := strings.Fields(narrow); !slices.Equal(got, words) {
					t.Errorf("%v at %d columns says something else:\n%s\nnot\n%s", command, width, narrow, wide)
				}
			}
		}
	}
}

// A command that is too long for a line is broken so that a shell takes it as it stands.
func TestABrokenCommandIsOneForAShell(t *testing.T) {
	const command = "  fernpost join lab --relay http://127.0.0.1:3000 --channel 1234567 --read-key-file FILE"
	got := breakLines("others join by hand:\n"+command+"\n", 40)
	want := "others join by hand:\n  fernpost join lab --relay \\\n    http://127.0.0.1:3000 --channel \\\n    1234567 --read-key-file FILE\n"
	if got != want {
		t.Errorf("it is broken as\n%s", got)
	}
}

// FuzzBreakLines: strangers' words stand in lines of ours, and whatever they are, all of them stay.
func FuzzBreakLines(f *testing.F) {
	f.Add("  check words  unbent darkness oxidize\n", 20)
	f.Add("\x1b[1mbold\x1b[0m \x1b and a word that is longer than the line", 7)
	f.Add("漢字 漢字 漢字", 3)
	f.Fuzz(func(t *testing.T, text string, columns int) {
		columns = 1 + (columns&0xff+0xff)%0xff
		got := breakLines(text, columns)
		command := strings.Contains("\n"+text, "\n  fernpost ")
		if !command && !slices.Equal(strings.FieldsFunc(got, isBlank), strings.FieldsFunc(text, isBlank)) {
			t.Errorf("%q in %d columns is %q", text, columns, got)
		}
	})
}

func isBlank(r rune) bool { return r == ' ' || r == '\n' }
