package memory_test

import (
	"errors"
	"testing"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/room/memory"
	"github.com/fernpost/fernpost/internal/room/roomtest"
)

func TestStore(t *testing.T) {
	roomtest.Run(t, func(testing.TB) room.Store { return memory.New() })
}

// An entry of the outbox in a state that no version knows counted as one of another state.
func TestOutboxInAnUnknownStateIsDamaged(t *testing.T) {
	s := memory.New()
	if err := s.Apply(&kept.Change{Posts: []kept.Post{{Seq: 1, State: model.States + 2}}}); err != nil {
		t.Fatal(err)
	}
	if states, err := s.Progress(0, 9); !errors.Is(err, model.ErrArchiveDamaged) {
		t.Errorf("Progress = %v, %v", states, err)
	}
}
