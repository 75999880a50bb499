package messenger

import (
	"context"
	"errors"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/room"
)

// Unread returns how many messages of others stand in a room behind what a face has shown of it, by the name of its
// mark, as far as this device has read it: most at most. ok is false where the face has never shown the room.
func (e *Engine) Unread(r model.Room, mark string, most int) (n int, ok bool, err error) {
	if has, err := e.HasArchive(r); err != nil || !has {
		return 0, false, err
	}
	err = e.look(r, func(c *room.Conversation) error {
		var at model.Mark
		if at, ok, err = c.Shown(mark); err != nil || !ok {
			return err
		}
		for more := true; more && n < most; {
			news, err := c.Since(at, most)
			if err != nil {
				return err
			}
			for i := range news.Items {
				if it := &news.Items[i]; it.ForPeople() && !it.IsOwn() {
					n++
				}
			}
			at, more = news.Until, news.More
		}
		return nil
	})
	return min(n, most), ok, err
}

// Refresh reads what is new in a room that is not followed.
func (e *Engine) Refresh(ctx context.Context, settings model.Room) error {
	r, err := e.Open(settings, Face{})
	if err != nil {
		return err
	}
	_, err = r.Read(ctx)
	return errors.Join(err, r.Close())
}
