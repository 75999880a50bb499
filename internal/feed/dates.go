package feed

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Order is that of day and month in dates of three numbers with the year last.
type Order int

// The orders.
const (
	UnknownOrder Order = iota
	MonthFirst         // 11/14/2023
	DayFirst           // 14/11/2023
)

// ParseOrder reads an order as --dates names it: mdy or dmy, and nothing for an unknown one.
func ParseOrder(s string) (Order, error) {
	switch strings.ToLower(s) {
	case "":
		return UnknownOrder, nil
	case "mdy":
		return MonthFirst, nil
	case "dmy":
		return DayFirst, nil
	}
	return UnknownOrder, fmt.Errorf("%q is neither mdy (11/14/2023) nor dmy (14/11/2023)", s)
}

func (o Order) String() string {
	switch o {
	case MonthFirst:
		return "month/day/year"
	case DayFirst:
		return "day/month/year"
	}
	return "unknown"
}

// dates reads the dates of one file.
type dates struct {
	zone      *time.Location
	order     Order
	importing bool

	needOrder bool   // a date was seen that takes one
	guessed   string // such a date, if nothing decides
	told      string // how the file was understood to decide, for people

	zoneless   int  // dates without a zone
	twice      int  // of these, in an hour that a clock change repeats
	milli      bool // numbers that are no seconds
	last       time.Time
	descending bool // the row before was earlier than the one before that
}

// read reads a date in any form that has one meaning in this file: those of [thingspeak.ParseTime], seconds,
// milliseconds, microseconds and nanoseconds since 1970, dates with names of months, with AM and PM, in the order of
// the file.
func (d *dates) read(s string) (time.Time, error) {
	s = trimDate(s)
	if t, ok, err := d.sinceEpoch(s); ok {
		return t, err
	}
	var t time.Time
	var err error
	zoned := true
	if hasOrder(s) {
		t, zoned, err = parseDate(s, d.order, d.zone)
	} else if t, err = thingspeak.ParseTime(s, d.zone); err == nil {
		// A date that means the same in two zones names its own.
		elsewhere, _ := thingspeak.ParseTime(s, time.FixedZone("", offset(t, d.zone)+3600))
		zoned = elsewhere.Equal(t)
	} else {
		t, zoned, err = parseDate(s, d.order, d.zone)
	}
	if err != nil || zoned {
		return t, err
	}
	d.zoneless++
	return d.unfold(t), nil
}

func offset(t time.Time, zone *time.Location) int {
	if zone == nil {
		return 0
	}
	_, seconds := t.In(zone).Zone()
	return seconds
}

// unfold returns the one of two times with the same clock that fits the file's order: clocks that are set back show an
// hour twice.
func (d *dates) unfold(t time.Time) time.Time {
	if d.zone == nil || d.zone == time.UTC {
		return t
	}
	early, late := t, t
	for _, shift := range []time.Duration{-time.Hour, -time.Hour / 2, time.Hour / 2, time.Hour} {
		other := t.Add(shift)
		if offset(other, d.zone)+int(shift/time.Second) != offset(t, d.zone) {
			continue
		}
		if other.Before(early) {
			early = other
		}
		if other.After(late) {
			late = other
		}
	}
	if early.Equal(late) {
		return t
	}
	d.twice++
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

// sinceEpoch reads a number: its size tells what it counts, for all dates from 1973 to 2286.
func (d *dates) sinceEpoch(s string) (t time.Time, ok bool, err error) {
	whole, places, _ := strings.Cut(s, ".")
	digits := strings.TrimPrefix(whole, "-")
	if digits == "" || strings.Trim(digits+places, "0123456789") != "" {
		return t, false, nil
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		n = math.MaxInt64
	}
	switch len(digits) {
	case 9, 10:
		t, err = thingspeak.ParseEpoch(s)
		return t, true, err
	case 12, 13:
		t = time.UnixMilli(n)
	case 14:
		if digits[:2] == "19" || digits[:2] == "20" {
			return t, false, nil // 20231114221420
		}
		return t, true, thingspeak.ErrBadTime
	case 15, 16:
		t = time.UnixMicro(n)
	case 18, 19:
		t = time.Unix(n/1e9, n%1e9)
	default:
		if n >= 20000 && n < 80000 {
			const next = "format the column as a date, then save it again"
			return t, true, fmt.Errorf("a spreadsheet's number of a day (%d): %s", n, next)
		}
		t, err = thingspeak.ParseEpoch(s)
		return t, true, err
	}
	d.milli = true
	return t.Truncate(time.Second).UTC(), true, nil
}

// threeNumbers takes apart a date of three numbers with one of "./-" between them, and returns what stands behind.
func threeNumbers(s string) (digits [3]string, sign byte, rest string, ok bool) {
	for i := range digits {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		if n == 0 || n > 4 {
			return digits, 0, s, false
		}
		digits[i], s = s[:n], s[n:]
		if i == 2 {
			break
		}
		if s == "" || s[0] != '.' && s[0] != '/' && s[0] != '-' || i == 1 && s[0] != sign {
			return digits, 0, s, false
		}
		sign, s = s[0], strings.TrimLeft(s[1:], " ")
	}
	yearFirst := len(digits[0]) == 4 && len(digits[2]) <= 2
	yearLast := len(digits[0]) <= 2 && (len(digits[2]) == 4 || len(digits[2]) == 2)
	return digits, sign, s, len(digits[1]) <= 2 && (yearFirst || yearLast)
}

// hasOrder reports whether a date has day and month as numbers before the year.
func hasOrder(s string) bool {
	digits, _, _, ok := threeNumbers(withoutWeekday(trimDate(s)))
	return ok && len(digits[0]) <= 2
}

// trimDate takes off what does not belong to a date: blanks, and the apostrophe that keeps a spreadsheet from reading
// it.
func trimDate(s string) string { return strings.Trim(s, " \t'\u00a0") }

// orderSurvey is what all dates of a file say about the order of day and month.
type orderSurvey struct {
	dayFirst, monthFirst int    // dates that exist in one order only
	example, open        string // one of those, and one that exists in both
	sign                 byte   // between the numbers of the open one
	dmy, mdy             run
}

// run tells whether times go one way.
type run struct {
	last   time.Time
	up     bool
	down   bool
	events int
}

func (r *run) add(t time.Time) {
	if r.events > 0 {
		r.up = r.up || t.After(r.last)
		r.down = r.down || t.Before(r.last)
	}
	r.last = t
	r.events++
}

func (r *run) straight() bool { return !r.up || !r.down }

func (s *orderSurvey) add(date string) {
	date = trimDate(date)
	digits, sign, _, ok := threeNumbers(withoutWeekday(date))
	if !ok || len(digits[0]) > 2 {
		return
	}
	dmy, _, badDay := parseDate(date, DayFirst, nil)
	mdy, _, badMonth := parseDate(date, MonthFirst, nil)
	a, b := atoi(digits[0]), atoi(digits[1])
	switch {
	case badDay != nil && badMonth != nil:
		return
	case a > 12:
		s.dayFirst++
		s.example = date
	case b > 12:
		s.monthFirst++
		s.example = date
	case a != b && sign != '.' && s.open == "":
		s.open, s.sign = date, sign
	}
	if badDay == nil {
		s.dmy.add(dmy)
	}
	if badMonth == nil {
		s.mdy.add(mdy)
	}
}

// decide says which order a file has, by its dates as a whole.
func (d *dates) decide(s *orderSurvey, separator byte) error {
	if s.open == "" {
		return nil // each date has one meaning
	}
	switch {
	case s.dayFirst > 0 && s.monthFirst > 0:
		d.told = "dates are in both orders of day and month; where one could be either, the row is left out"
		return nil
	case s.dayFirst > 0:
		d.order = DayFirst
	case s.monthFirst > 0:
		d.order = MonthFirst
	case s.dmy.straight() && !s.mdy.straight():
		d.order, s.example = DayFirst, "so they ascend"
	case s.mdy.straight() && !s.dmy.straight():
		d.order, s.example = MonthFirst, "so they ascend"
	case d.importing:
		return &NotFeedError{
			Is:   fmt.Sprintf("its dates may be month/day/year or day/month/year: %q", s.open),
			Next: "--dates mdy or --dates dmy says which",
		}
	default:
		d.guessed = s.open
		// A comma in numbers and a semicolon between them go with the day first; of the signs, only a slash is
		// American.
		if d.order = DayFirst; s.sign == '/' && separator != ';' {
			d.order = MonthFirst
		}
		return nil
	}
	d.told = fmt.Sprintf("dates are taken as %v (%s)", d.order, s.example)
	return nil
}

// assumed says what was taken for granted.
func (d *dates) assumed() (all []string) {
	if d.told != "" {
		all = append(all, d.told)
	}
	if d.guessed != "" {
		other := "dmy"
		if d.order == DayFirst {
			other = "mdy"
		}
		all = append(all, fmt.Sprintf("dates such as %q may be month/day or day/month; they are taken as %v, "+
			"--dates %s reads them the other way", d.guessed, d.order, other))
	}
	if d.zoneless > 0 {
		zone := "UTC"
		if d.zone != nil {
			zone = d.zone.String()
		}
		all = append(all, "dates without a zone are taken as "+zone)
	}
	if d.twice > 0 {
		rows := "rows stand"
		if d.twice == 1 {
			rows = "row stands"
		}
		all = append(all, fmt.Sprintf("%d %s in an hour that a clock change repeats; they are taken in the file's order",
			d.twice, rows))
	}
	if d.milli {
		all = append(all, "dates are numbers since 1970; long ones are milliseconds or less")
	}
	return all
}

// The forms of a day with the name of its month, with the year behind it or behind the time of day.
var (
	dayMonth = regexp.MustCompile(`^(\d{1,2})[ .-]+(\pL{3,9})\.?[ ,.-]+(\d{4}|\d{2})(?:\b|T)`)
	monthDay = regexp.MustCompile(`^(\pL{3,9})\.? +(\d{1,2})(?:,? +(\d{4}))?\b`)
)

// months are the beginnings of the months' names, in English and German.
var months = map[string]time.Month{
	"jan": 1, "feb": 2, "mar": 3, "mär": 3, "mrz": 3, "mae": 3, "apr": 4, "may": 5, "mai": 5, "jun": 6, "jul": 7,
	"aug": 8, "sep": 9, "oct": 10, "okt": 10, "nov": 11, "dec": 12, "dez": 12,
}

// zones are names with one meaning, in minutes east of Greenwich: those of RFC 5322, and others that no second zone
// has.
var zones = map[string]int{
	"UTC": 0, "GMT": 0, "UT": 0, "Z": 0, "EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420, "MDT": -360,
	"PST": -480, "PDT": -420, "AKST": -540, "AKDT": -480, "HST": -600, "WET": 0, "WEST": 60, "CET": 60, "CEST": 120,
	"MEZ": 60, "MESZ": 120, "EET": 120, "EEST": 180, "MSK": 180, "JST": 540, "KST": 540, "SGT": 480, "HKT": 480, "PKT": 300,
	"AWST": 480, "ACST": 570, "ACDT": 630, "AEST": 600, "AEDT": 660, "NZST": 720, "NZDT": 780, "SAST": 120,
}

// parseDate reads a date of a spreadsheet or a library. One without a zone is in the given one, and zoned is false.
func parseDate(s string, order Order, zone *time.Location) (t time.Time, zoned bool, err error) {
	if strings.HasSuffix(s, ")") {
		s, _, _ = strings.Cut(s, " (") // JavaScript adds the zone's name
	}
	year, month, day, rest, err := cutDay(withoutWeekday(s), order)
	if err != nil {
		return t, false, err
	}
	clock, rest, ok := cutClock(rest)
	if !ok {
		return t, false, thingspeak.ErrBadTime
	}
	if year == 0 && len(rest) >= 4 {
		year = atoi(rest[len(rest)-4:]) // C's asctime and Unix' date write it last
		rest = strings.TrimRight(rest[:len(rest)-4], " ")
	}
	if year < 1 || month < 1 || month > 12 || day < 1 || clock[0] > 23 || clock[1] > 59 || clock[2] > 59 ||
		time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Day() != day {
		return t, false, thingspeak.ErrBadTime
	}
	seconds, zoned, err := parseZone(rest)
	if err != nil {
		return t, false, err
	}
	in := time.UTC
	if zoned {
		in = time.FixedZone("", seconds)
	} else if zone != nil {
		in = zone
	}
	return time.Date(year, month, day, clock[0], clock[1], clock[2], 0, in).UTC(), zoned, nil
}

// withoutWeekday takes off the name that a date may begin with.
func withoutWeekday(s string) string {
	n := strings.IndexAny(s, " ,.")
	if n < 2 || monthOf(s[:n]) != 0 || s[0] < 'A' {
		return s
	}
	return strings.TrimLeft(s[n:], " ,.")
}

func atoi(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}

// cutDay reads the day that a date begins with, and returns what stands behind. The year may be lacking.
func cutDay(s string, order Order) (year int, month time.Month, day int, rest string, err error) {
	digits, sign, rest, ok := threeNumbers(s)
	switch {
	case ok && len(digits[0]) == 4:
		return atoi(digits[0]), time.Month(atoi(digits[1])), atoi(digits[2]), rest, nil
	case ok:
		a, b := atoi(digits[0]), atoi(digits[1])
		year = fullYear(digits[2])
		switch {
		case a > 12, b <= 12 && (sign == '.' || order == DayFirst || a == b):
			return year, time.Month(b), a, rest, nil
		case b > 12, order == MonthFirst:
			return year, time.Month(a), b, rest, nil
		}
		const next = "--dates mdy or dmy says which"
		return 0, 0, 0, "", fmt.Errorf("%q, in which day and month may be either: %s", cleaned(s, 40), next)
	}
	n := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if n == 14 || n == 8 && len(s) >= 15 && s[8] == 'T' {
		clock := strings.TrimPrefix(s[8:], "T")
		if len(clock) < 6 {
			return 0, 0, 0, "", thingspeak.ErrBadTime
		}
		clock = clock[:2] + ":" + clock[2:4] + ":" + clock[4:]
		return atoi(s[:4]), time.Month(atoi(s[4:6])), atoi(s[6:8]), clock, nil
	}
	if m := dayMonth.FindStringSubmatch(s); m != nil {
		return fullYear(m[3]), monthOf(m[2]), atoi(m[1]), s[len(m[0]):], nil
	}
	if m := monthDay.FindStringSubmatch(s); m != nil {
		return atoi(m[3]), monthOf(m[1]), atoi(m[2]), s[len(m[0]):], nil
	}
	return 0, 0, 0, "", thingspeak.ErrBadTime
}

// cutClock reads the time of day behind a day, midnight if there is none, and returns what stands behind that.
func cutClock(s string) (clock [3]int, rest string, ok bool) {
	s = strings.TrimLeft(s, " ,T\u00a0\u202f")
	if s == "" {
		return clock, "", true
	}
	parts := 0
	for ; parts < 3; parts++ {
		n := len(s) - len(strings.TrimLeft(s, "0123456789"))
		if n == 0 || n > 2 {
			return clock, "", false
		}
		clock[parts], s = atoi(s[:n]), s[n:]
		if s == "" || s[0] != ':' {
			break
		}
		s = s[1:]
	}
	if parts == 0 {
		return clock, "", false
	}
	if parts == 2 && s != "" && (s[0] == '.' || s[0] == ',') {
		s = strings.TrimLeft(s[1:], "0123456789")
	}
	s = strings.TrimLeft(s, " \u00a0\u202f")
	for _, half := range []string{"am", "a.m.", "pm", "p.m."} {
		if len(s) < len(half) || !strings.EqualFold(s[:len(half)], half) {
			continue
		}
		if clock[0] < 1 || clock[0] > 12 {
			return clock, "", false
		}
		if clock[0] %= 12; half[0] == 'p' {
			clock[0] += 12
		}
		s = s[len(half):]
		break
	}
	return clock, strings.Trim(s, " ,"), true
}

// fullYear reads a year of two digits as POSIX does: 69 to 99 are in the 20th century.
func fullYear(digits string) int {
	n := atoi(digits)
	switch {
	case len(digits) > 2:
		return n
	case n >= 69:
		return 1900 + n
	}
	return 2000 + n
}

func monthOf(name string) time.Month {
	letters := []rune(strings.ToLower(name))
	return months[string(letters[:min(3, len(letters))])]
}

// parseZone reads what stands behind the time of day, as seconds east of Greenwich; nothing is no zone.
func parseZone(s string) (seconds int, zoned bool, err error) {
	if s == "" {
		return 0, false, nil
	}
	if minutes, ok := zones[strings.ToUpper(s)]; ok {
		return minutes * 60, true, nil
	}
	offset := s
	for _, name := range []string{"GMT", "UTC", "UT"} {
		if rest, ok := strings.CutPrefix(strings.ToUpper(s), name); ok {
			offset = rest
			break
		}
	}
	if offset[0] == '+' || offset[0] == '-' {
		t, err := thingspeak.ParseTime("2000-01-01 00:00 "+offset, nil)
		return int(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Sub(t) / time.Second), err == nil, err
	}
	if len(s) <= 5 && !slices.ContainsFunc([]byte(s), func(c byte) bool { return c|0x20 < 'a' || c|0x20 > 'z' }) {
		const next = "write an offset such as +01:00"
		return 0, false, fmt.Errorf("in the zone %s, a name that stands for several zones or none: %s", s, next)
	}
	return 0, false, thingspeak.ErrBadTime
}
