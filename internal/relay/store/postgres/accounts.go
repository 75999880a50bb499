package postgres

import (
	"context"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
)

// CreateAccount is part of [relay.Store].
func (s *Store) CreateAccount(ctx context.Context, a *relay.Account) error {
	return s.write(ctx, "creating an account", func(t *transaction) error {
		// The ID is fetched before, as the answer of the last round trip may be lost.
		if err := t.query(func(r row) error {
			a.ID = r.Number(0)
			return nil
		}, "SELECT nextval(pg_get_serial_sequence('accounts', 'id'))"); err != nil {
			return err
		}
		t.last.Queue("INSERT INTO accounts (id, name, key, created_s) VALUES ($1, $2, $3, $4)",
			a.ID, a.Name, a.Key, a.CreatedAt.Unix())
		return nil
	})
}

// AccountByKey is part of [relay.Store].
func (s *Store) AccountByKey(ctx context.Context, key string) (a relay.Account, err error) {
	if !isText(key) {
		return a, relay.ErrNotFound
	}
	err = s.try(ctx, "looking up a user key", func(ctx context.Context, c *conn) error {
		a = relay.Account{}
		return c.read(ctx, func(r row) error {
			a = store.ScanAccount(r)
			return nil
		}, store.SelectAccountByKey, key)
	})
	if err == nil && a.ID == 0 {
		err = relay.ErrNotFound
	}
	return a, err
}

// Accounts is part of [relay.Store].
func (s *Store) Accounts(ctx context.Context) (all []relay.Account, err error) {
	err = s.try(ctx, "listing accounts", func(ctx context.Context, c *conn) error {
		all = nil
		return c.read(ctx, func(r row) error {
			all = append(all, store.ScanAccount(r))
			return nil
		}, store.SelectAccounts)
	})
	return all, err
}

// What follows is for whoever runs a relay, beside the processes that serve it.

// RenewAccount gives an account another user key; the old one opens nothing from then on. The errors are
// relay.ErrNotFound, and relay.ErrTaken when the key is in use.
func (s *Store) RenewAccount(ctx context.Context, id int64, key string) error {
	return s.writeAccount(ctx, "renewing a user key", id, "UPDATE accounts SET key = $2 WHERE id = $1", key)
}

// RemoveAccount removes an account, which must own no channel: relay.ErrTaken. Another error is relay.ErrNotFound. The
// local account cannot be removed: it is relay.ErrTaken, too.
func (s *Store) RemoveAccount(ctx context.Context, id int64) error {
	if id == relay.LocalAccountID {
		return relay.ErrTaken
	}
	return s.writeAccount(ctx, "removing an account", id, "DELETE FROM accounts WHERE id = $1")
}

// writeAccount runs a statement that takes the ID of an account, and arguments behind it.
func (s *Store) writeAccount(ctx context.Context, doing string, id int64, text string, args ...any) error {
	return s.write(ctx, doing, func(t *transaction) error {
		found := false
		if err := t.query(func(row) error {
			found = true
			return nil
		}, "SELECT id FROM accounts WHERE id = $1 FOR UPDATE", id); err != nil {
			return err
		}
		if !found {
			return refusal{relay.ErrNotFound}
		}
		t.last.Queue(text, append([]any{id}, args...)...)
		return nil
	})
}
