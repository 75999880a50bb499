package main_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest/pgtest"
)

// writesAgain is how long after a promotion both relays must be storing updates again.
const writesAgain = 5 * time.Second

// cluster is two relays on one database, with a synchronous standby.
type cluster struct {
	*testing.T
	random           *rand.Rand
	primary, standby *pgtest.Server
	relays           []*node
	// ctx ends when nothing is to be waited for any more.
	ctx    context.Context
	giveUp context.CancelFunc
	// channel and writeKey are of a channel of the test's own.
	channel, writeKey string
	// slowest is the longest time that a relay took after a promotion.
	slowest time.Duration
}

// node is a relay of a cluster, which may be down.
type node struct {
	*process
	// address is where it serves HTTP, and mqtt where MQTT.
	address, mqtt string
	// store is the database as the relay knows it: behind a proxy for each of the two servers.
	store   string
	proxies map[string]*pgtest.Proxy
}

// newCluster starts everything.
func newCluster(t *testing.T) *cluster {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux shows which processes to stop")
	}
	c := &cluster{T: t, primary: pgtest.Start(t)}
	c.standby = c.primary.Standby(t)
	c.ctx, c.giveUp = context.WithCancel(t.Context())
	database := c.primary.Database(t)
	for range 2 {
		r := &node{address: freeAddress(t), mqtt: freeAddress(t), proxies: map[string]*pgtest.Proxy{}}
		var addresses []string
		for _, server := range []string{c.primary.Address, c.standby.Address} {
			p := pgtest.NewProxy(t, server)
			r.proxies[server] = p
			addresses = append(addresses, p.Address)
		}
		r.store = pgtest.Via(database, addresses...)
		c.relays = append(c.relays, r)
		c.launch(r)
	}
	id, key := (&serving{url: "http://" + c.relays[0].address}).newChannel(t)
	c.channel, c.writeKey = strconv.FormatInt(id, 10), key
	return c
}

// launch starts a relay.
func (c *cluster) launch(r *node) {
	c.Helper()
	r.process = launchWith(c.T, "--listen", r.address, "--mqtt", r.mqtt, "--store", r.store)
	r.waitUntilListening(c.T)
}

// stop ends the relays as they should be ended.
func (c *cluster) stop() {
	c.Helper()
	for _, r := range c.relays {
		if err := r.Process.Signal(syscall.SIGTERM); err != nil {
			c.Fatal(err)
		}
	}
	for _, r := range c.relays {
		if err := r.Wait(); err != nil {
			c.Errorf("after SIGTERM a relay ended with %v", err)
		}
	}
}

// fault is something that goes wrong, and is mended.
type fault struct {
	name   string
	strike func(*cluster)
}

var faults = []fault{
	{"a relay is killed", (*cluster).killRelay},
	{"both relays are killed", (*cluster).killRelays},
	{"the primary fails, and the standby is promoted", (*cluster).failOver},
	{"a relay loses the answer to a COMMIT", (*cluster).loseCommit},
	{"a relay is cut off at some message of the server", (*cluster).cutAnywhere},
	{"the standby stands still", (*cluster).pauseStandby},
	{"both servers are restarted", (*cluster).restartServers},
	{"both servers fail and come back", (*cluster).failServers},
}

// draw returns faults in random order: each once before one comes again.
func (c *cluster) draw(count int) (drawn []fault) {
	for len(drawn) < count {
		for _, i := range c.random.Perm(len(faults)) {
			drawn = append(drawn, faults[i])
		}
	}
	return drawn[:count]
}

// moment returns some time up to a limit, as often a short one as a long one.
func (c *cluster) moment(most time.Duration) time.Duration {
	return most >> c.random.IntN(8)
}

func (c *cluster) anyRelay() *node { return c.relays[c.random.IntN(len(c.relays))] }

func (c *cluster) killRelay() {
	r := c.anyRelay()
	r.kill(c.T)
	time.Sleep(c.moment(time.Second)) // nothing depends on how long it is down
	c.launch(r)
}

func (c *cluster) killRelays() {
	for _, r := range c.relays {
		r.kill(c.T)
	}
	for _, r := range c.relays {
		c.launch(r)
	}
}

// failOver does what whoever watches the servers does: it makes sure that the primary is down, promotes the standby,
// and then makes another one in the place of the old primary. How long it takes to notice changes nothing.
func (c *cluster) failOver() {
	var down *node
	switch c.random.IntN(4) {
	case 0: // A relay fails too.
		down = c.anyRelay()
		down.kill(c.T)
	case 1: // The primary falls silent first.
		c.primary.Pause(c)
		time.Sleep(c.moment(2 * time.Second))
	case 2: // The standby has stood still, and lacks all that waits for it.
		c.standby.Pause(c)
		time.Sleep(c.moment(2 * time.Second))
	}
	c.primary.StopHard(c)
	c.standby.Resume(c)
	time.Sleep(c.moment(2 * time.Second)) // until somebody notices
	c.standby.Promote(c)
	promoted := time.Now()
	if down != nil {
		c.launch(down)
	}
	c.awaitWrites()
	took := time.Since(promoted)
	c.slowest = max(c.slowest, took)
	if took > writesAgain {
		c.Errorf("%v after the promotion both relays write again: want %v at most", took, writesAgain)
	}
	old := c.primary
	c.primary = c.standby
	c.standby = c.primary.Standby(c, pgtest.On(old.Address))
}

func (c *cluster) loseCommit() { c.cut(pgtest.Committed) }

func (c *cluster) cutAnywhere() {
	left := 1 + c.random.IntN(200)
	c.cut(func(pgtest.Message) bool {
		left--
		return left == 0
	})
}

// cut ends a relay's connections to the primary when a message comes.
func (c *cluster) cut(at func(pgtest.Message) bool) {
	select {
	case <-c.anyRelay().proxies[c.primary.Address].CutAt(at):
	case <-c.ctx.Done():
	}
}

// pauseStandby makes sure that meanwhile no update is answered, and that reading goes on.
func (c *cluster) pauseStandby() {
	c.standby.Pause(c)
	defer c.standby.Resume(c)
	for _, r := range c.relays {
		if answer, err := r.send(c.ctx, http.MethodGet, "/channels/"+c.channel+"/feeds.csv", c.writeKey); err != nil ||
			!strings.HasPrefix(answer, "200 ") {
			c.Errorf("while the standby stands still a read is answered with %q, %v", answer, err)
		}
	}
	wait := c.moment(2 * time.Second)
	if c.random.IntN(8) == 0 {
		wait = 11 * time.Second // longer than relays wait: they answer 503
	}
	ctx, cancel := context.WithTimeout(c.ctx, wait)
	defer cancel()
	var asking sync.WaitGroup
	for _, r := range c.relays {
		asking.Go(func() {
			if answer, err := r.update(ctx, c.writeKey); err == nil && !strings.HasPrefix(answer, "503 ") {
				c.Errorf("while the standby stands still an update is answered with %q", answer)
			}
		})
	}
	asking.Wait()
}

func (c *cluster) restartServers() {
	both := []*pgtest.Server{c.primary, c.standby}
	c.random.Shuffle(len(both), func(i, j int) { both[i], both[j] = both[j], both[i] })
	for _, s := range both {
		s.Restart(c)
	}
}

func (c *cluster) failServers() {
	both := []*pgtest.Server{c.primary, c.standby}
	c.random.Shuffle(len(both), func(i, j int) { both[i], both[j] = both[j], both[i] })
	for _, s := range both {
		s.StopHard(c)
	}
	c.random.Shuffle(len(both), func(i, j int) { both[i], both[j] = both[j], both[i] })
	for _, s := range both {
		s.Restart(c)
	}
}

// awaitWrites returns when both relays store updates, which a standby that lags behind has got then too.
func (c *cluster) awaitWrites() {
	c.Helper()
	for _, r := range c.relays {
		for deadline := time.Now().Add(time.Minute); ; <-time.After(5 * time.Millisecond) {
			answer, err := r.update(c.ctx, c.writeKey)
			if err == nil && strings.HasPrefix(answer, "200 ") {
				break
			}
			if c.ctx.Err() != nil {
				return // the check says why
			}
			if time.Now().After(deadline) {
				c.Fatalf("a minute after the fault %s still does not store updates: %q, %v", r.address, answer, err)
			}
		}
	}
}

// update sends an update to one relay and returns the status and text of its answer.
func (r *node) update(ctx context.Context, key string) (answer string, err error) {
	return r.send(ctx, http.MethodPost, "/update?field1=still+there", key)
}

// send sends a request to one relay and returns the status and text of its answer.
func (r *node) send(ctx context.Context, method, path, key string) (answer string, err error) {
	q, err := http.NewRequestWithContext(ctx, method, "http://"+r.address+path, nil)
	if err != nil {
		return "", err
	}
	q.Header.Set("X-THINGSPEAKAPIKEY", key)
	got, err := http.DefaultClient.Do(q)
	if err != nil {
		return "", err
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	return fmt.Sprint(got.StatusCode, " ", string(text)), err
}
