package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/config"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/screen"
)

// statusLine writes to stderr and keeps a line at its end that is drawn again and again. It belongs to whoever took it
// last: a transfer has its bar there, a question must stand undisturbed, and while nobody has taken it (level 0) it says
// what the relay is slow with.
type statusLine struct {
	to io.Writer
	// columns is how wide the terminal is on which lines are broken, see [breakLines]; nil or 0 for none.
	columns func() int

	mu    sync.Mutex // guards what follows, and what is written
	level int
	drawn string
}

// Write implements [io.Writer]. The line makes way.
func (s *statusLine) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.erase(); err != nil {
		return 0, err
	}
	if s.columns == nil {
		return s.to.Write(p)
	}
	if _, err := io.WriteString(s.to, breakLines(string(p), s.columns())); err != nil {
		return 0, err
	}
	return len(p), nil
}

// beside returns a writer to the same terminal, for which the line makes way, too.
func (s *statusLine) beside(w io.Writer) io.Writer { return &besideStatus{s, w} }

type besideStatus struct {
	status *statusLine
	to     io.Writer
}

func (b *besideStatus) Write(p []byte) (int, error) {
	b.status.mu.Lock()
	defer b.status.mu.Unlock()
	if err := b.status.erase(); err != nil {
		return 0, err
	}
	return b.to.Write(p)
}

// take makes the line the caller's and returns the level to draw at.
func (s *statusLine) take() (level int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.erase()
	s.level++
	return s.level
}

// give hands the line back to whoever had it before.
func (s *statusLine) give() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.erase()
	s.level--
}

// draw draws the line, if it is the caller's and has changed; an empty one takes it away.
func (s *statusLine) draw(level int, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if level != s.level || line == s.drawn {
		return
	}
	if line == "" {
		_ = s.erase()
		return
	}
	fmt.Fprintf(s.to, "\r%s\x1b[K", line)
	s.drawn = line
}

// print writes a line that stays, if it is the caller's turn. It reports whether it was.
func (s *statusLine) print(level int, line string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if level != s.level {
		return false
	}
	_ = s.erase()
	if s.columns != nil {
		line = breakLines(line, s.columns())
	}
	fmt.Fprintln(s.to, line)
	return true
}

func (s *statusLine) erase() error {
	if s.drawn == "" {
		return nil
	}
	s.drawn = ""
	_, err := io.WriteString(s.to, "\r\x1b[K")
	return err
}

// drawsStatus reports whether stderr is a terminal on which a line can be drawn again.
func (a *app) drawsStatus() bool { return a.stderrTerminal && !a.quiet && a.getenv("TERM") != "dumb" }

// slow says what takes long: on a terminal by a line that is drawn again, elsewhere by a line now and then, in a stream
// of events by one of them.
func (a *app) slow(s exchange.SlowCall) {
	a.relaySlow.Store(!s.Over)
	switch {
	case a.quiet:
	case a.slowEvents:
		if !s.Over {
			// What cannot be printed now cannot be printed later either: the result says so.
			_ = a.printJSON(slowJSON{"slow", s.Doing, s.For.Seconds(), s.Bytes})
		}
	case a.drawsStatus():
		line := ""
		if !s.Over {
			line = a.style.dim(excerpt(slowText(s), a.width-1))
		}
		a.status.draw(0, line)
	case !s.Over && !a.relayAway.Load() && time.Since(time.Unix(0, a.slowSaid.Load())) >= printEvery:
		if a.status.print(0, screen.Line(slowText(s))) {
			a.slowSaid.Store(time.Now().UnixNano())
		}
	}
}

// tryingParts says on a terminal, in the line of what is slow, that joining parts takes long; triedParts takes that away.
func (a *app) tryingParts(rounds int) {
	a.trying.Store(true)
	if a.drawsStatus() {
		a.status.draw(0, a.style.dim(excerpt(fmt.Sprintf("still joining parts that fit in many ways, round %d", rounds+1), a.width-1)))
	}
}

func (a *app) triedParts() {
	a.trying.Store(false)
	a.status.draw(0, "")
}

// computingAfter is how long something may take until people are told.
const computingAfter = 3 * time.Second

// computing says on a terminal, in the line of what is slow, that something takes long which is no call of a relay, until
// the function that it returns is called: what, and for how long.
func (a *app) computing(doing func() string) (done func()) {
	if !a.drawsStatus() {
		return func() {}
	}
	began := time.Now()
	return a.eachSecond(func(now time.Time) string {
		if long := now.Sub(began); long >= computingAfter {
			return fmt.Sprintf("still %s: %v", doing(), long.Round(time.Second))
		}
		return ""
	})
}

// eachSecond draws a line once a second in the place of what is slow, unless something is, until the function that it returns
// is called. Nothing is drawn where the line is empty.
func (a *app) eachSecond(line func(now time.Time) string) (done func()) {
	ended := make(chan struct{})
	var drawing sync.WaitGroup
	drawing.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case now := <-tick.C:
				if a.relaySlow.Load() || a.trying.Load() {
					continue
				}
				if line := line(now); line != "" {
					a.status.draw(0, a.style.dim(excerpt(line, a.width-1)))
				}
			}
		}
	})
	return sync.OnceFunc(func() {
		close(ended)
		drawing.Wait()
		a.status.draw(0, "")
	})
}

func derivingKey() string { return "deriving the key from the passphrase" }

func slowText(s exchange.SlowCall) string {
	if s.Bytes == 0 {
		return fmt.Sprintf("still %s: no answer from %s for %v", s.Doing, s.Host, s.For.Round(time.Second))
	}
	return fmt.Sprintf("still %s: %s from %s in %v", s.Doing, size(s.Bytes), s.Host, s.For.Round(time.Second))
}

// size writes a number of bytes for people.
func size(bytes int64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%d KiB", (bytes+1023)>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}

// readBudget is the flag that says how many bytes a reading may bring.
type readBudget int64

// Set implements [pflag.Value].
func (b *readBudget) Set(s string) error {
	n, err := config.ParseLimit(s)
	if err == nil {
		*b = readBudget(n)
	}
	return err
}

// String implements [pflag.Value].
func (b *readBudget) String() string { return config.FormatSize(int64(*b)) }

// Type implements [pflag.Value].
func (*readBudget) Type() string { return "SIZE" }
