package relay

import (
	"context"
	"slices"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// maxRecents is how many channels' settings and last entries a relay remembers.
const maxRecents = 4096

// View is a channel at one moment, for somebody who may read it.
type View struct {
	// Channel is shared: do not change it.
	Channel *Channel
	State   State
	// Own says that it was opened with the owner's user key, so that its keys may be shown.
	Own bool
}

// recent is what a relay remembers of a channel; it holds for the position that state has. What it points to is never
// changed.
type recent struct {
	channel *Channel
	state   State
	// last is the newest entry, nil as long as nobody asked for it.
	last *thingspeak.Entry
}

// View opens a channel for reading. A public channel needs no key, and a wrong one is ignored; a private one takes any
// key of its own (contract section 2). The errors are ErrNotFound and ErrKey.
func (r *Relay) View(ctx context.Context, id int64, key string) (*View, error) {
	v, err := r.view(ctx, id)
	if err != nil {
		return nil, err
	}
	if v.Channel.Public || v.Opens(key) {
		return v, nil
	}
	return nil, ErrKey
}

// Opens reports whether a key is one of the channel's own.
func (v *View) Opens(key string) bool {
	return key != "" && slices.ContainsFunc(v.Channel.Keys, func(k thingspeak.Key) bool { return k.Text == key })
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
	v.Own = true
	return v, nil
}

// view asks the store where the channel stands, and for the rest only if that is news.
func (r *Relay) view(ctx context.Context, id int64) (*View, error) {
	p, err := r.store.Position(ctx, id)
	if err != nil {
		return nil, err
	}
	if known := r.remembered(id); known.channel != nil && known.state.Position == p {
		return &View{Channel: known.channel, State: known.state}, nil
	}
	channel, state, err := r.store.Channel(ctx, id)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.recents) >= maxRecents {
		clear(r.recents)
	}
	r.recents[id] = recent{channel: channel, state: state}
	return &View{Channel: channel, State: state}, nil
}

// Entry returns one entry of a channel by its number, or ErrNotFound. The entry is shared: do not change it.
func (r *Relay) Entry(ctx context.Context, v *View, number int64) (*thingspeak.Entry, error) {
	if number < 1 || number > v.State.Last {
		return nil, ErrNotFound
	}
	known := r.remembered(v.State.Channel)
	if known.last != nil && known.last.ID == number && known.state.Generation == v.State.Generation {
		return known.last, nil
	}
	var found *thingspeak.Entry
	err := r.store.Entries(ctx, v.State.Generation, number, number, func(e *thingspeak.Entry) error {
		found = new(*e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, ErrNotFound
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.recents[v.State.Channel]; number == v.State.Last && known.state.Position == v.State.Position {
		known.last = found
		r.recents[v.State.Channel] = known
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

func (r *Relay) remembered(id int64) recent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.recents[id]
}

// Range calls visit for the entries first to last of a channel, in order of number. The entry is valid during the call
// only. Of a channel that was cleared meanwhile fewer come, or none.
func (r *Relay) Range(ctx context.Context, v *View, first, last int64, visit func(*thingspeak.Entry) error) error {
	return r.store.Entries(ctx, v.State.Generation, first, min(last, v.State.Last), visit)
}
