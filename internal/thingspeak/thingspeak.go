// Package thingspeak is the vocabulary that fernpost's client and its relay share: channels, entries, feeds, the CSV
// and JSON they travel in, dates, limits and error codes. It does no I/O of its own.
//
// The wire contract is ThingSpeak's REST API as its clients rely on it. "Contract" in comments names the numbered
// section of our notes on it; where the service's documentation and its replies disagree, the replies win.
package thingspeak

import (
	"iter"
	"strings"
	"time"
)

// Limits of the service (contract sections 3.2, 7.2 and 12).
const (
	// FieldCount is the number of fields of an entry.
	FieldCount = 8
	// MaxValueBytes is the longest field or status, in bytes of UTF-8.
	MaxValueBytes = 255
	// MaxMessageBytes is the largest whole update, in bytes.
	MaxMessageBytes = 3000
	// MaxResults is the most rows that one read returns; a larger "results" counts as this.
	MaxResults = 8000
	// DefaultResults is the number of rows of a read that names neither "results" nor a window of time.
	DefaultResults = 100
	// DefaultInterval is the time between two updates of a channel with a free licence.
	DefaultInterval = 15 * time.Second
)

// Value is a text that may be absent: a field that was never given reads as null, which differs from an empty text on
// write and in JSON, but not in CSV (contract section 3.2). The zero Value is absent.
type Value struct {
	Text  string
	Given bool
}

// Text returns a Value that is given.
func Text(s string) Value { return Value{Text: s, Given: true} }

// Fields are the values of field1 to field8; field N stands at index N-1.
type Fields [FieldCount]Value

// Entry is one row of a channel (contract section 3.2).
type Entry struct {
	// ID is the entry number, from 1 in each channel. 0 in an entry that no relay has accepted yet, and in a row that
	// was calculated from several entries.
	ID int64
	// Shown is the number under which a reply shows it, if that is not ID: where only some entries of a feed are counted.
	Shown int64
	// CreatedAt is in whole seconds. A writer may choose it, so it proves nothing.
	CreatedAt time.Time
	Fields    Fields
	// Status has at most MaxValueBytes. It and the three of the location are read only on request.
	Status, Latitude, Longitude, Elevation Value
}

// FieldSet is a set of field numbers 1 to 8; bit N-1 stands for field N.
type FieldSet uint8

// AllFields holds the fields 1 to 8.
const AllFields FieldSet = 0xff

// FieldsOf returns the set of the given numbers; numbers outside 1 to 8 are left out.
func FieldsOf(numbers ...int) FieldSet {
	var s FieldSet
	for _, n := range numbers {
		if n >= 1 && n <= FieldCount {
			s |= 1 << (n - 1)
		}
	}
	return s
}

// Has reports whether field n is in the set.
func (s FieldSet) Has(n int) bool { return n >= 1 && n <= FieldCount && s&(1<<(n-1)) != 0 }

// All yields the numbers of the set in ascending order.
func (s FieldSet) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for n := 1; n <= FieldCount; n++ {
			if s.Has(n) && !yield(n) {
				return
			}
		}
	}
}

// Channel is a channel's settings (contract sections 3.1 and 8).
type Channel struct {
	ID          int64
	Name        string
	Description string
	// Latitude and Longitude are decimals in text form, "0.0" unless set.
	Latitude, Longitude string
	Elevation           string
	// Labels are the names of field1 to field8. A field is enabled when its label is not blank.
	Labels   [FieldCount]string
	Metadata string
	URL      string
	Tags     []string
	// CreatedAt and UpdatedAt are of the settings; entries do not move them.
	CreatedAt, UpdatedAt time.Time
	// LastEntryID is 0 (null on the wire) before the first entry and after a clear.
	LastEntryID int64
	// Findings is how many findings there are about what the channel holds; nil where nobody looks for any.
	Findings *int
	Public   bool
	// Keys holds the channel's API keys, the write key first; it is filled only for the channel's owner.
	Keys []Key
}

// Key is an API key of a channel: 16 characters out of A-Z and 0-9 (contract section 2).
type Key struct {
	Text  string
	Write bool
}

// Enabled returns the fields that have a label; one of white space only is none.
func (c *Channel) Enabled() FieldSet {
	var s FieldSet
	for i, l := range c.Labels {
		if strings.TrimSpace(l) != "" {
			s |= 1 << i
		}
	}
	return s
}
