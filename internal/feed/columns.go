package feed

import (
	"bufio"
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
var separatorLine = regexp.MustCompile(`^(?:\x{feff})?"?sep=(.)"?(?:\r\n?|\n)`)

// findColumns finds the separator, and what the columns are.
func (r *reader) findColumns() error {
	head, try := r.head, separators
	r.rules.Import = r.options.Import
	if m := separatorLine.FindSubmatch(head); m != nil && len(m[1]) == 1 {
		try, r.rules.FirstLine = m[1], 2
		r.separatorLine = len(m[0])
		r.text.Discard(r.separatorLine)
		head = head[len(m[0]):]
	} else if r.look(head) && r.readsAll(head) {
		return nil
	}
	var best thingspeak.FileRules
	var most, mostRows int
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
			// Blanks may stand around the values of rows and not around those of the header.
			known := knownColumns(rows)
			if n, _ := readable(rows); known > most || known == most && n > mostRows {
				best, most, mostRows = rules, known, n
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

// readable is how many of the first rows can be read, and how many cannot.
func readable(rows *thingspeak.CSVReader) (good, bad int) {
	var e thingspeak.Entry
	for range 20 {
		switch err := rows.Read(&e); {
		case err == nil:
			good++
		case isRowError(err):
			bad++
		default:
			return good, bad
		}
	}
	return good, bad
}

// readsAll reports whether all of the first rows can be read as the file's first line says.
func (r *reader) readsAll(head []byte) bool {
	rows := thingspeak.NewHeadReader(head, r.rules)
	if _, err := rows.Header(); err != nil {
		return false
	}
	_, bad := readable(rows)
	return bad == 0
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
	fieldName   = regexp.MustCompile(`^field[ _-]?([1-8])($|[ _:.(\[/-])`)
	otherColumn = regexp.MustCompile(`^(created[ _-]?at|entry[ _-]?id|latitude|longitude|elevation|status)($|[ :(\[])`)
	shortened   = strings.NewReplacer(" ", "_", "-", "_", "createdat", "created_at", "entryid", "entry_id")
)

// meant is the column that a name stands for, empty if for none, and whether the name is labelled: it says more than that.
func meant(name string) (column string, labelled bool) {
	name = strings.ToLower(trimName(name))
	if m := fieldName.FindStringSubmatch(name); m != nil {
		return "field" + m[1], m[2] != ""
	}
	if m := otherColumn.FindStringSubmatch(name); m != nil {
		return shortened.Replace(m[1]), m[2] != ""
	}
	return "", false
}

func trimName(name string) string { return strings.Trim(name, " \t\u00a0\u200b\ufeff") }

// canonical returns the names that columns go by. Of several that could be one column, the first without a label is it, or
// the first.
func (r *reader) canonical(names []string) []string {
	out := make([]string, len(names))
	for _, wanted := range []bool{false, true} {
		for i, name := range names {
			if column, labelled := meant(name); labelled == wanted && column != "" && !slices.Contains(out, column) {
				out[i] = column
			}
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

// saySeveral says which column was taken of several that could be one and say equally much; an import refuses them.
func (r *reader) saySeveral(names, takenAs []string) error {
	for i, name := range names {
		column, labelled := meant(name)
		if takenAs[i] != "" || column == "" {
			continue
		}
		at := slices.Index(takenAs, column)
		if at < 0 {
			continue
		}
		if as, other := meant(names[at]); as != column || other != labelled {
			continue // the other one has the very name, or is a label of the channel's
		}
		if r.options.Import {
			return &NotFeedError{
				Is:   fmt.Sprintf("two of its columns could be %s: %q and %q", column, names[at], name),
				Next: "rename one of them",
			}
		}
		said := fmt.Sprintf("%s is read from the first of the columns %q and %q", column, names[at], name)
		r.report.Assumed = append(r.report.Assumed, said)
	}
	return nil
}

// The forms of a zone behind a column's name: a name with one meaning, an offset, an abbreviation. Behind a date an
// abbreviation means its offset; behind a column's name it may be meant for summer and winter.
var (
	zoneName    = regexp.MustCompile(`^[A-Za-z]+/[A-Za-z0-9_+/-]+$`)
	zoneOffset  = regexp.MustCompile(`^(?:UTC|GMT)? ?[+-]\d{1,2}(?::?\d{2})?$`)
	zoneInShort = regexp.MustCompile(`^[A-Za-z]{1,5}$`)
)

// findZone takes the zone that stands behind the name of the column created_at for that of dates that name none.
func (r *reader) findZone(names, takenAs []string) {
	at := slices.Index(takenAs, "created_at")
	if at < 0 {
		return
	}
	name := trimName(names[at])
	behind := otherColumn.FindStringIndex(strings.ToLower(name))
	if behind == nil {
		return
	}
	label := strings.ReplaceAll(strings.Trim(name[behind[1]:], " :()[]"), "\u2212", "-")
	switch {
	case label == "":
		return
	case r.options.Zone != nil:
		if strings.EqualFold(label, r.options.Zone.String()) {
			return
		}
	case strings.EqualFold(label, "UTC"), strings.EqualFold(label, "GMT"):
		r.dates.zone = time.UTC
		return
	case zoneName.MatchString(label):
		if zone, err := time.LoadLocation(label); err == nil {
			r.dates.zone = zone
			return
		}
	case zoneOffset.MatchString(label), zoneInShort.MatchString(label) && !r.options.Import:
		if zone := fixedZone(label); zone != nil {
			r.dates.zone = zone
			return
		}
	}
	r.zoneLabel = name
}

// fixedZone is the zone of an offset or an abbreviation, nil if it is none that is known.
func fixedZone(label string) *time.Location {
	read, err := thingspeak.ReadTime("2000-01-01 00:00:00 "+label, nil)
	if err != nil || read.Zoneless {
		return nil
	}
	midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	offset := int(midnight.Sub(read.Time) / time.Second)
	if zoneInShort.MatchString(label) {
		sign := midnight.In(time.FixedZone("", offset)).Format("-07:00")
		label = fmt.Sprintf("%s, %s in summer and winter", strings.ToUpper(label), sign)
	}
	return time.FixedZone(label, offset)
}

// sayZone says that what stands behind the name of the column created_at did not decide what its dates mean.
func (r *reader) sayZone() error {
	if r.options.Import && r.options.Zone == nil {
		return &NotFeedError{
			Is:   fmt.Sprintf("its dates name no zone, and the column %q none that is known", r.zoneLabel),
			Next: "--timezone says which, by a name such as Europe/Vienna; behind the column's name may stand one, or an offset such as (+01:00)",
		}
	}
	said := fmt.Sprintf("the zone of the dates is not taken from %q", r.zoneLabel)
	if r.options.Zone == nil {
		said += ": write one such as (Europe/Vienna) or (+01:00) there"
	}
	r.report.Assumed = append(r.report.Assumed, said)
	return nil
}

// look reads the beginning with what is known of the file so far. It reports whether the columns have the names that a
// relay gives them, and notes what only the whole file can tell: the order of dates, and which columns are fields if
// none is.
func (r *reader) look(head []byte) (plain bool) {
	rules := r.rules
	rules.Import = true // numbers do not matter
	rules.Time = r.noteOrder
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

// noteOrder notes whether a date has an order of day and month.
func (r *reader) noteOrder(date string) (time.Time, error) {
	_, takesOrder := numbersOf(trimDate(date))
	r.dates.needOrder = r.dates.needOrder || r.dates.order == UnknownOrder && takesOrder
	return time.Time{}, thingspeak.ErrBadTime
}

// surveyJSON is survey of a JSON feed.
func (r *reader) surveyJSON(whole *io.SectionReader) error {
	rules := thingspeak.FileRules{Import: true, Time: r.noteOrder} // numbers do not matter
	enough := errors.New("enough")
	seen := 0
	ignore := func(int, *thingspeak.Entry, string) error { return nil }
	head := notNumbers{src: bufio.NewReader(bytes.NewReader(r.head))}
	_, _ = thingspeak.DecodeFileJSON(&head, rules, ignore, func(*thingspeak.RowError) error {
		if seen++; seen == 3 {
			return enough
		}
		return nil
	})
	return r.surveyDates(whole, ',', rules, func(src io.Reader, rules thingspeak.FileRules) {
		// What is wrong with the file is said when it is read.
		text := notNumbers{src: bufio.NewReader(src)}
		_, _ = thingspeak.DecodeFileJSON(&text, rules, ignore, func(*thingspeak.RowError) error { return nil })
	})
}

// surveyDates has all dates of the file read in advance, if it takes that to know in which order day and month stand.
func (r *reader) surveyDates(
	whole *io.SectionReader, separator byte, rules thingspeak.FileRules, readAll func(io.Reader, thingspeak.FileRules),
) error {
	if !r.dates.needOrder {
		return nil
	}
	src, err := r.again(whole)
	if err != nil {
		return err
	}
	s := newOrderSurvey()
	rules.Import = true // numbers do not matter
	rules.Time = func(date string) (time.Time, error) {
		s.add(date)
		return time.Unix(0, 0), nil
	}
	readAll(src, rules)
	return r.dates.decide(&s, separator)
}

// survey reads the whole file in advance where its beginning leaves open what it means.
func (r *reader) survey(whole *io.SectionReader) error {
	if r.noFields {
		if err := r.findTokens(whole); err != nil {
			return err
		}
	}
	return r.surveyDates(whole, r.rules.Separator, r.rules, func(src io.Reader, rules thingspeak.FileRules) {
		r.skipSeparatorLine(src)
		rows := thingspeak.NewFileReader(src, rules)
		var e thingspeak.Entry
		for err := error(nil); err == nil || isRowError(err); {
			err = rows.Read(&e)
		}
	})
}

func isRowError(err error) bool {
	_, ok := errors.AsType[*thingspeak.RowError](err)
	return ok
}

// skipSeparatorLine moves a reader of the whole text to where its first line stands.
func (r *reader) skipSeparatorLine(src io.Reader) {
	if t, ok := src.(*text); ok {
		t.Discard(r.separatorLine)
	}
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
		r.skipSeparatorLine(src)
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
