package messenger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
)

// InviteOptions say what an invitation hands on.
type InviteOptions struct {
	// NoKey leaves the room's key out: whoever joins has to know the passphrase.
	NoKey bool
	// Write hands on the channel's write key, and History the keys that the room had before its newest one.
	Write, History bool
}

// Invited is an invitation that was made.
type Invited struct {
	invite.Invitation
	// NotReached is why the relay could not be asked whether it has a page for invitations; nil if it was.
	NotReached error
}

// Invite makes the invitation to a room. The relay is asked once, without a key, whether it has a page for invitations.
func (e *Engine) Invite(ctx context.Context, r model.Room, o InviteOptions) (i Invited, err error) {
	i.Relay, i.Channel, i.Name, i.Pad = r.Relay, r.Channel, r.Name, r.Pad
	i.Fields = slices.Sorted(slices.Values(r.Fields))
	i.ReadKey = r.ReadKey.Reveal()
	if o.Write {
		i.WriteKey = r.WriteKey.Reveal()
	}
	if i.Profile, err = Profile(r); err != nil {
		return i, err
	}
	if i.Interval, err = time.ParseDuration(r.Interval); err != nil {
		return i, fmt.Errorf("room %s: its interval is no duration", r.Name)
	}
	if !o.NoKey {
		if i.Keys, err = Keys(r); err != nil {
			return i, err
		}
		if !o.History {
			i.Keys = i.Keys[:1]
		}
		i.Keys = i.Keys[:min(len(i.Keys), invite.MaxKeys)]
	}
	if i.Profile.Form == passphrase.FormRecords {
		identity, _, err := e.Identity(r)
		if err != nil {
			return i, err
		}
		i.Inviter = identity.Public()
	}
	page, err := e.o.Access.HasJoinPage(ctx, r.Relay)
	if err != nil && ctx.Err() != nil {
		return i, ctx.Err()
	}
	i.NoPage, i.NotReached = !page, err
	return i, nil
}

// Joining is what an invitation makes of this device's rooms.
type Joining struct {
	// Room is how the room is kept once it is joined. Its keys are missing if the passphrase has to be asked for.
	Room model.Room
	// Has tells that this device has the room already, and Mends what the invitation knows better than it.
	Has   bool
	Mends []Mend
	// Older tells that this device has a newer key of the room than the invitation.
	Older bool
}

// Mend is what an invitation knows better.
type Mend int

// What an invitation may know better. Another address of the relay is one that whoever made it has chosen.
const (
	MendKey Mend = iota
	MendWriteKey
	MendReadKey
	MendRelay
)

// Invitation tells what an invitation makes of this device's rooms; nothing is kept yet. A new room is called as given, or
// as the inviter calls it. The error may be [model.ErrRoomName] or [model.ErrRoomExists].
func (e *Engine) Invitation(i invite.Invitation, as string) (j Joining, err error) {
	r := model.Room{
		Name: i.Name, Relay: i.Relay, Channel: i.Channel, Fields: i.Fields, Profile: i.Profile.String(), Pad: i.Pad,
		ReadKey: model.Secret(i.ReadKey), WriteKey: model.Secret(i.WriteKey), Unproven: i.WriteKey != "",
		Interval: i.Interval.String(),
	}
	if as != "" {
		r.Name = as
	}
	if i.Profile.Form == passphrase.FormText {
		r.Fields = r.Fields[:1]
	}
	for _, k := range i.Keys {
		r.Keys = append(r.Keys, model.Secret(k.Reveal()))
	}
	if inviter := record.PublicKey(i.Inviter); !inviter.IsZero() && inviter.Check() == nil {
		r.Introduced = []string{inviter.String()}
	}
	if err := e.dialable(r); err != nil {
		return j, err
	}
	before, ok, err := e.sameRoom(r, as != "")
	if err != nil {
		return j, err
	}
	if ok {
		return mended(before, r), nil
	}
	if err := CheckName(r.Name); err != nil {
		return j, err
	}
	return Joining{Room: r}, e.nameIsFree(r.Name)
}

// sameRoom finds the room of this device that an invitation is for: one on the same channel that has one of its keys; else,
// as the room may have moved to a new key, one at the same relay, unless the room is to have a name of its own: another one
// may stand beside it on the same channel.
func (e *Engine) sameRoom(invited model.Room, apart bool) (found model.Room, ok bool, err error) {
	names, _, err := e.Rooms()
	if err != nil {
		return found, false, err
	}
	for _, name := range names {
		r, err := e.Find(name)
		if err != nil || r.Channel != invited.Channel {
			continue // a room whose file is damaged keeps nobody from joining another one
		}
		if slices.ContainsFunc(invited.Keys, func(k model.Secret) bool { return slices.Contains(r.Keys, k) }) {
			return r, true, nil
		}
		if !ok && !apart && r.Relay == invited.Relay {
			found, ok = r, true
		}
	}
	return found, ok, nil
}

// mended is a room as an invitation to it would leave it. What this device has, and the invitation has otherwise, stays, but
// for the relay's address.
func mended(r, invited model.Room) Joining {
	j := Joining{Room: r, Has: true}
	mend := func(better bool, what Mend) {
		if better {
			j.Mends = append(j.Mends, what)
		}
	}
	keys := slices.Clone(r.Keys)
	if len(invited.Keys) > 0 {
		newest := slices.Index(r.Keys, invited.Keys[0])
		j.Older = newest > 0
		if newest < 0 {
			keys = slices.Insert(keys, 0, invited.Keys[0])
		}
		for _, k := range invited.Keys {
			if !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	mend(len(keys) > len(r.Keys), MendKey)
	j.Room.Keys = keys
	if mend(r.WriteKey == "" && invited.WriteKey != "", MendWriteKey); r.WriteKey == "" {
		j.Room.WriteKey, j.Room.Unproven = invited.WriteKey, invited.WriteKey != ""
	}
	if mend(r.ReadKey == "" && invited.ReadKey != "", MendReadKey); r.ReadKey == "" {
		j.Room.ReadKey = invited.ReadKey
	}
	mend(r.Relay != invited.Relay, MendRelay)
	j.Room.Relay = invited.Relay
	j.Room.Introduced = slices.Clone(r.Introduced)
	for _, k := range invited.Introduced {
		if !slices.Contains(r.Introduced, k) {
			j.Room.Introduced = append(j.Room.Introduced, k)
		}
	}
	return j
}

// Join tries the newest key of an invitation on the channel's newest rows, once, and keeps the room. It reports whether the
// key opens something there; where nothing is, it may still be the right one. The error is [*WrongKeyError] if there are
// tokens and it opens none: then nothing is kept, unless it is to be kept unchecked.
func (e *Engine) Join(ctx context.Context, j Joining, unchecked bool) (opens bool, err error) {
	keys, err := Keys(j.Room)
	if err != nil {
		return false, err
	}
	trial := e.try(j.Room, "")
	// The newest alone: an older one that opens what is there says nothing of the key that seals from now on.
	opens, unopened, err := trial.opensRows(ctx, keys[0])
	if err == nil && !opens && unopened > 0 { // the room may have moved to it, and nobody has written under it yet
		if settings, err := e.channel(ctx, j.Room); err == nil {
			opens = e.try(j.Room, settings.Metadata).opensCheck(keys[0])
		}
	}
	if err == nil && !opens && unopened > 0 && !unchecked {
		err = &WrongKeyError{Rows: len(trial.rows)}
	}
	if err != nil {
		return opens, err
	}
	if !j.Has {
		return opens, e.Add(j.Room)
	}
	_, err = e.Update(j.Room.Name, func(r *model.Room) error {
		// What has changed meanwhile is not undone: the invitation is laid over the room as it is now.
		*r = mended(*r, j.Room).Room
		return nil
	})
	return opens, err
}

// introduce has the keys of inviters count as compared as soon as they have written here.
func (r *Room) introduce() error {
	if len(r.settings.Introduced) == 0 || !r.signed {
		return nil
	}
	people, err := r.People()
	if err != nil {
		return err
	}
	var done []string
	for _, text := range r.settings.Introduced {
		at := slices.IndexFunc(people, func(p model.Person) bool { return p.Key.String() == text })
		if at < 0 {
			continue
		}
		if !people[at].Compared && !people[at].Own {
			if err := r.Verified(people[at].Key, time.Now()); err != nil {
				return err
			}
		}
		done = append(done, text)
	}
	if len(done) == 0 {
		return nil
	}
	err = r.update(func(s *model.Room) error {
		s.Introduced = slices.DeleteFunc(s.Introduced, func(k string) bool { return slices.Contains(done, k) })
		return nil
	})
	if errors.Is(err, model.ErrNoRoom) { // it was removed or renamed meanwhile: the next reading tries again
		return nil
	}
	return err
}
