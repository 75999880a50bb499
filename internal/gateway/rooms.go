package gateway

import (
	"errors"
	"net/http"
	"time"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
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
	return SendJSON(w, http.StatusOK, answer)
}

// personAnswer is somebody in a room.
type personAnswer struct {
	Name     string           `json:"name" means:"how they are called"`
	Key      record.PublicKey `json:"key" means:"their public key"`
	Words    string           `json:"words" means:"the six words of that key, to be compared"`
	Compared bool             `json:"compared" means:"whether they were compared"`
	Own      bool             `json:"own" means:"whether it is the key that signs on this device"`
	Lost     bool             `json:"lost" means:"whether it is that of a device that was withdrawn as lost"`
}

// peopleAnswer are those of whom something was read in a room.
type peopleAnswer struct {
	People []personAnswer `json:"people" means:"those of whom something was read:"`
	Name   *string        `json:"name" means:"how this device is called there; null where nobody signs"`
	Words  *string        `json:"words" means:"the six words of the key that signs on it"`
}

func (d *roomDoor) getPeople(w http.ResponseWriter, v *roomRequest) error {
	answer := peopleAnswer{People: []personAnswer{}}
	err := v.with(func(r *messenger.Room) error {
		own, name := r.Own()
		if own.IsZero() {
			return nil
		}
		answer.Name, answer.Words = &name, new(passphrase.SixWords(own.Safety()))
		people, err := r.People()
		for i := range people {
			p := &people[i]
			answer.People = append(answer.People, personAnswer{p.Name, p.Key, passphrase.SixWords(p.Key.Safety()), p.Compared, p.Own, p.Lost})
		}
		return err
	})
	if err != nil {
		return err
	}
	return SendJSON(w, http.StatusOK, answer)
}

// postCompared notes that the words of a key were compared.
func (d *roomDoor) postCompared(w http.ResponseWriter, v *roomRequest) error {
	key, err := record.ParseKey(v.PathValue("key"))
	if err != nil {
		return refusef(http.StatusNotFound, "that is nobody's key")
	}
	if err := v.with(func(r *messenger.Room) error { return r.Verified(key, time.Now()) }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
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
	return SendJSON(w, http.StatusOK, answer)
}
