package messenger

import (
	"context"
	"errors"
	"time"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

// Health is what an examination has found out about a room. An error is nil where nothing is wrong.
type Health struct {
	// Keys is why the room's keys or profile cannot be used; then nothing else was looked at.
	Keys error
	// Relay is why the channel's settings could not be read; then nothing else was asked of the relay. Took is how long
	// its answer took, and Channel what it said.
	Relay   error
	Took    time.Duration
	Channel thingspeak.Channel
	// Public tells that the channel is shown to everybody, Private that it is shown to nobody without a key; neither
	// where the relay did not say.
	Public, Private bool
	// Ahead is how far the relay's clock is ahead of this machine's, to a second, if HasClock tells that it said.
	Ahead    time.Duration
	HasClock bool
	// Fields is an [*EntryError] if the channel does not show what the room uses.
	Fields error
	// WriteKey is why the relay refuses the write key, and Proven tells that it has taken it for one. A room without a
	// write key, and a relay that does not tell, leave both empty.
	WriteKey error
	Proven   bool
	// Granted is what the relay grants, if Told tells that it says so, and Interval the room's own between two updates.
	Granted  exchange.Limits
	Told     bool
	Interval time.Duration
	// Newest is the number of the channel's newest entry, Opens whether a key of the room opens one of the newest rows,
	// and Unopened how many of those hold tokens that none opens. Rows is why they could not be read.
	Rows     error
	Newest   int64
	Opens    bool
	Unopened int
	// Archive is why what this device holds of the room cannot be opened, and Unposted how many messages wait in it.
	Archive  error
	Unposted int
	// Signed tells that messages of the room are signed, Signer why this device signs none, a [*GoneError] for one, and
	// Moved why nothing is sent under the room's key, a [*model.MovedError].
	Signed        bool
	Signer, Moved error
}

// Examine looks at everything that a room needs. It posts nothing.
func (e *Engine) Examine(ctx context.Context, r model.Room, face Face) (h Health) {
	keys, err := Keys(r)
	var profile passphrase.Profile
	if err == nil {
		profile, err = Profile(r)
	}
	if h.Keys = err; err != nil {
		return h
	}
	if h.Signed = profile.Form == passphrase.FormRecords; h.Signed {
		h.Signer = e.maySignIn(r)
	}
	h.Archive = e.inHeld(r, face, func(r *Room) (err error) {
		if h.Unposted, err = r.Unposted(); err != nil {
			return err
		}
		err = r.mayWriteUnder()
		if _, ok := errors.AsType[*model.MovedError](err); ok {
			h.Moved, err = err, nil
		}
		return err
	})
	client, err := e.dial(r)
	if h.Relay = err; err != nil {
		return h
	}
	defer client.Close()
	begin := time.Now()
	h.Channel, h.Relay = client.Channel(ctx)
	h.Took = time.Since(begin)
	h.Ahead, h.HasClock = client.ClockAhead()
	if h.Relay != nil {
		return h
	}
	h.Interval, _ = duration.Parse(r.Interval) // or dial had failed
	if h.Granted, h.Told, err = client.Granted(ctx); err != nil {
		h.Relay = err
		return h
	}
	nobody := r
	nobody.ReadKey, nobody.WriteKey = "", ""
	_, err = e.channel(ctx, nobody)
	trouble, _ := channel.TroubleOf(err)
	h.Public, h.Private = err == nil, trouble == channel.KeyRefused
	chosen := r
	h.Fields = chooseFields(&chosen, h.Channel.Enabled())
	if r.WriteKey != "" {
		h.Proven, h.WriteKey = client.ProveWriteKey(ctx)
	}
	trial := e.try(r, h.Channel.Metadata)
	if h.Opens, h.Unopened, h.Rows = trial.opensRows(ctx, keys...); h.Rows == nil && len(trial.rows) > 0 {
		for i := range trial.rows {
			h.Newest = max(h.Newest, trial.rows[i].ID)
		}
	}
	return h
}

// ExamineRelay looks at what answers at a relay's address, without a room. Ours tells that it is a relay of our kind;
// without an error something else answers, of which only a channel shows whether it is a relay.
func (e *Engine) ExamineRelay(ctx context.Context, address string) (h Health, ours bool) {
	client, err := e.client(remote.Options{BaseURL: address})
	if h.Relay = err; err != nil {
		return h, false
	}
	defer client.Close()
	begin := time.Now()
	ours, h.Relay = client.Reach(ctx)
	h.Took = time.Since(begin)
	h.Ahead, h.HasClock = client.ClockAhead()
	if _, refused := errors.AsType[*wire.RefusedError](h.Relay); refused {
		h.Relay = nil
	}
	return h, ours
}

// maySignIn is [Engine.Signer] of who only asks: it makes no identity where there is none.
func (e *Engine) maySignIn(r model.Room) error {
	if key, err := e.Own(r); err != nil || key.IsZero() {
		return err
	}
	at, err := e.Gone()
	if err == nil && !at.IsZero() {
		err = &GoneError{at}
	}
	return err
}

// Unposted opens what this device holds of a room, if anything, and counts what the relay has not accepted.
func (e *Engine) Unposted(r model.Room, face Face) (n int, err error) {
	err = e.inHeld(r, face, func(r *Room) error {
		n, err = r.Unposted()
		return err
	})
	return n, err
}

// mayWriteUnder returns a [*model.MovedError] if somebody whose key was compared has moved away from the room's key.
func (r *Room) mayWriteUnder() error {
	moved, err := r.MovedAway()
	if err == nil && len(moved) > 0 && moved[0].Compared { // those come first
		err = &model.MovedError{Room: r.settings.Name, By: moved[0]}
	}
	return err
}

// inHeld opens a room for the time of work, if this device holds anything of it.
func (e *Engine) inHeld(settings model.Room, face Face, work func(*Room) error) error {
	if has, err := e.HasArchive(settings); err != nil || !has {
		return err
	}
	r, err := e.Open(settings, face)
	if err != nil {
		return err
	}
	return errors.Join(work(r), r.Close())
}
