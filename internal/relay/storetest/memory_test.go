package storetest_test

import (
	"testing"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(testing.TB) relay.Store { return storetest.NewMemory() })
}
