// Package serve is a relay's life in a process: it opens the data, listens, serves and stops. Commands that start one
// are in package relaycmd.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/cheat"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
	"github.com/fernpost/fernpost/internal/relay/metrics"
	"github.com/fernpost/fernpost/internal/relay/mqttapi"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
)

// Options say how a relay is served.
type Options struct {
	// Listen is HOST:PORT; port 0 picks one that is free. An empty host is every address of the machine.
	Listen string
	// Data is the directory that everything is kept in; it is made if it is not there.
	Data string
	// Store is the URL of a PostgreSQL database that everything is kept in instead; empty for none.
	Store string
	// Limits are what the relay grants; the zero value means the preset "none".
	Limits relay.Limits
	// Open lets anybody create channels without a user key, from anywhere.
	Open bool
	// TLSCert and TLSKey name PEM files; with both the relay serves HTTPS only. Other files in their place are taken
	// up without a restart.
	TLSCert, TLSKey string
	// MQTT is HOST:PORT to serve MQTT on, with TLS if there is a certificate; then Listen serves it as WebSocket at /mqtt,
	// too. Empty for no MQTT.
	MQTT string
	// MetricsListen is HOST:PORT for /metrics, /healthz and /readyz alone, in plain HTTP; empty for none. In any case
	// programs on this machine find /metrics on Listen.
	MetricsListen string
	// Clients are the limits by address; the zero value has none, but for what the system has for a process. AllStreams is
	// at most three quarters of AllConnections.
	Clients guard.Limits
	// Proxies are believed when they say whom they forward a request for.
	Proxies []netip.Prefix
	// Cheat are lies that the relay tells, for lessons; 0 is none.
	Cheat cheat.Lies
	// Front puts pages of whoever starts the relay before its handler, under its address; nil is nothing.
	Front func(relay http.Handler) http.Handler
	// Tap is given the listener on Listen, below TLS, so that it may look at what is on the wire; nil is nothing.
	Tap func(net.Listener) net.Listener
	// Stored is called when entries were stored, before that is answered; nil is nothing.
	Stored func(ctx context.Context, a *relay.Accepted)
	// Log gets what goes wrong on our side; nil is nowhere.
	Log *slog.Logger
}

// Time-outs of the server. A request is small, and a full reply of 20 MB has to get through a slow line.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 2 * time.Minute
	idleTimeout   = 3 * time.Minute
	maxHeader     = 16 << 10
)

// DrainTimeout is how long a stop waits for requests under way.
const DrainTimeout = 10 * time.Second

// Running is a relay that serves.
type Running struct {
	listener, opsListener, mqttListener net.Listener
	server, opsServer                   *http.Server
	// mqtt is nil without MQTT.
	mqtt    *mqttapi.Door
	workers *workers
	// shown is what the relay shows now, and make builds what it shows under other rules. changing is held while they change.
	shown    atomic.Pointer[shown]
	make     func(relay.Limits, cheat.Lies) *shown
	changing sync.Mutex
	store    Data
	// lock is held on data, the directory, if there is one.
	lock      *sqlite.Lock
	data      string
	encrypted bool
	log       *slog.Logger
	// stopping says that a stop has begun.
	stopping atomic.Bool
	// failed gets the error that serving ended with, and is closed then.
	failed chan error
}

// Start begins to serve; ctx counts while it begins only. It fails with a *sqlite.ServedError when another process
// serves the data already.
func Start(ctx context.Context, o Options) (*Running, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Limits == (relay.Limits{}) {
		none, err := relay.Preset(relay.PresetNone)
		if err != nil {
			return nil, err
		}
		o.Limits = none
	}
	o.Clients.AllConnections = withinOpenFiles(o.Clients.AllConnections)
	// Streams stay, so that they could take all connections from those who come and go.
	if most := o.Clients.AllConnections * 3 / 4; most > 0 && (o.Clients.AllStreams == 0 || o.Clients.AllStreams > most) {
		o.Clients.AllStreams = most
	}
	var cert *certificate
	if o.TLSCert != "" || o.TLSKey != "" {
		var err error
		if cert, err = loadCertificate(o.TLSCert, o.TLSKey, o.Log); err != nil {
			return nil, err
		}
	}
	r := &Running{log: o.Log, encrypted: cert != nil, failed: make(chan error, 1)}
	if err := r.openData(ctx, o); err != nil {
		return nil, err
	}
	if err := r.listen(ctx, o); err != nil {
		return nil, errors.Join(err, r.closeListeners(), r.closeData())
	}
	r.serve(o, cert)
	return r, nil
}

// withinOpenFiles lowers a limit of connections, 0 for none, to what the system lets the process have. Some files are
// needed beside them: the store's, and those of commands that look at them.
func withinOpenFiles(connections int) int {
	const filesBeside = 64
	most := maxOpenFiles() - filesBeside
	if most > 0 && (connections == 0 || connections > most) {
		return most
	}
	return connections
}

// slowDatabase is after how long it is said that a database has not answered yet.
const slowDatabase = 3 * time.Second

// openData opens the database that the options name, or the directory, which it locks.
func (r *Running) openData(ctx context.Context, o Options) (err error) {
	if o.Store != "" {
		slow := time.AfterFunc(slowDatabase, func() { o.Log.Warn("the database does not answer yet; still trying to reach it") })
		defer slow.Stop()
		r.store, err = OpenPostgres(ctx, o.Store)
		return err
	}
	r.data = o.Data
	if r.lock, err = sqlite.LockDir(o.Data); err != nil {
		return fmt.Errorf("data directory %s: %w", o.Data, err)
	}
	if r.store, err = OpenSQLite(o.Data); err != nil {
		return errors.Join(err, r.lock.Unlock())
	}
	return nil
}

// listen opens the addresses.
func (r *Running) listen(ctx context.Context, o Options) (err error) {
	var listening net.ListenConfig
	if r.listener, err = listening.Listen(ctx, "tcp", o.Listen); err != nil {
		return fmt.Errorf("listening on %s: %w", o.Listen, guard.ListenError(o.Listen, err))
	}
	if o.MetricsListen != "" {
		if r.opsListener, err = listening.Listen(ctx, "tcp", o.MetricsListen); err != nil {
			return fmt.Errorf("listening on %s for metrics: %w", o.MetricsListen, guard.ListenError(o.MetricsListen, err))
		}
	}
	if o.MQTT != "" {
		if r.mqttListener, err = listening.Listen(ctx, "tcp", o.MQTT); err != nil {
			return fmt.Errorf("listening on %s for MQTT: %w", o.MQTT, guard.ListenError(o.MQTT, err))
		}
	}
	return nil
}

// serve begins to accept.
func (r *Running) serve(o Options, cert *certificate) {
	figures, clients := metrics.New(), guard.New(o.Clients, o.Proxies, o.Log)
	observed := figures.Observe(r.store)
	r.make = func(limits relay.Limits, lies cheat.Lies) *shown {
		return r.newShown(&o, cheat.Stores(observed, lies), limits, lies, httpapi.Options{Clients: clients, Metrics: figures})
	}
	r.shown.Store(r.make(o.Limits, o.Cheat))
	r.gauges(figures, clients, cert)
	r.workers = newWorkers(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { r.shown.Load().handler.ServeHTTP(w, q) }))
	handler := http.Handler(r.workers)
	if r.mqttListener != nil {
		r.mqtt = mqttapi.New(r.Rules(), mqttapi.Options{Log: o.Log, Clients: clients})
		r.serveMQTT(clients, figures, cert)
		handler = withMQTT(handler, r.mqtt, clients)
	}
	if o.Front != nil {
		handler = o.Front(handler)
	}
	r.server = newServer(o.Log, handler)
	accepting := clients.Listen(r.listener)
	if o.Tap != nil {
		accepting = o.Tap(accepting)
	}
	if cert != nil {
		accepting = tls.NewListener(accepting, cert.config())
	}
	accepting = httpapi.AnswerVersionless(accepting)
	if r.opsListener != nil {
		r.opsServer = newServer(o.Log, httpapi.NewOps(figures, r.ready))
		go func() {
			if err := r.opsServer.Serve(r.opsListener); !errors.Is(err, http.ErrServerClosed) {
				o.Log.Error("serving metrics ended", "err", err)
			}
		}()
	}
	go func() {
		defer close(r.failed)
		if err := r.server.Serve(accepting); !errors.Is(err, http.ErrServerClosed) {
			r.failed <- err
		}
	}()
}

// newServer has all time-outs. HTTP/1.1 is all it speaks: the service's clients look for that text in the first line.
func newServer(log *slog.Logger, h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          serverLog(log),
	}
}

// URL is the relay's address, without a slash at the end: one that other machines reach, if there is any.
func (r *Running) URL() string { return r.URLs()[0] }

// URLs are all addresses that the relay is reached by, the likeliest first. Of a relay for all addresses of the machine
// that are those of its network interfaces, and its own only if it has none.
func (r *Running) URLs() []string {
	scheme := "http://"
	if r.encrypted {
		scheme = "https://"
	}
	var all []string
	for _, a := range guard.Reachable(r.listener.Addr()) {
		all = append(all, scheme+a)
	}
	return all
}

// MetricsURL is the address of the metrics alone, empty without one.
func (r *Running) MetricsURL() string {
	if r.opsListener == nil {
		return ""
	}
	return "http://" + guard.Reachable(r.opsListener.Addr())[0]
}

// Place tells where everything is kept: a directory, or a database and its servers.
func (r *Running) Place() string { return r.store.Place }

// Loopback reports whether only this machine can connect.
func (r *Running) Loopback() bool {
	a, ok := r.listener.Addr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

// Encrypted reports whether the relay serves HTTPS.
func (r *Running) Encrypted() bool { return r.encrypted }

// Failed delivers the error if serving ends by itself, and is closed when it has ended in any way.
func (r *Running) Failed() <-chan error { return r.failed }

// Close stops to accept, waits up to [DrainTimeout] for what is under way, and closes the data. What was answered is on disk
// in any case.
func (r *Running) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), DrainTimeout)
	defer cancel()
	return r.Shutdown(ctx)
}

// Shutdown is Close with a deadline of the caller's. From its beginning /readyz says 503, and streams of entries end, as they
// would never finish; when it returns, SQLite's log is folded into the database, unless another process has that open.
func (r *Running) Shutdown(ctx context.Context) error {
	r.changing.Lock()
	if r.stopping.CompareAndSwap(false, true) {
		close(r.shown.Load().ending)
	}
	r.changing.Unlock()
	mqttStopped := make(chan error, 1)
	go func() { mqttStopped <- r.stopMQTT(ctx) }()
	err := r.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("finishing requests under way: %w", err), r.server.Close())
	}
	err = errors.Join(err, <-mqttStopped)
	for range r.failed { // wait until Serve has returned
	}
	r.workers.close()
	if r.opsServer != nil {
		err = errors.Join(err, r.opsServer.Close())
	}
	return errors.Join(err, r.closeData())
}

func (r *Running) closeListeners() error {
	var errs []error
	for _, l := range []net.Listener{r.listener, r.opsListener, r.mqttListener} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}

func (r *Running) closeData() error {
	if now := r.shown.Load(); now != nil {
		now.close()
	}
	err := r.store.Close()
	if r.lock != nil {
		err = errors.Join(err, r.lock.Unlock())
	}
	return err
}
