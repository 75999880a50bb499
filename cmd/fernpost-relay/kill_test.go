package main_test

import (
	"bufio"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay/check"
	"github.com/fernpost/fernpost/internal/testenv"
)

// program is the path of the program, which TestMain builds.
var program string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fernpost-relay-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "fernpost-relay")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// process is a relay that runs.
type process struct {
	*exec.Cmd
	stdout *bufio.Reader
}

// launch starts the relay on an address.
func launch(t *testing.T, dir, listen string) *process {
	t.Helper()
	return launchWith(t, "--listen", listen, "--data", dir)
}

// launchWith starts the relay with flags.
func launchWith(t *testing.T, flags ...string) *process {
	t.Helper()
	p := &process{Cmd: testenv.Command(t, program, append(flags, "--limits", "none", "--interval", "0s")...)}
	p.Stderr = t.Output()
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	p.stdout = bufio.NewReader(stdout)
	return p
}

func (p *process) waitUntilListening(t *testing.T) {
	t.Helper()
	if line, err := p.stdout.ReadString('\n'); err != nil || !strings.HasPrefix(line, "listening on ") {
		t.Fatalf("the first line is %q: %v", line, err)
	}
}

// freeAddress finds a port that nobody listens on. It is below those that systems take for outgoing connections, so
// that nobody gets it by chance while the relay is dead.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000))
		if l, err := net.Listen("tcp", address); err == nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

// kill ends the process at once: kill -9.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // "signal: killed"
}

// TestKill kills the relay under load, again and again, and has the check prove that whatever it had answered is there.
// FERNPOST_KILLS says how often, FERNPOST_SEED repeats the choices of a run that failed.
func TestKill(t *testing.T) {
	const (
		channels, writers = 3, 12
		// mostAnswers is the most updates that a relay may answer before it is killed.
		mostAnswers = 4000
		// mostStart is the longest time that a relay gets when it is killed while it starts.
		mostStart = 60 * time.Millisecond
	)
	kills := int(testenv.Number(t, "FERNPOST_KILLS", 8))
	seed := testenv.Seed(t)
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("FERNPOST_KILLS=%d", kills)

	dir := t.TempDir()
	address := freeAddress(t)
	p := launch(t, dir, address)
	p.waitUntilListening(t)
	var answered answers
	c, err := check.Begin(t.Context(), check.Options{
		Relays: []string{"http://" + address}, Channels: channels, Writers: writers, Readers: 1,
		// What a killed relay did not store it will not store later.
		Settle: time.Millisecond,
		Seed:   seed, Say: func(line string) { t.Log(line) }, Answered: answered.add,
	})
	if err != nil {
		t.Fatal(err)
	}
	early := 0
	for range kills {
		// As often after a few answers as after many.
		next := int64(math.Exp(random.Float64() * math.Log(mostAnswers)))
		if err := answered.await(c, next); err != nil {
			t.Error(err)
			break
		}
		p.kill(t)
		if random.IntN(4) == 0 {
			early++
			p = launch(t, dir, address)
			time.Sleep(time.Duration(random.Int64N(int64(mostStart)))) // some moment, nothing depends on which
			p.kill(t)
		}
		p = launch(t, dir, address)
		p.waitUntilListening(t)
	}
	if err := answered.await(c, mostAnswers/20); err != nil {
		t.Error(err)
	}
	r, err := c.Finish(t.Context())
	if err != nil {
		t.Error(err)
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Error(err)
	}
	t.Logf("killed %d times under load and %d times at the start\n%s", kills, early, text.String())
	if !r.OK {
		t.Error("the relay does not keep what it answers")
	}
	if r.Reads.Late > 0 {
		t.Errorf("%d reads did not show what had been answered", r.Reads.Late)
	}
	if kills > 0 && (r.Away.Times == 0 || r.Updates.RepliesLost == 0) {
		t.Error("the writers did not notice that the relay was killed")
	}
	stop(t, p, dir)
}

// stop ends the relay as it should be ended.
func stop(t *testing.T, p *process, dir string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		return // it has no signals
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM it ended with %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*-wal")); err != nil || len(left) > 0 {
		t.Errorf("a stopped relay left its log: %v, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "relay.db")); err != nil {
		t.Error(err)
	}
}
