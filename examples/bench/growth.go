package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/plot"
)

// grow measures what costs more with more entries, channels, watchers and rooms.
func (b *bench) grow(ctx context.Context) error {
	for _, by := range []func(context.Context) error{b.byEntries, b.byChannels, b.byWatchers, b.byRooms} {
		if err := by(ctx); err != nil {
			return err
		}
	}
	return nil
}

// byEntries fills a channel from files, and then reads its newest entries and writes to it.
func (b *bench) byEntries(ctx context.Context) error {
	sizes := []int{1_000, 10_000, 100_000, 1_000_000}
	if b.long {
		sizes = append(sizes, 10_000_000)
	}
	read := grown{What: "the newest 100 entries as CSV, by the entries of the channel"}
	write := grown{What: "one update, by the entries of the channel"}
	var c made
	if _, err := b.once(ctx, &c); err != nil { // it makes the channel
		return err
	}
	have := 0
	for _, size := range sizes {
		if err := b.imports(ctx, "entries", c.ID, have, size, reading); err != nil {
			return err
		}
		have = size
		took, err := b.once(ctx, &c)
		if err != nil {
			return err
		}
		read.Points, write.Points = append(read.Points, point{size, took[0]}), append(write.Points, point{size, took[1]})
	}
	b.growth = append(b.growth, read, write)
	return nil
}

// once starts the relay of the large channel, and times a reading and an update.
func (b *bench) once(ctx context.Context, c *made) (took [2]time.Duration, err error) {
	relay, err := b.relay(ctx, "entries")
	if err != nil {
		return took, err
	}
	defer relay.stop()
	if c.ID == 0 {
		if *c, err = channel(ctx, relay.url); err != nil {
			return took, err
		}
	}
	form := url.Values{"api_key": {c.writeKey()}, "field1": {"x"}}.Encode()
	took[0], took[1], err = callsInTurn(ctx, 100,
		func(ctx context.Context) error {
			return get(ctx, fmt.Sprintf("%s/channels/%d/feeds.csv?results=100", relay.url, c.ID))
		},
		func(ctx context.Context) error { return post(ctx, relay.url+"/update", form, nil) })
	return took, err
}

// get reads an answer to its end.
func get(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// imports adds rows to a channel of a relay, from one number of them to another, whether it runs or not.
func (b *bench) imports(ctx context.Context, relay string, id int64, from, to int, value func(n int) string) error {
	name := filepath.Join(b.dir, "rows.csv")
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer os.Remove(name)
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "created_at,entry_id,field1")
	began := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for n := from; n < to; n++ {
		at := began.Add(time.Duration(n) * time.Second)
		fmt.Fprintf(w, "%s,%d,%s\n", at.Format("2006-01-02 15:04:05 UTC"), n+1, value(n))
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return err
	}
	importing := command{
		[]string{"HOME=" + b.dir},
		b.fernpost,
		[]string{"-q", "relay", "import", "--data", filepath.Join(b.dir, relay), "--channel", fmt.Sprint(id), name},
	}
	_, err = importing.run(ctx)
	return err
}

// reading is what a sensor says.
func reading(n int) string { return fmt.Sprintf("%d.5", n%40) }

// byChannels times an update of one channel of many.
func (b *bench) byChannels(ctx context.Context) error {
	relay, err := b.relay(ctx, "channels", "--max-open-channels", "100000")
	if err != nil {
		return err
	}
	defer relay.stop()
	g := grown{What: "one update, by the channels of the relay"}
	have := 0
	for _, size := range []int{10, 100, 1_000} {
		var c made
		for ; have < size; have++ {
			if c, err = channel(ctx, relay.url); err != nil {
				return err
			}
		}
		form := url.Values{"api_key": {c.writeKey()}, "field1": {"x"}}.Encode()
		call := func(ctx context.Context) error { return post(ctx, relay.url+"/update", form, nil) }
		took, _, err := callsInTurn(ctx, 100, call, call)
		if err != nil {
			return err
		}
		g.Points = append(g.Points, point{size, took})
	}
	b.growth = append(b.growth, g)
	return nil
}

// byWatchers times how long it takes until the last of many watchers has an entry.
func (b *bench) byWatchers(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	relay, err := b.relay(ctx, "watchers")
	if err != nil {
		return err
	}
	defer relay.stop()
	c, err := channel(ctx, relay.url)
	if err != nil {
		return err
	}
	g := grown{What: "until the last watcher has an entry, by the watchers of the channel"}
	form := url.Values{"api_key": {c.writeKey()}, "field1": {"x"}}.Encode()
	var have int
	var all sync.WaitGroup
	for _, size := range []int{1, 10, 100, 1_000} {
		for ; have < size; have++ {
			if err := watch(ctx, relay.url, c.ID, func(string) { all.Done() }); err != nil {
				return fmt.Errorf("watcher %d: %w", have+1, err)
			}
		}
		var took []time.Duration
		for range 9 {
			all.Add(size)
			begin := time.Now()
			if err := post(ctx, relay.url+"/update", form, nil); err != nil {
				return err
			}
			all.Wait()
			took = append(took, time.Since(begin))
		}
		g.Points = append(g.Points, point{size, median(took)})
	}
	b.growth = append(b.growth, g)
	return nil
}

// byRooms times a command on a device with many rooms.
func (b *bench) byRooms(ctx context.Context) error {
	home := filepath.Join(b.dir, "many")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	relay, err := b.relay(ctx, "rooms")
	if err != nil {
		return err
	}
	defer relay.stop()
	own := func(args ...string) command {
		return command{[]string{"HOME=" + home, "XDG_DATA_HOME=", "XDG_CONFIG_HOME="}, b.fernpost, args}
	}
	make := own("init", "room1", "--relay", relay.url, "--generate")
	if _, err := make.run(ctx); err != nil {
		return err
	}
	folder := filepath.Join(home, ".local", "share", "fernpost", "rooms")
	text, err := os.ReadFile(filepath.Join(folder, "room1.json"))
	if err != nil {
		return err
	}
	g := grown{What: "send, by the rooms of the device"}
	have := 1
	for _, size := range []int{1, 10, 100, 300} {
		for ; have < size; have++ {
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("room%d.json", have+1)), text, 0o600); err != nil {
				return err
			}
		}
		var took []time.Duration
		for range b.times {
			send := own("send", "--room", "room1", "x")
			d, err := send.run(ctx)
			if err != nil {
				return err
			}
			took = append(took, d)
		}
		g.Points = append(g.Points, point{size, median(took)})
	}
	b.growth = append(b.growth, g)
	return nil
}

// draw draws the ratios.
func (b *bench) draw(name string) error {
	var bars []plot.Bar
	for i := range b.rows {
		r := &b.rows[i]
		bars = append(bars, plot.Bar{Label: fmt.Sprintf("%s (%s)", r.What, r.Other), Value: math.Round(r.ratio()*100) / 100})
	}
	picture, err := plot.Plot{
		ID: "bench", Width: 720, Title: "How often what fernpost takes fits into what the other takes",
		Description: "Above 1 fernpost is ahead. Measured on " + machine(),
	}.Bars(bars)
	if err != nil {
		return err
	}
	const colours = ":root { --ink: #1c2733; --faint: #5c6b7a; --line: #d6dde4; --accent: #1a6b5a }\n" +
		"@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --faint: #9aa8b5; --line: #39434d; --accent: #4fb79b } }\n"
	styled := strings.Replace(string(picture), ">", "><style>"+colours+plot.Style+"</style>", 1)
	return os.WriteFile(name, []byte(styled), 0o644)
}
