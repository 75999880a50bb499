package pgtest

import (
	"errors"
	"os"
	"testing"
)

// Stop ends the server in order: its clients are cut off, and a standby gets everything before it has ended.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	if err := s.stop(fast); err != nil {
		tb.Fatalf("stopping PostgreSQL: %v", err)
	}
}

// StopHard ends the server as a loss of power would, but for what the system had not yet written to its disk: nobody is
// told, and nothing that was under way goes on. When it returns, no process of the server is left that could still
// answer, or talk to a standby. Like [Server.Pause] it is for Linux.
func (s *Server) StopHard(tb testing.TB) {
	tb.Helper()
	// The first process is held while the others are killed. It must not be killed too: it gives back the system's
	// shared memory, and writes nothing.
	s.Pause(tb)
	for _, pid := range s.paused[1:] {
		p, err := os.FindProcess(pid)
		if err == nil {
			err = p.Kill()
		}
		if err != nil && !errors.Is(err, os.ErrProcessDone) {
			tb.Fatalf("killing PostgreSQL: %v", err)
		}
	}
	s.paused = s.paused[:1]
	if err := s.stop(immediate); err != nil {
		tb.Fatalf("killing PostgreSQL: %v", err)
	}
}

// Restart starts a server that was stopped, with the same address and data. One that runs is stopped in order before.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.Stop(tb)
	if err := s.start(); err != nil {
		tb.Fatalf("starting PostgreSQL again: %v", err)
	}
}

// Pause holds all processes of the server, until [Server.Resume]: it neither answers nor ends its connections. It skips
// the test where the system does not show which processes these are; Linux does.
func (s *Server) Pause(tb testing.TB) {
	tb.Helper()
	if !s.running() {
		tb.Fatal("pausing PostgreSQL: it does not run")
	}
	if len(s.paused) > 0 {
		return
	}
	var err error
	s.paused, err = hold(s.process.Pid)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		tb.Skipf("pausing PostgreSQL: %v", err)
	case err != nil:
		tb.Fatalf("pausing PostgreSQL: %v", err)
	}
}

// Resume lets a paused server go on.
func (s *Server) Resume(tb testing.TB) {
	tb.Helper()
	if err := s.resume(); err != nil {
		tb.Fatalf("resuming PostgreSQL: %v", err)
	}
}

func (s *Server) resume() error {
	var all error
	for _, pid := range s.paused {
		all = errors.Join(all, letGo(pid))
	}
	s.paused = nil
	return all
}
