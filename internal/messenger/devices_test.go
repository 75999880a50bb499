package messenger_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/handover"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

func (m *member) sayIn(name, text string) {
	m.t.Helper()
	m.inRoom(name, func(r *messenger.Room) error {
		_, err := r.Send(m.t.Context(), record.Text(text), messenger.SendOptions{})
		return err
	})
}

// claims says in a room that another member is a device of theirs.
func (m *member) claims(name string, device *member) {
	m.t.Helper()
	consent, ok, err := device.engine.Consent(device.settingsOf(name), m.key())
	if err != nil || !ok {
		m.t.Fatal(ok, err)
	}
	m.inRoom(name, func(r *messenger.Room) error {
		_, err := r.Send(m.t.Context(), consent.Device, messenger.SendOptions{})
		return err
	})
}

func (m *member) key() record.PublicKey {
	m.t.Helper()
	key, err := m.engine.Own(m.settings())
	if err != nil {
		m.t.Fatal(err)
	}
	return key
}

// withdraws is [messenger.Engine.WithdrawLost] in a room.
func (m *member) withdraws(name string, key record.PublicKey) (w messenger.Withdrawal) {
	m.t.Helper()
	all, err := m.engine.WithdrawLost(m.t.Context(), name, key, messenger.Face{})
	if err != nil || len(all) > 1 {
		m.t.Fatal(all, err)
	}
	for _, w = range all {
	}
	return w
}

// loses notes that a device was lost, and tells nobody.
func (m *member) loses(key record.PublicKey) {
	m.t.Helper()
	if err := m.engine.TakeLost([]record.PublicKey{key}); err != nil {
		m.t.Fatal(err)
	}
}

// isLost fails unless a room, read anew, has a key as that of a lost device, and marks what it has written.
func (m *member) isLost(name string, key record.PublicKey) {
	m.t.Helper()
	m.inRoom(name, func(r *messenger.Room) error {
		if _, err := r.Read(m.t.Context()); err != nil {
			return err
		}
		people, err := r.People()
		if err != nil {
			return err
		}
		at := slices.IndexFunc(people, func(p model.Person) bool { return p.Key == key })
		if at < 0 {
			m.t.Errorf("%s: the device has written, and is nobody", name)
			return nil
		}
		if p := people[at]; p.Compared || !p.Lost || p.Person != key || !strings.Contains(p.Name, key.Tag().Name()) || len(p.Names) > 0 {
			m.t.Errorf("%s: the lost device is %q, compared %t, lost %t, the owner's %t, with the names %q",
				name, p.Name, p.Compared, p.Lost, p.Person != key, p.Names)
		}
		return r.History(0, func(it *model.Item) error {
			if it.Lost != (it.Record.Author == key) {
				m.t.Errorf("%s: %s is marked as a lost device's: %t", name, it.Record.Name, it.Lost)
			}
			return nil
		})
	})
	if slices.Contains(m.settingsOf(name).Introduced, key.String()) {
		m.t.Errorf("%s: the lost device is introduced still", name)
	}
	standing, err := m.engine.StandingOf(key)
	if _, compared, _ := standing.Compared(); compared || !standing.Lost || err != nil {
		m.t.Errorf("the lost device counts as compared: %t, as lost: %t, %v", compared, standing.Lost, err)
	}
}

// Where it had not written yet a lost device was passed over: what introduced it, and what called it a device, stayed, and it came back
// as compared there.
func TestALostDeviceIsTrustedNowhereAlsoWhereItWritesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, phone, bo := x.join("ana"), x.join("phone"), x.join("bo")
		key := phone.key()
		x.another("claimed", ana, phone, bo)
		x.another("introduced", ana, phone, bo)
		x.another("untouched", ana, phone, bo)
		if _, err := ana.engine.Update("introduced", func(r *model.Room) error {
			r.Introduced = []string{key.String()}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		phone.say("in the lab")
		ana.reads()
		ana.compare(phone)
		ana.claims("lab", phone)
		ana.claims("claimed", phone)
		ana.reads()
		for _, who := range []string{"ana's phone", key.Tag().Name(), key.String()} {
			if got, _, err := ana.engine.Who("", who, messenger.Devices); got != key || err != nil {
				t.Errorf("%s is %s, %v", who, got.Tag(), err)
			}
		}
		if got, _, err := ana.engine.Who("introduced", key.Tag().Name(), messenger.Devices); got != key || err != nil {
			t.Errorf("who is only introduced is %s, %v", got.Tag(), err)
		}

		want := map[string]messenger.Withdrawal{
			"lab": {Known: true, Told: true}, "claimed": {Known: true, Told: true}, "introduced": {Known: true},
		}
		var told []messenger.Event
		all, err := ana.engine.WithdrawLost(t.Context(), "", key, messenger.Face{Tell: func(e messenger.Event) error {
			switch e.(type) {
			case messenger.DeviceLost, messenger.Withdrawal:
				told = append(told, e)
			}
			return nil
		}})
		if err != nil || len(all) != len(want) || len(told) != len(want)+1 || told[0] != messenger.Event(messenger.DeviceLost{Key: key}) {
			t.Errorf("withdrawn in %v, told %v, %v", all, told, err)
		}
		for _, w := range all {
			if sent := w.Record != nil && w.Record.Sent == model.StateAccepted; sent != w.Told {
				t.Errorf("%s: the record is %+v", w.Room, w.Record)
			}
			name := w.Room
			if w.Record, w.Room = nil, ""; w != want[name] {
				t.Errorf("%s: %+v, want %+v", name, w, want[name])
			}
		}
		for _, name := range []string{"lab", "claimed", "introduced", "untouched"} {
			phone.sayIn(name, "from the thief")
			ana.isLost(name, key)
			bo.inRoom(name, func(r *messenger.Room) error {
				if _, err := r.Read(t.Context()); err != nil {
					return err
				}
				people, err := r.People()
				for _, p := range people {
					if p.Key == key && p.Person != key {
						t.Errorf("%s: to bo it is %s's still", name, p.Person.Tag())
					}
				}
				return err
			})
		}
	})
}

// What had come before, and could not be told, waited in the outbox, and nobody was told that it does.
func TestAWithdrawalThatWaitsIsPostedByTheNextCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, phone := x.join("ana"), x.join("phone")
		key := phone.key()
		phone.say("hello")
		ana.reads()
		ana.claims("lab", phone)
		x.server.Inject(relaytest.LoseRequest())
		for range 2 {
			w := ana.withdraws("lab", key)
			if _, waits := errors.AsType[*messenger.WaitsError](w.Err); !waits || !w.Waits || w.Told {
				t.Errorf("while the relay is away: %+v", w)
			}
		}
		// Nobody has to be told for the owner to know.
		ana.inRoom("lab", func(r *messenger.Room) error {
			p, err := r.Person(key.String())
			if p.Person != key || p.Compared {
				t.Errorf("until the others are told it is %q", p.Name)
			}
			return err
		})
		x.server.Inject(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if w := ana.withdraws("lab", key); !w.Told || w.Waits || w.Err != nil || w.Record == nil || w.Record.Entry == 0 {
			t.Errorf("once the relay is back: %+v", w)
		}
		if w := ana.withdraws("lab", key); w.Told || w.Waits || w.Err != nil {
			t.Errorf("once it is said: %+v", w)
		}
	})
}

// A file that was written before made a device trusted again that was lost since, and somebody whose name was let go of.
func TestAnOlderFileTrustsNobodyAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, phone, mal := x.join("ana"), x.join("phone"), x.join("mal")
		key := phone.key()
		phone.say("hello")
		mal.say("hello")
		ana.reads()
		ana.compare(phone)
		ana.compare(mal)
		rooms, err := ana.engine.Export()
		if err != nil || len(rooms[0].Compared) != 2 {
			t.Fatal(len(rooms[0].Compared), err)
		}
		ana.loses(key)
		ana.inRoom("lab", func(r *messenger.Room) error {
			_, err := r.Forget(mal.key(), time.Now())
			return err
		})
		j, err := ana.imports(&rooms[0])
		if err != nil || len(j.Mends) > 0 || len(j.Introduced) > 0 || len(j.NotCompared) != 2 {
			t.Errorf("the old file introduces %d, and mends %v; %d stay as they are, %v", len(j.Introduced), j.Mends, len(j.NotCompared), err)
		}
		// Also where the room is new, and on another device that was told of it by a newer file.
		lost, err := ana.engine.LostDevices()
		if err != nil {
			t.Fatal(err)
		}
		other := x.join("other")
		named, err := other.engine.LostIn(&handover.Content{Lost: lost})
		if err := errors.Join(err, other.engine.TakeLost(named.Fresh)); err != nil || len(named.Fresh) == 0 {
			t.Fatal(err)
		}
		for _, m := range []*member{ana, other} {
			if err := m.engine.Remove(t.Context(), m.settings()); err != nil {
				t.Fatal(err)
			}
			j, err := m.imports(&rooms[0])
			if err == nil {
				err = m.engine.Add(j.Room)
			}
			if err != nil {
				t.Fatal(err)
			}
			m.isLost("lab", key)
		}
		// Whoever has it again, and has compared the words, trusts it; what another device says later does not change that.
		ana.compare(phone)
		named, err = ana.engine.LostIn(&handover.Content{Lost: lost})
		if err := errors.Join(err, ana.engine.TakeLost(named.Fresh)); err != nil || !slices.Contains(named.Back, key) {
			t.Fatal(err)
		}
		ana.inRoom("lab", func(r *messenger.Room) error {
			p, err := r.Person(key.Tag().Name())
			if !p.Compared || p.Lost {
				t.Errorf("a device that was found is %+v", p)
			}
			return err
		})
	})
}

// A lost device could be claimed, or be agreed to, as if nothing were.
func TestALostDeviceIsNotClaimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, phone := x.join("ana"), x.join("phone")
		key := phone.key()
		ana.loses(key)
		_, _, err := ana.engine.Consent(ana.settings(), key)
		if _, lost := errors.AsType[*messenger.LostKeyError](err); !lost {
			t.Errorf("agreeing to be one of its devices says %v", err)
		}
		consent, _, err := phone.engine.Consent(phone.settings(), ana.key())
		if err != nil {
			t.Fatal(err)
		}
		err = ana.send(consent.Device, messenger.SendOptions{})
		if _, lost := errors.AsType[*messenger.LostKeyError](err); !lost {
			t.Errorf("claiming it says %v", err)
		}
		if _, err := ana.engine.WithdrawLost(t.Context(), "", ana.key(), messenger.Face{}); !errors.Is(err, messenger.ErrOwnKey) {
			t.Errorf("losing this device itself says %v", err)
		}
	})
}

// Whoever was named with the key of a lost device was believed: whoever has the device writes letters and signs with it.
func TestALostDeviceThatIsNamedCountsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, phone := x.join("ana"), x.join("phone")
		key := phone.key()
		if _, credit, _, err := ana.engine.CreditOf(key, key); err != nil || credit != messenger.CreditNamed {
			t.Errorf("before, it counts as %s, %v", credit, err)
		}
		ana.loses(key)
		_, credit, _, err := ana.engine.CreditOf(key, key)
		if _, lost := errors.AsType[*messenger.LostKeyError](err); !lost || credit.Counts() {
			t.Errorf("it counts as %s, %v", credit, err)
		}
	})
}

// Reading which devices were lost made an identity where there was none.
func TestTakingOverLostDevicesMakesNoIdentity(t *testing.T) {
	home := t.TempDir()
	e := messenger.New(messenger.Options{Dir: func(kind string) (string, error) { return filepath.Join(home, kind), nil }})
	key := record.GenerateIdentity().Public()
	named, err := e.LostIn(&handover.Content{Lost: []record.PublicKey{key}})
	if err := errors.Join(err, e.TakeLost(named.Fresh)); err != nil || !slices.Equal(named.Fresh, []record.PublicKey{key}) {
		t.Fatalf("it takes over %v, %v", named.Fresh, err)
	}
	if own, err := e.Own(model.Room{}); err != nil || !own.IsZero() {
		t.Errorf("there is an identity now: %v, %v", own, err)
	}
}

// A room that was followed meanwhile went on showing the lost device as the owner's.
func TestALostDeviceIsMarkedWhereTheRoomWasFollowedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, phone := x.join("ana"), x.join("phone")
		phone.say("hello")
		ana.reads()
		ana.claims("lab", phone)
		ana.reads()
		s, err := ana.engine.Follow(ana.settings(), messenger.FollowOptions{Mark: "m", Fastest: time.Second, Slowest: time.Second}, messenger.Face{})
		if err != nil {
			t.Fatal(err)
		}
		next := func(text string) *model.Item {
			for {
				e, err := s.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if m, ok := e.(messenger.Message); ok && m.Record.Body == record.Body(record.Text(text)) {
					return &m.Item
				}
			}
		}
		phone.say("by the owner")
		if it := next("by the owner"); it.Lost || it.Record.Name != "ana's phone" {
			t.Errorf("before, it is %s, lost %t", it.Record.Name, it.Lost)
		}
		ana.loses(phone.key())
		phone.say("by the thief")
		if it := next("by the thief"); !it.Lost || strings.Contains(it.Record.Name, "'s") {
			t.Errorf("then it is %s, lost %t", it.Record.Name, it.Lost)
		}
		closeAll(t, s)
	})
}

// A name that a key gives itself was taken for that of somebody whose words were compared: where another room, or an older name, had
// the two apart.
func TestANamedSignerIsWhoIsShownSoAndWasCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		me, ana, eve := x.join("me"), x.join("ana"), x.join("ana")
		x.another("club", me, eve)
		named := func(who string, want record.PublicKey) error {
			t.Helper()
			key, _, err := me.engine.Who("", who, messenger.ComparedAuthors)
			if (err == nil) != (want != record.PublicKey{}) || err == nil && key != want {
				t.Errorf("%s is %s, %v", who, key.Tag(), err)
			}
			return err
		}
		nobody := record.PublicKey{}
		eve.say("I am ana")
		ana.say("no, I am")
		eve.sayIn("club", "I am ana")
		me.reads()
		me.inRoom("club", func(r *messenger.Room) error {
			_, err := r.Read(t.Context())
			return err
		})
		if _, unproven := errors.AsType[*messenger.NotComparedError](named("ana", nobody)); !unproven {
			t.Error("nobody was compared, and it is not said")
		}
		me.compare(ana) // who has the name in the lab from now on, and eve has it in the club
		named("ana", ana.key())
		named("ana ("+ana.key().Tag().Name()+")", ana.key())
		named(ana.key().String(), ana.key())
		named("ana ("+eve.key().Tag().Name()+")", nobody)
		me.inRoom("club", func(r *messenger.Room) error { return r.Verified(eve.key(), time.Now()) })
		if several, ok := errors.AsType[*model.WhoError](named("ana", nobody)); !ok || several.Called != 2 {
			t.Error("of two who were compared one is meant")
		}
		me.loses(eve.key())
		named("ana", ana.key())
		named(eve.key().String(), eve.key()) // who types a key knows which
	})
}
