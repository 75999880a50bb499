package eavesdrop

import (
	"fmt"
	"math"
	"slices"

	"github.com/fernpost/fernpost/internal/screen"
)

// ClockClaim is how a clock runs that nobody sets.
type ClockClaim struct {
	// Known says that it could be computed; PPM is by how many millionths it runs fast, and Error its standard error.
	Known      bool
	PPM, Error float64
	Certainty  float64
}

// line is how offsets change.
type line struct {
	first         int64 // seconds since 1970, where it begins
	at, slope     float64
	mean, err, sd float64
}

func (l *line) off(s *seal) float64 {
	return float64(s.offset()) - l.at - l.slope*(float64(s.posted-l.first)-l.mean)
}

// mostScatter is how many seconds one clock's offsets lie off a line, as a rule: 0.41 since both clocks are stated in whole seconds
// (the standard deviation of the difference of two roundings), and the way to the relay. Where they scatter more, there are two
// clocks, or waits.
const mostScatter = 0.6

// roughLine lays a line through the medians of parts, which a few that waited do not move: the median of the slopes of all pairs
// (Theil and Sen).
func (a *Analysis) roughLine(at []int) (l line, ok bool) {
	const parts = 16
	if len(at) < 2*parts {
		return a.line(at)
	}
	type middle struct{ posted, offset float64 }
	var middles []middle
	for k := range parts {
		var posted, offsets []int64
		for _, i := range at[k*len(at)/parts : (k+1)*len(at)/parts] {
			posted, offsets = append(posted, a.seals[i].posted), append(offsets, a.seals[i].offset())
		}
		middles = append(middles, middle{median(posted), mean(offsets)})
	}
	var slopes []float64
	for i, x := range middles {
		for _, y := range middles[:i] {
			if x.posted > y.posted {
				slopes = append(slopes, (x.offset-y.offset)/(x.posted-y.posted))
			}
		}
	}
	if len(slopes) == 0 {
		return l, false
	}
	slices.Sort(slopes)
	l.slope, l.first = slopes[len(slopes)/2], a.seals[at[0]].posted
	var levels []float64
	for _, m := range middles {
		levels = append(levels, m.offset-l.slope*(m.posted-float64(l.first)))
	}
	slices.Sort(levels)
	l.at = levels[len(levels)/2]
	return l, true
}

// mean is that of the middle half of the values.
func mean(values []int64) (m float64) {
	sorted := slices.Sorted(slices.Values(values))
	sorted = sorted[len(sorted)/4 : len(sorted)-len(sorted)/4]
	for _, v := range sorted {
		m += float64(v) / float64(len(sorted))
	}
	return m
}

// line lays a line through offsets, by least squares. There has to be an hour of them, and twenty.
func (a *Analysis) line(at []int) (l line, ok bool) {
	n := float64(len(at))
	if n < 20 || a.seals[at[len(at)-1]].posted-a.seals[at[0]].posted < 3600 {
		return l, false
	}
	l.first = a.seals[at[0]].posted
	for _, i := range at {
		l.mean += float64(a.seals[i].posted-l.first) / n
		l.at += float64(a.seals[i].offset()) / n
	}
	var sxx, sxy, rest float64
	for _, i := range at {
		x := float64(a.seals[i].posted-l.first) - l.mean
		sxx, sxy = sxx+x*x, sxy+x*(float64(a.seals[i].offset())-l.at)
	}
	l.slope = sxy / sxx
	var next, before float64 // of neighbours
	for k, i := range at {
		e := l.off(&a.seals[i])
		rest += e * e
		if k > 0 {
			next += e * before
		}
		before = e
	}
	l.sd = math.Sqrt(rest / (n - 2))
	// What strikes at the same parts of a second is rounded alike: neighbours then say less than they count for.
	alike := min(max(next/max(rest, 1e-9), 0), 0.95)
	l.err = max(l.sd, math.Sqrt(1./6)) / math.Sqrt(sxx) * math.Sqrt((1+alike)/(1-alike))
	return l, true
}

// drift computes how fast the clock of the device that wrote most runs.
func (a *Analysis) drift(r *Report, devices []*track) {
	if len(devices) == 0 {
		return
	}
	at := devices[0].at
	line, ok := a.roughLine(at)
	for range 4 { // what waited lies beside the line that the others make
		if !ok {
			return
		}
		at = slices.DeleteFunc(slices.Clone(devices[0].at), func(i int) bool { return math.Abs(line.off(&a.seals[i])) > 1.5 })
		line, ok = a.line(at)
	}
	if !ok || 4*len(at) < 3*len(devices[0].at) || line.sd > mostScatter {
		return
	}
	r.Clock = ClockClaim{Known: true, PPM: line.slope * 1e6, Error: line.err * 1e6, Certainty: driftCertainty}
	how := fmt.Sprintf("a line through %d offsets in %s, standard error %.2g ppm, three times that is stated", len(at),
		screen.Span(float64(a.seals[at[len(at)-1]].posted-a.seals[at[0]].posted)), r.Clock.Error)
	if math.Abs(r.Clock.PPM) <= 3*r.Clock.Error {
		r.add(Clocks, r.Clock.Certainty, fmt.Sprintf("a clock that is set, or runs right by chance: no drift beyond %.2g ppm", 3*r.Clock.Error), how)
		return
	}
	r.add(Clocks, r.Clock.Certainty, fmt.Sprintf("a clock runs free, %.2g ± %.2g millionths (ppm) %s: that stays with a device, and tells it "+
		"again elsewhere", math.Abs(r.Clock.PPM), 3*r.Clock.Error, map[bool]string{true: "fast", false: "slow"}[r.Clock.PPM > 0]), how)
}
