package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/eavesdrop"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// row is what somebody without a key sees of an entry.
type row struct {
	entry  int64
	posted time.Time
	fields []field
}

type field struct {
	number, length int
	kind           eavesdrop.Kind
	least, most    int    // of the plaintext, in bytes
	text           string // its beginning, cleaned
}

// mostShown is how many characters of a field's text are kept.
const mostShown = 64

func rowOf(e *thingspeak.Entry) row {
	r := row{entry: e.ID, posted: e.CreatedAt}
	for _, s := range eavesdrop.Look(e) {
		text, left := firstRunes(s.Text, mostShown)
		if text = screen.Line(text); left > 0 {
			text += "…"
		}
		text = strings.Clone(text)
		r.fields = append(r.fields, field{s.Field, s.Length, s.Kind, s.MinPlaintext, s.MaxPlaintext, text})
	}
	return r
}

// feedRows are the rows of the channel, as far as they were read.
type feedRows struct {
	rows  map[int64]row
	first int64 // the lowest that was asked for; 1 if all were
	last  int64
	err   string
}

// take takes rows that were read; all tells that there are no older ones.
func (f *feedRows) take(rows []row, all bool) {
	if f.rows == nil {
		f.rows = map[int64]row{}
	}
	for _, r := range rows {
		f.rows[r.entry] = r
		if f.last = max(f.last, r.entry); f.first == 0 || r.entry < f.first {
			f.first = r.entry
		}
	}
	if all {
		f.first = 1
	}
}

// between returns the rows above one entry, up to another one, and how many of them were left out.
func (f *feedRows) between(above, upTo int64, most int) (rows []row, left int) {
	if upTo-above > int64(len(f.rows)) { // the numbers have gaps, or begin below what is there
		for n, r := range f.rows {
			if n > above && n <= upTo {
				rows = append(rows, r)
			}
		}
		slices.SortFunc(rows, func(a, b row) int { return int(a.entry - b.entry) })
	} else {
		for n := above + 1; n <= upTo; n++ {
			if r, ok := f.rows[n]; ok {
				rows = append(rows, r)
			}
		}
	}
	if left = len(rows) - most; left > 0 {
		return rows[left:], left
	}
	return rows, 0
}

// summary is a row in one line.
func (r *row) summary() string {
	tokens, chars, other := 0, 0, ""
	for _, f := range r.fields {
		chars += f.length
		if tokens++; f.kind != eavesdrop.Token {
			other = ", " + string(f.kind)
		}
	}
	first := ""
	if len(r.fields) > 0 {
		first = r.fields[0].text
	}
	return fmt.Sprintf("%d %s %d × %d%s %s",
		r.entry, r.posted.UTC().Format(time.TimeOnly), tokens, chars/max(tokens, 1), other, first)
}

// heading begins a row that has a line for each field.
func (r *row) heading() string {
	return fmt.Sprintf("entry %d, %s UTC", r.entry, r.posted.UTC().Format("15:04:05 2006-01-02"))
}

func (f *field) detail() string {
	says := string(f.kind)
	if f.kind == eavesdrop.Token {
		says = fmt.Sprintf("%d–%d bytes", f.least, f.most)
	}
	return fmt.Sprintf(" field %d, %s: %s", f.number, says, f.text)
}
