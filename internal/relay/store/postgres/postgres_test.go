package postgres_test

import (
	"errors"
	"testing"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest/pgtest"
	"github.com/fernpost/fernpost/internal/relay/store/postgres"
	"github.com/fernpost/fernpost/internal/relay/storetest"
)

// open opens a store that ends with the test.
func open(t testing.TB, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

// openNew opens a store on a database of its own.
func openNew(t testing.TB) *postgres.Store {
	t.Helper()
	return open(t, pgtest.Shared(t).Database(t))
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t testing.TB) relay.Store { return openNew(t) })
}

func TestTwoStores(t *testing.T) {
	storetest.RunShared(t, func(t testing.TB) (a, b relay.Store) {
		url := pgtest.Shared(t).Database(t)
		return open(t, url), open(t, url)
	})
}

// TestOddTexts: what the server could not even hold is not there.
func TestOddTexts(t *testing.T) {
	s := openNew(t)
	create(t, s, 1)
	for _, text := range []string{"\x00", "WRITE1\x00", "\xff", "\xc0\x80"} {
		if _, err := s.Writer(t.Context(), text); !errors.Is(err, relay.ErrNotFound) {
			t.Errorf("the write key %q: %v, want ErrNotFound", text, err)
		}
		if _, err := s.AccountByKey(t.Context(), text); !errors.Is(err, relay.ErrNotFound) {
			t.Errorf("the user key %q: %v, want ErrNotFound", text, err)
		}
		page, total, err := s.PublicChannels(t.Context(), relay.Listing{Tag: text, Limit: 9})
		if err != nil || total != 0 || len(page) != 0 {
			t.Errorf("the tag %q: %v, %d, %v; want no channels", text, page, total, err)
		}
	}
}
