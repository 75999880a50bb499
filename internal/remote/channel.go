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
)

// LastID returns the number of the channel's newest entry, 0 if it is empty. It is one request of a few bytes.
func (c *Client) LastID(ctx context.Context) (int64, error) {
	path, err := c.channelPath("last_entry_id.txt")
	if err != nil {
		return 0, err
	}
	content, re, err := c.fetch(ctx, request{doing: c.reading(), path: path, key: c.readKey()})
	if err != nil {
		return 0, err
	}
	id, err := thingspeak.ParseLastEntryID(content)
	if err != nil {
		return 0, c.contentError(re, err)
	}
	if id > exchange.MaxNumber {
		e := c.unexpected(re)
		e.Problem = "a last entry number that is beyond reason"
		return 0, e
	}
	return id, nil
}

// Channel returns what the channel shows of its settings: number, names of the channel and of its fields, metadata, last
// entry.
func (c *Client) Channel(ctx context.Context) (thingspeak.Channel, error) {
	path, err := c.channelPath("feeds.json?results=0&metadata=true")
	if err != nil {
		return thingspeak.Channel{}, err
	}
	doing := fmt.Sprintf("reading the settings of channel %d", c.set.Channel)
	return c.fetchChannel(ctx, request{doing: doing, path: path, key: c.readKey()}, c.set.Channel)
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
		set(fieldName(i), label)
	}
	made, err := c.fetchChannel(ctx, request{
		doing: "creating a channel", path: "channels.json", form: form, key: c.set.UserKey,
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
		return errNoChannel
	}
	_, err := c.fetchChannel(ctx, request{
		doing:  fmt.Sprintf("changing the settings of channel %d", c.set.Channel),
		method: http.MethodPut, path: fmt.Sprintf("channels/%d.json", c.set.Channel),
		form: url.Values{"metadata": {metadata}}, key: cmp.Or(c.set.UserKey, c.set.WriteKey),
	}, c.set.Channel)
	return err
}

// ProveWriteKey asks the relay whether the write key writes the channel, without an entry. Relays of our kind tell: one
// that does not is a [*RefusedError]. Of others, and of those that do not answer, proven is false: the first update shows
// it. Any other error is the context's.
func (c *Client) ProveWriteKey(ctx context.Context) (proven bool, err error) {
	path, err := c.channelPath("may_write.json")
	if err != nil {
		return false, err
	}
	doing := fmt.Sprintf("writing to channel %d", c.set.Channel)
	content, re, err := c.fetch(ctx, request{doing: doing, path: path, key: c.set.WriteKey})
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
		return false, &RefusedError{Doing: doing, Reason: KeyRefused, Status: re.status}
	}
	return true, nil
}

// fetchChannel reads a channel object: of the channel with that number, or of any if it is 0.
func (c *Client) fetchChannel(ctx context.Context, q request, id int64) (thingspeak.Channel, error) {
	content, re, err := c.fetch(ctx, q)
	if err != nil {
		return thingspeak.Channel{}, err
	}
	ch, err := thingspeak.DecodeChannel(content)
	if err != nil {
		return thingspeak.Channel{}, c.contentError(re, err)
	}
	if ch.ID <= 0 || ch.ID > exchange.MaxNumber || id != 0 && ch.ID != id {
		e := c.unexpected(re)
		e.Problem = "these are not the settings of the channel"
		return thingspeak.Channel{}, e
	}
	return ch, nil
}

// reading is what nearly every request attempts.
func (c *Client) reading() string { return fmt.Sprintf("reading channel %d", c.set.Channel) }

// fieldName returns the wire's name of the field at an index from 0.
func fieldName(i int) string { return "field" + strconv.Itoa(i+1) }
