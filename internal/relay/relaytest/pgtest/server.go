// Package pgtest runs PostgreSQL inside a test: servers in temporary directories, on loopback, which are gone when the
// test has ended, also when it was killed.
//
//	server := pgtest.Shared(t)    // one for the whole test binary, or pgtest.Start(t) for one of the test's own
//	url := server.Database(t)     // of a new, empty database
//
// A server can be stopped, killed, paused and started again, can get a standby, and a [Proxy] before it can lose the
// answer to a COMMIT.
//
// It takes the programs of PostgreSQL 13 or later: those in PATH, or Debian's. Without them a test is skipped, and
// fails where the environment says CI=true. PostgreSQL does not run as root: there it runs as the user postgres.
//
// Nothing here works in a testing/synctest bubble: the servers go by the system's clock.
package pgtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	// Role owns the databases and is no superuser.
	Role = "relay"
	// Password is that of Role. Only servers with [Scram] ask for it.
	Password = "not-a-secret"
)

// startTimeout is how long a server may take to start, or to stop. A second is usual.
const startTimeout = time.Minute

// Server is a PostgreSQL server. Its methods may be called one at a time, [Server.Database] and [Server.Exec] by
// anybody.
type Server struct {
	// Address is where it listens, such as 127.0.0.1:20000. A restart does not change it.
	Address string
	// SocketDir holds its Unix socket. For clients it is an address too, with the same port.
	SocketDir string

	// dir holds the directory of data and the file of its log.
	dir string
	// process runs unless the server is stopped, and ended is closed when it has ended.
	process *os.Process
	ended   <-chan struct{}
	// paused are the processes that Pause has stopped.
	paused []int
}

// databases counts those of all servers: a standby that was promoted has those of its primary.
var databases atomic.Int64

// options are what an Option sets.
type options struct {
	address  string
	method   string
	settings []string
}

// Option changes how a server is set up.
type Option func(*options)

// Durable makes the server wait for the disk, as in earnest. Others survive that they are killed, not a loss of power.
func Durable() Option {
	return func(o *options) { o.settings = append(o.settings, "fsync = on", "full_page_writes = on") }
}

// Scram makes the server ask whoever connects by TCP for the [Password].
func Scram() Option { return func(o *options) { o.method = "scram-sha-256" } }

// Setting sets a parameter of postgresql.conf.
func Setting(name, value string) Option {
	return func(o *options) {
		o.settings = append(o.settings, fmt.Sprintf("%s = '%s'", name, strings.ReplaceAll(value, "'", "''")))
	}
}

// On makes the server listen on an address of 127.0.0.1 instead of one that is free.
func On(address string) Option { return func(o *options) { o.address = address } }

// Start starts a server that runs until the test ends. If the test fails, the end of the server's log is shown.
func Start(tb testing.TB, with ...Option) *Server {
	tb.Helper()
	i := installed(tb)
	s, err := i.startServer(with)
	if err != nil {
		tb.Fatalf("starting PostgreSQL: %v", err)
	}
	s.removeAtEnd(tb)
	return s
}

// shared is the server of Shared.
var shared = sync.OnceValues(func() (*Server, error) {
	i, err := installation()
	if err != nil {
		return nil, err
	}
	return i.startServer(nil)
})

// Shared returns a server that runs until the test binary ends. The first call starts it. It must not be stopped, and
// whatever a test does may concern its own databases only.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	installed(tb)
	s, err := shared()
	if err != nil {
		tb.Fatalf("starting PostgreSQL: %v", err)
	}
	return s
}

// startServer makes a server from the template and starts it.
func (i *install) startServer(with []Option) (*Server, error) {
	template, err := i.template()
	if err != nil {
		return nil, err
	}
	s, o, err := i.newServer(with)
	if err != nil {
		return nil, err
	}
	if err := i.run("cp", "-R", template, s.data()); err != nil {
		return nil, err
	}
	if err := s.configure(o); err != nil {
		return nil, err
	}
	return s, s.start()
}

// newServer makes the directory of a server and finds an address.
func (i *install) newServer(with []Option) (*Server, *options, error) {
	o := &options{method: "trust"}
	for _, set := range with {
		set(o)
	}
	if o.address == "" {
		var err error
		if o.address, err = freeAddress(); err != nil {
			return nil, nil, err
		}
	}
	dir, err := i.newDir()
	return &Server{Address: o.address, SocketDir: dir, dir: dir}, o, err
}

// freeAddress finds a port that nobody listens on. It is below those that systems take for outgoing connections, so
// that nobody gets it by chance while the server is stopped.
func freeAddress() (string, error) {
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(10_000))
		if l, err := net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", errors.New("no port is free")
}

// configure writes what differs from the template, or from the server that a standby was copied from.
func (s *Server) configure(o *options) error {
	settings := append([]string{
		"listen_addresses = '127.0.0.1'",
		"port = " + s.port(),
		fmt.Sprintf("unix_socket_directories = '%s'", s.SocketDir),
	}, o.settings...)
	f, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(settings, "\n") + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	rules := "local all,replication all trust\nhost all,replication all 127.0.0.1/32 " + o.method + "\n"
	return os.WriteFile(filepath.Join(s.data(), "pg_hba.conf"), []byte(rules), 0o600)
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

func (s *Server) port() string {
	_, port, _ := net.SplitHostPort(s.Address)
	return port
}

// start starts the process and waits until it takes connections.
func (s *Server) start() error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	i, err := installation()
	if err != nil {
		return err
	}
	cmd := i.command("postgres", "-D", s.data())
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its log says why
		close(ended)
	}()
	s.process, s.ended = cmd.Process, ended
	deadline := time.Now().Add(startTimeout)
	for !s.ready() {
		select {
		case <-ended:
			s.process = nil
			return fmt.Errorf("it ended at its start:\n%s", s.logEnd())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it takes no connections after %v:\n%s", startTimeout, s.logEnd())
		}
	}
	return nil
}

// ready reports whether the server says in its lock file that it takes connections: line 1 has its process and line 8
// its state (PostgreSQL's miscadmin.h, LOCK_FILE_LINE_PM_STATUS).
func (s *Server) ready() bool {
	text, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	return len(lines) >= 8 && lines[0] == strconv.Itoa(s.process.Pid) && strings.TrimSpace(lines[7]) == "ready"
}

// logEnd returns the last lines of the log.
func (s *Server) logEnd() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	const most = 8 << 10
	return string(text[max(0, len(text)-most):])
}

// removeAtEnd stops the server at the end of the test and removes its files.
func (s *Server) removeAtEnd(tb testing.TB) {
	tb.Cleanup(func() {
		if err := s.stop(immediate); err != nil {
			tb.Errorf("stopping PostgreSQL: %v", err)
		}
		if tb.Failed() {
			tb.Logf("PostgreSQL on %s says\n%s", s.Address, s.logEnd())
		}
		if err := os.RemoveAll(s.dir); err != nil {
			tb.Errorf("removing PostgreSQL's files: %v", err)
		}
	})
}

// URL returns the address of a database of this server, whether it exists or not, for [Role].
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(Role, Password), Host: s.Address, Path: "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Database makes an empty database that [Role] owns and returns its URL. It is dropped when the test ends, if the
// server runs then.
func (s *Server) Database(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	s.Exec(tb, "postgres", fmt.Sprintf("CREATE DATABASE %s OWNER %s", name, Role))
	tb.Cleanup(func() {
		if s.running() && len(s.paused) == 0 {
			// If this fails, it goes with the server.
			_ = s.psql("postgres", fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name)).Run()
		}
	})
	return s.URL(name)
}

// Exec runs SQL as superuser and returns what it selects: one line a row, with | between columns. The database may be a
// name or a URL of this server.
func (s *Server) Exec(tb testing.TB, database, sql string) string {
	tb.Helper()
	if u, err := url.Parse(database); err == nil && u.Scheme != "" {
		database = strings.TrimPrefix(u.Path, "/")
	}
	out, err := s.psql(database, sql).Output()
	if err != nil {
		var said []byte
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			said = exit.Stderr
		}
		tb.Fatalf("%s: %v\n%s", sql, err, said)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// psql is a command that runs SQL as superuser.
func (s *Server) psql(database, sql string) *exec.Cmd {
	i, err := installation()
	if err != nil {
		return &exec.Cmd{Err: err} // never: the server was started by it
	}
	return i.command("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1",
		"--host="+s.SocketDir, "--port="+s.port(), "--username="+superuser, "--dbname="+database, "--command="+sql)
}

// ViaSocket rewrites a URL of [Server.Database] so that it goes through the server's Unix socket.
func (s *Server) ViaSocket(database string) string {
	u, err := url.Parse(database)
	if err != nil {
		return database
	}
	q := u.Query()
	q.Set("host", s.SocketDir)
	q.Set("port", s.port())
	u.Host, u.RawQuery = "", q.Encode()
	return u.String()
}

// Via rewrites a URL of [Server.Database] so that it names other addresses, HOST:PORT, such as those of proxies, or of
// a server and its standby. With several it asks for the one that can be written to.
func Via(database string, addresses ...string) string {
	u, err := url.Parse(database)
	if err != nil {
		return database
	}
	u.Host = strings.Join(addresses, ",")
	if len(addresses) > 1 {
		q := u.Query()
		q.Set("target_session_attrs", "read-write")
		u.RawQuery = q.Encode()
	}
	return u.String()
}

// The ways to stop a server (PostgreSQL's documentation, "Shutting Down the Server").
const (
	// fast cuts the clients off and writes everything down, also at the standby.
	fast = syscall.SIGINT
	// immediate ends all processes and writes nothing.
	immediate = syscall.SIGQUIT
)

func (s *Server) running() bool {
	if s.process == nil {
		return false
	}
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// stop ends the server, if it runs.
func (s *Server) stop(how syscall.Signal) error {
	if !s.running() {
		return nil
	}
	if err := s.process.Signal(how); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if err := s.resume(); err != nil {
		return err
	}
	select {
	case <-s.ended:
		s.process = nil
		return nil
	case <-time.After(startTimeout):
		return fmt.Errorf("it still runs %v after %v:\n%s", startTimeout, how, s.logEnd())
	}
}
