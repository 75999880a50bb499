package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/guptarohit/asciigraph"
	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/eavesdrop"
	"github.com/fernpost/fernpost/internal/eavesdrop/report"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/plot"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

func (a *app) eavesdropReportCommand() *cobra.Command {
	var o openFeed
	var out string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Say what a feed gives away: lengths, clocks, habits, devices",
		Long: `report reads all of a feed as anybody can and says what follows from it without a key: how messages are written and how long
they can be, what the clocks tell, when somebody writes and sleeps, what the channel is for and how many devices write; with how
sure each of that is, how it was computed, how many bits a message gives away by it where that can be counted, and "cannot tell"
where the feed does not say.

--out writes it as a page for a browser, with pictures and the numbers behind them: one file, which needs no network and no script,
and can be printed.`,
		Example: `  fernpost eavesdrop report --room lab
  fernpost eavesdrop report --csv feeds.csv --out report.html
  fernpost eavesdrop report --channel 1234567 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON && out != "" {
				return usagef("--json and --out exclude each other")
			}
			err := a.eavesdropReport(cmd.Context(), &o, out, asJSON)
			if o.channel != 0 {
				err = beforeRoom(err)
			}
			return err
		},
	}
	o.add(cmd.Flags())
	cmd.Flags().StringVarP(&out, "out", "o", "", "write the report as a page into this new `FILE`, - is standard output")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

func (a *app) eavesdropReport(ctx context.Context, o *openFeed, out string, asJSON bool) error {
	var seen eavesdrop.Analysis
	end, of, err := a.readOpenFeed(ctx, o, func(e *thingspeak.Entry) error {
		seen.Add(e)
		return nil
	})
	r, ended := seen.Report(ctx)
	if ended != nil {
		return cmp.Or(err, ended)
	}
	if err != nil && r.Entries == 0 {
		return err
	}
	if shown := a.showReport(&r, of, out, asJSON); shown != nil {
		return shown
	}
	a.tellUnread(model.Room{}, &end, asJSON)
	if err != nil {
		return partlyError{err}
	}
	return end.incomplete()
}

// readOpenFeed reads all of a feed, and returns what to call it.
func (a *app) readOpenFeed(ctx context.Context, o *openFeed, visit func(*thingspeak.Entry) error) (end feedEnd, of string, err error) {
	if o.csv.name != "" {
		end, err = a.readCSV(ctx, o.csv, visit)
		return end, feedName(o.csv.name), err
	}
	client, err := a.dialUnkeyed(ctx, o)
	if err != nil {
		return end, "", err
	}
	defer client.Close()
	all, err := client.Newest(ctx, 0, visit)
	of = "channel " + fmt.Sprint(o.channel)
	if o.channel == 0 {
		of = "the channel of room " + cmp.Or(o.room, "default")
	}
	return feedEnd{End: all}, of, o.explain(err)
}

func (a *app) showReport(r *eavesdrop.Report, of, out string, asJSON bool) error {
	switch {
	case out != "":
		err := a.write(out, 0o644, func(w io.Writer) error { return report.Write(w, r, report.Page{Of: of, At: time.Now()}) })
		if err == nil && out != "-" {
			a.say("the report is in %s: open it in a browser", out)
		}
		return err
	case asJSON:
		for _, i := range r.Inferences {
			j := inferenceJSON{Topic: string(i.Topic), Says: i.Says, Certainty: i.Certainty, How: i.How}
			if i.Counted {
				j.Bits = new(i.Bits)
			}
			if err := a.printJSON(j); err != nil {
				return err
			}
		}
		return nil
	}
	var b strings.Builder
	topic := eavesdrop.Topic("")
	for _, i := range r.Inferences {
		if i.Topic != topic {
			topic = i.Topic
			fmt.Fprintf(&b, "%s (%s)\n", a.style.bold(strings.ToUpper(string(topic))), report.BitsText(r.Bits(topic)))
		}
		fmt.Fprintf(&b, "  %s", screen.Line(i.Says))
		if sure := report.CertaintyText(i.Certainty); sure != "" {
			fmt.Fprintf(&b, " (%s)", sure)
		}
		b.WriteByte('\n')
		if topic == eavesdrop.Clocks && i.Counted {
			b.WriteString(a.offsetsText(r))
		}
	}
	if len(r.Inferences) == 0 {
		a.say("nothing to see: %s, and no token in them", count(r.Entries, "entry"))
	}
	return a.printLines(b.String())
}

// offsetsText draws the offsets of the clocks, in whole seconds.
func (a *app) offsetsText(r *eavesdrop.Report) string {
	points := make([]plot.Point, len(r.Offsets))
	for i, o := range r.Offsets {
		points[i] = plot.Point{Time: o.Posted, Value: o.Seconds}
	}
	const beside = 16 // the axis
	var values []float64
	for _, c := range plot.Columns(points, max(min(a.width, 100)-beside, 1)) {
		values = append(values, c.Median)
	}
	if len(values) < 3 || a.width < 2*beside {
		return ""
	}
	lines := min(8, max(int(slices.Max(values)-slices.Min(values)), 1)) // of a second there is no half
	var b strings.Builder
	b.WriteString("    seconds that the clock inside is ahead of the relay's, in the order of time:\n")
	drawn := asciigraph.Plot(values, asciigraph.Height(lines), asciigraph.Precision(0), asciigraph.Offset(2))
	for line := range strings.Lines(drawn) {
		b.WriteString("    " + strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}
