package serve

import (
	"context"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store/postgres"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
)

// Data is a store of either engine, with what only whoever runs the relay may do.
type Data struct {
	relay.Store
	operator
	// Place is a directory, or a database and its servers.
	Place string
}

// operator is what the engines have for whoever runs the relay.
type operator interface {
	RenewAccount(ctx context.Context, id int64, key string) error
	RemoveAccount(ctx context.Context, id int64) error
}

// OpenSQLite opens the data in a directory, which other processes may have open too.
func OpenSQLite(dir string) (Data, error) {
	s, err := sqlite.Open(dir)
	if err != nil {
		return Data{}, err
	}
	return Data{s, s, dir}, nil
}

// OpenPostgres opens the data in a database.
func OpenPostgres(ctx context.Context, url string) (Data, error) {
	s, err := postgres.Open(ctx, url)
	if err != nil {
		return Data{}, err
	}
	return Data{s, s, s.Where()}, nil
}
