package messenger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// MakeChannel makes the channel of a room, called name, with the room's fields, and gives the room its number and keys. Those
// who look at a relay's page see the name. A relay may want the key of an account.
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

// Channel reads the settings of a room's channel.
func (e *Engine) Channel(ctx context.Context, r model.Room) (thingspeak.Channel, error) {
	client, err := e.dial(r)
	if err != nil {
		return thingspeak.Channel{}, err
	}
	defer client.Close()
	return client.Channel(ctx)
}

// Dialable reports whether a client can be made for a room, without asking anybody.
func (e *Engine) Dialable(r model.Room) error {
	client, err := e.dial(r)
	if err != nil {
		return err
	}
	client.Close()
	return nil
}

// FieldError says that a channel does not show a field of a room, or no field at all.
type FieldError struct {
	Channel int64
	// Field is its number; 0 if the channel shows none.
	Field int
}

func (e *FieldError) Error() string {
	if e.Field == 0 {
		return fmt.Sprintf("channel %d shows no field", e.Channel)
	}
	return fmt.Sprintf("channel %d does not show field %d", e.Channel, e.Field)
}

// ChooseFields makes sure that a channel has the room's fields enabled; a room without any gets those that are. A field that
// is not enabled would take updates and never show them (contract section 15, quirk 24). The error is [*FieldError].
func ChooseFields(r *model.Room, channel *thingspeak.Channel) error {
	if len(r.Fields) == 0 {
		r.Fields = slices.Collect(channel.Enabled().All())
	}
	if len(r.Fields) == 0 {
		return &FieldError{Channel: r.Channel}
	}
	for _, n := range r.Fields {
		if !channel.Enabled().Has(n) {
			return &FieldError{r.Channel, n}
		}
	}
	return nil
}

// ProveWriteKey asks the relay whether a room's write key writes the channel. Of a relay that does not tell, that stays
// unproven, and the room notes it.
func (e *Engine) ProveWriteKey(ctx context.Context, r *model.Room) error {
	client, err := e.dial(*r)
	if err != nil {
		return err
	}
	defer client.Close()
	proven, err := client.ProveWriteKey(ctx)
	r.Unproven = err == nil && !proven
	return err
}

// LeaveCheck puts a check into the metadata of a channel that was made for a room: by it whoever joins knows a wrong
// passphrase before anybody has written.
func (e *Engine) LeaveCheck(ctx context.Context, r model.Room, key fernet.Key, userKey model.Secret) error {
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

// RenewCheck puts a check for a room's new key beside those of the keys before, so that whoever joins with it is known, also
// before anybody has written under it. It reports whether it has left one, and whether one is there. A room works
// without, so a relay that refuses it is no error.
func (e *Engine) RenewCheck(ctx context.Context, r model.Room, key fernet.Key) (left, there bool, err error) {
	client, err := e.dial(r)
	if err != nil {
		return false, false, err
	}
	defer client.Close()
	channel, err := client.Channel(ctx)
	if err != nil {
		return false, false, ctx.Err()
	}
	renewed, there, err := room.RenewCheck(channel.Metadata, key, time.Now())
	if err != nil {
		return false, false, err
	}
	if there && renewed != channel.Metadata {
		left = client.AddMetadata(ctx, renewed) == nil
		there = left
	}
	return left, there, ctx.Err()
}
