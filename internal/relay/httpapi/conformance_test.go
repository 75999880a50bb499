package httpapi_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
	"github.com/fernpost/fernpost/internal/relay/storetest"
)

// TestConformance holds the relay against the cases in testdata, on every engine.
func TestConformance(t *testing.T) {
	for engine, open := range map[string]func(testing.TB) relay.Store{
		"memory": func(testing.TB) relay.Store { return storetest.NewMemory() },
		"sqlite": prepared(t),
	} {
		t.Run(engine, func(t *testing.T) { relaytest.Conformance(t, "testdata", open) })
	}
}

// prepared returns a function that opens copies of one new database: making its tables hundreds of times over would be a
// quarter of the test.
func prepared(t *testing.T) func(testing.TB) relay.Store {
	t.Helper()
	origin := t.TempDir()
	s, err := sqlite.Open(origin)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	database, err := os.ReadFile(filepath.Join(origin, sqlite.FileName))
	if err != nil {
		t.Fatal(err)
	}
	return func(t testing.TB) relay.Store {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, sqlite.FileName), database, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := sqlite.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func memoryStore(testing.TB) relay.Store { return storetest.NewMemory() }
