package httpapi

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"strconv"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/plot"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// fieldPlot is a picture of a field's numbers.
type fieldPlot struct {
	Label, Newest string
	SVG           template.HTML
}

// maxPlotted is of how many channels the pictures are kept.
const maxPlotted = 32

// channelPlots are the pictures of channels as they were seen last: to draw them takes longer than all the rest of a page.
type channelPlots struct {
	mu   sync.Mutex // guards kept
	kept map[int64]drawnPlots
}

// drawnPlots are pictures of a channel in some state.
type drawnPlots struct {
	state relay.State
	plots []fieldPlot
}

// channelPlots draws what the newest entries of a channel hold of numbers, as many as a read returns.
func (a *api) channelPlots(ctx context.Context, v *relay.View) ([]fieldPlot, error) {
	c := &a.plots
	c.mu.Lock()
	drawn, ok := c.kept[v.State.Channel]
	c.mu.Unlock()
	if ok && drawn.state == v.State {
		return drawn.plots, nil
	}
	numbers := fieldNumbers{fields: v.Channel.Enabled()}
	err := a.relay.Rows(ctx, v, relay.Window{Results: a.relay.Limits().Results}, func(e *thingspeak.Entry) error {
		numbers.add(e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	drawn = drawnPlots{state: v.State}
	if drawn.plots, err = numbers.plots(v.Channel); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		c.kept = map[int64]drawnPlots{}
	}
	c.kept[v.State.Channel] = drawn
	for other := range c.kept {
		if len(c.kept) <= maxPlotted {
			break
		}
		if other != v.State.Channel {
			delete(c.kept, other)
		}
	}
	return drawn.plots, nil
}

// fieldNumbers collects the numbers of a channel's fields.
type fieldNumbers struct {
	fields thingspeak.FieldSet
	points [thingspeak.FieldCount][]plot.Point
	texts  [thingspeak.FieldCount]int // values that are no numbers
	newest [thingspeak.FieldCount]string
}

func (f *fieldNumbers) add(e *thingspeak.Entry) {
	for n := range f.fields.All() {
		text := e.Fields[n-1].Text
		if text == "" {
			continue
		}
		if v, ok := relay.ParseNumber(text); ok {
			f.points[n-1], f.newest[n-1] = append(f.points[n-1], plot.Point{Time: e.CreatedAt, Value: v}), text
		} else {
			f.texts[n-1]++
		}
	}
}

// plots draws the fields that hold numbers: at least two, and at most one other value in ten. A token is no number.
func (f *fieldNumbers) plots(c *relay.Channel) (plots []fieldPlot, err error) {
	for n := range f.fields.All() {
		points, label := f.points[n-1], c.Labels[n-1]
		if len(points) < 2 || f.texts[n-1]*10 > len(points)+f.texts[n-1] {
			continue
		}
		least, greatest := points[0].Value, points[0].Value
		for _, p := range points {
			least, greatest = min(least, p.Value), max(greatest, p.Value)
		}
		number := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
		svg, err := plot.Plot{
			ID: "field" + strconv.Itoa(n), Title: label,
			Description: fmt.Sprintf("%d values from %s to %s, %s to %s UTC", len(points), number(least), number(greatest),
				points[0].Time.UTC().Format(time.DateTime), points[len(points)-1].Time.UTC().Format(time.DateTime)),
		}.SVG(points)
		if errors.Is(err, plot.ErrNothing) {
			continue
		}
		if err != nil {
			return nil, err
		}
		// The picture's texts are escaped: package plot takes strangers' texts.
		plots = append(plots, fieldPlot{Label: label, Newest: f.newest[n-1], SVG: template.HTML(svg)})
	}
	return plots, nil
}
