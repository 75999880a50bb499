package pgtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Standby makes a synchronous standby, which runs until the test ends: from now on the server answers a COMMIT when the
// standby has it too, and waits while there is no standby. It returns when that is so.
//
// A standby takes no more than options of its own, [On] and [Scram] above all: settings are copied.
func (s *Server) Standby(tb testing.TB, with ...Option) *Server {
	tb.Helper()
	i := installed(tb)
	standby, err := i.startStandby(s, with)
	if err != nil {
		tb.Fatalf("starting a standby of PostgreSQL: %v", err)
	}
	standby.removeAtEnd(tb)
	s.Exec(tb, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
	s.Exec(tb, "postgres", "SELECT pg_reload_conf()")
	for deadline := time.Now().Add(startTimeout); ; <-time.After(5 * time.Millisecond) {
		if s.Exec(tb, "postgres", "SELECT state, sync_state FROM pg_stat_replication") == "streaming|sync" {
			return standby
		}
		if time.Now().After(deadline) {
			tb.Fatalf("the standby of PostgreSQL is not synchronous after %v:\n%s", startTimeout, standby.logEnd())
		}
	}
}

// startStandby copies a server that runs and starts the copy as its standby.
func (i *install) startStandby(primary *Server, with []Option) (*Server, error) {
	s, o, err := i.newServer(with)
	if err != nil {
		return nil, err
	}
	err = i.run("pg_basebackup", "--pgdata="+s.data(), "--write-recovery-conf", "--checkpoint=fast", "--no-sync",
		"--host="+primary.SocketDir, "--port="+primary.port(), "--username="+superuser)
	if err != nil {
		return nil, err
	}
	// The copied setting would make it wait for a standby of its own as soon as it is promoted.
	f, err := os.OpenFile(filepath.Join(s.data(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString("synchronous_standby_names = ''\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if err := s.configure(o); err != nil {
		return nil, err
	}
	return s, s.start()
}

// Promote makes a standby a server of its own, which can be written to when it returns and waits for no standby. The
// server that it was a standby of has to be stopped before, or both would be written to.
func (s *Server) Promote(tb testing.TB) {
	tb.Helper()
	promote := fmt.Sprintf("SELECT pg_promote(true, %d)", int(startTimeout.Seconds()))
	if s.Exec(tb, "postgres", promote) != "t" {
		tb.Fatalf("promoting the standby of PostgreSQL: it still is one\n%s", s.logEnd())
	}
}
