package sqlite_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
	"github.com/fernpost/fernpost/internal/sqlite/faultdisk"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// ledger is what a store has answered: the entries of channel 1 by number, and what was refused.
type ledger struct {
	mu       sync.Mutex
	answered map[int64]string
	refused  map[string]bool
}

func newLedger() *ledger { return &ledger{answered: map[int64]string{}, refused: map[string]bool{}} }

// write stores values in channel 1, in one batch.
func (l *ledger) write(t testing.TB, s relay.Store, values ...string) error {
	t.Helper()
	var updates []relay.Update
	for _, v := range values {
		updates = append(updates, relay.Update{
			Channel: 1, Key: "WRITE1", Limits: &relay.Limits{},
			Entries: []relay.NewEntry{{Entry: thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(v)}}}},
		})
	}
	decisions, err := s.Commit(t.Context(), updates)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		if !errors.Is(err, relay.ErrUnavailable) {
			t.Errorf("trouble with the disk is %v, want ErrUnavailable", err)
		}
		for _, v := range values {
			l.refused[v] = true
		}
		return err
	}
	for i, d := range decisions {
		if d.Err != nil {
			t.Errorf("%q was refused: %v", values[i], d.Err)
			continue
		}
		n := d.Entries[0].ID
		if other, twice := l.answered[n]; twice {
			t.Errorf("number %d was given to %q and to %q", n, other, values[i])
		}
		l.answered[n] = values[i]
	}
	return nil
}

// copied returns what was answered so far.
func (l *ledger) copied() map[int64]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := map[int64]string{}
	maps.Copy(c, l.answered)
	return c
}

// check holds a store against what was answered: all of it is there once under its number, and the numbers have no gaps.
// What was refused may be there, as a fsync that failed may have written it, but not twice.
func check(t testing.TB, s relay.Store, answered map[int64]string) {
	t.Helper()
	p, err := s.Position(t.Context(), 1)
	if err != nil {
		t.Errorf("reading: %v", err)
		return
	}
	number, seen := int64(0), map[string]bool{}
	err = s.Entries(t.Context(), p.Generation, 1, p.Last, func(e *thingspeak.Entry) error {
		if number++; e.ID != number {
			return fmt.Errorf("number %d follows %d", e.ID, number-1)
		}
		v := e.Fields[0].Text
		if want, ok := answered[number]; ok && v != want || seen[v] {
			return fmt.Errorf("entry %d is %q, want %q, once", number, v, want)
		}
		seen[v] = true
		return nil
	})
	if err != nil || number != p.Last {
		t.Errorf("reading %d of %d entries: %v", number, p.Last, err)
	}
	for n := range answered {
		if n > number {
			t.Errorf("entry %d was answered, and %d is the last one there", n, number)
		}
	}
}

// TestDiskTrouble lets a disk fail in several ways under a store that goes on being used: whatever was answered stays,
// reads go on, what meets the trouble is refused, and the next write after it succeeds without anybody's help.
func TestDiskTrouble(t *testing.T) {
	isLog := func(o faultdisk.Operation) bool { return strings.HasSuffix(o.File, "-wal") }
	grows := func(o faultdisk.Operation) bool { return o.Doing == faultdisk.Writing && o.After > o.Before }
	for _, tt := range []struct {
		name string
		code faultdisk.Code
		// meets says what the trouble is about.
		meets func(faultdisk.Operation) bool
		// taken says that updates are stored all the same: the log takes them.
		taken bool
	}{
		{"fsync fails", faultdisk.BadSync, func(o faultdisk.Operation) bool { return o.Doing == faultdisk.Syncing }, false},
		{
			"fsync of the log fails", faultdisk.BadSync,
			func(o faultdisk.Operation) bool { return o.Doing == faultdisk.Syncing && isLog(o) }, false,
		},
		{
			"fsync of the database fails", faultdisk.BadSync,
			func(o faultdisk.Operation) bool { return o.Doing == faultdisk.Syncing && !isLog(o) }, true,
		},
		{"writes fail", faultdisk.BadWrite, func(o faultdisk.Operation) bool { return o.Doing == faultdisk.Writing }, false},
		// This is what SQLite makes of EROFS, when the system has made a disk read-only because of errors on it.
		{"read-only", faultdisk.BadWrite, func(o faultdisk.Operation) bool { return o.Doing != faultdisk.Syncing }, false},
		{"full", faultdisk.Full, grows, false},
		{
			"full when the log is folded", faultdisk.Full,
			func(o faultdisk.Operation) bool { return grows(o) && !isLog(o) }, true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, l := faultdisk.New(t), newLedger()
			s, err := openOn(d)
			if err != nil {
				t.Fatal(err)
			}
			create(t, s, 1)
			// Twelve batches are about what the log holds before it is folded, where that is what fails.
			const batches = 12
			const rows = 30
			size, written := 240, 0
			if tt.taken {
				size = 12_000
			}
			write := func(batches int) (refused int) {
				for range batches {
					var values []string
					for range rows {
						written++
						values = append(values, fmt.Sprintf("%d %s", written, strings.Repeat("x", size)))
					}
					if l.write(t, s, values...) != nil {
						refused++
					}
				}
				return refused
			}
			for round := range 2 {
				if refused := write(1); refused > 0 {
					t.Fatalf("round %d: a write was refused before there is trouble", round)
				}
				check(t, s, l.answered)
				met := false
				d.Set(func(o faultdisk.Operation) faultdisk.Code {
					if !tt.meets(o) {
						return faultdisk.OK
					}
					met = true
					return tt.code
				})
				refused := write(batches)
				if refused != batches && !tt.taken || refused > 0 && tt.taken {
					t.Errorf("round %d: %d of %d writes were refused", round, refused, batches)
				}
				check(t, s, l.answered)
				d.Set(nil)
				if !met {
					t.Errorf("round %d: nothing met the trouble", round)
				}
				if refused := write(1); refused > 0 {
					t.Errorf("round %d: the first write afterwards was refused", round)
				}
				check(t, s, l.answered)
				checkPowerOff(t, d, l.answered)
			}
			if err := s.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
			checkPowerOff(t, d, l.answered)
		})
	}
}

// openOn opens a store on a disk. Closing it is up to the test.
func openOn(d *faultdisk.Disk) (*sqlite.Store, error) {
	return sqlite.OpenOn(d.Dir, d.SQLite())
}

// checkPowerOff holds what would be left if the power went against what was answered.
func checkPowerOff(t testing.TB, d *faultdisk.Disk, answered map[int64]string) {
	t.Helper()
	left, err := sqlite.Open(d.PowerOff(t))
	if err != nil {
		t.Errorf("opening what the power left: %v", err)
		return
	}
	check(t, left, answered)
	if err := left.Close(); err != nil {
		t.Error(err)
	}
}

// failSyncs lets every fsync fail.
func failSyncs(o faultdisk.Operation) faultdisk.Code {
	if o.Doing == faultdisk.Syncing {
		return faultdisk.BadSync
	}
	return faultdisk.OK
}

// TestFailedFsyncAndRestart: a commit whose fsync failed lies in the system's memory as if it were stored. A store that
// is opened again must not build on it before it is on disk, or what it answers then would go with the power.
func TestFailedFsyncAndRestart(t *testing.T) {
	for range 20 { // as what a failed fsync has written is up to chance
		d, l := faultdisk.New(t), newLedger()
		s, err := openOn(d)
		if err != nil {
			t.Fatal(err)
		}
		create(t, s, 1)
		if err := l.write(t, s, "before"); err != nil {
			t.Fatal(err)
		}
		d.Set(failSyncs)
		if err := l.write(t, s, "meanwhile"); err == nil {
			t.Fatal("a write whose fsync fails was answered")
		}
		_ = s.Close() // it cannot fold the log, and leaves it
		d.Set(nil)
		if s, err = openOn(d); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if err := l.write(t, s, fmt.Sprint("after ", i)); err != nil {
				t.Fatal(err)
			}
		}
		checkPowerOff(t, d, l.answered)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestFailedFsyncAndPowerCut: what is left if the power goes just after a restart goes together.
func TestFailedFsyncAndPowerCut(t *testing.T) {
	for range 20 { // as what a failed fsync has written is up to chance
		d, l := faultdisk.New(t), newLedger()
		s, err := openOn(d)
		if err != nil {
			t.Fatal(err)
		}
		create(t, s, 1)
		key := create(t, s, 2)
		add(t, s, 2, key, 2000) // so that the channels do not share all of their pages
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = openOn(d); err != nil {
			t.Fatal(err)
		}
		if err := l.write(t, s, "before"); err != nil {
			t.Fatal(err)
		}
		d.Set(failSyncs)
		if _, err := s.Commit(t.Context(), []relay.Update{one(2, key)}); err == nil {
			t.Fatal("a write whose fsync fails was answered")
		}
		_ = s.Close()
		d.Set(nil)
		if s, err = openOn(d); err != nil {
			t.Fatal(err)
		}
		left, err := sqlite.Open(d.PowerOff(t))
		if err != nil {
			t.Fatal(err)
		}
		check(t, left, l.answered)
		if decisions, err := left.Commit(t.Context(), []relay.Update{one(2, key)}); err != nil || decisions[0].Err != nil {
			t.Errorf("the next update is answered with %+v, %v", decisions, err)
		}
		if err := errors.Join(left.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestDiskTorture writes and reads from several goroutines on a disk that fails once in a while, closes and opens the
// store, and looks again and again at what would be left if the power went.
func TestDiskTorture(t *testing.T) {
	const rounds, writers = 9, 4
	random := testenv.Random(t)
	d, l := faultdisk.New(t), newLedger()
	s, err := openOn(d)
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, 1)
	for round := range rounds {
		rate := []float64{0, 0.01, 0.3}[round%3]
		d.Set(func(faultdisk.Operation) faultdisk.Code {
			if random.Float64() >= rate {
				return faultdisk.OK
			}
			return []faultdisk.Code{faultdisk.Full, faultdisk.BadWrite, faultdisk.BadSync}[random.IntN(3)]
		})
		var work sync.WaitGroup
		for w := range writers {
			work.Go(func() {
				for i := range 10 {
					var values []string
					for j := range 1 + random.IntN(40) {
						values = append(values, fmt.Sprintf("%d.%d.%d.%d %s", round, w, i, j, strings.Repeat("x", random.IntN(240))))
					}
					_ = l.write(t, s, values...) // the ledger knows
				}
			})
		}
		work.Go(func() {
			for range 3 {
				checkPowerOff(t, d, l.copied())
			}
		})
		work.Wait()
		check(t, s, l.copied())
		if t.Failed() {
			return
		}
		if random.IntN(3) > 0 {
			continue
		}
		_ = s.Close() // with trouble it leaves the log
		if s, err = openOn(d); err != nil {
			d.Set(nil)
			if s, err = openOn(d); err != nil {
				t.Fatalf("opening after trouble: %v", err)
			}
		}
		check(t, s, l.copied())
	}
	t.Logf("%d entries were answered, %d refused", len(l.answered), len(l.refused))
	d.Set(nil)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestDiskWithoutSharedMemory: readers would wait for writers there, so it is refused, and said why.
func TestDiskWithoutSharedMemory(t *testing.T) {
	d := faultdisk.New(t)
	d.Remote()
	s, err := openOn(d)
	if err == nil {
		_ = s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "share memory") {
		t.Errorf("opening on a disk without shared memory: %v", err)
	}
}
