package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// Whoever gave something else for a key or a passphrase is told what it looks like, and nothing of it is repeated.
func TestWhatWasGivenForASecretIsToldByItsLook(t *testing.T) {
	const fernetKey = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	words, _, err := passphrase.Generate(passphrase.DefaultWords)
	if err != nil {
		t.Fatal(err)
	}
	ana.env["FERNPOST_PASSPHRASE"] = words
	channel := fmt.Sprint(ana.makeRoom(quickSigned))
	join := []string{"join", "lab", "--channel", channel, "--profile", quickSigned}
	key := ana.writeKey()
	six := strings.Fields(words)

	for given, says := range map[string]string{
		"1234567":                  "it has 7 characters and looks like the number of a channel",
		fernetKey:                  "it has 44 characters and looks like a Fernet key",
		words:                      "looks like a passphrase",
		strings.Join(six[:3], " "): "looks like check words",
		"fernpost:join#abc":        "looks like an invitation",
		"GET https://relay.example/update?api_key=" + key + "&field1=0": "looks like an address that has a key in it",
		"channel,key\n1,2\n": "looks like a file of 2 lines",
		key[:15]:             "it has 15 characters",
	} {
		bo.env["FERNPOST_WRITE_KEY"] = given
		bo.exits(exitUsage, join...)
		bo.says(1, says)
		bo.says(1, "such a key has 16 characters")
		bo.says(0, strings.TrimSpace(given))
	}
	delete(bo.env, "FERNPOST_WRITE_KEY")

	for given, says := range map[string]string{
		key:                                   "that looks like a key of a channel",
		channel:                               "that looks like the number of a channel",
		fernetKey:                             "that looks like a Fernet key",
		strings.Join(six[:3], " "):            "that looks like check words",
		strings.Join(six[:5], " "):            "that is 5 words, and fernpost generates 6",
		strings.Join(six[:5], " ") + " qqqqq": "word 6 is mistyped",
		strings.ReplaceAll(words, " ", "\n") + "\nx": "the passphrase was taken from 7 lines",
	} {
		bo.env["FERNPOST_PASSPHRASE"] = given
		bo.exits(exitNoKey, join...)
		bo.says(1, says)
		bo.says(0, given)
	}

	// A new room may have any passphrase, and its maker is told what it looks like.
	bo.env["FERNPOST_PASSPHRASE"] = key
	bo.must("init", "odd", "--weak", "--profile", quickSigned)
	bo.says(1, "this passphrase looks like a key of a channel")
	bo.env["FERNPOST_PASSPHRASE"] = words
	bo.must("init", "even", "--weak", "--profile", quickSigned)
	bo.says(0, "looks like")
}

// A secret on the command line is not taken, and how it is given is said; of other flags which one may be meant.
func TestAMistypedFlagIsToldInWords(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	for flag, says := range map[string]string{
		"--write-key=ABC": "say --write-key-file FILE", "--passphrase=maple": "say --passphrase-file FILE",
		"--chanel=7": "did you mean --channel?", "--realy=x": "did you mean --relay?", "-channel": "did you mean --channel?",
	} {
		ana.exits(exitUsage, "join", "lab", flag)
		ana.says(1, says)
	}
	ana.exits(exitUsage, "join", "lab", "--zzz")
	ana.says(0, "did you mean")
}

// Where no relay answers on this machine, the command that starts one names the port of the address in question.
func TestTheHintToStartARelayNamesItsPort(t *testing.T) {
	ana := newDevice(t, relaytest.New(t))
	ana.makeRoom(quickSigned)
	for address, says := range map[string]string{
		"http://127.0.0.1:1": `"fernpost relay --listen 127.0.0.1:1" starts one`, "http://[::1]:1": `"fernpost relay --listen [::1]:1" starts one`,
		"localhost": "starts one at http://127.0.0.1:3000, and an address needs the port as well",
	} {
		for _, command := range [][]string{
			{"init", "new", "--relay", address}, {"join", "new", "--channel", "7", "--relay", address}, {"rooms", "set", "lab", "--relay", address},
		} {
			if code := ana.run(command...); code != exitUnreachable {
				t.Errorf("%v ends with %d", command, code)
			}
			ana.says(1, says)
			ana.says(0, "rooms set ROOM") // it takes the address by itself
			ana.says(0, "bits")           // a passphrase comes once the relay answers
			if command[0] == "rooms" {
				ana.says(1, "--no-check changes the room without asking the relay")
			}
		}
	}
	ana.must("rooms", "set", "lab", "--relay", "http://127.0.0.1:1", "--no-check")
	ana.says(0, "hint")
	ana.exits(exitUnreachable, "recv")
	ana.says(1, `"fernpost relay --listen 127.0.0.1:1" starts one`)
	ana.says(1, `"fernpost rooms set lab --relay URL" goes to another`)
	ana.exits(exitUnreachable, "send", "hello")
	ana.says(1, `"fernpost outbox --retry --room lab" posts it then`)
	ana.says(1, `"fernpost relay --listen 127.0.0.1:1" starts one`)
	ana.says(1, `"fernpost rooms set lab --relay URL" goes to another`)
}

var regexpCommands = regexp.MustCompile(`(?m)^  fernpost (.*)$`)

// Whoever makes a room is told the ways by which others join, and each of them works as it stands.
func TestHowOthersJoinIsSaidByInit(t *testing.T) {
	relay := relaytest.New(t)
	for _, more := range [][]string{nil, {"--private"}} {
		ana, bo, cy := newDevice(t, relay), newDevice(t, relay), newDevice(t, relay)
		ana.makeRoom(quickSigned, more...)
		said := ana.stderr.String()
		commands := regexpCommands.FindAllStringSubmatch(said, -1)
		if len(commands) != 2 {
			t.Fatalf("%d commands are named: %s", len(commands), said)
		}
		ana.must(strings.Fields(commands[0][1])...)
		link := strings.TrimSpace(ana.stdout.String())
		bo.must("join", link)
		bo.must("send", "hello")

		join := strings.Fields(strings.ReplaceAll(commands[1][1], "'", ""))
		file := filepath.Join(t.TempDir(), "key")
		for i := range join {
			if join[i] == "FILE" {
				join[i] = file
			}
		}
		room, err := (&app{getenv: func(name string) string { return ana.env[name] }}).loadRoom("lab")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(room.ReadKey.Reveal()), 0o600); err != nil {
			t.Fatal(err)
		}
		cy.must(join...)
		cy.must("recv")
		cy.says(1, "hello")
	}
}
