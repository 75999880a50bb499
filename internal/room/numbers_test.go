package room_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// Whoever has used all numbers is told so, and to replace the identity.
func TestAfterTheLastNumberNothingIsSigned(t *testing.T) {
	h := newHall(t)
	ana := h.join(1, "ana")
	ana.say("before")
	state, err := ana.archive.State()
	if err != nil {
		t.Fatal(err)
	}
	state.OwnLast = math.MaxUint32
	if err := ana.archive.Transact(func() error { return ana.archive.Apply(&kept.Change{State: &state}) }); err != nil {
		t.Fatal(err)
	}
	if _, err := ana.Write(record.Text("after"), time.Now()); !errors.Is(err, model.ErrNumbersSpent) {
		t.Errorf("Write = %v, want %v", err, model.ErrNumbersSpent)
	}
}
