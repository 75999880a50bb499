package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// build builds the program.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "fernpost-relay")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return program
}

// process is a relay that runs.
type process struct {
	*exec.Cmd
	url string
}

func launch(t *testing.T, program, dir string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(program, "--listen", "127.0.0.1:0", "--data", dir, "--limits", "none", "--interval", "0s")}
	p.Stderr = t.Output()
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() }) // it has ended, unless the test failed
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("reading the first line: %v", err)
	}
	p.url = strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
	return p
}

func call(c *http.Client, method, url string, form url.Values) (string, error) {
	q, err := http.NewRequest(method, url, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r, err := c.Do(q)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", r.StatusCode, body)
	}
	return string(body), err
}

// channel is what a test knows of a channel: which entries were answered.
type channel struct {
	id       int64
	writeKey string

	mu       sync.Mutex
	answered map[int64]string // number → value
	sent     map[string]bool
}

func create(t *testing.T, url string) *channel {
	t.Helper()
	body, err := call(http.DefaultClient, http.MethodPost, url+"/channels.json", map[string][]string{
		"public_flag": {"true"}, "field1": {"value"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		ID   int64
		Keys []struct {
			Text string `json:"api_key"`
		} `json:"api_keys"`
	}
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		t.Fatal(err)
	}
	return &channel{id: c.ID, writeKey: c.Keys[0].Text, answered: map[int64]string{}, sent: map[string]bool{}}
}

// write sends updates one after the other until the relay is gone, and tells of each answer.
func (c *channel) write(client *http.Client, base, name string, answer func()) {
	for i := 0; ; i++ {
		value := fmt.Sprintf("%s-%d", name, i)
		c.mu.Lock()
		c.sent[value] = true
		c.mu.Unlock()
		body, err := call(client, http.MethodPost, base+"/update", url.Values{"api_key": {c.writeKey}, "field1": {value}})
		if err != nil {
			return
		}
		n, err := strconv.ParseInt(body, 10, 64)
		if err != nil || n == 0 {
			return
		}
		c.mu.Lock()
		c.answered[n] = value
		c.mu.Unlock()
		answer()
	}
}

// check reads everything back: numbers without gap or double, each answered entry under its number, each value once, and
// nothing that nobody sent.
func (c *channel) check(t *testing.T, base string) {
	t.Helper()
	stored := map[int64]string{}
	for first := int64(1); ; first += 8000 {
		body, err := call(http.DefaultClient, http.MethodGet, fmt.Sprintf(
			"%s/channels/%d/field/1.csv?start_entry_id=%d&end_entry_id=%d", base, c.id, first, first+7999), nil)
		if err != nil {
			t.Fatal(err)
		}
		rows := strings.Split(strings.TrimSuffix(body, "\n"), "\n")[1:]
		for i, row := range rows {
			cells := strings.Split(row, ",")
			n, err := strconv.ParseInt(cells[1], 10, 64)
			if err != nil || n != first+int64(i) {
				t.Fatalf("row %d behind entry %d is %q", i, first, row)
			}
			stored[n] = cells[2]
		}
		if len(rows) < 8000 {
			break
		}
	}
	seen := map[string]int64{}
	for n, value := range stored {
		if other := seen[value]; other != 0 {
			t.Errorf("%q is there twice, as entries %d and %d", value, other, n)
		}
		seen[value] = n
		if !c.sent[value] {
			t.Errorf("entry %d is %q, which nobody sent", n, value)
		}
	}
	for n, value := range c.answered {
		if stored[n] != value {
			t.Errorf("entry %d was answered for %q and is %q", n, value, stored[n])
		}
	}
}

// TestKill kills the relay under load, again and again: whatever it had answered is there.
func TestKill(t *testing.T) {
	rounds, writers := 5, 6
	program, dir := build(t), t.TempDir()
	p := launch(t, program, dir)
	channels := []*channel{create(t, p.url), create(t, p.url)}
	for round := range rounds {
		left, enough := atomic.Int64{}, make(chan struct{})
		left.Store(1 + rand.Int64N(1000))
		answer := func() {
			if left.Add(-1) == 0 {
				close(enough)
			}
		}
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: writers}}
		var writing sync.WaitGroup
		for w := range writers {
			writing.Go(func() { channels[w%len(channels)].write(client, p.url, fmt.Sprintf("%d-%d", round, w), answer) })
		}
		<-enough
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = p.Wait() // "signal: killed"
		writing.Wait()
		client.CloseIdleConnections()
		p = launch(t, program, dir)
		for _, c := range channels {
			c.check(t, p.url)
		}
	}
	total := 0
	for _, c := range channels {
		total += len(c.answered)
	}
	t.Logf("%d updates were answered in %d rounds", total, rounds)
	if runtime.GOOS == "windows" {
		return // it has no signals
	}
	// In the end it stops as it should.
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
