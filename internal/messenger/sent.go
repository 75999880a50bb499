package messenger

import (
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// CheckReading says in words why a reading of a time cannot be sent in a room, nil if it can.
func (e *Engine) CheckReading(settings model.Room, reading record.Reading, at time.Time) error {
	if err := reading.Check(); err != nil {
		return err
	}
	if ms := at.UnixMilli(); ms < 0 || ms > record.MaxClock {
		return record.ErrClock
	}
	signed, err := Signed(settings)
	if err != nil || signed {
		return err
	}
	sealer, err := e.sealer(settings)
	if err == nil {
		_, err = sealer.Seal(reading, at)
	}
	return err
}
