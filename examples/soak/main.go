// Soak lets fernpost run for a while as a class uses it, with everything going wrong that can: a relay and senders that are killed, and
// connections that are cut. At the end each room is read by somebody who was not there, and holds what was written, once.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// figures are what a run has come to.
type figures struct {
	Seed    uint64 `json:"seed"`
	Took    string `json:"took"`
	Rooms   int    `json:"rooms"`
	Entries int    `json:"entries"` // messages that a room holds at the end
	Kills   int64  `json:"kills"`   // of the relay
	Killed  int64  `json:"killed"`  // senders
	Cuts    int64  `json:"cuts"`    // of all connections
	Lost    int    `json:"lost"`
	Doubled int    `json:"doubled"`
	Memory  int64  `json:"memory_kib"` // of the relay, at most
	Files   int    `json:"files"`      // that the relay has open at the end
}

// soak is one run.
type soak struct {
	dir, fernpost string
	figures
	kills, killed, cuts atomic.Int64
	door                *door
	relay               *exec.Cmd
}

// room is a conversation, and what was written in it.
type room struct {
	home    string // of whoever writes
	channel string
	random  *rand.Rand
	// kept were said to be kept, and begun may be.
	kept, begun map[string]bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, to io.Writer) (err error) {
	var s soak
	var length time.Duration
	var asJSON bool
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.DurationVar(&length, "for", time.Minute, "run for this `TIME`")
	flags.Uint64Var(&s.Seed, "seed", rand.Uint64(), "repeat the choices of a run with this `NUMBER`")
	flags.IntVar(&s.Rooms, "rooms", 4, "use so `MANY` rooms")
	flags.BoolVar(&asJSON, "json", false, "print one JSON object")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || s.Rooms < 1 || length <= 0 {
		return errors.New("want no arguments, a time and rooms above 0; -h lists the flags")
	}
	fmt.Fprintf(os.Stderr, "seed %d\n", s.Seed)
	if s.dir, err = os.MkdirTemp("", "fernpost-soak-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	if err := s.build(ctx); err != nil {
		return err
	}
	begin := time.Now()
	rooms, err := s.work(ctx, length)
	if s.relay != nil {
		defer s.stop()
	}
	if err != nil {
		return err
	}
	if err := s.count(ctx, rooms); err != nil {
		return err
	}
	s.Took = time.Since(begin).Round(time.Second).String()
	s.Kills, s.Killed, s.Cuts = s.kills.Load(), s.killed.Load(), s.cuts.Load()
	if err := s.print(to, asJSON); err != nil {
		return err
	}
	if s.Lost+s.Doubled > 0 {
		return fmt.Errorf("%d messages were lost, and %d are there twice: run it again with -seed %d", s.Lost, s.Doubled, s.Seed)
	}
	return nil
}

func (s *soak) build(ctx context.Context) error {
	top, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("run it in fernpost's folder: %w", err)
	}
	s.fernpost = filepath.Join(s.dir, "fernpost")
	build := exec.CommandContext(ctx, "go", "build", "-o", s.fernpost, "./cmd/fernpost")
	build.Dir, build.Stderr = strings.TrimSpace(string(top)), os.Stderr
	return build.Run()
}

// command is the program in a home, at the address that outlives relays.
func (s *soak) command(ctx context.Context, home string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.fernpost, args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME=", "XDG_CONFIG_HOME=", "NO_PROXY=*",
		"FERNPOST_PASSPHRASE=maple orbit velvet thunder pickle canyon", "FERNPOST_RELAY=http://"+s.door.address())
	return cmd
}

// start starts the relay, behind the door.
func (s *soak) start(ctx context.Context) error {
	s.relay = s.command(ctx, s.dir, "relay", "--listen", "127.0.0.1:0", "--interval", "0s", "--data", filepath.Join(s.dir, "relay"))
	out, err := s.relay.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.relay.Start(); err != nil {
		return err
	}
	line := make([]byte, 200)
	n, err := out.Read(line)
	at := regexp.MustCompile(`http://(\S+)`).FindSubmatch(line[:n])
	if at == nil {
		return fmt.Errorf("the relay does not listen: %q, %w", line[:n], err)
	}
	s.door.lead(string(at[1]))
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return nil
}

func (s *soak) stop() {
	_ = s.relay.Process.Kill()
	_ = s.relay.Wait()
}

// work makes the rooms and writes in them, while things go wrong, and ends with a relay that serves.
func (s *soak) work(ctx context.Context, length time.Duration) (rooms []*room, err error) {
	if s.door, err = openDoor(); err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	for n := range s.Rooms {
		r := &room{
			home: filepath.Join(s.dir, fmt.Sprint("home", n)), random: rand.New(rand.NewPCG(s.Seed, uint64(n)+1)),
			kept: map[string]bool{}, begun: map[string]bool{},
		}
		if err := os.Mkdir(r.home, 0o700); err != nil {
			return nil, err
		}
		out, err := s.command(ctx, r.home, "init", "lab", "--profile", profile).CombinedOutput()
		id := regexp.MustCompile(`channel +(\d+)`).FindSubmatch(out)
		if err != nil || id == nil {
			return nil, fmt.Errorf("making a room: %w: %s", err, out)
		}
		r.channel = string(id[1])
		rooms = append(rooms, r)
	}
	bounded, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var writers sync.WaitGroup
	for _, r := range rooms {
		writers.Go(func() { s.write(bounded, r) })
	}
	err = s.trouble(ctx, bounded)
	writers.Wait()
	return rooms, errors.Join(err, ctx.Err())
}

// profile derives its key at once: what takes time is to be the rooms.
const profile = "custom:kdf=sha256,form=records"

// write sends one message after the other, and kills every fifth sender.
func (s *soak) write(ctx context.Context, r *room) {
	for n := 1; ctx.Err() == nil; n++ {
		text := fmt.Sprint("message ", n)
		r.begun[text] = true
		life := time.Minute
		if r.random.IntN(5) == 0 {
			life = time.Duration(r.random.IntN(300)) * time.Millisecond
		}
		alive, cancel := context.WithTimeout(ctx, life)
		// Without waiting it is said to be kept; whoever sends next posts it as well.
		how := []string{"send", text}
		if r.random.IntN(3) == 0 {
			how = []string{"send", "--queue", text}
		}
		err := s.command(alive, r.home, how...).Run()
		if err == nil {
			r.kept[text] = true
		} else if alive.Err() != nil {
			s.killed.Add(1)
		}
		cancel()
	}
}

// trouble kills the relay and cuts connections until the time is over.
func (s *soak) trouble(ctx, bounded context.Context) error {
	random := rand.New(rand.NewPCG(s.Seed, 0))
	for {
		select {
		case <-bounded.Done():
			return nil
		case <-time.After(time.Duration(200+random.IntN(1800)) * time.Millisecond):
		}
		s.look()
		if random.IntN(2) == 0 {
			s.door.cut()
			s.cuts.Add(1)
			continue
		}
		s.stop()
		s.kills.Add(1)
		if err := s.start(ctx); err != nil {
			return err
		}
	}
}

// look takes down what the relay uses. Where the system has no /proc, that is nothing.
func (s *soak) look() {
	at := fmt.Sprintf("/proc/%d/", s.relay.Process.Pid)
	status, _ := os.ReadFile(at + "status")
	if m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status); m != nil {
		var kib int64
		_, _ = fmt.Sscan(string(m[1]), &kib)
		s.Memory = max(s.Memory, kib)
	}
	files, _ := os.ReadDir(at + "fd")
	s.Files = len(files)
}

// count posts what waits, and has somebody new read each room.
func (s *soak) count(ctx context.Context, rooms []*room) error {
	for n, r := range rooms {
		if out, err := s.command(ctx, r.home, "outbox", "--retry").CombinedOutput(); err != nil {
			return fmt.Errorf("posting what waits in room %d: %w: %s", n, err, out)
		}
		home := filepath.Join(s.dir, fmt.Sprint("reader", n))
		if err := os.Mkdir(home, 0o700); err != nil {
			return err
		}
		if out, err := s.command(ctx, home, "join", "lab", "--channel", r.channel, "--profile", profile).CombinedOutput(); err != nil {
			return fmt.Errorf("joining room %d: %w: %s", n, err, out)
		}
		out, err := s.command(ctx, home, "recv", "-n", "0", "--json").Output()
		if err != nil {
			return fmt.Errorf("reading room %d: %w", n, err)
		}
		seen := map[string]int{}
		for line := range strings.Lines(string(out)) {
			var m struct{ Text string }
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				return fmt.Errorf("reading room %d: %w", n, err)
			}
			if m.Text != "" {
				seen[m.Text]++
			}
		}
		s.judge(r, seen)
	}
	s.look()
	return nil
}

// judge holds what a reader has seen against what was written.
func (s *soak) judge(r *room, seen map[string]int) {
	for text, times := range seen {
		s.Entries++
		if times > 1 || !r.begun[text] {
			s.Doubled++
		}
	}
	for text := range r.kept {
		if seen[text] == 0 {
			s.Lost++
		}
	}
}

func (s *soak) print(to io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(to).Encode(s.figures)
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "rooms\t%d\nmessages\t%d\nrelay killed\t%d\nsenders killed\t%d\nconnections cut\t%d\nlost\t%d\ndoubled\t%d\n",
		s.Rooms, s.Entries, s.Kills, s.Killed, s.Cuts, s.Lost, s.Doubled)
	fmt.Fprintf(w, "memory\t%d KiB\nopen files\t%d\ntook\t%s\nseed\t%d\n", s.Memory, s.Files, s.Took, s.Seed)
	return w.Flush()
}

// door is an address that leads to whichever relay serves, and cuts connections.
type door struct {
	listener net.Listener
	mu       sync.Mutex // guards what follows
	to       string
	open     map[net.Conn]bool
}

func openDoor() (*door, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &door{listener: l, open: map[net.Conn]bool{}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go d.pass(c)
		}
	}()
	return d, nil
}

func (d *door) address() string { return d.listener.Addr().String() }

// lead makes the door lead to another relay.
func (d *door) lead(to string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.to = to
}

// cut ends all connections, wherever they are.
func (d *door) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.open {
		_ = c.Close()
	}
}

// pass carries what comes, both ways, until one side ends.
func (d *door) pass(client net.Conn) {
	defer client.Close()
	d.mu.Lock()
	d.open[client] = true
	to := d.to
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.open, client)
	}()
	relay, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer relay.Close()
	go func() {
		_, _ = io.Copy(relay, client)
		_ = relay.Close()
	}()
	_, _ = io.Copy(client, relay)
}
