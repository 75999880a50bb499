// Package gateway is a local service over messenger: it takes clear values and texts from programs that cannot encrypt, and
// gives them back in clear. So it listens on loopback unless told otherwise, wants a token or a key from everybody, and
// answers no page of another site.
//
// It has several doors: /encrypt and /decrypt, as tutorials on Flask have them, ThingSpeak's API for the readings of
// sensors, and the rooms for scripts and bots, which /openapi.json describes.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/mqtt"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
	"github.com/fernpost/fernpost/internal/relay/metrics"
	relaysqlite "github.com/fernpost/fernpost/internal/relay/store/sqlite"
)

// Options say how a gateway is served.
type Options struct {
	// Listen is HOST:PORT; port 0 picks one that is free.
	Listen string
	// Home is the directory that keys, tokens and what is on its way are kept in; it is made if it is not there. One
	// gateway at a time serves it.
	Home string
	// AllowHosts are further names by which requests may call the gateway.
	AllowHosts []string
	// Keys returns what /encrypt and /decrypt work with, unless it is nil and KeysOf is the room whose keys they are, by its ID, see
	// [Grant]. Without either they are not there.
	Keys   func() (fernet.Ring, error)
	KeysOf string
	// NoToken lets everybody on this machine use /encrypt and /decrypt.
	NoToken bool
	// Engine has the rooms of this device, and Pace says how often their relays are asked; without it there are none. The gateway does
	// not start if the relay of one leads back to it.
	Engine *messenger.Engine
	Pace   Pace
	// MQTT is HOST:PORT to serve the readings of rooms on by MQTT, and MQTTTo the address of a broker that they are published to, as
	// [BrokerAddress] has it, with Login's user name and password. Empty is neither; both want rooms.
	MQTT, MQTTTo string
	Login        mqtt.Credentials
	// Pages makes what is served where the gateway has nothing of its own, to those whom it answers at all; nil is nothing. By only it
	// lets those in who bear a token for everything.
	Pages func(only func(http.HandlerFunc) http.HandlerFunc) http.Handler
	// Self is what all answers carry. The zero Self is one that nobody else knows.
	Self Self
	// Log gets what goes wrong, without contents and keys; nil is nowhere.
	Log *slog.Logger

	rooms rooms // of tests, in place of those of an engine
}

// limits are what one address may do. Programs on this machine are limited in their sum only.
var limits = guard.Limits{Connections: 100, Requests: 200, WrongKeys: 30, AllConnections: 1000}

func newClients(log *slog.Logger) *guard.Clients { return guard.New(limits, nil, log) }

// Time-outs of the server, and its limits of size.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 2 * time.Minute
	idleTimeout   = 3 * time.Minute
	maxHeader     = 16 << 10
	// DrainTimeout is how long a stop waits for requests under way.
	DrainTimeout = 10 * time.Second
)

// ErrNotLoopback: without a token nobody but programs on this machine may use a gateway.
var ErrNotLoopback = errors.New("without a token it serves this machine only")

// ServedError says that another gateway serves the home.
type ServedError = relaysqlite.ServedError

// Running is a gateway that serves.
type Running struct {
	listener net.Listener
	// mqtt is where MQTT is served, nil for nowhere.
	mqtt     net.Listener
	server   *http.Server
	lock     *relaysqlite.Lock
	grants   *Grants
	readings *readings
	door     *door
	followed *followedRooms
	device   *deviceRooms
	roomDoor *roomDoor
	// stop ends the delivery of readings, and delivering waits for it.
	stop       context.CancelFunc
	delivering sync.WaitGroup
	// firstToken is the token that was made at the first start.
	firstToken string
	failed     chan error
}

// Start begins to serve; ctx counts while it begins only. It fails with a [*ServedError] when another gateway serves the
// home, with [ErrNotLoopback], and with a [*LoopError].
func Start(ctx context.Context, o Options) (_ *Running, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = slog.New(&quietHandler{Handler: o.Log.Handler(), said: &said{at: map[string]time.Time{}}})
	if o.Self == (Self{}) {
		o.Self = NewSelf()
	}
	r := &Running{failed: make(chan error, 1)}
	if r.lock, err = relaysqlite.LockDir(o.Home); err != nil {
		return nil, fmt.Errorf("opening %s: %w", o.Home, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.abort())
		}
	}()
	if r.grants, err = OpenGrants(o.Home); err != nil {
		return nil, err
	}
	var relays []string
	if o.Engine != nil {
		if relays, err = relaysOf(o.Engine); err != nil {
			return nil, err
		}
		r.followed = newFollowedRooms(o.Engine, o.Pace, o.Log)
		r.device = newDeviceRooms(o.Engine, r.followed)
		o.rooms = r.device
	}
	if o.rooms != nil {
		r.grants.Name = func(roomID string) string { return nameOf(o.rooms, roomID) }
	}
	if r.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", o.Listen); err != nil {
		return nil, fmt.Errorf("listening on %s: %w", o.Listen, guard.ListenError(o.Listen, err))
	}
	if o.MQTT != "" {
		if r.mqtt, err = new(net.ListenConfig).Listen(ctx, "tcp", o.MQTT); err != nil {
			return nil, fmt.Errorf("listening on %s: %w", o.MQTT, guard.ListenError(o.MQTT, err))
		}
	}
	if o.NoToken && !isLoopback(r.listener) {
		return nil, fmt.Errorf("listening on %s: %w", o.Listen, ErrNotLoopback)
	}
	clients := newClients(o.Log)
	open := r.serve(&o, clients)
	if err := o.Self.leadsBack(ctx, relays, r.listener.Addr()); err != nil {
		return nil, err
	}
	if r.firstToken, err = r.grants.first(); err != nil {
		return nil, err
	}
	h := newHandler(o, r.grants, clients)
	if o.rooms != nil {
		if err := r.openDoor(o, h); err != nil {
			return nil, err
		}
	}
	if r.followed != nil {
		r.server.RegisterOnShutdown(r.followed.end)
		r.roomDoor = h.openRooms(r.followed)
		r.delivering.Go(r.followed.takeUp)
	}
	open(h)
	return r, nil
}

// serve begins to answer, at first that there is nothing yet, and everything else once it is opened with a handler.
func (r *Running) serve(o *Options, clients *guard.Clients) (open func(http.Handler)) {
	starting := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		(&problem{Status: http.StatusServiceUnavailable, Detail: "the gateway is about to start"}).write(w)
	}))
	var now atomic.Pointer[http.Handler]
	now.Store(&starting)
	r.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(selfHeader, o.Self.id)
			(*now.Load()).ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	accepting := httpapi.AnswerVersionless(clients.Listen(r.listener))
	go func() {
		defer close(r.failed)
		if err := r.server.Serve(accepting); !errors.Is(err, http.ErrServerClosed) {
			r.failed <- err
		}
	}()
	return func(h http.Handler) { now.Store(&h) }
}

// abort ends a start that failed.
func (r *Running) abort() (err error) {
	if r.server != nil {
		err = r.server.Close()
		for range r.failed { // wait until Serve has returned
		}
	}
	return errors.Join(err, r.close())
}

// openDoor opens the door for readings, and begins to deliver what waits.
func (r *Running) openDoor(o Options, h *handler) (err error) {
	if r.readings, err = openReadings(o.Home, o.rooms, o.Log); err != nil {
		return err
	}
	if r.door, err = newDoor(r.grants, r.readings, h.clients, h.figures, o.Log); err != nil {
		return err
	}
	if err := r.door.followAll(); err != nil {
		return err
	}
	h.door = r.door
	h.mux.Handle("/page/", r.door.api) // what its pages load
	h.figures.Gauge("fernpost_gateway_waiting", func() float64 { return float64(r.readings.all()) })
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.delivering.Go(func() { (&deliverer{r.readings, o.rooms, o.Log}).run(ctx) })
	home := &homeAssistant{readings: r.readings, grants: r.grants, rooms: o.rooms, follow: r.door.follow, log: o.Log}
	if r.mqtt != nil {
		b := home.newBroker(h.clients)
		h.figures.Gauge("fernpost_gateway_mqtt_connections", func() float64 { return float64(b.broker.Connections()) })
		r.delivering.Go(func() { b.serve(ctx, r.mqtt) })
	}
	if o.MQTTTo != "" {
		to := *home
		to.remembers = true
		r.delivering.Go(func() { to.keepConnected(ctx, to.dial(o.MQTTTo, o.Login)) })
	}
	return nil
}

// URL is the gateway's address, without a slash at the end: one that other machines reach, if there is any.
func (r *Running) URL() string { return "http://" + guard.Reachable(r.listener.Addr())[0] }

// MQTTURL is where MQTT is served, empty for nowhere.
func (r *Running) MQTTURL() string {
	if r.mqtt == nil {
		return ""
	}
	return "mqtt://" + guard.Reachable(r.mqtt.Addr())[0]
}

// FirstToken is the token for everything that was made at the first start, empty at others. Nobody can show it again.
func (r *Running) FirstToken() string { return r.firstToken }

// Paces returns how fast the relays take entries of the rooms that readings are written to. It asks them.
func (r *Running) Paces(ctx context.Context) ([]RoomPace, error) {
	keys, err := r.grants.List(false)
	if err != nil || r.device == nil {
		return nil, err
	}
	return r.device.paces(ctx, keys), nil
}

// Loopback reports whether only this machine can connect, by MQTT too.
func (r *Running) Loopback() bool {
	return isLoopback(r.listener) && (r.mqtt == nil || isLoopback(r.mqtt))
}

func isLoopback(l net.Listener) bool {
	a, ok := l.Addr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

// Failed delivers the error if serving ends by itself, and is closed when it has ended in any way.
func (r *Running) Failed() <-chan error { return r.failed }

// Shutdown stops to accept and waits for what is under way, as long as ctx lasts.
func (r *Running) Shutdown(ctx context.Context) error {
	err := r.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("finishing requests under way: %w", err), r.server.Close())
	}
	for range r.failed { // wait until Serve has returned
	}
	return errors.Join(err, r.close())
}

// close lets go of what was opened.
func (r *Running) close() error {
	var err error
	if r.listener != nil && r.server == nil { // otherwise the server has closed it
		err = r.listener.Close()
	}
	if r.mqtt != nil {
		_ = r.mqtt.Close() // it is closed already if it was served
	}
	if r.stop != nil {
		r.stop()
	}
	if r.followed != nil {
		r.followed.end()
	}
	r.delivering.Wait()
	if r.door != nil {
		r.door.close()
	}
	if r.followed != nil {
		err = errors.Join(err, r.device.close(), r.followed.close())
	}
	if r.readings != nil {
		err = errors.Join(err, r.readings.Close())
	}
	if r.grants != nil {
		err = errors.Join(err, r.grants.Close())
	}
	return errors.Join(err, r.lock.Unlock())
}

// handler serves the doors.
type handler struct {
	log     *slog.Logger
	grants  *Grants
	clients *guard.Clients
	figures *metrics.Metrics
	callers callers
	mux     *http.ServeMux
	door    *door // nil where there are no rooms
	rooms   rooms // nil where there are none
	keys    func() (fernet.Ring, error)
	keysOf  string // the room of the keys, by its name for good; empty for those of a file
	noToken bool
	bodies  bodies
}

func newHandler(o Options, grants *Grants, clients *guard.Clients) *handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Keys == nil && o.KeysOf != "" && o.rooms != nil {
		o.Keys = func() (fernet.Ring, error) {
			k, err := o.rooms.find(o.KeysOf)
			return k.ring, err
		}
	}
	h := &handler{
		log: o.Log, grants: grants, clients: clients, figures: metrics.New(), callers: newCallers(o.AllowHosts, o.NoToken),
		mux: http.NewServeMux(), keys: o.Keys, keysOf: o.KeysOf, noToken: o.NoToken, rooms: o.rooms,
	}
	h.mux.HandleFunc("/encrypt", h.lesson(h.encrypt))
	h.mux.HandleFunc("/decrypt", h.lesson(h.decrypt))
	ops := httpapi.NewOps(h.figures, nil)
	for _, path := range []string{"/healthz", "/readyz"} {
		h.mux.Handle("GET "+path, ops)
	}
	h.mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if !guard.Peer(r.RemoteAddr).IsLoopback() {
			nothing(w, r)
			return
		}
		ops.ServeHTTP(w, r)
	})
	if o.Pages == nil {
		h.mux.HandleFunc("/", nothing)
	} else {
		h.mux.Handle("/", o.Pages(h.only))
	}
	return h
}

// only lets those in who bear a token for everything.
func (h *handler) only(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := h.bearer(r, Admin, ""); err != nil {
			problemOf(err).write(w)
			return
		}
		serve(w, r)
	}
}

// openRooms opens the rooms for scripts and bots.
func (h *handler) openRooms(t *followedRooms) *roomDoor {
	d := &roomDoor{h: h, followed: t, log: h.log, madeBy: map[string]int64{}}
	d.register(h.mux.HandleFunc)
	h.figures.Gauge("fernpost_gateway_waiting_consumers", func() float64 { return float64(d.waiting.Load()) })
	return d
}

// ServeHTTP lets in whom the gateway answers at all.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	own := &ownReply{ResponseWriter: w}
	defer h.recovered(own)
	if p := h.callers.refuse(r); p != nil {
		h.refuse(own, r, p)
		return
	}
	if h.door != nil && isThingSpeak(r.URL.Path) { // which counts by itself what an address asks
		h.door.ServeHTTP(own, r)
		return
	}
	if wait := h.clients.Find(httpapi.SenderOf(r, h.clients)).Admit(time.Now()); wait > 0 {
		own.Header().Set("Retry-After", "1")
		h.refuse(own, r, &problem{Status: http.StatusTooManyRequests, Detail: "your address sends more requests than this gateway answers"})
		return
	}
	h.mux.ServeHTTP(own, r)
}

// refuse writes a refusal as the door that was asked writes it.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, p *problem) {
	h.figures.Reply("", p.Status)
	switch {
	case isThingSpeak(r.URL.Path):
		send(w, p.Status, "text/plain; charset=utf-8", []byte(p.Detail))
	case r.URL.Path == "/encrypt" || r.URL.Path == "/decrypt":
		send(w, p.Status, "application/json", appendFlaskJSON(nil, "error", p.Detail))
	default:
		p.write(w)
	}
}

// recovered ends a request whose handler has panicked. What the panic says may be about the request, so only where it came
// from is logged.
func (h *handler) recovered(w http.ResponseWriter) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	h.figures.Panicked()
	h.log.Error("handler panicked", "stack", string(debug.Stack()))
	w.Header().Set("Connection", "close")
	(&problem{Status: http.StatusInternalServerError, Detail: "a fault of the gateway"}).write(w)
}

// nameOf is how a room is called now, by its name for good.
func (h *handler) nameOf(roomID string) string {
	if h.grants.Name == nil || roomID == "" {
		return roomID
	}
	return h.grants.Name(roomID)
}

func nothing(w http.ResponseWriter, _ *http.Request) {
	(&problem{Status: http.StatusNotFound, Detail: "there is nothing at this address"}).write(w)
}

// hostname is how this machine calls itself, empty if it does not know.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
