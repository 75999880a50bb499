package thingspeak

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// importRules are what differs when a file is read that is to be imported (contract section 9): it may have been made
// by hand, and whatever is wrong with it must be told before it is stored.
type importRules struct {
	zone    *time.Location
	ignored []string
}

// NewImportReader returns a reader of a file that is to be imported: an export of ours or of the service, or a file
// made by hand. It differs from [NewCSVReader] in what follows. The column entry_id may be lacking, and what stands in
// it is ignored: entries have the ID 0. Dates may be in seconds since 1970 ([ParseEpoch]); those without an offset are
// in the given zone, nil for UTC. A row with more values than there are columns, and a location that is no decimal,
// is a [*RowError].
func NewImportReader(r io.Reader, zone *time.Location) *CSVReader {
	return &CSVReader{src: r, imported: &importRules{zone: zone}}
}

// Ignored returns the names of the columns that nothing is read from, cleaned of control characters: of a file that is
// to be imported, after [CSVReader.Header].
func (r *CSVReader) Ignored() []string {
	if r.imported == nil {
		return nil
	}
	return r.imported.ignored
}

func (r *CSVReader) noteIgnored() {
	if r.imported == nil {
		return
	}
	for i, c := range r.columns {
		if c == columnIgnored {
			r.imported.ignored = append(r.imported.ignored, excerpt([]byte(r.cells[i]), 40))
		}
	}
}

// fillImported is fill for a file that is to be imported.
func (r *CSVReader) fillImported(e *Entry) (reason string) {
	if len(r.cells) > len(r.columns) {
		return fmt.Sprintf("it has more values than the %d columns of the first line", len(r.columns))
	}
	created, _ := r.values(e)
	if created == "" {
		return "created_at is empty"
	}
	t, err := ParseTime(created, r.imported.zone)
	if err != nil {
		var badEpoch error
		if t, badEpoch = ParseEpoch(created); badEpoch != nil {
			return "created_at is " + err.Error()
		}
	}
	e.CreatedAt = t
	for _, place := range []struct {
		name  string
		value *Value
	}{{"latitude", &e.Latitude}, {"longitude", &e.Longitude}} {
		if strings.TrimSpace(place.value.Text) == "" {
			*place.value = Value{}
			continue
		}
		decimal, ok := ParseDecimal(place.value.Text)
		if !ok {
			return fmt.Sprintf("%s is no decimal: %q", place.name, excerpt([]byte(place.value.Text), 40))
		}
		*place.value = Text(decimal)
	}
	return ""
}
