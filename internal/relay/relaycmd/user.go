package relaycmd

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/screen"
)

// userCommand manages accounts. It works beside a relay that serves the same data.
func (f *flags) userCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Manage accounts and their user keys",
		Long: `A user key creates, lists, changes, clears and deletes the channels of its account. The account "local" is there
from the start: it belongs to whoever runs the relay, and owns the channels that were created without a user key.

These commands work on the data directory or database, beside relays that serve it; what they change counts at once.`,
		Example: `  fernpost relay user add school
  fernpost relay user show`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(f.userShow(), f.userAdd(), f.userRenew(), f.userRemove())
	return cmd
}

func (f *flags) userShow() *cobra.Command {
	asJSON, keysOnly := false, false
	cmd := &cobra.Command{
		Use:   "show [NAME]",
		Short: "Print the accounts, or one of them, with user keys",
		Example: `  fernpost relay user show
  fernpost relay user show school --json
  fernpost relay user show local --key > user-key.txt`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.withStore(cmd.Context(), func(s serve.Data) error {
				accounts, err := s.Accounts(cmd.Context())
				if err == nil && len(args) == 1 {
					var one relay.Account
					one, err = account(cmd.Context(), s, args[0])
					accounts = []relay.Account{one}
				}
				if err != nil {
					return err
				}
				if keysOnly {
					for _, a := range accounts {
						if _, err := fmt.Fprintln(cmd.OutOrStdout(), a.Key); err != nil {
							return err
						}
					}
					return nil
				}
				return showAccounts(cmd, s, accounts, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().BoolVar(&keysOnly, "key", false, "nothing but the user key, as --user-key-file reads it")
	cmd.MarkFlagsMutuallyExclusive("json", "key")
	return cmd
}

func (f *flags) userAdd() *cobra.Command {
	return &cobra.Command{
		Use:     "add NAME",
		Short:   "Make an account and print its user key",
		Example: "  fernpost relay user add school",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkName(args[0]); err != nil {
				return err
			}
			return f.withStore(cmd.Context(), func(s serve.Data) error {
				a := relay.Account{Name: args[0], Key: relay.NewKey(), CreatedAt: time.Now()}
				err := s.CreateAccount(context.WithoutCancel(cmd.Context()), &a)
				if errors.Is(err, relay.ErrTaken) {
					return fmt.Errorf("there is an account %q already", a.Name)
				}
				if err != nil {
					return err
				}
				if f.store == "" && f.data == "" { // a relay that serves a database knows nothing of it
					dir, _ := dataDir("") // which was found before
					fmt.Fprintf(cmd.ErrOrStderr(), "the account is in %s; a relay with --store or --data needs the same flag here\n", dir)
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), a.Key)
				return err
			})
		},
	}
}

func (f *flags) userRenew() *cobra.Command {
	return &cobra.Command{
		Use:   "renew NAME",
		Short: "Give an account another user key and print it",
		Long: `renew gives an account another user key. The old one opens nothing from then on; channels and their keys stay as
they are.`,
		Example: "  fernpost relay user renew school",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.withStore(cmd.Context(), func(s serve.Data) error {
				a, err := account(cmd.Context(), s, args[0])
				if err != nil {
					return err
				}
				key := relay.NewKey()
				if err := s.RenewAccount(context.WithoutCancel(cmd.Context()), a.ID, key); err != nil {
					return noAccount(err, args[0])
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), key)
				return err
			})
		},
	}
}

func (f *flags) userRemove() *cobra.Command {
	channelsToo := false
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove an account",
		Long: `remove removes an account. One that still owns channels is refused, unless --delete-channels removes those as
well, with all their entries.`,
		Example: `  fernpost relay user remove school
  fernpost relay user remove school --delete-channels`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.withStore(cmd.Context(), func(s serve.Data) error { return removeAccount(cmd, s, args[0], channelsToo) })
		},
	}
	cmd.Flags().BoolVar(&channelsToo, "delete-channels", false, "remove the account's channels and their entries as well")
	return cmd
}

// account finds an account by its name.
func account(ctx context.Context, s serve.Data, name string) (relay.Account, error) {
	all, err := s.Accounts(ctx)
	if err != nil {
		return relay.Account{}, err
	}
	for _, a := range all {
		if a.Name == name {
			return a, nil
		}
	}
	return relay.Account{}, noAccount(relay.ErrNotFound, name)
}

// noAccount names the account that is not there; other errors pass.
func noAccount(err error, name string) error {
	if errors.Is(err, relay.ErrNotFound) {
		return absentError{fmt.Sprintf("account %q", name), "relay user show"}
	}
	return err
}

// maxNameBytes bounds the name of an account.
const maxNameBytes = 100

// checkName refuses names that could not be told apart, or not be part of an address.
func checkName(name string) error {
	if name == "" || len(name) > maxNameBytes || name != screen.Line(name) {
		return fmt.Errorf("the name of an account has 1 to %d bytes of visible text", maxNameBytes)
	}
	return nil
}

func showAccounts(cmd *cobra.Command, s serve.Data, accounts []relay.Account, asJSON bool) error {
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, a := range accounts {
		owned, err := s.Channels(cmd.Context(), a.ID)
		if err != nil {
			return err
		}
		if asJSON {
			err = printJSON(cmd.OutOrStdout(), accountJSON{a.Name, a.Key, len(owned), a.CreatedAt})
		} else {
			_, err = fmt.Fprintf(table, "%s\t%s\t%s\n", screen.Line(a.Name), a.Key, screen.Count(len(owned), "channel"))
		}
		if err != nil {
			return err
		}
	}
	return table.Flush()
}

func removeAccount(cmd *cobra.Command, s serve.Data, name string, channelsToo bool) error {
	a, err := account(cmd.Context(), s, name)
	if err != nil {
		return err
	}
	if a.ID == relay.LocalAccountID {
		return fmt.Errorf("the account %q cannot be removed: it belongs to whoever runs the relay", name)
	}
	owned, err := s.Channels(cmd.Context(), a.ID)
	if err != nil {
		return err
	}
	if len(owned) > 0 && !channelsToo {
		return fmt.Errorf("the account %q owns %s: delete them first, or add --delete-channels", name, screen.Count(len(owned), "channel"))
	}
	for _, c := range owned {
		if err := s.DeleteChannel(cmd.Context(), c.ID); err != nil && !errors.Is(err, relay.ErrNotFound) {
			return err
		}
	}
	err = s.RemoveAccount(context.WithoutCancel(cmd.Context()), a.ID)
	if errors.Is(err, relay.ErrTaken) {
		return fmt.Errorf("the account %q has made another channel meanwhile", name)
	}
	return noAccount(err, name)
}
