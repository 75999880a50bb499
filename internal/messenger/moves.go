package messenger

import (
	"encoding/hex"
	"slices"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
)

// MovedAway returns who has moved the room to a key that is not here, apart from keys to which the user does not go, as
// far as this device has read. Those come first whose words were compared.
func (r *Room) MovedAway() ([]model.Moved, error) {
	own, err := r.engine.Own(r.settings)
	if err != nil {
		return nil, err
	}
	return r.talk.Moved(own, refusedKeys(r.settings))
}

// MovedAway is [Room.MovedAway] for who only looks at what is here.
func (e *Engine) MovedAway(settings model.Room) (moved []model.Moved, err error) {
	err = e.look(settings, func(c *room.Conversation) error {
		own, err := e.Own(settings)
		if err == nil {
			moved, err = c.Moved(own, refusedKeys(settings))
		}
		return err
	})
	return moved, err
}

func refusedKeys(settings model.Room) (refused []record.KeyID) {
	for _, text := range settings.Refused {
		if b, err := hex.DecodeString(text); err == nil && len(b) == len(record.KeyID{}) {
			refused = append(refused, record.KeyID(b))
		}
	}
	return refused
}

// mindMoves warns before something is sealed with a key that others have moved away from, and refuses it if one of them
// is somebody whose key was compared. Anybody else could silence everybody with one record. Whoever insists is asked no
// more about the keys that the compared ones go to, nor about anything that all others have said so far. It returns
// what it knew of.
func (r *Room) mindMoves(insist bool) ([]model.Moved, error) {
	moved, err := r.MovedAway()
	if err != nil || len(moved) == 0 {
		return nil, err
	}
	if insist {
		return moved, r.stay(moved)
	}
	if err := r.mayWriteUnder(); err != nil {
		return nil, err
	}
	return moved, r.tell(Moved{r.settings.Name, moved})
}

// HeldBack returns a [*model.MovedError] if nothing that waits is posted, see [room.Conversation.HeldBack].
func (r *Room) HeldBack() error {
	own, err := r.engine.Own(r.settings)
	if err != nil {
		return err
	}
	return r.talk.HeldBack(r.settings.Name, own, refusedKeys(r.settings))
}

// stay remembers that the user goes on with the key that is here. Keys are remembered only where compared ones go to
// them: anybody could fill a list with others.
func (r *Room) stay(moved []model.Moved) error {
	if err := r.talk.Stay(); err != nil || !moved[0].Compared {
		return err
	}
	return r.update(func(s *model.Room) error {
		for _, m := range moved {
			if text := hex.EncodeToString(m.Key[:]); m.Compared && !slices.Contains(s.Refused, text) {
				s.Refused = append(s.Refused, text)
			}
		}
		return nil
	})
}

// movedMeanwhile warns of moves that were not known when a message was sealed, and keep nobody from posting it.
func (r *Room) movedMeanwhile(before []model.Moved, insist bool) error {
	moved, err := r.MovedAway()
	if err == nil && len(moved) > 0 && moved[0].Compared && !insist {
		return nil // it is refused
	}
	moved = slices.DeleteFunc(moved, func(m model.Moved) bool { return slices.Contains(before, m) })
	if err == nil && len(moved) > 0 {
		err = r.tell(Moved{r.settings.Name, moved})
	}
	return err
}
