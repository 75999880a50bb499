package messenger

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fernpost/fernpost/internal/handover"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
)

// Export returns what another device needs to enter rooms of this one, under an identity of its own: all keys, and
// whose words were compared. Without names it is all rooms.
func (e *Engine) Export(names ...string) (rooms []handover.Room, err error) {
	if len(names) == 0 {
		if names, _, err = e.Rooms(); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		r, err := e.Find(name)
		if err != nil {
			return nil, err
		}
		one, err := e.exported(r)
		if err != nil {
			return nil, err
		}
		rooms = append(rooms, one)
	}
	return rooms, nil
}

func (e *Engine) exported(r model.Room) (one handover.Room, err error) {
	if one.Invitation, err = e.invitation(r); err != nil {
		return one, err
	}
	if one.Compared, err = e.compared(r); err != nil {
		return one, fmt.Errorf("room %s: %w", r.Name, err)
	}
	lost, err := e.lost()
	if err != nil {
		return one, err
	}
	for _, key := range parsedKeys(r.Introduced) { // they have not written yet
		if _, is := lost[key]; !is && !slices.Contains(one.Compared, key) {
			one.Compared = append(one.Compared, key)
		}
	}
	return one, nil
}

// Importer takes the rooms of a file. It has read this device's rooms once, however many the file has.
type Importer struct {
	engine *Engine
	rooms  []model.Room
}

// Importer reads this device's rooms for an import.
func (e *Engine) Importer() (*Importer, error) {
	rooms, _, err := e.All()
	return &Importer{e, rooms}, err
}

// Import tells what a room of an export makes of this device's rooms, as [Engine.Invitation] does of an invitation:
// whoever has written the file, and those whom they have compared, count as compared. In a new room this device signs
// behind what the identity that the file moves has signed there.
func (i *Importer) Import(r *handover.Room, as string) (Joining, error) {
	return i.engine.importAmong(i.rooms, r, as)
}

// Entered notes a room that was entered or mended meanwhile: the next one of the file may be the same.
func (i *Importer) Entered(r model.Room) {
	if at := slices.IndexFunc(i.rooms, func(other model.Room) bool { return other.Name == r.Name }); at >= 0 {
		i.rooms[at] = r
		return
	}
	i.rooms = append(i.rooms, r)
}

// importAmong is [Importer.Import] on a device that has these rooms.
func (e *Engine) importAmong(rooms []model.Room, r *handover.Room, as string) (Joining, error) {
	j, err := e.joining(rooms, r.Invitation, model.ByFile, r.KeysCompared(), as)
	if !j.Has {
		continueNumbers(&j.Room, r)
	}
	return j, err
}

// Consent is the consent of who signs in a room to be called a device of somebody's there.
type Consent struct {
	record.Device

	// Author is who may claim it.
	Author record.PublicKey
}

// Consent makes the consent of who signs in a room to be called a device of author's. ok is false where nobody signs,
// or author is who signs here. The error is a [*GoneError] if that identity has moved away, a [*LostKeyError] if author
// was lost.
func (e *Engine) Consent(r model.Room, author record.PublicKey) (c Consent, ok bool, err error) {
	signed, err := Signed(r)
	if err != nil || !signed {
		return c, false, err
	}
	identity, _, err := e.Signer(r)
	if err != nil || identity.Public() == author || author.Check() != nil {
		return c, false, err
	}
	if err := e.mayTrust(author); err != nil {
		return c, false, err
	}
	c.Author, c.Key = author, identity.Public()
	c.Proof = identity.ProveDevice(saltOf(r), author)
	return c, true, nil
}

// Imported is a room of a file that this device has now, and who has written the file.
type Imported struct {
	Room model.Room
	By   record.PublicKey
}

// Introduction are the consents of a key of this device, for whoever has written a file, to claim it in some rooms.
type Introduction struct {
	Key, Author record.PublicKey
	Devices     []record.Device
	Rooms       []string
}

// Introductions makes the consents for whoever has written the files of rooms. Where nobody signs, or the author was
// lost, there is none, and there are none at all if the identity that signs has moved away.
func (e *Engine) Introductions(rooms []Imported) (all []Introduction, err error) {
	for _, in := range rooms {
		c, ok, err := e.Consent(in.Room, in.By)
		_, gone := errors.AsType[*GoneError](err)
		_, lost := errors.AsType[*LostKeyError](err)
		switch {
		case gone:
			return nil, nil
		case lost, err == nil && !ok:
			continue
		case err != nil:
			return nil, err
		}
		at := slices.IndexFunc(all, func(i Introduction) bool { return i.Key == c.Key && i.Author == c.Author })
		if at < 0 {
			at, all = len(all), append(all, Introduction{Key: c.Key, Author: c.Author})
		}
		all[at].Devices, all[at].Rooms = append(all[at].Devices, c.Device), append(all[at].Rooms, in.Room.Name)
	}
	return all, nil
}

// Claim is a device that can be claimed in a room.
type Claim struct {
	Room   string
	Device record.Device
}

// Claims returns in which rooms, or whether in the one that is named, consents of devices hold: each is for one
// channel, and for who signs there.
func (e *Engine) Claims(roomName string, devices []record.Device) (claims []Claim, err error) {
	rooms, _, err := e.All()
	if err != nil {
		return nil, err
	}
	for _, d := range devices {
		for _, r := range rooms {
			if signed, err := Signed(r); err != nil || !signed || roomName != "" && r.Name != roomName {
				continue
			}
			if own, err := e.Own(r); err == nil && d.Holds(saltOf(r), own) {
				claims = append(claims, Claim{r.Name, d})
			}
		}
	}
	return claims, nil
}

func saltOf(r model.Room) record.Salt { return record.Salt(passphrase.RoomSalt(r.Channel)) }
