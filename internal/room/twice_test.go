package room_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
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

// An insider signs one record twice and posts the cells of both between each other, one of them again behind bo's line.
// Two readers of the same rows had that record on either side of bo's, and other digests, for good.
func TestRecordSignedTwiceIsReadInOneOrder(t *testing.T) {
	testenv.Unwatched(t)
	key := fernet.GenerateKey()
	ring, err := fernet.NewRing(key)
	if err != nil {
		t.Fatal(err)
	}
	ctx := record.Context{Salt: salt, Key: record.KeyID(key.ID())}
	write := func(seed byte, nick, text string) (record.Identity, record.Signed, [][record.CellSize]byte) {
		id := record.NewIdentity([record.KeySize]byte{seed})
		signed, err := record.Sign(id, ctx, record.Record{Number: 1, Clock: 1, Nick: nick, Body: record.Text(text)})
		if err != nil {
			t.Fatal(err)
		}
		cells, err := signed.Cells()
		if err != nil {
			t.Fatal(err)
		}
		return id, signed, cells
	}
	mal, signed, a := write(1, "mal", "shall we meet?")
	b := signAgain(t, mal, ctx, signed, 1)
	_, _, bo := write(2, "bo", "yes")

	rows := make([]thingspeak.Entry, 6)
	for i, cells := range [][][record.CellSize]byte{{a[1]}, {b[1]}, {a[0]}, bo, {b[0]}, {a[0]}} {
		rows[i] = thingspeak.Entry{ID: int64(i + 1), CreatedAt: time.Unix(int64(1_700_000_000+i), 0)}
		for field, cell := range cells {
			text, err := ring.Seal(cell[:], time.Unix(1_700_000_000, 0))
			if err != nil {
				t.Fatal(err)
			}
			rows[i].Fields[field] = thingspeak.Text(text)
		}
	}

	want := []string{"3 mal", "4 bo"}
	var digest [32]byte
	dir := t.TempDir()
	read := func(steps [][]int, forgetful bool) {
		t.Helper()
		home := filepath.Join(dir, fmt.Sprint(steps, forgetful))
		store, err := archive.OpenRoom(home, "lab")
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		var c *room.Conversation
		for _, step := range steps {
			if c == nil || forgetful {
				if c, err = room.Open(store, room.Options{Keys: []fernet.Key{key}, Salt: salt, Fields: []int{1}}); err != nil {
					t.Fatal(err)
				}
			}
			in, err := c.Receive(0)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range step {
				if err := in.Add(&rows[i]); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := in.Finish(room.Facts{}); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		err = c.History(0, func(it *model.Item) error {
			got = append(got, strconv.FormatInt(it.At.Entry, 10)+" "+it.Record.Name)
			return nil
		})
		d, failed := c.Digest()
		if err != nil || failed != nil {
			t.Fatal(err, failed)
		}
		if digest == ([32]byte{}) {
			digest = d.Sum()
		}
		if diff := cmp.Diff(want, got); diff != "" || d.Sum() != digest {
			t.Fatalf("in steps %v, forgetful %t: digest %x, first %x; lines (-want +got):\n%s", steps, forgetful, d.Sum(), digest, diff)
		}
	}

	read([][]int{{0, 1, 2, 3, 4, 5}}, false)
	for i, order := range orders([]int{0, 1, 2, 4, 5}) {
		read(slices.Collect(slices.Chunk(append([]int{3}, order...), 1)), i%2 == 0)
		if i%10 == 0 {
			read([][]int{order[:1+i%4], append([]int{3}, order[1+i%4:]...)}, true)
		}
	}
}

// orders returns all permutations of some numbers.
func orders(of []int) (all [][]int) {
	if len(of) == 0 {
		return [][]int{nil}
	}
	for _, order := range orders(of[1:]) {
		for i := range of {
			all = append(all, slices.Insert(slices.Clone(order), i, of[0]))
		}
	}
	return all
}
