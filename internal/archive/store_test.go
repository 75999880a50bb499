package archive_test

import (
	"testing"

	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/roomtest"
)

func TestStore(t *testing.T) {
	roomtest.Run(t, func(t testing.TB) room.Store { return open(t, t.TempDir()) })
}
