package messenger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/memory"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Reading reads a feed: it hands each entry to visit, and returns what is lacking once it has come to its end. An error of
// visit ends it.
type Reading func(visit func(*thingspeak.Entry) error) (record.View, error)

// errEnough ends a reading whose reader has had enough.
var errEnough = errors.New("stopped")

// Verify reads a whole feed afresh, without what this device has read before, and judges it. archived tells that it is the
// feed that this device reads. Where joining parts takes long, trying is told how often it was tried.
func (e *Engine) Verify(ctx context.Context, r model.Room, archived bool, read Reading, trying func(rounds int)) (model.Report, error) {
	keys, err := Keys(r)
	if err != nil {
		return model.Report{}, err
	}
	var view record.View
	entries := func(yield func(*thingspeak.Entry, error) bool) {
		var err error
		view, err = read(func(e *thingspeak.Entry) error {
			if !yield(e, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, err)
		}
	}
	feed := room.Feed{Entries: entries, View: func() record.View { return view }, Trying: trying}
	// Without an archive a name belongs to who has it first in the feed; that nothing could be compared is told later.
	feed.Known, _ = e.knownNames(r)
	if archived {
		feed.Copies = func(shown []room.Shown) (copies []bool, _ error) {
			_ = e.look(r, func(c *room.Conversation) (err error) {
				copies, err = c.Copies(shown)
				return err
			})
			return copies, nil
		}
	}
	return room.Verify(ctx, keys, record.Salt(passphrase.RoomSalt(r.Channel)), feed, time.Now())
}

// ReadWhole reads a room's channel back to its beginning, keeps nothing, and returns which entries are lacking. After each
// page progress is told how many rows were read and the number of the last entry.
func (e *Engine) ReadWhole(
	ctx context.Context, r model.Room, visit func(*thingspeak.Entry) error, progress func(rows, last int64),
) (end channel.End, lacking []record.Hole, err error) {
	client, err := e.dial(r)
	if err != nil {
		return end, nil, err
	}
	defer client.Close()
	scan := client.Scan()
	for more := true; more; {
		if more, err = scan.Back(ctx, thingspeak.MaxResults, visit); err != nil {
			return end, nil, err
		}
		if more {
			progress(scan.Info().Rows, scan.Info().LastID)
		}
	}
	info := scan.Info()
	end = channel.End{
		Rows: int(info.Rows), Skipped: int(info.Skipped), Last: info.LastID, CutShort: info.CutShort, Hidden: info.Hidden,
	}
	return end, holes(info.Lacking), nil
}

// Compare compares what this device holds, up to an entry or all for 0, with what a feed has shown.
func (e *Engine) Compare(r model.Room, report *model.Report, until int64) (d model.Comparison, err error) {
	err = e.look(r, func(c *room.Conversation) error {
		d, err = c.Compare(report, until)
		return err
	})
	return d, err
}

// Memory is what was read of a feed without an archive.
type Memory struct{ held }

// ReadFile reads a feed afresh and keeps it in memory. read visits its entries, and returns the highest number among them
// and what is lacking. Names belong to whom they belong on this device.
func (e *Engine) ReadFile(
	r model.Room, read func(visit func(*thingspeak.Entry) error) (last int64, view record.View),
) (m Memory, arrivals model.Arrivals, err error) {
	options, err := roomOptions(r)
	if err != nil {
		return m, arrivals, err
	}
	signed, err := Signed(r)
	if err != nil {
		return m, arrivals, err
	}
	talk, err := room.Open(memory.New(), options)
	if err != nil {
		return m, arrivals, err
	}
	m.held = talk
	if signed {
		known, err := e.knownNames(r)
		if err == nil {
			err = talk.Introduce(known, time.Now())
		}
		if err != nil {
			return m, arrivals, fmt.Errorf("looking whose names are whose on this device: %w", err)
		}
	}
	in, err := talk.Receive(0)
	if err != nil {
		return m, arrivals, err
	}
	last, view := read(in.Add)
	arrivals, err = in.Finish(room.Facts{LastID: last, Now: time.Now(), View: view})
	return m, arrivals, err
}

// knownNames returns what this device knows of whose names are whose.
func (e *Engine) knownNames(r model.Room) (known record.Change, err error) {
	err = e.look(r, func(c *room.Conversation) error {
		known, err = c.Known()
		return err
	})
	return known, err
}

// look opens what this device has read of a room for the time of work, for somebody who writes nothing.
func (e *Engine) look(r model.Room, work func(*room.Conversation) error) error {
	options, err := roomOptions(r)
	if err != nil {
		return err
	}
	dir, err := e.o.Dir("archive")
	if err != nil {
		return err
	}
	store, err := archive.OpenRoom(dir, r.FilesName())
	if err != nil {
		return err
	}
	c, err := room.Open(store, options) // it reads through what an older version has kept
	if err == nil {
		err = work(c)
	}
	return errors.Join(err, store.Close())
}
