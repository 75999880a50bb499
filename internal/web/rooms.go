package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/gateway"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/scratch"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/web/outside"
)

// RoomsOptions say how the rooms of this device are served.
type RoomsOptions struct {
	// Listen is HOST:PORT on loopback; port 0 picks one.
	Listen string
	// Engine has the rooms, and Pace says how often their relays are asked.
	Engine *messenger.Engine
	Pace   gateway.Pace
	// Self is what all answers carry, so that Engine knows a relay that leads back here.
	Self gateway.Self
	// Access is how feeds are read as everybody reads them.
	Access channel.Access
	// Log gets what goes wrong; nil is nowhere.
	Log *slog.Logger
}

// ErrNotLoopback: what the page shows is clear.
var ErrNotLoopback = errors.New("the page of one's own rooms is for this machine only")

// Rooms serves the page of the rooms of this device. Their messages go through a gateway, which knows who may call it; it has
// a home of its own, and one token, both gone at the end.
type Rooms struct {
	gateway *gateway.Running
	dir     *scratch.Dir
	engine  *messenger.Engine
	log     *slog.Logger
}

// StartRooms begins to serve; ctx counts while it begins only. The error may be ErrNotLoopback.
func StartRooms(ctx context.Context, o RoomsOptions) (_ *Rooms, err error) {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", o.Listen, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listening on %s: %w", o.Listen, ErrNotLoopback)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Rooms{engine: o.Engine, log: o.Log}
	if r.dir, err = scratch.New("web"); err != nil {
		return nil, err
	}
	r.gateway, err = gateway.Start(ctx, gateway.Options{
		Listen: o.Listen, Home: r.dir.Path(), Engine: o.Engine,
		Pace: o.Pace, Self: o.Self, Log: o.Log, Pages: r.pages(o.Access),
	})
	if err != nil {
		return nil, errors.Join(err, r.dir.Remove())
	}
	return r, nil
}

// URL is the address of the page, with its token.
func (r *Rooms) URL() string { return r.gateway.URL() + "/#" + r.gateway.FirstToken() }

// Address is where it listens, without the token.
func (r *Rooms) Address() string { return r.gateway.URL() }

// Failed delivers the error if serving ends by itself.
func (r *Rooms) Failed() <-chan error { return r.gateway.Failed() }

// Shutdown ends it; what is under way has as long as ctx lasts.
func (r *Rooms) Shutdown(ctx context.Context) error {
	return errors.Join(r.gateway.Shutdown(ctx), r.dir.Remove())
}

// pages serves what the gateway does not.
func (r *Rooms) pages(access channel.Access) func(func(http.HandlerFunc) http.HandlerFunc) http.Handler {
	return func(only func(http.HandlerFunc) http.HandlerFunc) http.Handler { return r.newPages(access, only) }
}

func (r *Rooms) newPages(access channel.Access, only func(http.HandlerFunc) http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", newPage("rooms", pageData{Title: "Rooms", Script: "rooms.js"}))
	mux.HandleFunc("GET /static/", serveStatic)
	mux.HandleFunc("GET /outside/{room}", only(outside.Rows(access, r.place)))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "there is nothing at this address")
	})
	return mux
}

// place finds a room's channel.
func (r *Rooms) place(w http.ResponseWriter, q *http.Request) (outside.Place, bool) {
	settings, err := r.engine.Find(q.PathValue("room"))
	if err != nil {
		r.refuse(w, err)
		return outside.Place{}, false
	}
	return outside.Place{
		Relay: settings.Relay, Channel: settings.Channel, ReadKey: settings.ReadKey.Reveal(), Fields: thingspeak.FieldsOf(settings.Fields...),
	}, true
}

// refuse says why there is no room; what is wrong with one that is there stands in the log.
func (r *Rooms) refuse(w http.ResponseWriter, err error) {
	if errors.Is(err, model.ErrNoRoom) || errors.Is(err, model.ErrRoomName) {
		refuse(w, http.StatusNotFound, err.Error())
		return
	}
	r.log.Error("a room cannot be opened", "err", err)
	refuse(w, http.StatusConflict, "that room cannot be opened now; the terminal says why")
}
