package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/fernpost/fernpost/internal/sqlite"
)

// TestARowThatWasAltered: what a column never holds ends the query with the error of a damaged file, and not the program; so
// it does within another query, whose visitor goes on to use the connection.
func TestARowThatWasAltered(t *testing.T) {
	c := open(t, filepath.Join(t.TempDir(), "t.db"), sqlite.Settings{})
	var four [4]byte
	for name, read := range map[string]struct {
		good, bad string
		column    func(sqlite.Row)
	}{
		"whole number": {"7", "NULL", func(r sqlite.Row) { r.Int(0) }},
		"truth":        {"1", "'yes'", func(r sqlite.Row) { r.Truth(0) }},
		"text":         {"'seven'", "x'07'", func(r sqlite.Row) { r.Text(0) }},
		"no text":      {"''", "NULL", func(r sqlite.Row) { r.Text(0) }},
		"bytes":        {"x''", "7", func(r sqlite.Row) { r.Blob(0) }},
		"four bytes":   {"x'01020304'", "x'010203'", func(r sqlite.Row) { r.Fill(0, four[:]) }},
		"not five":     {"x'01020304'", "x'0102030405'", func(r sqlite.Row) { r.Fill(0, four[:]) }},
		"not none":     {"x'01020304'", "x''", func(r sqlite.Row) { r.Fill(0, four[:]) }},
		"four or none": {"x''", "x'01'", func(r sqlite.Row) { r.FillOrNone(0, four[:]) }},
	} {
		visit := func(r sqlite.Row) error {
			read.column(r)
			return nil
		}
		if err := c.Query("SELECT "+read.good, visit); err != nil {
			t.Errorf("%s of %s: %v", name, read.good, err)
		}
		if err := c.Query("SELECT "+read.bad, visit); sqlite.CodeOf(err) != sqlite.Corrupt {
			t.Errorf("%s of %s: %v, want the error of a damaged file", name, read.bad, err)
		}
		var inner error
		outer := c.Query("SELECT 1", func(sqlite.Row) error {
			inner = c.Query("SELECT "+read.bad, visit)
			return nil
		})
		if outer != nil || sqlite.CodeOf(inner) != sqlite.Corrupt {
			t.Errorf("%s of %s within a query: %v, %v", name, read.bad, inner, outer)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a mistake of the program is taken for a damaged file")
		}
	}()
	_ = c.Query("SELECT 1", func(r sqlite.Row) error {
		r.Int(1)
		return nil
	})
}
