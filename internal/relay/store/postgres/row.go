package postgres

import (
	"context"
	"encoding/binary"

	"github.com/jackc/pgx/v5"

	"github.com/fernpost/fernpost/internal/relay/store"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

var dialect = store.Dialect{
	Public:    "c.public",
	Unordered: "unordered",
	Tagged:    `%s = ANY(string_to_array(c.tags, E'\n'))`,
}

// row is a [store.Row]: what a row looks like on the wire. It is valid until the next one. The driver asks for numbers and truth
// values in binary form, and text is the same in any. Reading them here costs a fifth of what the driver's general way
// does.
type row [][]byte

// Number returns a BIGINT.
func (r row) Number(i int) int64 { return int64(binary.BigEndian.Uint64(r[i])) }

// Text returns a TEXT.
func (r row) Text(i int) string { return string(r[i]) }

// Truth returns a BOOLEAN.
func (r row) Truth(i int) bool { return r[i][0] != 0 }

// Value returns a TEXT that may be null.
func (r row) Value(i int) thingspeak.Value {
	if r[i] == nil {
		return thingspeak.Value{}
	}
	return thingspeak.Text(string(r[i]))
}

// read asks one question and calls visit for each row of the answer.
func (c *conn) read(ctx context.Context, visit func(row) error, text string, args ...any) error {
	rows, err := c.Query(ctx, text, args...)
	if err != nil {
		return err
	}
	return each(visit)(rows)
}

// each makes a function for rows out of one for a row.
func each(visit func(row) error) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		defer rows.Close()
		for rows.Next() {
			if err := visit(rows.RawValues()); err != nil {
				return err
			}
		}
		return rows.Err()
	}
}
