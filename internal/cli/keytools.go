package cli

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/fernet"
)

// keyTools are the commands that make keys and name them, for files and programs, without a room.
func (a *app) keyTools() []*cobra.Command {
	return []*cobra.Command{a.generateKeyCommand(), a.deriveKeyCommand(), a.checkKeysCommand()}
}

// newKeyFlags say what becomes of a key that was made.
type newKeyFlags struct {
	out    string
	asJSON bool
}

func (f *newKeyFlags) add(cmd *cobra.Command) {
	cmd.Args = cobra.NoArgs
	outFlag(cmd, &f.out, "the key")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print the result as one JSON object")
}

func (a *app) generateKeyCommand() *cobra.Command {
	var f newKeyFlags
	cmd := &cobra.Command{
		Use: "generate", Short: "Make a random Fernet key",
		Long: `generate makes a key out of 32 random bytes, written as Python's Fernet.generate_key() writes it, and says its check words.
It belongs to no room: "fernpost key rotate" moves a room to a new key.

Several keys in one file, the newest first, are a ring: the first one seals, all open.`,
		Example: `  fernpost key generate --out key.txt
  (fernpost key generate; cat old.txt) > ring.txt`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, flag := range []string{"room", "passphrase-file"} {
				if given := cmd.Flag(flag); given != nil && given.Changed {
					return hint(usagef("this key is random, and belongs to no room: --%s has no meaning here", flag),
						"\"fernpost key rotate\" moves a room, \"fernpost key derive\" makes a key out of a passphrase")
				}
			}
			return a.giveKey(f, func() (fernet.Key, error) { return fernet.GenerateKey(), nil })
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) deriveKeyCommand() *cobra.Command {
	var f newKeyFlags
	var from keySource
	cmd := &cobra.Command{
		Use: "derive", Short: "Print the Fernet key that a passphrase gives",
		Long: `derive makes the key of a passphrase, by any of the profiles that "fernpost help profiles" describes, and prints it for
another program: a Python script that is to read a room, for example. Who has the key can read and write like who has the
passphrase.

The passphrase comes from where "fernpost help secrets" says. The profiles fernpost (taken without --profile) and pbkdf2 make
their salt from the channel's number, which --channel gives.`,
		Example: `  fernpost key derive --profile tutorial --passphrase-file pass.txt
  fernpost key derive --channel 4711123 --out key.txt`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if given := cmd.Flag("room"); given != nil && given.Changed {
				return hint(usagef("a room has its keys already: --room has no meaning here"), `"fernpost key check --room ROOM" names them`)
			}
			return a.giveKey(f, func() (fernet.Key, error) { return a.keyFromPassphrase(cmd.Context(), &from) })
		},
	}
	f.add(cmd)
	a.addPassphrase(cmd, &from)
	return cmd
}

// giveKey makes a key, prints it or writes it into a new file, and says what names it.
func (a *app) giveKey(f newKeyFlags, makeKey func() (fernet.Key, error)) error {
	var key fernet.Key
	err := a.write(f.out, 0o600, func(w io.Writer) (err error) {
		if key, err = makeKey(); err == nil && (f.out != "" || !f.asJSON) {
			_, err = fmt.Fprintln(w, key.Reveal())
		}
		return err
	})
	if err != nil {
		return err
	}
	words, id := checkWords(key.RevealBytes()), key.ID()
	if f.asJSON {
		return a.printJSON(madeKeyJSON{key.Reveal(), words, hex.EncodeToString(id[:])})
	}
	a.say("check words  %s", words)
	return nil
}

func (a *app) checkKeysCommand() *cobra.Command {
	var from keySource
	var asJSON bool
	cmd := &cobra.Command{
		Use: "check", Short: "Say what names a key, without showing it",
		Long: `check prints the number, the id and the three check words of each key, the newest first, which is number 0. Those
who have the same words have the same
key. The key itself is not shown; but guesses at a passphrase can be tried on its words and its id, so neither is for
everybody.

` + keySourceHelp,
		Example: `  fernpost key check --key-file ring.txt
  fernpost key check --room lab
  fernpost key check --profile tutorial`,
		Args: cobra.NoArgs, Annotations: map[string]string{takesFile: "--key-file"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			keys, err := a.keysFrom(cmd.Context(), &from, false)
			if err != nil {
				return err
			}
			for i, key := range keys {
				id := key.ID()
				if asJSON {
					err = a.printJSON(checkedKeyJSON{i, checkWords(key.RevealBytes()), hex.EncodeToString(id[:])})
				} else {
					err = a.printLines(fmt.Sprintf("key %d  id %x  %s\n", i, id, checkWords(key.RevealBytes())))
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	a.addKeySource(cmd, &from)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object for each key")
	return cmd
}
