package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// maxTextBytes bounds a channel's texts: name, description, labels, metadata, tags and the rest, each.
const maxTextBytes = 10_000

// noPlace is the latitude and longitude of a channel that has none.
const noPlace = "0.0"

// Settings are what the owner of a channel may choose (contract section 8). A nil member leaves things as they are; a
// latitude or longitude that is no decimal is "0.0".
type Settings struct {
	Name, Description              *string
	Latitude, Longitude, Elevation *string
	Labels                         [thingspeak.FieldCount]*string
	Metadata, URL                  *string
	Tags                           *[]string
	Public                         *bool
}

// apply writes the settings into a channel.
func (s *Settings) apply(c *thingspeak.Channel) error {
	for _, text := range []struct {
		name string
		from *string
		to   *string
	}{
		{"name", s.Name, &c.Name},
		{"description", s.Description, &c.Description},
		{"latitude", place(s.Latitude), &c.Latitude},
		{"longitude", place(s.Longitude), &c.Longitude},
		{"elevation", s.Elevation, &c.Elevation},
		{"metadata", s.Metadata, &c.Metadata},
		{"url", s.URL, &c.URL},
	} {
		if err := set(text.name, text.from, text.to); err != nil {
			return err
		}
	}
	for i, label := range s.Labels {
		if err := set("a label", label, &c.Labels[i]); err != nil {
			return err
		}
		// A field is enabled when its label is not blank (contract section 3.1).
		if strings.TrimSpace(c.Labels[i]) == "" {
			c.Labels[i] = ""
		}
	}
	if s.Tags != nil {
		all := strings.Join(*s.Tags, ",")
		if err := set("tags", &all, new(string)); err != nil {
			return err
		}
		c.Tags = *s.Tags
	}
	if s.Public != nil {
		c.Public = *s.Public
	}
	return nil
}

// place keeps of a latitude or longitude what is a decimal.
func place(s *string) *string {
	if s == nil {
		return nil
	}
	text, ok := thingspeak.ParseDecimal(*s)
	if !ok {
		text = noPlace
	}
	return &text
}

func set(name string, from, to *string) error {
	if from == nil {
		return nil
	}
	if len(*from) > maxTextBytes {
		return fmt.Errorf("%s has %d bytes, at most %d: %w", name, len(*from), maxTextBytes, ErrTooLarge)
	}
	if err := checkText(name, *from); err != nil {
		return err
	}
	*to = *from
	return nil
}

// CreateChannel makes a channel of an account, with a random number, a write key and a read key. Without a name it is
// called after its number, without labels its first field is enabled (contract section 3.1). The errors are ErrFull,
// ErrTooLarge and ErrBytes.
func (r *Relay) CreateChannel(ctx context.Context, owner int64, s Settings) (*Channel, error) {
	limit := r.limits.Channels
	if owner == LocalAccountID {
		limit = 0
	}
	return r.createChannel(ctx, owner, s, limit)
}

// CreateOpenChannel makes a channel for somebody who showed no user key. It belongs to the local account, and is refused
// with ErrFull when that has Limits.OpenChannels.
func (r *Relay) CreateOpenChannel(ctx context.Context, s Settings) (*Channel, error) {
	return r.createChannel(ctx, LocalAccountID, s, r.limits.OpenChannels)
}

func (r *Relay) createChannel(ctx context.Context, owner int64, s Settings, limit int) (*Channel, error) {
	// Of nine million numbers few are in use; a second try is rare, a tenth means that something else is wrong.
	var err error
	for range 10 {
		now := time.Now().UTC().Truncate(time.Second)
		c := &Channel{Owner: owner, Channel: thingspeak.Channel{
			ID:        newChannelID(),
			Latitude:  noPlace,
			Longitude: noPlace,
			CreatedAt: now,
			UpdatedAt: now,
			Keys:      []thingspeak.Key{{Text: NewKey(), Write: true}, {Text: NewKey()}},
		}}
		if err := s.apply(&c.Channel); err != nil {
			return nil, err
		}
		if c.Name == "" {
			c.Name = fmt.Sprintf("Channel %d", c.ID)
		}
		if c.Enabled() == 0 {
			c.Labels[0] = "Field Label 1"
		}
		if err = r.store.CreateChannel(ctx, c, limit); !errors.Is(err, ErrTaken) {
			return c, err
		}
	}
	return nil, err
}

// ChangeChannel changes the settings of a channel of an account, and returns what it is then. A channel of somebody else
// is ErrNotFound.
func (r *Relay) ChangeChannel(ctx context.Context, owner, id int64, s Settings) (*View, error) {
	err := r.store.ChangeChannel(ctx, id, func(c *Channel) error {
		if c.Owner != owner {
			return ErrNotFound
		}
		c.UpdatedAt = time.Now().UTC().Truncate(time.Second)
		return s.apply(&c.Channel)
	})
	if err != nil {
		return nil, err
	}
	return r.OwnView(ctx, owner, id)
}

// AddMetadata adds to a channel's metadata, for whoever shows its write key, and returns what the channel is then. The
// metadata given must begin with those that are there, else it is [ErrTaken]: nobody takes away what another one, or the
// owner, has put there. So whoever makes a channel without an account can say something about it.
func (r *Relay) AddMetadata(ctx context.Context, id int64, key, metadata string) (*View, error) {
	if err := r.MayWrite(ctx, id, key); err != nil {
		return nil, err
	}
	err := r.store.ChangeChannel(ctx, id, func(c *Channel) error {
		if !strings.HasPrefix(metadata, c.Metadata) {
			return ErrTaken
		}
		c.UpdatedAt = time.Now().UTC().Truncate(time.Second)
		return (&Settings{Metadata: &metadata}).apply(&c.Channel)
	})
	if err != nil {
		return nil, err
	}
	return r.view(ctx, id)
}

// ClearChannel removes all entries of a channel of an account; numbering begins again at 1. A channel of somebody else
// is ErrNotFound.
func (r *Relay) ClearChannel(ctx context.Context, owner, id int64) error {
	if _, err := r.OwnView(ctx, owner, id); err != nil {
		return err
	}
	return r.store.ClearChannel(ctx, id)
}

// DeleteChannel removes a channel of an account and returns what it was. A channel of somebody else is ErrNotFound.
func (r *Relay) DeleteChannel(ctx context.Context, owner, id int64) (*View, error) {
	v, err := r.OwnView(ctx, owner, id)
	if err != nil {
		return nil, err
	}
	return v, r.store.DeleteChannel(ctx, id)
}

// Account returns the account that a user key opens, or ErrKey.
func (r *Relay) Account(ctx context.Context, key string) (Account, error) {
	if key == "" {
		return Account{}, ErrKey
	}
	a, err := r.store.AccountByKey(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return Account{}, ErrKey
	}
	return a, err
}

// Channels returns an account's channels in order of number, with LastEntryID set.
func (r *Relay) Channels(ctx context.Context, owner int64) ([]*Channel, error) {
	return r.store.Channels(ctx, owner)
}

// AccountName returns the name of an account, or ErrNotFound.
func (r *Relay) AccountName(ctx context.Context, id int64) (string, error) {
	all, err := r.store.Accounts(ctx)
	if err != nil {
		return "", err
	}
	for _, a := range all {
		if a.ID == id {
			return a.Name, nil
		}
	}
	return "", ErrNotFound
}
