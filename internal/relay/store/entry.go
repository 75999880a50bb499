package store

import "github.com/fernpost/fernpost/internal/thingspeak"

// KeyColumns are the columns of an entry that are never null, and ValueColumns those that may be.
var (
	KeyColumns   = [...]string{"generation", "unordered", "number", "created_s"}
	ValueColumns = [...]string{
		"field1", "field2", "field3", "field4", "field5", "field6", "field7", "field8",
		"status", "latitude", "longitude", "elevation",
	}
)

// entryColumns are the columns of an entry, in the order of ScanEntry.
const entryColumns = `number, created_s, field1, field2, field3, field4, field5, field6, field7, field8,
	status, latitude, longitude, elevation`

// SelectEntries takes a generation and the lowest and highest number.
const SelectEntries = "SELECT " + entryColumns + ` FROM entries
	WHERE generation = $1 AND number BETWEEN $2 AND $3 ORDER BY number`

// SelectEntriesByTime takes a generation, the lowest and highest number, the first and last second, and a limit.
func (d *Dialect) SelectEntriesByTime() string {
	return "SELECT " + entryColumns + " FROM entries WHERE generation = $1 AND " + d.Unordered + ` AND
		number BETWEEN $2 AND $3 AND created_s BETWEEN $4 AND $5 ORDER BY created_s DESC, number DESC LIMIT $6`
}

// ScanEntry reads a row of entries.
func ScanEntry[R Row](r R, e *thingspeak.Entry) {
	e.ID, e.CreatedAt = r.Number(0), seconds(r.Number(1))
	for i := range e.Fields {
		e.Fields[i] = r.Value(2 + i)
	}
	const after = 2 + thingspeak.FieldCount
	e.Status, e.Latitude, e.Longitude, e.Elevation = r.Value(after), r.Value(after+1), r.Value(after+2), r.Value(after+3)
}

// ColumnsOf is how many of ValueColumns it takes to hold an entry's values. Most entries have one in the first field only,
// and a quarter of the work of storing one is in the columns.
func ColumnsOf(e *thingspeak.Entry) int {
	n := len(ValueColumns)
	for n > 0 && !ValueOf(e, n-1).Given {
		n--
	}
	return n
}

// ValueOf returns the value of an entry in the column n of ValueColumns.
func ValueOf(e *thingspeak.Entry, n int) thingspeak.Value {
	switch n -= thingspeak.FieldCount; n {
	case 0:
		return e.Status
	case 1:
		return e.Latitude
	case 2:
		return e.Longitude
	case 3:
		return e.Elevation
	}
	return e.Fields[n+thingspeak.FieldCount]
}
