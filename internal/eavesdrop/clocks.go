package eavesdrop

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/screen"
)

func (a *Analysis) clocks(ctx context.Context, r *Report, p *pace) error {
	fresh := a.fresh(p)
	all, err := a.tracks(ctx, fresh)
	if err != nil {
		return err
	}
	devices, err := a.distinct(ctx, all, p)
	if err != nil {
		return err
	}
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
	return nil
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
	r.add(Clocks, 1, says, fmt.Sprintf("%d entries, of which %d waited for nothing that shows; bits are the entropy of how far ahead "+
		"each one is", len(all), fresh)).count(entropy(slices.Collect(maps.Values(counts))))
}

func ahead(seconds float64) string {
	switch {
	case seconds == 0:
		return "level with"
	case seconds > 0:
		return screen.Span(seconds) + " ahead of"
	}
	return screen.Span(-seconds) + " behind"
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
	entries := make([]int, len(devices))
	for i, t := range devices {
		entries[i] = len(t.at)
	}
	r.add(Senders, r.Devices.Certainty, fmt.Sprintf("at least %d devices write, told apart by their clocks", len(devices)), how).
		count(entropy(entries))
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

func median(values []int64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return float64(sorted[(len(sorted)-1)/2]+sorted[len(sorted)/2]) / 2
}
