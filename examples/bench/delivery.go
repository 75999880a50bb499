package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/mqtt"
)

// deliveries is how many messages are timed on their way.
const deliveries = 300

// wire is a way from whoever posts to whoever watches: post sends a text, and what came is said on arrived.
type wire struct {
	post    func(ctx context.Context, text string) error
	arrived <-chan string
}

// once times a message from when it is sent to when the watcher has it.
func (w *wire) once(ctx context.Context, n int) (time.Duration, error) {
	text := fmt.Sprintf("message-%d", n)
	begin := time.Now()
	if err := w.post(ctx, text); err != nil {
		return 0, err
	}
	for {
		select {
		case got := <-w.arrived:
			if strings.Contains(got, text+`"`) || got == text {
				return time.Since(begin), nil
			}
		case <-time.After(10 * time.Second):
			return 0, errors.New("a message did not come")
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// delivery compares the way of a message through the relay's stream, stored, with that through an MQTT broker, not stored.
func (b *bench) delivery(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	relay, err := b.relay(ctx, "delivery")
	if err != nil {
		return err
	}
	defer relay.stop()
	ours, _, err := streamed(ctx, relay.url)
	if err != nil {
		return err
	}
	broker, address, err := b.mosquitto(ctx)
	if err != nil || broker == nil {
		return err
	}
	defer func() { _ = broker.Process.Kill(); _ = broker.Wait() }()
	theirs, err := brokered(ctx, address)
	if err != nil {
		return err
	}
	ways := []*wire{ours, theirs}
	var took [2][]time.Duration
	for n := range 2 * deliveries {
		d, err := ways[n%2].once(ctx, n)
		if err != nil {
			return err
		}
		took[n%2] = append(took[n%2], d)
	}
	b.rows = append(b.rows, row{
		"a message from sender to watcher", median(took[0]), "mosquitto, QoS 1", median(took[1]),
		"the relay has it on disk before anybody sees it, mosquitto keeps nothing",
	})
	return nil
}

// streamed watches a new channel of a relay by server-sent events.
func streamed(ctx context.Context, relay string) (*wire, made, error) {
	c, err := channel(ctx, relay)
	if err != nil {
		return nil, c, err
	}
	arrived := make(chan string, 1<<10)
	if err := watch(ctx, relay, c.ID, func(line string) { arrived <- line }); err != nil {
		return nil, c, err
	}
	return &wire{func(ctx context.Context, text string) error {
		return post(ctx, relay+"/update", url.Values{"api_key": {c.writeKey()}, "field1": {text}}.Encode(), nil)
	}, arrived}, c, nil
}

// watch gives the events of a channel to a function, one line each, until the context ends.
func watch(ctx context.Context, relay string, id int64, got func(line string)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/channels/%d/feeds/stream", relay, id), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return fmt.Errorf("the stream is answered with %s", resp.Status)
	}
	lines := bufio.NewReader(resp.Body)
	if _, err := lines.ReadString('\n'); err != nil { // its first event says that it listens
		return err
	}
	go func() {
		defer resp.Body.Close()
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if data, ok := strings.CutPrefix(line, "data:"); ok && strings.Contains(data, "entry_id") {
				got(data)
			}
		}
	}()
	return nil
}

// mosquitto starts a broker without accounts on loopback, or notes that there is none.
func (b *bench) mosquitto(ctx context.Context) (*exec.Cmd, string, error) {
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto"
	}
	if _, err := os.Stat(program); err != nil {
		b.lacks("delivery", "there is no mosquitto")
		return nil, "", nil
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	address := free.Addr().String()
	free.Close()
	_, port, _ := net.SplitHostPort(address)
	settings := filepath.Join(b.dir, "mosquitto.conf")
	text := "listener " + port + " 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nlog_type none\n"
	if err := os.WriteFile(settings, []byte(text), 0o644); err != nil {
		return nil, "", err
	}
	cmd := exec.CommandContext(ctx, program, "-c", settings)
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	for range 100 {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return cmd, "mqtt://" + address, conn.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, "", errors.New("mosquitto does not listen")
}

// brokered watches a topic of a broker.
func brokered(ctx context.Context, address string) (*wire, error) {
	watcher, err := mqtt.Dial(ctx, address, mqtt.Credentials{ClientID: "watcher"}, mqtt.DialOptions{})
	if err != nil {
		return nil, err
	}
	arrived := make(chan string, 1<<10)
	if err := watcher.Subscribe(ctx, "bench", func(m mqtt.Message) { arrived <- string(m.Payload) }); err != nil {
		return nil, err
	}
	sender, err := mqtt.Dial(ctx, address, mqtt.Credentials{ClientID: "sender"}, mqtt.DialOptions{})
	if err != nil {
		return nil, err
	}
	return &wire{func(ctx context.Context, text string) error {
		return sender.Publish(ctx, "bench", []byte(text), 1)
	}, arrived}, nil
}

// nothing is the argument with which this program serves nothing.
const nothing = "serve-nothing"

// serveNothing answers each request with "1", which is the least that a relay could do.
func serveNothing() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("listening on http://%s\n", l.Addr())
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:gosec // for as long as bench runs
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write([]byte("1"))
	}))
}

// limits compares an update, on disk, with a server that does nothing and with a write that is synchronized.
func (b *bench) limits(ctx context.Context) error {
	relay, err := b.relay(ctx, "limits")
	if err != nil {
		return err
	}
	defer relay.stop()
	c, err := channel(ctx, relay.url)
	if err != nil {
		return err
	}
	own, err := os.Executable()
	if err != nil {
		return err
	}
	idle, err := start(ctx, b.dir, own, nothing)
	if err != nil {
		return err
	}
	defer idle.stop()
	form := url.Values{"api_key": {c.writeKey()}, "field1": {strings.Repeat("x", 248)}}.Encode()
	update := func(s *server) func(context.Context) error {
		return func(ctx context.Context) error { return post(ctx, s.url+"/update", form, nil) }
	}
	one, other, err := callsInTurn(ctx, 500, update(relay), update(idle))
	if err != nil {
		return err
	}
	b.rows = append(b.rows, row{"one update", one, "a server that does nothing", other, "the relay answers once the entry is on disk"})
	kept, err := os.Create(filepath.Join(b.dir, "kept"))
	if err != nil {
		return err
	}
	defer kept.Close()
	page := bytes.Repeat([]byte{1}, 4096)
	one, other, err = callsInTurn(ctx, 500, update(relay), func(context.Context) error {
		_, err := kept.Write(page)
		return errors.Join(err, kept.Sync())
	})
	if err != nil {
		return err
	}
	b.rows = append(b.rows, row{"one update", one, "a file, synchronized", other, ""})
	one, other, err = atOnce(ctx, update(relay), update(idle))
	b.rows = append(b.rows, row{"one of 16 updates at once", one, "a server that does nothing", other, ""})
	return err
}

// atOnce makes calls from 16 connections, of each kind for a second in turn, and returns how long one takes of the whole.
func atOnce(ctx context.Context, ours, theirs func(context.Context) error) (one, other time.Duration, err error) {
	var took [2][]time.Duration
	for n := range 6 {
		d, err := burst(ctx, []func(context.Context) error{ours, theirs}[n%2])
		if err != nil {
			return 0, 0, err
		}
		took[n%2] = append(took[n%2], d)
	}
	return median(took[0]), median(took[1]), nil
}

func burst(ctx context.Context, call func(context.Context) error) (time.Duration, error) {
	const connections = 16
	type end struct {
		calls int
		err   error
	}
	ends := make(chan end, connections)
	begin := time.Now()
	for range connections {
		go func() {
			var e end
			for time.Since(begin) < time.Second && e.err == nil {
				e.err = call(ctx)
				e.calls++
			}
			ends <- e
		}()
	}
	calls := 0
	var failed error
	for range connections {
		e := <-ends
		calls, failed = calls+e.calls, errors.Join(failed, e.err)
	}
	return time.Since(begin) / time.Duration(max(calls, 1)), failed
}
