// Package mqttapi is the relay's MQTT door: it turns what devices publish into calls of package relay, and announces what is
// stored, whichever door it came through, to those who subscribe (contract section 10). It holds no rules of its own.
//
// Nothing is answered: an update that comes too early, is too large or goes to a channel that the device may not publish to
// vanishes, and is acknowledged like any other.
package mqttapi

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/mqtt"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/guard"
)

// checkEvery is how often the rights of connected devices are looked at again.
const checkEvery = 5 * time.Second

// Options say how a relay faces MQTT.
type Options struct {
	// Log gets what went wrong on our side; nil is nowhere. Keys and payloads are never logged.
	Log *slog.Logger
	// Clients keeps account of the addresses that clients come from; nil sets no limits.
	Clients *guard.Clients
	// Limits are the broker's.
	Limits mqtt.Limits
}

// Door serves MQTT on a relay. It is made by [New] and ended by [Door.Shutdown].
type Door struct {
	*mqtt.Broker
	relay   *relay.Relay
	log     *slog.Logger
	clients *guard.Clients

	// stop ends what runs in the background.
	stop       context.CancelFunc
	background sync.WaitGroup

	// mu guards what follows.
	mu       sync.Mutex
	sessions map[*session]struct{}
	feeds    map[int64]*feed
}

// New returns a door that serves nothing yet.
func New(r *relay.Relay, o Options) *Door {
	d := &Door{
		relay: r, log: o.Log, clients: o.Clients,
		sessions: map[*session]struct{}{}, feeds: map[int64]*feed{},
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.Broker = mqtt.NewBroker(d, o.Limits, d.log)
	ctx, stop := context.WithCancel(context.Background())
	d.stop = stop
	d.background.Go(func() { d.check(ctx) })
	return d
}

// Shutdown ends all connections. What is being stored has until the end of ctx to be acknowledged.
func (d *Door) Shutdown(ctx context.Context) error {
	err := d.Broker.Shutdown(ctx)
	d.stop()
	d.background.Wait()
	return err
}

// errBusy: an address shows too many wrong credentials, or connects too often.
var errBusy = errors.New("too many requests from this address")

// Connect is part of [mqtt.Door].
func (d *Door) Connect(ctx context.Context, c mqtt.Credentials) (mqtt.Session, error) {
	from := guard.Sender{Address: guard.Peer(c.From.Remote), Told: c.From.Told, Proxied: c.From.Proxied}
	client := d.clients.Find(from)
	now := time.Now()
	if client.Admit(now) > 0 || client.AdmitKey(now) > 0 {
		return nil, errBusy
	}
	device, err := d.relay.Device(ctx, c.ClientID, c.Username, c.Password)
	if errors.Is(err, relay.ErrKey) {
		client.WrongKey(now)
		return nil, mqtt.ErrCredentials
	}
	if err != nil {
		d.log.Error("letting an MQTT client in", "err", err)
		return nil, err
	}
	leave, err := d.clients.OpenStream(from)
	if err != nil {
		return nil, err
	}
	s := &session{door: d, device: device, client: client, leave: leave, joined: map[string]*feed{}}
	d.mu.Lock()
	d.sessions[s] = struct{}{}
	d.mu.Unlock()
	return s, nil
}

// check looks again and again at what connected devices may do, until ctx ends.
func (d *Door) check(ctx context.Context) {
	again := time.NewTicker(checkEvery)
	defer again.Stop()
	for {
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
		d.survives("looking at the rights of MQTT clients", func() { d.look(ctx) })
	}
}

// look ends what connected devices may not have any more. While the store does not answer everything stays as it is.
func (d *Door) look(ctx context.Context) {
	all := d.connected()
	if len(all) == 0 {
		return
	}
	devices := make([]*relay.Device, len(all))
	for i, s := range all {
		devices[i] = s.device
	}
	devices, err := d.relay.StillAll(ctx, devices)
	if err != nil {
		return
	}
	for i, s := range all {
		s.check(ctx, devices[i])
	}
}

// survives runs work and reports whether it went through. A panic, which is a mistake of ours, must not end the relay.
func (d *Door) survives(work string, do func()) (through bool) {
	defer func() {
		if p := recover(); p != nil {
			d.log.Error(work+" panicked", "panic", p)
		}
	}()
	do()
	return true
}

func (d *Door) connected() (all []*session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s := range d.sessions {
		all = append(all, s)
	}
	return all
}
