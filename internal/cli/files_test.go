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
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// fieldtest is a device with the room that the files of feed's testdata/cases were made for.
func fieldtest(t *testing.T) *device {
	t.Helper()
	d := newDevice(t, relaytest.New(t))
	d.env["FERNPOST_PASSPHRASE"] = "fieldtest passphrase one"
	d.makeRoom("tutorial", "--weak")
	return d
}

// caseFile is the path of one of these files.
func caseFile(name string) string { return filepath.Join("..", "feed", "testdata", "cases", name) }

// TestRecvFilesAsPeopleHaveThem: what opens is shown, what was assumed or left out is said, and the exit code is 3 where
// a row was left out.
func TestRecvFilesAsPeopleHaveThem(t *testing.T) {
	d := fieldtest(t)
	for _, tt := range []struct {
		file     string
		code     int
		messages int
		says     []string
	}{
		{"c01-semicolon-excel-de.csv", exitDone, 2, []string{"note: it is read as: separated by ';'"}},
		{"c03-utf16le-bom.csv", exitDone, 1, []string{"note: it is read as: UTF-16"}},
		{"c04-bom-crlf-trailing-blank-rows.csv", exitDone, 1, nil},
		{"c05-excel-us-dates.csv", exitDone, 1, []string{"note: dates without a zone are taken as UTC"}},
		{"c07-zone-names.csv", exitPartly, 2, []string{"line 4 is left out: created_at is in the zone IST", "not all rows of the file"}},
		{"c13-renamed-headers.csv", exitDone, 1, []string{`"Message" is field1`, `the column "Humidity" is ignored`}},
		{"c16-all-quoted-spaces.csv", exitDone, 1, nil},
		{"c24-json-saved-as-csv.csv", exitDone, 1, nil},
		{"c29-epoch-ms.csv", exitDone, 2, []string{"numbers since 1970"}},
		{"d01-dst-fold.csv", exitDone, 3, nil},
		{"i04-only-blank-row.csv", exitDone, 0, []string{"the file has no entries"}},
		{"i05-empty.csv", exitFailed, 0, []string{"i05-empty.csv: it is empty", "hint: download it again"}},
	} {
		for _, more := range [][]string{nil, {"-n", "0"}} {
			d.exits(tt.code, append([]string{"recv", "--csv", caseFile(tt.file)}, more...)...)
			if n := strings.Count(d.stdout.String(), "\n"); n != tt.messages {
				t.Errorf("%s: %d messages, want %d\n%s%s", tt.file, n, tt.messages, &d.stdout, &d.stderr)
			}
			for _, want := range tt.says {
				if !strings.Contains(d.stderr.String(), want) {
					t.Errorf("%s: it does not say %q:\n%s", tt.file, want, &d.stderr)
				}
			}
			if strings.Contains(d.stderr.String(), "relay") || strings.Contains(d.stderr.String(), "channel is empty") {
				t.Errorf("%s: it speaks of a relay:\n%s", tt.file, &d.stderr)
			}
		}
		text, err := os.ReadFile(caseFile(tt.file))
		if err != nil {
			t.Fatal(err)
		}
		d.stdin = string(text)
		d.exits(tt.code, "recv", "--csv", "-")
		if n := strings.Count(d.stdout.String(), "\n"); n != tt.messages {
			t.Errorf("%s on standard input: %d messages, want %d\n%s", tt.file, n, tt.messages, &d.stderr)
		}
		code := d.run("eavesdrop", "--csv", caseFile(tt.file), "--json")
		if n := strings.Count(d.stdout.String(), `"kind":"token"`); code != tt.code || n != tt.messages {
			t.Errorf("%s: eavesdrop sees %d tokens and exits %d, want %d, %d\n%s", tt.file, n, code, tt.messages, tt.code, &d.stderr)
		}
	}
}

// TestUnreadableRowsAreNoEmptyFile: where no row can be read that is said, five are named, and the exit code is 3.
func TestUnreadableRowsAreNoEmptyFile(t *testing.T) {
	d, signed := fieldtest(t), newDevice(t, relaytest.New(t))
	signed.makeRoom(quickSigned)
	file := filepath.Join(t.TempDir(), "feed.csv")
	if err := os.WriteFile(file, []byte("created_at,entry_id,field1\n"+strings.Repeat("someday,1,x\n", 8)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"recv"}, {"recv", "-n", "2"}, {"eavesdrop"}, {"verify"}} {
		for _, who := range []*device{d, signed} {
			if who == d && args[0] == "verify" {
				continue
			}
			who.exits(exitPartly, append(args, "--csv", file)...)
			said := who.stderr.String()
			for _, want := range []string{`line 2 is left out: created_at is not a date: "someday"`, "line 6 is", "3 more rows of the file could not be read"} {
				if !strings.Contains(said, want) {
					t.Errorf("%v does not say %q:\n%s", args, want, said)
				}
			}
			for _, never := range []string{"line 7", "empty", "no messages", "nothing to see"} {
				if strings.Contains(said, never) {
					t.Errorf("%v says %q:\n%s", args, never, said)
				}
			}
		}
	}
}

// TestDatesFlag: what the file leaves open is said, and --dates decides it.
func TestDatesFlag(t *testing.T) {
	d := fieldtest(t)
	text, err := os.ReadFile(caseFile("c05-excel-us-dates.csv"))
	if err != nil {
		t.Fatal(err)
	}
	d.stdin = strings.Replace(string(text), "11/14/2023", "03/04/2023", 1)
	d.must("recv", "--csv", "-", "--json")
	if !strings.Contains(d.stdout.String(), `"posted":"2023-03-04T22:14:00Z"`) || !strings.Contains(d.stderr.String(), "--dates dmy") {
		t.Errorf("%s%s", &d.stdout, &d.stderr)
	}
	d.must("recv", "--csv", "-", "--json", "--dates", "dmy")
	if !strings.Contains(d.stdout.String(), `"posted":"2023-04-03T22:14:00Z"`) || strings.Contains(d.stderr.String(), "--dates") {
		t.Errorf("%s%s", &d.stdout, &d.stderr)
	}
	d.exits(exitUsage, "recv", "--csv", "-", "--dates", "dym")
}

// TestDamagedAndDisguisedTokens: a token that was cut is called damaged in every wrapping, and one in a form that is not
// opened is not passed over in silence.
func TestDamagedAndDisguisedTokens(t *testing.T) {
	d := fieldtest(t)
	for file, want := range map[string]struct{ recv, eavesdrop string }{
		"c19-truncated-255.csv":  {"1 entry with a damaged token (entry 1)", "; 1 damaged token"},
		"t11-cut-wrapped.csv":    {"1 entry with a damaged token (entry 1)", "; 1 damaged token"},
		"t04-double-encoded.csv": {"1 entry with what looks like a token in base64 once more (entry 1): not opened", "looks like a token in base64 once more"},
		"t13-json.csv":           {"1 entry with what looks like a token inside JSON (entry 1): not opened", "looks like a token inside JSON"},
	} {
		d.must("recv", "--csv", caseFile(file))
		if !strings.Contains(d.stderr.String(), want.recv) || strings.Contains(d.stderr.String(), "not encrypted") {
			t.Errorf("%s: recv says\n%s", file, &d.stderr)
		}
		d.must("eavesdrop", "--csv", caseFile(file))
		if !strings.Contains(d.stderr.String(), want.eavesdrop) {
			t.Errorf("%s: eavesdrop says\n%s", file, &d.stderr)
		}
	}
}

// TestTokensInSeveralOtherForms: of two tokens in different forms both were said to stand in that of the first.
func TestTokensInSeveralOtherForms(t *testing.T) {
	d := fieldtest(t)
	text, err := os.ReadFile(caseFile("c01-semicolon-excel-de.csv"))
	if err != nil {
		t.Fatal(err)
	}
	wrapped := strings.Split(strings.Split(strings.TrimSpace(string(text)), "\n")[1], ";")[2]
	d.stdin = "created_at,entry_id,field1\n" +
		"2023-11-14 22:14:20 UTC,1,\u200b" + wrapped + "\n" +
		"2023-11-14 22:14:35 UTC,2," + strings.ReplaceAll(wrapped, "'", "&#39;") + "\n"
	d.must("recv", "--csv", "-")
	if want := "2 entries with what looks like a token in another form (entries 1–2): not opened"; !strings.Contains(d.stderr.String(), want) {
		t.Errorf("recv says\n%s", &d.stderr)
	}
	d.must("eavesdrop", "--csv", "-")
	if want := "(2 of them look like a token in another form)"; !strings.Contains(d.stderr.String(), want) {
		t.Errorf("eavesdrop says\n%s", &d.stderr)
	}
}

// TestTextsInAllFields: a room of texts shows the tokens of all fields of an entry, as one reading, and counts what is not encrypted.
func TestTextsInAllFields(t *testing.T) {
	d := fieldtest(t)
	text, err := os.ReadFile(caseFile("c01-semicolon-excel-de.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(string(text)), "\n")
	first, second := strings.Split(rows[1], ";")[2], strings.Split(rows[2], ";")[2]
	d.stdin = "created_at,entry_id,field1,field2,field8\n" +
		"2023-11-14 22:14:20 UTC,1," + first + ",21.5," + second + "\n" +
		"2023-11-14 22:14:35 UTC,2,hello,,\n2023-11-14 22:14:50 UTC,3,,," + strings.Repeat("in the clear ", 20) + "\n2023-11-14 22:15:00 UTC,4,,,\n"
	d.must("recv", "--csv", "-")
	if !strings.HasSuffix(d.stdout.String(), "  entry 1     field1=\"msg 1\" field8=\"msg 2\"\n") {
		t.Errorf("messages:\n%s", &d.stdout)
	}
	if !strings.Contains(d.stderr.String(), "2 entries that are not encrypted (entries 2–3), not shown") {
		t.Errorf("it says\n%s", &d.stderr)
	}
}

// TestPlainRowsInARoomOfRecords: rows of values beside the messages were passed over in silence, and a file of nothing else
// had "nothing wrong". They are counted once, from the relay as from a file.
func TestPlainRowsInARoomOfRecords(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	channel := ana.makeRoom(quickSigned)
	values := func(n int) {
		relay.Seed(t, channel, n, func(int) thingspeak.Entry {
			return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text("21.5"), thingspeak.Text(strings.Repeat("a long note ", 20))}}
		})
	}
	const says = "3 entries that are not encrypted (entries 1–3), not shown"
	expect := func(want string, code int, args ...string) {
		t.Helper()
		ana.exits(code, args...)
		if got := ana.stderr.String(); strings.Contains(got, "not encrypted") != (want != "") || !strings.Contains(got, want) {
			t.Errorf("%v says\n%s", args, got)
		}
	}
	values(3)
	alone := ana.feedOf(func(rows []string) []string { return rows })
	expect(says, exitDone, "recv")
	expect("", exitDone, "recv")
	expect(says, exitPartly, "verify")
	expect(says, exitDone, "recv", "--csv", alone)
	if got := ana.stderr.String(); !strings.Contains(got, "no messages among 3 entries") {
		t.Errorf("recv says\n%s", got)
	}
	expect(says, exitPartly, "verify", "--csv", alone)
	if got := ana.stdout.String(); strings.Contains(got, "nothing is wrong") {
		t.Errorf("verify prints\n%s", got)
	}

	// Beside messages they are no reason to doubt these.
	ana.must("send", "hello")
	values(1)
	expect("1 entry that is not encrypted (entry 5), not shown", exitDone, "recv")
	beside := ana.feedOf(func(rows []string) []string { return rows })
	for _, args := range [][]string{{"verify"}, {"verify", "--csv", beside}, {"recv", "--csv", beside, "--strict"}} {
		expect("4 entries that are not encrypted (among entries 1–5), not shown", exitDone, args...)
	}
}

// TestSendRefusesWhatIsNotUTF8: in every room, before anything is written.
func TestSendRefusesWhatIsNotUTF8(t *testing.T) {
	text, err := os.ReadFile("testdata/m01-latin1-message.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, profile := range []string{plainText, quickSigned} {
		d := newDevice(t, relaytest.New(t))
		d.makeRoom(profile)
		d.stdin = string(text)
		d.exits(exitUsage, "send", "-")
		if !strings.Contains(d.stderr.String(), "not UTF-8 text") || !strings.Contains(d.stderr.String(), "hint: ") {
			t.Errorf("%s: it says\n%s", profile, &d.stderr)
		}
		d.must("eavesdrop", "--room", "lab")
		if !strings.Contains(d.stderr.String(), "nothing to see") {
			t.Errorf("%s: something was written:\n%s", profile, &d.stdout)
		}
	}
}

// TestPassphraseFiles: a byte order mark is not typed, and UTF-16 is refused in words.
func TestPassphraseFiles(t *testing.T) {
	d := newDevice(t, relaytest.New(t))
	delete(d.env, "FERNPOST_PASSPHRASE")
	words := func(args ...string) string {
		d.must(append([]string{"init", "--profile", "tutorial", "--weak", "--json"}, args...)...)
		return regexp.MustCompile(`"check_words":"[^"]*"`).FindString(d.stdout.String())
	}
	with := words("marked", "--passphrase-file", "testdata/p01-passphrase-bom.txt")
	plain := filepath.Join(t.TempDir(), "plain.txt")
	if err := os.WriteFile(plain, []byte("grüne wiese am bach vorbei\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if without := words("plain", "--passphrase-file", plain); with == "" || with != without {
		t.Errorf("the check words are %q with a mark, %q without", with, without)
	}
	d.exits(exitUsage, "init", "wide", "--passphrase-file", "testdata/p02-passphrase-utf16.txt")
	if !strings.Contains(d.stderr.String(), "UTF-16") || !strings.Contains(d.stderr.String(), "save it as UTF-8") {
		t.Errorf("it says\n%s", &d.stderr)
	}
}

// TestJoinFindsTheGeneratedPassphrase: with capitals, commas and several blanks, under each profile, if it opens nothing as
// it was typed.
func TestJoinFindsTheGeneratedPassphrase(t *testing.T) {
	testenv.Unwatched(t)
	for _, profile := range []string{"tutorial", "fernpost"} {
		relay := relaytest.New(t)
		ana := newDevice(t, relay)
		phrase, _, err := passphrase.Generate(6)
		if err != nil {
			t.Fatal(err)
		}
		ana.env["FERNPOST_PASSPHRASE"] = phrase
		channel := ana.makeRoom(profile)
		ana.must("send", "hello")
		for _, typed := range []string{
			strings.ToUpper(phrase[:1]) + phrase[1:], strings.ReplaceAll(phrase, " ", ",  "),
		} {
			bo := newDevice(t, relay)
			bo.env["FERNPOST_PASSPHRASE"] = typed
			bo.must("join", "lab", "--channel", fmt.Sprint(channel))
			if !strings.Contains(bo.stderr.String(), "as it was generated") {
				t.Errorf("%s, %q: it says\n%s", profile, typed, &bo.stderr)
			}
			bo.must("recv")
			if !strings.Contains(bo.stdout.String(), "hello") {
				t.Errorf("%s, %q: it reads %q", profile, typed, &bo.stdout)
			}
		}
		eve := newDevice(t, relay)
		eve.env["FERNPOST_PASSPHRASE"] = strings.ReplaceAll(phrase, " ", ", ") + ", zebra"
		eve.exits(exitNoKey, "join", "lab", "--channel", fmt.Sprint(channel))
	}
}
