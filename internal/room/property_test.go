package room_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// anyFeed makes a feed of a few authors, with long records and short ones, that was tampered with: rows are lacking,
// are there twice, or in another order, records are forked or forged, and texts stand between them.
func anyFeed(t *rapid.T, key fernet.Key) []thingspeak.Entry {
	ring, err := fernet.NewRing(key)
	if err != nil {
		t.Fatal(err)
	}
	ctx := record.Context{Salt: salt, Key: record.KeyID(key.ID())}
	width := rapid.SampledFrom([]int{1, 2, 8}).Draw(t, "width")
	type author struct {
		id       record.Identity
		number   uint32
		previous record.ShortHash
	}
	authors := make([]author, rapid.IntRange(1, 3).Draw(t, "authors"))
	for i := range authors {
		authors[i].id = record.NewIdentity([record.KeySize]byte{byte(i + 1)})
	}
	var rows []thingspeak.Entry
	post := func(cells [][record.CellSize]byte) {
		for row := range slices.Chunk(cells, width) {
			var e thingspeak.Entry
			for n := range row {
				text, err := ring.Seal(row[n][:], time.Now())
				if err != nil {
					t.Fatal(err)
				}
				e.Fields[n] = thingspeak.Text(text)
			}
			rows = append(rows, e)
		}
	}
	sign := func(a author, text string) (record.Signed, [][record.CellSize]byte) {
		s, err := record.Sign(a.id, ctx, record.Record{
			Number: a.number, Clock: 1, Previous: a.previous, Nick: fmt.Sprint("n", a.id.Public().Tag()),
			Body: record.Text(text),
		})
		if err != nil {
			t.Fatal(err)
		}
		cells, err := s.Cells()
		if err != nil {
			t.Fatal(err)
		}
		return s, cells
	}
	for i := range rapid.IntRange(1, 25).Draw(t, "records") {
		a := &authors[rapid.IntRange(0, len(authors)-1).Draw(t, "author")]
		a.number++
		text := fmt.Sprint(i, strings.Repeat("x", rapid.SampledFrom([]int{0, 0, 90, 700}).Draw(t, "length")))
		s, cells := sign(*a, text)
		switch rapid.IntRange(0, 12).Draw(t, "kind") {
		case 0:
			_, fork := sign(*a, text+" forked")
			post(fork)
		case 1:
			forged, err := record.Cut(s.Bytes, authors[0].id.Public().Tag(), 3)
			if err != nil {
				t.Fatal(err)
			}
			post(forged)
		case 2:
			token, err := ring.Seal([]byte("text "+text), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(token[:min(len(token), 255)])}})
		}
		post(cells)
		a.previous = s.Hash.Short()
	}
	for range rapid.IntRange(0, 6).Draw(t, "tampered") {
		i := rapid.IntRange(0, len(rows)-1).Draw(t, "row")
		j := rapid.IntRange(0, len(rows)-1).Draw(t, "other")
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			rows[i].Fields = thingspeak.Fields{}
		case 1:
			rows = append(rows, rows[i])
		case 2:
			rows[i], rows[j] = rows[j], rows[i]
		}
	}
	for i := range rows {
		rows[i].ID, rows[i].CreatedAt = int64(i+1), time.Unix(int64(1_700_000_000+i), 0)
	}
	return rows
}

// However a feed is cut into readings, by however many processes, and in whatever order its rows come: in the end the
// archive knows what Verify finds in one go.
func TestReadingInPiecesEqualsReadingAtOnce(t *testing.T) {
	key := fernet.GenerateKey()
	testenv.Check(t, func(t *rapid.T) {
		rows := anyFeed(t, key)
		now := time.Unix(1_800_000_000, 0)
		view := func() record.View { return record.View{} }
		want, err := room.Verify(context.Background(), []fernet.Key{key}, salt, room.Feed{Entries: seq(rows), View: view}, now)
		if err != nil {
			t.Fatal(err)
		}
		dir, err := os.MkdirTemp("", "fernpost")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		var homes []*room.Conversation
		var stores []*archive.Room
		for range 2 {
			store, err := archive.OpenRoom(dir, "lab")
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			c, err := room.Open(store, room.Options{Keys: []fernet.Key{key}, Salt: salt, Fields: []int{1}})
			if err != nil {
				t.Fatal(err)
			}
			homes, stores = append(homes, c), append(stores, store)
		}
		order := make([]int, len(rows))
		for i := range order {
			order[i] = i
		}
		var shuffled []thingspeak.Entry
		for _, i := range rapid.Permutation(order).Draw(t, "order") {
			shuffled = append(shuffled, rows[i])
		}
		fresh := 0
		for len(shuffled) > 0 {
			n := rapid.IntRange(1, len(shuffled)).Draw(t, "piece")
			c := homes[rapid.IntRange(0, 1).Draw(t, "process")]
			v := record.View{Unread: true}
			if n == len(shuffled) {
				v.Unread = false
			}
			in, err := c.Receive(0)
			if err != nil {
				t.Fatal(err)
			}
			for i := range shuffled[:n] {
				if err := in.Add(&shuffled[i]); err != nil {
					t.Fatal(err)
				}
			}
			got, err := in.Finish(room.Facts{View: v, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			fresh += got.Fresh
			shuffled = shuffled[n:]
		}
		if digest, err := homes[0].Digest(); err != nil || digest.Sum() != want.Digest {
			t.Fatalf("digest %x, want %x, %v", digest.Sum(), want.Digest, err)
		}
		if fresh != want.Records+want.Unsigned {
			t.Fatalf("%d messages came, want %d and %d", fresh, want.Records, want.Unsigned)
		}
		for i := range want.Found {
			f := &want.Found[i]
			if f.Kind != record.Fork && f.Kind != record.Forged { // of the others some depend on what was read first
				continue
			}
			if _, told, err := stores[0].Told(f.ID()); err != nil || !told {
				t.Fatalf("%q was not told, %v", f.Text(), err)
			}
		}
		checkOrder(t, homes[0], want, rows, key)
	})
}

// checkOrder compares the history with that of an archive that has read the rows in their order.
func checkOrder(t *rapid.T, c *room.Conversation, want model.Report, rows []thingspeak.Entry, key fernet.Key) {
	texts := func(c *room.Conversation) (all []string) {
		err := c.History(0, func(it *model.Item) error {
			all = append(all, fmt.Sprint(it.At.Entry, " ", line(it)))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.SortStableFunc(all, func(a, b string) int { // in one entry nobody can tell
			na, _, _ := strings.Cut(a, " ")
			nb, _, _ := strings.Cut(b, " ")
			if na != nb {
				return 0
			}
			return strings.Compare(a, b)
		})
		return all
	}
	dir, err := os.MkdirTemp("", "fernpost")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := archive.OpenRoom(dir, "lab")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	straight, err := room.Open(store, room.Options{Keys: []fernet.Key{key}, Salt: salt, Fields: []int{1}})
	if err != nil {
		t.Fatal(err)
	}
	in, err := straight.Receive(0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := in.Add(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := in.Finish(room.Facts{View: record.View{}, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	got, other := texts(c), texts(straight)
	if len(got) != want.Records+want.Unsigned {
		t.Fatalf("the history has %d messages, want %d and %d", len(got), want.Records, want.Unsigned)
	}
	if d := cmp.Diff(other, got); d != "" {
		t.Fatal(d)
	}
}
