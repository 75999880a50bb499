package relaycmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// absentError says that something is not there, and which command lists what is.
type absentError struct{ what, lists string }

func (e absentError) Error() string {
	return fmt.Sprintf("there is no %s: \"%s\" lists them", e.what, e.lists)
}

func (e absentError) Is(target error) bool { return target == relay.ErrNotFound }

// withStore opens the data of a relay. It works beside processes that serve it. A directory has to hold data already. Commands
// that its errors name are those for the same data.
func (f *flags) withStore(ctx context.Context, work func(serve.Data) error) (err error) {
	defer func() {
		if absent, ok := errors.AsType[absentError](err); ok {
			err = absentError{absent.what, absent.lists + f.place()}
		}
	}()
	if f.store != "" {
		s, err := serve.OpenPostgres(ctx, f.store)
		if err != nil {
			return err
		}
		return errors.Join(work(s), s.Close())
	}
	dir, err := f.existingDir()
	if err != nil {
		return err
	}
	s, err := serve.OpenSQLite(dir)
	if err != nil {
		return err
	}
	return errors.Join(work(s), s.Close())
}

// place are the flags that name the data, if any did, as they are typed behind another command.
func (f *flags) place() string {
	switch u, err := url.Parse(f.store); {
	case f.store == "" && f.data == "":
		return ""
	case f.store == "":
		return " --data " + quoted(f.data)
	case err != nil || u.Scheme == "":
		return " --store URL" // a password may stand anywhere in it
	default:
		if u.User != nil {
			u.User = url.User(u.User.Username())
		}
		if q := u.Query(); q.Has("password") {
			q.Del("password")
			u.RawQuery = q.Encode()
		}
		return " --store " + quoted(u.String())
	}
}

// quoted is a word as a shell takes it for one.
func quoted(word string) string {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// existingDir is the data directory, which has to hold a database.
func (f *flags) existingDir() (string, error) {
	dir, err := dataDir(f.data)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, sqlite.FileName)); err != nil {
		return "", fmt.Errorf("there is no relay's data in %s: start the relay once, or name the place with --data", dir)
	}
	return dir, nil
}

// channelFlag is --channel of the commands that work on one.
type channelFlag struct{ id int64 }

func (c *channelFlag) add(cmd *cobra.Command) { cmd.Flags().Var(c, "channel", "the channel's `ID`") }

// and demands the flag beside the arguments.
func (c *channelFlag) and(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if c.id == 0 {
			return errors.New("which channel? Name it with --channel ID")
		}
		return check(cmd, args)
	}
}

func (c *channelFlag) String() string {
	if c.id == 0 {
		return ""
	}
	return strconv.FormatInt(c.id, 10)
}

func (c *channelFlag) Type() string { return "number" }

func (c *channelFlag) Set(text string) (err error) {
	c.id, err = thingspeak.ParseChannelID(text)
	return err
}

// printJSON writes a value as one line. Strangers' texts in it cannot act on a terminal.
func printJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		_, err = w.Write(append(screen.JSON(b), '\n'))
	}
	return err
}
