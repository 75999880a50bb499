package room_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/testenv"
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
	testenv.Unwatched(t)
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
			if err := talk.History(0, func(*model.Item) error { shown++; return nil }); err != nil || shown != 1 {
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
		if err := c.History(0, func(it *model.Item) error {
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
		if err := store.Entries(kept.EntryQuery{Last: kept.Highest()}, func(e kept.Entry) error {
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

// crowd returns entries that an insider can make: first parts of records that never go on, each with a number of its own.
func crowd(t *testing.T, key fernet.Key, from int64, n int) (entries []thingspeak.Entry) {
	t.Helper()
	ring, err := fernet.NewRing(key)
	if err != nil {
		t.Fatal(err)
	}
	mal := record.NewIdentity([record.KeySize]byte{66})
	for i := range n {
		e := thingspeak.Entry{ID: from + int64(i)}
		for f := range e.Fields {
			s, err := record.Sign(mal, record.Context{Salt: salt, Key: record.KeyID(key.ID())}, record.Record{
				Number: uint32(8*int(e.ID) + f + 2), Previous: record.ShortHash{1}, Body: record.Text("never whole"),
			})
			if err != nil {
				t.Fatal(err)
			}
			cells, err := s.Cells()
			if err != nil {
				t.Fatal(err)
			}
			text, err := ring.Seal(cells[0][:], time.Now())
			if err != nil {
				t.Fatal(err)
			}
			e.Fields[f] = thingspeak.Text(text)
		}
		entries = append(entries, e)
	}
	return entries
}

// limited opens a home whose archive may take so many bytes.
func limited(t *testing.T, key fernet.Key, size int64) (*room.Conversation, *archive.Room) {
	t.Helper()
	store, err := archive.OpenRoom(t.TempDir(), "lab")
	if err != nil {
		t.Fatal(err)
	}
	c, err := room.Open(store, room.Options{
		Keys: []fernet.Key{key}, Salt: salt, Identity: record.NewIdentity([record.KeySize]byte{1}), Nick: "ana",
		Fields: []int{1, 2, 3, 4, 5, 6, 7, 8}, ArchiveSize: size,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, store
}

// At its size an archive lets go of the cells of no record, and of no message.
func TestArchiveLetsGoOfCellsOfNoRecord(t *testing.T) {
	testenv.Unwatched(t)
	key := fernet.GenerateKey()
	const size = 1 << 20
	c, store := limited(t, key, size)
	messages := 0
	for round := range int64(12) {
		honest := feedOf(t, key, 10*(int(round)+1), 300)
		for i := range honest {
			honest[i].ID += 1000 * int64(i/10)
		}
		take(t, c, append(honest[10*round:], crowd(t, key, 1000*round+100, 150)...))
		messages += 10
		if used, err := store.Size(); err != nil || used > size {
			t.Fatalf("round %d: %d bytes are in use, %v", round, used, err)
		}
	}
	shown := 0
	if err := c.History(0, func(*model.Item) error { shown++; return nil }); err != nil || shown != messages {
		t.Errorf("%d of %d messages are shown, %v", shown, messages, err)
	}
}

// What had come of a message that was under way was lost for good once an archive had come to its size, and nothing said so.
func TestWhatWasLetGoOfIsReadAgain(t *testing.T) {
	testenv.Unwatched(t)
	key := fernet.GenerateKey()
	dir := t.TempDir()
	open := func(size int64) (*room.Conversation, func()) {
		store, err := archive.OpenRoom(dir, "lab")
		if err != nil {
			t.Fatal(err)
		}
		c, err := room.Open(store, room.Options{
			Keys: []fernet.Key{key}, Salt: salt, Identity: record.NewIdentity([record.KeySize]byte{1}), Nick: "ana",
			Fields: []int{1, 2, 3, 4, 5, 6, 7, 8}, ArchiveSize: size,
		})
		if err != nil {
			t.Fatal(err)
		}
		return c, func() {
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	first := feedOf(t, key, 1, 400)[0]
	second := thingspeak.Entry{ID: 90_000, CreatedAt: first.CreatedAt}
	second.Fields[0], first.Fields[0] = first.Fields[0], thingspeak.Value{}

	c, end := open(1 << 20)
	take(t, c, []thingspeak.Entry{first})
	noted := 0
	for round := range int64(12) {
		got := take(t, c, crowd(t, key, 1000*round+100, 150))
		if got.LetGo > 0 && noted == 0 && got.FirstLetGo != 1 {
			t.Errorf("let go of first was entry %d", got.FirstLetGo)
		}
		noted += got.LetGo
	}
	if got := take(t, c, []thingspeak.Entry{second}); noted == 0 || got.Fresh > 0 {
		t.Fatalf("%d entries were noted, %d messages came", noted, got.Fresh)
	}
	in, err := c.Receive(0)
	if err != nil || len(in.Again()) > 0 {
		t.Errorf("asked for again while there is no room: %v, %v", in.Again(), err)
	}
	if _, err := in.Finish(room.Facts{}); err != nil {
		t.Fatal(err)
	}
	end()

	c, end = open(1 << 30)
	defer end()
	if in, err = c.Receive(10); err != nil {
		t.Fatal(err)
	}
	if again := in.Again(); len(again) == 0 || again[0].First != 1 {
		t.Errorf("asked for again once there is room: %v", again)
	}
	if err := in.Add(&first); err != nil {
		t.Fatal(err)
	}
	got, err := in.Finish(room.Facts{})
	if err != nil || got.Fresh != 1 || got.LetGo > 0 {
		t.Errorf("%d messages came, %d entries were let go of, %v", got.Fresh, got.LetGo, err)
	}
	if in, err = c.Receive(0); err != nil || slices.ContainsFunc(in.Again(), func(r room.EntryRange) bool { return r.First == 1 }) {
		t.Errorf("asked for again although it was read: %v, %v", in.Again(), err)
	}
	if _, err := in.Finish(room.Facts{}); err != nil {
		t.Fatal(err)
	}
}

// What came last may be under way still: it stays while older entries make room.
func TestWhatCameLastIsLetGoOfLast(t *testing.T) {
	testenv.Unwatched(t)
	key := fernet.GenerateKey()
	c, _ := limited(t, key, 1<<20)
	for round := range int64(12) {
		take(t, c, crowd(t, key, 1000*round+100, 150))
		first := feedOf(t, key, int(round)*10+1, 400)[round*10]
		second := thingspeak.Entry{ID: 1000*round + 262, CreatedAt: first.CreatedAt}
		first.ID = 1000*round + 260
		second.Fields[0], first.Fields[0] = first.Fields[0], thingspeak.Value{}
		take(t, c, []thingspeak.Entry{first})
		take(t, c, crowd(t, key, 1000*round+261, 1))
		if got := take(t, c, []thingspeak.Entry{second}); got.Fresh != 1 {
			t.Fatalf("round %d: %d messages came", round, got.Fresh)
		}
	}
}

// A number for each cell leaves nothing behind that nobody lets go of.
func TestCellsOfManyNumbersFillNoArchive(t *testing.T) {
	testenv.Unwatched(t)
	key := fernet.GenerateKey()
	const size = 1 << 20
	c, store := limited(t, key, size)
	mal := record.NewIdentity([record.KeySize]byte{66}).Public()
	let, before := 0, 0
	for round := range int64(12) {
		take(t, c, crowd(t, key, 1000*round+1, 100))
		if used, err := store.Size(); err != nil || used > size {
			t.Fatalf("round %d: %d bytes are in use, %v", round, used, err)
		}
		groups, err := store.Groups(record.GroupQuery{Tag: mal.Tag(), Last: math.MaxUint32})
		if err != nil {
			t.Fatal(err)
		}
		if len(groups) < before {
			let++
		}
		before = len(groups)
		for _, g := range groups {
			if spots, err := store.Pending(g.ID); err != nil || len(spots) == 0 {
				t.Fatalf("round %d: a group without cells is kept: %+v, %v", round, g, err)
			}
		}
	}
	if let == 0 {
		t.Error("no room was made")
	}
}

// accepting is a relay that accepts everything.
type accepting struct{ last int64 }

func (a *accepting) Post(context.Context, thingspeak.Fields, int64) (int64, error) {
	a.last++
	return a.last, nil
}

func (a *accepting) Find(_ context.Context, fields []thingspeak.Fields, _ int64, _ bool) ([]int64, error) {
	return make([]int64, len(fields)), nil
}

// If messages alone fill the archive, reading stops and says which setting is to be raised; what is written goes out.
func TestFullArchiveKeepsNobodyFromSending(t *testing.T) {
	testenv.Unwatched(t)
	key := fernet.GenerateKey()
	c, _ := limited(t, key, 1<<20)
	in, err := c.Receive(10)
	if err != nil {
		t.Fatal(err)
	}
	rows := feedOf(t, key, 2000, 600)
	for i := range rows {
		if err = in.Add(&rows[i]); err != nil {
			break
		}
	}
	_, err = in.Finish(room.Facts{LastID: 2000, Position: standing([]byte("{}"))})
	full, ok := errors.AsType[*model.FullError](err)
	if !ok || full.Size != 1<<20 || !strings.Contains(full.Error(), "archive_size") {
		t.Fatalf("reading says %v", err)
	}
	if _, err := c.Write(record.Text("I can still write"), time.Now()); err != nil {
		t.Fatal(err)
	}
	if done, err := deliver(t.Context(), c, &accepting{2000}, nil); err != nil || done.Posted != 1 {
		t.Errorf("posted %d, %v", done.Posted, err)
	}
}

// What no key opens, and an older version has kept, keeps no message out.
func TestUnopenedTokensMakeRoomForMessages(t *testing.T) {
	key := fernet.GenerateKey()
	c, store := limited(t, key, 1<<20)
	for n := range int64(50) {
		e := kept.Entry{At: record.Place{Entry: n + 1}, Tokens: make([]byte, 20_000)}
		if err := store.Apply(&kept.Change{Unopened: []kept.Entry{e}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := take(t, c, feedOf(t, key, 200, 300)); got.Fresh != 200 {
		t.Errorf("%d messages", got.Fresh)
	}
	if err := store.Entries(kept.EntryQuery{Last: kept.Highest(), Unopened: true}, func(e kept.Entry) error {
		return fmt.Errorf("entry %d is kept unopened", e.At.Entry)
	}); err != nil {
		t.Error(err)
	}
}

// walks counts the entries that are visited.
type walks struct {
	*archive.Room
	visited int
}

func (w *walks) Entries(q kept.EntryQuery, visit func(kept.Entry) error) error {
	return w.Room.Entries(q, func(e kept.Entry) error {
		w.visited++
		return visit(e)
	})
}

// readCounting reads entries with an archive that may take so many bytes, and counts the kept entries that are visited. It
// returns how many bytes are in use then.
func readCounting(
	t *testing.T, dir string, key fernet.Key, size int64, rows []thingspeak.Entry,
) (visited int, used int64, err error) {
	t.Helper()
	store, err := archive.OpenRoom(dir, "lab")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	w := &walks{Room: store}
	c, err := room.Open(w, room.Options{
		Keys: []fernet.Key{key}, Salt: salt, Identity: record.NewIdentity([record.KeySize]byte{1}), Fields: []int{1},
		ArchiveSize: size,
	})
	if err != nil {
		t.Fatal(err)
	}
	in, err := c.Receive(0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := in.Add(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	_, err = in.Finish(room.Facts{})
	used, sizeErr := store.Size()
	return w.visited, used, errors.Join(err, sizeErr)
}

// That messages alone fill an archive is found out once, by whatever process, and again only when the setting is another
// one: not in each reading, for which all that is kept would be opened.
func TestFullArchiveIsNotGoneThroughInEachReading(t *testing.T) {
	testenv.Unwatched(t)
	key := fernet.GenerateKey()
	dir := t.TempDir()
	rows := feedOf(t, key, 1500, 600)
	if _, _, err := readCounting(t, dir, key, 0, rows[:1200]); err != nil {
		t.Fatal(err)
	}
	next, after := rows[1200:1201], rows[1201:1202]
	for i, step := range []struct {
		size  int64
		rows  []thingspeak.Entry
		walks bool
		full  bool
	}{
		{1 << 20, next, true, true},
		{1 << 20, next, false, true},
		{1 << 20, after, false, true},
		{1<<20 + 1, next, true, true},
		{1<<20 + 1, next, false, true},
		{1 << 30, next, false, false},
	} {
		visited, _, err := readCounting(t, dir, key, step.size, step.rows)
		if _, full := errors.AsType[*model.FullError](err); full != step.full || !full && err != nil {
			t.Errorf("step %d: reading says %v", i, err)
		}
		if walked := visited > 1000; walked != step.walks {
			t.Errorf("step %d: %d entries were gone through", i, visited)
		}
	}
}

// Where messages leave little of an archive's size, what comes for nothing has to be let go of in nearly each reading: for
// that only what has come since is gone through.
func TestNearlyFullArchiveIsNotGoneThroughInEachReading(t *testing.T) {
	testenv.Unwatched(t)
	key := fernet.GenerateKey()
	dir := t.TempDir()
	_, used, err := readCounting(t, dir, key, 0, feedOf(t, key, 800, 600))
	if err != nil {
		t.Fatal(err)
	}
	walks, size := 0, used+64<<10
	for round := range int64(20) {
		visited, used, err := readCounting(t, dir, key, size, crowd(t, key, 1000+10*round, 6))
		if err != nil || used > size {
			t.Fatalf("round %d: %d of %d bytes are in use, %v", round, used, size, err)
		}
		if visited > 400 {
			walks++
		}
	}
	if walks != 1 {
		t.Errorf("all was gone through %d times, want once", walks)
	}
}

// A key that comes later has the entries read again that it may open, until each was; those that were lost with a clear
// are named.
func TestNewKeyReadsAgain(t *testing.T) {
	key, next := fernet.GenerateKey(), fernet.GenerateKey()
	dir := t.TempDir()
	c, store := openConversation(t, key, dir)
	before := feedOf(t, next, 1, 60)
	take(t, c, before)
	in, err := c.Receive(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Cleared(); err != nil {
		t.Fatal(err)
	}
	after := feedOf(t, next, 6, 60)
	for i := range after {
		if err := in.Add(&after[i]); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := in.Finish(room.Facts{}); err != nil || got.NotOurs != 6 {
		t.Fatalf("%d not ours, %v", got.NotOurs, err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	reopen := func() *room.Conversation {
		if store, err = archive.OpenRoom(dir, "lab"); err != nil {
			t.Fatal(err)
		}
		c, err := room.Open(store, room.Options{
			Keys: []fernet.Key{next, key}, Salt: salt, Identity: record.NewIdentity([record.KeySize]byte{1}), Fields: []int{1},
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for i, want := range [][]room.EntryRange{{{First: 1, Last: 6}}, {{First: 1, Last: 2}, {First: 5, Last: 6}}, nil} {
		c := reopen()
		in, err := c.Receive(10)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, in.Again()); d != "" {
			t.Errorf("step %d: %s", i, d)
		}
		rows := [][]thingspeak.Entry{after[2:4], append(after[:2:2], after[4:]...), nil}[i]
		for n := range rows {
			if err := in.Add(&rows[n]); err != nil {
				t.Fatal(err)
			}
		}
		got, err := in.Finish(room.Facts{})
		if err != nil || got.Fresh != len(rows) || got.NotOurs > 0 {
			t.Errorf("step %d: %d messages, %d not ours, %v", i, got.Fresh, got.NotOurs, err)
		}
		if late := map[bool]int64{true: 1}[i == 0]; got.TooLate != late {
			t.Errorf("step %d: %d entries came too late, want %d", i, got.TooLate, late)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
