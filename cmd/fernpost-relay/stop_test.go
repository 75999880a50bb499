package main_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
)

// serving is a relay that runs as a process of its own, with its metrics on another address.
type serving struct {
	*exec.Cmd
	dir, url, ops string
	// talk is all that it prints on standard error.
	talk *relaytest.Log
}

func serve(t *testing.T, dir string) *serving { return serveWith(t, dir) }

// serveWith is serve with flags.
func serveWith(t *testing.T, dir string, flags ...string) *serving {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the system has no signals")
	}
	s := &serving{dir: dir, talk: &relaytest.Log{}, Cmd: testenv.Command(t, program, append([]string{
		"--listen", "127.0.0.1:0", "--data", dir, "--limits", "none", "--metrics-listen", "127.0.0.1:0",
	}, flags...)...)}
	s.Stderr = s.talk
	stdout, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("reading the first line: %v\n%s", err, s.talk)
	}
	s.url = strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
	testenv.Await(t, "the address of the metrics, told right after that line", func() bool {
		_, rest, _ := strings.Cut(s.talk.String(), "metrics at ")
		line, _, whole := strings.Cut(rest, "\n")
		s.ops = strings.TrimSuffix(line, "/metrics")
		return whole
	})
	return s
}

// newChannel makes a channel and returns its number and its write key.
func (s *serving) newChannel(t *testing.T) (id int64, writeKey string) {
	t.Helper()
	r, err := http.PostForm(s.url+"/channels.json", url.Values{"public_flag": {"true"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var c struct {
		ID   int64
		Keys []struct {
			Text string `json:"api_key"`
		} `json:"api_keys"`
	}
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil || len(c.Keys) == 0 {
		t.Fatalf("creating a channel: %v", err)
	}
	return c.ID, c.Keys[0].Text
}

// beginUpdate sends all of an update but its last byte, and returns when the relay reads its body.
func (s *serving) beginUpdate(t *testing.T, key string) (finish func() (answer string, err error)) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	body := "api_key=" + key + "&field1=last"
	fmt.Fprintf(conn, "POST /update HTTP/1.1\r\nHost: relay\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	r := bufio.NewReader(conn)
	if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("the relay says %q, %v", line, err)
	}
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, body[:len(body)-1])
	return func() (string, error) {
		defer conn.Close()
		if _, err := fmt.Fprint(conn, body[len(body)-1:]); err != nil {
			return "", err
		}
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		return fmt.Sprint(answer.StatusCode, " ", string(text)), err
	}
}

// signalAndWait sends SIGTERM and returns when the relay says that it stops.
func (s *serving) signalAndWait(t *testing.T) {
	t.Helper()
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	testenv.Await(t, "/readyz says that it stops", func() bool {
		r, err := http.Get(s.ops + "/readyz")
		if err != nil {
			t.Fatalf("/readyz while it stops: %v", err)
		}
		word, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode == http.StatusServiceUnavailable && string(word) == "stopping\n"
	})
}

// TestStopFinishesWhatIsUnderWay: after a signal the relay is not ready and accepts nothing, an update that is on its
// way is stored and answered, the log is folded in, and the exit code is 0.
func TestStopFinishesWhatIsUnderWay(t *testing.T) {
	s := serve(t, t.TempDir())
	id, key := s.newChannel(t)
	finish := s.beginUpdate(t, key)
	s.signalAndWait(t)
	testenv.Await(t, "it takes no connection any more", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	if answer, err := finish(); answer != "200 1" || err != nil {
		t.Errorf("the update under way: %q, %v", answer, err)
	}
	if err := s.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, s.talk)
	}
	if left, err := filepath.Glob(filepath.Join(s.dir, "*-wal")); err != nil || len(left) > 0 {
		t.Errorf("it left its log: %v, %v", left, err)
	}
	again := serve(t, s.dir)
	r, err := http.Get(fmt.Sprintf("%s/channels/%d/fields/1/last.txt", again.url, id))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if text, err := io.ReadAll(r.Body); err != nil || string(text) != "last" {
		t.Errorf("afterwards the entry is %q, %v", text, err)
	}
	if err := again.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := again.Wait(); err != nil {
		t.Errorf("after SIGINT it ended with %v\n%s", err, again.talk)
	}
}

// TestSecondSignalEndsAtOnce, whatever is under way, and says so with its exit code.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	s := serve(t, t.TempDir())
	_, key := s.newChannel(t)
	finish := s.beginUpdate(t, key)
	s.signalAndWait(t)
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := s.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 130 {
		t.Errorf("it ended with %v, want exit code 130\n%s", err, s.talk)
	}
	if !strings.Contains(s.talk.String(), "cut off") {
		t.Errorf("it said\n%s", s.talk)
	}
	if answer, err := finish(); err == nil {
		t.Errorf("the update was answered: %q", answer)
	}
}
