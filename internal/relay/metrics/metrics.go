// Package metrics counts what a relay does, whichever door a request came through, and tells it in the text format of
// Prometheus.
package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/form"
)

// Metrics counts what a relay does, and tells it in the text format of Prometheus. No number is about a channel, an
// address or a key. A nil *Metrics counts nothing.
type Metrics struct {
	set *metrics.Set
	// replies has the counters made so far; there are as many as routes and statuses. The map is replaced, not
	// changed, so that a request takes no lock.
	replies atomic.Pointer[map[replyKind]*metrics.Counter]
	// making is held while replies is replaced.
	making sync.Mutex

	panics, entries *metrics.Counter
	// streams are the streams of entries that are open, events what went out on all of them, and slowStreams how many were
	// ended because their client did not keep up.
	streams             *metrics.Gauge
	events, slowStreams *metrics.Counter
	// refused has a counter for each reason.
	refused       map[form.Fault]*metrics.Counter
	batch, commit histogram
}

// replyKind is what replies are counted by.
type replyKind struct {
	route  string
	status int
}

// Bounds of the histograms' buckets.
var (
	batchBounds  = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}
	commitBounds = []float64{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5}
)

// New returns a set of its own.
func New() *Metrics {
	set := metrics.NewSet()
	m := &Metrics{
		set:     set,
		panics:  set.NewCounter("fernpost_relay_panics_total"),
		entries: set.NewCounter("fernpost_relay_entries_total"),
		batch:   newHistogram(set, "fernpost_relay_batch_updates", batchBounds),
		commit:  newHistogram(set, "fernpost_relay_commit_seconds", commitBounds),
		refused: map[form.Fault]*metrics.Counter{},

		streams:     set.NewGauge("fernpost_relay_streams", nil),
		events:      set.NewCounter("fernpost_relay_stream_events_total"),
		slowStreams: set.NewCounter("fernpost_relay_streams_slow_total"),
	}
	m.replies.Store(&map[replyKind]*metrics.Counter{})
	for _, fault := range form.Faults {
		m.refused[fault] = set.NewCounter(fmt.Sprintf("fernpost_relay_refused_bodies_total{reason=%q}", fault))
	}
	return m
}

// Gauge adds a number that is asked for whenever somebody looks.
func (m *Metrics) Gauge(name string, value func() float64) {
	if m != nil {
		m.set.NewGauge(name, value)
	}
}

// Observed is a reply whose status is noted, 0 until there is one.
type Observed struct {
	http.ResponseWriter

	Status int
}

// WriteHeader is part of [http.ResponseWriter].
func (w *Observed) WriteHeader(status int) {
	w.Status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (w *Observed) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Reply counts an answer by its route, a pattern of the mux, and its HTTP status.
func (m *Metrics) Reply(route string, status int) {
	if m == nil {
		return
	}
	kind := replyKind{route, status}
	counter := (*m.replies.Load())[kind]
	if counter == nil {
		counter = m.newReply(kind)
	}
	counter.Inc()
}

func (m *Metrics) newReply(kind replyKind) *metrics.Counter {
	m.making.Lock()
	defer m.making.Unlock()
	all := maps.Clone(*m.replies.Load())
	counter := m.set.GetOrCreateCounter(fmt.Sprintf(`fernpost_relay_requests_total{route=%q,status="%d"}`,
		kind.route, kind.status))
	all[kind] = counter
	m.replies.Store(&all)
	return counter
}

// Panicked counts a mistake of ours that ended a request.
func (m *Metrics) Panicked() {
	if m != nil {
		m.panics.Inc()
	}
}

// StreamOpened counts a stream of entries, until closed is called with whether its client was too slow.
func (m *Metrics) StreamOpened() (closed func(slow bool)) {
	if m == nil {
		return func(bool) {}
	}
	m.streams.Inc()
	return func(slow bool) {
		m.streams.Dec()
		if slow {
			m.slowStreams.Inc()
		}
	}
}

// Events counts entries that went out on a stream.
func (m *Metrics) Events(n int) {
	if m != nil {
		m.events.Add(n)
	}
}

// RefusedBody counts a request that was refused for what it sent.
func (m *Metrics) RefusedBody(fault form.Fault) {
	if m != nil {
		m.refused[fault].Inc()
	}
}

// write appends everything in the text format, the process's own figures too.
func (m *Metrics) write(w io.Writer) {
	m.set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
}

// ServeHTTP answers with the metrics.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	var body bytes.Buffer
	m.write(&body)
	h := w.Header()
	h.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	_, _ = w.Write(body.Bytes()) // an error means that the client has gone
}

// histogram counts values by size. The library's own has buckets that only its database understands.
type histogram struct {
	bounds  []float64
	buckets []*metrics.Counter // of values up to bounds[i]; the last one of all
	sum     *metrics.FloatCounter
	count   *metrics.Counter
}

func newHistogram(set *metrics.Set, name string, bounds []float64) histogram {
	h := histogram{
		bounds: bounds,
		sum:    set.NewFloatCounter(name + "_sum"),
		count:  set.NewCounter(name + "_count"),
	}
	for _, b := range bounds {
		h.buckets = append(h.buckets, set.NewCounter(fmt.Sprintf(`%s_bucket{le="%v"}`, name, b)))
	}
	h.buckets = append(h.buckets, set.NewCounter(name+`_bucket{le="+Inf"}`))
	return h
}

func (h *histogram) observe(v float64) {
	for i, b := range h.bounds {
		if v <= b {
			h.buckets[i].Inc()
		}
	}
	h.buckets[len(h.bounds)].Inc()
	h.sum.Add(v)
	h.count.Inc()
}

// Observe returns a store that counts its commits: how many updates each has, how long it takes, and what became of
// them.
func (m *Metrics) Observe(s relay.Store) relay.Store {
	o := &observedStore{Store: s, metrics: m, outcomes: map[string]*metrics.Counter{}}
	for _, name := range outcomes {
		o.outcomes[name] = m.set.NewCounter(fmt.Sprintf("fernpost_relay_updates_total{outcome=%q}", name))
	}
	return o
}

// What may become of an update that got as far as a commit.
const (
	outcomeAccepted    = "accepted"
	outcomeTooSoon     = "too_soon"
	outcomeKey         = "key"
	outcomeFull        = "full"
	outcomeUnavailable = "unavailable"
)

var outcomes = [...]string{outcomeAccepted, outcomeTooSoon, outcomeKey, outcomeFull, outcomeUnavailable}

type observedStore struct {
	relay.Store
	metrics *Metrics
	// outcomes is filled once.
	outcomes map[string]*metrics.Counter
}

// Commit is part of [relay.Store].
func (o *observedStore) Commit(ctx context.Context, updates []relay.Update) ([]relay.Decision, error) {
	began := time.Now()
	decisions, err := o.Store.Commit(ctx, updates)
	o.metrics.commit.observe(time.Since(began).Seconds())
	o.metrics.batch.observe(float64(len(updates)))
	if err != nil {
		o.outcomes[outcomeUnavailable].Add(len(updates))
		return decisions, err
	}
	for i := range decisions {
		o.outcomes[outcome(&decisions[i])].Inc()
		o.metrics.entries.Add(len(decisions[i].Entries))
	}
	return decisions, nil
}

func outcome(d *relay.Decision) string {
	if _, tooSoon := errors.AsType[*relay.TooSoonError](d.Err); tooSoon {
		return outcomeTooSoon
	}
	switch {
	case d.Err == nil:
		return outcomeAccepted
	case errors.Is(d.Err, relay.ErrFull):
		return outcomeFull
	default:
		return outcomeKey
	}
}
