package game

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
)

// fork lets somebody who has a bot's key sign another message under the number of the one that the bot has just written. No device
// of ours does that by itself: it counts on from what it reads.
func (c *cast) fork(ctx context.Context, p *Plan, i int) error {
	if err := c.readers[0].look(ctx); err != nil {
		return err
	}
	author := c.writers[p.Authors[i]]
	key, _ := author.Own()
	var twin *record.Record
	err := c.readers[0].room.History(0, func(it *model.Item) error {
		if r := it.Record; r != nil && r.Author == key && (twin == nil || r.Number > twin.Number) {
			twin = new(r.Record)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if twin == nil {
		return errors.New("the message of which there is to be another one is not there")
	}
	twin.Body, twin.Clock = record.Text("no: "+p.Texts[i]), time.Now().UnixMilli()
	who, _, err := c.stage.engine(c.home(p.Authors[i])).Identity(author.Settings())
	if err != nil {
		return err
	}
	return c.stage.postSigned(ctx, author.Settings(), who, *twin)
}

// postSigned signs a record, seals its cells and posts them as one entry.
func (s *Stage) postSigned(ctx context.Context, room model.Room, who record.Identity, r record.Record) error {
	keys, err := messenger.Keys(room)
	if err != nil {
		return err
	}
	signed, err := record.Sign(who, record.Context{
		Salt: record.Salt(passphrase.RoomSalt(room.Channel)), Key: record.KeyID(keys[0].ID()),
	}, r)
	if err != nil {
		return err
	}
	cells, err := signed.Cells()
	if err != nil {
		return err
	}
	if len(cells) > len(room.Fields) {
		return fmt.Errorf("a message of %d cells does not fit into one entry", len(cells))
	}
	ring, err := fernet.NewRing(keys...)
	if err != nil {
		return err
	}
	form := url.Values{"api_key": {room.WriteKey.Reveal()}}
	for i := range cells {
		sealed, err := ring.Seal(cells[i][:], time.Now())
		if err != nil {
			return err
		}
		form.Set(fmt.Sprint("field", room.Fields[i]), sealed)
	}
	return s.update(ctx, form)
}

// update posts an entry as any program does.
func (s *Stage) update(ctx context.Context, form url.Values) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.relay.URL()+"/update", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := (&http.Client{Transport: s.transport, Timeout: s.access.Timeout}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	number, err := io.ReadAll(io.LimitReader(resp.Body, 64))
	if err == nil && (resp.StatusCode != http.StatusOK || string(number) == "0") {
		err = fmt.Errorf("the relay has answered an update with %s", resp.Status)
	}
	return err
}
