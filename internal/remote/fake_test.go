package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// pipeNet is a network of one host, made of net.Pipe: unlike sockets, its reads count as idle in a synctest bubble.
type pipeNet struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipeNet) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipeNet) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipeNet) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// dial connects to the host.
func (p *pipeNet) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// newPipeNet returns a host that nobody serves yet, and a transport that reaches it.
func newPipeNet(t *testing.T) (*pipeNet, *http.Transport) {
	p := &pipeNet{conns: make(chan net.Conn), done: make(chan struct{})}
	tr := &http.Transport{DialContext: p.dial, MaxResponseHeaderBytes: 64 << 10} // the network's, too
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		p.Close()
	})
	return p, tr
}

// serve runs a handler until the test ends and returns a transport that leads to it, whatever the address.
func serve(t *testing.T, h http.Handler) *http.Transport {
	t.Helper()
	p, tr := newPipeNet(t)
	var wg sync.WaitGroup
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wg.Add(1)
		defer wg.Done()
		h.ServeHTTP(w, r)
	})}
	wg.Go(func() { _ = srv.Serve(p) })
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		srv.Close()
		wg.Wait()
	})
	return tr
}

const (
	writeKey = "WRITEKEY90123456"
	readKey  = "READKEY890123456"
	userKey  = "USERKEY890123456"
	channel  = 4242
)

// newClient returns a client of channel 4242 whose requests the handler answers. It has all three keys.
func newClient(t *testing.T, h http.Handler, change ...func(*remote.Options)) *remote.Client {
	t.Helper()
	return clientOver(t, serve(t, h), change...)
}

func clientOver(t *testing.T, tr http.RoundTripper, change ...func(*remote.Options)) *remote.Client {
	t.Helper()
	o := remote.Options{
		BaseURL: "http://relay.test:3000", Channel: channel,
		WriteKey: writeKey, ReadKey: readKey, UserKey: userKey,
		Interval: 15 * time.Second, Transport: tr, Version: "test",
	}
	for _, f := range change {
		f(&o)
	}
	c, err := remote.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// fakeRelay is a channel behind the few routes that the client uses, with switches for what relays do to their users.
type fakeRelay struct {
	mu       sync.Mutex
	rows     []thingspeak.Entry // by number
	last     int64
	pageSize int  // rows per answer at most, 8000 if 0
	ranges   bool // whether start_entry_id and end_entry_id are known
	endless  bool // whether end is ignored
	hidden   map[int64]bool
	interval time.Duration
	accepted time.Time // when the last update was taken
	fields   thingspeak.FieldSet

	// before may answer a request in the relay's place; it runs under the lock.
	before func(w http.ResponseWriter, r *http.Request) bool
	// log is the requests so far, such as "GET feeds.csv?results=10".
	log []string
}

func newFakeRelay() *fakeRelay { return &fakeRelay{ranges: true, fields: 1} }

// add stores a row with a date and returns its number.
func (f *fakeRelay) add(created time.Time, text string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addLocked(created, thingspeak.Fields{thingspeak.Text(text)})
}

func (f *fakeRelay) addLocked(created time.Time, fields thingspeak.Fields) int64 {
	f.last++
	f.rows = append(f.rows, thingspeak.Entry{ID: f.last, CreatedAt: created.Truncate(time.Second).UTC(), Fields: fields})
	return f.last
}

// fill stores n rows, one a second up to now.
func (f *fakeRelay) fill(n int) {
	for i := range n {
		f.add(time.Now().Add(time.Duration(i-n+1)*time.Second), fmt.Sprintf("text %d", i+1))
	}
}

func (f *fakeRelay) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows, f.last = nil, 0
}

// requests returns what was asked since the last call, without the parts that differ from run to run.
func (f *fakeRelay) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	log := f.log
	f.log = nil
	return log
}

func (f *fakeRelay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	query := r.URL.Query()
	query.Del("fresh")
	route, _ := strings.CutPrefix(strings.TrimPrefix(r.URL.Path, "/"), fmt.Sprintf("channels/%d/", channel))
	line := r.Method + " " + route
	if len(query) > 0 {
		line += "?" + query.Encode()
	}
	f.log = append(f.log, line)
	if f.before != nil && f.before(w, r) {
		return
	}
	switch {
	case route == "update":
		f.update(w, r)
	case route == "last_entry_id.txt":
		fmt.Fprint(w, f.last)
	case route == "feeds.csv":
		f.feed(w, r)
	case strings.HasPrefix(route, "feeds/"):
		id, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(route, "feeds/"), ".csv"), 10, 64)
		for i, e := range f.rows {
			if e.ID == id && !f.hidden[id] {
				fmt.Fprint(w, f.csv([]*thingspeak.Entry{&f.rows[i]}))
				return
			}
		}
		fmt.Fprint(w, "-1")
	default:
		http.NotFound(w, r)
	}
}

func (f *fakeRelay) update(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-THINGSPEAKAPIKEY") != writeKey {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, "0")
		return
	}
	if f.interval > 0 && time.Since(f.accepted) < f.interval {
		fmt.Fprint(w, "0")
		return
	}
	f.accepted = time.Now()
	fmt.Fprint(w, f.addLocked(time.Now(), formFields(r)))
}

func formFields(r *http.Request) (fields thingspeak.Fields) {
	for i := range fields {
		if name := fmt.Sprintf("field%d", i+1); r.PostFormValue(name) != "" {
			fields[i] = thingspeak.Text(r.PostFormValue(name))
		}
	}
	return fields
}

// feed answers as contract section 7.3 says: the newest rows by date, shown oldest first.
func (f *fakeRelay) feed(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	number := func(name string, missing int64) int64 {
		if n, err := strconv.ParseInt(q.Get(name), 10, 64); err == nil {
			return n
		}
		return missing
	}
	first, last := number("start_entry_id", 1), number("end_entry_id", 1<<60)
	end, err := time.Parse(time.DateTime, q.Get("end"))
	bounded := err == nil && !f.endless
	var rows []*thingspeak.Entry
	for i := range f.rows {
		e := &f.rows[i]
		outside := f.ranges && (e.ID < first || e.ID > last)
		if !f.hidden[e.ID] && !outside && !(bounded && e.CreatedAt.After(end)) {
			rows = append(rows, e)
		}
	}
	slices.SortStableFunc(rows, func(a, b *thingspeak.Entry) int { return a.CreatedAt.Compare(b.CreatedAt) })
	n := min(int(number("results", 100)), 8000)
	if f.pageSize > 0 {
		n = min(n, f.pageSize)
	}
	io.WriteString(w, f.csv(rows[max(len(rows)-n, 0):]))
}

func (f *fakeRelay) csv(rows []*thingspeak.Entry) string {
	feed := []byte("created_at,entry_id")
	for n := range f.fields.All() {
		feed = fmt.Appendf(feed, ",field%d", n)
	}
	feed = append(feed, '\n')
	for _, e := range rows {
		feed = e.CreatedAt.AppendFormat(feed, "2006-01-02 15:04:05 UTC,")
		feed = strconv.AppendInt(feed, e.ID, 10)
		for n := range f.fields.All() {
			feed = append(append(feed, ','), e.Fields[n-1].Text...)
		}
		feed = append(feed, '\n')
	}
	return string(feed)
}

// readFeed reads a feed in one request and one attempt.
func readFeed(
	ctx context.Context, c *remote.Client, q exchange.Query, visit func(*thingspeak.Entry) error,
) (exchange.Answer, error) {
	return c.Ask(ctx, exchange.Request{Query: q, KeepCut: true}, func(e *thingspeak.Entry, _ thingspeak.FieldSet) error {
		return visit(e)
	})
}

// readEntry reads one entry in one attempt.
func readEntry(ctx context.Context, c *remote.Client, id int64) (entry thingspeak.Entry, err error) {
	_, err = c.Ask(ctx, exchange.Request{What: exchange.OneEntry, Entry: id},
		func(e *thingspeak.Entry, _ thingspeak.FieldSet) error {
			entry = *e
			return nil
		})
	return entry, err
}

// busy returns in how many rounds an update was refused until it was given up, 0 if it was not.
func busy(err error) int {
	if e, ok := errors.AsType[*exchange.BusyError](err); ok {
		return e.Rounds
	}
	return 0
}

// collect returns a visitor that gathers entry numbers.
func collect(ids *[]int64) func(*thingspeak.Entry) error {
	return func(e *thingspeak.Entry) error {
		*ids = append(*ids, e.ID)
		return nil
	}
}

// countTo returns the numbers from first to last.
func countTo(first, last int64) (ids []int64) {
	for n := first; n <= last; n++ {
		ids = append(ids, n)
	}
	return ids
}

func oneField(text string) thingspeak.Fields { return thingspeak.Fields{thingspeak.Text(text)} }
