// Package plot draws values over time, bars and heat maps as SVG pictures, for a page or a report. A picture needs no script and nothing from
// elsewhere, stands in a page whose Content-Security-Policy forbids styles inside elements, is read aloud by its title and
// description, and is coloured by classes, so that a style sheet suits it to light and dark ([Style]).
//
// It is the one owner of the chart library, which has an axis of time, and writes light colours into style attributes.
package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-analyze/charts/chartdraw"
	"github.com/go-analyze/charts/chartdraw/drawing"
)

// Point is a value at a time.
type Point struct {
	Time  time.Time
	Value float64
}

// Plot is a picture to be drawn.
type Plot struct {
	// ID is a prefix of the picture's id attributes, other than that of any other picture of a page. It consists of
	// letters, digits and hyphens.
	ID string
	// Title and Description are read aloud in place of the picture. They may be a stranger's texts.
	Title, Description string
	// Width and Height are in pixels; the picture is scaled as its page wants it. 480 × 170 without them.
	Width, Height int
	// Zone is what times are shown in, UTC without one.
	Zone *time.Location
}

// MostColumns is how many columns a picture has at most: more points are shown as the least, the median and the greatest
// value of equal times.
const MostColumns = 400

// ErrNothing is returned where there is no point to be drawn.
var ErrNothing = errors.New("there is nothing to draw")

// colours are what the library writes for a part of a picture, and what they become. The library knows no classes beside
// colours; a picture outside a page keeps these colours, which can be read on white and on black.
var colours = []struct {
	colour drawing.Color
	class  string
}{
	partText:  {drawing.Color{R: 110, G: 120, B: 113, A: 255}, "plot-text"},
	partAxis:  {drawing.Color{R: 140, G: 150, B: 143, A: 255}, "plot-axis"},
	partGrid:  {drawing.Color{R: 190, G: 198, B: 192, A: 255}, "plot-grid"},
	partLine:  {drawing.Color{R: 46, G: 139, B: 99, A: 255}, "plot-line"},
	partRange: {drawing.Color{R: 132, G: 178, B: 155, A: 255}, "plot-range"},
}

const (
	partText = iota
	partAxis
	partGrid
	partLine
	partRange
)

// Style is the style sheet for pictures in a page: it colours their parts by the properties --ink, --faint, --line and
// --accent.
const Style = `.plot-text { fill: var(--faint); }
.plot-axis { stroke: var(--faint); }
.plot-grid { stroke: var(--line); }
.plot-line { stroke: var(--accent); }
.plot-range { stroke: var(--accent); opacity: .45; }
.plot-bar, .plot-cell { fill: var(--accent); }
`

func stroke(part int, width float64) chartdraw.Style {
	return chartdraw.Style{StrokeColor: colours[part].colour, StrokeWidth: width}
}

// SVG draws points, which need no order. What is no number, is greater than 1e300, or is older than 1700 or younger than 2249
// is left out.
func (p Plot) SVG(points []Point) ([]byte, error) {
	columns := Columns(points, MostColumns)
	if len(columns) == 0 {
		return nil, ErrNothing
	}
	if p.Width <= 0 || p.Height <= 0 {
		p.Width, p.Height = 480, 170
	}
	if p.Zone == nil {
		p.Zone = time.UTC
	}
	least, greatest := columns[0].Least, columns[0].Greatest
	for _, c := range columns {
		least, greatest = min(least, c.Least), max(greatest, c.Greatest)
	}
	low, high, marks := valueTicks(least, greatest)
	first, last := columns[0].Time, columns[len(columns)-1].Time
	if last.Sub(first) < time.Second { // one moment stands in the middle; the library's numbers tell no two apart
		first, last = first.Add(-time.Minute), last.Add(time.Minute)
	}

	axis, grid, hidden := stroke(partAxis, 1), stroke(partGrid, 1), chartdraw.Hidden()
	axis.FontSize, axis.FontColor = 9, colours[partText].colour
	chart := chartdraw.Chart{
		Width: p.Width, Height: p.Height,
		Background: chartdraw.Style{
			FillColor: drawing.ColorTransparent, StrokeColor: drawing.ColorTransparent,
			Padding: chartdraw.Box{Top: 8, Left: 8, Right: 8, Bottom: 8, IsSet: true},
		},
		Canvas: chartdraw.Style{FillColor: drawing.ColorTransparent, StrokeColor: drawing.ColorTransparent},
		XAxis: chartdraw.XAxis{
			Style: axis, Range: &chartdraw.ContinuousRange{Min: chartdraw.TimeToFloat64(first), Max: chartdraw.TimeToFloat64(last)},
			Ticks: timeTicks(first, last, p.Zone),
		},
		YAxis: chartdraw.YAxis{Style: hidden, Range: &chartdraw.ContinuousRange{Min: low, Max: high}}, // of no line: it would have no end
		YAxisSecondary: chartdraw.YAxis{ // the left one
			Style: axis, Range: &chartdraw.ContinuousRange{Min: low, Max: high}, Ticks: marks, GridMajorStyle: grid, GridMinorStyle: grid,
		},
	}
	line := func(style chartdraw.Style, value func(Column) float64) {
		series := chartdraw.TimeSeries{Style: style, YAxis: chartdraw.YAxisSecondary}
		for _, c := range columns {
			series.XValues, series.YValues = append(series.XValues, c.Time), append(series.YValues, value(c))
		}
		chart.Series = append(chart.Series, series)
	}
	if len(columns) < len(points) {
		line(stroke(partRange, 1), func(c Column) float64 { return c.Least })
		line(stroke(partRange, 1), func(c Column) float64 { return c.Greatest })
	}
	style := stroke(partLine, 1.5)
	if len(columns) <= 40 { // few points are seen as such, and one alone is no line
		style.DotWidth, style.DotColor = 2, colours[partLine].colour
	}
	line(style, func(c Column) float64 { return c.Median })

	var drawn bytes.Buffer
	if err := chart.Render(chartdraw.SVG, &drawn); err != nil {
		return nil, fmt.Errorf("drawing a picture: %w", err)
	}
	return p.finish(&drawn)
}

// finish makes of the library's picture one for a page.
func (p *Plot) finish(drawn io.Reader) ([]byte, error) {
	var out bytes.Buffer
	read := xml.NewDecoder(drawn)
	for {
		t, err := read.RawToken()
		if errors.Is(err, io.EOF) {
			return out.Bytes(), nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the picture: %w", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local == "svg" {
				p.begin(&out)
				continue
			}
			out.WriteString("<" + t.Name.Local)
			for _, a := range t.Attr {
				if a.Name.Local == "style" {
					presentation(&out, a.Value)
				} else {
					attribute(&out, a.Name.Local, strings.ReplaceAll(a.Value, "\n", " "))
				}
			}
			out.WriteByte('>')
		case xml.EndElement:
			out.WriteString("</" + t.Name.Local + ">")
		case xml.CharData:
			xml.EscapeText(&out, t) // writing into memory does not fail
		}
	}
}

// begin writes the head of a picture. Without a role and a title it would be read aloud as its many numbers.
func (p *Plot) begin(out *bytes.Buffer) {
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 %d %d" role="img" aria-labelledby="%[3]s-title %[3]s-desc">`,
		p.Width, p.Height, p.ID)
	for _, part := range [][2]string{{"title", p.Title}, {"desc", p.Description}} {
		fmt.Fprintf(out, `<%s id="%s-%[1]s">`, part[0], p.ID)
		xml.EscapeText(out, []byte(part[1]))
		fmt.Fprintf(out, "</%s>", part[0])
	}
}

func attribute(out *bytes.Buffer, name, value string) {
	out.WriteString(" " + name + `="`)
	xml.EscapeText(out, []byte(value))
	out.WriteByte('"')
}

// presentation writes what a style attribute says as attributes of their own, which no policy blocks and which any style
// sheet overrules.
func presentation(out *bytes.Buffer, style string) {
	class := ""
	for property := range strings.SplitSeq(style, ";") {
		name, value, _ := strings.Cut(property, ":")
		if name == "font-family" { // a page has its own
			continue
		}
		for _, c := range colours {
			if value == c.colour.String() {
				class = c.class
			}
		}
		attribute(out, name, value)
	}
	if class != "" {
		attribute(out, "class", class)
	}
}

// valueTicks returns an axis for values between two: where it begins and ends, and its marks, at most six, which are round.
func valueTicks(least, greatest float64) (low, high float64, marks []chartdraw.Tick) {
	size := max(math.Abs(least), math.Abs(greatest))
	if greatest-least <= max(size*1e-9, 1e-300) { // among numbers so close there are no round ones
		d := max(size/100, 1e-9)
		least, greatest = least-d, greatest+d
	}
	const most = 5
	step := (greatest/most - least/most) // of the difference there may be no number
	power := math.Pow(10, math.Floor(math.Log10(step)))
	for _, round := range []float64{1, 2, 5, 10} {
		if round*power >= step*0.999 {
			step = round * power
			break
		}
	}
	low, high = math.Floor(least/step)*step, math.Ceil(greatest/step)*step
	places := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	for i := 0; i <= most+1; i++ {
		v := low + float64(i)*step
		if v > high+step/2 {
			break
		}
		label := strconv.FormatFloat(v, 'f', places, 64)
		if len(label) > 9 {
			label = strconv.FormatFloat(v, 'g', 4, 64)
		}
		marks = append(marks, chartdraw.Tick{Value: v, Label: label})
	}
	return low, high, marks
}

// steps are the distances that marks of time may have, with how they are written.
var steps = []struct {
	length time.Duration
	layout string
}{
	{time.Second, "15:04:05"},
	{5 * time.Second, "15:04:05"},
	{15 * time.Second, "15:04:05"},
	{time.Minute, "15:04"},
	{5 * time.Minute, "15:04"},
	{15 * time.Minute, "15:04"},
	{time.Hour, "15:04"},
	{3 * time.Hour, "Jan 2 15:04"},
	{6 * time.Hour, "Jan 2 15:04"},
	{24 * time.Hour, "Jan 2"},
	{2 * 24 * time.Hour, "Jan 2"},
	{7 * 24 * time.Hour, "Jan 2"},
	{30 * 24 * time.Hour, "Jan 2"},
	{91 * 24 * time.Hour, "2006-01-02"},
	{365 * 24 * time.Hour, "2006-01-02"},
}

// timeTicks returns marks between two times, at most seven with a label.
func timeTicks(first, last time.Time, zone *time.Location) (marks []chartdraw.Tick) {
	const most = 6
	step, layout := last.Sub(first)/most, "2006-01-02"
	for _, s := range steps {
		if s.length >= step {
			step, layout = s.length, s.layout
			break
		}
	}
	if step <= 0 {
		step = time.Second
	}
	// From midnight, or marks of three hours would stand at 01:00 where a zone is not UTC.
	y, m, d := first.In(zone).Date()
	t := time.Date(y, m, d, 0, 0, 0, 0, zone)
	t = t.Add(first.Sub(t).Truncate(step))
	for ; !t.After(last); t = t.Add(step) {
		if !t.Before(first) {
			marks = append(marks, chartdraw.Tick{Value: chartdraw.TimeToFloat64(t), Label: t.In(zone).Format(layout)})
		}
	}
	if len(marks) == 0 {
		marks = []chartdraw.Tick{{Value: chartdraw.TimeToFloat64(first), Label: first.In(zone).Format("15:04:05")}}
	}
	// The library takes the outermost marks for the ends of the axis, and would draw beyond it.
	marks = slices.Insert(marks, 0, chartdraw.Tick{Value: chartdraw.TimeToFloat64(first)})
	return append(marks, chartdraw.Tick{Value: chartdraw.TimeToFloat64(last)})
}
