package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// raw are words in which parsers of the libraries speak to programmers.
var raw = regexp.MustCompile(`strconv\.|invalid argument "|parsing "|parse "|json:|yaml:|time: (invalid|unknown|missing)|x509:|tls:|asn1:|illegal base64|unmarshal|` +
	`invalid character|unexpected end of JSON|netip\.|unknown unit|missing unit|invalid syntax|value out of range|ParseAddr|lookup |url:`)

// TestNoParserSpeaksToTheUser: a bad value of a flag was answered by what parsed it: "invalid argument", "strconv.ParseInt".
func TestNoParserSpeaksToTheUser(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(t.TempDir()) // some of the values name a file to be written
	values := map[string][]string{
		"bool": {"", "perhaps"}, "string": {"", "nonsense", "http://[::1", "é\x00%zz"}, "": {"", "nonsense", "-1", "1.5", "99999999999999999999"},
	}
	for i, text := range []string{"{", "a: [", "\x00\xff", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		name := filepath.Join(dir, fmt.Sprint("bad", i))
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		values["FILE"] = append(values["FILE"], name)
	}
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.env["FERNPOST_PROFILE"] = quickSigned
	ana.makeRoom(quickSigned)
	t.Setenv("HOME", ana.env["HOME"]) // which the relay's commands look up by themselves
	t.Setenv("XDG_DATA_HOME", "")
	// What would serve or follow until it is interrupted only reads its flags.
	forever := map[string]bool{
		"fernpost demo": true, "fernpost relay": true, "fernpost gateway": true, "fernpost relay check": true, "fernpost watch": true,
		"fernpost chat": true, "fernpost class": true, "fernpost web": true, "fernpost game": true,
	}
	call := func(args []string) {
		ana.stdout.Reset()
		ana.stderr.Reset()
		a := ana.app()
		a.status = &statusLine{to: a.stderr}
		a.input = a.stdin
		root := a.rootCommand()
		eachBelow(root, func(cmd *cobra.Command) {
			if forever[cmd.CommandPath()] {
				cmd.RunE = func(*cobra.Command, []string) error { return nil }
			}
		})
		a.execute(t.Context(), root, args)
		if said := raw.FindString(ana.stdout.String() + ana.stderr.String()); said != "" {
			t.Errorf("fernpost %q says %q:\n%s%s", args, said, &ana.stdout, &ana.stderr)
		}
	}
	seen := map[*pflag.Flag]bool{}
	eachBelow((&app{status: &statusLine{}}).rootCommand(), func(cmd *cobra.Command) {
		args := strings.Fields(cmd.CommandPath())[1:]
		for _, word := range strings.Fields(cmd.Use)[1:] {
			if strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
				args = append(args, filepath.Join(dir, "bad0"))
			}
		}
		try := func(f *pflag.Flag) {
			if !cmd.Runnable() || seen[f] { // one that is inherited
				return
			}
			seen[f] = true
			kind, _ := pflag.UnquoteUsage(f)
			bad, ok := values[f.Value.Type()]
			if !ok {
				bad = values[""]
			}
			for _, value := range slices.Concat(bad, values[kind]) {
				call(append(slices.Clone(args), "--"+f.Name+"="+value))
			}
		}
		cmd.NonInheritedFlags().VisitAll(try)
		cmd.InheritedFlags().VisitAll(try)
	})
}

// TestNoParserSpeaksOfAFile: neither does what reads settings, rooms, certificates and addresses.
func TestNoParserSpeaksOfAFile(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	t.Setenv("HOME", ana.env["HOME"])
	t.Setenv("XDG_DATA_HOME", "")
	write := func(name, text string) string {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	dir := t.TempDir()
	broken, settings := write(filepath.Join(dir, "broken"), "a: ["), write(filepath.Join(dir, "settings"), "\ntimeout: \"10s\nquiet: [")
	cert := write(filepath.Join(dir, "cert"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	key := write(filepath.Join(dir, "key"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	feed := write(filepath.Join(dir, "feed.csv"), "created_at,entry_id,field1\n")
	for _, tt := range []struct{ args, want string }{
		{"rooms --config " + settings, `settings:2: not YAML: want lines of the form "key: value"`},
		{"relay --listen 127.0.0.1:0 --tls-cert " + broken + " --tls-key " + key, "there is no certificate in " + broken},
		{"relay --listen 127.0.0.1:0 --tls-cert " + cert + " --tls-key " + cert, "there is no private key in " + cert},
		{"relay --listen 127.0.0.1:0 --tls-cert " + cert + " --tls-key " + key, "one of them is damaged"},
		{"relay check --relay http://[::1", "--relay http://[::1: want an address such as"},
		{"relay import --channel 1 --timezone ../x " + feed, "--timezone ../x: want the name of a zone"},
		{"relay --max-results many", "--max-results many: want a whole number"},
		{"relay --bulk-interval 5", "--bulk-interval 5: want a duration"},
		{"gateway --listen nonsense --key-file " + key, "--key-file: " + key + ": line 1: malformed Fernet key"},
		{"gateway --listen nonsense", "listening on nonsense: the port is lacking: want HOST:PORT"},
		{"socket send nonsense x", "nonsense is no address: want HOST:PORT"},
		{"recv --ttl 5", "--ttl 5: want a duration with its unit, such as 15s, 2h, 1d or 2w"},
	} {
		if code := ana.run(strings.Fields(tt.args)...); code == exitDone || !strings.Contains(ana.stderr.String(), tt.want) ||
			raw.MatchString(ana.stderr.String()) {
			t.Errorf("fernpost %s: exit %d, %s", tt.args, code, &ana.stderr)
		}
	}
	for file, args := range map[string]string{ana.home("rooms", "lab.json"): "recv", ana.home("rooms", ".identity"): "identity show"} {
		write(file, `{"a":`)
		if code := ana.run(strings.Fields(args)...); code != exitFailed || raw.MatchString(ana.stderr.String()) {
			t.Errorf("fernpost %s: exit %d, %s", args, code, &ana.stderr)
		}
	}
}
