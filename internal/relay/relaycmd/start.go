// Package relaycmd holds the relay's commands and its life in a process: listening, serving, stopping. It is mounted by
// fernpost as "fernpost relay", and is all that the program fernpost-relay consists of.
package relaycmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
	"github.com/fernpost/fernpost/internal/relay/store"
)

// Options say how a relay is served.
type Options struct {
	// Listen is HOST:PORT; port 0 picks one that is free. An empty host is every address of the machine.
	Listen string
	// Data is the directory that everything is kept in; it is made if it is not there.
	Data string
	// Limits are what the relay grants; the zero value means the preset "none".
	Limits relay.Limits
	// Open lets anybody create channels without a user key, from anywhere.
	Open bool
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
	// drainTimeout is how long a stop waits for requests under way.
	drainTimeout = 10 * time.Second
)

// Running is a relay that serves.
type Running struct {
	listener net.Listener
	server   *http.Server
	store    *store.SQLite
	lock     *store.Lock
	// failed gets the error that serving ended with, and is closed then.
	failed chan error
}

// Start begins to serve; ctx counts while it begins only. It fails with a *store.ServedError when another process
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
	lock, err := store.LockDir(o.Data)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", o.Data, err)
	}
	s, err := store.OpenSQLite(o.Data)
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	r := &Running{store: s, lock: lock, failed: make(chan error, 1)}
	var listening net.ListenConfig
	if r.listener, err = listening.Listen(ctx, "tcp", o.Listen); err != nil {
		return nil, errors.Join(fmt.Errorf("listening on %s: %w", o.Listen, err), r.closeData())
	}
	r.server = &http.Server{
		Handler: httpapi.New(relay.New(s, o.Limits), httpapi.Options{
			Log: o.Log, Loopback: r.Loopback(), Open: o.Open,
		}),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(r.failed)
		if err := r.server.Serve(r.listener); !errors.Is(err, http.ErrServerClosed) {
			r.failed <- err
		}
	}()
	return r, nil
}

// URL is the relay's address as this machine reaches it, without a slash at the end.
func (r *Running) URL() string {
	host, port, err := net.SplitHostPort(r.listener.Addr().String())
	if err != nil {
		return "http://" + r.listener.Addr().String()
	}
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// Loopback reports whether only this machine can connect.
func (r *Running) Loopback() bool {
	a, ok := r.listener.Addr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

// Failed delivers the error if serving ends by itself, and is closed when it has ended in any way.
func (r *Running) Failed() <-chan error { return r.failed }

// Close stops to accept, waits up to 10 seconds for what is under way, and closes the data. What was answered is on disk
// in any case.
func (r *Running) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	return r.Shutdown(ctx)
}

// Shutdown is Close with a deadline of the caller's.
func (r *Running) Shutdown(ctx context.Context) error {
	err := r.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("finishing requests under way: %w", err), r.server.Close())
	}
	for range r.failed { // wait until Serve has returned
	}
	return errors.Join(err, r.closeData())
}

func (r *Running) closeData() error { return errors.Join(r.store.Close(), r.lock.Unlock()) }
