// Package report shows what a feed gives away as one HTML page. The page needs no network and no script, says each thing in words
// and in a table behind each picture, and can be printed.
package report

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/eavesdrop"
	"github.com/fernpost/fernpost/internal/plot"
	"github.com/fernpost/fernpost/internal/screen"
)

//go:embed report.html
var source string

var page = template.Must(template.New("report").Parse(source))

// Page is what a report says besides what was found.
type Page struct {
	// Of names the feed: a file or a channel. It may be a stranger's text.
	Of string
	// At is when the report was made.
	At time.Time
}

// section is a topic of the page.
type section struct {
	Title, Why string
	Bits       string
	Inferences []inference
	Picture    template.HTML
	Head       []string
	Rows       [][]string
}

type inference struct{ Says, Certainty, How string }

// topics are the sections, in their order, with a sentence for whoever meets this for the first time.
var topics = []struct {
	topic      eavesdrop.Topic
	title, why string
}{
	{eavesdrop.Form, "How it is written", "Encryption hides words. It does not hide that somebody uses it, and how."},
	{eavesdrop.Lengths, "How long messages are", "A ciphertext is as long as what is inside, to 16 bytes. A yes and a letter look different; padding to one length hides it."},
	{eavesdrop.Clocks, "Clocks", "Each token carries the time of the device that sealed it, in the clear; the relay adds its own."},
	{eavesdrop.Rhythm, "When entries come", "Who talks, talks back soon; machines keep time."},
	{eavesdrop.Week, "Hours and days", "When somebody sleeps shows where they live."},
	{eavesdrop.Purpose, "What it is used for", "Talk, measurements and files come in ways of their own."},
	{eavesdrop.Senders, "How many devices", "No token has a name. Two clocks that stay apart are two devices all the same."},
	{eavesdrop.Copies, "Copies", "A token that stands twice was copied. A vector that stands twice is a mistake of the sender."},
	{eavesdrop.Damage, "Damage, and what is readable", "Carriers cut and wrap; what is no token everybody can read."},
}

// Write writes the page.
func Write(w io.Writer, r *eavesdrop.Report, p Page) error {
	data := struct {
		Of, At, Summary string
		Style           template.CSS
		Sections        []section
	}{
		Of: screen.Line(p.Of), At: p.At.UTC().Format("2 January 2006, 15:04 UTC"), Summary: summary(r), Style: template.CSS(plot.Style),
	}
	for _, t := range topics {
		s := section{Title: t.title, Why: t.why, Bits: BitsText(r.Bits(t.topic))}
		for _, i := range r.Inferences {
			if i.Topic == t.topic {
				s.Inferences = append(s.Inferences, words(i))
			}
		}
		if len(s.Inferences) == 0 {
			continue
		}
		if err := s.draw(t.topic, r); err != nil {
			return err
		}
		data.Sections = append(data.Sections, s)
	}
	return page.Execute(w, data)
}

func summary(r *eavesdrop.Report) string {
	if r.Tokens == 0 {
		return fmt.Sprintf("%d entries, and no token in them", r.Entries)
	}
	return fmt.Sprintf("%d entries with %d tokens, sealed from %s to %s UTC; not one word could be read", r.Entries, r.Tokens,
		r.From.Format("2006-01-02 15:04"), r.To.Format("2006-01-02 15:04"))
}

func words(i eavesdrop.Inference) inference {
	return inference{Says: strings.ToUpper(i.Says[:1]) + i.Says[1:], How: i.How, Certainty: CertaintyText(i.Certainty)}
}

// BitsText says how many bits a message gives away by what is said of a topic.
func BitsText(bits float64, ok bool) string {
	if !ok {
		return "bits cannot be counted"
	}
	return fmt.Sprintf("%.1f bits a message", max(bits, 0)) // where all are alike, rounding makes it a hair less
}

// CertaintyText says how sure an inference is; "" of one that says itself that it cannot be told.
func CertaintyText(c float64) string {
	switch c {
	case 0:
		return ""
	case 1:
		return "read, not inferred"
	}
	return fmt.Sprintf("right in %.0f of 100 such feeds", c*100)
}

// draw adds the picture of a topic, and the table with the numbers behind it.
func (s *section) draw(topic eavesdrop.Topic, r *eavesdrop.Report) (err error) {
	var svg []byte
	switch topic {
	case eavesdrop.Lengths:
		svg, err = s.lengths(r)
	case eavesdrop.Clocks:
		svg, err = s.clocks(r)
	case eavesdrop.Week:
		svg, err = s.week(r)
	default:
		return nil
	}
	if errors.Is(err, plot.ErrNothing) {
		return nil
	}
	s.Picture = template.HTML(svg) // of our own, in which strangers' texts are escaped
	return err
}

// mostRows is how many rows a table has; what is more is counted together.
const mostRows = 40

func (s *section) lengths(r *eavesdrop.Report) ([]byte, error) {
	s.Head = []string{"bytes", "tokens"}
	var bars []plot.Bar
	for i, l := range r.Lengths {
		if i == mostRows {
			rest := 0
			for _, l := range r.Lengths[i:] {
				rest += l.Count
			}
			s.Rows, bars = append(s.Rows, []string{"longer", fmt.Sprint(rest)}), append(bars, plot.Bar{Label: "longer", Value: float64(rest)})
			break
		}
		name := fmt.Sprintf("%d to %d", l.Min, l.Max)
		s.Rows, bars = append(s.Rows, []string{name, fmt.Sprint(l.Count)}), append(bars, plot.Bar{Label: name, Value: float64(l.Count)})
	}
	return plot.Plot{ID: "lengths", Title: "How many tokens are how long", Description: s.Inferences[0].Says}.Bars(bars)
}

func (s *section) clocks(r *eavesdrop.Report) ([]byte, error) {
	s.Head = []string{"about (UTC)", "entries", "least", "median", "most"}
	points := make([]plot.Point, len(r.Offsets))
	for i, o := range r.Offsets {
		points[i] = plot.Point{Time: o.Posted, Value: o.Seconds}
	}
	for _, c := range plot.Columns(points, mostRows) {
		s.Rows = append(s.Rows, []string{
			c.Time.UTC().Format("2006-01-02 15:04:05"), fmt.Sprint(c.Points), fmt.Sprintf("%.0f s", c.Least), fmt.Sprintf("%.1f s", c.Median),
			fmt.Sprintf("%.0f s", c.Greatest),
		})
	}
	return plot.Plot{
		ID: "clocks", Title: "Seconds that the clock inside is ahead of the relay's", Description: s.Inferences[0].Says, Width: 640, Height: 200,
	}.SVG(points)
}

func (s *section) week(r *eavesdrop.Report) ([]byte, error) {
	days := []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}
	s.Head = []string{"day", "hours (UTC) with tokens"}
	var hours []string
	for h := range 24 {
		hours = append(hours, fmt.Sprint(h))
	}
	var values [][]int
	for d := range r.Days {
		values = append(values, r.Days[d][:])
		var text strings.Builder
		for h, n := range r.Days[d] {
			if n > 0 {
				text.WriteString(fmt.Sprintf("%02d: %d  ", h, n))
			}
		}
		s.Rows = append(s.Rows, []string{days[d], text.String()})
	}
	return plot.Plot{ID: "week", Title: "Tokens by the day and the hour in which they were sealed (UTC)", Description: s.Inferences[0].Says}.
		Grid(days, hours, values)
}
