package main_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay/check"
	"github.com/fernpost/fernpost/internal/relay/relaytest/pgtest"
)

// TestClusterExample sets examples/deploy/cluster up by its script, lets the primary fail, makes another standby, and
// stops and starts everything, while the check writes and reads through the load balancer.
func TestClusterExample(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the script is for Debian")
	}
	t.Parallel() // most of it is waiting
	find(t, "haproxy")
	find(t, "curl")
	c := &exampleCluster{T: t, dir: filepath.Join(pgtest.Dir(t), "cluster"), port: freePorts(t, 5)}
	c.run("start")
	defer c.run("stop")
	if said := c.run("status"); !strings.Contains(said, "streaming, sync") || strings.Count(said, "  ready") != 2 {
		t.Errorf("it begins with\n%s", said)
	}
	userKey, err := os.ReadFile(filepath.Join(c.dir, "user-key"))
	if err != nil {
		t.Fatal(err)
	}
	// The relays of the example have the interval that they have anywhere: one update for each channel is a round.
	const channels = 12
	var answered answers
	run, err := check.Begin(t.Context(), check.Options{
		Relays: []string{fmt.Sprintf("http://127.0.0.1:%d", c.port)}, UserKey: strings.TrimSpace(string(userKey)),
		Channels: channels, Writers: 4, Readers: 1, Interval: 15 * time.Second, Settle: time.Second,
		Say: func(line string) { t.Log(line) }, Answered: answered.add,
	})
	if err != nil {
		t.Fatal(err)
	}
	for n, command := range []string{"failover", "standby", "stop", "start", "failover"} {
		if err := answered.awaitAll(run, int64(2*(n+1))); err != nil {
			t.Fatal(err)
		}
		t.Log(c.run(command))
	}
	if err := answered.awaitAll(run, channels); err != nil {
		t.Error(err)
	}
	if said := c.run("status"); !strings.Contains(said, "nobody waits for one") {
		t.Errorf("without a standby it says\n%s", said)
	}
	r, err := run.Finish(t.Context())
	if err != nil {
		t.Error(err)
	}
	if !r.OK {
		t.Errorf("what was answered is not there: %+v", r.Findings)
	}
}

// exampleCluster is a cluster that the script has made.
type exampleCluster struct {
	*testing.T
	dir  string
	port int
}

// run runs one command of the script.
func (c *exampleCluster) run(command string) (said string) {
	c.Helper()
	cmd := exec.Command(filepath.Join("..", "..", "examples", "deploy", "cluster", "cluster.sh"), command, c.dir)
	cmd.Env = append(os.Environ(), "RELAY="+program, fmt.Sprintf("PORT=%d", c.port))
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// freePorts returns the first of several ports in a row that nobody listens on.
func freePorts(t *testing.T, count int) (first int) {
	t.Helper()
	for range 100 {
		_, port, err := net.SplitHostPort(freeAddress(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(port, &first); err != nil {
			t.Fatal(err)
		}
		free := 0
		for ; free < count; free++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+free))
			if err != nil {
				break
			}
			l.Close()
		}
		if free == count {
			return first
		}
	}
	t.Fatal("there are no free ports in a row")
	return 0
}
