package messenger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/fernet"
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
	// Behind is how many of the room's keys found no place in it.
	Behind int
	// Moved is who says that the room goes on with another key than the one in it, which is not here. Nobody of them
	// has a key that was compared.
	Moved []model.Moved
}

// Invite makes the invitation to a room. The relay is asked once, without a key, whether it has a page for invitations.
// The error is a [*model.MovedError] if the room has gone on with a key that is not here, so that whoever joined would
// read nothing new.
func (e *Engine) Invite(ctx context.Context, r model.Room, o InviteOptions) (i Invited, err error) {
	if !o.NoKey {
		if i.Moved, err = e.movedFrom(r); err != nil {
			return i, err
		}
	}
	if i.Invitation, err = e.invitation(r); err != nil {
		return i, err
	}
	if !o.Write {
		i.WriteKey = ""
	}
	switch {
	case o.NoKey:
		i.Keys = nil
	case !o.History:
		i.Keys = i.Keys[:1]
	}
	if i.Behind = max(0, len(i.Keys)-invite.MaxKeys); i.Behind > 0 {
		i.Keys = i.Keys[:invite.MaxKeys]
	}
	page, err := e.o.Access.HasJoinPage(ctx, r.Relay)
	if err != nil && ctx.Err() != nil {
		return i, ctx.Err()
	}
	i.NoPage, i.NotReached = !page, err
	return i, nil
}

// invitation has all that this device can hand on of a room.
func (e *Engine) invitation(r model.Room) (i invite.Invitation, err error) {
	i.Relay, i.Channel, i.Name, i.Pad = r.Relay, r.Channel, r.Name, r.Pad
	i.Fields = slices.Sorted(slices.Values(r.Fields))
	i.ReadKey, i.WriteKey = r.ReadKey.Reveal(), r.WriteKey.Reveal()
	if i.Profile, err = Profile(r); err != nil {
		return i, err
	}
	if i.Interval, err = duration.Parse(r.Interval); err != nil {
		return i, fmt.Errorf("room %s: its interval is no duration", r.Name)
	}
	if i.Keys, err = Keys(r); err != nil {
		return i, err
	}
	if i.Profile.Form == passphrase.FormRecords {
		identity, _, err := e.Identity(r)
		if err != nil {
			return i, err
		}
		i.Inviter = identity.Public()
	}
	return i, nil
}

// movedFrom returns who has moved a room to a key that is not here, as far as this device has read; a
// [*model.MovedError] if the key of one of them was compared. A room that cannot be looked at keeps nobody from
// inviting.
func (e *Engine) movedFrom(r model.Room) ([]model.Moved, error) {
	signed, err := Signed(r)
	if err != nil || !signed {
		return nil, err
	}
	if has, err := e.HasArchive(r); err != nil || !has {
		return nil, nil
	}
	moved, err := e.MovedAway(r)
	if err != nil || len(moved) == 0 {
		return nil, nil
	}
	if moved[0].Compared { // those come first
		return nil, &model.MovedError{Room: r.Name, By: moved[0], Invited: true}
	}
	return moved, nil
}

// Joining is what an invitation makes of this device's rooms.
type Joining struct {
	// Room is how the room is kept once it is joined. Its keys are missing if the passphrase has to be asked for.
	Room model.Room
	// Has tells that this device has the room already, and Mends what the invitation has otherwise.
	Has   bool
	Mends []Mend
	// LeavesBroker tells that entries come by MQTT no more, since the relay is another one.
	LeavesBroker bool
	// Unordered tells that the invitation's newest key is one that this device lacks, and that nothing shows that the
	// room has moved to it: it is kept behind this device's own, to read with. Whoever was left behind by a move hands
	// out such keys, too.
	Unordered bool
	// Older tells that this device has a newer key of the room than the invitation.
	Older bool
	// Apart tells that this device's room has no key in common with the invitation: it may be another one at the same
	// channel.
	Apart bool
	// Beside is the room of this device on the same channel, with other keys, that a room of another name is to stand
	// beside.
	Beside string
	// Introduced are those whose keys count as compared from then on, and did not yet. NotCompared are those of which
	// the user has said that they do not, as the device was lost or the name was let go of: that stays so, whatever is
	// older.
	Introduced, NotCompared []record.PublicKey

	invited model.Room // what the invitation says
	order   keyOrder
}

// keyOrder says whose newest key is the newer one: that of an invitation, or that of the room that this device has.
type keyOrder int

const (
	// byPlace: the invitation's, unless this device has it as an older one.
	byPlace keyOrder = iota
	invitedFirst
	ownFirst
)

// Mend is what an invitation has otherwise than this device. Whoever made it has chosen that.
type Mend int

// What an invitation may have otherwise.
const (
	// MendKey: another newest key of the room, MendOlderKeys: older ones that this device lacks.
	MendKey Mend = iota
	MendOlderKeys
	MendWriteKey
	MendReadKey
	// MendRelay: another address of the relay.
	MendRelay
	// MendPeople: keys that were not compared count as compared, see [Joining.Introduced].
	MendPeople
)

// Invitation tells what an invitation, which came as a link or in a letter, makes of this device's rooms; nothing is
// kept yet. A new room is called as given, or as the inviter calls it. The error may be [model.ErrRoomName] or
// [model.ErrRoomExists].
func (e *Engine) Invitation(i invite.Invitation, origin model.Origin, as string) (Joining, error) {
	rooms, _, err := e.All()
	if err != nil {
		return Joining{}, err
	}
	return e.joining(rooms, i, origin, []record.PublicKey{i.Inviter}, as)
}

// joining is [Engine.Invitation] for an invitation that introduces these keys, on a device that has these rooms.
func (e *Engine) joining(rooms []model.Room, i invite.Invitation, origin model.Origin, introduced []record.PublicKey, as string) (j Joining, err error) {
	r := model.Room{
		Name: i.Name, Relay: i.Relay, Channel: i.Channel, Fields: i.Fields, Profile: i.Profile.String(), Pad: i.Pad,
		ReadKey: model.Secret(i.ReadKey), WriteKey: model.Secret(i.WriteKey), Unproven: i.WriteKey != "",
		Interval: i.Interval.String(), Origin: origin,
	}
	if as != "" {
		r.Name = as
	}
	for _, k := range i.Keys {
		if err := k.Check(); err != nil {
			return j, fmt.Errorf("room %s is not entered with %w", i.Name, err)
		}
		if key := model.Secret(k.Reveal()); !slices.Contains(r.Keys, key) { // twice it would stand in every file that hands it on
			r.Keys = append(r.Keys, key)
		}
	}
	if err := e.dialable(r); err != nil {
		return j, err
	}
	before, has := sameRoom(rooms, r)
	if has && as != "" && !shareKey(before, r) { // the user wants another one, and is told of this
		j.Beside, has, before = before.Name, false, model.Room{}
	}
	var not []record.PublicKey
	if i.Profile.Form == passphrase.FormRecords { // where nobody signs there is nobody to introduce
		if introduced, not, err = e.introducedBy(before, has, introduced); err != nil {
			return j, err
		}
		for _, k := range introduced {
			r.Introduced = append(r.Introduced, k.String())
		}
	} else {
		introduced = nil
	}
	if has {
		j = mended(before, r, byPlace)
		j.Apart = !shareKey(before, r)
		j.Introduced, j.NotCompared = introduced, not
		return j, nil
	}
	j.Room, j.invited, j.Introduced, j.NotCompared = r, r, introduced, not
	if err := CheckName(r.Name); err != nil {
		return j, err
	}
	return j, e.nameIsFree(r.Name)
}

// introducedBy leaves out of some keys our own, those that were compared in a room that this device has, and those with
// which anybody can sign: they introduce nobody. not are those that are to count as not compared, as the user has said.
func (e *Engine) introducedBy(r model.Room, has bool, keys []record.PublicKey) (introduced, not []record.PublicKey, err error) {
	own, err := e.Own(r)
	if err != nil {
		return nil, nil, err
	}
	lost, err := e.lost()
	if err != nil {
		return nil, nil, err
	}
	var people []model.Person
	if has {
		if people, err = e.people(r); err != nil {
			return nil, nil, err
		}
	}
	for _, k := range keys {
		at := slices.IndexFunc(people, func(p model.Person) bool { return p.Key == k })
		_, isLost := lost[k]
		switch {
		case k.Check() != nil, k == own, at >= 0 && people[at].Compared, slices.Contains(introduced, k), slices.Contains(not, k):
		case isLost, at >= 0 && people[at].Nameless:
			not = append(not, k)
		default:
			introduced = append(introduced, k)
		}
	}
	return introduced, not, nil
}

// compared returns the keys of others whose words were compared in a room.
func (e *Engine) compared(r model.Room) (keys []record.PublicKey, err error) {
	people, err := e.people(r)
	for _, p := range people {
		if p.Compared && !p.Own {
			keys = append(keys, p.Key)
		}
	}
	return keys, err
}

// sameRoom finds the one of these rooms that an invitation is for: one on the same channel that has one of its keys;
// else, as the room may have moved to a new key, one at the same relay.
func sameRoom(rooms []model.Room, invited model.Room) (found model.Room, ok bool) {
	for _, r := range rooms {
		if r.Channel != invited.Channel {
			continue
		}
		if shareKey(r, invited) {
			return r, true
		}
		if !ok && sameRelay(r.Relay, invited.Relay) {
			found, ok = r, true
		}
	}
	return found, ok
}

// shareKey reports whether two rooms have a key in common.
func shareKey(one, other model.Room) bool {
	return slices.ContainsFunc(other.Keys, func(k model.Secret) bool { return slices.Contains(one.Keys, k) })
}

// sameRelay reports whether two addresses are one, however they are written.
func sameRelay(one, other string) bool {
	a, err := invite.CanonicalRelay(one)
	b, wrong := invite.CanonicalRelay(other)
	return one == other || err == nil && wrong == nil && a == b
}

// mended is a room as an invitation to it would leave it: with the invitation's newest key, unless this device has one
// that is newer still, and what else it has otherwise. Keys that only this device has stay. order says which newest key
// is the newer one.
func mended(r, invited model.Room, order keyOrder) Joining {
	j := Joining{Room: r, Has: true, invited: invited, order: order, Unordered: order == ownFirst}
	mend := func(what Mend, have *model.Secret, offered model.Secret) bool {
		better := offered != "" && offered != *have
		if better {
			j.Mends, *have = append(j.Mends, what), offered
		}
		return better
	}
	first := order == invitedFirst
	if len(invited.Keys) > 0 && order == byPlace {
		at := slices.Index(r.Keys, invited.Keys[0])
		j.Older, first = at > 0, at < 0
	}
	j.Room.Merge(&invited, first)
	if j.Room.Keys[0] != r.Keys[0] {
		j.Mends = append(j.Mends, MendKey)
	} else if len(j.Room.Keys) > len(r.Keys) {
		j.Mends = append(j.Mends, MendOlderKeys)
	}
	if len(j.Room.Introduced) > len(r.Introduced) {
		j.Mends = append(j.Mends, MendPeople)
	}
	if j.Older || j.Unordered { // what it says of the relay and the channel's keys was so before, perhaps
		return j
	}
	if mend(MendWriteKey, &j.Room.WriteKey, invited.WriteKey) {
		j.Room.Unproven = true
	}
	mend(MendReadKey, &j.Room.ReadKey, invited.ReadKey)
	if !sameRelay(r.Relay, invited.Relay) {
		j.Mends, j.Room.Relay = append(j.Mends, MendRelay), invited.Relay
		leaveBroker(&j.Room, r)
		j.LeavesBroker = j.Room.MQTT != r.MQTT
	}
	return j
}

// KeyTrial is what came of trying a key on a channel's newest rows.
type KeyTrial int

// The outcomes.
const (
	// KeyOpens something there, or the check that was left for those who join.
	KeyOpens KeyTrial = iota
	// NothingThere: no tokens, so it may still be the right one.
	NothingThere
	// OpensNone of the tokens that are there.
	OpensNone
)

// Unlock finds the key of a room whose invitation has none, as [Engine.FindKey] does. If it is to be taken unchecked,
// also one that opens nothing of what is there: then Err says so.
func (e *Engine) Unlock(ctx context.Context, j *Joining, pass string, unchecked bool) (tried KeyTried, err error) {
	profile, err := Profile(j.Room)
	if err != nil {
		return tried, err
	}
	tried.Guess, err = e.FindKey(ctx, j.Room, pass, profile)
	if unchecked && errors.Is(err, ErrNoKey) {
		tried.Err, err = err, nil
	}
	if err == nil {
		j.Room.Keys, j.Room.Origin = []model.Secret{secretOf(fernet.NewKey(tried.Key))}, model.ByPassphrase
	}
	return tried, err
}

// Join tries the key that a room of an invitation is to be sealed with on the channel's newest rows, proves a write key
// that this device did not have, and keeps the room. The error is [*WrongKeyError] if the key opens nothing of what is
// there, or an [*EntryError] of a wrong write key: then nothing is kept, unless, of a key, it is to be kept unchecked.
// Of a new room of a file nothing is tried: whoever has its passphrase has written it.
func (e *Engine) Join(ctx context.Context, j Joining, unchecked bool) (tried KeyTrial, err error) {
	if !j.Has && j.Room.Origin == model.ByFile {
		return tried, e.Add(j.Room)
	}
	keys, err := Keys(j.Room)
	if j.Unordered { // also a key that is only to read with
		keys, err = Keys(j.invited)
	}
	if err != nil {
		return tried, err
	}
	trial := e.try(j.Room, "")
	// The newest alone: an older one that opens what is there says nothing of the key that seals from now on.
	opens, unopened, err := trial.opensRows(ctx, keys[0])
	if err != nil {
		return tried, ExplainReading(err, j.Room.Channel, j.Room.ReadKey != "" || j.Room.WriteKey != "")
	}
	if !opens && unopened > 0 { // the room may have moved to it, and nobody has written under it yet
		if settings, err := e.channel(ctx, j.Room); err == nil {
			opens = e.try(j.Room, settings.Metadata).opensCheck(keys[0])
		}
	}
	switch {
	case opens:
	case unopened == 0:
		tried = NothingThere
	case unchecked:
		tried = OpensNone
	default:
		return OpensNone, &WrongKeyError{Rows: len(trial.rows)}
	}
	if j.invited.WriteKey != "" && j.Room.Unproven {
		if err := e.proveWriteKey(ctx, &j.Room); err != nil {
			return tried, err
		}
	}
	if !j.Has {
		return tried, e.Add(j.Room)
	}
	return tried, e.mend(j)
}

// mend changes the room that this device has as an invitation to it wants it.
func (e *Engine) mend(j Joining) error {
	_, err := e.Update(j.Room.Name, func(r *model.Room) error {
		// Over the room as it is now: what another command has changed meanwhile stays changed.
		now := mended(*r, j.invited, j.order).Room
		if now.WriteKey == j.Room.WriteKey {
			now.Unproven = j.Room.Unproven
		}
		*r = now
		return nil
	})
	return err
}

// Order finds out whether the newest key of an invitation to a room that this device has is newer than the one that
// seals there: the invitation has that one among its older ones, or somebody says in the room, which is read for it,
// that it goes on with one of the invitation's. Otherwise, and unless insist is set, the room goes on with its own key
// ([Joining.Unordered]).
func (e *Engine) Order(ctx context.Context, j *Joining, insist bool, face Face) error {
	if !j.Has || len(j.invited.Keys) == 0 {
		return nil
	}
	before, err := e.Find(j.Room.Name)
	if err != nil || before.Keys[0] == j.invited.Keys[0] {
		return err
	}
	signed, err := Signed(before)
	if err != nil || !signed && !insist { // where nobody signs, nobody can say so
		return err
	}
	order := ownFirst
	if insist || slices.Contains(j.invited.Keys[1:], before.Keys[0]) {
		order = invitedFirst
	} else {
		keys, err := Keys(j.invited)
		if err != nil {
			return err
		}
		ids := make([]record.KeyID, len(keys))
		for i, k := range keys {
			ids[i] = record.KeyID(k.ID())
		}
		_, named, err := e.movedTo(ctx, before, face, ids...)
		if err != nil {
			return err
		}
		if named {
			order = invitedFirst
		}
	}
	if order == ownFirst && j.Older { // it is one of ours, and stays where it is
		return nil
	}
	ordered := *j
	*j = mended(before, j.invited, order)
	j.Apart, j.Introduced, j.NotCompared, j.Beside = ordered.Apart, ordered.Introduced, ordered.NotCompared, ordered.Beside
	return nil
}

// introduce has the keys of inviters count as compared as soon as they have written here.
func (r *Room) introduce() error {
	if len(r.settings.Introduced) == 0 || !r.signed {
		return nil
	}
	done, err := r.talk.Vouch(r.settings.Introduced, time.Now())
	if err != nil || len(done) == 0 {
		return err
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
