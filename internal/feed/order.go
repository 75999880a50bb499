package feed

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Order is that of day, month and year in dates of three numbers that do not begin with a year of four digits.
type Order int

// The orders.
const (
	UnknownOrder Order = iota
	MonthFirst         // 11/14/2023
	DayFirst           // 14/11/2023
	YearFirst          // 23-11-14
	orderCount
)

// orderNames are what --dates calls the orders, and what people read.
var orderNames = [orderCount]struct{ flag, words string }{
	UnknownOrder: {"", "unknown"},
	MonthFirst:   {"mdy", "month/day/year"},
	DayFirst:     {"dmy", "day/month/year"},
	YearFirst:    {"ymd", "year/month/day"},
}

// OrderNames returns the names that [ParseOrder] reads.
func OrderNames() (names []string) {
	for _, name := range orderNames[UnknownOrder+1:] {
		names = append(names, name.flag)
	}
	return names
}

// ParseOrder reads an order as --dates names it: mdy, dmy or ymd, and nothing for an unknown one.
func ParseOrder(s string) (Order, error) {
	for order, name := range orderNames {
		if strings.EqualFold(s, name.flag) {
			return Order(order), nil
		}
	}
	return UnknownOrder, fmt.Errorf("%q is none of mdy (11/14/2023), dmy (14/11/2023) and ymd (23-11-14)", s)
}

func (o Order) String() string { return orderNames[o].words }

// orders is a set of orders.
type orders uint8

func (s orders) has(o Order) bool { return s>>o&1 == 1 }

// only is the one order of the set, UnknownOrder if there are more or none.
func (s orders) only() Order {
	for o := MonthFirst; o < orderCount; o++ {
		if s == 1<<o {
			return o
		}
	}
	return UnknownOrder
}

// names joins what the orders of the set are called in words, or by --dates.
func (s orders) names(asFlags bool) string {
	var all []string
	for o := MonthFirst; o < orderCount; o++ {
		switch {
		case !s.has(o):
		case asFlags:
			all = append(all, "--dates "+orderNames[o].flag)
		default:
			all = append(all, o.String())
		}
	}
	return strings.Join(all, " or ")
}

// numbers is a date of three numbers, of which the first is no year of four digits.
type numbers struct {
	before, a, b, c, behind string
	points                  bool // stand between the numbers
}

func numbersOf(s string) (n numbers, ok bool) {
	rest := s
	if word := strings.TrimLeftFunc(s, unicode.IsLetter); word != s { // the name of a weekday
		if rest = strings.TrimLeft(word, " ,."); rest == word {
			return n, false
		}
		n.before = s[:len(s)-len(rest)]
	}
	var first, second byte
	n.a, first, rest = number(rest)
	n.b, second, rest = number(rest)
	n.points = first == '.'
	if first == 0 || first != second {
		return n, false
	}
	n.c = rest[:digits(rest)]
	n.behind = rest[len(n.c):]
	if len(n.c) != 2 && len(n.c) != 4 || n.behind != "" && isSign(n.behind[0]) {
		return n, false
	}
	return n, true
}

// number takes a number of one or two digits off a date, the sign behind it and a blank behind that. The sign is 0 if they
// are not there.
func number(s string) (text string, sign byte, rest string) {
	n := digits(s)
	if n < 1 || n > 2 || n == len(s) || !isSign(s[n]) {
		return "", 0, s
	}
	return s[:n], s[n], strings.TrimPrefix(s[n+1:], " ")
}

// digits counts those that a text begins with.
func digits(s string) (n int) {
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// isSign reports whether a character stands between the numbers of a date.
func isSign(c byte) bool { return c == '.' || c == '/' || c == '-' }

// orders are those in which there may be such a date.
func (n *numbers) orders() (in orders) {
	a, b, c := atoi(n.a), atoi(n.b), atoi(n.c)
	exists := func(month, day int) bool { return month >= 1 && month <= 12 && day >= 1 && day <= 31 }
	if exists(a, b) {
		in |= 1 << MonthFirst
	}
	if exists(b, a) {
		in |= 1 << DayFirst
	}
	if exists(b, c) && len(n.a) == 2 && len(n.c) == 2 {
		in |= 1 << YearFirst
	}
	return in
}

// distinct leaves those of the orders that give another date than the day first: 05/05/2023 is one in all.
func (n *numbers) distinct(in orders) orders {
	if !in.has(DayFirst) {
		return in
	}
	if atoi(n.a) == atoi(n.b) {
		in &^= 1 << MonthFirst
	}
	if n.a == n.c {
		in &^= 1 << YearFirst
	}
	return in
}

// byPoints reports whether the points decide: with them the day comes first, but for files that show the contrary.
func (n *numbers) byPoints(in orders) bool {
	return n.points && in == 1<<DayFirst|1<<MonthFirst
}

// written is the date in an order, with the name of its month.
func (n *numbers) written(o Order) string {
	day, month, year := n.a, n.b, n.c
	switch o {
	case MonthFirst:
		day, month = month, day
	case YearFirst:
		day, year = year, day
	}
	return n.before + day + " " + time.Month(atoi(month)).String() + " " + year + n.behind
}

func atoi(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}

// orderSurvey is what all dates of a file say about the order of day and month.
type orderSurvey struct {
	all     orders // those that each date can have
	example string // the last date that ruled one out
	open    string // the first that has more than one
	slash   bool   // stands between the numbers of that
	points  bool   // a date with points has more than one
	// openPoints says that a date with points has the month first for certain.
	openPoints bool
	runs       [orderCount]run
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

func newOrderSurvey() orderSurvey {
	return orderSurvey{all: 1<<MonthFirst | 1<<DayFirst | 1<<YearFirst}
}

func (s *orderSurvey) add(date string) {
	date = trimDate(date)
	n, ok := numbersOf(date)
	if !ok {
		return
	}
	in := n.orders()
	for o := MonthFirst; o < orderCount; o++ {
		if !in.has(o) {
			continue
		}
		if t, err := thingspeak.ParseTime(n.written(o), nil); err != nil {
			in &^= 1 << o
		} else {
			s.runs[o].add(t)
		}
	}
	switch {
	case in == 0:
		return
	case n.distinct(in).only() != UnknownOrder:
	case n.byPoints(in):
		s.points = true
	case s.open == "":
		s.open, s.slash = date, strings.Contains(date, "/")
	}
	s.openPoints = s.openPoints || n.points && in.only() == MonthFirst
	if s.all&^in != 0 {
		s.example = date
	}
	s.all &= in
}

// decide says which order a file has, by its dates as a whole.
func (d *dates) decide(s *orderSurvey, separator byte) error {
	d.openPoints = s.openPoints
	if s.open == "" && (!s.points || !s.openPoints) {
		return nil // each date has one meaning
	}
	straight := s.all
	for o := range s.runs {
		if !s.runs[o].straight() {
			straight &^= 1 << o
		}
	}
	switch {
	case s.all == 0:
		d.told = "dates are in both orders of day and month; where one could be either, the row is left out"
		return nil
	case s.all.only() != UnknownOrder:
		d.order = s.all.only()
	case straight.only() != UnknownOrder:
		d.order, s.example = straight.only(), "so they ascend"
		if s.runs[d.order].down {
			s.example = "so they descend"
		}
	case d.importing:
		return &NotFeedError{
			Is:   fmt.Sprintf("its dates may be %s: %q", s.all.names(false), s.open),
			Next: s.all.names(true) + " says which",
		}
	default:
		d.guessed, d.open = s.open, s.all
		// A comma in numbers and a semicolon between them go with the day first; of the signs, only a slash is
		// American.
		if d.order = DayFirst; s.slash && separator != ';' && s.all.has(MonthFirst) || !s.all.has(DayFirst) {
			d.order = MonthFirst
		}
		return nil
	}
	d.told = fmt.Sprintf("dates are taken as %v (%s)", d.order, s.example)
	return nil
}
