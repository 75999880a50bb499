package memory_test

import (
	"testing"

	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/memory"
	"github.com/fernpost/fernpost/internal/room/roomtest"
)

func TestStore(t *testing.T) {
	roomtest.Run(t, func(testing.TB) room.Store { return memory.New() })
}
