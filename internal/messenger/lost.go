package messenger

import (
	"slices"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
)

// settleOwner looks whether the archive that was opened is that of who signs in the room. One that has forgotten it must be
// whole, or what is damaged would be taken for lost. One of an identity that had to be replaced brings that back.
func (r *Room) settleOwner(o *room.Options) error {
	if !r.signed {
		return nil
	}
	state, err := r.archive.State()
	switch {
	case err != nil:
		return err
	case state.Own.IsZero() && o.Used:
		return r.archive.Check()
	case state.Own.IsZero(), state.Own == o.Identity.Public():
		return nil
	}
	return r.bringBack(o, state.Own)
}

// bringBack lets a former identity of the room sign in it again, if it has that public key.
func (r *Room) bringBack(o *room.Options, own record.PublicKey) error {
	i := slices.IndexFunc(r.settings.Former, func(seed model.Secret) bool {
		id, err := parseSeed(seed)
		return err == nil && id.Public() == own
	})
	if i < 0 {
		return nil
	}
	back, now := r.settings.Former[i], seedOf(o.Identity)
	err := r.update(func(s *model.Room) error {
		s.Former = append(slices.DeleteFunc(s.Former, func(f model.Secret) bool { return f == back || f == now }), now)
		s.Identity, s.Wrote, s.Brought = back, true, model.Brought{}
		return nil
	})
	if err == nil {
		o.Identity, err = parseSeed(back)
	}
	if err != nil {
		return err
	}
	o.Used, o.Brought = true, model.Brought{}
	return r.tell(ArchiveBack{r.settings.Name, own})
}

// tellLost tells whoever reads, once, that the archive is lost.
func (r *Room) tellLost() error {
	if lost, now := r.talk.Lost(); !lost || !now || r.toldLost {
		return nil
	}
	r.toldLost = true
	return r.tell(ArchiveLost{Room: r.settings.Name})
}

// replaceLost gives a room whose archive is lost an identity of its own before something is written: nobody knows which
// numbers the old one has used, and to use one twice would look like a forgery to everybody. The old one is kept, for the
// case that its archive comes back.
func (r *Room) replaceLost() error {
	if lost, _ := r.talk.Lost(); !lost {
		return nil
	}
	before, _, err := r.engine.Signer(r.settings)
	if err != nil {
		return err
	}
	old := r.settings.Identity
	err = r.update(func(s *model.Room) error {
		if s.Identity != old { // another process has replaced it already
			return nil
		}
		s.Former = append(s.Former, seedOf(before))
		s.Identity, s.Wrote, s.Brought = newSeed(), true, model.Brought{}
		return nil
	})
	if err == nil {
		err = r.identify()
	}
	if err != nil {
		return err
	}
	return r.tell(ArchiveLost{r.settings.Name, r.talk.Own()})
}

// renewOwner takes over the identity that another process, or another stream of this one, has given a room whose archive is lost.
func (r *Room) renewOwner() error {
	if lost, _ := r.talk.Lost(); !lost {
		return nil
	}
	if err := r.tellLost(); err != nil {
		return err
	}
	now, err := r.engine.Current(r.settings)
	if err != nil || now.Identity == r.settings.Identity {
		return err
	}
	r.settings = now
	return r.identify()
}

// identify lets the identity of the settings sign.
func (r *Room) identify() error {
	identity, err := parseSeed(r.settings.Identity)
	if err != nil {
		return err
	}
	r.brought = r.settings.Brought
	return r.talk.Identify(identity)
}
