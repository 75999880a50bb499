package exchange

import (
	"context"
	"maps"
	"slices"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// A relay that shows several rows of one number, and later only some of them, has lost or hidden the others.

// doubles finds numbers that have rows of two contents, or of one content and two dates, among those of one reading. It takes
// 64 bytes a row, and a reading has a budget.
type doubles struct {
	first           map[int64]firstRow
	contents, dates ranges
}

// firstRow is the row of a number that came first with the fields that it shows.
type firstRow struct {
	date   int64
	sum    uint64
	fields thingspeak.FieldSet
}

func (d *doubles) add(row rowSum, fields thingspeak.FieldSet) {
	if d == nil {
		return
	}
	first, ok := d.first[row.id]
	switch {
	case !ok:
		d.first[row.id] = firstRow{row.date, row.sum, fields}
	case first.fields != fields: // what is hidden cannot be compared
	case first.sum != row.sum:
		d.contents.add(row.id, row.id)
	case first.date != row.date:
		d.dates.add(row.id, row.id)
	}
}

// findTwins looks once more for rows that were visited, where others of their number were shown now and they were not. It
// asks by their dates, since by number a relay may show one row alone.
func (f *follower) findTwins(ctx context.Context) error {
	budget := singlesPerCall
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(f.twins))) {
		for _, d := range f.pos.Rows.of(n) {
			if !f.same.has(n) || f.shows(&d) {
				continue
			}
			if budget--; budget < 0 {
				return nil
			}
			p, err := f.r.page(ctx, Query{Results: thingspeak.DefaultResults, End: d.At})
			if err != nil {
				return err
			}
			// Where the answer may have left out rows of that second it proves nothing. One that the date does not bound must
			// reach below the row by date and by number, whichever of the two it goes by.
			whole := p.rows > 0 && p.oldest.Before(d.At) && (!p.newest.After(d.At) || p.lowest < d.Entry) ||
				p.rows > 0 && !p.newest.After(d.At) && p.lines < min(f.r.fullest, thingspeak.DefaultResults)
			if (whole || p.lines == 0) && !f.shows(&d) {
				f.gone = append(f.gone, d)
			}
		}
	}
	return nil
}

// shows reports whether a row of a digest was shown in this call, as far as the fields tell that were visible.
func (f *follower) shows(d *RowDigest) bool {
	return slices.ContainsFunc(f.twins[d.Entry], func(row shownRow) bool {
		return d.Fields&^row.fields != 0 && row.CreatedAt.Unix() == d.At.Unix() || d.tells(&row.Entry, thingspeak.AllFields)
	})
}
