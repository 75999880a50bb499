package record

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/testenv"
)

const (
	pythonReader = "../../examples/python/fernpost_record.py"
	pythonWriter = "../../examples/python/fernpost_reading.py"
)

// A second implementation, written from the documentation, reads from the cells what this one put into them.
func TestPythonReadsTheVectors(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), testenv.Python(t), pythonReader, "--vectors", vectorsFile)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(asJSON(t, wantOfPython(loadVectors(t))), got); diff != "" {
		t.Errorf("what Python read (-want +got):\n%s", diff)
	}
}

func wantOfPython(v vectors) map[string]any {
	type object = map[string]any
	var authors, records []object
	var refused []string
	var nicknames []bool
	for _, a := range v.Authors {
		authors = append(authors, object{"key": a.Key, "tag": a.Tag, "safety": a.Safety})
	}
	for _, r := range v.Records {
		records = append(records, object{
			"author": r.Author, "number": r.Number, "kind": r.Kind, "clock": r.Clock, "previous": r.Previous, "seen": r.Seen,
			"nick": r.Nick, "unreadable": r.Unreadable, "body": r.Body, "hash": r.Hash,
		})
	}
	for _, r := range v.Refused {
		refused = append(refused, r.Is)
	}
	for _, n := range v.Nicknames {
		nicknames = append(nicknames, n.Possible)
	}
	return object{
		"salt": v.Salt, "key_id": v.KeyID, "authors": authors, "records": records, "refused": refused,
		"nicknames": nicknames, "digest": v.Digest.Digest,
	}
}

// It reads a feed as well: all fields, cells of several entries in any order, repeats, fillers, and what is not ours. It
// refuses the tokens and keys that this one refuses, and has the same digest.
func TestPythonReadsAFeed(t *testing.T) {
	const channel = 4711
	key, other := fernet.GenerateKey(), fernet.GenerateKey()
	ctx := Context{Salt(passphrase.RoomSalt(channel)), KeyID(key.ID())}
	ana, bo := newScribe(t, 1, "ana"), newScribe(t, 2, "")
	ana.ctx, bo.ctx = ctx, ctx
	first := ana.write(Text("hello\x1b[2J"))
	long := ana.write(Text(strings.Repeat("a long text ", 40)))
	answer := bo.write(File{"notes.txt", "text/plain", []byte("notes")})
	phone := ana.write(Device{bo.key(), bo.id.ProveDevice(ctx.Salt, ana.key())})
	measured := bo.write(Reading{Values: values("21.5", "40 (?)"), Status: "warm", Latitude: "52.5"})
	forgery := answer
	forgery.Tag, forgery.Number = ana.tag(), 9
	nobody := signFor(t, ctx, weakKeys()[0], 1, Seen{}, KindText, []byte("nobody said this"))

	var plain [][]byte
	for _, r := range []Signed{answer, long, first, forgery, phone, nobody, measured} {
		cells, err := r.Cells()
		if err != nil {
			t.Fatal(err)
		}
		for i := range cells {
			plain = append(plain, cells[i][:])
		}
	}
	filler := Filler()
	plain = append(plain, filler[:], []byte("a text"), plain[0])

	seal := func(key fernet.Key, plain []byte) string {
		ring, err := fernet.NewRing(key)
		if err != nil {
			t.Fatal(err)
		}
		tok, err := ring.Seal(plain, noon)
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}
	var feed bytes.Buffer
	w := csv.NewWriter(&feed)
	w.Write([]string{"created_at", "entry_id", "field1", "field2", "field3"})
	l := newListener(t)
	l.reader = NewReader(ctx.Salt, PublicKey{})
	var cells []Cell
	var lines []Held
	for i, p := range plain {
		spot := Spot{Place{0, int64(i/2 + 1)}, i%2 + 2}
		tok := seal(key, p)
		if len(p) == CellSize {
			cells = append(cells, Cell{spot, ctx.Key, [CellSize]byte(p)})
		} else {
			text := textLine(t, tok)
			text.At = spot
			lines = append(lines, *text)
		}
		row := []string{"2026-11-20 12:00:00 UTC", strconv.FormatInt(spot.Entry, 10), "23.5", "", ""}
		row[1+spot.Field] = tok
		w.Write(row)
	}
	strange, sneaked := seal(other, []byte("for others")), seal(key, []byte("sneaked in"))
	for i, field := range []string{
		strange, "b'" + strange + "'", sneaked + "!", sneaked[:20] + "\n" + sneaked[20:], "b'" + sneaked, sneaked + "====",
		sneaked[:20] + "!!!!" + sneaked[20:], "b'b'" + sneaked + "''",
	} {
		w.Write([]string{"2026-11-20 12:00:00 UTC", strconv.Itoa(900 + i), field, "", ""})
	}
	w.Flush()
	l.read(cells)
	digest := NewDigest(ctx.Salt)
	lines = append(lines, l.known.Records()...)
	slices.SortFunc(lines, func(a, b Held) int { return a.Compare(&b) })
	for i := range lines {
		digest.Add(&lines[i])
	}
	sum := digest.Sum()

	dir := t.TempDir()
	for name, content := range map[string]string{"feed.csv": feed.String(), "room.key": key.Reveal() + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	relay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/channels/4711/feeds.csv" || r.Header.Get("X-THINGSPEAKAPIKEY") != "READKEY" {
			t.Errorf("asked for %s with key %q", r.URL, r.Header.Get("X-THINGSPEAKAPIKEY"))
		}
		w.Write(feed.Bytes())
	}))
	defer relay.Close()
	for name, run := range map[string]struct{ args, env []string }{
		"from a file": {
			[]string{"--csv", filepath.Join(dir, "feed.csv"), "--key-file", filepath.Join(dir, "room.key")},
			nil,
		},
		"from a relay": {
			[]string{"--relay", relay.URL + "/"},
			[]string{"FERNPOST_KEY=" + key.Reveal(), "FERNPOST_READ_KEY=READKEY", "no_proxy=*"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{pythonReader, "--channel", strconv.Itoa(channel)}, run.args...)
			cmd := exec.CommandContext(t.Context(), testenv.Python(t), args...)
			cmd.Env = append(append(os.Environ(), "PYTHONIOENCODING=utf-8"), run.env...)
			var complaints bytes.Buffer
			cmd.Stderr = &complaints
			out, err := cmd.Output()
			if cmd.ProcessState.ExitCode() != 1 {
				t.Errorf("%v, with %s", err, &complaints)
			}
			want := strings.Join([]string{
				bo.tag().Name() + " 1 [file notes.txt, 5 bytes]",
				ana.tag().Name() + " 2 ana: " + strings.Repeat("a long text ", 40),
				ana.tag().Name() + " 1 ana: hello [2J",
				ana.tag().Name() + " 3 ana: [claims the device " + bo.tag().Name() + "]",
				bo.tag().Name() + ` 2 field1=21.5 field2="40 (?)" latitude=52.5 (warm)`,
				"unsigned: a text",
				fmt.Sprintf("digest 2: %x, %d lines, 2 keys", sum[:16], len(lines)),
				"",
			}, "\n")
			if diff := cmp.Diff(want, string(out)); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
			refused := ana.tag().Name() + " 9: forged\n" + nobody.Tag.Name() + " 1: malformed\n"
			if complaints.String() != refused {
				t.Errorf("complained %q, want %q", &complaints, refused)
			}
		})
	}
}

// What Python signs, cuts and seals is read here: one reading behind the other, and nothing twice where the relay took an update
// and its answer was lost.
func TestPythonWritesReadings(t *testing.T) {
	const channel = 4711
	key := fernet.GenerateKey()
	ring, err := fernet.NewRing(key)
	if err != nil {
		t.Fatal(err)
	}
	ctx := Context{Salt(passphrase.RoomSalt(channel)), KeyID(key.ID())}
	var cells []Cell
	calls := 0
	relay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls++; r.URL.Path != "/update" || r.Header.Get("X-THINGSPEAKAPIKEY") != "WRITEKEY" {
			t.Errorf("asked for %s with key %q", r.URL, r.Header.Get("X-THINGSPEAKAPIKEY"))
		}
		if calls == 2 { // too soon
			fmt.Fprint(w, 0)
			return
		}
		for n := 1; n <= ReadingFields; n++ {
			field := r.PostFormValue(fmt.Sprint("field", n))
			if field == "" {
				continue
			}
			found, err := ring.Open(field)
			if err != nil || len(found.Plaintext) != CellSize {
				t.Errorf("%s: %v", field, err)
				return
			}
			cells = append(cells, Cell{Spot{Place{0, int64(calls)}, n}, ctx.Key, [CellSize]byte(found.Plaintext)})
		}
		if calls == 4 {
			http.Error(w, "the answer is lost", http.StatusBadGateway)
			return
		}
		fmt.Fprint(w, calls)
	}))
	defer relay.Close()
	identity := filepath.Join(t.TempDir(), "sensor.json")
	run := func(fails bool, args ...string) {
		t.Helper()
		args = append([]string{
			pythonWriter, "--channel", strconv.Itoa(channel), "--relay", relay.URL, "--identity", identity, "--nick", "sensor",
			"--fields", "3,4", "--interval", "0",
		}, args...)
		cmd := exec.CommandContext(t.Context(), testenv.Python(t), args...)
		cmd.Env = append(os.Environ(), "FERNPOST_KEY="+key.Reveal(), "FERNPOST_WRITE_KEY=WRITEKEY", "no_proxy=*")
		if out, err := cmd.CombinedOutput(); (err != nil) != fails {
			t.Fatalf("%v: %s", err, out)
		}
	}
	run(false, "--at", "1795176000.5", "--status", "warm", "1=21.5", "8=Grüße")
	run(true, "2="+strings.Repeat("long ", 50)) // two entries, of which the second answer is lost
	run(false, "1=22")
	run(true, "9=1")
	run(true)
	if mode, err := os.Stat(identity); err != nil || mode.Mode().Perm() != 0o600 {
		t.Errorf("the identity has mode %v, %v", mode.Mode(), err)
	}

	l := newListener(t)
	l.reader = NewReader(ctx.Salt, PublicKey{})
	result := l.read(cells)
	var got []Body
	for i, m := range result.Messages {
		if m.Number != uint32(i+1) || m.Nick != "sensor" || i == 0 && m.Clock != 1795176000500 {
			t.Errorf("%+v", m.Record)
		}
		got = append(got, m.Body)
	}
	want := []Body{
		Reading{Values: [ReadingFields]Value{0: {"21.5", true}, 7: {"Grüße", true}}, Status: "warm"},
		Reading{Values: [ReadingFields]Value{1: {strings.Repeat("long ", 50), true}}},
		Reading{Values: values("22")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	if len(result.Change.Told) > 0 || result.Refused > 0 {
		t.Errorf("told %+v, refused %d", result.Change.Told, result.Refused)
	}
}
