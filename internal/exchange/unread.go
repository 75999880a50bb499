package exchange

import (
	"encoding/json"
	"fmt"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Unread are for each field, field 1 first, the numbers of rows that were visited under headers without it: what stands
// there is unread, since a relay shows the fields that it wants to, or that the channel's owner has it show.
type Unread [thingspeak.FieldCount]ranges

// maxUnread bounds the ranges of one field, however a relay scatters its numbers. Of more than that the lowest are one:
// then rows between are read again.
const maxUnread = 64

// in returns the numbers of which one of the fields is unread.
func (u *Unread) in(fields thingspeak.FieldSet) (all ranges) {
	for n := range fields.All() {
		all = all.union(u[n-1])
	}
	return all
}

// of returns the fields of a row that are unread.
func (u *Unread) of(entry int64) (fields thingspeak.FieldSet) {
	for n := range thingspeak.AllFields.All() {
		if u[n-1].has(entry) {
			fields |= thingspeak.FieldsOf(n)
		}
	}
	return fields
}

// after returns what is unread once rows were read under headers with these fields. Of those known before, a field stays
// read that this header lacks.
func (u Unread) after(read map[thingspeak.FieldSet]ranges, known ranges) Unread {
	for n := range thingspeak.AllFields.All() {
		var shown, hidden ranges
		for fields, rows := range read {
			if fields.Has(n) {
				shown = shown.union(rows)
			} else {
				hidden = hidden.union(rows)
			}
		}
		u[n-1] = u[n-1].union(hidden.minus(known)).minus(shown).bounded(maxUnread)
	}
	return u
}

// IsZero reports whether nothing is unread.
func (u Unread) IsZero() bool { return len(u.in(thingspeak.AllFields)) == 0 }

// MarshalJSON implements [json.Marshaler].
func (r ranges) MarshalJSON() ([]byte, error) {
	all := make([][2]int64, len(r))
	for i, s := range r {
		all[i] = [2]int64{s.first, s.last}
	}
	return json.Marshal(all)
}

// UnmarshalJSON implements [json.Unmarshaler]. The order may be any.
func (r *ranges) UnmarshalJSON(b []byte) error {
	var all [][2]int64
	if err := json.Unmarshal(b, &all); err != nil {
		return fmt.Errorf("entry numbers: %w", err)
	}
	*r = nil
	for _, s := range all {
		r.add(max(s[0], 1), min(s[1], MaxNumber))
	}
	return nil
}

// contentIn reports whether something stands in one of the fields.
func contentIn(e *thingspeak.Entry, fields thingspeak.FieldSet) bool {
	for n := range fields.All() {
		if e.Fields[n-1].Text != "" {
			return true
		}
	}
	return false
}

// only takes out of a row what stands in other fields.
func only(e *thingspeak.Entry, fields thingspeak.FieldSet) {
	for n := range (thingspeak.AllFields &^ fields).All() {
		e.Fields[n-1] = thingspeak.Value{}
	}
}
