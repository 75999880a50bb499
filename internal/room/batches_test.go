package room_test

import (
	"fmt"
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
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// longFeed is a feed of so many rows that a reading keeps it in several transactions. What belongs together stands in
// different ones of them: the parts of a message, a token and its repetition, both versions of a forked record, what is
// missing and what it is missing between.
func longFeed(t *testing.T, key fernet.Key, border int) []thingspeak.Entry {
	t.Helper()
	ring, err := fernet.NewRing(key)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]thingspeak.Entry, 2*border+300)
	for i := range rows {
		rows[i].ID, rows[i].CreatedAt = int64(i+1), time.Unix(int64(1_700_000_000+i), 0).UTC()
	}
	put := func(row int, plain []byte) {
		text, err := ring.Seal(plain, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		rows[row-1].Fields[0] = thingspeak.Text(text)
	}
	type author struct {
		id       record.Identity
		nick     string
		number   uint32
		previous record.ShortHash
	}
	sign := func(a *author, body record.Body) [][record.CellSize]byte {
		a.number++
		s, err := record.Sign(a.id, record.Context{Salt: salt, Key: record.KeyID(key.ID())}, record.Record{
			Number: a.number, Clock: 1, Previous: a.previous, Nick: a.nick, Body: body,
		})
		if err != nil {
			t.Fatal(err)
		}
		cells, err := s.Cells()
		if err != nil {
			t.Fatal(err)
		}
		a.previous = s.Hash.Short()
		return cells
	}
	say := func(a *author, from int, body record.Body) (next int) {
		for _, cell := range sign(a, body) {
			put(from, cell[:])
			from++
		}
		return from
	}
	ana := author{id: record.NewIdentity([record.KeySize]byte{1}), nick: "ana"}
	bo := author{id: record.NewIdentity([record.KeySize]byte{2}), nick: "bo"}
	say(&ana, 10, record.Text("first"))
	say(&bo, 20, record.Text("hello"))
	twin := bo
	say(&bo, border-60, record.Text("here"))
	say(&twin, border+60, record.Text("there"))
	sign(&ana, record.Text("never shown"))
	next := say(&ana, border-15, record.File{Name: "long", Media: "text/plain", Content: []byte(strings.Repeat("x", 3000))})
	put(next, []byte("a text of nobody"))
	rows[border+99].Fields = rows[9].Fields // the relay repeats a token
	say(&ana, 2*border-1, record.Text("last but one"))
	say(&ana, 2*border+200, record.Text("last"))

	// Two rows of one number, far apart in the feed, hold the two halves of a record.
	halves := sign(&author{id: record.NewIdentity([record.KeySize]byte{3}), nick: "cy"}, record.Text("in one entry, twice"))
	if len(halves) != 2 {
		t.Fatalf("%d cells", len(halves))
	}
	second := rows[29]
	put(30, halves[1][:])
	second, rows[29] = rows[29], second
	put(30, halves[0][:])
	return slices.Insert(rows, border+50, second)
}

// From 4,096 rows on a reading is kept in several transactions. Nobody can tell by what it brings.
func TestReadingsOfManyTransactions(t *testing.T) {
	const border = 4096
	key := fernet.GenerateKey()
	rows := longFeed(t, key, border)
	now := time.Unix(1_800_000_000, 0)
	type outcome struct {
		History []string
		Told    []string
		Counts  string
		Digest  [32]byte
	}
	read := func(piece int) (out outcome) {
		store, err := archive.OpenRoom(t.TempDir(), "lab")
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		c, err := room.Open(store, room.Options{Keys: []fernet.Key{key}, Salt: salt, Fields: []int{1}})
		if err != nil {
			t.Fatal(err)
		}
		fresh, repeated := 0, 0
		for some := range slices.Chunk(rows, piece) {
			in, err := c.Receive(0)
			if err != nil {
				t.Fatal(err)
			}
			for i := range some {
				if err := in.Add(&some[i]); err != nil {
					t.Fatal(err)
				}
			}
			got, err := in.Finish(room.Facts{
				View:  record.View{Unread: some[len(some)-1].ID < rows[len(rows)-1].ID},
				Twins: []int64{30}, Now: now,
			})
			if err != nil {
				t.Fatal(err)
			}
			fresh, repeated = fresh+got.Fresh, repeated+got.Repeats
			out.Told = append(out.Told, told(got.Told)...)
		}
		slices.Sort(out.Told)
		out.Counts = fmt.Sprint(fresh, " came, ", repeated, " repeated")
		digest, err := c.Digest()
		if err != nil {
			t.Fatal(err)
		}
		out.Digest = digest.Sum()
		if err := c.History(0, func(it *model.Item) error {
			out.History = append(out.History, fmt.Sprint(it.At.Entry, " ", line(it)))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	whole := read(len(rows))
	for _, piece := range []int{border, border - 1, 1000} {
		if d := cmp.Diff(read(piece), whole); d != "" {
			t.Errorf("read %d rows at a time (-) and at once (+):\n%s", piece, d)
		}
	}
	want := []string{
		"1 message from ana missing (ana 2)",
		"bo's key wrote two different bo 2: two devices with one key, a restored backup, or a room shown in two versions",
	}
	if d := cmp.Diff(want, whole.Told); d != "" {
		t.Error(d)
	}
	if whole.Counts != "9 came, 1 repeated" || len(whole.History) != 9 {
		t.Errorf("%s; the history has %d messages\n%s", whole.Counts, len(whole.History), strings.Join(whole.History, "\n"))
	}
	report, err := room.Verify(t.Context(), []fernet.Key{key}, salt, room.Feed{
		Entries: seq(rows), View: func() record.View { return record.View{} },
	}, now)
	if err != nil || report.Digest != whole.Digest {
		t.Errorf("verify finds the digest %x (%v), want %x", report.Digest, err, whole.Digest)
	}
}

// What rows of one number hold has the same order, hence the same digest, in however many batches they come, whatever else
// they hold, and whether they are kept or verified.
func TestDigestOfRowsWithOneNumber(t *testing.T) {
	testenv.Unwatched(t)
	const border = 4096
	key := fernet.GenerateKey()
	ring, err := fernet.NewRing(key)
	if err != nil {
		t.Fatal(err)
	}
	sealed := func(text string) thingspeak.Value {
		token, err := ring.Seal([]byte(text), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return thingspeak.Text(token)
	}
	foreign := foreignRow(t, 1).Fields
	first := thingspeak.Entry{ID: 1, Fields: thingspeak.Fields{0: foreign[0], 1: foreign[1], 2: sealed("a"), 4: sealed("b")}}
	second := thingspeak.Entry{ID: 1, Fields: thingspeak.Fields{
		0: sealed("c"), 1: sealed("d"), 2: sealed("e"), 3: sealed("f"), 4: foreign[4], 5: sealed("g"),
	}}
	third := thingspeak.Entry{ID: 1, Fields: thingspeak.Fields{0: sealed("h"), 2: sealed("i"), 3: sealed("j"), 6: foreign[6]}}
	digests := map[[32]byte]bool{}
	for _, between := range []int{0, border - 2, border} {
		var rows []thingspeak.Entry
		for i, row := range []thingspeak.Entry{first, second, third} {
			rows = append(rows, row)
			for n := range between {
				rows = append(rows, thingspeak.Entry{ID: int64(2 + i*between + n)})
			}
		}
		c, _ := openConversation(t, key, t.TempDir())
		take(t, c, rows)
		digest, err := c.Digest()
		if err != nil {
			t.Fatal(err)
		}
		report, err := room.Verify(t.Context(), []fernet.Key{key}, salt, room.Feed{
			Entries: seq(rows), View: func() record.View { return record.View{} },
		}, time.Now())
		if err != nil || report.Unsigned != 10 {
			t.Fatalf("%d texts, %v", report.Unsigned, err)
		}
		digests[digest.Sum()], digests[report.Digest] = true, true
	}
	if len(digests) != 1 {
		t.Errorf("%d different digests of the same rows", len(digests))
	}
}

// Verify tells how many cells break the format in the whole feed, not in what it read before it told of them, and so of
// cells of another version.
func TestVerifyCountsBadCellsInAll(t *testing.T) {
	const border = 4096
	key := fernet.GenerateKey()
	ring, err := fernet.NewRing(key)
	if err != nil {
		t.Fatal(err)
	}
	var rows []thingspeak.Entry
	for i := range 2 {
		malformed, newer := record.Filler(), record.Filler()
		malformed[record.CellSize-1], newer[1], newer[2] = byte(1+i), 9, byte(i)
		row := thingspeak.Entry{ID: int64(1 + i*(border+1))}
		for field, cell := range [][record.CellSize]byte{malformed, newer} {
			token, err := ring.Seal(cell[:], time.Now())
			if err != nil {
				t.Fatal(err)
			}
			row.Fields[field] = thingspeak.Text(token)
		}
		rows = append(rows, row)
		for n := range border {
			rows = append(rows, thingspeak.Entry{ID: int64(2 + i*(border+1) + n)})
		}
	}
	report, err := room.Verify(t.Context(), []fernet.Key{key}, salt, room.Feed{
		Entries: seq(rows), View: func() record.View { return record.View{} },
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for i := range report.Found {
		told = append(told, report.Found[i].Text())
	}
	want := []string{"2 cells of somebody with the key break the format", "2 cells from entry 1 on need a newer fernpost"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
