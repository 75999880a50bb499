package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
	"golang.org/x/net/proxy"

	"github.com/fernpost/fernpost/internal/netfault"
)

// Message is what a subscription brings.
type Message struct {
	Topic   string
	Payload []byte
	// Retained says that it is an older one, which the broker has kept.
	Retained bool
}

// ErrNotGranted: the broker refuses a subscription.
var ErrNotGranted = errors.New("subscription refused")

const (
	// clientKeepAlive is how often a client says that it is there, and clientAnswer how long it waits for the broker to say
	// so, too.
	clientKeepAlive = 20 * time.Second
	clientAnswer    = 15 * time.Second
	// clientDial is how long connecting may take.
	clientDial = 10 * time.Second
)

// Client is a connection to a broker. It is not made again when it is lost.
type Client struct {
	client paho.Client
	lost   chan struct{}
}

// DialOptions say how a broker is reached; the zero value is the usual way.
type DialOptions struct {
	// TLS is for mqtts and wss.
	TLS *tls.Config
	// Open connects instead of dialling.
	Open func() (net.Conn, error)
	// Timeout is how long connecting, and then the broker's answer, may take; 0 is 10 seconds.
	Timeout time.Duration
	// Heard, if set, is called when something comes from the broker, be it that it is still there. A client asks it every 20
	// seconds.
	Heard func()
	// Will, if it has a topic, is what the broker publishes and retains when the connection is lost.
	Will Message
}

// Dial connects to a broker: mqtt, mqtts, ws or wss://HOST:PORT, through the proxy that the environment names unless the
// broker is on this machine. The error wraps ErrCredentials where the broker refuses them.
func Dial(ctx context.Context, address string, c Credentials, how DialOptions) (*Client, error) {
	to, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the broker's address cannot be read")
	}
	if how.Timeout == 0 {
		how.Timeout = clientDial
	}
	dialling, cancel := context.WithTimeout(ctx, how.Timeout)
	defer cancel()
	own := &Client{lost: make(chan struct{})}
	o := paho.NewClientOptions().AddBroker(address).
		SetClientID(c.ClientID).SetUsername(c.Username).SetPassword(c.Password).
		SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).
		SetKeepAlive(clientKeepAlive).SetPingTimeout(clientAnswer).
		SetConnectTimeout(how.Timeout).
		SetConnectionLostHandler(func(paho.Client, error) { close(own.lost) }).
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
			conn, err := open(dialling, to, how)
			if err != nil {
				return nil, err
			}
			return &inbound{Conn: conn, heard: how.Heard}, nil
		})
	if how.Will.Topic != "" {
		o.SetBinaryWill(how.Will.Topic, how.Will.Payload, 1, true)
	}
	own.client = paho.NewClient(o)
	t := own.client.Connect()
	if err := wait(dialling, t); err != nil {
		own.client.Disconnect(0)
		select {
		case <-t.Done():
			if code := t.(*paho.ConnectToken).ReturnCode(); code == 2 || code == 4 || code == 5 { // 2 refuses the client ID
				err = fmt.Errorf("%w: %w", ErrCredentials, err)
			}
		default: // the time is up, and the library still writes there
		}
		if !errors.Is(err, ErrCredentials) && ctx.Err() == nil {
			err = explain(err)
		}
		return nil, err
	}
	return own, nil
}

// explain says in words why no connection was made.
func explain(err error) error {
	// Of an answer that is none of MQTT the library has a word of its own.
	if inner := netfault.Innermost(err); inner == packets.ErrorNetworkError || inner == io.EOF {
		return errors.New("what answers there ends the connection: is it an MQTT broker?")
	}
	return netfault.Words(err)
}

// open makes the connection itself.
func open(ctx context.Context, to *url.URL, how DialOptions) (conn net.Conn, err error) {
	switch to.Scheme {
	case "ws", "wss":
		if how.Open != nil {
			return how.Open()
		}
		conn, err = paho.NewWebsocket(to.String(), how.TLS, how.Timeout, nil, nil)
		if err == nil && ctx.Err() != nil { // it does not know of ctx
			return nil, errors.Join(context.Cause(ctx), conn.Close())
		}
		return conn, err
	case "mqtt", "mqtts":
	default:
		return nil, fmt.Errorf("%q is none of mqtt, mqtts, ws, wss", to.Scheme)
	}
	switch ip := net.ParseIP(to.Hostname()); {
	case how.Open != nil:
		conn, err = how.Open()
	case to.Hostname() == "localhost" || ip.IsLoopback():
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", to.Host)
	default:
		conn, err = proxy.Dial(ctx, "tcp", to.Host)
	}
	if err != nil || to.Scheme == "mqtt" {
		return conn, err
	}
	config := &tls.Config{}
	if how.TLS != nil {
		config = how.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = to.Hostname()
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secure, nil
}

// Publish sends a message; with QoS 1 or 2 it returns when that is acknowledged.
func (c *Client) Publish(ctx context.Context, topic string, payload []byte, qos byte) error {
	return wait(ctx, c.client.Publish(topic, qos, false, payload))
}

// Retain publishes a message that the broker keeps in place of the last one of its topic, and returns when it has it. An empty
// one leaves nothing there.
func (c *Client) Retain(ctx context.Context, topic string, payload []byte) error {
	return wait(ctx, c.client.Publish(topic, 1, true, payload))
}

// Subscribe has got called for each message to a filter, in order of arrival; got must not use the client. It fails with
// ErrNotGranted.
func (c *Client) Subscribe(ctx context.Context, filter string, got func(Message)) error {
	t := c.client.Subscribe(filter, 0, func(_ paho.Client, m paho.Message) { got(Message{m.Topic(), m.Payload(), m.Retained()}) })
	if err := wait(ctx, t); err != nil {
		return err
	}
	// A refused subscription is no error of the library.
	if granted, ok := t.(*paho.SubscribeToken).Result()[filter]; !ok || granted > 2 {
		return ErrNotGranted
	}
	return nil
}

// Unsubscribe ends a subscription.
func (c *Client) Unsubscribe(ctx context.Context, filter string) error {
	return wait(ctx, c.client.Unsubscribe(filter))
}

// Lost is closed when the connection is, other than by Close.
func (c *Client) Lost() <-chan struct{} { return c.lost }

// Close says goodbye.
func (c *Client) Close() {
	const patience = 250 // milliseconds for what is under way
	c.client.Disconnect(patience)
}

// wait waits for the end of an operation.
func wait(ctx context.Context, t paho.Token) error {
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
