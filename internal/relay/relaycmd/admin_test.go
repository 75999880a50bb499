package relaycmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaycmd"
	"github.com/fernpost/fernpost/internal/relay/relaytest/pgtest"
	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
	driver "github.com/fernpost/fernpost/internal/sqlite"
	"github.com/fernpost/fernpost/internal/testenv"
)

// beside is a relay that serves, and whose data commands work on meanwhile.
type beside struct {
	*testing.T
	// dir holds the data, unless database is the URL of what does.
	dir, database string
	url           string
}

func serveBeside(t *testing.T) *beside {
	t.Helper()
	return (&beside{T: t, dir: t.TempDir()}).serve()
}

func (b *beside) serve() *beside {
	b.Helper()
	r := start(b.T, serve.Options{Data: b.dir, Store: b.database})
	b.Cleanup(func() {
		if err := r.Close(); err != nil {
			b.Error(err)
		}
	})
	b.url = r.URL()
	return b
}

// onEachEngine runs a test beside a relay on each engine.
func onEachEngine(t *testing.T, test func(*testing.T, *beside)) {
	t.Run("sqlite", func(t *testing.T) { test(t, serveBeside(t)) })
	t.Run("postgres", func(t *testing.T) {
		test(t, (&beside{T: t, database: pgtest.Shared(t).Database(t)}).serve())
	})
}

// run runs a command, which has to end with the exit code.
func (b *beside) run(code int, args ...string) (stdout, stderr string) {
	b.Helper()
	var out, talk bytes.Buffer
	place := []string{"--data", b.dir}
	if b.database != "" {
		place = []string{"--store", b.database}
	}
	if got := relaycmd.Main(append(args, place...), &out, &talk); got != code {
		b.Fatalf("%v: exit code %d, want %d\n%s%s", args, got, code, &out, &talk)
	}
	return out.String(), talk.String()
}

// channel is a channel as the API tells of it.
type channel struct {
	ID   int64
	Keys []struct {
		Text string `json:"api_key"`
	} `json:"api_keys"`
}

func (b *beside) create(settings url.Values) channel {
	b.Helper()
	r, err := http.PostForm(b.url+"/channels.json", settings)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Body.Close()
	var c channel
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil || len(c.Keys) != 2 {
		b.Fatalf("creating a channel: %+v, %v", c, err)
	}
	return c
}

// post writes an update and returns the answer.
func (b *beside) post(values url.Values) string {
	b.Helper()
	return get(b.T, b.url+"/update?"+values.Encode())
}

func (b *beside) write(name, text string) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

func TestUserCommands(t *testing.T) { onEachEngine(t, testUserCommands) }

func testUserCommands(t *testing.T, b *beside) {
	out, _ := b.run(0, "user", "add", "ana")
	key := strings.TrimSpace(out)
	c := b.create(url.Values{"api_key": {key}, "name": {"hers"}})
	out, _ = b.run(0, "user", "show", "ana", "--json")
	var shown struct {
		Name, UserKey string
		Channels      int
	}
	if err := json.Unmarshal([]byte(strings.Replace(out, "user_key", "userkey", 1)), &shown); err != nil ||
		shown.Name != "ana" || shown.UserKey != key || shown.Channels != 1 {
		t.Errorf("shown as %s: %+v, %v", out, shown, err)
	}
	out, _ = b.run(0, "user", "renew", "ana")
	renewed := strings.TrimSpace(out)
	// What goes into a file for --user-key-file, to the byte.
	if out, _ = b.run(0, "user", "show", "ana", "--key"); out != renewed+"\n" {
		t.Errorf("the key alone is %q", out)
	}
	if got := get(t, b.url+"/channels.json?api_key="+key); !strings.Contains(got, "error_auth_required") {
		t.Errorf("the old key still opens %s", got)
	}
	if got := get(t, b.url+"/channels.json?api_key="+renewed); !strings.Contains(got, `"name":"hers"`) {
		t.Errorf("the new key opens %s", got)
	}
	for _, args := range [][]string{
		{"user", "remove", "ana"},
		{"user", "remove", "local"},
		{"user", "remove", "nobody"},
		{"user", "renew", "nobody"},
		{"user", "show", "nobody"},
		{"user", "add", "ana"},
		{"user", "add", ""},
		{"user", "add", "a\x1bb"},
		{"user", "add", strings.Repeat("x", 101)},
	} {
		b.run(1, args...)
	}
	for _, args := range [][]string{
		{"user", "add"}, {"user", "add", "a", "b"}, {"user", "remove"}, {"user", "add", "--nonsense"},
	} {
		b.run(2, args...)
	}
	b.run(0, "user", "remove", "ana", "--delete-channels")
	if got := get(t, b.url+"/channels.json?api_key="+renewed); !strings.Contains(got, "error_auth_required") {
		t.Errorf("the key of a removed account opens %s", got)
	}
	if got := b.post(url.Values{"api_key": {c.Keys[0].Text}}); got != "0" {
		t.Errorf("a removed channel answers %q", got)
	}
}

func TestKeyCommands(t *testing.T) { onEachEngine(t, testKeyCommands) }

func testKeyCommands(t *testing.T, b *beside) {
	c := b.create(url.Values{"name": {"\x1b[31mred \u202eeman"}, "public_flag": {"false"}})
	id := fmt.Sprint("--channel=", c.ID)
	list := func() (k struct {
		Name, Account string
		WriteKey      string   `json:"write_key"`
		ReadKeys      []string `json:"read_keys"`
	},
	) {
		t.Helper()
		out, _ := b.run(0, "key", "list", id, "--json")
		if err := json.Unmarshal([]byte(out), &k); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		return k
	}
	reads := func(key string) bool {
		t.Helper()
		return get(t, fmt.Sprintf("%s/channels/%d/feeds.csv?api_key=%s", b.url, c.ID, key)) != "-1"
	}
	first := list()
	if first.WriteKey != c.Keys[0].Text || len(first.ReadKeys) != 1 || first.Account != "local" || !reads(first.ReadKeys[0]) {
		t.Errorf("the keys are %+v", first)
	}
	out, _ := b.run(0, "key", "new-read", id)
	if second := strings.TrimSpace(out); !reads(second) || !reads(first.ReadKeys[0]) {
		t.Error("beside the new read key one of both does not read")
	}
	if n := len(list().ReadKeys); n != 2 {
		t.Errorf("there are %d read keys", n)
	}
	out, _ = b.run(0, "key", "renew-read", id)
	if third := strings.TrimSpace(out); !reads(third) || reads(first.ReadKeys[0]) || len(list().ReadKeys) != 1 {
		t.Error("after renewal the wrong read keys read")
	}
	if got := b.post(url.Values{"api_key": {first.WriteKey}}); got != "1" {
		t.Fatalf("the write key writes %q", got)
	}
	out, _ = b.run(0, "key", "renew-write", id)
	if got := b.post(url.Values{"api_key": {first.WriteKey}}); got != "0" {
		t.Errorf("the old write key writes %q", got)
	}
	if got := b.post(url.Values{"api_key": {strings.TrimSpace(out)}}); got != "2" {
		t.Errorf("the new write key writes %q", got)
	}
	out, _ = b.run(0, "key", "list")
	if !strings.Contains(out, fmt.Sprint(c.ID)) || !strings.Contains(out, "private") || strings.ContainsAny(out, "\x1b\u202e") {
		t.Errorf("the list is %q", out)
	}
	b.run(1, "key", "list", "--channel", "1")
	b.run(1, "key", "renew-write", "--channel", "1")
	for _, args := range [][]string{{"key", "new-read"}, {"key", "new-read", "--channel", "x"}, {"key", "list", "x"}} {
		b.run(2, args...)
	}
}

// TestExportAndImport: what is exported and imported is the same, values with everything in them included.
func TestExportAndImport(t *testing.T) { onEachEngine(t, testExportAndImport) }

func testExportAndImport(t *testing.T, b *beside) {
	labels := url.Values{"field1": {"a"}, "field3": {"c"}, "public_flag": {"true"}}
	from, to := b.create(labels), b.create(labels)
	for i, v := range []string{"plain", "a,b", `"quoted"`, "two\nlines", "two\r\nlines", " blanks ", "umläut \u202e", ""} {
		values := url.Values{
			"api_key": {from.Keys[0].Text}, "field1": {v}, "field2": {"not enabled"}, "field3": {fmt.Sprint(i)},
			"created_at": {fmt.Sprintf("2026-01-0%d 10:00:00", 8-i)},
		}
		if i%2 == 0 {
			values.Set("status", "ok")
			values.Set("lat", "48.2")
			values.Set("long", "-16.4")
			values.Set("elevation", "high, \"up\"")
		}
		if got := b.post(values); got != fmt.Sprint(i+1) {
			t.Fatalf("update %d: %q", i, got)
		}
	}
	source := fmt.Sprint("--channel=", from.ID)
	out, _ := b.run(0, "export", source)
	if begin := "created_at,entry_id,field1,field3,latitude,longitude,elevation,status\n" +
		"2026-01-08 10:00:00 UTC,1,plain,0,48.2,-16.4,\"high, \"\"up\"\"\",ok\n" +
		"2026-01-07 10:00:00 UTC,2,\"a,b\",1,,,,\n"; !strings.HasPrefix(out, begin) {
		t.Errorf("the export is\n%s", out)
	}
	file := filepath.Join(t.TempDir(), "feeds.csv")
	_, talk := b.run(0, "export", source, file)
	if written, err := os.ReadFile(file); err != nil || string(written) != out || !strings.Contains(talk, "8 rows") {
		t.Errorf("the file differs from what goes to standard output: %v, %s", err, talk)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
	target := fmt.Sprint("--channel=", to.ID)
	_, talk = b.run(0, "import", target, file)
	if !strings.Contains(talk, "8 rows stored, 0 were there already") {
		t.Errorf("the import says %q", talk)
	}
	if again, _ := b.run(0, "export", target); again != out {
		t.Errorf("after the import:\n%s\nwas:\n%s", again, out)
	}
	_, talk = b.run(0, "import", target, file)
	if !strings.Contains(talk, "0 rows stored, 8 were there already") {
		t.Errorf("the second import says %q", talk)
	}
	// The serving relay goes on from there.
	if got := b.post(url.Values{"api_key": {to.Keys[0].Text}, "field1": {"next"}}); got != "9" {
		t.Errorf("the next update is entry %q", got)
	}
	if got := get(t, fmt.Sprintf("%s/channels/%d/feeds.csv?results=1", b.url, to.ID)); !strings.Contains(got, ",9,next,") {
		t.Errorf("the newest entry is %q", got)
	}
}

// TestExportOfDamagedData: a feed that has lost an entry is not said to have been cleared.
func TestExportOfDamagedData(t *testing.T) {
	b := serveBeside(t)
	c := b.create(url.Values{"field1": {"a"}})
	for range 3 {
		b.post(url.Values{"api_key": {c.Keys[0].Text}, "field1": {"x"}})
	}
	db, err := driver.Open(filepath.Join(b.dir, sqlite.FileName), driver.Settings{Wait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Exec("DELETE FROM entries WHERE number = 2"), db.Close()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "feeds.csv")
	_, talk := b.run(1, "export", fmt.Sprint("--channel=", c.ID), file)
	if !strings.Contains(talk, "of the entries 1 to 3 only 2 are there: the data is damaged") {
		t.Errorf("the export says %q", talk)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
}

func TestImportOfOtherFiles(t *testing.T) {
	for _, tt := range []struct {
		name, text, want string
		args             []string
	}{
		{"dates of all kinds", "created_at,field1\n" +
			"1700000000,a\n2026-01-01T00:00:00+02:00,b\n2026-01-01 10:00,c\n2026-1-2,d\n", "" +
			"2023-11-14 22:13:20 UTC,1,a\n2025-12-31 22:00:00 UTC,2,b\n" +
			"2026-01-01 10:00:00 UTC,3,c\n2026-01-02 00:00:00 UTC,4,d\n", nil},
		{"a zone", "created_at,field1\n2026-07-01 10:00:00,a\n2026-07-01 10:00:00 UTC,b\n", "" +
			"2026-07-01 08:00:00 UTC,1,a\n2026-07-01 10:00:00 UTC,2,b\n", []string{"--timezone", "Europe/Vienna"}},
		{
			"columns in any order, CRLF, a byte order mark, no last line end",
			"\ufefffield1,entry_id,created_at\r\nx,77,2026-01-01\r\ny,78,2026-01-02",
			"2026-01-01 00:00:00 UTC,1,x\n2026-01-02 00:00:00 UTC,2,y\n", nil,
		},
		{
			"the same row twice", "created_at,field1\n2026-01-01,x\n2026-01-01,x\n",
			"2026-01-01 00:00:00 UTC,1,x\n2026-01-01 00:00:00 UTC,2,x\n", nil,
		},
		{"no rows", "created_at,field1\n", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := serveBeside(t)
			c := b.create(url.Values{"field1": {"a"}, "public_flag": {"true"}})
			args := append([]string{"import", fmt.Sprint("--channel=", c.ID), b.write("in.csv", tt.text)}, tt.args...)
			b.run(0, args...)
			b.run(0, args...) // which changes nothing
			got := get(t, fmt.Sprintf("%s/channels/%d/feeds.csv", b.url, c.ID))
			if got != "created_at,entry_id,field1\n"+tt.want {
				t.Errorf("the feed is\n%s", got)
			}
		})
	}
}

// TestImportOfFilesAsPeopleHaveThem: what spreadsheets and scripts make of a feed is stored as it was, and what had to be
// assumed is said.
func TestImportOfFilesAsPeopleHaveThem(t *testing.T) {
	const first = "2023-11-14 22:14:20 UTC,1,b'gAAAAABlU_E8MqWl"
	b := serveBeside(t)
	for _, tt := range []struct {
		file  string
		code  int
		rows  []string // their beginnings
		says  string
		extra []string
	}{
		{"c01-semicolon-excel-de.csv", 0, []string{first, "2023-11-14 22:15:20 UTC,2,b'gAAAAABlU_F4"}, "separated by ';'", nil},
		{"c03-utf16le-bom.csv", 0, []string{first}, "UTF-16", nil},
		{"c04-bom-crlf-trailing-blank-rows.csv", 0, []string{first}, "", nil},
		{"c05-excel-us-dates.csv", 0, []string{"2023-11-14 22:14:00 UTC,1,b'gAAAAABlU_E8"}, "zone are taken as UTC", nil},
		{"c05-excel-us-dates.csv", 0, []string{"2023-11-14 21:14:00 UTC,1,b'gAAAAABlU_E8"}, "", []string{"--timezone", "Europe/Vienna"}},
		{"c07-zone-names.csv", 1, nil, "c07-zone-names.csv:4: created_at is in the zone IST", nil},
		{"c13-renamed-headers.csv", 0, []string{first}, `"Message" is field1`, nil},
		{"c16-all-quoted-spaces.csv", 0, []string{first}, "", nil},
		{"c24-json-saved-as-csv.csv", 0, []string{first}, "", nil},
		{"c29-epoch-ms.csv", 0, []string{first, "2023-11-14 22:15:20 UTC,2,b'gAAAAABlU_F4"}, "", nil},
		{"i03-wide-into-one-field-channel.csv", 0, []string{"2024-01-01 00:00:00 UTC,1,a"}, "field2, field8 are stored, but the channel does not show them", nil},
		{"i04-only-blank-row.csv", 0, nil, "0 rows stored", nil},
		{"i05-empty.csv", 1, nil, "it is empty", nil},
	} {
		c := b.create(url.Values{"field1": {"a"}, "public_flag": {"true"}})
		file := filepath.Join("..", "..", "feed", "testdata", "cases", tt.file)
		args := append([]string{"import", fmt.Sprint("--channel=", c.ID), file}, tt.extra...)
		_, talk := b.run(tt.code, args...)
		if !strings.Contains(talk, tt.says) || strings.Contains(talk, "reply") {
			t.Errorf("%s: it says\n%s", tt.file, talk)
		}
		b.run(tt.code, args...) // which changes nothing
		got := strings.Split(strings.TrimSpace(get(t, fmt.Sprintf("%s/channels/%d/feeds.csv", b.url, c.ID))), "\n")[1:]
		if len(got) != len(tt.rows) {
			t.Errorf("%s: the feed has the rows %q, want %q", tt.file, got, tt.rows)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], tt.rows[i]) {
				t.Errorf("%s: row %q, want %q…", tt.file, got[i], tt.rows[i])
			}
		}
	}
}

// TestImportOfStandardInput: what comes on standard input is checked as a whole before it is stored, too.
func TestImportOfStandardInput(t *testing.T) {
	b := serveBeside(t)
	c := b.create(url.Values{"field1": {"a"}, "public_flag": {"true"}})
	run := func(text string) (talk string, err error) {
		var out bytes.Buffer
		cmd := relaycmd.NewCommand()
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs([]string{"import", fmt.Sprint("--channel=", c.ID), "-", "--data", b.dir})
		cmd.SetIn(strings.NewReader(text))
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		err = cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	if talk, err := run("created_at,field1\n2026-01-01,x\nnever,y\n"); err == nil || !strings.Contains(talk, "standard input:3: ") {
		t.Errorf("of a bad row it says %q, %v", talk, err)
	}
	if talk, err := run("created_at,field1\n2026-01-01,x\n2026-01-02,y"); err != nil || !strings.Contains(talk, "2 rows stored") {
		t.Errorf("it says %q, %v", talk, err)
	}
}

// TestHintsNameTheData: a command that a hint names works on the data that was named, not on that of another relay.
func TestHintsNameTheData(t *testing.T) {
	b := serveBeside(t)
	for list, args := range map[string][]string{
		"relay key list": {"device", "add", "--channel=7", "--publish"}, "relay user show": {"user", "renew", "nobody"},
		"relay device list": {"device", "renew", "none"},
	} {
		if _, talk := b.run(1, args...); !strings.Contains(talk, list+" --data "+b.dir) && !strings.Contains(talk, list+" --store ") {
			t.Errorf("%v says\n%s", args, talk)
		}
	}
}

// TestImportTakesLabelsForFields: columns may be called as the channel calls its fields.
func TestImportTakesLabelsForFields(t *testing.T) {
	b := serveBeside(t)
	c := b.create(url.Values{"field1": {"Humidity"}, "field2": {"Temp"}, "public_flag": {"true"}})
	target := fmt.Sprint("--channel=", c.ID)
	file := b.write("in.csv", "created_at;temp;Humidity\n03/04/2024 10:00;21,5;40\n")
	if _, talk := b.run(1, "import", target, file); !strings.Contains(talk, "--dates mdy or --dates dmy says which") {
		t.Errorf("with dates in either order it says\n%s", talk)
	}
	b.run(0, "import", target, file, "--dates", "dmy")
	if got := get(t, fmt.Sprintf("%s/channels/%d/feeds.csv", b.url, c.ID)); !strings.Contains(got, "2024-04-03 10:00:00 UTC,1,40,\"21,5\"\n") {
		t.Errorf("the feed is\n%s", got)
	}
}

// TestImportThatCannotBe: every bad row is named with its line, and nothing is stored.
func TestImportThatCannotBe(t *testing.T) {
	b := serveBeside(t)
	c := b.create(url.Values{"field1": {"a"}})
	target := fmt.Sprint("--channel=", c.ID)
	good := "created_at,field1\n2026-01-01,fine\n"
	for _, tt := range []struct {
		name, text string
		says       []string
	}{
		{"bad rows", good + "never,x\n2026-01-02,y,z\n,empty date\n" +
			"2026-01-03," + strings.Repeat("z", 256) + "\n2026-01-04,\"open\n", []string{
			`in.csv:3: created_at is not a date: "never"`, "in.csv:4: it has more values than the 2 columns",
			"in.csv:5: created_at is empty", "in.csv:6: a field has 256 bytes, at most 255",
			"in.csv:7: a quoted value does not end", "5 rows cannot be imported; nothing was stored",
		}},
		{"bytes that are no UTF-8", good + "2026-01-02,\xff\n", []string{"in.csv:3: "}},
		{"a row over two lines, then a bad one", "created_at,field1\n2026-01-01,\"a\nb\"\nnever,x\n", []string{"in.csv:4: "}},
		{"a location that is none", "created_at,latitude,longitude\n2026-01-01,north,1\n", []string{
			`in.csv:2: latitude is no decimal: "north"`,
		}},
		{"many bad rows", good + strings.Repeat("never,x\n", 30), []string{
			"in.csv:3:", "in.csv:7:", "and 25 more", "30 rows cannot",
		}},
		{"terminal codes", good + "\x1b[31m,x\n", []string{"in.csv:3: "}},
		{"no date column", "field1\nx\n", []string{"in.csv"}},
		{"no column of values", "created_at,mood\n2026-01-01,happy\n", []string{"none of the columns"}},
		{"a page", "<!doctype html><title>Sorry</title>", []string{"in.csv"}},
		{"nothing", "", []string{"in.csv"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, talk := b.run(1, "import", target, b.write("in.csv", tt.text))
			for _, want := range tt.says {
				if !strings.Contains(talk, want) {
					t.Errorf("it lacks %q:\n%s", want, talk)
				}
			}
			if strings.Contains(talk, "\x1b") || strings.Count(talk, "\n") > 25 {
				t.Errorf("it says\n%q", talk)
			}
			if out, _ := b.run(0, "export", target); strings.Count(out, "\n") != 1 {
				t.Errorf("something was stored:\n%s", out)
			}
		})
	}
	file := b.write("good.csv", good)
	b.run(1, "import", "--channel", "1", file)
	b.run(1, "import", target, file+".missing")
	b.run(1, "import", target, file, "--timezone", "Nowhere/Land")
	b.run(2, "import", file)
	b.run(2, "import", target)
	b.run(1, "export", "--channel", "1")
	b.run(2, "export")
	b.run(1, "export", target, filepath.Join(b.dir, "no", "such", "place.csv"))
}

// TestImportGoesOn: an import that was interrupted leaves whole rows, and the same command adds the others.
func TestImportGoesOn(t *testing.T) {
	b := serveBeside(t)
	c := b.create(url.Values{"field1": {"a"}, "public_flag": {"true"}})
	var rows strings.Builder
	rows.WriteString("created_at,field1\n")
	for i := range 2500 {
		rows.WriteString(fmt.Sprintf("%d,row %d\n", 1_700_000_000+i, i))
	}
	file := b.write("in.csv", rows.String())
	cmd := relaycmd.NewCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"import", fmt.Sprint("--channel=", c.ID), file, "--data", b.dir})
	ctx, cancel := context.WithCancel(t.Context())
	// The first word about it comes when the first rows are stored; here that is when the commit is seen.
	stopped := make(chan error, 1)
	go func() { stopped <- cmd.ExecuteContext(ctx) }()
	last := func() string { return get(t, fmt.Sprintf("%s/channels/%d/last_entry_id.txt", b.url, c.ID)) }
	testenv.Await(t, "the first rows of the import", func() bool { return last() != "-1" || len(stopped) > 0 })
	cancel()
	err := testenv.Receive(t, stopped, "the end of the import")
	if err != nil && (!errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "the same command goes on")) {
		t.Errorf("it ended with %v", err)
	}
	_, talk := b.run(0, "import", fmt.Sprint("--channel=", c.ID), file)
	if got := last(); got != "2500" {
		t.Errorf("after the second import the last entry is %s\n%s", got, talk)
	}
	out, _ := b.run(0, "export", fmt.Sprint("--channel=", c.ID))
	for i, line := range strings.Split(strings.TrimSpace(out), "\n")[1:] {
		if !strings.Contains(line, fmt.Sprintf(",%d,row %d,", i+1, i)) {
			t.Fatalf("row %d is %q", i, line)
		}
	}
}

func TestBackupCommand(t *testing.T) {
	b := serveBeside(t)
	c := b.create(url.Values{"field1": {"a"}, "public_flag": {"true"}})
	if got := b.post(url.Values{"api_key": {c.Keys[0].Text}, "field1": {"kept"}}); got != "1" {
		t.Fatal(got)
	}
	place := t.TempDir()
	file := filepath.Join(place, sqlite.FileName)
	b.run(0, "backup", file)
	b.run(0, "backup", file) // in the place of the first
	if got := b.post(url.Values{"api_key": {c.Keys[0].Text}, "field1": {"later"}}); got != "2" {
		t.Fatal(got)
	}
	b.run(1, "backup", b.write("other.txt", "not a database"))
	b.run(1, "backup", filepath.Join(b.dir, sqlite.FileName))
	b.run(1, "backup", place)
	b.run(1, "backup", filepath.Join(place, "no", "such", "place"))
	b.run(2, "backup")
	if left, err := filepath.Glob(filepath.Join(place, "*")); err != nil || len(left) != 1 {
		t.Errorf("beside the backup there are %v, %v", left, err)
	}
	// The copy serves.
	r := start(t, serve.Options{Data: place})
	defer r.Close()
	got := get(t, fmt.Sprintf("%s/channels/%d/feeds.csv", r.URL(), c.ID))
	if !strings.HasSuffix(got, ",1,kept\n") {
		t.Errorf("the copy holds %q", got)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup: %v, %v", info.Mode(), err)
	}
}

// TestCommandsWithoutData say that there is none, and make none.
func TestCommandsWithoutData(t *testing.T) {
	b := &beside{T: t, dir: filepath.Join(t.TempDir(), "nothing")}
	for _, args := range [][]string{
		{"user", "show"}, {"key", "list"}, {"export", "--channel", "1"}, {"import", "--channel", "1", "x"}, {"backup", "x"},
	} {
		if _, talk := b.run(1, args...); !strings.Contains(talk, "there is no relay's data in "+b.dir) {
			t.Errorf("%v: %s", args, talk)
		}
	}
	if _, err := os.Stat(b.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("they made the directory: %v", err)
	}
}

// TestEveryCommandExplainsItself, with an example that names the program as it is called.
func TestEveryCommandExplainsItself(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"user"},
		{"user", "show"},
		{"user", "add"},
		{"user", "renew"},
		{"user", "remove"},
		{"key"},
		{"key", "list"},
		{"key", "new-read"},
		{"key", "renew-read"},
		{"key", "renew-write"},
		{"export"},
		{"import"},
		{"backup"},
	} {
		var out, talk bytes.Buffer
		if code := relaycmd.Main(append(args, "--help"), &out, &talk); code != 0 {
			t.Errorf("%v --help: exit code %d, %s", args, code, &talk)
		}
		want := "  " + strings.Join(append([]string{"fernpost-relay"}, args...), " ")
		if !strings.Contains(out.String(), "Examples:") || !strings.Contains(out.String(), want) ||
			strings.Contains(out.String(), "fernpost relay ") {
			t.Errorf("%v --help:\n%s", args, &out)
		}
	}
}
