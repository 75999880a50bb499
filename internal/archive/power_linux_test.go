package archive_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/sqlite/faultdisk"
	"github.com/fernpost/fernpost/internal/testenv"
)

// diary is what a room was asked to keep, as entries with numbers of their own.
type diary struct {
	random *rand.Rand
	last   int64
	// kept are those that are on disk, and noted those that were kept since then and may be lost, the last ones first.
	kept, noted []int64
	// refused may be there or not.
	refused []int64
}

// write adds an entry in a transaction or a note.
func (d *diary) write(t *testing.T, r *archive.Room, transaction bool) {
	t.Helper()
	d.last++
	keep := r.Note
	if transaction {
		keep = r.Transact
	}
	err := keep(func() error {
		return r.Apply(&kept.Change{Entries: []kept.Entry{{
			At: record.Place{Entry: d.last}, Posted: time.Unix(0, 0), Tokens: make([]byte, 1+d.random.IntN(3000)),
		}}})
	})
	switch {
	case err != nil:
		d.refused = append(d.refused, d.last)
	case transaction:
		d.kept = append(append(d.kept, d.noted...), d.last)
		d.noted = nil
	default:
		d.noted = append(d.noted, d.last)
	}
}

// check holds a room against the diary.
func (d *diary) check(t *testing.T, r *archive.Room, powerOff bool) {
	t.Helper()
	var there []int64
	if err := r.Entries(kept.EntryQuery{Last: record.Place{Entry: d.last}}, func(e kept.Entry) error {
		there = append(there, e.At.Entry)
		return nil
	}); err != nil {
		t.Errorf("reading: %v", err)
		return
	}
	lost := func(n int64) bool { return !slices.Contains(there, n) }
	if slices.ContainsFunc(d.kept, lost) {
		t.Errorf("of %v there is %v", d.kept, there)
	}
	first := slices.IndexFunc(d.noted, lost)
	if first >= 0 && !powerOff {
		t.Errorf("without a power cut there is, of the notes %v, only %v", d.noted, there)
	}
	if first >= 0 && slices.ContainsFunc(d.noted[first:], func(n int64) bool { return !lost(n) }) {
		t.Errorf("of the notes %v some are lost in the middle: %v", d.noted, there)
	}
}

// TestPowerOff looks again and again at what would be left if the power went, while a room is written to, left and opened
// again, on a disk that fails once in a while.
func TestPowerOff(t *testing.T) {
	random := testenv.Random(t)
	for round := range testenv.Cases(12) {
		disk := faultdisk.New(t)
		d := diary{random: random}
		rate := []float64{0, 0.01, 0.1}[round%3]
		reopen := func() *archive.Room {
			r, err := archive.OpenRoomOn(disk.Dir, "lab", disk.SQLite())
			if err != nil {
				disk.Set(nil)
				if r, err = archive.OpenRoomOn(disk.Dir, "lab", disk.SQLite()); err != nil {
					t.Fatalf("opening after trouble: %v", err)
				}
			}
			return r
		}
		r := reopen()
		fail := func(faultdisk.Operation) faultdisk.Code {
			if random.Float64() >= rate {
				return faultdisk.OK
			}
			return []faultdisk.Code{faultdisk.Full, faultdisk.BadWrite, faultdisk.BadSync}[random.IntN(3)]
		}
		for range 40 {
			disk.Set(fail)
			for range random.IntN(5) {
				d.write(t, r, random.IntN(2) == 0)
			}
			disk.Set(nil)
			d.check(t, r, false)
			left := open(t, disk.PowerOff(t))
			d.check(t, left, true)
			if err := left.Close(); err != nil {
				t.Error(err)
			}
			disk.Set(fail)
			switch random.IntN(4) {
			case 0:
				_ = r.Leave()
				r = reopen()
			case 1:
				_ = r.Close()
				r = reopen()
			}
			if t.Failed() {
				t.Fatalf("with a rate of %v", rate)
			}
		}
		disk.Set(nil)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestFullDiskIsNamed: what meets a full disk says so, and works again when there is room.
func TestFullDiskIsNamed(t *testing.T) {
	disk := faultdisk.New(t)
	r, err := archive.OpenRoomOn(disk.Dir, "lab", disk.SQLite())
	if err != nil {
		t.Fatal(err)
	}
	add := func(n int64) error {
		return r.Transact(func() error {
			e := kept.Entry{At: record.Place{Entry: n}, Posted: time.Unix(0, 0), Tokens: make([]byte, 9999)}
			return r.Apply(&kept.Change{Entries: []kept.Entry{e}})
		})
	}
	disk.Set(func(o faultdisk.Operation) faultdisk.Code {
		if o.After > o.Before {
			return faultdisk.Full
		}
		return faultdisk.OK
	})
	if err := add(1); !errors.Is(err, model.ErrDiskFull) || strings.Contains(err.Error(), "rollback") {
		t.Errorf("on a full disk: %v, want ErrFull, without a word about what SQLite has rolled back already", err)
	}
	disk.Set(nil)
	if err := add(2); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
