package main

import (
	"bytes"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fernpost/fernpost/internal/testenv"
)

// seat is somebody in front of a terminal, on which a command runs.
type seat struct {
	*terminal

	t       *testing.T
	cmd     *exec.Cmd
	before  unix.Termios
	ended   chan error
	watched chan struct{}
}

func (d *device) sit(columns, lines uint16, args ...string) *seat {
	d.t.Helper()
	term, err := openTerminal()
	if err != nil {
		d.t.Fatal(err)
	}
	s := &seat{terminal: term, t: d.t, cmd: d.command(args...), ended: make(chan error, 1), watched: make(chan struct{})}
	s.resize(columns, lines)
	s.before = s.settings()
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = term.device, term.device, term.device
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	go func() {
		defer close(s.watched)
		s.watch()
	}()
	go func() { s.ended <- s.cmd.Wait() }()
	d.t.Cleanup(func() {
		s.cmd.Process.Kill()
		term.device.Close()
		term.keyboard.Close()
	})
	return s
}

func (s *seat) resize(columns, lines uint16) {
	s.t.Helper()
	if err := unix.IoctlSetWinsize(int(s.keyboard.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: lines}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *seat) settings() unix.Termios {
	s.t.Helper()
	settings, err := unix.IoctlGetTermios(int(s.device.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	return *settings
}

func (s *seat) types(keys string) {
	s.t.Helper()
	if _, err := s.keyboard.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

func (s *seat) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.screen)
}

// sees waits until something was drawn behind what was there before, and returns where that is.
func (s *seat) sees(expression string, from int) int {
	s.t.Helper()
	re, until := regexp.MustCompile(expression), time.Now().Add(testenv.Patience)
	for {
		if at := s.shows(re, from); at > 0 {
			return at
		}
		select {
		case err := <-s.ended:
			s.t.Fatalf("it ends (%v) before %s is seen:\n%q", err, expression, s.text())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(until) {
			s.t.Fatalf("%s is not seen:\n%q", expression, s.text())
		}
	}
}

// leaves waits for the end, and checks that the terminal is as it was.
func (s *seat) leaves(code int) {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(testenv.Patience):
		s.t.Fatalf("it does not end:\n%q", s.text())
	}
	if got := s.cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("exits %d, want %d:\n%q", got, code, s.text())
	}
	if s.settings() != s.before {
		s.t.Error("the terminal has other settings than before")
	}
	s.device.Close() // its last end: what the process has written last is read, and then there is an error
	select {
	case <-s.watched:
	case <-time.After(testenv.Patience):
		s.t.Fatal("what was written to the terminal does not end")
	}
	text := s.text()
	for on, off := range map[string]string{"\x1b[?1049h": "\x1b[?1049l", "\x1b[?2004h": "\x1b[?2004l", "\x1b[?25l": "\x1b[?25h", "\x1b[?1004h": "\x1b[?1004l"} {
		if strings.LastIndex(text, on) > strings.LastIndex(text, off) {
			s.t.Errorf("%q is not taken back in\n%q", on, text)
		}
	}
}

// TestChatLeavesTheTerminalAsItWas: however a conversation on the full screen ends, and nothing that was typed is lost.
func TestChatLeavesTheTerminalAsItWas(t *testing.T) {
	t.Parallel()
	server := fastRelay(t)
	for name, c := range map[string]struct {
		end  func(*seat)
		code int
	}{
		"command": {func(s *seat) { s.types("/quit\r") }, 0},
		"Ctrl-C":  {func(s *seat) { s.types("\x03") }, 0},
		"SIGTERM": {func(s *seat) { s.cmd.Process.Signal(syscall.SIGTERM) }, 130},
		"SIGQUIT": {func(s *seat) { s.cmd.Process.Signal(syscall.SIGQUIT) }, 130},
		"SIGINT":  {func(s *seat) { s.cmd.Process.Signal(syscall.SIGINT) }, 130},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t, server, "TERM=xterm-256color")
			number, _ := d.makeRoom()
			channel, err := strconv.ParseInt(number, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			d.must("identity", "name", "ana")
			d.must("send", "what was there before")
			s := d.sit(80, 24, "chat", "lab")
			s.sees("what was there before", 0)
			s.types("hello\x1b\rin two lines\r")
			testenv.Await(t, "the second entry", func() bool { return len(server.Entries(t, channel)) == 2 })
			s.resize(60, 15)
			s.types("again, just before the end\r")
			c.end(s)
			s.leaves(c.code)
			d.must("outbox", "--retry")
			want := []string{`"text":"hello\nin two lines"`}
			if c.code == 0 { // it was typed before the end, which a signal overtakes
				want = append(want, `"text":"again, just before the end"`)
			}
			got := d.must("recv", "--json")
			for _, text := range want {
				if strings.Count(got, text) != 1 {
					t.Errorf("%s is not there once:\n%s", text, got)
				}
			}
		})
	}
}

// A terminal that shows nothing but text is asked nothing: whatever it answered would stand in the conversation.
func TestChatAsksADumbTerminalNothing(t *testing.T) {
	t.Parallel()
	server := fastRelay(t)
	for _, term := range []string{"TERM=dumb", "TERM=", "NO=TERM"} {
		d := newDevice(t, server, term)
		d.makeRoom()
		s := d.sit(80, 24, "chat")
		s.types("hello\n")
		s.sees(`accepted as entry 1`, 0)
		s.types("/quit\n")
		s.leaves(0)
		if bytes.ContainsAny([]byte(s.text()), "\x1b\x07") {
			t.Errorf("%s gets\n%q", term, s.text())
		}
	}
}

// Without colours the full screen has none, whatever else asks for them.
func TestChatHasNoColoursWhereNoneAreWanted(t *testing.T) {
	t.Parallel()
	colours := regexp.MustCompile(`\x1b\[(?:[0-9]+;)*(?:[1-9]|[0-9]{2,3})(?:;[0-9]+)*m`)
	server := fastRelay(t)
	for _, c := range []struct {
		env   []string
		flags []string
		want  bool
	}{
		{[]string{"TERM=xterm-256color"}, nil, true},
		{[]string{"TERM=xterm-256color", "NO_COLOR=1"}, nil, false},
		{[]string{"TERM=xterm-256color", "NO_COLOR=1", "CLICOLOR_FORCE=1"}, nil, false},
		{[]string{"TERM=xterm-256color"}, []string{"--no-color"}, false},
	} {
		d := newDevice(t, server, c.env...)
		d.makeRoom()
		d.must("send", "hello")
		s := d.sit(80, 24, slices.Concat([]string{"chat"}, c.flags)...)
		s.sees("hello", 0)
		s.types("\x03")
		s.leaves(0)
		if got := colours.FindString(s.text()); (got != "") != c.want {
			t.Errorf("%s %s: %q", c.env, c.flags, got)
		}
	}
}
