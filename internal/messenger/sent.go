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

// newestOwn is among how many messages of a room HasSent looks.
const newestOwn = 100

// HasSent reports whether a reading of that time is in the outbox, or among the newest messages as one of our own: for whoever
// does not know whether a [Room.Send] came to its end. Where nobody signs the time counts in seconds.
func (r *Room) HasSent(reading record.Reading, at time.Time) (has bool, err error) {
	look := func(it *model.Item) error {
		if got, ok := it.Reading(); !ok {
			if text, _ := it.Text(); it.Record != nil || !isValueAlone(reading, text) {
				return nil
			}
		} else if got != reading {
			return nil
		}
		if it.Record != nil {
			has = has || it.Record.Author == r.talk.Own() && it.Record.Clock == at.UnixMilli()
		} else {
			has = has || it.Sealed.Unix() == at.Unix()
		}
		return nil
	}
	items, err := r.OnTheirWay()
	if err != nil {
		return false, err
	}
	for i := range items {
		_ = look(&items[i])
	}
	return has, r.History(newestOwn, look)
}

// isValueAlone reports whether a reading is that text in one field, and no more: where nobody signs it looks like a text.
func isValueAlone(reading record.Reading, text string) bool {
	for i := range reading.Values {
		alone := record.Reading{}
		if alone.Values[i] = (record.Value{Text: text, Given: true}); alone == reading {
			return true
		}
	}
	return false
}
