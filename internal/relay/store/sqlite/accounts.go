package sqlite

import (
	"context"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// CreateAccount is part of [relay.Store].
func (s *Store) CreateAccount(_ context.Context, a *relay.Account) error {
	return s.write("creating an account", func(c *sqlite.Conn) error {
		return c.Query("INSERT INTO accounts (name, key, created_s) VALUES (?, ?, ?) RETURNING id",
			func(row sqlite.Row) error {
				a.ID = row.Int(0)
				return nil
			}, a.Name, a.Key, a.CreatedAt.Unix())
	})
}

// AccountByKey is part of [relay.Store].
func (s *Store) AccountByKey(ctx context.Context, key string) (a relay.Account, err error) {
	err = s.read(ctx, "looking up a user key", func(c *sqlite.Conn) error {
		return c.Query(store.SelectAccountByKey, func(r sqlite.Row) error {
			a = store.ScanAccount(row(r))
			return nil
		}, key)
	})
	if err == nil && a.ID == 0 {
		err = relay.ErrNotFound
	}
	return a, err
}

// Accounts is part of [relay.Store].
func (s *Store) Accounts(ctx context.Context) (all []relay.Account, err error) {
	err = s.read(ctx, "listing accounts", func(c *sqlite.Conn) error {
		return c.Query(store.SelectAccounts, func(r sqlite.Row) error {
			all = append(all, store.ScanAccount(row(r)))
			return nil
		})
	})
	return all, err
}
