package relaycmd

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
)

func (f *flags) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a copy of everything to a file",
		Long: `backup writes a copy of the relay's whole data, as of one moment, to FILE. It works beside a relay that serves
the data and keeps nobody waiting. FILE gets its name when the copy is complete and on disk; an older backup of that
name is replaced, any other file is not. The copy holds all keys: only its owner can read it.

To restore, stop the relay, put the copy in the place of relay.db in its data directory, and remove relay.db-wal and
relay.db-shm there, if they are left. Rooms notice that entries are gone.

It is for a data directory. A PostgreSQL database is backed up with pg_dump.`,
		Example: `  fernpost relay backup /backup/relay.db
  fernpost relay backup --data /var/lib/fernpost-relay /backup/relay-$(date +%F).db`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.backup(cmd, args[0])
		},
	}
}

func (f *flags) backup(cmd *cobra.Command, name string) error {
	if f.store != "" {
		return errors.New("backup is for a data directory: use pg_dump, which makes a copy of a PostgreSQL database")
	}
	dir, err := f.existingDir()
	if err != nil {
		return err
	}
	s, err := sqlite.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(s.Backup(cmd.Context(), name), s.Close()); err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%d bytes in %s\n", info.Size(), name)
	return nil
}
