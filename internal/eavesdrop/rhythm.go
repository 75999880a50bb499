package eavesdrop

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/token"

	"github.com/fernpost/fernpost/internal/screen"
)

// Use is what a channel is used for.
type Use string

// The uses.
const (
	Chat    Use = "chat"
	Sensor  Use = "sensor"
	File    Use = "file"
	Unknown Use = ""
)

// UseClaim is what a channel is used for, most of all.
type UseClaim struct {
	Use       Use
	Certainty float64
}

// ZoneClaim is where on earth, by the hours in which nobody writes.
type ZoneClaim struct {
	// East is the zone's difference from UTC in hours, give or take three.
	East      int
	Certainty float64 // 0: cannot tell
}

// conversationGap is from when on what comes next is another conversation.
const conversationGap = 15 * time.Minute

// pace is how entries follow one another.
type pace struct {
	gaps     []int64 // seconds between entries with tokens by the relay's dates, in the order of their numbers
	interval int64   // the least usual one
	middle   float64
	period   float64 // seconds from one entry to one of the next four that most of them have in common
	regular  float64 // how many have it in common, 0 to 1
	run      int     // the most tokens in entries one after the other that are full, and were sealed at once
}

// mostApart is how many entries further on the next one of the same device is looked for.
const mostApart = 4

func (a *Analysis) pace() *pace {
	p := &pace{}
	var sealed []int64 // one of each entry: a clock that is wrong is as regular as one that is right
	before := int64(0)
	for i := range a.seals {
		s := &a.seals[i]
		if i > 0 && a.seals[i-1].entry == s.entry {
			continue
		}
		sealed = append(sealed, s.sealed)
		if before != 0 && s.posted != 0 {
			p.gaps = append(p.gaps, max(s.posted-before, 0))
		}
		before = s.posted
	}
	p.run = a.longestRun()
	if len(p.gaps) == 0 {
		return p
	}
	sorted := slices.Sorted(slices.Values(p.gaps))
	p.interval, p.middle = sorted[len(sorted)/20], median(sorted)
	for k := 1; k <= mostApart && k*4 < len(sealed); k++ {
		if period, share := common(sealed, k); share > p.regular+0.1 {
			p.period, p.regular = period, share
		}
	}
	return p
}

// common returns the difference that most times have to the k-th after them, and how many have it, 0 to 1.
func common(times []int64, k int) (difference, share float64) {
	all := make([]int64, 0, len(times))
	for i := k; i < len(times); i++ {
		all = append(all, times[i]-times[i-k])
	}
	slices.Sort(all)
	most, first := 0, 0
	for i := range all {
		for width := max(2, all[i]/50); all[i]-all[first] > width; {
			first++
		}
		if n := i - first + 1; n > most && all[first] > 0 {
			most, difference = n, float64(all[first]+all[i])/2
		}
	}
	return difference, float64(most) / float64(len(all))
}

// longestRun returns the most tokens in a row that are full and were sealed within a second.
func (a *Analysis) longestRun() (most int) {
	run, at := 0, int64(0)
	for i := range a.seals {
		s := &a.seals[i]
		if int(s.blocks)*token.BlockSize <= token.CellSize || run > 0 && (s.sealed < at || s.sealed > at+1) {
			run = 0
		}
		if int(s.blocks)*token.BlockSize > token.CellSize {
			if run == 0 {
				at = s.sealed
			}
			run++
		}
		most = max(most, run)
	}
	return most
}

func (a *Analysis) rhythm(r *Report, p *pace) {
	if len(p.gaps) == 0 {
		r.add(Rhythm, 0, "cannot tell how often somebody writes: there is one entry", "")
		return
	}
	conversations, size := 1, 1
	longest := 1
	for _, g := range p.gaps {
		if time.Duration(g)*time.Second > conversationGap {
			conversations, size = conversations+1, 0
		}
		size++
		longest = max(longest, size)
	}
	n := len(p.gaps) + 1
	says := fmt.Sprintf("%d entries come in %d stretches with more than 15 minutes between them, the longest of %d entries", n, conversations,
		longest)
	if conversations == 1 {
		says = fmt.Sprintf("%d entries follow one another without a break of 15 minutes", n)
	}
	r.add(Rhythm, 1, says, fmt.Sprintf("dates of the relay; half of the gaps are below %s", screen.Span(p.middle)))
}

func (a *Analysis) week(r *Report) {
	var hours [24]int
	var all []int
	for i := range a.seals {
		t := time.Unix(a.seals[i].sealed, 0).UTC()
		hours[t.Hour()]++
		r.Days[t.Weekday()][t.Hour()]++
	}
	for _, day := range r.Days {
		all = append(all, day[:]...)
	}
	n := len(a.seals)
	days := r.To.Sub(r.From).Hours() / 24
	how := "clocks inside the tokens; bits are what the hour of the week tells less than if all were alike (7.4 bits)"
	if n < 30 || days < 3 {
		r.add(Week, 0, "cannot tell any habit: less than three days, or fewer than 30 tokens", how)
		return
	}
	quiet, at := n, 0
	for h := range 24 {
		sum := 0
		for i := range 7 {
			sum += hours[(h+i)%24]
		}
		if sum < quiet {
			quiet, at = sum, h
		}
	}
	share := float64(quiet) / float64(n)
	// What nobody writes by night would be 7/24 of all if hours were alike.
	if share > 0.1 {
		r.add(Week, 1, fmt.Sprintf("no hours stand out: also in the quietest seven in a row, from %02d:00 UTC, come %d of %d tokens", at, quiet, n),
			how).count(math.Log2(7*24) - entropy(all))
		return
	}
	middle := (float64(at) + 3.5)
	east := int(math.Round(3.5-middle)) % 24
	if east <= -12 {
		east += 24
	}
	r.Zone = ZoneClaim{East: east, Certainty: zoneCertainty(n, share)}
	r.add(Week, r.Zone.Certainty, fmt.Sprintf("from %02d:00 to %02d:00 UTC come %d of %d tokens: if that is their night, they live near "+
		"UTC%+d, give or take three hours", at, (at+7)%24, quiet, n, east), how).count(math.Log2(7*24) - entropy(all))
}

func (a *Analysis) use(r *Report, p *pace) {
	n := len(p.gaps) + 1
	how := fmt.Sprintf("no entry has another one in a time that others have as well; at most %d full tokens were sealed at once", p.run)
	if p.regular > 0 {
		how = fmt.Sprintf("%.0f %% of the entries have another one %.0f seconds later; at most %d full tokens were sealed at once", 100*p.regular,
			p.period, p.run)
	}
	if n < 5 {
		r.add(Purpose, 0, "cannot tell what the channel is used for: too few entries", how)
		return
	}
	r.Use = useOf(n, len(a.seals), p)
	says := map[Use]string{
		Chat:   "people talk: entries come irregularly, some soon after another",
		Sensor: "a device reports values: entries come as a clock strikes",
		File:   "files or long texts: many full entries follow one another as fast as the channel takes them",
	}[r.Use.Use]
	if r.Use.Use == Unknown {
		r.add(Purpose, 0, "cannot tell what the channel is used for", how)
		return
	}
	r.add(Purpose, r.Use.Certainty, says, how)
}
