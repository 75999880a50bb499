package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// NewEntry is an entry that asks to be stored.
type NewEntry struct {
	// Entry has no ID yet. A zero CreatedAt means the time of receipt less Age.
	thingspeak.Entry
	// Age is how long before the receipt the entry was made, for bulk rows with relative times.
	Age time.Duration
	// LeftOut says in words what was sent with it and is not in it; empty is nothing. A relay takes the rest, as the service does.
	LeftOut string
}

// Date is when an entry was made that is received now, in whole seconds.
func (e *NewEntry) Date(now time.Time) time.Time {
	at := e.CreatedAt
	if at.IsZero() {
		at = now.Add(-e.Age)
	}
	return time.Unix(at.Unix(), 0).UTC()
}

// Update asks to add entries to one channel: one entry, or those of a bulk call, of which all are taken or none.
type Update struct {
	// Channel is the channel's number. [Relay.Update] finds it by the key when it is 0.
	Channel int64
	// Key must be the channel's write key.
	Key string
	// Entries are numbered in this order.
	Entries []NewEntry
	// Bulk says that the interval of bulk calls applies.
	Bulk bool
	// Limits are set by [Relay.Update].
	Limits *Limits
}

// Decision is what became of an update.
type Decision struct {
	// Err is nil, ErrKey, ErrFull or a *TooSoonError.
	Err error
	// Entries are the accepted ones, with their numbers and dates.
	Entries []thingspeak.Entry
	// Unordered is State.Unordered after the update: entries from that number on are found by time.
	Unordered int64
}

// Bulk returns the numbers of an update's entries if it is a bulk call that was accepted.
func (d *Decision) Bulk(u *Update) (first, last int64, ok bool) {
	if !u.Bulk || d.Err != nil || len(d.Entries) == 0 {
		return 0, 0, false
	}
	return d.Entries[0].ID, d.Entries[len(d.Entries)-1].ID, true
}

// Accepted tells where the entries of an update went.
type Accepted struct {
	Channel int64
	Entries []thingspeak.Entry
}

// Update stores entries, and returns once they are on disk. It fails with ErrKey, ErrTooLarge, ErrBytes, ErrFull, a
// *TooSoonError or ErrUnavailable. Ending ctx does not take back an update that is queued already.
func (r *Relay) Update(ctx context.Context, u Update) (Accepted, error) {
	if err := r.check(&u); err != nil {
		return Accepted{}, err
	}
	if err := r.address(ctx, &u); err != nil {
		return Accepted{}, err
	}
	d, err := r.queue.add(context.WithoutCancel(ctx), u)
	if err == nil {
		err = d.Err
	}
	if errors.Is(err, ErrKey) {
		r.writers.Remove(u.Key)
	}
	if err != nil {
		return Accepted{}, err
	}
	return Accepted{Channel: u.Channel, Entries: d.Entries}, nil
}

// MayWrite tells whether a key writes a channel: nil, ErrNotFound or ErrKey, as [Relay.View] does. It is for doors that
// have to tell the two apart, or want to know before they read a large body; an update is judged by Decide in any case.
func (r *Relay) MayWrite(ctx context.Context, channel int64, key string) error {
	v, err := r.view(ctx, channel)
	if err != nil {
		return hidden(channel, err)
	}
	if !sameKey(key, v.State.WriteKey) {
		return ErrKey
	}
	return nil
}

// check refuses what needs no look at the channel.
func (r *Relay) check(u *Update) error {
	u.Limits = &r.limits
	if u.Key == "" {
		return ErrKey
	}
	if most := r.limits.BulkUpdates; u.Bulk && len(u.Entries) > most {
		return fmt.Errorf("bulk call of %d updates, at most %d: %w", len(u.Entries), most, ErrTooLarge)
	}
	for i := range u.Entries {
		if err := r.checkEntry(&u.Entries[i].Entry); err != nil {
			return err
		}
	}
	return nil
}

func (r *Relay) checkEntry(e *thingspeak.Entry) error {
	total := 0
	check := func(name string, v string) error {
		total += len(v)
		if len(v) > r.limits.ValueBytes {
			return fmt.Errorf("%s has %d bytes, at most %d: %w", name, len(v), r.limits.ValueBytes, ErrTooLarge)
		}
		return checkText(name, v)
	}
	for i := range e.Fields {
		if err := check("a field", e.Fields[i].Text); err != nil {
			return err
		}
	}
	if err := errors.Join(check("status", e.Status.Text), check("latitude", e.Latitude.Text),
		check("longitude", e.Longitude.Text), check("elevation", e.Elevation.Text)); err != nil {
		return err
	}
	if total > r.limits.MessageBytes {
		return fmt.Errorf("message of %d bytes, at most %d: %w", total, r.limits.MessageBytes, ErrTooLarge)
	}
	return nil
}

// checkText refuses what no engine could keep as text.
func checkText(name, s string) error {
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("%s: %w", name, ErrBytes)
	}
	return nil
}

// address finds the channel of an update that names none. The key decides again when the update is committed, so an
// outdated answer from memory does no harm.
func (r *Relay) address(ctx context.Context, u *Update) error {
	if u.Channel != 0 {
		return nil
	}
	if channel, known := r.writers.Get(u.Key); known {
		u.Channel = channel
		return nil
	}
	channel, err := r.store.Writer(ctx, u.Key)
	if errors.Is(err, ErrNotFound) {
		return ErrKey
	}
	if err != nil {
		return err
	}
	u.Channel = channel
	r.writers.Add(u.Key, channel)
	return nil
}
