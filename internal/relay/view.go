package relay

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// View is a channel at one moment, for somebody who may read it. It is shared with others: do not change it.
type View struct {
	Channel *Channel
	State   State
	// Own says that it was opened with the owner's user key, so that its keys may be shown.
	Own bool

	// last is the newest entry, nil as long as nobody asked for it.
	last atomic.Pointer[thingspeak.Entry]
}

// View opens a channel for reading. A public channel needs no key, and a wrong one is ignored; a private one takes any
// key of its own (contract section 2). The errors are ErrNotFound and ErrKey: a private channel looks like a number that
// could be one's, and is nobody's.
func (r *Relay) View(ctx context.Context, id int64, key string) (*View, error) {
	v, err := r.view(ctx, id)
	if err != nil {
		return nil, hidden(id, err)
	}
	if v.Channel.Public || v.Opens(key) {
		return v, nil
	}
	return nil, ErrKey
}

// Views opens several channels for reading, each with the key in its place, and fails at the first that cannot be opened.
// It is for whoever waits for long afterwards: see elsewhere.
func (r *Relay) Views(ctx context.Context, ids []int64, keys []string) (all []*View, err error) {
	err = elsewhere(func() error {
		for i, id := range ids {
			v, err := r.View(ctx, id, keys[i])
			if err != nil {
				return err
			}
			all = append(all, v)
		}
		return nil
	})
	return all, err
}

// Opens reports whether a key is one of the channel's own.
func (v *View) Opens(key string) bool {
	opens := false
	for _, k := range v.Channel.Keys {
		opens = sameKey(key, k.Text) || opens // the time tells neither whether nor which
	}
	return opens
}

// hidden tells whoever has no key nothing of which numbers are in use.
func hidden(id int64, err error) error {
	if errors.Is(err, ErrNotFound) && id >= lowestChannel && id <= highestChannel {
		return ErrKey
	}
	return err
}

// OwnView opens a channel of an account; a channel of somebody else is ErrNotFound.
func (r *Relay) OwnView(ctx context.Context, owner, id int64) (*View, error) {
	v, err := r.view(ctx, id)
	if err != nil {
		return nil, err
	}
	if v.Channel.Owner != owner {
		return nil, ErrNotFound
	}
	return &View{Channel: v.Channel, State: v.State, Own: true}, nil
}

// view asks the store where the channel stands, and for the rest only if that is news.
func (r *Relay) view(ctx context.Context, id int64) (*View, error) {
	p, err := r.store.Position(ctx, id)
	if err != nil {
		return nil, err
	}
	if known, ok := r.views.Get(id); ok && known.State.Position == p {
		return known, nil
	}
	channel, state, err := r.store.Channel(ctx, id)
	if err != nil {
		return nil, err
	}
	v := &View{Channel: channel, State: state}
	r.views.Add(id, v)
	return v, nil
}

// Entry returns one entry of a channel by its number, or ErrNotFound. The entry is shared: do not change it.
func (r *Relay) Entry(ctx context.Context, v *View, number int64) (*thingspeak.Entry, error) {
	if number < 1 || number > v.State.Last {
		return nil, ErrNotFound
	}
	newest := number == v.State.Last
	if e := v.last.Load(); newest && e != nil {
		return e, nil
	}
	var found *thingspeak.Entry
	err := r.entries(ctx, v, number, number, func(e *thingspeak.Entry) error {
		found = new(*e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, ErrNotFound
	}
	if newest {
		v.last.Store(found)
	}
	return found, nil
}

// Last returns the newest entry by number, or ErrNotFound in an empty channel.
func (r *Relay) Last(ctx context.Context, v *View) (*thingspeak.Entry, error) {
	return r.Entry(ctx, v, v.State.Last)
}

// LastOf returns the newest entry whose field n is not null, or ErrNotFound.
func (r *Relay) LastOf(ctx context.Context, v *View, n int) (*thingspeak.Entry, error) {
	return r.Entry(ctx, v, v.State.LastOf[n-1])
}

// Range calls visit for the entries first to last of a channel, in order of number. The entry is valid during the call
// only. Of a channel that was cleared meanwhile fewer come, or none.
func (r *Relay) Range(ctx context.Context, v *View, first, last int64, visit func(*thingspeak.Entry) error) error {
	return r.entries(ctx, v, first, min(last, v.State.Last), visit)
}

// entries calls visit for the entries first to last of a view. Fewer come when the channel was cleared or deleted
// meanwhile. A reader must not take what a damaged database has lost for a channel without it: that is an error.
func (r *Relay) entries(ctx context.Context, v *View, first, last int64, visit func(*thingspeak.Entry) error) error {
	came := int64(0)
	err := r.store.Entries(ctx, v.State.Generation, first, last, func(e *thingspeak.Entry) error {
		came++
		return visit(e)
	})
	if err != nil || came >= last-first+1 {
		return err
	}
	switch p, err := r.store.Position(ctx, v.State.Channel); {
	case errors.Is(err, ErrNotFound), err == nil && p.Generation != v.State.Generation:
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("reading entries %d to %d of channel %d: only %d are there, the database is damaged: %w",
		first, last, v.State.Channel, came, ErrUnavailable)
}
