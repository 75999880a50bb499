package messenger_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	access "github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/handover"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// engineAt is what a process works with that is started now, in a home directory beside a relay.
func engineAt(t *testing.T, home string, server *relaytest.Server) *messenger.Engine {
	return messenger.New(messenger.Options{
		Dir:         func(kind string) (string, error) { return filepath.Join(home, kind), nil },
		Access:      access.Access{Timeout: 10 * time.Second, Transport: server.Transport(t)},
		ArchiveSize: func() int64 { return 0 },
	})
}

// newRoom is a room of records in a new channel.
func newRoom(t *testing.T, server *relaytest.Server, name string) model.Room {
	t.Helper()
	channel := server.CreateChannel(t, relaytest.AllFields(true))
	return model.Room{
		Name: name, Relay: server.URL, Channel: channel.ID, WriteKey: model.Secret(channel.WriteKey),
		Fields: []int{1, 2, 3, 4, 5, 6, 7, 8}, Interval: "0s", Profile: "fernpost",
		Keys: []model.Secret{model.Secret(fernet.GenerateKey().Reveal())},
	}
}

func closeAll(t *testing.T, streams ...*messenger.Stream) {
	t.Helper()
	for _, s := range streams {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// members are a room of records at a relay of its own.
type members struct {
	t      *testing.T
	server *relaytest.Server
	room   model.Room
}

func newMembers(t *testing.T) *members {
	t.Helper()
	server := relaytest.InBubble(t)
	return &members{t, server, newRoom(t, server, "lab")}
}

// another is a second room at the relay of the first.
func (x *members) another(name string, members ...*member) {
	x.t.Helper()
	r := newRoom(x.t, x.server, name)
	for _, m := range members {
		if err := m.engine.Add(r); err != nil {
			x.t.Fatal(err)
		}
	}
}

// member is somebody with a home of their own, and what their room has told.
type member struct {
	t      *testing.T
	engine *messenger.Engine
	told   []messenger.Event
}

func (x *members) join(nick string) *member {
	x.t.Helper()
	m := &member{t: x.t, engine: engineAt(x.t, x.t.TempDir(), x.server)}
	if err := errors.Join(m.engine.SetNickname(nick), m.engine.Add(x.room)); err != nil {
		x.t.Fatal(err)
	}
	return m
}

// in does some work in the room, opened as a command would.
func (m *member) in(work func(*messenger.Room) error) {
	m.t.Helper()
	m.inRoom("lab", work)
}

// inRoom is in for a room by name.
func (m *member) inRoom(name string, work func(*messenger.Room) error) {
	m.t.Helper()
	r, err := m.engine.Open(m.settingsOf(name), messenger.Face{Tell: func(e messenger.Event) error {
		m.told = append(m.told, e)
		return nil
	}})
	if err == nil {
		err = errors.Join(work(r), r.Close())
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *member) settings() model.Room {
	m.t.Helper()
	return m.settingsOf("lab")
}

func (m *member) settingsOf(name string) model.Room {
	m.t.Helper()
	settings, err := m.engine.Find(name)
	if err != nil {
		m.t.Fatal(err)
	}
	return settings
}

// toldOf returns the events of one type.
func toldOf[E messenger.Event](m *member) (all []E) {
	for _, e := range m.told {
		if e, ok := e.(E); ok {
			all = append(all, e)
		}
	}
	return all
}

// imports tells what a room of a file makes of this device's rooms.
func (m *member) imports(r *handover.Room) (messenger.Joining, error) {
	importer, err := m.engine.Importer()
	if err != nil {
		return messenger.Joining{}, err
	}
	return importer.Import(r, "")
}
