package sqlite

import (
	"database/sql/driver"

	"github.com/fernpost/fernpost/internal/relay/store"
	"github.com/fernpost/fernpost/internal/sqlite"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

var dialect = store.Dialect{
	Public:    "c.public = 1",
	Unordered: "unordered = 1",
	Tagged:    "instr(char(10) || c.tags || char(10), char(10) || %s || char(10)) > 0",
}

// row is a [store.Row].
type row sqlite.Row

func (r row) Number(i int) int64 { return sqlite.Row(r).Int(i) }

func (r row) Text(i int) string {
	if r[i] == nil {
		return ""
	}
	return sqlite.Row(r).Text(i)
}

func (r row) Truth(i int) bool { return sqlite.Row(r).Truth(i) }

func (r row) Value(i int) thingspeak.Value {
	if r[i] == nil {
		return thingspeak.Value{}
	}
	return thingspeak.Text(sqlite.Row(r).Text(i))
}

func nullable(v thingspeak.Value) driver.Value {
	if !v.Given {
		return nil
	}
	return v.Text
}

// values are arguments as the driver takes them.
func values(args []any) []driver.Value {
	all := make([]driver.Value, 0, len(args)+1)
	for _, v := range args {
		all = append(all, v)
	}
	return all
}
