package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// TestReadsDoNotWait reads in every way while a transaction that writes is held open, by this process and by another
// user of the file. A read that waited would fail after SQLite's time-out.
func TestReadsDoNotWait(t *testing.T) {
	dir := t.TempDir()
	s, admin := open(t, dir), open(t, dir)
	key := create(t, s, 1)
	add(t, s, 1, key, 10)
	reads := func(*relay.Channel) error {
		ctx := t.Context()
		p, err := s.Position(ctx, 1)
		if err != nil || p.Last != 10 {
			t.Errorf("Position = %+v, %v", p, err)
		}
		visit := func(*thingspeak.Entry) error { return nil }
		_, _, channel := s.Channel(ctx, 1)
		_, writer := s.Writer(ctx, key)
		_, channels := s.Channels(ctx, relay.LocalAccountID)
		_, accounts := s.Accounts(ctx)
		_, _, public := s.PublicChannels(ctx, relay.Listing{Limit: 5})
		return errors.Join(channel, writer, channels, accounts, public,
			s.Entries(ctx, p.Generation, 1, 10, visit),
			s.EntriesByTime(ctx, relay.Stretch{Generation: p.Generation, First: 1, Last: 10}, 5, visit))
	}
	// The callback of a change runs inside its transaction.
	if err := s.ChangeChannel(t.Context(), 1, reads); err != nil {
		t.Errorf("reading while this process writes: %v", err)
	}
	if err := admin.ChangeChannel(t.Context(), 1, reads); err != nil {
		t.Errorf("reading while another one writes: %v", err)
	}
}

// logBytes is how large the write-ahead log is.
func logBytes(t *testing.T, dir string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, sqlite.FileName+"-wal"))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// grow stores entries until the log has grown by so many pages. Few large values do it: the race detector makes each row
// dear.
func grow(t *testing.T, s relay.Store, id int64, key string, pages int) {
	t.Helper()
	const perEntry = 100
	u := relay.Update{Channel: id, Key: key, Bulk: true, Limits: &relay.Limits{}}
	for range pages / perEntry {
		u.Entries = append(u.Entries, relay.NewEntry{Entry: thingspeak.Entry{
			Fields: thingspeak.Fields{thingspeak.Text(strings.Repeat("x", perEntry*4096))},
		}})
	}
	decisions, err := s.Commit(t.Context(), []relay.Update{u})
	if err == nil {
		err = decisions[0].Err
	}
	if err != nil {
		t.Fatal(err)
	}
}

// logBound is the most that the log may take, in bytes, when once in a while waiting for the readers is not enough.
const logBound = (2*sqlite.LogLimit + sqlite.FoldAfter) * 4096

// TestLogIsBounded writes several times what the log may hold while there is never a moment without a read.
func TestLogIsBounded(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	s.WaitForReaders(time.Hour) // each read is short, but on a busy machine it may be a while until it is done
	key := create(t, s, 1)
	add(t, s, 1, key, 100)
	p, err := s.Position(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	for range 4 {
		reading.Go(func() {
			for ctx.Err() == nil {
				if err := s.Entries(t.Context(), p.Generation, 1, 100, func(*thingspeak.Entry) error { return nil }); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	largest := int64(0)
	for range 40 {
		grow(t, s, 1, key, sqlite.FoldAfter/2)
		largest = max(largest, logBytes(t, dir))
	}
	stop()
	reading.Wait()
	if largest > logBound {
		t.Errorf("the log grew to %d bytes, want at most %d", largest, logBound)
	}
}

// TestLongRead: a read that takes long, such as a backup, holds up no write, and the log that it makes grow becomes small
// again when it has ended.
func TestLongRead(t *testing.T) {
	dir := t.TempDir()
	s, backup := open(t, dir), open(t, dir)
	key := create(t, s, 1)
	add(t, s, 1, key, 3)
	p, err := s.Position(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	err = backup.Entries(t.Context(), p.Generation, 1, 3, func(*thingspeak.Entry) error {
		if rows++; rows == 1 {
			for range 30 {
				grow(t, s, 1, key, sqlite.FoldAfter/2)
			}
		}
		return nil
	})
	if err != nil || rows != 3 {
		t.Errorf("the read got %d rows, %v", rows, err)
	}
	if n := logBytes(t, dir); n < logBound {
		t.Errorf("with a read that needs it the log has %d bytes only", n)
	}
	for range 12 {
		grow(t, s, 1, key, sqlite.FoldAfter/2)
	}
	if n := logBytes(t, dir); n > logBound {
		t.Errorf("after the read the log still has %d bytes, want at most %d", n, logBound)
	}
}

// TestImportBeside: somebody who writes as fast as he can beside the serving process, as an import does, does not shut it
// out.
func TestImportBeside(t *testing.T) {
	dir := t.TempDir()
	s, beside := open(t, dir), open(t, dir)
	key, other := create(t, s, 1), create(t, beside, 2)
	ctx, stop := context.WithCancel(t.Context())
	var importing sync.WaitGroup
	importing.Go(func() {
		for add(t, beside, 2, other, 100); ctx.Err() == nil; {
			add(t, beside, 2, other, 100)
		}
	})
	for range 50 {
		add(t, s, 1, key, 1)
	}
	stop()
	importing.Wait()
	for id, least := range map[int64]int64{1: 50, 2: 100} {
		if p, err := s.Position(t.Context(), id); err != nil || p.Last < least {
			t.Errorf("channel %d has %d entries, %v; want at least %d", id, p.Last, err, least)
		}
	}
}

// TestLargeClear: the entries of a large channel go in small steps, and between any two of them others write and the
// channel itself is written anew.
func TestLargeClear(t *testing.T) {
	s := open(t, t.TempDir())
	key, other := create(t, s, 1), create(t, s, 2)
	const steps = 20
	add(t, s, 1, key, steps*sqlite.SweepRows)
	before, err := s.Position(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	step, release := s.HoldSweep()
	defer release()
	if err := s.ClearChannel(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	left := func() (n int) {
		err := s.Entries(t.Context(), before.Generation, 1, before.Last, func(*thingspeak.Entry) error {
			n++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	written := int64(0)
	for want := steps * sqlite.SweepRows; ; want = max(want-sqlite.SweepRows, 0) {
		if got := left(); got != want {
			t.Errorf("after %d steps %d entries are left, want %d", written, got, want)
		}
		add(t, s, 1, key, 1)
		add(t, s, 2, other, 1)
		written++
		more, err := step()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
	}
	if written != steps+2 { // one more step takes the note away, and one finds nothing
		t.Errorf("%d steps, want %d", written, steps+2)
	}
	for id := range int64(2) {
		if p, err := s.Position(t.Context(), id+1); err != nil || p.Last != written {
			t.Errorf("channel %d stands at %+v, %v; want %d entries", id+1, p, err, written)
		}
	}
}
