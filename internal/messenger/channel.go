package messenger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

// MakeChannel makes the channel of a room, called name, with the room's fields, and gives the room its number and keys.
// Those who look at a relay's page see the name. A relay may want the key of an account.
func (e *Engine) MakeChannel(ctx context.Context, r *model.Room, name string, public bool, userKey model.Secret) error {
	client, err := e.client(remote.Options{BaseURL: r.Relay, UserKey: remote.Secret(userKey.Reveal())})
	if err != nil {
		return err
	}
	defer client.Close()
	wanted := thingspeak.Channel{Name: name, Public: public}
	for _, n := range r.Fields {
		wanted.Labels[n-1] = "message"
	}
	made, err := client.CreateChannel(ctx, wanted)
	if err != nil {
		return err
	}
	r.Channel = made.ID
	r.WriteKey, r.ReadKey = "", "" // those that it had before are another channel's
	for _, k := range made.Keys {
		switch {
		case k.Write && r.WriteKey == "":
			r.WriteKey = model.Secret(k.Text)
		case !k.Write && r.ReadKey == "" && !public:
			r.ReadKey = model.Secret(k.Text)
		}
	}
	if r.WriteKey == "" {
		return fmt.Errorf("making a channel: the relay made channel %d but gave no write key", made.ID)
	}
	return nil
}

// channel reads the settings of a room's channel.
func (e *Engine) channel(ctx context.Context, r model.Room) (thingspeak.Channel, error) {
	client, err := e.dial(r)
	if err != nil {
		return thingspeak.Channel{}, err
	}
	defer client.Close()
	return client.Channel(ctx)
}

// reach finds out whether anything answers at the address of a room's relay.
func (e *Engine) reach(ctx context.Context, r model.Room) error {
	client, err := e.dial(r)
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = client.Reach(ctx)
	if _, ok := errors.AsType[*wire.UnreachableError](err); ok || ctx.Err() != nil {
		return err
	}
	return nil
}

// dialable reports whether a client can be made for a room, without asking anybody.
func (e *Engine) dialable(r model.Room) error {
	client, err := e.dial(r)
	if err == nil {
		client.Close()
	}
	return err
}

// chooseFields makes sure that a channel has the room's fields enabled; a room without any gets those that are. A field
// that is not enabled would take updates and never show them (contract section 15, quirk 24).
func chooseFields(r *model.Room, enabled thingspeak.FieldSet) error {
	if len(r.Fields) == 0 {
		r.Fields = slices.Collect(enabled.All())
	}
	if len(r.Fields) == 0 {
		return &EntryError{NoField, r.Channel, fmt.Errorf("channel %d shows no field", r.Channel)}
	}
	for _, n := range r.Fields {
		if !enabled.Has(n) {
			return &EntryError{FieldHidden, r.Channel, fmt.Errorf("channel %d does not show field %d", r.Channel, n)}
		}
	}
	return nil
}

// leaveCheck puts a check into the metadata of a channel that was made for a room: by it whoever joins knows a wrong
// passphrase before anybody has written.
func (e *Engine) leaveCheck(ctx context.Context, r model.Room, key fernet.Key, userKey model.Secret) error {
	check, err := room.NewCheck(key, time.Now())
	if err != nil {
		return err
	}
	client, err := e.client(remote.Options{
		BaseURL: r.Relay, Channel: r.Channel, UserKey: remote.Secret(userKey.Reveal()), WriteKey: remote.Secret(r.WriteKey.Reveal()),
	})
	if err != nil {
		return err
	}
	defer client.Close()
	return client.AddMetadata(ctx, check)
}
