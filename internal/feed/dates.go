package feed

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// dates reads the dates of one file. It settles what only the file can tell, the order of day and month, what a number
// counts, and which of two hours is meant; all else is [thingspeak.ReadTime].
type dates struct {
	zone      *time.Location
	order     Order
	importing bool

	needOrder  bool   // a date was seen that takes one
	openPoints bool   // points between the numbers do not put the day first
	open       orders // those that a date may have, if nothing decides
	guessed    string // such a date
	told       string // how the file was understood to decide, for people

	zoneless   int    // dates without a zone
	twice      int    // of these, in an hour that a clock change repeats
	skipped    int    // of these, in an hour that a clock change skips
	milli      bool   // numbers that are no seconds
	hour       string // a number that was taken as an hour, and may be seconds
	last       time.Time
	descending bool // the row before was earlier than the one before that
}

// read reads a date in any form that has one meaning in this file: those of [thingspeak.ParseTime]; seconds, milliseconds,
// microseconds and nanoseconds since 1970; and three numbers in the order of the file.
func (d *dates) read(s string) (time.Time, error) {
	settled, err := d.settle(trimDate(s))
	if err != nil {
		return time.Time{}, err
	}
	read, err := thingspeak.ReadTime(settled, d.zone)
	switch {
	case err != nil || !read.Zoneless:
		return read.Time, err
	case read.Skipped && d.importing:
		return time.Time{}, fmt.Errorf("%q, which clocks in %v skip: --timezone names another zone", cleaned(s, 40), d.zone)
	case read.Skipped:
		d.skipped++
	}
	d.zoneless++
	if !read.Again.Equal(read.Time) {
		d.twice++
		return d.fitting(read.Time, read.Again), nil
	}
	return read.Time, nil
}

// fitting returns the one of two times with the same clock that fits the file's order: clocks that are set back show an
// hour twice.
func (d *dates) fitting(early, late time.Time) time.Time {
	switch {
	case d.last.IsZero():
		return early
	case d.descending && !late.After(d.last):
		return late
	case d.descending, !early.Before(d.last):
		return early
	}
	return late
}

// delivered notes the date of a row, so that the next one can be put after it.
func (d *dates) delivered(t time.Time) {
	if !t.Equal(d.last) {
		d.descending = t.Before(d.last)
		d.last = t
	}
}

// settle writes a date that could be read in two ways so that it has one.
func (d *dates) settle(s string) (string, error) {
	n, ok := numbersOf(s)
	if !ok {
		return d.settleNumber(s)
	}
	in := n.orders()
	switch only := n.distinct(in).only(); {
	case n.byPoints(in) && !d.openPoints:
		return n.written(DayFirst), nil
	case in.has(d.order):
		return n.written(d.order), nil
	case only != UnknownOrder:
		return n.written(only), nil
	case in == 0:
		return "", thingspeak.ErrBadTime
	}
	return "", fmt.Errorf("%q, which may be %s: %s says which", cleaned(s, 40), in.names(false), in.names(true))
}

// settleNumber writes a number that counts from 1970 as a date. Its size tells what it counts: seconds from 2001 to 2286
// have ten digits, and so have the others three, six and nine more. No date without separators has as many, but for
// "2023111422", an hour; as seconds that is in 2034.
func (d *dates) settleNumber(s string) (string, error) {
	whole, places := s, ""
	if at := strings.IndexAny(s, ".,"); at >= 0 {
		whole, places = s[:at], s[at+1:]
	}
	if whole == "" || whole[0] == '0' || strings.Trim(whole+places, "0123456789") != "" {
		return s, nil
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return s, nil
	}
	var t time.Time
	switch len(whole) {
	case 5:
		if n >= 20000 && n < 80000 {
			const next = "format the column as a date, then save it again"
			return "", fmt.Errorf("a spreadsheet's number of a day (%d): %s", n, next)
		}
		return s, nil
	case 10:
		t = time.Unix(n, 0)
		hour := whole[:8] + " " + whole[8:] + ":00"
		_, err := thingspeak.ParseTime(hour, nil)
		switch isHour := err == nil && strings.HasPrefix(whole, "20") && places == ""; {
		case isHour && d.importing:
			return "", fmt.Errorf("%q, which may be an hour or seconds since 1970: write it as \"%s\" or \"%s\"",
				whole, hour, t.UTC().Format(time.DateTime))
		case isHour:
			d.hour = whole
			return hour, nil
		}
	case 13:
		t = time.UnixMilli(n)
	case 16:
		t = time.UnixMicro(n)
	case 19:
		t = time.Unix(n/1e9, n%1e9)
	default:
		return s, nil
	}
	d.milli = d.milli || len(whole) > 10
	return t.UTC().Format(time.RFC3339), nil
}

// trimDate takes off what does not belong to a date: blanks, and the apostrophe that keeps a spreadsheet from reading
// it.
func trimDate(s string) string { return strings.Trim(s, " \t'\u00a0") }

// assumed says what was taken for granted.
func (d *dates) assumed() (all []string) {
	if d.told != "" {
		all = append(all, d.told)
	}
	if d.guessed != "" {
		others := d.open &^ (1 << d.order)
		all = append(all, fmt.Sprintf("dates such as %q may be %s; they are taken as %v, %s reads them the other way",
			cleaned(d.guessed, 40), d.open.names(false), d.order, others.names(true)))
	}
	if d.hour != "" {
		all = append(all, fmt.Sprintf("numbers such as %q may be hours or seconds since 1970; they are taken as hours", d.hour))
	}
	if d.zoneless > 0 {
		zone := "UTC"
		if d.zone != nil {
			zone = d.zone.String()
		}
		all = append(all, "dates without a zone are taken as "+zone)
	}
	if d.twice > 0 {
		all = append(all, rowsIn(d.twice, "repeats", "in the file's order"))
	}
	if d.skipped > 0 {
		all = append(all, rowsIn(d.skipped, "skips", "as that much later"))
	}
	if d.milli {
		all = append(all, "dates are numbers since 1970; long ones are milliseconds or less")
	}
	return all
}

// rowsIn tells of rows in an hour that a clock change does something with.
func rowsIn(n int, does, taken string) string {
	stand, are := fmt.Sprint(n, " rows stand"), "they are"
	if n == 1 {
		stand, are = "1 row stands", "it is"
	}
	return fmt.Sprintf("%s in an hour that a clock change %s; %s taken %s", stand, does, are, taken)
}
