package messenger_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/handover"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/publickey"
	"github.com/fernpost/fernpost/internal/record"
)

// moves moves the identity of a member away, and returns what is in the file. Meanwhile somebody does something else.
func (m *member) moves(meanwhile func()) (c *handover.Content, err error) {
	err = m.engine.MoveAway(func(content *handover.Content) (string, error) {
		c = content
		if meanwhile != nil {
			meanwhile()
		}
		return "", nil
	})
	return c, err
}

func (m *member) mustMove() *handover.Content {
	m.t.Helper()
	c, err := m.moves(nil)
	if err != nil {
		m.t.Fatal(err)
	}
	return c
}

// A message that was written while the passphrase of the file was typed had a number that the file did not know of: the other device
// gave it once more.
func TestAFileWithoutTheLastNumberMovesNothing(t *testing.T) {
	for name, write := range map[string]func(*member){
		"sent": func(m *member) { m.say("two") },
		"in the outbox": func(m *member) {
			m.in(func(r *messenger.Room) error { return messenger.WriteOnly(r, record.Text("two")) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ana := newMembers(t).join("ana")
				ana.say("one")
				if _, err := ana.moves(func() { write(ana) }); !errors.Is(err, messenger.ErrWroteMeanwhile) {
					t.Errorf("moving says %v", err)
				}
				ana.say("three")
				if c := ana.mustMove(); c.Rooms[0].Last != 3 {
					t.Errorf("the file has the number %d, want 3", c.Rooms[0].Last)
				}
				if _, gone := errors.AsType[*messenger.GoneError](ana.send(record.Text("four"), messenger.SendOptions{})); !gone {
					t.Error("the identity has moved, and signs here")
				}
			})
		})
	}
}

// Killed between the identity and the numbers, or with a message sent beside it, a device signed from number 1 on.
func TestAnImportThatWasKilledSignsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, pia := x.join("ana"), x.join("pia")
		ana.say("one")
		c := ana.mustMove()
		x.server.Clear(t, x.room.Channel)
		if err := pia.engine.StandStill(c); err != nil {
			t.Fatal(err)
		}
		if _, gone := errors.AsType[*messenger.GoneError](pia.send(record.Text("early"), messenger.SendOptions{})); !gone {
			t.Error("a message is signed before its number is known")
		}
		if err := pia.engine.ImportIdentity(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		pia.say("two")
		if c := pia.mustMove(); c.Rooms[0].Last != 2 {
			t.Errorf("the last number is %d, want 2", c.Rooms[0].Last)
		}
	})
}

// A room that was new here was kept before the number was.
func TestARoomThatComesWithAnIdentityHasItsNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, second := x.join("ana"), x.join("nobody")
		ana.say("one")
		c := ana.mustMove()
		x.server.Clear(t, x.room.Channel)
		if err := second.engine.Remove(t.Context(), second.settings()); err != nil {
			t.Fatal(err)
		}
		if err := second.engine.ImportIdentity(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		j, err := second.imports(&c.Rooms[0])
		if err == nil {
			err = second.engine.Add(j.Room)
		}
		if err != nil {
			t.Fatal(err)
		}
		second.say("two")
		if c := second.mustMove(); c.Rooms[0].Last != 2 {
			t.Errorf("the last number is %d, want 2", c.Rooms[0].Last)
		}
	})
}

// A process that had the room open went on signing with a key that was gone, once the device had another one.
func TestAReplacedIdentityIsRefusedWhereTheRoomWasOpenBefore(t *testing.T) {
	for name, replace := range map[string]func(x *members, ana *member) error{
		"by a new one": func(_ *members, ana *member) error {
			ana.mustMove()
			return ana.engine.RenewIdentity()
		},
		"by that of another device": func(x *members, ana *member) error {
			bo := x.join("bo")
			bo.say("hello")
			return ana.engine.ImportIdentity(t.Context(), bo.mustMove())
		},
		"by itself, that was elsewhere meanwhile": func(x *members, ana *member) error {
			second := x.join("second")
			if err := second.engine.ImportIdentity(t.Context(), ana.mustMove()); err != nil {
				return err
			}
			second.say("two")
			return ana.engine.ImportIdentity(t.Context(), second.mustMove())
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newMembers(t)
				ana := x.join("ana")
				ana.say("one")
				ana.in(func(r *messenger.Room) error {
					if err := replace(x, ana); err != nil {
						return err
					}
					err := messenger.WriteOnly(r, record.Text("late"))
					if _, gone := errors.AsType[*messenger.GoneError](err); !gone {
						t.Errorf("signing says %v", err)
					}
					return nil
				})
				ana.say("opened anew")
			})
		})
	}
}

// Letters, and what another device may be called by, were signed where the identity was no more.
func TestAMovedIdentitySignsNoLettersAndNoConsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana := x.join("ana")
		ana.say("one")
		invited, err := ana.engine.Invite(t.Context(), ana.settings(), messenger.InviteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		bo := record.GenerateIdentity()
		ana.mustMove()
		_, err = ana.engine.Letters(ana.settings(), invited.Invitation, []publickey.Keys{publickey.Of(bo)})
		if _, gone := errors.AsType[*messenger.GoneError](err); !gone {
			t.Errorf("letters: %v", err)
		}
		_, _, err = ana.engine.Consent(ana.settings(), bo.Public())
		if _, gone := errors.AsType[*messenger.GoneError](err); !gone {
			t.Errorf("consent: %v", err)
		}
	})
}

// An older file was taken as the newest: this device signed beside the one to which the identity had gone on.
func TestAnOlderFileOfTheIdentityIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana := x.join("ana")
		ana.say("one")
		older := ana.mustMove()
		if err := ana.engine.ImportIdentity(t.Context(), older); err != nil {
			t.Fatal(err)
		}
		ana.say("two")
		for name, c := range map[string]struct {
			file *handover.Content
			want []messenger.Ahead
		}{"the older": {older, []messenger.Ahead{{Room: "lab", Number: 2, File: 1}}}, "the newest": {ana.mustMove(), nil}} {
			if r, err := ana.engine.Replaces(t.Context(), c.file); err != nil || !slices.Equal(r.Ahead, c.want) || !r.Key.IsZero() {
				t.Errorf("%s file: %+v, %v", name, r, err)
			}
		}
	})
}

// What waited in the outbox was signed anew by the identity that came, and nobody had said so before.
func TestWhatWaitsIsKnownBeforeAnIdentityComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, bo := x.join("ana"), x.join("bo")
		ana.say("one")
		c := ana.mustMove()
		if err := bo.send(record.Text("waits"), messenger.SendOptions{Queue: true}); err != nil {
			t.Fatal(err)
		}
		waits := messenger.WaitsHereError{Room: "lab", Entries: 1}
		r, err := bo.engine.Replaces(t.Context(), c)
		if want := []messenger.Waiting{{WaitsHereError: waits, Anew: true}}; err != nil || !slices.Equal(r.Waiting, want) {
			t.Errorf("of another identity: %+v, %v", r.Waiting, err)
		}
		// A device that signs with it already, and has written since.
		if err := ana.engine.ImportIdentity(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := ana.send(record.Text("waits"), messenger.SendOptions{Queue: true}); err != nil {
			t.Fatal(err)
		}
		r, err = ana.engine.Replaces(t.Context(), c)
		if want := []messenger.Waiting{{WaitsHereError: waits}}; err != nil || !slices.Equal(r.Waiting, want) {
			t.Errorf("of the same: %+v, %v", r.Waiting, err)
		}
	})
}

// A link with a key of zeros was followed, and what was written then was open to everybody.
func TestNoRoomIsEnteredWithAKeyOfZeros(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana := x.join("ana")
		ana.say("one")
		invited, err := ana.engine.Invite(t.Context(), ana.settings(), messenger.InviteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		invited.Keys = []fernet.Key{fernet.NewKey([fernet.KeySize]byte{})}
		for _, as := range []string{"", "beside"} {
			if _, err := ana.engine.Invitation(invited.Invitation, model.ByInvitation, as); !errors.Is(err, fernet.ErrZeroKey) {
				t.Errorf("as %q: %v", as, err)
			}
		}
	})
}

// An import of many rooms went on, whoever had given up.
func TestAnImportEndsBetweenTwoRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, pia := x.join("ana"), x.join("pia")
		ana.say("one")
		c := ana.mustMove()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := pia.engine.ImportIdentity(ctx, c); !errors.Is(err, context.Canceled) {
			t.Errorf("importing an identity: %v", err)
		}
		if _, err := pia.engine.Replaces(ctx, c); !errors.Is(err, context.Canceled) {
			t.Errorf("what it would replace: %v", err)
		}
		if err := pia.engine.ImportIdentity(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		pia.say("two")
	})
}
