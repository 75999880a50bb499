package messenger_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/handover"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
)

// takes has a member take over what a room of a file, or an invitation, knows better, and returns how its keys stand then.
func (m *member) takes(r handover.Room, insist bool) (model.Room, messenger.Joining) {
	m.t.Helper()
	j, err := m.imports(&r)
	if err == nil {
		err = m.engine.Order(m.t.Context(), &j, insist, messenger.Face{})
	}
	if err == nil {
		_, err = m.engine.Join(m.t.Context(), j, insist)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return m.settings(), j
}

// file returns the room of a member as a file hands it on, with its newest keys only.
func (m *member) file(keys int) handover.Room {
	m.t.Helper()
	rooms, err := m.engine.Export("lab")
	if err != nil {
		m.t.Fatal(err)
	}
	rooms[0].Keys = rooms[0].Keys[:keys]
	return rooms[0]
}

// An invitation or a file with a key that the room had left made that the newest again, on a device that came after it: what was sent
// from then on could be read by whoever had been left behind.
func TestAKeyThatTheRoomHasLeftSealsNothingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana := x.join("ana")
		ana.say("one")
		left := ana.file(1)
		ana.rotate()
		ana.say("two")
		late := x.join("late")
		if _, err := late.engine.Update("lab", func(r *model.Room) error {
			r.Keys = ana.settings().Keys[:1]
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		late.say("three")
		second := late.settings().Keys[0]
		now, j := late.takes(left, false)
		if want := ana.settings().Keys; !j.Unordered || !slices.Equal(now.Keys, want) {
			t.Errorf("after a file with a key that was left it seals with %d of its keys; %+v", slices.Index(want, now.Keys[0]), j.Mends)
		}
		if got := late.reads(); !slices.Contains(got, "ana: one") {
			t.Errorf("it reads %q, and not what was sealed with that key", got)
		}
		// A move of which the room tells, or the file, is followed.
		ana.rotate()
		ana.say("four")
		if now, j = late.takes(ana.file(1), false); j.Unordered || now.Keys[0] != ana.settings().Keys[0] {
			t.Errorf("a key to which the room has moved is not taken: %+v", j)
		}
		behind := x.join("behind")
		if _, err := behind.engine.Update("lab", func(r *model.Room) error {
			r.Keys = []model.Secret{second}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if now, j = behind.takes(ana.file(3), false); j.Unordered || !slices.Equal(now.Keys, ana.settings().Keys) {
			t.Errorf("keys of which the file tells how they follow are not taken: %+v", j)
		}
		// One of several moves later, an invitation names the key of the first move among its older ones.
		early := x.join("early") // with the very first key
		if now, j = early.takes(ana.file(2), false); j.Unordered || !slices.Equal(now.Keys, ana.settings().Keys) {
			t.Errorf("of several moves the room has %d keys, unordered %v", len(now.Keys), j.Unordered)
		}
		// Where the key between is missing nothing shows it, and whoever insists afterwards has it all the same.
		between := x.join("between")
		if now, j = between.takes(ana.file(1), false); !j.Unordered || now.Keys[0] != x.room.Keys[0] {
			t.Errorf("without the key between it seals with another one: %+v", j.Mends)
		}
		if now, j = between.takes(ana.file(1), true); j.Older || now.Keys[0] != ana.settings().Keys[0] {
			t.Errorf("whoever insists the second time is told that it is older (%v)", j.Older)
		}
		// Whoever insists has it.
		stranger := x.join("stranger")
		if _, err := stranger.engine.Update("lab", func(r *model.Room) error {
			r.Keys = ana.settings().Keys[:1]
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if now, _ = stranger.takes(left, true); now.Keys[0] != model.Secret(left.Keys[0].Reveal()) {
			t.Error("who insists does not get the key")
		}
	})
}

// moveTo is rotate, with the key of a passphrase.
func (m *member) moveTo(pass string) {
	m.t.Helper()
	key := m.derived(pass)
	if _, err := m.engine.Update("lab", func(r *model.Room) error {
		r.Keys = append([]model.Secret{key}, r.Keys...)
		r.Untold = append(r.Untold, key)
		return nil
	}); err != nil {
		m.t.Fatal(err)
	}
}

func (m *member) derived(pass string) model.Secret {
	m.t.Helper()
	r := m.settings()
	profile, err := messenger.Profile(r)
	if err != nil {
		m.t.Fatal(err)
	}
	key, err := messenger.Derive(r, profile, pass)
	if err != nil {
		m.t.Fatal(err)
	}
	return model.Secret(fernet.NewKey(key).Reveal())
}

// Whoever was away for two moves was told that the right passphrase is wrong: who has moved the room names the key between in the key
// that is here, and the last one only under that, which nobody here has.
func TestTheKeyOfASecondMoveIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana := x.join("ana")
		x.room.Keys = nil
		ana.moveTo("the key that was left")
		ana.say("zero")
		ana.rotate()
		x.room.Keys = ana.settings().Keys[:1]
		ana.say("one")
		bo := x.join("bo")
		bo.reads()
		bo.compare(ana)
		ana.rotate()
		ana.say("two")
		ana.moveTo("the third passphrase")
		add := func(pass string) error {
			_, err := bo.engine.AddKey(t.Context(), bo.settings(), pass, func() func() { return func() {} },
				func(messenger.KeyAdded) error { return nil }, messenger.Face{})
			return err
		}
		ana.in(func(r *messenger.Room) error { return r.TellOfKeys(t.Context()) })
		// It was called wrong or left by the room, and nothing else: nobody added the one between.
		if err := add("the third passphrase"); !errors.Is(err, messenger.ErrNoKey) || !strings.Contains(err.Error(), "the passphrase between goes first") {
			t.Errorf("a key under which nobody has written yet: %v, want that it opens nothing that says so, and what to do", err)
		}
		ana.say("three")
		if err := add("the key that was left"); !errors.Is(err, messenger.ErrNoKey) {
			t.Errorf("a key that the room had left: %v, want a refusal", err)
		}
		if err := add("the third passphrase"); err != nil {
			t.Errorf("the key of the last move: %v", err)
		}
		if got := bo.reads(); !slices.Contains(got, "ana: three") {
			t.Errorf("bo reads %q", got)
		}
	})
}

// For each room of a file all rooms of this device were read again: a file of many took the square of it. A room that came twice in a
// file, under two names, is entered once.
func TestAnImportReadsThisDevicesRoomsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, bo := x.join("ana"), x.join("bo")
		rooms, err := ana.engine.Export()
		if err != nil {
			t.Fatal(err)
		}
		importer, err := bo.engine.Importer()
		if err == nil {
			err = bo.engine.Remove(t.Context(), bo.settings()) // whoever reads again sees no room
		}
		if err != nil {
			t.Fatal(err)
		}
		if j, err := importer.Import(&rooms[0], ""); err != nil || !j.Has {
			t.Errorf("the room is %q, here %t, %v", j.Room.Name, j.Has, err)
		}
		if importer, err = bo.engine.Importer(); err != nil {
			t.Fatal(err)
		}
		j, err := importer.Import(&rooms[0], "")
		if err != nil || j.Has {
			t.Fatalf("a room that was removed is here: %v", err)
		}
		if err := bo.engine.Add(j.Room); err != nil {
			t.Fatal(err)
		}
		importer.Entered(j.Room)
		again := rooms[0]
		again.Name = "other"
		if j, err := importer.Import(&again, ""); err != nil || !j.Has || j.Room.Name != "lab" {
			t.Errorf("the same room once more is %q, here %t, %v", j.Room.Name, j.Has, err)
		}
	})
}
