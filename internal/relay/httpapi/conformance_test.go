package httpapi_test

import (
	"testing"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/relay/storetest"
)

// TestConformance holds the relay against the cases in testdata, on every engine.
func TestConformance(t *testing.T) {
	for engine, open := range map[string]func(testing.TB) relay.Store{
		"memory": func(testing.TB) relay.Store { return storetest.NewMemory() },
		"sqlite": relaytest.OpenSQLite,
	} {
		t.Run(engine, func(t *testing.T) { relaytest.Conformance(t, "testdata", open) })
	}
}
