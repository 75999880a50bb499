package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/relay/relaytest/pgtest"
	"github.com/fernpost/fernpost/internal/relay/store/postgres"
)

// TestConformance holds a relay on PostgreSQL against the cases of package httpapi. Each runs in a synctest bubble, so
// the store goes by the bubble's clock; a read from the server's socket keeps that from moving.
func TestConformance(t *testing.T) {
	places := &schemas{url: pgtest.Shared(t).Database(t)}
	relaytest.Conformance(t, "../../httpapi/testdata", func(t testing.TB) relay.Store {
		s, err := postgres.OpenWithClock(t.Context(), places.take(t), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// schemas are the parts of one database that cases run in, each as good as a database of its own. Making one takes
// longer than most cases, so they are used again.
type schemas struct {
	url string

	// mu guards what follows.
	mu   sync.Mutex
	made int
	// free are those that no case uses; there is something in them.
	free []string
}

// take returns the URL of an empty schema.
func (p *schemas) take(t testing.TB) string {
	t.Helper()
	p.mu.Lock()
	name, empty := "", "CREATE SCHEMA %s"
	if n := len(p.free); n > 0 {
		name, p.free = p.free[n-1], p.free[:n-1]
		empty = `SET search_path = %s;
			DELETE FROM entries; DELETE FROM batches; DELETE FROM abandoned; DELETE FROM states; DELETE FROM read_keys;
			DELETE FROM channels; DELETE FROM accounts WHERE id > 1`
	} else {
		p.made++
		name = fmt.Sprint("case", p.made)
	}
	p.mu.Unlock()
	c, err := pgx.Connect(t.Context(), p.url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.PgConn().Exec(t.Context(), fmt.Sprintf(empty, name)).ReadAll(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.free = append(p.free, name)
	})
	return p.url + "&search_path=" + name
}
