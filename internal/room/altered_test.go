package room_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/room"
)

// useAltered does with the archive in a directory what commands do: it reads, shows, and writes.
func useAltered(o room.Options, client *remote.Client, dir string) (said []string, err error) {
	store, err := archive.OpenRoom(dir, "lab")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	c, err := room.Open(store, o)
	if err != nil {
		return nil, err
	}
	_, read := readRoom(c, client, time.Now())
	shown := c.History(0, func(it *model.Item) error {
		if it.Record == nil { // its cells are there no more, and it is shown as somebody's text
			return nil
		}
		if text, ok := it.Record.Body.(record.Text); ok {
			said = append(said, string(text))
		}
		return nil
	})
	_, since := c.Since(model.Mark{}, 0)
	_, way := c.OnTheirWay()
	_, outbox := c.Outbox()
	_, people := c.People()
	_, _, standing := c.Standing()
	_, _, cleared := c.Cleared()
	_, last := c.Last()
	_, wrote := c.Write(record.Text("hello"), time.Now())
	return said, errors.Join(read, shown, since, way, outbox, people, standing, cleared, last, wrote)
}

// FuzzAlteredArchive: of an archive in which a stretch was altered, by a disk or by somebody, every use ends with an error or
// an answer. It was a panic where a row held nothing in place of a number.
func FuzzAlteredArchive(f *testing.F) {
	h := newHall(f)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	for range 12 {
		ana.say("hello")
		bo.look()
		bo.say("hello yourself")
		ana.look()
	}
	in := h.insider()
	cells, err := record.Cut(in.sign(record.Record{Number: 1, Nick: "eve", Body: record.Text("hello")}).Bytes, in.id.Public().Tag(), 3)
	if err != nil {
		f.Fatal(err)
	}
	in.postCells(cells[1:])
	ana.look()
	if _, err := ana.Write(record.Text("waits"), time.Now()); err != nil {
		f.Fatal(err)
	}
	if err := ana.archive.Close(); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(ana.dir, "lab.db"))
	if err != nil {
		f.Fatal(err)
	}
	o := ana.o
	o.Used = true
	if said, err := useAltered(o, ana.client, ana.dir); err != nil || len(said) != 25 {
		f.Fatalf("of the archive as it was: %q, %v", said, err)
	}
	for at := 0; at < len(good); at += 4096 {
		f.Add(uint32(at), uint16(4096), byte(0))
		f.Add(uint32(at+4096-512), uint16(512), byte(0))
		f.Add(uint32(at+4096-40), uint16(8), byte(0))
	}
	f.Add(uint32(len(good)/2), uint16(100), byte(0xff))
	f.Fuzz(func(t *testing.T, at uint32, n uint16, with byte) {
		file := append([]byte(nil), good...)
		for i := int(at) % len(file); i < len(file) && n > 0; i, n = i+1, n-1 {
			file[i] = with
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "lab.db"), file, 0o600); err != nil {
			t.Fatal(err)
		}
		said, _ := useAltered(o, ana.client, dir)
		for _, text := range said {
			if text != "hello" && text != "hello yourself" && text != "waits" {
				t.Errorf("shows %q, which nobody has written", text)
			}
		}
	})
}
