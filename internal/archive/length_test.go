package archive_test

import (
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// What was read long ago does not make opening a room and showing the newest of it longer.
func TestLongRoomOpensAsFast(t *testing.T) {
	short, long := pagesOfNewest(t, 10), pagesOfNewest(t, 3000)
	const deeper = 12 // more levels of trees
	if long > short+deeper {
		t.Errorf("for the newest of 10 messages %d pages of the file are read, for those of 3,000 %d", short, long)
	}
}

// pagesOfNewest returns how many pages of the file are read for the newest 10 of n messages.
func pagesOfNewest(t *testing.T, n int64) int {
	t.Helper()
	dir := t.TempDir()
	r := open(t, dir)
	converse(t, r)
	author := record.PublicKey{1}
	change := kept.Change{Learnt: &record.Change{Authors: []record.Author{{Key: author, Base: 1, Top: uint32(n)}}}}
	for i := int64(1); i <= n; i++ {
		at := record.Place{Entry: i}
		change.Entries = append(change.Entries, kept.Entry{At: at, Posted: time.Unix(i, 0), Tokens: make([]byte, 1500)})
		change.Messages = append(change.Messages, kept.Message{Kind: record.KindText, Held: record.Held{
			Author: author, Number: uint32(i), Hash: record.Hash{byte(i), byte(i >> 8)}, At: record.Spot{Place: at, Field: 1},
		}})
	}
	if err := r.Apply(&change); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}

	r = open(t, dir)
	c := converse(t, r)
	in, err := c.Receive(10)
	if err == nil {
		_, err = in.Anchor()
	}
	if err == nil {
		_, err = in.Finish(room.Facts{Now: time.Now()})
	}
	if err == nil {
		err = c.History(10, func(*model.Item) error { return nil })
	}
	if err == nil {
		_, err = c.Since(model.Mark{Message: n - 10}, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	pages, err := r.PagesRead()
	if err != nil {
		t.Fatal(err)
	}
	return pages
}
