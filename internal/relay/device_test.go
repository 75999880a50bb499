package relay_test

import (
	"errors"
	"testing"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// TestDeviceShowsAllThree: client ID, user name and password have to be one device's, as it is now.
func TestDeviceShowsAllThree(t *testing.T) {
	s := relaytest.New(t, relaytest.InMemory())
	d, password := relay.NewDevice()
	other, otherPassword := relay.NewDevice()
	if len(d.ID) != 23 || len(password) != 24 || d.ID == other.ID || password == otherPassword {
		t.Errorf("devices are %q, %q and %q, %q", d.ID, password, other.ID, otherPassword)
	}
	if err := errors.Join(s.Store.CreateDevice(t.Context(), d), s.Store.CreateDevice(t.Context(), other)); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		id, username, password string
		want                   error
	}{
		{d.ID, d.ID, password, nil},
		{d.ID, d.ID, otherPassword, relay.ErrKey},
		{d.ID, other.ID, password, relay.ErrKey},
		{other.ID, d.ID, password, relay.ErrKey},
		{d.ID, "", password, relay.ErrKey},
		{d.ID, d.ID, "", relay.ErrKey},
		{d.ID, d.ID, d.Password, relay.ErrKey},
		{"", "", "", relay.ErrKey},
		{"nobody", "nobody", password, relay.ErrKey},
	} {
		if _, err := s.Relay.Device(t.Context(), x.id, x.username, x.password); !errors.Is(err, x.want) {
			t.Errorf("Device(%q, %q, %q): %v, want %v", x.id, x.username, x.password, err, x.want)
		}
	}
	renewed := ""
	if err := s.Store.ChangeDevice(t.Context(), d.ID, func(d *relay.Device) error {
		renewed = d.Renew()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Relay.Device(t.Context(), d.ID, d.ID, password); !errors.Is(err, relay.ErrKey) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := s.Relay.Device(t.Context(), d.ID, d.ID, renewed); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if _, err := s.Relay.Still(t.Context(), d); !errors.Is(err, relay.ErrKey) {
		t.Errorf("who connected with the old password goes on: %v", err)
	}
}

// TestUpdateByDevice: a device writes the channels that it may publish to, at this moment, and no others.
func TestUpdateByDevice(t *testing.T) {
	s := relaytest.New(t, relaytest.InMemory())
	own, read, foreign := s.CreateChannel(t, relay.Settings{}), s.CreateChannel(t, relay.Settings{}),
		s.CreateChannel(t, relay.Settings{})
	d, _ := relay.NewDevice()
	if err := errors.Join(
		d.Allow(relay.Right{Channel: own.ID, Publish: true}),
		d.Allow(relay.Right{Channel: read.ID, Subscribe: true}),
		s.Store.CreateDevice(t.Context(), d),
	); err != nil {
		t.Fatal(err)
	}
	update := func(channel int64) error {
		e := thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text("x")}}
		_, err := s.Relay.UpdateBy(t.Context(), d, relay.Update{
			Channel: channel, Entries: []relay.NewEntry{{Entry: e}},
		})
		return err
	}
	for channel, want := range map[int64]error{
		own.ID: nil, read.ID: relay.ErrKey, foreign.ID: relay.ErrKey, 0: relay.ErrKey, 5_000_000: relay.ErrKey,
	} {
		if err := update(channel); !errors.Is(err, want) {
			t.Errorf("updating channel %d: %v, want %v", channel, err, want)
		}
	}
	if err := s.Store.ChangeChannel(t.Context(), own.ID, func(c *relay.Channel) error {
		c.Keys[0].Text = relay.NewKey()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := update(own.ID); err != nil {
		t.Errorf("after the channel got another write key: %v", err)
	}
	if n := len(s.Entries(t, own.ID)); n != 2 {
		t.Errorf("%d entries, want 2", n)
	}
	if err := s.Store.RemoveDevice(t.Context(), d.ID); err != nil {
		t.Fatal(err)
	}
	if err := update(own.ID); !errors.Is(err, relay.ErrKey) {
		t.Errorf("a removed device writes: %v", err)
	}
}

func TestDeviceHasTenChannels(t *testing.T) {
	d, _ := relay.NewDevice()
	for channel := range int64(relay.MaxDeviceChannels) {
		if err := d.Allow(relay.Right{Channel: 20 - channel, Publish: true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Allow(relay.Right{Channel: 1, Publish: true}); !errors.Is(err, relay.ErrFull) {
		t.Errorf("an eleventh channel: %v", err)
	}
	if d.Rights[0].Channel != 11 || len(d.Rights) != relay.MaxDeviceChannels {
		t.Errorf("rights are %v", d.Rights)
	}
	if err := errors.Join(d.Allow(relay.Right{Channel: 11}), d.Allow(relay.Right{Channel: 1, Subscribe: true})); err != nil {
		t.Errorf("one for another: %v", err)
	}
	if d.MaySubscribe(11) || !d.MaySubscribe(1) || d.MaySubscribe(20) {
		t.Errorf("rights are %v", d.Rights)
	}
}
