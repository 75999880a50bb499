package room

import (
	"slices"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// This file shows readings that nobody has signed: of a room of texts, the tokens of one entry. The archive has a row for each of
// them, and they stand behind each other, by place and by arrival.

// mostOfEntry is how many tokens of an entry are one message: its fields and its status. What came later in their place, since the
// entry was rewritten, is not among them.
const mostOfEntry = thingspeak.FieldCount + 1

// isPart reports whether a token that stands there may be a part of a reading.
func isPart(field int) bool { return field <= thingspeak.FieldCount || field == kept.StatusField }

// joinReadings makes one item of the texts that stand behind each other in one entry, where the first of them does.
func (c *Conversation) joinReadings(items []model.Item) []model.Item {
	if !c.o.Texts {
		return items
	}
	var joined []model.Item
	for len(items) > 0 {
		n := 1
		for n < len(items) && items[n].At.Place == items[0].At.Place {
			n++
		}
		values := slices.DeleteFunc(slices.Clone(items[:n]), func(it model.Item) bool { return !isValue(&it) })
		isReading := c.isReading(values)
		for i := range items[:n] {
			switch it := items[i]; {
			case isReading && it.At == values[0].At:
				it.Unsigned = readingOf(values)
				joined = append(joined, it)
			case !isReading || !isValue(&it):
				joined = append(joined, it)
			}
		}
		items = items[n:]
	}
	return joined
}

// isReading reports whether the texts of an entry are a reading. A single one is if it stands in the status, or in another of the
// room's fields than the first, to which texts are written.
func (c *Conversation) isReading(values []model.Item) bool {
	if len(values) != 1 {
		return len(values) > 1
	}
	field := values[0].At.Field
	return field == kept.StatusField || slices.Index(c.o.Fields, field) > 0
}

func isValue(it *model.Item) bool {
	return it.Unsigned != nil && it.Unsigned.Kind == model.KindText && isPart(it.At.Field)
}

// readingOf is the reading that texts make.
func readingOf(items []model.Item) *model.Message {
	m := *items[0].Unsigned
	r := record.Reading{}
	m.Kind, m.Text, m.Reading, m.Size = model.KindReading, "", &r, 0
	for i := range items {
		part := items[i].Unsigned
		if field := items[i].At.Field; field == kept.StatusField {
			r.Status = part.Text
		} else {
			r.Values[field-1] = record.Value{Text: part.Text, Given: true}
		}
		m.Size += part.Size
		m.Own = m.Own || part.Own
	}
	return &m
}

// rowsFor is how many rows of the archive so many messages can take.
func (c *Conversation) rowsFor(messages int) int {
	if c.o.Texts {
		return (messages + 1) * mostOfEntry
	}
	return messages
}

// cutRows keeps the rows of the first messages, at most so many, out of those that a query returned with a limit; more tells that
// some are left. The rows of an entry stay together: of the last one some may not have come, unless nothing was left to come.
func (c *Conversation) cutRows(rows []kept.Message, most, limit int) (cut []kept.Message, more bool) {
	more = len(rows) == limit
	if !c.o.Texts {
		return rows[:min(len(rows), most)], more || len(rows) > most
	}
	for n, end := 0, 0; end < len(rows); n++ {
		first := end
		for end++; end < len(rows) && rows[end].Held.At.Place == rows[first].Held.At.Place; end++ {
		}
		if n == most || more && end == len(rows) && first > 0 {
			return rows[:first], true
		}
	}
	return rows, more
}
