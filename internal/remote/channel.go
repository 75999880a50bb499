package remote

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

// LastID returns the number of the channel's newest entry, 0 if it is empty. It is one request of a few bytes.
func (c *Client) LastID(ctx context.Context) (int64, error) {
	a, err := c.ask(ctx, exchange.Request{What: exchange.LastNumber}, nil)
	return a.Number, err
}

// Channel returns what the channel shows of its settings: number, names of the channel and of its fields, metadata, last
// entry.
func (c *Client) Channel(ctx context.Context) (thingspeak.Channel, error) {
	path, err := c.at.Path("feeds.json?results=0&metadata=true")
	if err != nil {
		return thingspeak.Channel{}, err
	}
	doing := fmt.Sprintf("reading the settings of channel %d", c.set.Channel)
	return c.fetchChannel(ctx, wire.Call{Doing: doing, Path: path, Key: c.at.KeyToRead()}, c.set.Channel)
}

// CreateChannel makes a channel with the given name, description, labels and other settings, and returns it with its
// number and keys. It uses Options.UserKey if there is one; relays of our kind create channels on a loopback address
// without.
func (c *Client) CreateChannel(ctx context.Context, ch thingspeak.Channel) (thingspeak.Channel, error) {
	form := url.Values{"public_flag": {strconv.FormatBool(ch.Public)}}
	set := func(name, value string) {
		if value != "" {
			form.Set(name, value)
		}
	}
	set("name", ch.Name)
	set("description", ch.Description)
	set("latitude", ch.Latitude)
	set("longitude", ch.Longitude)
	set("elevation", ch.Elevation)
	set("metadata", ch.Metadata)
	set("url", ch.URL)
	set("tags", strings.Join(ch.Tags, ","))
	for i, label := range ch.Labels {
		set(wire.FieldName(i), label)
	}
	made, err := c.fetchChannel(ctx, wire.Call{
		Doing: "creating a channel", Path: "channels.json", Form: form, Key: c.at.UserKey,
	}, 0)
	if err != nil {
		return thingspeak.Channel{}, err
	}
	made.Labels = ch.Labels // the reply has none (contract section 8)
	return made, nil
}

// AddMetadata gives a channel metadata. It shows Options.UserKey, without one the write key: relays of our kind take that
// for metadata that begin with those that are there.
func (c *Client) AddMetadata(ctx context.Context, metadata string) error {
	if c.set.Channel == 0 {
		return wire.ErrNoChannel
	}
	_, err := c.fetchChannel(ctx, wire.Call{
		Doing:  fmt.Sprintf("changing the settings of channel %d", c.set.Channel),
		Method: http.MethodPut, Path: fmt.Sprintf("channels/%d.json", c.set.Channel),
		Form: url.Values{"metadata": {metadata}}, Key: cmp.Or(c.at.UserKey, c.at.WriteKey),
	}, c.set.Channel)
	return err
}

// ProveWriteKey asks the relay whether the write key writes the channel, without an entry. Relays of our kind tell: one
// that does not is a [*wire.RefusedError]. Of others, and of those that do not answer, proven is false: the first update shows
// it. Any other error is the context's.
func (c *Client) ProveWriteKey(ctx context.Context) (proven bool, err error) {
	path, err := c.at.Path("may_write.json")
	if err != nil {
		return false, err
	}
	doing := fmt.Sprintf("writing to channel %d", c.set.Channel)
	content, re, err := c.fetch(ctx, wire.Call{Doing: doing, Path: path, Key: c.at.WriteKey})
	switch {
	case ctx.Err() != nil:
		return false, err
	case err != nil:
		return false, nil
	}
	var told struct {
		MayWrite *bool `json:"may_write"`
	}
	if json.Unmarshal(content, &told) != nil || told.MayWrite == nil {
		return false, nil
	}
	if !*told.MayWrite {
		return false, &wire.RefusedError{Doing: doing, Reason: wire.KeyRefused, Status: re.Status}
	}
	return true, nil
}

// fetchChannel reads a channel object: of the channel with that number, or of any if it is 0.
func (c *Client) fetchChannel(ctx context.Context, q wire.Call, id int64) (thingspeak.Channel, error) {
	content, re, err := c.fetch(ctx, q)
	if err != nil {
		return thingspeak.Channel{}, err
	}
	ch, err := thingspeak.DecodeChannel(content)
	if err != nil {
		return thingspeak.Channel{}, c.at.ContentError(re.Reply, err)
	}
	if ch.ID <= 0 || ch.ID > exchange.MaxNumber || id != 0 && ch.ID != id {
		e := c.at.Unexpected(re.Reply)
		e.Problem = "these are not the settings of the channel"
		return thingspeak.Channel{}, e
	}
	return ch, nil
}
