package mqtt

import (
	"bytes"
	"errors"
	"strings"

	server "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// hook is what the library asks. The names are its own.
type hook struct {
	server.HookBase
	broker *Broker
}

// ID names the hook.
func (h *hook) ID() string { return "door" }

// Provides tells which methods count.
func (h *hook) Provides(b byte) bool {
	return bytes.IndexByte([]byte{
		server.OnConnect, server.OnConnectAuthenticate, server.OnACLCheck, server.OnPacketRead, server.OnPublish,
		server.OnSubscribe, server.OnUnsubscribed, server.OnPublishDropped,
	}, b) >= 0
}

// connOf is the connection of a client; the broker's own client has none.
func connOf(cl *server.Client) *conn {
	c, _ := cl.Net.Conn.(*conn)
	return c
}

// OnConnect lets a client in, or answers why not.
func (h *hook) OnConnect(cl *server.Client, pk packets.Packet) error {
	c := connOf(cl)
	// A Will would be published and retained without anybody being asked (mochi-mqtt/server#503).
	cl.Properties.Will = server.Will{}
	// No session outlives its connection, whatever the client asks for.
	cl.Properties.Clean = true
	cl.State.Keepalive = h.broker.limits.keepAlive(pk.Connect.Keepalive)
	if pk.ProtocolVersion > 4 {
		return h.refuse(cl, packets.ErrUnsupportedProtocolVersion)
	}
	session, err := h.broker.door.Connect(h.broker.ctx, Credentials{
		ClientID: cl.ID,
		Username: string(pk.Connect.Username),
		Password: string(pk.Connect.Password),
		From:     c.from,
	})
	if errors.Is(err, ErrCredentials) {
		return h.refuse(cl, packets.ErrBadUsernameOrPassword)
	}
	if err != nil {
		return h.refuse(cl, packets.ErrServerUnavailable)
	}
	c.session, c.client = session, cl
	if err := h.broker.replace(c, cl.ID); err != nil {
		return h.refuse(cl, packets.ErrServerUnavailable)
	}
	return nil
}

// refuse answers a CONNECT with a code, and returns it.
func (h *hook) refuse(cl *server.Client, code packets.Code) error {
	return errors.Join(code, h.broker.server.SendConnack(cl, code, false, nil))
}

// OnConnectAuthenticate has nothing to ask after OnConnect.
func (h *hook) OnConnectAuthenticate(*server.Client, packets.Packet) bool { return true }

// OnACLCheck is asked for topics to publish to, filters to subscribe to, and topics to deliver. Publishing is judged by
// OnPublish: a client that were refused here would be disconnected, or wait for its acknowledgement for ever.
func (h *hook) OnACLCheck(cl *server.Client, topic string, write bool) bool {
	c := connOf(cl)
	return write || c != nil && c.session != nil && c.has(topic)
}

// ignored takes the place of topics that the library would not acknowledge.
const ignored = "ignored"

// OnPacketRead lets the library acknowledge what it would pass over in silence: the client must not wait for ever.
func (h *hook) OnPacketRead(_ *server.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Type == packets.Publish && !strings.ContainsAny(pk.TopicName, "+#") &&
		pk.TopicName != "" && !server.IsValidFilter(pk.TopicName, true) {
		pk.TopicName = ignored
	}
	return pk, nil
}

// OnPublish gives what a client publishes to its session. CodeSuccessIgnore has it acknowledged, and neither delivered nor
// retained. What the broker's own client publishes goes to subscribers.
func (h *hook) OnPublish(cl *server.Client, pk packets.Packet) (packets.Packet, error) {
	if cl.Net.Inline {
		return pk, nil
	}
	connOf(cl).session.Publish(h.broker.ctx, pk.TopicName, pk.Payload)
	return pk, packets.CodeSuccessIgnore
}

// OnSubscribe asks the session about each filter, and grants QoS 0. OnACLCheck refuses those that were not granted.
func (h *hook) OnSubscribe(cl *server.Client, pk packets.Packet) packets.Packet {
	c := connOf(cl)
	if c == nil {
		return pk
	}
	for i := range pk.Filters {
		f := &pk.Filters[i]
		f.Qos = 0
		had, all := c.granted(f.Filter)
		if !had && all < h.broker.limits.Topics && c.session.Subscribe(h.broker.ctx, f.Filter) {
			c.grant(f.Filter)
		}
	}
	return pk
}

// OnUnsubscribed is told of filters that a client has unsubscribed from, and of all that are left when it has gone.
func (h *hook) OnUnsubscribed(cl *server.Client, pk packets.Packet) {
	c := connOf(cl)
	if c == nil {
		return
	}
	for _, f := range pk.Filters {
		c.ended(f.Filter)
	}
}

// OnPublishDropped ends a client that reads too slowly: it must not believe that it got everything. Whoever publishes does
// not wait for that: with TLS it may take seconds.
func (h *hook) OnPublishDropped(cl *server.Client, _ packets.Packet) {
	h.broker.dropped.Add(1)
	if c := connOf(cl); c != nil {
		go func() { _ = c.Close() }() // it has gone already
	}
}
