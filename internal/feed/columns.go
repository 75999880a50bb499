package feed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// separators are those that a first line is tried with, the usual one first.
var separators = []byte{',', ';', '\t'}

// separatorLine is how spreadsheets are told the separator: a line before the first.
var separatorLine = regexp.MustCompile(`^(?:\x{feff})?"?sep=(.)"?\r?\n`)

// findColumns finds the separator, and what the columns are.
func (r *reader) findColumns() error {
	head, try := r.head, separators
	r.rules.Import = r.options.Import
	if m := separatorLine.FindSubmatch(head); m != nil && len(m[1]) == 1 {
		try, r.rules.FirstLine = m[1], 2
		r.text.Discard(len(m[0]))
		head = head[len(m[0]):]
	} else if r.look(head) {
		return nil
	}
	var best thingspeak.FileRules
	var most int
	var failed error
	for _, padded := range []bool{false, true} {
		for _, c := range try {
			rules := r.rules
			rules.Separator, rules.Padded, rules.Columns = c, padded, r.canonical
			rows := thingspeak.NewHeadReader(head, rules)
			if _, err := rows.Header(); err != nil {
				if failed == nil || named(err) > named(failed) {
					failed = err
				}
				continue
			}
			if known := knownColumns(rows); known > most {
				best, most = rules, known
			}
		}
	}
	if most == 0 {
		return notFeed(head, failed)
	}
	r.rules = best
	r.look(head)
	return nil
}

// named is how many columns the first line has, by an error about their names.
func named(err error) int {
	if e, ok := errors.AsType[*thingspeak.NoColumnError](err); ok {
		return len(e.Names)
	}
	return 0
}

func knownColumns(rows *thingspeak.CSVReader) (n int) {
	_, takenAs := rows.Names()
	for _, name := range takenAs {
		if name != "" {
			n++
		}
	}
	return n
}

// What a column may be called besides its name: capitals, a blank for the underscore, and a label behind.
var (
	fieldName   = regexp.MustCompile(`^field[ _-]?([1-8])(?:$|[ _:.(\[/-])`)
	otherColumn = regexp.MustCompile(`^(created[ _-]?at|entry[ _-]?id|latitude|longitude|elevation|status)(?:$|[ :(\[])`)
)

// canonical returns the names that columns go by.
func (r *reader) canonical(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		name = strings.ToLower(strings.Trim(name, " \t\u00a0\u200b\ufeff"))
		switch name {
		case "field1", "field2", "field3", "field4", "field5", "field6", "field7", "field8":
			out[i] = name
			continue
		}
		if m := fieldName.FindStringSubmatch(name); m != nil {
			out[i] = "field" + m[1]
		} else if m := otherColumn.FindStringSubmatch(name); m != nil {
			out[i] = strings.NewReplacer(" ", "_", "-", "_", "createdat", "created_at", "entryid", "entry_id").Replace(m[1])
		}
	}
	for n, label := range r.options.Labels {
		if field := fmt.Sprintf("field%d", n+1); strings.TrimSpace(label) != "" && !slices.Contains(out, field) {
			for i, name := range names {
				if out[i] == "" && strings.EqualFold(strings.TrimSpace(name), strings.TrimSpace(label)) {
					out[i] = field
					break
				}
			}
		}
	}
	return out
}

// look reads the beginning with what is known of the file so far. It reports whether the columns have the names that a
// relay gives them, and notes what only the whole file can tell: the order of dates, and which columns are fields if
// none is.
func (r *reader) look(head []byte) (plain bool) {
	rules := r.rules
	rules.Import = true // numbers do not matter
	rules.Time = func(date string) (time.Time, error) {
		_, takesOrder := numbersOf(trimDate(date))
		r.dates.needOrder = r.dates.needOrder || r.dates.order == UnknownOrder && takesOrder
		return time.Time{}, thingspeak.ErrBadTime
	}
	rows := thingspeak.NewHeadReader(head, rules)
	h, err := rows.Header()
	if err != nil {
		return false
	}
	r.noFields = h.Fields == 0
	var e thingspeak.Entry
	for n := 0; n < 3 && (err == nil || isRowError(err)); n++ {
		err = rows.Read(&e)
	}
	_, takenAs := rows.Names()
	return !r.noFields && !slices.Contains(takenAs, "") && (r.options.Import || slices.Contains(takenAs, "entry_id"))
}

// survey reads the whole file in advance where its beginning leaves open what it means.
func (r *reader) survey(whole *io.SectionReader) error {
	if r.noFields {
		if err := r.findTokens(whole); err != nil {
			return err
		}
	}
	if !r.dates.needOrder {
		return nil
	}
	src, err := r.again(whole)
	if err != nil {
		return err
	}
	s := newOrderSurvey()
	rules := r.rules
	rules.Import = true // numbers do not matter
	rules.Time = func(date string) (time.Time, error) {
		s.add(date)
		return time.Time{}, thingspeak.ErrBadTime
	}
	if err := r.skipSeparatorLine(src); err != nil {
		return err
	}
	rows := thingspeak.NewFileReader(src, rules)
	var e thingspeak.Entry
	for err == nil || isRowError(err) {
		err = rows.Read(&e)
	}
	return r.dates.decide(&s, r.rules.Separator)
}

func isRowError(err error) bool {
	_, ok := errors.AsType[*thingspeak.RowError](err)
	return ok
}

// skipSeparatorLine moves a reader of the whole text to where its first line stands.
func (r *reader) skipSeparatorLine(src io.Reader) error {
	if t, ok := src.(*text); ok && r.rules.FirstLine > 0 {
		head, err := t.peek()
		if err != nil {
			return err
		}
		t.Discard(bytes.IndexByte(head, '\n') + 1)
	}
	return nil
}

// findTokens takes the columns that hold tokens for the fields, in their order, where no column is called one.
func (r *reader) findTokens(whole *io.SectionReader) error {
	const enough = 1000 // rows, once one has shown tokens
	var holds []int     // positions of columns with tokens
	var names []string
	for from := 0; from == 0 || from < len(names); from += thingspeak.FieldCount {
		src, err := r.again(whole)
		if err != nil {
			return err
		}
		if err := r.skipSeparatorLine(src); err != nil {
			return err
		}
		rules := r.rules
		rules.Import = true
		rules.Time = func(string) (time.Time, error) { return time.Unix(0, 0), nil }
		rules.Columns = func(all []string) []string {
			names = slices.Clone(all)
			out := r.canonical(all)
			for i := range out {
				if n := i - from; n >= 0 && n < thingspeak.FieldCount && out[i] == "" {
					out[i] = fmt.Sprintf("field%d", n+1)
				}
			}
			return out
		}
		rows := thingspeak.NewFileReader(src, rules)
		var found thingspeak.FieldSet
		var e thingspeak.Entry
		for n := 0; (err == nil || isRowError(err)) && (n < enough || found == 0); n++ {
			if err = rows.Read(&e); err != nil {
				continue
			}
			for i := range e.Fields {
				if looksSealed(e.Fields[i].Text) {
					found |= 1 << i
				}
			}
		}
		for n := range found.All() {
			holds = append(holds, from+n-1)
		}
	}
	holds = holds[:min(len(holds), thingspeak.FieldCount)]
	if len(holds) == 0 {
		return nil
	}
	var said []string
	for n, at := range holds {
		said = append(said, fmt.Sprintf("%q is field%d", cleaned(names[at], 40), n+1))
	}
	r.report.Assumed = append(r.report.Assumed,
		"no column is called a field, so those that hold tokens are taken in their order: "+strings.Join(said, ", "))
	plain := r.canonical
	r.rules.Columns = func(all []string) []string {
		out := plain(all)
		for n, at := range holds {
			out[at] = fmt.Sprintf("field%d", n+1)
		}
		return out
	}
	return nil
}

// looksSealed reports whether a value begins like a token. Package token knows tokens, but the relay's import reads
// files too, and must not link it.
func looksSealed(value string) bool {
	value = strings.TrimLeft(value, " \t")
	if len(value) > 2 && value[0] == 'b' && (value[1] == '\'' || value[1] == '"') {
		value = value[2:]
	}
	return strings.HasPrefix(value, "gAAAA")
}
