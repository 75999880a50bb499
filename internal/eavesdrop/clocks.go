package eavesdrop

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// DevicesClaim is how many devices the clocks tell apart.
type DevicesClaim struct {
	// AtLeast is how many devices write, at least; 1 where the clocks tell none apart.
	AtLeast   int
	Certainty float64
}

// ClockClaim is how a clock runs that nobody sets.
type ClockClaim struct {
	// Known says that it could be computed; PPM is by how many millionths it runs fast, and Error its standard error.
	Known      bool
	PPM, Error float64
	Certainty  float64
}

// track is what may be one device: entries whose clock goes on as it went before.
type track struct {
	at     []int // in the seals
	recent []int64
	posted int64
}

const (
	// apart is from how many seconds of difference on two clocks are two: closer ones may be one, by the whole seconds in which both
	// are stated and by the way to the relay.
	apart = 3
	// wander is how fast the clocks of small devices drift at most.
	wander = 60e-6
	// leastSeen is how many entries a device is known by.
	leastSeen = 4
)

// fresh returns the seals that waited for nothing that shows: the first of each entry that came later than a slot after the one
// before, since others may have waited for their slot; of a device that reports as a clock strikes, all. What was sealed at once is
// one message, whose later parts waited for the first.
func (a *Analysis) fresh(p *pace) (at []int) {
	last := -1
	for i := range a.seals {
		s := &a.seals[i]
		if s.posted == 0 || last >= 0 && a.seals[last].entry == s.entry {
			continue
		}
		if last < 0 {
			at = append(at, i)
		} else if before := &a.seals[last]; s.sealed < before.sealed || s.sealed > before.sealed+1 {
			if s.posted-before.posted > p.interval+2 || p.interval <= 2 || p.regular > steady {
				at = append(at, i)
			}
		}
		last = i
	}
	return at
}

// steady is from which share of common differences on a feed is that of a machine.
const steady = 0.6

func (a *Analysis) tracks(fresh []int) (all []*track) {
	for _, i := range fresh {
		s := &a.seals[i]
		var best *track
		off := math.Inf(1)
		for _, t := range all {
			d := math.Abs(float64(s.offset()) - median(t.recent))
			if d < off && d <= apart/2.+wander*float64(s.posted-t.posted) {
				best, off = t, d
			}
		}
		if best == nil {
			if len(all) >= mostTracks {
				continue
			}
			best = &track{}
			all = append(all, best)
		}
		best.at, best.posted = append(best.at, i), s.posted
		if best.recent = append(best.recent, s.offset()); len(best.recent) > 9 {
			best.recent = best.recent[1:]
		}
	}
	least := max(leastSeen, len(fresh)/25)
	return slices.DeleteFunc(all, func(t *track) bool { return len(t.at) < least })
}

// mostTracks bounds the work for a feed in which every clock says something else.
const mostTracks = 100

func median(values []int64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return float64(sorted[(len(sorted)-1)/2]+sorted[len(sorted)/2]) / 2
}

// distinct leaves out tracks that may be another one's: that were not there at the same time, or whose entries were late by a slot,
// by a retry, by a wait of any length, or by nearly nothing.
func (a *Analysis) distinct(all []*track, p *pace) []*track {
	slices.SortFunc(all, func(x, y *track) int { return len(y.at) - len(x.at) })
	var kept []*track
	for _, t := range all {
		if !slices.ContainsFunc(kept, func(other *track) bool { return !a.apart(t, other, p) }) {
			kept = append(kept, t)
		}
	}
	return kept
}

// retry is after how many seconds ThingSpeak takes another update: senders try again after that.
const retry = 15

// apart reports whether two tracks are of two clocks.
func (a *Analysis) apart(t, other *track, p *pace) bool {
	var differences []int64
	next := 0
	for _, i := range t.at {
		s := &a.seals[i]
		for next < len(other.at) && a.seals[other.at[next]].posted < s.posted {
			next++
		}
		if next > 0 && next < len(other.at) { // the other one was there before it and after it
			differences = append(differences, s.offset()-a.seals[other.at[next-1]].offset())
		}
	}
	if len(differences) < leastSeen {
		return false
	}
	d := median(differences)
	scattered := 0
	for _, x := range differences {
		if math.Abs(float64(x)-d) > apart/2. {
			scattered++
		}
	}
	if math.Abs(d) < apart || 5*scattered > len(differences) {
		return false
	}
	for _, slot := range []float64{float64(p.interval), retry} {
		slots := math.Round(d / slot)
		if slot > 2 && math.Abs(d-slots*slot) <= 1.5 && math.Abs(slots) >= 1 && math.Abs(slots) <= 20 {
			return false
		}
	}
	return true
}

func (a *Analysis) clocks(r *Report, p *pace) {
	fresh := a.fresh(p)
	all := a.tracks(fresh)
	devices := a.distinct(all, p)
	device := map[int64]int{} // by entry
	for n, t := range devices {
		for _, i := range t.at {
			device[a.seals[i].entry] = n + 1
		}
	}
	for i := range a.seals {
		s := &a.seals[i]
		if s.posted == 0 || i > 0 && a.seals[i-1].entry == s.entry {
			continue
		}
		o := Offset{Posted: time.Unix(s.posted, 0).UTC(), Seconds: float64(s.offset())}
		if len(devices) > 1 {
			o.Device = device[s.entry]
		}
		r.Offsets = append(r.Offsets, o)
	}
	a.sayOffsets(r, len(fresh), len(devices))
	a.drift(r, devices)
	a.sayDevices(r, devices)
}

func (a *Analysis) sayOffsets(r *Report, fresh, devices int) {
	if len(r.Offsets) == 0 {
		r.add(Clocks, 0, "cannot tell anything of clocks: the entries have no dates", "")
		return
	}
	all := make([]int64, len(r.Offsets))
	counts := map[int64]int{}
	for i := range r.Offsets {
		all[i] = int64(r.Offsets[i].Seconds)
		counts[all[i]]++
	}
	slices.Sort(all)
	says := "the clock inside a token is " + ahead(median(all)) + " the relay's in the middle, and says to the second when a message was " +
		"sealed, whenever it is posted"
	if devices > 1 {
		says = "the clocks inside are between " + ahead(float64(all[len(all)/20])) + " and " + ahead(float64(all[len(all)-1-len(all)/20])) +
			" the relay's, and say to the second when a message was sealed, whenever it is posted"
	}
	r.add(Clocks, 1, says, fmt.Sprintf("%d entries, of which %d waited for nothing that shows", len(all), fresh)).Bits = entropy(slices.Collect(maps.Values(counts)))
}

func ahead(seconds float64) string {
	switch {
	case seconds == 0:
		return "level with"
	case seconds > 0:
		return long(seconds) + " ahead of"
	}
	return long(-seconds) + " behind"
}

// long writes a number of seconds: of centuries, too, for which a [time.Duration] has no number.
func long(seconds float64) string {
	if days := seconds / (24 * 3600); days >= 10 {
		return fmt.Sprintf("%.0f days", days)
	}
	return time.Duration(seconds * float64(time.Second)).String()
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
		long(float64(a.seals[at[len(at)-1]].posted-a.seals[at[0]].posted)), r.Clock.Error)
	if math.Abs(r.Clock.PPM) <= 3*r.Clock.Error {
		r.add(Clocks, r.Clock.Certainty, fmt.Sprintf("a clock that is set, or runs right by chance: no drift beyond %.2g ppm", 3*r.Clock.Error), how)
		return
	}
	r.add(Clocks, r.Clock.Certainty, fmt.Sprintf("a clock runs free, %.2g ± %.2g millionths (ppm) %s: that stays with a device, and tells it "+
		"again elsewhere", math.Abs(r.Clock.PPM), 3*r.Clock.Error, map[bool]string{true: "fast", false: "slow"}[r.Clock.PPM > 0]), how)
}

func (a *Analysis) sayDevices(r *Report, devices []*track) {
	how := fmt.Sprintf("offsets that stay %d s and more apart, of entries that waited for no slot, and by no multiple of the interval", apart)
	if len(devices) < 2 {
		r.Devices = DevicesClaim{AtLeast: 1}
		r.add(Senders, 0, "cannot tell how many devices write: no two clocks stay apart, so senders and who answers whom do not show", how)
		return
	}
	least := len(devices[len(devices)-1].at)
	r.Devices = DevicesClaim{len(devices), devicesCertainty(least)}
	r.add(Senders, r.Devices.Certainty, fmt.Sprintf("at least %d devices write, told apart by their clocks", len(devices)), how)
	if r.Use.Use == Sensor { // they take turns as their clocks have it, and answer nobody
		return
	}
	var others, follows int
	for i := 1; i < len(r.Offsets); i++ {
		x, y := &r.Offsets[i-1], &r.Offsets[i]
		if x.Device == 0 || y.Device == 0 || y.Posted.Sub(x.Posted) > conversationGap {
			continue
		}
		if follows++; x.Device != y.Device {
			others++
		}
	}
	if follows >= 10 {
		r.add(Senders, r.Devices.Certainty, fmt.Sprintf("of %d entries that followed another one within 15 minutes, %d came from "+
			"another device than that one", follows, others), "devices by their clocks: as sure as that they are several")
	}
}
