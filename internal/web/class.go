package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/qr"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/scratch"
	"github.com/fernpost/fernpost/internal/web/outside"
)

// ClassOptions say how a class is served.
type ClassOptions struct {
	// Listen is HOST:PORT; port 0 picks one. Without a host it is the address of this machine in its network.
	Listen string
	// Address is the URL by which the others reach it; empty for the one that is listened on.
	Address string
	// Name is what the room is called.
	Name string
	// Seats is how many cards the printable page has; 0 for none.
	Seats int
	// TLS serves HTTPS, with a certificate that is made for the lesson unless TLSCert and TLSKey name one.
	TLS             bool
	TLSCert, TLSKey string
	// Log gets what goes wrong; nil is nowhere.
	Log *slog.Logger
}

// Class is a lesson that goes on: a relay in a directory of its own, a room, and pages for phones and the projector.
type Class struct {
	options ClassOptions
	relay   *serve.Running
	dir     *scratch.Dir
	tap     *outside.Tap
	token   string
	// certificate is the SHA-256 of the certificate, empty without TLS.
	certificate string
	limits      relay.Limits
	// begun is closed once the lesson has a room: the relay answers before, and so do phones of the lesson before.
	begun, ending chan struct{}

	// wires and rows are what everybody outside sees, for whoever is in the room; private is for the projector alone.
	wires, rows, private *journal

	mu       sync.Mutex // guards what follows; held while switches are turned
	switches Switches
	rooms    map[string]*room // by the name of the profile
	stolen   int
	stop     func() // ends the watching of the room's feed
}

// StartClass begins a lesson; ctx counts while it begins only.
func StartClass(ctx context.Context, o ClassOptions) (_ *Class, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Class{
		options: o, tap: outside.NewTap(), token: rand.Text(), begun: make(chan struct{}), ending: make(chan struct{}), wires: newJournal(), rows: newJournal(),
		private:  newJournal(),
		switches: Switches{Profile: passphrase.Fernpost().Name(), Lies: []string{}}, rooms: map[string]*room{}, stop: func() {},
	}
	if c.dir, err = scratch.New("class"); err != nil {
		return nil, fmt.Errorf("starting the class's relay: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close(context.WithoutCancel(ctx)))
		}
	}()
	if c.limits, err = relay.Preset(relay.PresetNone); err != nil {
		return nil, err
	}
	options := serve.Options{
		Listen: classAddress(o.Listen), Data: c.dir.Join("relay"), Limits: c.limits, Log: o.Log, Clients: classLimits,
		Tap: c.tap.Listen, Front: c.front, Stored: c.stored, TLSCert: o.TLSCert, TLSKey: o.TLSKey,
	}
	if err := c.certify(&options); err != nil {
		return nil, err
	}
	if c.relay, err = serve.Start(ctx, options); err != nil {
		return nil, err
	}
	if c.options.Address == "" {
		c.options.Address = c.relay.URL()
	}
	if _, err := c.room(ctx, c.switches.Profile); err != nil {
		return nil, err
	}
	c.watch()
	close(c.begun)
	return c, nil
}

// classLimits are what one address may do. A class may come from one address, behind a router.
var classLimits = guard.Limits{Connections: 500, Requests: 1000, WrongKeys: 100, AllConnections: 2000, Streams: 200}

// classAddress adds the host to listen on: this machine's address in its network, so that no other network is served.
func classAddress(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || host != "" {
		return listen
	}
	own, _, err := net.SplitHostPort(guard.Reachable(&net.TCPAddr{IP: net.IPv4zero})[0])
	if err != nil {
		return listen
	}
	return net.JoinHostPort(own, port)
}

// JoinLink is the invitation that phones open.
func (c *Class) JoinLink() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now().link
}

// Code is the QR code of the invitation.
func (c *Class) Code() (qr.Code, error) { return qr.Encode(c.JoinLink()) }

// TeacherURL is the address of the projector's page, with the token that turns the switches.
func (c *Class) TeacherURL() string { return c.options.Address + "/class#" + c.token }

// SeatsURL is the address of the page of cards, with the same token; empty without cards.
func (c *Class) SeatsURL() string {
	if c.options.Seats == 0 {
		return ""
	}
	return c.options.Address + "/class/seats#" + c.token
}

// Certificate is the SHA-256 of the certificate that was made for the lesson, in pairs of digits; empty without one.
func (c *Class) Certificate() string { return c.certificate }

// Loopback reports whether only this machine can connect.
func (c *Class) Loopback() bool { return c.relay.Loopback() }

// Failed delivers the error if serving ends by itself.
func (c *Class) Failed() <-chan error { return c.relay.Failed() }

// Close ends the lesson: what is under way has as long as ctx lasts, and then nothing is left of it. A
// second call does nothing.
func (c *Class) Close(ctx context.Context) (err error) {
	select {
	case <-c.ending:
		return nil // it has ended
	default:
		c.private.add(map[string]any{"end": true})
		close(c.ending)
	}
	c.mu.Lock()
	c.stop()
	c.mu.Unlock()
	if c.relay != nil {
		err = c.relay.Shutdown(ctx)
	}
	return errors.Join(err, c.dir.Remove())
}

// front serves the pages, and hands on to the relay what is its own.
func (c *Class) front(relay http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.phonePage)
	mux.HandleFunc("GET /join", c.phonePage)
	mux.Handle("GET /class", newPage("class", pageData{Title: "Class", Script: "class.js"}))
	mux.Handle("GET /class/seats", newPage("seats", pageData{Title: "Seat cards", Script: "seats.js"}))
	mux.HandleFunc("GET /static/", serveStatic)
	mux.HandleFunc("GET /class/now", c.getNow)
	mux.HandleFunc("GET /class/outside", c.getOutside)
	mux.HandleFunc("POST /class/stolen", c.postStolen)
	mux.HandleFunc("GET /class/state", only(c.token, c.getState))
	mux.HandleFunc("GET /class/events", only(c.token, c.getEvents))
	mux.HandleFunc("POST /class/switches", only(c.token, c.postSwitches))
	mux.Handle("/", c.observed(relay))
	return c.tapped(c.onceBegun(mux))
}

// onceBegun serves nothing before the lesson has begun.
func (c *Class) onceBegun(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-c.begun:
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusServiceUnavailable, "the lesson begins in a moment")
		}
	})
}
