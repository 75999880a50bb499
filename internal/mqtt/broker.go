// Package mqtt owns both MQTT libraries. It knows no rules: who may connect, publish and subscribe is what a [Door] says, and
// what subscribers get is what is given to [Broker.Publish].
//
// The broker is github.com/mochi-mqtt/server, hardened. Of what that can do only this is left: MQTT 3.1 and 3.1.1, clean
// sessions, subscriptions of QoS 0. Wills are dropped, since the library sends them past every check, and nothing is
// retained but what [Broker.Retain] is given. Whatever a client publishes goes to the Door and to nobody else.
package mqtt

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	server "github.com/mochi-mqtt/server/v2"
)

// Limits of a broker; zero values stand for those in brackets.
type Limits struct {
	// PacketBytes is the longest packet, without the up to four bytes that tell how long it is [64 KiB].
	PacketBytes int
	// ConnectTime is how long a connection has from its first byte to a complete CONNECT [10 s].
	ConnectTime time.Duration
	// IdleTime is how long a client may be silent that asks for no keep-alive, or for a longer one; one with a shorter
	// keep-alive has half as much again of that [1 h].
	IdleTime time.Duration
	// WriteTime is how long one write may take [10 s].
	WriteTime time.Duration
	// Waiting is how many messages may wait for a client that reads slowly; with one more it is disconnected [256].
	Waiting int
	// Topics is how many subscriptions one client may have [100].
	Topics int
}

// acceptPause is the time between two tries to accept when the first fails.
const acceptPause = 100 * time.Millisecond

// replaceTime is how long a client waits for another one with its ID to end.
const replaceTime = 15 * time.Second

// Credentials are what a client shows.
type Credentials struct {
	// ClientID is one that the broker made up where the client shows none.
	ClientID, Username, Password string
	// From is what the broker knows of where it comes from.
	From Origin
}

// Origin is where a connection comes from.
type Origin struct {
	// Remote is its HOST:PORT.
	Remote string
	// Told says that a proxy told that which is believed, Proxied that there are signs of any proxy.
	Told, Proxied bool
}

// ErrCredentials: the credentials are not good. A client is told so; with any other error of a Door it is told that the
// service is unavailable.
var ErrCredentials = errors.New("credentials refused")

// Door decides about clients. Its methods are called from many goroutines.
type Door interface {
	// Connect returns what a client with these credentials may do.
	Connect(ctx context.Context, c Credentials) (Session, error)
}

// Session is what a client may do, one of its own for each connection. Publish, Subscribe and Unsubscribe are called by one goroutine.
type Session interface {
	// Publish is told of every message, to whatever topic; the client gets its acknowledgement when it returns. The payload
	// may be kept.
	Publish(ctx context.Context, topic string, payload []byte)
	// Subscribe reports whether the client may have what is published to a filter. When it returns true the next message
	// of Broker.Publish has to reach the client.
	Subscribe(ctx context.Context, filter string) bool
	// Unsubscribe is told of the end of each subscription that was granted, also when the client has gone.
	Unsubscribe(filter string)
	// Covers reports whether a topic is one of a granted filter.
	Covers(filter, topic string) bool
	// Close is called when the client has gone.
	Close()
}

// Broker serves MQTT. It is made by [NewBroker] and ended by [Broker.Shutdown].
type Broker struct {
	door   Door
	limits Limits
	log    *slog.Logger
	server *server.Server

	// ctx ends with the broker; it is what sessions work in.
	ctx  context.Context
	stop context.CancelFunc
	// serving waits for connections.
	serving sync.WaitGroup

	dropped, panics atomic.Int64

	// mu guards what follows.
	mu      sync.Mutex
	stopped bool
	// conns are the open connections, and clients those that belong to a client ID: at most one each, the last that came.
	conns   map[*conn]struct{}
	clients map[string]*conn
}

// NewBroker returns a broker that serves nothing yet.
func NewBroker(door Door, l Limits, log *slog.Logger) *Broker {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l.PacketBytes = cmp.Or(l.PacketBytes, 64<<10)
	l.ConnectTime = cmp.Or(l.ConnectTime, 10*time.Second)
	l.IdleTime = cmp.Or(l.IdleTime, time.Hour)
	l.WriteTime = cmp.Or(l.WriteTime, 10*time.Second)
	l.Waiting = cmp.Or(l.Waiting, 256)
	l.Topics = cmp.Or(l.Topics, 100)
	capabilities := server.NewDefaultServerCapabilities()
	capabilities.MaximumPacketSize = uint32(l.PacketBytes)
	capabilities.MaximumClientWritesPending = int32(l.Waiting)
	capabilities.ReceiveMaximum = 256
	capabilities.MaximumInflight = 256
	capabilities.MaximumSessionExpiryInterval = 0
	capabilities.TopicAliasMaximum = 0
	capabilities.SharedSubAvailable = 0
	b := &Broker{
		door: door, limits: l, log: log,
		conns: map[*conn]struct{}{}, clients: map[string]*conn{},
		server: server.New(&server.Options{
			Capabilities: capabilities,
			InlineClient: true,
			// It logs packets, keys and all, and counts what it logs about strangers as warnings.
			Logger: slog.New(slog.DiscardHandler),
		}),
	}
	b.ctx, b.stop = context.WithCancel(context.Background())
	// Its own loops are not started: they retain figures under $SYS, and clean up what is not kept here.
	if err := b.server.AddHook(&hook{broker: b}, nil); err != nil {
		panic(err) // unreachable: the hook's Init returns nil
	}
	return b
}

// Serve accepts connections until the listener is closed.
func (b *Broker) Serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // such as too many open files, which may be over soon
			b.log.Error("accepting MQTT connections", "err", err)
			time.Sleep(acceptPause)
		default:
			go b.ServeConn(c, c.RemoteAddr().String())
		}
	}
}

// ServeConn serves one connection from a HOST:PORT, and closes it at the end.
func (b *Broker) ServeConn(c net.Conn, remote string) { b.serveConn(c, Origin{Remote: remote}) }

func (b *Broker) serveConn(c net.Conn, from Origin) {
	own := &conn{Conn: c, from: from, writeTime: b.limits.WriteTime, done: make(chan struct{})}
	_ = own.SetDeadline(time.Now().Add(b.limits.ConnectTime))
	if !b.enter(own) {
		_ = c.Close() // nothing was sent
		return
	}
	defer b.leave(own)
	defer func() {
		if p := recover(); p != nil {
			// The library's reader is not proof against everything: that must not end the relay.
			b.panics.Add(1)
			b.log.Error("serving an MQTT client panicked", "panic", p)
		}
	}()
	// Most of its errors are about clients that hang up, or speak something else.
	if err := b.server.EstablishConnection("mqtt", own); err != nil {
		b.log.Debug("an MQTT connection ended", "err", err)
	}
}

func (b *Broker) enter(c *conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return false
	}
	b.serving.Add(1)
	b.conns[c] = struct{}{}
	return true
}

// leave cleans up behind a connection, also where the library was interrupted by a panic.
func (b *Broker) leave(c *conn) {
	defer b.serving.Done()
	_ = c.Close() // it is closed already, or its client has gone
	if c.client != nil {
		if b.owns(c) {
			b.server.UnsubscribeClient(c.client)
			b.server.Clients.Delete(c.client.ID)
		}
		c.endSubscriptions()
		c.session.Close()
	}
	b.mu.Lock()
	delete(b.conns, c)
	if c.client != nil && b.clients[c.client.ID] == c {
		delete(b.clients, c.client.ID)
	}
	b.mu.Unlock()
	close(c.done)
}

// owns reports whether the library knows a connection's client under its ID.
func (b *Broker) owns(c *conn) bool {
	known, ok := b.server.Clients.Get(c.client.ID)
	return ok && known == c.client
}

// replace gives a client ID to a connection and waits until the one that had it has gone: the library mixes up two that
// come at once.
func (b *Broker) replace(c *conn, id string) error {
	b.mu.Lock()
	before := b.clients[id]
	b.clients[id] = c
	b.mu.Unlock()
	if before == nil {
		return nil
	}
	_ = before.Close() // that is all that can be done about it
	select {
	case <-before.done:
		return nil
	case <-time.After(replaceTime):
		return errors.New("another client with this ID has not ended")
	}
}

// Publish gives a message to those who subscribe to its topic. It never blocks: a client for which too many wait is
// disconnected.
func (b *Broker) Publish(topic string, payload []byte) { b.publish(topic, payload, false) }

// Retain does the same, and gives the newest message of a topic to those who subscribe later, too. An empty one is the last.
func (b *Broker) Retain(topic string, payload []byte) { b.publish(topic, payload, true) }

func (b *Broker) publish(topic string, payload []byte, retain bool) {
	if err := b.server.Publish(topic, payload, retain, 0); err != nil {
		b.log.Error("publishing by MQTT", "err", err)
	}
}

// Disconnect ends the connection of a client, unless it has gone: its ID may be another one's now.
func (b *Broker) Disconnect(id string, s Session) {
	if c := b.connOf(id, s); c != nil {
		_ = c.Close() // it has gone already
	}
}

// connOf is the connection of a client, nil if another one has its ID or none.
func (b *Broker) connOf(id string, s Session) *conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.clients[id]; c != nil && c.session == s {
		return c
	}
	return nil
}

// Refuse ends a client's subscription to a filter, as if the client had.
func (b *Broker) Refuse(id string, s Session, filter string) {
	c := b.connOf(id, s)
	if c == nil || !c.ended(filter) {
		return
	}
	b.server.Topics.Unsubscribe(filter, id)
	c.client.State.Subscriptions.Delete(filter)
}

// Connections is how many there are, those without a CONNECT too.
func (b *Broker) Connections() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.conns)
}

// Dropped is how many messages were lost to clients that read too slowly.
func (b *Broker) Dropped() int64 { return b.dropped.Load() }

// Shutdown ends all connections. A message that is being published has until the end of ctx to be acknowledged.
func (b *Broker) Shutdown(ctx context.Context) error {
	b.mu.Lock()
	b.stopped = true
	for c := range b.conns {
		c.stopReading()
	}
	b.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		b.serving.Wait()
		close(ended)
	}()
	var err error
	select {
	case <-ended:
	case <-ctx.Done():
		err = context.Cause(ctx)
		b.mu.Lock()
		for c := range b.conns {
			_ = c.Close() // it has gone already
		}
		b.mu.Unlock()
		b.stop()
		<-ended
	}
	b.stop()
	return errors.Join(err, b.server.Close())
}

// keepAlive is the keep-alive, in seconds, that a client's reader goes by, which waits half as long again. The library
// counts that in 16 bits: 43,691 s would be none at all.
func (l *Limits) keepAlive(asked uint16) uint16 {
	most := uint16(min(l.IdleTime/time.Second, math.MaxUint16) * 2 / 3)
	if asked == 0 || asked > most {
		return most
	}
	return asked
}
