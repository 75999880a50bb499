package archive_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/room/roomtest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// schema3 makes the schema of an archive what it was before states were kept.
const schema3 = `
DROP TABLE once;
DROP INDEX events_of_own;
DROP INDEX own_by_post;
DELETE FROM events WHERE state IS NOT NULL;
ALTER TABLE events DROP COLUMN state;
ALTER TABLE events DROP COLUMN author;
ALTER TABLE events DROP COLUMN number;
ALTER TABLE events DROP COLUMN place;
ALTER TABLE events DROP COLUMN seen_by;
ALTER TABLE events DROP COLUMN was_author;
ALTER TABLE events DROP COLUMN was_number;
PRAGMA user_version = 3;`

// lostFirst loses the reply to the first post, which was stored.
type lostFirst struct{ posted int64 }

func (p *lostFirst) deliver(ctx context.Context, c *room.Conversation) error {
	return roomtest.Deliver(ctx, c, func(thingspeak.Fields) (int64, error) {
		if p.posted++; p.posted == 1 {
			return 0, exchange.ErrUnknownOutcome
		}
		return p.posted, nil
	}, func(*room.Step) []int64 { return []int64{1} })
}

// An archive of the version before is opened: what was told stays, marks too, and what waits in its outbox tells from then on
// how far it comes.
func TestArchiveWithoutStatesIsOpened(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	c := converse(t, r)
	read := func() {
		t.Helper()
		in, err := c.Receive(0)
		if err == nil {
			_, err = in.Finish(room.Facts{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	read()
	for _, text := range []string{"one", "two"} {
		if _, err := c.Write(record.Text(text), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	relay := &lostFirst{}
	if err := relay.deliver(t.Context(), c); !errors.Is(err, exchange.ErrUnknownOutcome) {
		t.Fatal(err)
	}
	f := record.Finding{Kind: record.Fork, Author: record.PublicKey{1}, First: 7}
	if err := r.Apply(&kept.Change{Learnt: &record.Change{Told: []record.Finding{f}}}); err != nil {
		t.Fatal(err)
	}
	mark, err := c.Now()
	if err == nil {
		err = errors.Join(c.SetShown("watch", mark), r.Close(), archive.Script(filepath.Join(dir, "lab.db"), schema3))
	}
	if err != nil {
		t.Fatal(err)
	}

	r = open(t, dir)
	c = converse(t, r)
	mark, ok, err := c.Shown("watch")
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	read()
	if err := relay.deliver(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	news, err := c.Since(mark, 0)
	if err != nil || len(news.Found) > 0 {
		t.Errorf("told again: %+v, %v", news.Found, err)
	}
	var states []string
	for i := range news.States {
		states = append(states, news.States[i].Text())
	}
	if want := []string{"ana 1: accepted as entry 1", "ana 2: accepted as entry 1"}; !slices.Equal(states, want) {
		t.Errorf("the states %q, want %q", states, want)
	}
	events, err := r.Events(0, 10)
	if err != nil || events[0].Finding.ID() != f.ID() {
		t.Errorf("the events %+v, %v", events, err)
	}
}
