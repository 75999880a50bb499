package thingspeak

import (
	"strings"
	"time"
	"unicode/utf8"
)

// ZoneNameError says that a date names a zone by letters that do not mean one offset. It is an [ErrBadTime].
type ZoneNameError struct {
	// Name is what stands there, at most five letters of ASCII.
	Name string
}

func (e *ZoneNameError) Error() string {
	return "in the zone " + e.Name + ", a name that stands for several zones or none: write an offset such as +01:00"
}

// Unwrap returns [ErrBadTime].
func (e *ZoneNameError) Unwrap() error { return ErrBadTime }

// readWrittenTime reads a date in the forms of [ParseTime].
func readWrittenTime(s string, zone *time.Location) (DateReading, error) {
	// Spreadsheets and browsers write blanks that no line breaks at.
	if strings.Contains(s, "\u00a0") || strings.Contains(s, "\u202f") {
		s = strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(s)
	}
	p := dateParser{rest: withoutQuotes(strings.Trim(s, " \t"))}
	yearLast := p.date()
	p.timeOfDay()
	offset, hasZone := p.zone(yearLast)
	if yearLast {
		p.skip(" ")
		p.year = p.number(4, 4)
	}
	if hasZone {
		p.remark() // elsewhere it might name the zone
	}
	switch {
	case p.failed || p.rest != "":
		return DateReading{}, ErrBadTime
	case p.unknownZone != "":
		return DateReading{}, &ZoneNameError{Name: p.unknownZone}
	case hasZone || isUTC(zone):
		t, err := p.in(offset)
		return DateReading{Time: t, Again: t, Zoneless: !hasZone}, err
	}
	return p.local(zone)
}

// withoutQuotes takes the quotes off that some programs send along.
func withoutQuotes(s string) string {
	if n := len(s); n > 1 && s[0] == s[n-1] && (s[0] == '"' || s[0] == '\'') {
		return s[1 : n-1]
	}
	return s
}

// dateParser takes a date apart from left to right. The first thing that does not fit sets failed, and what follows is
// of no account then.
type dateParser struct {
	clock
	rest   string
	failed bool
	// compact says that the date has no separators, so that the time need not have any.
	compact bool
	// unknownZone is the name of a zone that has no known offset.
	unknownZone string
}

// date reads year, month and day. yearLast says that the year stands behind the time.
func (p *dateParser) date() (yearLast bool) {
	word := p.word()
	if word != "" && dayNames.find(word) > 0 {
		p.skip(", .")
		word = p.word()
	}
	if word != "" {
		return p.monthFirst(word)
	}
	switch p.digits() {
	case 8, 12, 14:
		p.compact = true
		p.year, p.month, p.day = p.number(4, 4), p.number(2, 2), p.number(2, 2)
		if p.year < 1900 || p.year > 2099 {
			p.failed = true // a number that is no date
		}
	case 4:
		p.year = p.number(4, 4)
		p.yearFirst()
	default:
		p.dayFirst()
	}
	return false
}

// monthFirst reads "Jun 1 2015" and "Jun  1 00:10:00 2015" behind the month.
func (p *dateParser) monthFirst(name string) (yearLast bool) {
	p.month = p.monthOf(name)
	p.skip(" .-")
	p.day = p.number(1, 2)
	behind := p.rest
	if p.skip(" ,-") == 0 {
		p.failed = true
	}
	if p.digits() != 4 {
		p.rest = behind
		return true
	}
	p.year = p.number(4, 4)
	return false
}

func (p *dateParser) yearFirst() {
	separator := p.separator("-/.")
	p.month = p.number(1, 2)
	p.expect(separator)
	p.day = p.number(1, 2)
}

// dayFirst reads "1 Jun 2015" and "01-06-2015".
func (p *dateParser) dayFirst() {
	first := p.number(1, 2)
	separator := p.separator("-/. ")
	p.skip(" ")
	if name := p.word(); name != "" {
		p.day, p.month = first, p.monthOf(name)
		if p.skip(" ./,-") == 0 {
			p.failed = true
		}
		p.yearBehindName()
		return
	}
	second := p.number(1, 2)
	p.expect(separator)
	p.year = p.number(4, 4)
	switch {
	case separator == ' ':
		p.failed = true
	case separator != '/' || first > 12 || first == second:
		p.day, p.month = first, second
	case second > 12:
		p.month, p.day = first, second
	default:
		p.failed = true // half of the world writes the month first
	}
}

// yearBehindName reads the year of "1 Jun 2015" and "1 Jun 15". Of two digits, 69 to 99 are in the 20th century (POSIX,
// strptime, %y).
func (p *dateParser) yearBehindName() {
	if p.digits() != 2 || strings.HasPrefix(p.rest[2:], ":") { // "1 Jun 12:10:00 2015" has an hour there
		p.year = p.number(4, 4)
		return
	}
	p.year = 2000 + p.number(2, 2)
	if p.year >= 2069 {
		p.year -= 100
	}
}

func (p *dateParser) monthOf(name string) int {
	n := monthNames.find(name)
	if n == 0 {
		p.failed = true
		return 0
	}
	return (n-1)%12 + 1
}

// timeOfDay reads the time, if one is there.
func (p *dateParser) timeOfDay() {
	before := p.rest
	switch blanks := p.skip(" +,"); {
	case blanks == 0 && p.skip("Tt") == 1:
	case blanks == 0 && p.compact && p.digits() > 0:
	case blanks == 0 && p.skip(":") == 1: // as web servers log it
	case blanks == 0 || p.digits() == 0:
		p.rest = before
		return
	}
	if digits := p.digits(); p.compact && (digits == 4 || digits == 6) {
		p.hour, p.minute = p.number(2, 2), p.number(2, 2)
		if digits == 6 {
			p.second = p.number(2, 2)
			p.fraction()
		}
	} else {
		p.hour = p.number(1, 2)
		p.expect(':')
		p.minute = p.number(1, 2)
		if p.skip(":") == 1 {
			p.second = p.number(1, 2)
			p.fraction()
		}
	}
	p.halfOfDay()
}

func (p *dateParser) fraction() {
	if p.skip(".,") == 1 && p.skip("0123456789") == 0 {
		p.failed = true
	}
}

// halfOfDay reads AM or PM, with points or without.
func (p *dateParser) halfOfDay() {
	word := strings.TrimLeft(p.rest, " ")
	for _, half := range [...]string{"am", "a.m.", "pm", "p.m."} {
		if len(word) < len(half) || !strings.EqualFold(word[:len(half)], half) {
			continue
		}
		if p.hour < 1 || p.hour > 12 {
			p.failed = true
		}
		p.hour %= 12
		if half[0] == 'p' {
			p.hour += 12
		}
		p.rest = word[len(half):]
		return
	}
}

// zone reads what follows the time of day, as seconds east of Greenwich. Where the year comes last, digits are not an
// offset.
func (p *dateParser) zone(yearLast bool) (offset int, found bool) {
	blanks := p.skip(" ")
	if len(p.rest) > 1 && p.rest[0] == '+' && (p.rest[1] < '0' || p.rest[1] > '9') {
		p.rest = p.rest[1:] // a blank, in a query
	}
	if name := p.word(); name != "" {
		seconds, known := zoneNames[strings.ToUpper(name)]
		if !known && (len(name) > maxZoneName || strings.ContainsFunc(name, func(c rune) bool { return c >= utf8.RuneSelf })) {
			p.failed = true
		} else if !known {
			p.unknownZone = name
		}
		if isGreenwich := strings.EqualFold(name, "GMT") || strings.EqualFold(name, "UTC"); !isGreenwich || p.rest == "" {
			return seconds, true
		}
		if signed := strings.TrimPrefix(p.rest, " "); !yearLast && p.rest[0] == ' ' && isDigit(signed) {
			p.rest = signed // the sign was a "+" in a query
		} else if p.rest[0] != '+' && p.rest[0] != '-' {
			return 0, true
		}
		return p.offset(), true // GMT+0200
	}
	if p.rest == "" || p.rest[0] == '(' || yearLast && p.rest[0] != '+' && p.rest[0] != '-' {
		return 0, false
	}
	if blanks == 0 && p.rest[0] != '+' && p.rest[0] != '-' {
		p.failed = true
	}
	offset = p.offset()
	if trimmed := strings.TrimLeft(p.rest, " "); len(trimmed) < len(p.rest) {
		p.rest = trimmed
		p.word() // what that offset is called
	}
	return offset, true
}

// offset reads ±hh:mm, ±hhmm or ±hh. Without a sign it is east.
func (p *dateParser) offset() int {
	sign := 1
	if p.rest != "" && p.rest[0] == '-' {
		sign = -1
	}
	if sign < 0 || p.rest != "" && p.rest[0] == '+' {
		p.rest = p.rest[1:]
	}
	hours, minutes := p.number(1, 2), 0
	if p.rest != "" && (p.rest[0] == ':' || p.atDigit()) {
		p.rest = strings.TrimPrefix(p.rest, ":")
		minutes = p.number(2, 2)
	}
	if hours > 23 || minutes > 59 {
		p.failed = true
	}
	return sign * (hours*60 + minutes) * 60
}

// remark leaves out what stands in brackets at the end, as in "… GMT+0200 (Central European Summer Time)".
func (p *dateParser) remark() {
	if trimmed := strings.TrimLeft(p.rest, " "); strings.HasPrefix(trimmed, "(") && strings.HasSuffix(trimmed, ")") {
		p.rest = ""
	}
}

func (p *dateParser) number(minDigits, maxDigits int) int {
	n, digits := 0, 0
	for digits < maxDigits && p.atDigit() {
		n = n*10 + int(p.rest[0]-'0')
		p.rest = p.rest[1:]
		digits++
	}
	if digits < minDigits {
		p.failed = true
	}
	return n
}

func (p *dateParser) atDigit() bool { return isDigit(p.rest) }

// isDigit reports whether a text begins with a digit.
func isDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// digits is how many digits come next.
func (p *dateParser) digits() int {
	n := 0
	for isDigit(p.rest[n:]) {
		n++
	}
	return n
}

// word takes the letters that come next; what is not ASCII counts as letters.
func (p *dateParser) word() string {
	n := 0
	for n < len(p.rest) && (p.rest[n]|0x20 >= 'a' && p.rest[n]|0x20 <= 'z' || p.rest[n] >= utf8.RuneSelf) {
		n++
	}
	word := p.rest[:n]
	p.rest = p.rest[n:]
	return word
}

// separator takes one character of a set.
func (p *dateParser) separator(set string) byte {
	if p.rest == "" || strings.IndexByte(set, p.rest[0]) < 0 {
		p.failed = true
		return 0
	}
	c := p.rest[0]
	p.rest = p.rest[1:]
	return c
}

func (p *dateParser) expect(c byte) {
	if p.rest == "" || p.rest[0] != c {
		p.failed = true
		return
	}
	p.rest = p.rest[1:]
}

// skip leaves out all characters of the set that come next and returns their number.
func (p *dateParser) skip(set string) int {
	n := 0
	for n < len(p.rest) && strings.IndexByte(set, p.rest[n]) >= 0 {
		n++
	}
	p.rest = p.rest[n:]
	return n
}

// names are words that may be cut after three letters or more, those of a second language behind those of the first.
type names []string

var (
	monthNames = names{
		"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
		"december",
		"januar", "februar", "märz", "april", "mai", "juni", "juli", "august", "september", "oktober", "november",
		"dezember",
		"jänner", "feber", "mrz", "", "", "", "", "", "", "", "", "",
		"", "", "maerz",
	}
	dayNames = names{
		"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
		"montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag",
		"mo", "di", "mi", "do", "fr", "sa", "so",
	}
)

// find returns the place of a name, from 1, or 0.
func (n names) find(word string) int {
	for i, name := range n {
		if word != "" && (len(word) == len(name) || len(word) >= 3 && len(word) < len(name)) && strings.EqualFold(word, name[:len(word)]) {
			return i + 1
		}
	}
	return 0
}

// maxZoneName is the length of the longest name of a zone.
const maxZoneName = 5

// zoneNames are the names that mean one offset, in seconds east of Greenwich. Others have several meanings (BST, IST).
var zoneNames = map[string]int{
	"Z": 0, "UTC": 0, "GMT": 0, "UT": 0,
	"EST": -5 * 3600, "EDT": -4 * 3600, "CST": -6 * 3600, "CDT": -5 * 3600, // RFC 5322, section 4.3
	"MST": -7 * 3600, "MDT": -6 * 3600, "PST": -8 * 3600, "PDT": -7 * 3600,
	"AKST": -9 * 3600, "AKDT": -8 * 3600, "HST": -10 * 3600,
	"WET": 0, "WEST": 3600, "CET": 3600, "CEST": 2 * 3600, "EET": 2 * 3600, "EEST": 3 * 3600, "MSK": 3 * 3600,
	"MEZ": 3600, "MESZ": 2 * 3600, "SAST": 2 * 3600,
	"PKT": 5 * 3600, "SGT": 8 * 3600, "HKT": 8 * 3600, "JST": 9 * 3600, "KST": 9 * 3600,
	"AWST": 8 * 3600, "ACST": 9*3600 + 1800, "ACDT": 10*3600 + 1800, "AEST": 10 * 3600, "AEDT": 11 * 3600,
	"NZST": 12 * 3600, "NZDT": 13 * 3600,
}

// local reads a clock in a zone, as [DateReading] says.
func (c clock) local(zone *time.Location) (DateReading, error) {
	shown, err := c.in(0)
	if err != nil {
		return DateReading{}, err
	}
	offsetAt := func(t time.Time) time.Duration {
		_, seconds := t.In(zone).Zone()
		return time.Duration(seconds) * time.Second
	}
	// No zone is a day away from UTC, and none changes twice in two days.
	before, after := offsetAt(shown.Add(-24*time.Hour)), offsetAt(shown.Add(24*time.Hour))
	first, last := shown.Add(-before), shown.Add(-after)
	isFirst, isLast := offsetAt(first) == before, offsetAt(last) == after
	if !isFirst && isLast {
		first = last
	} else if !isLast {
		last = first
	}
	if _, err := timeOf(last.Unix()); err != nil {
		return DateReading{}, err
	}
	first, err = timeOf(first.Unix())
	return DateReading{Time: first, Again: last, Zoneless: true, Skipped: !isFirst && !isLast}, err
}
