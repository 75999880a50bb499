// Package duration reads the durations of flags, settings and files: those of Go, and days and weeks.
package duration

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrForm says what a duration looks like.
var ErrForm = errors.New("want a duration with its unit, such as 15s, 2h, 1d or 2w")

// Parse reads a duration as [time.ParseDuration] does, which may begin with weeks and days of 24 hours: 2w, 1d12h, 0.5d. The
// only error is [ErrForm].
func Parse(s string) (time.Duration, error) {
	rest, negative := strings.CutPrefix(s, "-")
	if !negative {
		rest, _ = strings.CutPrefix(s, "+")
	}
	long, found := 0.0, false
	for _, unit := range []struct {
		name string
		is   time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		number, below, ok := strings.Cut(rest, unit.name)
		if !ok || number == "" || strings.Trim(number, ".0123456789") != "" {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return 0, ErrForm
		}
		long, rest, found = long+n*float64(unit.is), below, true
	}
	if !found {
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, ErrForm
		}
		return d, nil
	}
	below := time.Duration(0)
	if rest != "" {
		var err error
		if below, err = time.ParseDuration(rest); err != nil || strings.ContainsAny(rest[:1], "+-") {
			return 0, ErrForm
		}
	}
	if long+float64(below) > math.MaxInt64-1<<12 { // less what float64 rounds off
		return 0, ErrForm
	}
	d := time.Duration(long) + below
	if negative {
		d = -d
	}
	return d, nil
}

// Value is a duration that a flag sets. It is a pflag.Value.
type Value time.Duration

// Flag makes to the value of a flag, which is d where nothing is given.
func Flag(to *time.Duration, d time.Duration) *Value {
	*to = d
	return (*Value)(to)
}

// Set reads the flag's text.
func (v *Value) Set(s string) error {
	d, err := Parse(s)
	if err == nil {
		*v = Value(d)
	}
	return err
}

// String writes the duration as Go does, and none as 0, which help does not show as a default.
func (v *Value) String() string {
	if *v == 0 {
		return "0"
	}
	return time.Duration(*v).String()
}

// Type is the word for what the flag takes.
func (*Value) Type() string { return "duration" }
