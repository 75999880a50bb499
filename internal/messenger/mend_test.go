package messenger_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
)

// At another relay the broker of the one before was listened to: what it says of the channel's number was taken for the new one's.
func TestAnotherRelayIsNotHeardByTheOldBroker(t *testing.T) {
	home := t.TempDir()
	e := messenger.New(messenger.Options{Dir: func(kind string) (string, error) { return filepath.Join(home, kind), nil }})
	old := model.MQTT{URL: "mqtt://127.0.0.1:1", ClientID: "id", Username: "id", Password: "password"}
	r := model.Room{
		Name: "lab", Relay: "http://127.0.0.1:1", Channel: 7, Fields: []int{1}, Interval: "0s", MQTT: old,
		Profile: "custom:kdf=pbkdf2,salt=@room,iterations=1000", Keys: []model.Secret{model.Secret(fernet.GenerateKey().Reveal())},
	}
	if err := e.Add(r); err != nil {
		t.Fatal(err)
	}
	other := old
	other.URL = "mqtt://127.0.0.1:2"
	for _, step := range []struct {
		name   string
		change func(*model.Room)
		want   model.MQTT
	}{
		{"another interval", func(r *model.Room) { r.Interval = "1s" }, old},
		{"the same relay, written otherwise", func(r *model.Room) { r.Relay = "http://127.0.0.1:1/" }, old},
		{"another relay and its broker", func(r *model.Room) { r.Relay, r.MQTT = "http://127.0.0.1:2", other }, other},
		{"another relay", func(r *model.Room) { r.Relay = "http://127.0.0.1:3" }, model.MQTT{}},
	} {
		now, err := e.Mend(t.Context(), r, step.change, true, func(messenger.Event) {})
		if err != nil {
			t.Fatal(err)
		}
		kept, err := e.Find("lab")
		if err != nil || now.MQTT != step.want || kept.MQTT != step.want {
			t.Errorf("%s: %v is kept, %v; want %v", step.name, kept.MQTT, err, step.want)
		}
		r = now
	}
}

// Where the keys cannot be read at all, looking for a free name never ended.
func TestLookingForAFreeNameEnds(t *testing.T) {
	broken := errors.New("no such disk")
	e := messenger.New(messenger.Options{Dir: func(string) (string, error) { return "", broken }})
	if name, err := e.FreeName("lab"); !errors.Is(err, broken) {
		t.Errorf("FreeName = %q, %v", name, err)
	}
}
