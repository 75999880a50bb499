package relaycmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
)

// userCommand manages accounts. It works beside a relay that serves the same data.
func (f *flags) userCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Manage accounts and their user keys",
		Long: `A user key creates, lists, changes, clears and deletes the channels of its account. The account "local" is there
from the start: it belongs to whoever runs the relay, and owns the channels that were created without a user key.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:     "show",
			Short:   "Print the accounts with their user keys",
			Example: "  fernpost relay user show",
			Args:    cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return f.withStore(func(s *store.SQLite) error { return showAccounts(cmd, s) })
			},
		},
		&cobra.Command{
			Use:     "add NAME",
			Short:   "Make an account and print its user key",
			Example: "  fernpost relay user add school",
			Args:    cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return f.withStore(func(s *store.SQLite) error { return addAccount(cmd, s, args[0]) })
			},
		},
	)
	return cmd
}

// withStore opens the data of a relay, which has to be there.
func (f *flags) withStore(work func(*store.SQLite) error) error {
	dir, err := dataDir(f.data)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, store.FileName)); err != nil {
		return fmt.Errorf("there is no relay's data in %s: start the relay once, or name the place with --data", dir)
	}
	s, err := store.OpenSQLite(dir)
	if err != nil {
		return err
	}
	return errors.Join(work(s), s.Close())
}

func showAccounts(cmd *cobra.Command, s *store.SQLite) error {
	accounts, err := s.Accounts(cmd.Context())
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, a := range accounts {
		fmt.Fprintf(w, "%s\t%s\n", a.Name, a.Key)
	}
	return w.Flush()
}

func addAccount(cmd *cobra.Command, s *store.SQLite, name string) error {
	a := relay.Account{Name: name, Key: relay.NewKey(), CreatedAt: time.Now()}
	err := s.CreateAccount(context.WithoutCancel(cmd.Context()), &a)
	if errors.Is(err, relay.ErrTaken) {
		return fmt.Errorf("there is an account %q already", name)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), a.Key)
	return err
}
