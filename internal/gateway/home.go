package gateway

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fernpost/fernpost/internal/diskfile"
	"github.com/fernpost/fernpost/internal/filelock"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// migrations make the schema.
//
//go:embed migrations/*.sql
var migrations embed.FS

// busyTimeout is how long a command waits for the gateway that serves, and the other way round.
const busyTimeout = 10 * time.Second

// ErrNewerHome: a newer fernpost has made the home.
var ErrNewerHome = errors.New("it was made by a newer fernpost")

// IsHome reports whether a gateway has kept anything in a directory.
func IsHome(home string) bool {
	_, err := os.Stat(filepath.Join(home, database))
	return err == nil
}

// database is the file of a home.
const database = "gateway.db"

// openHome connects to the database of a home, and makes both if they are not there, readable by the owner only.
func openHome(home string) (_ *sqlite.Conn, err error) {
	defer func() {
		if sqlite.CodeOf(err) == sqlite.Full {
			err = fmt.Errorf("%w: %w", model.ErrDiskFull, err)
		}
		if err != nil {
			err = fmt.Errorf("opening the gateway's data in %s: %w", home, err)
		}
	}()
	if err := diskfile.MakeDir(home); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(filepath.Join(home, database))
	if err != nil {
		return nil, err
	}
	// Two that make a database at once would refuse each other.
	lock, err := os.OpenFile(filepath.Join(home, "open.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer filelock.Release(lock)
	ctx, cancel := context.WithTimeoutCause(context.Background(), busyTimeout, errors.New("another fernpost has been opening it for long"))
	defer cancel()
	if err := filelock.Wait(ctx, lock); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite gives its other roomID the same mode
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	c, err := sqlite.Open(path, sqlite.Settings{Wait: busyTimeout})
	if err != nil {
		return nil, err
	}
	err = c.Migrate(migrations, "migrations/*.sql", func() error { return nil })
	if _, newer := errors.AsType[*sqlite.NewerError](err); newer {
		err = ErrNewerHome
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}
