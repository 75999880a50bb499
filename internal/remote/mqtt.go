package remote

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/mqtt"
)

// MQTT is how a relay is listened to by MQTT (contract section 10): its address, mqtt, mqtts, ws or wss, and the credentials of
// a device. Those go to that address only, and without a URL nowhere.
type MQTT struct {
	URL                string
	ClientID, Username string
	Password           Secret
	// Open connects instead of the network, in tests.
	Open func() (net.Conn, error)
}

// brokerPorts are where a scheme is served that names no port (contract section 10.1).
var brokerPorts = map[string]string{"mqtt": "1883", "mqtts": "8883", "ws": "80", "wss": "443"}

// parseBroker checks a broker's address, and adds port and path where they are the usual ones. The empty one is none. Its
// errors do not repeat it, since a pasted one may hold a password.
func parseBroker(address string) (string, error) {
	if address = strings.TrimSpace(address); address == "" {
		return "", nil
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || brokerPorts[u.Scheme] == "" || u.Hostname() == "":
		return "", errors.New("the address for MQTT must look like mqtts://host, mqtt://host:port, wss://host or ws://host:port")
	case u.User != nil:
		return "", errors.New("the address for MQTT must not hold a user name or a password: they are the device's")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("the address for MQTT must end before the question mark")
	}
	port := cmp.Or(u.Port(), brokerPorts[u.Scheme])
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", errors.New("the port of the address for MQTT is a number from 1 to 65535")
	}
	u.Host = net.JoinHostPort(u.Hostname(), port)
	switch web := strings.HasPrefix(u.Scheme, "w"); {
	case web && strings.Trim(u.Path, "/") == "":
		u.Path = "/mqtt"
	case !web && strings.Trim(u.Path, "/") != "":
		return "", errors.New("the address for MQTT must end behind the host and port; a path is for ws and wss")
	case !web:
		u.Path = ""
	}
	return u.String(), nil
}

// Sources returns how the relay may push entries, the best way first.
func (c *Client) Sources() []Source {
	if c.set.MQTT.URL == "" {
		return []Source{c.Stream()}
	}
	return []Source{c.Stream(), c.MQTT()}
}

// MQTT returns the relay's MQTT as a source. It tells of each entry that is written by itself, from the moment of connecting
// on; of bulk updates it does not, and what came before it cannot tell.
func (c *Client) MQTT() Source { return (*broker)(c) }

type broker Client

// Via implements [Source].
func (*broker) Via() exchange.Via { return exchange.MQTT }

// TryMQTT connects by MQTT once, and returns why entries cannot come that way.
func (c *Client) TryMQTT(ctx context.Context) error {
	works := errors.New("it works")
	if err := c.MQTT().Listen(ctx, 0, func(Heard) error { return works }); !errors.Is(err, works) {
		return err
	}
	return nil
}

// Listen implements [Source]. A broker that refuses the credentials, or the channel, is not worth another try.
func (b *broker) Listen(ctx context.Context, _ int64, heard func(Heard) error) error {
	to := &b.set.MQTT
	said, signs := make(chan []byte, pushedAhead), make(chan struct{}, 1)
	overflow := make(chan struct{}, 1)
	var last time.Time // of a sign; one goroutine reads
	client, err := mqtt.Dial(ctx, to.URL, mqtt.Credentials{
		ClientID: to.ClientID, Username: to.Username, Password: string(to.Password),
	}, mqtt.DialOptions{
		TLS: &tls.Config{MinVersion: tls.VersionTLS12}, Open: to.Open, Timeout: b.set.Timeout,
		Heard: func() {
			if now := time.Now(); now.Sub(last) >= time.Second {
				last = now
				raise(signs)
			}
		},
	})
	if errors.Is(err, mqtt.ErrCredentials) {
		return &BrokerError{refused("MQTT: the client ID, user name or password of the device is refused")}
	}
	if err != nil {
		return &BrokerError{fmt.Errorf("MQTT: %w", err)}
	}
	defer client.Close()
	subscribing, cancel := context.WithTimeout(ctx, b.set.Timeout)
	defer cancel()
	err = client.Subscribe(subscribing, fmt.Sprintf("channels/%d/subscribe", b.set.Channel), func(m mqtt.Message) {
		select {
		case said <- m.Payload:
		default: // whoever takes them is slow; the library must go on to hear that the broker is there
			raise(overflow)
		}
	})
	if errors.Is(err, mqtt.ErrNotGranted) {
		return &BrokerError{refused(fmt.Sprintf("MQTT: the device may not subscribe to channel %d", b.set.Channel))}
	}
	for h := (Heard{}); err == nil; {
		if err = heard(h); err != nil {
			break
		}
		select {
		case payload := <-said:
			h = pushedIn(payload)
		case <-overflow:
			h = Heard{Missed: true}
		case <-signs:
			h = Heard{}
		case <-client.Lost():
			err = errors.New("the broker has ended the connection, or is silent")
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return fmt.Errorf("MQTT: %w", err)
}

// BrokerError says why a broker does not take us: it refuses the device, or does not answer as a broker does.
type BrokerError struct{ Err error }

func (e *BrokerError) Error() string { return e.Err.Error() }
func (e *BrokerError) Unwrap() error { return e.Err }

// Refused tells that the broker has answered, and refuses the device.
func (e *BrokerError) Refused() bool { return errors.Is(e.Err, ErrNotOffered) }

// refused is an ErrNotOffered with its reason.
type refused string

func (r refused) Error() string { return string(r) }
func (refused) Unwrap() error   { return ErrNotOffered }

// raise raises a flag.
func raise(flag chan struct{}) {
	select {
	case flag <- struct{}{}:
	default:
	}
}
