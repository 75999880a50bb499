package pgtest

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/testenv"
)

func TestDatabases(t *testing.T) {
	s := Shared(t)
	a, b := s.Database(t), s.Database(t)
	s.Exec(t, a, "CREATE TABLE here (n int)")
	if n := s.Exec(t, b, "SELECT count(*) FROM pg_tables WHERE tablename = 'here'"); n != "0" {
		t.Errorf("one database shows the other's table: %q", n)
	}
	if got := s.Exec(t, a, "SHOW server_encoding"); got != "UTF8" {
		t.Errorf("encoding %q", got)
	}
	if Shared(t) != s {
		t.Error("there are two shared servers")
	}
}

func TestRestart(t *testing.T) {
	s := Start(t, Setting("max_connections", "20"))
	if got := s.Exec(t, "postgres", "SHOW max_connections"); got != "20" {
		t.Errorf("max_connections %q", got)
	}
	url := s.Database(t)
	s.Exec(t, url, "CREATE TABLE kept AS SELECT 1 AS n")
	for _, stop := range []func(testing.TB){s.Stop, s.StopHard} {
		stop(t)
		if conn, err := net.DialTimeout("tcp", s.Address, time.Second); err == nil {
			conn.Close()
			t.Error("a stopped server listens")
		}
		s.Restart(t)
		s.Exec(t, url, "INSERT INTO kept VALUES (2)")
	}
	if got := s.Exec(t, url, "SELECT sum(n) FROM kept"); got != "5" {
		t.Errorf("after two restarts the sum is %s", got)
	}
}

// client is psql as somebody who comes from outside.
func client(t *testing.T, url, sql string) *exec.Cmd {
	t.Helper()
	return installed(t).command("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--dbname="+url,
		"--command="+sql)
}

func TestURLs(t *testing.T) {
	s := Start(t, Scram())
	other := Start(t)
	url := s.Database(t)
	wrong := strings.Replace(url, Password, "guess", 1)
	for name, c := range map[string]struct {
		url  string
		want string
	}{
		"by TCP":                 {url, "relay"},
		"by its socket":          {s.ViaSocket(url), "relay"},
		"behind one that is off": {Via(url, "127.0.0.1:1", s.Address), "relay"},
		"wrong password":         {wrong, "password authentication failed"},
		"no such database":       {s.URL("missing"), `database "missing" does not exist`},
		"a server that trusts":   {strings.Replace(other.URL("postgres"), Password, "guess", 1), "relay"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := client(t, c.url, "SELECT current_user").CombinedOutput()
			if !strings.Contains(string(out), c.want) || (err == nil) != (c.want == Role) {
				t.Errorf("%s: %v: %s, want %s", c.url, err, out, c.want)
			}
		})
	}
}

func TestStandby(t *testing.T) {
	primary := Start(t)
	standby := primary.Standby(t)
	url := primary.Database(t)
	primary.Exec(t, url, "CREATE TABLE kept AS SELECT 1 AS n")
	primary.Exec(t, url, "GRANT ALL ON kept TO "+Role)

	// While the standby is held, nothing is answered.
	standby.Pause(t)
	insert := client(t, url, "INSERT INTO kept VALUES (2)")
	if err := insert.Start(); err != nil {
		t.Fatal(err)
	}
	testenv.Await(t, "a process that waits for the standby", func() bool {
		return primary.Exec(t, url, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "1"
	})
	standby.Resume(t)
	if err := insert.Wait(); err != nil {
		t.Error(err)
	}

	primary.StopHard(t)
	standby.Promote(t)
	standby.Exec(t, url, "INSERT INTO kept VALUES (4)") // waits for nobody
	if got := standby.Exec(t, url, "SELECT sum(n) FROM kept"); got != "7" {
		t.Errorf("after the failover the sum is %s, want 7", got)
	}
	// The next standby stands where the primary was.
	next := standby.Standby(t, On(primary.Address))
	standby.StopHard(t)
	next.Promote(t)
	both := Via(url, standby.Address, next.Address)
	if out, err := client(t, both, "SELECT sum(n) FROM kept").CombinedOutput(); string(out) != "7\n" {
		t.Errorf("after the second failover the sum is %s, %v", out, err)
	}
}

func TestProxy(t *testing.T) {
	s := Start(t)
	url := s.Database(t)
	p := NewProxy(t, s.Address)
	through := Via(url, p.Address)
	const insert = "BEGIN; INSERT INTO kept VALUES (1); COMMIT"
	if out, err := client(t, through+"&sslmode=prefer", "CREATE TABLE kept (n int)").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cut := p.CutAt(Committed)
	if out, err := client(t, through, insert).CombinedOutput(); err == nil {
		t.Errorf("the answer to COMMIT came through: %s", out)
	}
	testenv.Receive(t, cut, "the cut")
	if got := s.Exec(t, url, "SELECT count(*) FROM kept"); got != "1" {
		t.Errorf("%s rows are committed, want 1", got)
	}
	if out, err := client(t, through, insert).CombinedOutput(); err != nil {
		t.Errorf("it cuts a second time: %v: %s", err, out)
	}
}

// TestCleansUpAfterAKill runs a test in another process, which has a server and a paused one, and kills it.
func TestCleansUpAfterAKill(t *testing.T) {
	t.Parallel() // the servers of a paused one take 5 s to give up waiting for it
	if os.Getenv("PGTEST_BE_KILLED") != "" {
		s := Start(t)
		s.Pause(t)
		os.Stdout.WriteString("base " + installed(t).base + "\n")
		select {}
	}
	installed(t)
	cmd := testenv.Command(t, os.Args[0], "-test.run=^TestCleansUpAfterAKill$")
	cmd.Env = append(os.Environ(), "PGTEST_BE_KILLED=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	base := ""
	for base == "" && lines.Scan() {
		_, base, _ = strings.Cut(lines.Text(), "base ")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait() // "signal: killed"
	if locks, err := filepath.Glob(filepath.Join(base, "*", "data", "postmaster.pid")); base == "" || err != nil {
		t.Fatalf("%q, %v, %v", base, locks, err)
	}
	for deadline := time.Now().Add(startTimeout); exists(base); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there", base)
		}
	}
}
