package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/mqtt"
	"github.com/fernpost/fernpost/internal/relay/guard"
)

const (
	// firstAway and longestAway are the first and the longest pause before somebody connects to a broker again; each is twice the one
	// before.
	firstAway, longestAway = time.Second, time.Minute
	// brokerTime is how long a broker may take to answer.
	brokerTime = 15 * time.Second
	// goodbyeTime is how long the end waits for a broker.
	goodbyeTime = 2 * time.Second
	// brokerWaiting is how many messages may wait for a client of our broker: whoever subscribes to everything gets all topics at once.
	brokerWaiting = 8192
)

// ErrBroker: an address is none of a broker.
var ErrBroker = errors.New("want mqtt://HOST[:PORT] or mqtts://HOST[:PORT], and nothing else")

// BrokerAddress completes the address of somebody's broker with its port. It fails with [ErrBroker].
func BrokerAddress(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", ErrBroker // the library's words repeat the address, and a password in it
	}
	ports := map[string]string{"mqtt": "1883", "mqtts": "8883"}
	port := ports[u.Scheme]
	if port == "" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", ErrBroker
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", ErrBroker
	}
	return u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port), nil
}

// connection is one to somebody's broker.
type connection interface {
	retainer
	// Births has got called each time Home Assistant says that it has started.
	Births(ctx context.Context, got func()) error
	Lost() <-chan struct{}
	Close()
}

// client is a connection by MQTT.
type client struct{ *mqtt.Client }

func (c client) Retain(ctx context.Context, topic string, payload []byte) error {
	ctx, cancel := context.WithTimeout(ctx, brokerTime)
	defer cancel()
	return c.Client.Retain(ctx, topic, payload)
}

func (c client) Births(ctx context.Context, got func()) error {
	ctx, cancel := context.WithTimeout(ctx, brokerTime)
	defer cancel()
	return c.Subscribe(ctx, birthTopic, func(m mqtt.Message) {
		if string(m.Payload) == birth && !m.Retained { // a retained one is of a start before
			got()
		}
	})
}

// dial returns what connects to a broker. When the connection is lost the broker tells that the gateway is not there.
func (h *homeAssistant) dial(address string, c mqtt.Credentials) func(context.Context) (connection, error) {
	const homePart = 15 // digits: a broker has to take 23 characters
	c.ClientID = "fernpost" + h.readings.home[:homePart]
	return func(ctx context.Context) (connection, error) {
		made, err := mqtt.Dial(ctx, address, c, mqtt.DialOptions{Will: mqtt.Message{Topic: h.availability(), Payload: []byte(unavailable)}})
		if err != nil {
			return nil, err
		}
		return client{made}, nil
	}
}

// keepConnected publishes to a broker, and connects again when it is away, until the context ends.
func (h *homeAssistant) keepConnected(ctx context.Context, dial func(context.Context) (connection, error)) {
	devices, err := h.grants.announced()
	if err != nil {
		h.log.Error("looking for what a broker was told of failed", "err", err)
	}
	for pause := firstAway; ; pause = min(2*pause, longestAway) {
		began := time.Now()
		err := h.connect(ctx, dial, devices)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) >= longestAway {
			pause = firstAway
		}
		h.log.Warn("the MQTT broker is not told of readings", "again_in", pause, "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// connect publishes over one connection.
func (h *homeAssistant) connect(ctx context.Context, dial func(context.Context) (connection, error), devices map[string]*device) error {
	c, err := dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	again := make(chan struct{}, 1)
	if err := c.Births(ctx, func() {
		select {
		case again <- struct{}{}:
		default: // it was said already
		}
	}); errors.Is(err, mqtt.ErrNotGranted) {
		h.log.Warn("the MQTT broker does not tell when Home Assistant starts", "err", err)
	} else if err != nil {
		return err
	}
	h.log.Info("the MQTT broker is told of readings")
	if err = h.run(ctx, c, devices, again, c.Lost()); ctx.Err() == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTime)
	defer cancel()
	return c.Retain(ctx, h.availability(), []byte(unavailable))
}

// homeBroker is a broker of our own, for these topics only: whoever has a key or a token that reads a room may subscribe to what is
// published of it, and nobody publishes.
type homeBroker struct {
	*homeAssistant

	broker  *mqtt.Broker
	clients *guard.Clients
	again   chan struct{}
}

func (h *homeAssistant) newBroker(clients *guard.Clients) *homeBroker {
	b := &homeBroker{homeAssistant: h, clients: clients, again: make(chan struct{}, 1)}
	b.broker = mqtt.NewBroker(b, mqtt.Limits{Waiting: brokerWaiting}, h.log)
	return b
}

// Retain is part of [retainer].
func (b *homeBroker) Retain(_ context.Context, topic string, payload []byte) error {
	b.broker.Retain(topic, payload)
	return nil
}

// serve tells clients of what comes, until the context ends; the listener is closed then.
func (b *homeBroker) serve(ctx context.Context, l net.Listener) {
	var accepting sync.WaitGroup
	accepting.Go(func() {
		if err := b.broker.Serve(b.clients.Listen(l)); !errors.Is(err, net.ErrClosed) {
			b.log.Error("serving MQTT ended", "err", err)
		}
	})
	devices := map[string]*device{}
	for ctx.Err() == nil {
		if err := b.run(ctx, b, devices, b.again, nil); ctx.Err() == nil {
			b.log.Error("MQTT clients are not told of readings", "again_in", longestAway, "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(longestAway):
			}
		}
	}
	_ = l.Close() // nothing was accepted that counts
	accepting.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTime)
	defer cancel()
	if err := b.broker.Shutdown(ctx); err != nil {
		b.log.Warn("MQTT clients were cut off", "err", err)
	}
}

// errBusy: an address connects too often, or shows too many wrong keys.
var errBusy = errors.New("too many requests from this address")

// Connect is part of [mqtt.Door].
func (b *homeBroker) Connect(_ context.Context, c mqtt.Credentials) (mqtt.Session, error) {
	from := guard.Sender{Address: guard.Peer(c.From.Remote)}
	address := b.clients.Find(from)
	now := time.Now()
	if address.Admit(now) > 0 || address.AdmitKey(now) > 0 {
		return nil, errBusy
	}
	s := &subscriber{broker: b, id: c.ClientID, secret: c.Password, address: address}
	grant, ok, err := s.grant()
	if err != nil {
		return nil, err
	}
	if !ok {
		address.WrongKey(now)
		return nil, mqtt.ErrCredentials
	}
	if grant.RoomID != "" {
		room, err := b.readings.open(grant.RoomID, grant.Channel)
		if err != nil {
			return nil, fmt.Errorf("a key opens no room: %w", err)
		}
		b.follow(room)
	}
	s.leave, err = b.clients.OpenStream(from)
	return s, err
}

// subscriber is a client of our broker; it is a [mqtt.Session].
type subscriber struct {
	broker     *homeBroker
	id, secret string
	address    *guard.Client
	leave      func()
}

// grant is what the client may read now: its key may be revoked.
func (s *subscriber) grant() (g Grant, ok bool, err error) {
	g, ok, err = s.broker.grants.Find(s.secret, strings.HasPrefix(s.secret, tokenBeginning))
	return g, ok && (slices.Contains(g.Scopes, Read) || slices.Contains(g.Scopes, Admin)), err
}

// mayHave reports whether the client may have what is published to a topic.
func (s *subscriber) mayHave(topic string) bool {
	if strings.ContainsAny(topic, "+#") {
		return false
	}
	grant, ok, err := s.grant()
	if err != nil {
		return false
	}
	if !ok {
		go s.broker.broker.Disconnect(s.id, s) // who asks holds what that wants
		return false
	}
	room, ours := strings.CutPrefix(topic, discoveryTopics)
	if !ours {
		if room, ours = strings.CutPrefix(topic, ownTopics); !ours {
			return false
		}
	}
	if grant.RoomID == "" || topic == s.broker.availability() {
		return true
	}
	id, err := s.broker.idOf(grant.RoomID, grant.Channel)
	return err == nil && strings.HasPrefix(room, id+"/")
}

// Publish is part of [mqtt.Session]. That Home Assistant has started is all that somebody can say here.
func (s *subscriber) Publish(_ context.Context, topic string, payload []byte) {
	if s.address.Admit(time.Now()) > 0 || topic != birthTopic || string(payload) != birth {
		return
	}
	select {
	case s.broker.again <- struct{}{}:
	default: // it was said already
	}
}

// Subscribe is part of [mqtt.Session]. With wildcards the client gets what it may have of what they cover.
func (s *subscriber) Subscribe(_ context.Context, filter string) bool {
	return s.address.Admit(time.Now()) == 0 && (strings.ContainsAny(filter, "+#") || s.mayHave(filter))
}

// Unsubscribe is part of [mqtt.Session].
func (s *subscriber) Unsubscribe(string) {}

// Covers is part of [mqtt.Session].
func (s *subscriber) Covers(filter, topic string) bool {
	return covers(filter, topic) && s.mayHave(topic)
}

// Close is part of [mqtt.Session].
func (s *subscriber) Close() { s.leave() }

// covers reports whether a filter covers a topic (MQTT 3.1.1, section 4.7).
func covers(filter, topic string) bool {
	for {
		want, filters, more := strings.Cut(filter, "/")
		if want == "#" {
			return !more
		}
		level, levels, deeper := strings.Cut(topic, "/")
		switch {
		case want != "+" && want != level, deeper && !more:
			return false
		case !deeper:
			return !more || filters == "#"
		}
		filter, topic = filters, levels
	}
}
