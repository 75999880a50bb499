// Bench measures fernpost on the machine that it runs on, against what people would take instead: the tutorials' Python scripts,
// their /encrypt service in Flask, an MQTT broker, and against what the machine can do at all. What is compared runs in turn, in
// one run, so that the ratios count and not the times.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// row is one comparison: what fernpost takes, and what the other one does.
type row struct {
	What  string        `json:"what"`
	Ours  time.Duration `json:"ours_ns"`
	Other string        `json:"other"`
	Their time.Duration `json:"other_ns"`
	// Note says what the two do not have in common.
	Note string `json:"note,omitempty"`
}

// ratio is how often ours fits into theirs: above 1 fernpost is ahead.
func (r *row) ratio() float64 { return r.Their.Seconds() / r.Ours.Seconds() }

// grown is what something costs with more and more of what it may depend on.
type grown struct {
	What   string  `json:"what"`
	Points []point `json:"points"`
}

type point struct {
	Of   int           `json:"of"`
	Took time.Duration `json:"took_ns"`
}

// bench is one run.
type bench struct {
	dir      string // everything lies below it, and it is removed at the end
	fernpost string // the program
	scripts  string // examples, with the scripts of others
	times    int    // how often each process is measured
	long     bool
	rows     []row
	growth   []grown
	missing  []string // what could not be compared, and why
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == nothing {
		serveNothing()
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var b bench
	var picture, only string
	var asJSON bool
	flag.StringVar(&picture, "o", "", "draw the ratios into this SVG `FILE`")
	flag.StringVar(&only, "only", "", "measure the groups whose names have this `TEXT` in them: processes, encrypt, delivery, limits, growth")
	flag.BoolVar(&asJSON, "json", false, "print one JSON object")
	flag.BoolVar(&b.long, "long", false, "grow a channel to 10 million entries, which takes minutes and 3 GB below TMPDIR")
	flag.IntVar(&b.times, "times", 15, "measure each process so `OFTEN`")
	flag.Parse()
	if flag.NArg() > 0 || b.times < 1 {
		return errors.New("want no arguments, and -times above 0; -h lists the flags")
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	for _, group := range []struct {
		name    string
		measure func(context.Context) error
	}{
		{"processes", b.processes},
		{"encrypt", b.encrypt},
		{"delivery", b.delivery},
		{"limits", b.limits},
		{"growth", b.grow},
	} {
		if !strings.Contains(group.name, only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s …\n", group.name)
		if err := group.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", group.name, err)
		}
	}
	if picture != "" {
		if err := b.draw(picture); err != nil {
			return err
		}
	}
	if asJSON {
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"rows": b.rows, "growth": b.growth, "missing": b.missing, "machine": machine()})
	}
	return b.print(os.Stdout)
}

// prepare builds the program and finds the scripts.
func (b *bench) prepare(ctx context.Context) (err error) {
	top, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("run it in fernpost's folder: %w", err)
	}
	if b.dir, err = os.MkdirTemp("", "fernpost-bench-"); err != nil {
		return err
	}
	root := strings.TrimSpace(string(top))
	b.fernpost, b.scripts = filepath.Join(b.dir, "fernpost"), filepath.Join(root, "examples")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.fernpost, "./cmd/fernpost")
	build.Dir, build.Stderr = root, os.Stderr
	return build.Run()
}

func machine() string {
	return fmt.Sprintf("%d processors, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// lacks notes what is not compared.
func (b *bench) lacks(what, why string) { b.missing = append(b.missing, what+": "+why) }

func (b *bench) print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s, %s\n\n", time.Now().Format(time.DateOnly), machine())
	if len(b.rows) > 0 {
		fmt.Fprintln(w, "WHAT\tFERNPOST\tOTHER\tTAKES\tRATIO\tAHEAD")
	}
	for i := range b.rows {
		r := &b.rows[i]
		ahead := "fernpost"
		switch ratio := r.ratio(); {
		case ratio < 0.95:
			ahead = r.Other
		case ratio < 1.05:
			ahead = "nobody"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.2f\t%s\n", r.What, short(r.Ours), r.Other, short(r.Their), r.ratio(), ahead)
	}
	for _, r := range b.rows {
		if r.Note != "" {
			fmt.Fprintf(w, "\n%s: %s", r.What, r.Note)
		}
	}
	fmt.Fprintln(w)
	for _, g := range b.growth {
		fmt.Fprintf(w, "\n%s\n", g.What)
		for _, p := range g.Points {
			fmt.Fprintf(w, "  %d\t%s\n", p.Of, short(p.Took))
		}
	}
	for _, m := range b.missing {
		fmt.Fprintf(w, "\nnot compared: %s\n", m)
	}
	return w.Flush()
}

// short writes a time with three digits.
func short(d time.Duration) string {
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if d >= unit {
			digits := unit / 100
			if d >= 10*unit {
				digits = unit / 10
			}
			return d.Round(digits).String()
		}
	}
	return d.String()
}

// median returns the middle of some times, which need no order.
func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2]
}
