package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"
)

// Row is a row that [Conn.Query] visits: its columns are int64, float64, string, []byte or nil. Its methods return a column
// as what the schema says that it is. A file that somebody or a disk has altered may hold something else, or nothing, where
// SQLite itself notices nothing: then Query ends with an error whose [CodeOf] is [Corrupt]. They are called within Query only.
type Row []driver.Value

// Int returns a column that holds a whole number.
func (r Row) Int(i int) int64 {
	n, ok := r[i].(int64)
	if !ok {
		r.Refuse(i)
	}
	return n
}

// Truth returns a column that holds 0 for no and another number for yes.
func (r Row) Truth(i int) bool { return r.Int(i) != 0 }

// Text returns a column that holds text.
func (r Row) Text(i int) string {
	s, ok := r[i].(string)
	if !ok {
		r.Refuse(i)
	}
	return s
}

// Blob returns a column that holds bytes, valid during the call only; of none the driver makes NULL.
func (r Row) Blob(i int) []byte {
	b, ok := r[i].([]byte)
	if !ok && r[i] != nil {
		r.Refuse(i)
	}
	return b
}

// Fill copies a column that holds as many bytes as there are in to.
func (r Row) Fill(i int, to []byte) {
	if copy(to, r.Blob(i)) != len(to) || len(r.Blob(i)) != len(to) {
		r.Refuse(i)
	}
}

// FillOrNone is Fill for a column that may also be empty, which changes nothing.
func (r Row) FillOrNone(i int, to []byte) {
	if len(r.Blob(i)) > 0 {
		r.Fill(i, to)
	}
}

// Refuse ends the query: what a column holds cannot have been written by this program.
func (r Row) Refuse(i int) { panic(refused{i, r[i]}) }

// refused is how a row leaves the function that visits it. To return an error from every column would make each of some
// hundred scans three times as long, and one that is forgotten would be a wrong answer.
type refused struct {
	column int
	value  driver.Value
}

// errAltered is wrapped by the errors of files that SQLite reads and this program has not written.
var errAltered = errors.New("a row of the database holds what was never written there")

// recoverRefused turns what [Row.Refuse] has begun into an error.
func recoverRefused(err *error) {
	switch p := recover().(type) {
	case nil:
	case refused:
		*err = errors.Join(*err, fmt.Errorf("%w: column %d is a %T", errAltered, p.column+1, p.value))
	default:
		panic(p)
	}
}
