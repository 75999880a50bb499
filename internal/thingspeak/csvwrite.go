package thingspeak

import (
	"cmp"
	"strconv"
	"strings"
	"time"
)

// AppendCSVHeader appends the first line of a feed: created_at, entry_id, the fields, then on request the three columns
// of the location, then the status (contract section 7.7).
func AppendCSVHeader(dst []byte, fields FieldSet, location, status bool) []byte {
	return appendColumns(append(dst, "created_at,entry_id"...), fields, location, status)
}

// AppendCSVBucketHeader appends the first line of rows that were calculated from several entries each: they have no
// entry_id.
func AppendCSVBucketHeader(dst []byte, fields FieldSet, location, status bool) []byte {
	return appendColumns(append(dst, "created_at"...), fields, location, status)
}

func appendColumns(dst []byte, fields FieldSet, location, status bool) []byte {
	for n := range fields.All() {
		dst = append(dst, ",field"...)
		dst = append(dst, byte('0'+n))
	}
	if location {
		dst = append(dst, ",latitude,longitude,elevation"...)
	}
	if status {
		dst = append(dst, ",status"...)
	}
	return append(dst, '\n')
}

// AppendCSVRow appends an entry as a row under the header of the same arguments, its date in the given zone as
// [AppendCSVTime] writes it. Values are quoted where RFC 4180 demands it; an absent value and an empty one look alike.
// An entry without ID goes under the header of [AppendCSVBucketHeader].
func AppendCSVRow(
	dst []byte, e *Entry, fields FieldSet, location, status bool, zone *time.Location,
) []byte {
	dst = AppendCSVTime(dst, e.CreatedAt, zone)
	if e.ID != 0 {
		dst = append(dst, ',')
		dst = strconv.AppendInt(dst, cmp.Or(e.Shown, e.ID), 10)
	}
	for i := range e.Fields {
		if fields.Has(i + 1) {
			dst = appendCell(dst, e.Fields[i].Text)
		}
	}
	if location {
		dst = appendCell(dst, e.Latitude.Text)
		dst = appendCell(dst, e.Longitude.Text)
		dst = appendCell(dst, e.Elevation.Text)
	}
	if status {
		dst = appendCell(dst, e.Status.Text)
	}
	return append(dst, '\n')
}

func appendCell(dst []byte, text string) []byte {
	dst = append(dst, ',')
	if !strings.ContainsAny(text, ",\"\r\n") {
		return append(dst, text...)
	}
	dst = append(dst, '"')
	for {
		before, after, quote := strings.Cut(text, `"`)
		dst = append(dst, before...)
		if !quote {
			return append(dst, '"')
		}
		dst = append(dst, `""`...)
		text = after
	}
}
