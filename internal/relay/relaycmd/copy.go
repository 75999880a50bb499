package relaycmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/relay/mirror"
	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/relay/store/postgres"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
	"github.com/fernpost/fernpost/internal/screen"
)

// copyCommand moves a relay to another engine, or to another place.
func copyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "copy FROM TO",
		Short: "Copy all that a relay keeps, to PostgreSQL or back",
		Long: `copy copies accounts, channels, keys and entries, with their numbers and dates. FROM and TO are each a data directory
or the URL of a PostgreSQL database. Then it compares everything that is there with everything that was there, one by
one. FROM is only read.

TO is new, or holds what an earlier copy brought there, which is not copied again: a copy that was interrupted is
continued by the same command, and a relay moves with a short break only. Copy while it serves, which ends in a list of
what came meanwhile; stop it, copy again, and serve TO.

The exit code is 0 if TO holds just what FROM does, and 1 if not. A password in a URL is seen by everybody on this
machine who lists processes: set PGPASSWORD, or write it into ~/.pgpass.`,
		Example: `  fernpost relay copy ~/.local/share/fernpost/relay postgres://relay@db1,db2/relay
  fernpost relay copy postgres://relay@db1,db2/relay /srv/relay`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			counts, err := copyStores(cmd.Context(), cmd.ErrOrStderr(), args[0], args[1])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), copyJSON{counts.Accounts, counts.Channels, counts.Entries, true})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s, %s and %s are in both, and the same\n", screen.Count(counts.Accounts, "account"),
				screen.Count(counts.Channels, "channel"), screen.Count(int(counts.Entries), "entry"))
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	return cmd
}

// copyStores copies and compares.
func copyStores(ctx context.Context, talk io.Writer, fromName, toName string) (counts mirror.Counts, err error) {
	if samePlace(fromName, toName) {
		return counts, errors.New("FROM and TO are the same place")
	}
	from, err := openSource(ctx, fromName)
	if err != nil {
		return counts, fmt.Errorf("FROM: %w", err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, unlock, err := openTarget(ctx, toName)
	if err != nil {
		return counts, fmt.Errorf("TO: %w", err)
	}
	defer func() { err = errors.Join(err, to.Close(), unlock()) }()

	done := int64(0)
	copied := newProgress(talk, "copied")
	if err := mirror.Copy(ctx, from, to, func(d, all int64) {
		done = d
		copied.tell(int(d), int(all))
	}); err != nil {
		if errors.Is(err, mirror.ErrForeign) {
			return counts, fmt.Errorf("%w; choose a new TO, or FROM and TO the other way round", err)
		}
		return counts, fmt.Errorf("%d entries are there; the same command goes on with the others: %w", done, err)
	}
	compared := newProgress(talk, "compared")
	counts, err = mirror.Compare(ctx, from, to, func(d, all int64) { compared.tell(int(d), int(all)) })
	if differ, ok := errors.AsType[*mirror.DifferenceError](err); ok {
		return counts, fmt.Errorf("%w; if FROM was written meanwhile, stop its relay and run the same command again", differ)
	}
	return counts, err
}

func samePlace(a, b string) bool {
	if postgres.IsURL(a) || postgres.IsURL(b) {
		return a == b
	}
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// openSource opens what is there. A relay may serve it.
func openSource(ctx context.Context, name string) (serve.Data, error) {
	if postgres.IsURL(name) {
		return serve.OpenPostgres(ctx, name)
	}
	if _, err := os.Stat(filepath.Join(name, sqlite.FileName)); err != nil {
		return serve.Data{}, fmt.Errorf("there is no relay's data in %s", name)
	}
	return serve.OpenSQLite(name)
}

// openTarget opens what may be new. No relay may serve a directory meanwhile; unlock ends that.
func openTarget(ctx context.Context, name string) (s serve.Data, unlock func() error, err error) {
	if postgres.IsURL(name) {
		s, err = serve.OpenPostgres(ctx, name)
		return s, func() error { return nil }, err
	}
	lock, err := sqlite.LockDir(name)
	if err != nil {
		return s, nil, fmt.Errorf("data directory %s: %w", name, err)
	}
	if s, err = serve.OpenSQLite(name); err != nil {
		return s, nil, errors.Join(err, lock.Unlock())
	}
	return s, lock.Unlock, nil
}
