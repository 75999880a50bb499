//go:build linux && (amd64 || arm64)

package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/testenv"
)

// serve starts a server of fernpost's and returns its address.
func (d *device) serve(args ...string) (address string) {
	d.t.Helper()
	cmd := d.command(args...)
	cmd.Stderr = d.t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			d.t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			d.t.Errorf("fernpost %s: %v", args[0], err)
		}
	})
	first, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		d.t.Fatal(err)
	}
	return find(d.t, first, `^listening on (http://\S+)$`)
}

// freeAddress is one on loopback that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// fetch returns what an address answers with 200; an error where nothing or something else does.
func fetch(address string) (string, error) {
	client := http.Client{Timeout: testenv.Patience}
	r, err := client.Get(address)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", r.Status, body)
	}
	return string(body), err
}

// updatesUntilTheCut runs a server on a disk, sends it one update after the other, whose field1 counts them, and lets the power go. It
// returns the numbers that were answered, by the value that was sent.
func (d *device) updatesUntilTheCut(key string, args ...string) map[int]int {
	d.t.Helper()
	random, address := testenv.Random(d.t), freeAddress(d.t)
	on, answered, over := newDisk(d.t, d.home), map[int]int{}, make(chan struct{})
	go func() {
		defer close(over)
		for value, end := 1, time.Now().Add(testenv.Patience); time.Now().Before(end); {
			number, err := fetch("http://" + address + "/update?" + url.Values{"api_key": {key}, "field1": {strconv.Itoa(value)}}.Encode())
			n, _ := strconv.Atoi(number)
			switch {
			case err == nil && n > 0:
				answered[value] = n
				value++
			case len(answered) > 0 && err != nil:
				return
			default:
				time.Sleep(5 * time.Millisecond)
			}
		}
	}()
	changes, _, end := d.trace(100+random.IntN(300), on, append(args, "--listen", address)...)
	<-over
	if !end.Signaled() || len(answered) == 0 {
		d.t.Fatalf("fernpost %s ended by itself after %d changes, with %d answers", args[0], len(changes), len(answered))
	}
	on.cut(d.t, random)
	return answered
}

// checkAnswered holds the rows that are there against the numbers that were answered, by the value.
func checkAnswered(t *testing.T, answered map[int]int, there [][2]int) {
	t.Helper()
	numbers := map[int]int{}
	for _, row := range there {
		if n, twice := numbers[row[1]]; twice {
			t.Errorf("the value %d stands twice, as %d and %d", row[1], n, row[0])
		}
		numbers[row[1]] = row[0]
	}
	for _, value := range slices.Sorted(maps.Keys(answered)) {
		if numbers[value] != answered[value] {
			t.Errorf("the value %d was answered with %d and is %d", value, answered[value], numbers[value])
		}
	}
	if extra := len(numbers) - len(answered); extra > 1 {
		t.Errorf("there are %d values that were not answered, and one may be", extra)
	}
}

// rowsOf reads numbers and values out of a feed.
func rowsOf(t *testing.T, feed string) (rows [][2]int) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(feed), "\n")[1:] {
		cells := strings.Split(line, ",")
		number, err := strconv.Atoi(cells[1])
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		value, err := strconv.Atoi(cells[2])
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		rows = append(rows, [2]int{number, value})
	}
	return rows
}

// What a relay has answered with a number is there after a power cut, as that number, once.
func TestARelayKeepsWhatItHasAnsweredThroughAPowerCut(t *testing.T) {
	t.Parallel()
	for range testenv.Cases(4) {
		d := newDevice(t, fastRelay(t))
		args := []string{"relay", "--interval", "0s", "--data", filepath.Join(d.home, "relay")}
		var channel, key string
		t.Run("", func(t *testing.T) { // a relay that has ended when the next one begins
			made := device{t, d.home, d.env}
			at := made.serve(append(args, "--listen", "127.0.0.1:0")...)
			r, err := http.PostForm(at+"/channels.json", url.Values{"field1": {"value"}, "public_flag": {"true"}})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			text, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			channel, key = find(t, string(text), `"id":(\d+)`), find(t, string(text), `"api_key":"([A-Z0-9]{16})","write_flag":true`)
		})
		answered := d.updatesUntilTheCut(key, args...)
		t.Run("", func(t *testing.T) {
			again := device{t, d.home, d.env}
			at := again.serve(append(args, "--listen", "127.0.0.1:0")...)
			feed, err := fetch(at + "/channels/" + channel + "/feeds.csv?results=8000")
			if err != nil {
				t.Fatal(err)
			}
			rows := rowsOf(t, feed)
			if checkAnswered(t, answered, rows); len(rows) == 0 {
				return
			}
			next, err := fetch(at + "/update?api_key=" + key + "&field1=0")
			if n, _ := strconv.Atoi(next); n != rows[len(rows)-1][0]+1 || err != nil {
				t.Errorf("the next update is answered with %q, %v, after %d", next, err, rows[len(rows)-1][0])
			}
		})
	}
}

// What a gateway has answered with a number is read at its door after a power cut as that number, and comes to the room once.
func TestAGatewayKeepsWhatItHasAnsweredThroughAPowerCut(t *testing.T) {
	t.Parallel()
	server := fastRelay(t)
	for range testenv.Cases(4) {
		d := newDevice(t, server)
		channel, _ := d.makeRoom()
		key := strings.TrimSpace(d.must("gateway", "key", "add", "lab", "--write", "--read"))
		answered := d.updatesUntilTheCut(key, "gateway")
		t.Run("", func(t *testing.T) {
			again := device{t, d.home, d.env}
			at := again.serve("gateway", "--listen", "127.0.0.1:0")
			read := func() [][2]int {
				feed, err := fetch(at + "/channels/" + channel + "/feeds.csv?results=8000&api_key=" + key)
				if err != nil {
					t.Fatal(err)
				}
				return rowsOf(t, feed)
			}
			checkAnswered(t, answered, read())
			if _, err := fetch(at + "/update?api_key=" + key + "&field1=0"); err != nil {
				t.Error(err)
			}
			rows := read()
			bo := newDevice(t, server)
			bo.must("join", "lab", "--profile", quickProfile, "--channel", channel)
			var came []int
			testenv.Await(t, "the readings are in the room", func() bool {
				came = nil
				for line := range strings.SplitSeq(bo.must("recv", "-n", "0", "--json"), "\n") {
					if strings.Contains(line, `"field1":"`) {
						value, err := strconv.Atoi(find(t, line, `"field1":"(\d+)"`))
						if err != nil {
							t.Fatal(err)
						}
						came = append(came, value)
					}
				}
				return len(came) >= len(rows)
			})
			var want []int
			for _, row := range rows {
				want = append(want, row[1])
			}
			if !slices.Equal(came, want) {
				t.Errorf("in the room there is %v, behind the door %v", came, want)
			}
		})
	}
}
