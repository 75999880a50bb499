package messenger

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/handover"
	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// A device that was lost is known by its key, once for all rooms: also for those in which it has not written yet, or
// which cannot be read just now. Whoever opens a room lets go of what it has kept of such a key.

// LostKeyError refuses to trust the key of a device that was withdrawn as lost.
type LostKeyError struct {
	Key record.PublicKey
	At  time.Time
}

func (e *LostKeyError) Error() string {
	return e.Key.Tag().Name() + " was withdrawn as a lost device (" + e.At.Format(time.DateOnly) + ")"
}

// ErrOwnKey means that somebody would take themselves for lost.
var ErrOwnKey = errors.New("that is the key of this device itself")

// DeviceLost says that a key is that of a lost device from now on.
type DeviceLost struct{ Key record.PublicKey }

// Withdrawal is what became of the key of a lost device in a room.
type Withdrawal struct {
	Room string
	// Known tells that the room knew it: it has written there, was introduced, or was called a device.
	Known bool
	// Told tells that the others know now that it is no device of ours, and Waits that the record which says so is in
	// the outbox.
	Told, Waits bool
	// Record is that record, as it is now; nil if there was none to be sent.
	Record *model.Queued
	// Err is what went wrong there, a [*WaitsError] if the record waits in the outbox still.
	Err error
}

func (DeviceLost) event() {}
func (Withdrawal) event() {}

// WithdrawLost notes that a device was lost, and withdraws it in one room, or without its name in all. This device
// trusts its key in no room from then on: whatever a room has kept of it, or keeps later, its words count as not
// compared, it has no nickname, it is nobody's device, and what it writes is marked; [Room.Verified] takes that back.
// The others are told that it is no device of ours wherever they were told that it is one; what waits in the outbox
// since an earlier call is posted. It tells [DeviceLost], and [Withdrawal] of each room that knows the key, or where
// something went wrong; those are returned. The error is [ErrOwnKey] if the key signs on this device.
func (e *Engine) WithdrawLost(ctx context.Context, roomName string, key record.PublicKey, face Face) (all []Withdrawal, err error) {
	// First what is for this device: it needs no relay, and no room that can be read.
	if err := e.noteLost(key); err != nil {
		return nil, err
	}
	failed := face.tell(DeviceLost{key})
	names := []string{roomName}
	if roomName == "" {
		if names, _, err = e.Rooms(); err != nil {
			return nil, errors.Join(err, failed)
		}
	}
	for _, name := range names {
		w := Withdrawal{Room: name}
		if r, err := e.Find(name); err != nil {
			w.Err = err
		} else {
			w.Err = e.withdrawIn(ctx, r, key, face, &w)
		}
		if ctx.Err() != nil {
			return all, context.Cause(ctx)
		}
		if w.Known || w.Record != nil || w.Err != nil {
			all = append(all, w)
			failed = errors.Join(failed, face.tell(w))
		}
	}
	return all, failed
}

// noteLost has this device trust a key in no room from now on.
func (e *Engine) noteLost(key record.PublicKey) error {
	own, err := e.ownKeys()
	if err != nil {
		return err
	}
	if slices.Contains(own, key) {
		return ErrOwnKey
	}
	return e.updateLost(func(all []keyring.Lost) []keyring.Lost {
		at := slices.IndexFunc(all, func(l keyring.Lost) bool { return l.Key == key })
		switch {
		case at < 0:
			all = append(all, keyring.Lost{Key: key, At: moment()})
		case !all[at].Back.IsZero():
			all[at] = keyring.Lost{Key: key, At: moment()}
		}
		return all
	})
}

// ownKeys are the keys that sign on this device.
func (e *Engine) ownKeys() (own []record.PublicKey, err error) {
	rooms, _, err := e.All() // who cannot be read signs nothing
	if err != nil {
		return nil, err
	}
	for _, r := range append(rooms, model.Room{}) { // the last stands for the device itself
		key, err := e.Own(r)
		if err != nil {
			return nil, err
		}
		if !key.IsZero() && !slices.Contains(own, key) {
			own = append(own, key)
		}
	}
	return own, nil
}

// moment is now as files keep it.
func moment() time.Time { return time.Now().UTC().Truncate(time.Second) }

func (e *Engine) updateLost(change func([]keyring.Lost) []keyring.Lost) error {
	return e.keys(func(keys *keyring.Keyring) error { return keys.UpdateLost(change) })
}

// found takes it back that a key is that of a lost device.
func (e *Engine) found(key record.PublicKey) error {
	lost, err := e.lost()
	if _, is := lost[key]; err != nil || !is {
		return err
	}
	return e.updateLost(func(all []keyring.Lost) []keyring.Lost {
		for i := range all {
			if all[i].Key == key {
				all[i].Back = moment()
			}
		}
		return all
	})
}

// LostDevices returns the keys of devices that were lost, in order.
func (e *Engine) LostDevices() ([]record.PublicKey, error) {
	lost, err := e.lost()
	return slices.SortedFunc(maps.Keys(lost), func(a, b record.PublicKey) int { return bytes.Compare(a[:], b[:]) }), err
}

// NamedLost are the devices that a file names as lost, and that are not lost here.
type NamedLost struct {
	// Fresh are those of which nothing was said here, and Known tells that one of them is somebody in a room of this
	// device.
	Fresh []record.PublicKey
	Known bool
	// Back are those of which it was taken back here: a file carries no dates, so they stay trusted.
	Back []record.PublicKey
}

// LostIn returns which devices a file names as lost that this one does not know for lost.
func (e *Engine) LostIn(c *handover.Content) (n NamedLost, err error) {
	own, err := e.ownKeys()
	if err != nil || len(c.Lost) == 0 {
		return n, err
	}
	all, err := inKeys(e, (*keyring.Keyring).Lost)
	for _, key := range c.Lost {
		at := slices.IndexFunc(all, func(l keyring.Lost) bool { return l.Key == key })
		switch {
		case slices.Contains(own, key):
		case at < 0:
			n.Fresh = append(n.Fresh, key)
		case !all[at].Back.IsZero():
			n.Back = append(n.Back, key)
		}
	}
	if len(n.Fresh) > 0 {
		known, _ := e.standings() // a room that cannot be looked into shows nobody
		n.Known = slices.ContainsFunc(n.Fresh, func(key record.PublicKey) bool { return len(known[key].KnownIn) > 0 })
	}
	return n, err
}

// TakeLost takes over that devices were lost, as another device of the same person knows. What this one knows of a key
// stays.
func (e *Engine) TakeLost(keys []record.PublicKey) error {
	if len(keys) == 0 {
		return nil
	}
	return e.updateLost(func(all []keyring.Lost) []keyring.Lost {
		for _, key := range keys {
			if !slices.ContainsFunc(all, func(l keyring.Lost) bool { return l.Key == key }) {
				all = append(all, keyring.Lost{Key: key, At: moment()})
			}
		}
		return all
	})
}

// lost returns the keys of devices that were lost, and when this device was told so.
func (e *Engine) lost() (map[record.PublicKey]time.Time, error) {
	// Who reads a stranger's file with a key has no rooms, and needs no directory for them.
	if dir, err := e.o.Dir("rooms"); err != nil {
		return nil, err
	} else if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return map[record.PublicKey]time.Time{}, nil
	}
	return inKeys(e, func(keys *keyring.Keyring) (map[record.PublicKey]time.Time, error) {
		all, err := keys.Lost()
		lost := map[record.PublicKey]time.Time{}
		for _, l := range all {
			if l.Back.IsZero() {
				lost[l.Key] = l.At
			}
		}
		return lost, err
	})
}

// mayTrust returns a [*LostKeyError] for the key of a device that was lost.
func (e *Engine) mayTrust(key record.PublicKey) error {
	lost, err := e.lost()
	if at, is := lost[key]; is && err == nil {
		return &LostKeyError{key, at}
	}
	return err
}

// renewLost takes the lost devices of this moment.
func (r *Room) renewLost() (err error) {
	r.lost, err = r.engine.lost()
	return err
}

// LostSince is when the device with a key was withdrawn as lost; zero if it was not.
func (r *Room) LostSince(key record.PublicKey) time.Time { return r.lost[key] }

// forgetLost lets go of what a room has kept of the keys of lost devices.
func (r *Room) forgetLost() error {
	if err := r.renewLost(); err != nil || len(r.lost) == 0 || !r.signed {
		return err
	}
	for key := range r.lost {
		author, err := r.talk.Author(key)
		if err == nil && (author.Compared || !author.Nameless && !author.Key.IsZero()) {
			_, err = r.talk.Forget(key, time.Now())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Verified notes that the user has compared a key with its owner, see [room.Conversation.Verified]; one that was lost
// has come back.
func (r *Room) Verified(key record.PublicKey, now time.Time) error {
	if err := r.talk.Verified(key, now); err != nil {
		return err
	}
	if _, lost := r.lost[key]; !lost {
		return r.engine.found(key)
	}
	if err := r.engine.found(key); err != nil {
		return err
	}
	delete(r.lost, key)
	return r.talk.Verified(key, now) // whoever follows the room has let go of it once more, perhaps, before it had come back
}

// withdrawIn withdraws the key of a lost device in a room, and lets go of all that the room has of it.
func (e *Engine) withdrawIn(ctx context.Context, settings model.Room, key record.PublicKey, face Face, w *Withdrawal) (err error) {
	if signed, err := Signed(settings); err != nil || !signed {
		return err
	}
	if slices.Contains(settings.Introduced, key.String()) {
		w.Known = true
		settings, err = e.Update(settings.Name, func(s *model.Room) error {
			s.Introduced = slices.DeleteFunc(s.Introduced, func(text string) bool { return text == key.String() })
			return nil
		})
		if err != nil {
			return err
		}
	}
	// Opening it lets go of the key.
	return e.inHeld(settings, face, func(r *Room) error { return r.withdraw(ctx, key, w) })
}

// withdraw tells the others that a key is no device of ours, if they were told that it is one.
func (r *Room) withdraw(ctx context.Context, key record.PublicKey, w *Withdrawal) error {
	author, err := r.talk.Author(key)
	if err != nil {
		return err
	}
	ours, theirs, err := r.talk.Claims(key)
	if err != nil {
		return err
	}
	w.Known = w.Known || !author.Key.IsZero() || ours != nil || theirs != nil
	if w.Record, err = r.waitingWithdrawal(key); err != nil {
		return err
	}
	switch {
	case w.Record != nil:
		var waited []model.Queued
		_, waited, err = r.Retry(ctx, SendOptions{})
		// Under another number, perhaps.
		at := slices.IndexFunc(waited, func(q model.Queued) bool { return q.Kind == w.Record.Kind && q.Since.Equal(w.Record.Since) })
		if at >= 0 {
			w.Record = &waited[at]
		}
	case ours != nil && *ours, ours == nil && theirs != nil && *theirs:
		if err := Writable(r.settings); err != nil {
			return err
		}
		var sent Sent
		if sent, err = r.Send(ctx, record.Device{Key: key}, SendOptions{}); sent.Number > 0 {
			w.Record = &sent.Queued
		}
	default:
		return nil
	}
	waits, failed := r.waitingWithdrawal(key)
	if w.Waits = waits != nil; w.Waits && err != nil {
		return waitsError(err)
	}
	w.Told = err == nil && failed == nil && !w.Waits
	return errors.Join(err, failed)
}

// waitingWithdrawal returns what says that a key is no device of ours, if that is in the outbox and was not posted.
func (r *Room) waitingWithdrawal(key record.PublicKey) (*model.Queued, error) {
	waiting, err := r.OnTheirWay()
	for i := range waiting {
		it := &waiting[i]
		if it.Record == nil || it.Sent == nil || it.Sent.Sent == model.StateAccepted {
			continue
		}
		if d, is := it.Record.Body.(record.Device); is && d.Key == key && d.Withdraws() {
			return it.Sent, err
		}
	}
	return nil, err
}

// Withdrawn tells whether who signs here has taken back that a key is a device of theirs.
func (r *Room) Withdrawn(key record.PublicKey) (bool, error) {
	ours, _, err := r.talk.Claims(key)
	return ours != nil && !*ours, err
}
