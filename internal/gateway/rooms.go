package gateway

import (
	"errors"
	"net/http"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
)

// roomAnswer is a room.
type roomAnswer struct {
	Name    string `json:"name" means:"what it is called on this device"`
	Channel int64  `json:"channel" means:"the number of its channel"`
	Signed  bool   `json:"signed" means:"whether its members sign what they write"`
	Write   bool   `json:"write" means:"whether the token may write there, and the room has a write key"`
}

type roomsAnswer struct {
	Rooms []roomAnswer `json:"rooms" means:"the rooms, by name:"`
}

func (d *roomDoor) getRooms(w http.ResponseWriter, r *http.Request) error {
	names, _, err := d.followed.engine.Rooms()
	if err != nil {
		return err
	}
	answer, refused := roomsAnswer{[]roomAnswer{}}, error(nil)
	for _, name := range names {
		if _, err := d.h.bearer(r, Read, name); err != nil {
			refused = err
			if no, ok := errors.AsType[*refusal](err); ok && no.status != http.StatusForbidden {
				return err
			}
			continue
		}
		settings, err := d.followed.engine.Find(name)
		if err != nil {
			continue // it was removed, or cannot be read: whoever asks for it hears why
		}
		signed, _ := messenger.Signed(settings)
		_, err = d.h.bearer(r, Write, name)
		answer.Rooms = append(answer.Rooms, roomAnswer{name, settings.Channel, signed, err == nil && messenger.Writable(settings) == nil})
	}
	if len(names) == 0 {
		_, refused = d.h.bearer(r, Read, "")
	}
	if len(answer.Rooms) == 0 && refused != nil {
		return refused
	}
	return sendJSON(w, http.StatusOK, answer)
}

// findingsAnswer are findings.
type findingsAnswer struct {
	Findings []item.Finding `json:"findings" means:"those that hold, in the order in which they came:"`
	Past     []item.Finding `json:"past" means:"those about what stood before the channel was cleared:"`
}

func (d *roomDoor) getFindings(w http.ResponseWriter, v *roomRequest) error {
	answer := findingsAnswer{[]item.Finding{}, []item.Finding{}}
	if err := d.settle(v); err != nil {
		return err
	}
	err := v.with(func(r *messenger.Room) error {
		all, past, err := r.Standing()
		for i := range all {
			answer.Findings = append(answer.Findings, item.OfFinding(&all[i], false))
		}
		for i := range past {
			answer.Past = append(answer.Past, item.OfFinding(&past[i], false))
		}
		return err
	})
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, answer)
}
