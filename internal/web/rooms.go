package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/gateway"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
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
	dir     string
	token   atomic.Pointer[string] // once the gateway has made it
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
	if r.dir, err = os.MkdirTemp("", "fernpost-web-"); err != nil {
		return nil, err
	}
	r.gateway, err = gateway.Start(ctx, gateway.Options{
		Listen: o.Listen, Home: r.dir, Engine: o.Engine,
		Pace: o.Pace, Self: o.Self, Log: o.Log, Pages: r.pages(o.Access),
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(r.dir))
	}
	r.token.Store(new(r.gateway.FirstToken()))
	return r, nil
}

// URL is the address of the page, with its token.
func (r *Rooms) URL() string { return r.gateway.URL() + "/#" + *r.token.Load() }

// Address is where it listens, without the token.
func (r *Rooms) Address() string { return r.gateway.URL() }

// Failed delivers the error if serving ends by itself.
func (r *Rooms) Failed() <-chan error { return r.gateway.Failed() }

// Shutdown ends it; what is under way has as long as ctx lasts.
func (r *Rooms) Shutdown(ctx context.Context) error {
	return errors.Join(r.gateway.Shutdown(ctx), os.RemoveAll(r.dir))
}

// pages serves what the gateway does not.
func (r *Rooms) pages(access channel.Access) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", newPage("rooms", pageData{
		Title: "Rooms", Script: "rooms.js", Imports: []string{"columns", "dom", "lesson", "token", "talk"},
	}))
	mux.HandleFunc("GET /static/", serveStatic)
	mux.HandleFunc("GET /outside/{room}", r.only(outside.Rows(access, r.place)))
	mux.HandleFunc("GET /people/{room}", r.only(r.getPeople))
	mux.HandleFunc("POST /people/{room}/{key}", r.only(r.postVerified))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "there is nothing at this address")
	})
	return mux
}

// only lets in whoever has the token, which is not known before the gateway has started.
func (r *Rooms) only(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		token := ""
		if made := r.token.Load(); made != nil {
			token = *made
		}
		only(token, serve)(w, q)
	}
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

// in opens a room for the time of work.
func (r *Rooms) in(w http.ResponseWriter, q *http.Request, work func(*messenger.Room) error) {
	settings, err := r.engine.Find(q.PathValue("room"))
	if err != nil {
		r.refuse(w, err)
		return
	}
	room, err := r.engine.Open(settings, messenger.Face{})
	if err == nil {
		err = errors.Join(work(room), room.Close())
	}
	if err != nil {
		r.refuse(w, err)
	}
}

// person is somebody in a room, as the page is told.
type person struct {
	Name     string           `json:"name"`
	Key      record.PublicKey `json:"key"`
	Words    string           `json:"words"`
	Compared bool             `json:"compared"`
	Own      bool             `json:"own"`
	Lost     bool             `json:"lost"`
}

func (r *Rooms) getPeople(w http.ResponseWriter, q *http.Request) {
	r.in(w, q, func(room *messenger.Room) error {
		all := []person{}
		if !room.Signed() {
			answerJSON(w, map[string]any{"people": all, "words": ""})
			return nil
		}
		people, err := room.People()
		if err != nil {
			return err
		}
		for _, p := range people {
			all = append(all, person{p.Name, p.Key, passphrase.SixWords(p.Key.Safety()), p.Compared, p.Own, p.Lost})
		}
		own, name := room.Own()
		answerJSON(w, map[string]any{"people": all, "words": passphrase.SixWords(own.Safety()), "name": name})
		return nil
	})
}

// postVerified notes that somebody's words were compared.
func (r *Rooms) postVerified(w http.ResponseWriter, q *http.Request) {
	key, err := record.ParseKey(q.PathValue("key"))
	if err != nil {
		refuse(w, http.StatusNotFound, "that is nobody's key")
		return
	}
	r.in(w, q, func(room *messenger.Room) error {
		if err := room.Verified(key, time.Now()); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}
