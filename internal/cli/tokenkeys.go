package cli

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
)

// keySource are the flags that say which keys a command works with: those in a file, those of a room, or the one that a
// passphrase gives.
type keySource struct {
	file           string
	room           string
	profile        string
	passphraseFile string
	channel        int64
	name           string
	cmd            *cobra.Command
}

const keySourceHelp = `The keys come from one of three places:
  --key-file FILE           Fernet keys as "fernpost key generate" and Python print them, one a line, the newest first:
                            the first seals, all open (what Python calls MultiFernet); lines with # do not count
  --profile NAME            a passphrase, from where "fernpost help secrets" says; with --channel ID where its salt is
                            made from that, with --salt-name NAME where it is made from a room's name
  --room ROOM               a room of this device; without any of these flags it is the only room`

func (a *app) addKeySource(cmd *cobra.Command, s *keySource) {
	s.cmd = cmd
	cmd.Flags().StringVar(&s.file, "key-file", "", "read the keys from `FILE`, one a line, the newest first")
	cmd.Flags().StringVar(&s.room, "room", "", "take the keys of this `ROOM`")
	a.addPassphrase(cmd, s)
}

// addPassphrase adds only the flags of a passphrase.
func (a *app) addPassphrase(cmd *cobra.Command, s *keySource) {
	s.cmd = cmd
	flags := cmd.Flags()
	a.addShow(flags)
	flags.StringVar(&s.profile, "profile", "", "the `PROFILE` by which a passphrase becomes the key (see \"fernpost help profiles\")")
	flags.StringVar(&s.passphraseFile, "passphrase-file", "", "read the passphrase from `FILE`")
	flags.Var((*channelFlag)(&s.channel), "channel", "the channel's `ID`, for profiles that make the salt from it")
	flags.StringVar(&s.name, "salt-name", "", "the room's `NAME`, for profiles that make the salt from it")
}

// chosen returns the places that the user has named.
func (s *keySource) chosen() (places []string) {
	for _, place := range [][]string{{"key-file"}, {"profile", "passphrase-file", "channel", "salt-name"}, {"room"}} {
		for _, flag := range place {
			if s.cmd.Flags().Changed(flag) {
				places = append(places, "--"+flag)
				break
			}
		}
	}
	return places
}

// keysFrom returns the keys that the flags name, newest first. Where standard input has something else to bring, no secret
// comes from there.
func (a *app) keysFrom(ctx context.Context, s *keySource, inputTaken bool) ([]fernet.Key, error) {
	places := s.chosen()
	switch {
	case len(places) > 1:
		return nil, hint(usagef("the keys come from one place, not from %s", strings.Join(places, " and ")),
			"see \"%s --help\"", s.cmd.CommandPath())
	case inputTaken && (s.file == "-" || s.passphraseFile == "-"):
		return nil, hint(usagef("standard input cannot bring the key as well"), "put the key or the passphrase into a file")
	case s.file != "":
		return a.keysFromFile(ctx, s.file)
	case len(places) == 1 && places[0] != "--room":
		key, err := a.keyFromPassphrase(ctx, s)
		return []fernet.Key{key}, err
	}
	r, err := a.loadRoom(s.room)
	if errors.Is(err, model.ErrNoRoom) && s.room == "" {
		return nil, hint(usagef("no key is given, and this device has no room yet"),
			"add --key-file FILE (\"fernpost key generate\" makes a key), or --profile tutorial for the key of a passphrase")
	}
	if err != nil {
		return nil, err
	}
	return messenger.Keys(r)
}

func (a *app) keysFromFile(ctx context.Context, file string) ([]fernet.Key, error) {
	text, err := a.readSecretFile(ctx, "key-file", file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint(err, "\"fernpost key generate --out %s\" makes a key there", shellWord(file))
	}
	if err != nil {
		return nil, err
	}
	keys, err := fernet.ParseKeys(text)
	if err != nil {
		return nil, hint(usagef("--key-file: %s: %w", file, err), "a Fernet key has 44 characters: \"fernpost key generate --out FILE\" makes one (the keys of a channel are others)")
	}
	return keys, nil
}

func (a *app) keyFromPassphrase(ctx context.Context, s *keySource) (key fernet.Key, err error) {
	profile := passphrase.Fernpost()
	if s.profile != "" {
		if profile, err = passphrase.ParseProfile(s.profile); err != nil {
			return key, hint(usageError{err}, `see "fernpost help profiles"`)
		}
	}
	// Asked for before the passphrase: nobody likes to type one twice.
	switch kind := profile.Salt.Kind; {
	case kind == passphrase.SaltRoom && s.channel == 0:
		return key, hint(usagef("the profile %s makes its salt from a channel's number", profile.Name()), "add --channel ID")
	case kind == passphrase.SaltName && s.name == "":
		return key, hint(usagef("this profile makes its salt from a room's name"), "add --salt-name NAME")
	}
	pass, err := a.secretFrom(ctx, "passphrase-file", s.passphraseFile, "FERNPOST_PASSPHRASE")
	if errors.Is(err, errNoSecret) {
		if !a.canAsk() {
			return key, hint(usagef("no passphrase given"), "add --passphrase-file FILE or set FERNPOST_PASSPHRASE")
		}
		pass, err = a.askPassphrase(ctx, "Passphrase")
	}
	if err != nil {
		return key, err
	}
	done := a.computing(derivingKey)
	raw, err := profile.Derive(pass, passphrase.RoomSalt(s.channel), s.name)
	done()
	if err != nil {
		return key, usageError{err}
	}
	return fernet.NewKey(raw), nil
}
