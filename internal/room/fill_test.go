package room_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// foreignRow returns an entry whose eight fields hold tokens that no key of the room opens.
func foreignRow(t *testing.T, id int64) thingspeak.Entry {
	t.Helper()
	e := thingspeak.Entry{ID: id}
	ring, err := fernet.NewRing(fernet.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	for i := range e.Fields {
		text, err := ring.Seal(make([]byte, record.CellSize), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		e.Fields[i] = thingspeak.Text(text)
	}
	return e
}

// archiveSize returns the size of an archive in bytes, once it is closed.
func archiveSize(t *testing.T, store interface{ Close() error }, dir string) int64 {
	t.Helper()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return size
}

// A relay fills no disk with what it can make without a key: rows that repeat some valid entries, in whatever order, and
// tokens of other keys between them.
func TestRepeatsAndForeignTokensFillNoArchive(t *testing.T) {
	key := fernet.GenerateKey()
	valid := feedOf(t, key, 3, 400)
	foreign := foreignRow(t, 0)
	const rows = 10_000
	for name, at := range map[string]func(n int) int64{
		"ascending":  func(n int) int64 { return int64(n) + 1 },
		"descending": func(n int) int64 { return rows - int64(n) },
		"scattered":  func(n int) int64 { return int64(n)*7919%rows*3 + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c, store := openConversation(t, key, dir)
			entries := make([]thingspeak.Entry, rows)
			for n := range entries {
				entries[n] = valid[n%3]
				if n%2 == 1 {
					entries[n] = foreign
				}
				entries[n].ID = at(n)
			}
			got := take(t, c, entries)
			if got.Fresh != 3 || got.NotOurs != rows/2 {
				t.Errorf("%d messages and %d entries not ours", got.Fresh, got.NotOurs)
			}
			if again := take(t, c, entries[:100]); again.Repeats > 0 || again.NotOurs > 0 || again.Fresh > 0 {
				t.Errorf("counted once more: %d repeats, %d not ours, %d messages", again.Repeats, again.NotOurs, again.Fresh)
			}
			if size := archiveSize(t, store, dir); size > 1<<20 {
				t.Errorf("the archive has %d bytes", size)
			}
		})
	}
}

// A MAC is free to copy: a token that is wrong but for its MAC hides the right one neither when it came before, nor in
// the same entry.
func TestCopiedMACHidesNothing(t *testing.T) {
	key := fernet.GenerateKey()
	valid := feedOf(t, key, 1, 60)[0]
	wrong := valid
	for i, v := range valid.Fields {
		if v.Text == "" {
			continue
		}
		raw, err := base64.URLEncoding.DecodeString(v.Text)
		if err != nil {
			t.Fatal(err)
		}
		raw[30] ^= 1
		wrong.Fields[i] = thingspeak.Text(base64.URLEncoding.EncodeToString(raw))
	}
	beside := wrong
	for i := range 4 {
		beside.Fields[4+i] = valid.Fields[i]
	}
	for name, c := range map[string][]thingspeak.Entry{
		"before":           {wrong, with(valid, 2)},
		"another row":      {wrong, valid},
		"another row last": {valid, wrong},
		"in the same one":  {beside},
	} {
		t.Run(name, func(t *testing.T) {
			talk, _ := openConversation(t, key, t.TempDir())
			fresh := 0
			for i := range c {
				fresh += take(t, talk, c[i:i+1]).Fresh
			}
			if fresh != 1 {
				t.Errorf("%d messages", fresh)
			}
			shown := 0
			if err := talk.History(0, func(*room.Item) error { shown++; return nil }); err != nil || shown != 1 {
				t.Errorf("%d messages in the history, %v", shown, err)
			}
		})
	}
}

// with returns the entry under another number.
func with(e thingspeak.Entry, id int64) thingspeak.Entry {
	e.ID = id
	return e
}

// A copy that stands lower takes the place of the one before, and what it holds stands there from then on: in every
// order of coming the archive ends up the same.
func TestLowestCopyIsKept(t *testing.T) {
	key := fernet.GenerateKey()
	ring, err := fernet.NewRing(key)
	if err != nil {
		t.Fatal(err)
	}
	rows := feedOf(t, key, 2, 400)
	text, err := ring.Seal([]byte("nobody has signed this"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	rows = append(rows, thingspeak.Entry{ID: 3, Fields: thingspeak.Fields{2: thingspeak.Text(text)}})
	half := rows[1] // the second half of a record stands lower in it than in its own entry
	half.Fields[0], half.Fields[1] = thingspeak.Value{}, thingspeak.Value{}
	rows = append(rows, with(rows[0], 9), with(rows[1], 8), with(rows[2], 7), with(half, 6))
	for i := range rows[:3] {
		rows[i].ID += 10
	}
	want := ""
	for _, order := range [][]int{{0, 1, 2, 3, 4, 5, 6}, {6, 5, 4, 3, 2, 1, 0}, {3, 0, 6, 2, 4, 5, 1}} {
		c, store := openConversation(t, key, t.TempDir())
		for _, n := range order {
			take(t, c, rows[n:n+1])
		}
		got := ""
		if err := c.History(0, func(it *room.Item) error {
			got += fmt.Sprintln(line(it), it.At)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = got
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("in order %v:\n%s", order, d)
		}
		tokens := 0
		last := record.Place{Entry: kept.MaxEntry}
		if err := store.Entries(record.Place{}, last, func(e kept.Entry) error {
			for range kept.Tokens(e.Tokens) {
				tokens++
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if cells := 2*record.Parts(record.MinSize+len("author 0")+400) + 1; tokens != cells {
			t.Errorf("%d tokens are kept, want %d", tokens, cells)
		}
	}
}
