package messenger

import (
	"context"
	"errors"

	"github.com/fernpost/fernpost/internal/item"
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

// Refreshed is what a reading has told that nothing tells again: messages and findings about records are in the archive
// for whoever shows the room next, these are not.
type Refreshed struct {
	Found []item.Finding
	Said  []Line
}

// Refresh reads what is new in a room that is not followed. Of one that is, the relay is asked now: its streams tell what
// comes of that. Beside an error stands what was told up to it.
func (e *Engine) Refresh(ctx context.Context, settings model.Room) (told Refreshed, err error) {
	if e.hurry(settings) {
		return told, nil
	}
	r, err := e.Open(settings, Face{Tell: func(e Event) error {
		told.Said = append(told.Said, Says(e)...)
		return nil
	}})
	if err != nil {
		return told, err
	}
	arrivals, err := r.Read(ctx)
	if told.Found = r.Lasting(&r.news, &arrivals); r.news.Cleared && !r.signed { // of records, the archive tells it
		told.Said = append(told.Said, ChannelCleared())
	}
	return told, errors.Join(err, r.Close())
}

// hurry has a room that is followed read now, and reports whether it is.
func (e *Engine) hurry(settings model.Room) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.watched[settings.FilesName()]
	if w != nil {
		wake(w.hurry)
	}
	return w != nil
}
