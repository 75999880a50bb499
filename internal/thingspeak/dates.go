package thingspeak

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrBadTime says that a text is no date of any form that [ParseTime] or [ParseEpoch] knows, or an impossible one.
var ErrBadTime = errors.New("not a date")

// ParseTime reads a date in any of the forms that the service's clients write, its replies hold, and the service itself
// reads (contract sections 3.3 and 7.2), as long as it has one meaning. The result is in UTC and whole seconds, in the
// years 1 to 9999.
//
//   - Year, month and day, joined by "-", "/" or "."; month and day may have one digit. Also day, month and year, joined by
//     "-" or "."; by "/" only where the two cannot be confused. Also "20150601", of the years 1900 to 2099. Without a time
//     of day it is midnight.
//   - A month's name in English or German, whole or its first three letters or more: "1 Jun 2015", "01-Jun-2015", "Jun 1,
//     2015", behind the name of a day or not, and the year may stand last: "Mon Jun  1 00:10:00 UTC 2015". Behind day and
//     month, a year of two digits is one of 1969 to 2068.
//   - Before the time "T", or blanks, or a comma; "+" counts as a blank, for dates that were taken from a query undecoded.
//   - Hours, minutes and if wanted seconds, joined by ":", of one or two digits, and AM or PM; or "001000" behind a date
//     without separators. A fraction of a second is dropped. 24:00:00 is the end of a day, a second 60 is the next one.
//   - "Z", or an offset as ±hh:mm, ±hhmm or ±hh, with or without a blank before it, and "GMT" before or a name behind it. An
//     offset that has lost its "+" to the decoding of a query ("… 02:00") is east of Greenwich. Or a name that means one
//     offset: UTC, GMT, those of RFC 5322 (EST, PDT …), of Europe (CET, MEZ …) and others (JST, AEST …); another one is a
//     [*ZoneNameError]. Behind it a remark in brackets may stand.
//   - Quotes around all of it.
//
// A date without zone is in the given one; nil means UTC. There a time that a change of the clock skips is as much later,
// and of one that comes twice the first counts, as the service has it. Everything else is [ErrBadTime]. The two forms of
// the service itself take no allocation.
func ParseTime(s string, zone *time.Location) (time.Time, error) {
	read, err := ReadTime(s, zone)
	return read.Time, err
}

// DateReading is what [ReadTime] makes of a date.
type DateReading struct {
	// Time is what [ParseTime] returns.
	Time time.Time
	// Again is when the zone's clocks show the same once more, because they are put back; without that it is Time.
	Again time.Time
	// Zoneless says that the date names no zone, and Skipped that the clocks of the given one never show it.
	Zoneless, Skipped bool
}

// ReadTime is [ParseTime] for those who have to know how far a date was read by its zone.
func ReadTime(s string, zone *time.Location) (read DateReading, err error) {
	if c, ok := parseReplyTime(s); ok {
		read.Time, err = c.in(0)
		read.Again = read.Time
	} else {
		read, err = readWrittenTime(s, zone)
	}
	if err != nil {
		return DateReading{}, fmt.Errorf("%w: %q", err, excerpt([]byte(s), 40))
	}
	return read, nil
}

// ParseEpoch reads whole seconds since 1970-01-01 00:00:00 UTC, as bulk updates and imported files may give them
// (contract sections 6.1 and 9). A fraction is dropped. Times outside the years 1 to 9999, such as milliseconds of
// today, are [ErrBadTime].
func ParseEpoch(s string) (time.Time, error) {
	number, negative := strings.CutPrefix(strings.Trim(s, " \t"), "-")
	whole, fraction, _ := strings.Cut(number, ".")
	sec, ok := parseNumber(whole)
	if negative {
		sec = -sec
	}
	t, err := timeOf(sec)
	if !ok || err != nil || strings.Trim(fraction, "0123456789") != "" {
		return time.Time{}, fmt.Errorf("%w: %q", ErrBadTime, excerpt([]byte(s), 40))
	}
	return t, nil
}

// AppendCSVTime appends a date as CSV replies hold it: "2018-06-12 21:16:46 UTC", or with a zone other than nil and UTC
// "2018-06-12 17:16:46 -0400" (contract section 3.3).
func AppendCSVTime(dst []byte, t time.Time, zone *time.Location) []byte {
	if isUTC(zone) {
		dst = appendClock(dst, t.Unix(), ' ')
		return append(dst, " UTC"...)
	}
	minutes := offsetMinutes(t, zone)
	dst = appendClock(dst, t.Unix()+int64(minutes)*60, ' ')
	dst = append(dst, ' ')
	return appendOffset(dst, minutes, "")
}

// AppendISOTime appends a date as JSON and XML replies hold it: "2018-06-12T21:16:46Z", or with a zone other than nil
// and UTC "2018-06-12T17:16:46-04:00" (contract section 3.3).
func AppendISOTime(dst []byte, t time.Time, zone *time.Location) []byte {
	if isUTC(zone) {
		dst = appendClock(dst, t.Unix(), 'T')
		return append(dst, 'Z')
	}
	minutes := offsetMinutes(t, zone)
	dst = appendClock(dst, t.Unix()+int64(minutes)*60, 'T')
	return appendOffset(dst, minutes, ":")
}

func isUTC(zone *time.Location) bool { return zone == nil || zone == time.UTC }

// offsetMinutes is the zone's offset at t without its seconds, which only local mean times of long ago have and no
// format can show. The clock is shown by the same offset, so the text still names the exact second.
func offsetMinutes(t time.Time, zone *time.Location) int {
	_, seconds := t.In(zone).Zone()
	return seconds / 60
}

func appendClock(dst []byte, sec int64, separator byte) []byte {
	t := time.Unix(sec, 0).UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	if year < 0 || year > 9999 {
		dst = fmt.Appendf(dst, "%05d", year)
	} else {
		dst = appendTwo(dst, year/100)
		dst = appendTwo(dst, year%100)
	}
	dst = appendTwo(append(dst, '-'), int(month))
	dst = appendTwo(append(dst, '-'), day)
	dst = appendTwo(append(dst, separator), hour)
	dst = appendTwo(append(dst, ':'), minute)
	return appendTwo(append(dst, ':'), second)
}

func appendOffset(dst []byte, minutes int, separator string) []byte {
	sign := byte('+')
	if minutes < 0 {
		sign, minutes = '-', -minutes
	}
	dst = appendTwo(append(dst, sign), minutes/60)
	return appendTwo(append(dst, separator...), minutes%60)
}

func appendTwo(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

// clock is a date and a time of day, not yet checked and without a zone.
type clock struct {
	year, month, day, hour, minute, second int
}

// parseReplyTime reads the two forms of the service's own replies, which are nearly all that a receiver ever sees:
// "2018-06-12 21:16:46 UTC" and "2018-06-12T21:16:46Z". It does not check whether the date exists.
func parseReplyTime(s string) (clock, bool) {
	const digits = len("2018-06-12T21:16:46")
	switch {
	case len(s) == digits+1 && s[digits] == 'Z':
	case len(s) == digits+4 && s[digits:] == " UTC":
	default:
		return clock{}, false
	}
	if s[4] != '-' || s[7] != '-' || s[10] != ' ' && s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return clock{}, false
	}
	century, c := twoDigits(s[0], s[1]), clock{
		year: twoDigits(s[2], s[3]), month: twoDigits(s[5], s[6]), day: twoDigits(s[8], s[9]),
		hour: twoDigits(s[11], s[12]), minute: twoDigits(s[14], s[15]), second: twoDigits(s[17], s[18]),
	}
	ok := century|c.year|c.month|c.day|c.hour|c.minute|c.second >= 0
	c.year += 100 * century
	return c, ok
}

// twoDigits returns the number that two digits write, or a negative one.
func twoDigits(tens, ones byte) int {
	tens, ones = tens-'0', ones-'0'
	if tens > 9 || ones > 9 {
		return -1
	}
	return int(tens)*10 + int(ones)
}

// in checks the date and returns its time in UTC, given the offset of its zone in seconds. It stands in for time.Date,
// which would take a 30th of February for the 2nd of March and needs three times as long.
func (c clock) in(offset int) (time.Time, error) {
	if c.month < 1 || c.month > 12 || c.day < 1 || c.day > daysIn(c.year, c.month) ||
		c.hour > 24 || c.minute > 59 || c.second > 60 || c.hour == 24 && c.minute+c.second > 0 {
		return time.Time{}, ErrBadTime
	}
	return timeOf(int64(daysSinceEpoch(c.year, c.month, c.day))*86400 +
		int64(c.hour*3600+c.minute*60+c.second) - int64(offset))
}

func daysIn(year, month int) int {
	if month == 2 {
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 30 + (month+month/8)&1
}

// daysSinceEpoch counts the days from 1970-01-01 in the Gregorian calendar. The year is taken to begin in March, so
// that a leap day is its last; 153 days are any five months in a row from March or August on. Years from 1 on; in the
// year 0 it may be days off, which timeOf refuses all the same.
func daysSinceEpoch(year, month, day int) int {
	if month <= 2 {
		year, month = year-1, month+12
	}
	const to1970 = 719469 // what the sum below gives for 1970-01-01, day 1 counted
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - to1970
}

// timeOf returns the time of seconds since 1970 if it lies in the years 1 to 9999, which every format can show.
func timeOf(sec int64) (time.Time, error) {
	const (
		first = -62135596800 // 0001-01-01 00:00:00 UTC
		last  = 253402300799 // 9999-12-31 23:59:59 UTC
	)
	if sec < first || sec > last {
		return time.Time{}, ErrBadTime
	}
	return time.Unix(sec, 0).UTC(), nil
}
