package archive_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// A program that knows nothing of refused entries took them for accepted ones: it opens no archive that may hold some. One
// that it has left is opened here, and its outbox goes on.
func TestArchiveWithRefusedEntriesIsOpenedByNoOlderProgram(t *testing.T) {
	const before = 5 // the steps to the schema of such a program
	dir := t.TempDir()
	r := open(t, dir)
	c := converse(t, r)
	if _, err := c.Write(record.Text("hello"), time.Now()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "lab.db")
	if err := errors.Join(r.SetSchema(before), r.Close()); err != nil {
		t.Fatal(err)
	}
	if schema, err := archive.Schema(path); err != nil || schema != before {
		t.Fatal(schema, err)
	}
	r = open(t, dir)
	posts, err := r.Posts(kept.PostQuery{Only: kept.OpenPost})
	if err != nil || len(posts) == 0 || posts[0].State != model.StateQueued {
		t.Fatalf("%+v, %v", posts, err)
	}
	posts[0].State = model.StateRefused
	if err := errors.Join(r.Apply(&kept.Change{Posts: posts}), r.Close()); err != nil {
		t.Fatal(err)
	}
	newer, ok := errors.AsType[*sqlite.NewerError](archive.OpenAt(path, before))
	if !ok || newer.Schema <= before {
		t.Errorf("a program of schema %d opens it: %v", before, newer)
	}
	r = open(t, dir)
	if posts, err = r.Posts(kept.PostQuery{Only: kept.OpenPost}); err != nil || len(posts) == 0 || posts[0].State != model.StateRefused {
		t.Errorf("%+v, %v", posts, err)
	}
}
