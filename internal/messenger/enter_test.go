package messenger_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// person is somebody who enters a room, and what they were asked and told.
type person struct {
	t      *testing.T
	server *relaytest.Server
	pass   string
	keys   map[string]model.Secret // the answers about keys
	made   messenger.Entered
	asked  []string
}

// entry is how a person enters a channel, or makes one.
func (p *person) entry(channel int64) messenger.Entry {
	p.t.Helper()
	profile, err := passphrase.ParseProfile("custom:kdf=pbkdf2,salt=@room,iterations=1000")
	if err != nil {
		p.t.Fatal(err)
	}
	ask := func(what string) func(context.Context) (model.Secret, error) {
		return func(context.Context) (model.Secret, error) {
			p.asked = append(p.asked, what)
			return p.keys[what], nil
		}
	}
	return messenger.Entry{
		Room:     model.Room{Name: "lab", Relay: p.server.URL, Channel: channel, Interval: "0s"},
		Profiles: []passphrase.Profile{profile}, Public: true,
		Passphrase: func(context.Context) (string, error) {
			p.asked = append(p.asked, "passphrase")
			return p.pass, nil
		},
		WriteKey: func(ctx context.Context, wrong error) (model.Secret, error) {
			if wrong != nil {
				return "", wrong
			}
			return ask("write key")(ctx)
		},
		AnyKey:   ask("any key"),
		Tell:     func(messenger.Event) {},
		Deriving: func() func() { return func() {} },
		Show: func(made messenger.Entered) error {
			p.made = made
			return nil
		},
		Beside: func(context.Context) error {
			p.asked = append(p.asked, "beside")
			return errors.New("not beside it")
		},
	}
}

func (p *person) engine() *messenger.Engine { return engineAt(p.t, p.t.TempDir(), p.server) }

// Whoever has mistyped the passphrase is told so before a write key is asked for, or is asked about at the relay.
func TestAWrongPassphraseNeedsNoWriteKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := relaytest.InBubble(t)
		ana := &person{t: t, server: server, pass: "maple orbit velvet"}
		if err := ana.engine().Make(t.Context(), ana.entry(0)); err != nil {
			t.Fatal(err)
		}
		room := ana.made.Room
		for name, given := range map[string]model.Secret{"none": "", "a wrong one": "AAAAAAAAAAAAAAAA", "the right one": room.WriteKey} {
			bo := &person{t: t, server: server, pass: "maple orbit velvets"}
			o := bo.entry(room.Channel)
			o.Room.WriteKey = given
			_, err := bo.engine().Enter(t.Context(), o)
			if _, wrong := errors.AsType[*messenger.WrongKeyError](err); !wrong {
				t.Errorf("a write key: %s: a wrong passphrase: %v", name, err)
			}
			if diff := cmp.Diff([]string{"passphrase"}, bo.asked); diff != "" {
				t.Errorf("a write key: %s: asked for (-want +got):\n%s", name, diff)
			}
			// Nor does who would make another room beside it.
			bo.asked = nil
			if err := bo.engine().Make(t.Context(), o); err == nil {
				t.Errorf("a write key: %s: a room was made beside the one that is there", name)
			}
			if diff := cmp.Diff([]string{"passphrase", "beside"}, bo.asked); diff != "" {
				t.Errorf("a write key: %s: asked for when a room is made (-want +got):\n%s", name, diff)
			}
		}

		bo := &person{t: t, server: server, pass: ana.pass, keys: map[string]model.Secret{"write key": room.WriteKey}}
		entered, err := bo.engine().Enter(t.Context(), bo.entry(room.Channel))
		if err != nil || entered.Room.WriteKey != room.WriteKey {
			t.Errorf("the right passphrase: %+v, %v", entered.Room, err)
		}
		if diff := cmp.Diff([]string{"passphrase", "write key"}, bo.asked); diff != "" {
			t.Errorf("asked for (-want +got):\n%s", diff)
		}
	})
}

// Of a channel that is shown to nobody without a key either of its keys will do: people have the one that they were given.
func TestAPrivateChannelIsEnteredWithEitherKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := relaytest.InBubble(t)
		ana := &person{t: t, server: server, pass: "maple orbit velvet"}
		o := ana.entry(0)
		o.Public = false
		if err := ana.engine().Make(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		room := ana.made.Room
		for name, c := range map[string]struct {
			keys  map[string]model.Secret
			asked []string
			want  model.Room
		}{
			"the write key": {
				keys:  map[string]model.Secret{"any key": room.WriteKey},
				asked: []string{"any key", "passphrase"},
				want:  model.Room{WriteKey: room.WriteKey},
			},
			"the read key": {
				keys:  map[string]model.Secret{"any key": room.ReadKey},
				asked: []string{"any key", "passphrase", "write key"},
				want:  model.Room{ReadKey: room.ReadKey},
			},
			"both": {
				keys:  map[string]model.Secret{"any key": room.ReadKey, "write key": room.WriteKey},
				asked: []string{"any key", "passphrase", "write key"},
				want:  model.Room{ReadKey: room.ReadKey, WriteKey: room.WriteKey},
			},
		} {
			bo := &person{t: t, server: server, pass: ana.pass, keys: c.keys}
			entered, err := bo.engine().Enter(t.Context(), bo.entry(room.Channel))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got := (model.Room{WriteKey: entered.Room.WriteKey, ReadKey: entered.Room.ReadKey}); !cmp.Equal(got, c.want) {
				t.Errorf("%s: the room has read key %q, write key %q", name, got.ReadKey.Reveal(), got.WriteKey.Reveal())
			}
			if diff := cmp.Diff(c.asked, bo.asked); diff != "" {
				t.Errorf("%s: asked for (-want +got):\n%s", name, diff)
			}
		}

		bo := &person{t: t, server: server, pass: ana.pass, keys: map[string]model.Secret{"any key": "AAAAAAAAAAAAAAAA"}}
		_, err := bo.engine().Enter(t.Context(), bo.entry(room.Channel))
		if refused, ok := errors.AsType[*messenger.EntryError](err); !ok || refused.Why != messenger.WrongKey {
			t.Errorf("another channel's key: %v", err)
		}
	})
}

// A name that a stranger has given a channel becomes one that a room may have, or none.
func TestNameLikeAnyText(t *testing.T) {
	for text, want := range map[string]string{
		"lab": "lab", "Class 7b": "class-7b", "  -- ": "", "Grüße": "grusse", "Ünï": "uni", "": "", "../../x": "x",
		strings.Repeat("ab ", 40): strings.Repeat("ab-", 10) + "ab",
	} {
		if got := messenger.NameLike(text); got != want {
			t.Errorf("%q is like %q, want %q", text, got, want)
		}
	}
}
