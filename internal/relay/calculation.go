package relay

import (
	"context"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Method is how several entries become one row.
type Method int

// The methods, in the order in which they win over each other where a read asks for more than one.
const (
	// Single makes nothing: each entry is a row.
	Single Method = iota
	// First takes the first entry as it is.
	First
	// Sum, Average and Median calculate with the values that are numbers, and leave null where there is none. An
	// average divides by all entries, whether they have a value or not.
	Sum
	Average
	Median
)

// Calculation is what becomes of the entries of a window before they are shown (contract sections 7.3 and 7.11): first
// buckets, then Min and Max, then Round. The zero Calculation does nothing.
type Calculation struct {
	// Method with Bucket puts entries together. Buckets begin at multiples of their length since 1970-01-01 00:00 UTC.
	Method Method
	Bucket time.Duration
	// Min and Max drop the rows with a number below or above, in any field that is shown; nil drops none.
	Min, Max *float64
	// Round is how many decimal places numbers get; nil leaves them.
	Round *int
}

// None reports whether a calculation does nothing.
func (c *Calculation) None() bool {
	return c.Method == Single && c.Min == nil && c.Max == nil && c.Round == nil
}

// Calculate is [Relay.Rows] with a calculation over the given fields. Rows of buckets have the time at which their
// bucket begins and no ID. Buckets without entries are there, with nothing in them, so that they stand at even
// distances; of more buckets than Limits.Results the newest count.
func (r *Relay) Calculate(
	ctx context.Context, v *View, w Window, c Calculation, fields thingspeak.FieldSet,
	visit func(*thingspeak.Entry) error,
) error {
	finish := func(e *thingspeak.Entry) error {
		if !c.keeps(e, fields) {
			return nil
		}
		if c.Round != nil {
			e = new(*e)
			Round(e, *c.Round)
		}
		return visit(e)
	}
	w = w.within(&r.limits)
	rows := min(int64(w.Results), v.State.Last)
	if c.Method != Single {
		rows = int64(r.limits.Results) // two entries may have any number of buckets between them
	}
	leave, err := r.largeReads.enter(ctx, rows)
	if err != nil {
		return err
	}
	defer leave()
	if c.Method == Single {
		return r.rows(ctx, v, w, finish)
	}
	var entries []thingspeak.Entry
	err = r.rows(ctx, v, w, func(e *thingspeak.Entry) error {
		entries = append(entries, *e)
		return nil
	})
	if err != nil {
		return err
	}
	return c.buckets(entries, fields, r.limits.Results, finish)
}

// keeps reports whether a row is inside of Min and Max.
func (c *Calculation) keeps(e *thingspeak.Entry, fields thingspeak.FieldSet) bool {
	if c.Min == nil && c.Max == nil {
		return true
	}
	for i := range e.Fields {
		n, ok := ParseNumber(e.Fields[i].Text)
		if ok && fields.Has(i+1) && (c.Min != nil && n < *c.Min || c.Max != nil && n > *c.Max) {
			return false
		}
	}
	return true
}

// buckets visits the rows of entries that stand in order of time, at most so many.
func (c *Calculation) buckets(
	entries []thingspeak.Entry, fields thingspeak.FieldSet, most int, visit func(*thingspeak.Entry) error,
) error {
	if len(entries) == 0 {
		return nil
	}
	length := int64(c.Bucket / time.Second)
	begin := func(e *thingspeak.Entry) int64 {
		sec := e.CreatedAt.Unix()
		return sec - ((sec%length)+length)%length
	}
	last := begin(&entries[len(entries)-1])
	// Two entries may lie thousands of years apart.
	for at := max(begin(&entries[0]), last-int64(most-1)*length); at <= last; at += length {
		n := 0
		for n < len(entries) && begin(&entries[n]) < at {
			n++
		}
		entries = entries[n:]
		for n = 0; n < len(entries) && begin(&entries[n]) == at; {
			n++
		}
		row := combine(c.Method, entries[:n], fields)
		row.ID, row.CreatedAt = 0, time.Unix(at, 0).UTC()
		if err := visit(&row); err != nil {
			return err
		}
	}
	return nil
}

// combine makes one row of entries.
func combine(m Method, entries []thingspeak.Entry, fields thingspeak.FieldSet) (row thingspeak.Entry) {
	if m == First {
		if len(entries) > 0 {
			row = entries[0]
		}
		return row
	}
	var numbers []float64
	for n := range fields.All() {
		numbers = numbers[:0]
		anyComma := false
		for i := range entries {
			if number, comma, ok := parseNumber(entries[i].Fields[n-1].Text); ok {
				numbers = append(numbers, number)
				anyComma = anyComma || comma
			}
		}
		if len(numbers) > 0 {
			row.Fields[n-1] = thingspeak.Text(formatNumber(m.of(numbers, len(entries)), anyComma))
		}
	}
	return row
}

// of calculates with the numbers of a field among so many entries.
func (m Method) of(numbers []float64, entries int) float64 {
	if m == Median {
		slices.Sort(numbers)
		middle := len(numbers) / 2
		if len(numbers)%2 == 1 {
			return numbers[middle]
		}
		return (numbers[middle-1] + numbers[middle]) / 2
	}
	sum := 0.0
	for _, n := range numbers {
		sum += n
	}
	if m == Average {
		return sum / float64(entries)
	}
	return sum
}

// mostNewest bounds how many entries [Relay.LastCalculated] puts together.
const mostNewest = 100

// LastCalculated puts the newest n entries by time, 100 at most, into buckets of n minutes, and returns the last of those
// (contract section 7.10): one number says how many and how long. The row has the time at which its bucket begins and no
// ID. It fails with ErrNotFound where there is no entry.
func (r *Relay) LastCalculated(
	ctx context.Context, v *View, n int64, m Method, fields thingspeak.FieldSet,
) (row *thingspeak.Entry, err error) {
	if n < 1 {
		return nil, ErrNotFound
	}
	c := Calculation{Method: m, Bucket: time.Duration(min(n, longestBucket)) * time.Minute}
	var entries []thingspeak.Entry
	err = r.Rows(ctx, v, Window{Results: int(min(n, mostNewest))}, func(e *thingspeak.Entry) error {
		entries = append(entries, *e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = c.buckets(entries, fields, 1, func(e *thingspeak.Entry) error {
		row = e
		return nil
	})
	if err == nil && row == nil {
		err = ErrNotFound
	}
	return row, err
}

// longestBucket is a century in minutes: sums of strangers' numbers must not overflow.
const longestBucket = 100 * 366 * 24 * 60
