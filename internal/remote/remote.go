// Package remote is the client's side of a relay: it posts updates to a channel and reads its feed, at
// api.thingspeak.com or at any relay of that shape.
//
// A relay is a stranger. Its answers are bounded in size and time, each and all those of a reading, its redirects are
// not followed, its words are cleaned before they get into an error, and no key gets into one at all.
//
// [Client.Ask] makes one request in one attempt. What to ask, when, and what to make of the answers is package exchange's,
// which a client drives: it has the methods of [exchange.Exchange]. Feeds come as CSV, the same that an eavesdropper reads.
// [Following] listens to what a relay pushes besides, and says when to ask it.
package remote

import (
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/invisible"
	"github.com/fernpost/fernpost/internal/wire"
)

// DefaultTimeout is how long a relay may keep silent.
const DefaultTimeout = 10 * time.Second

// Options tell where a channel is and how to behave there.
type Options struct {
	// BaseURL is the relay's address, http or https, with a path in front of the API's own or without, such as
	// https://api.thingspeak.com.
	BaseURL string
	// Channel is the channel's number. CreateChannel needs none.
	Channel int64
	// WriteKey is needed for posting. Reading uses ReadKey, or WriteKey where there is none; public channels need
	// neither. UserKey is for CreateChannel.
	WriteKey, ReadKey, UserKey Secret
	// MQTT is how the relay pushes entries, if it is to.
	MQTT MQTT
	// Status has rows read with their status, which the relay shows on request only.
	Status bool
	// Interval and Budget are as in [exchange.Settings]. What is asked for beside a reading may bring Budget too.
	Interval time.Duration
	Budget   int64
	// Timeout is how long the relay may be silent, while connecting, before its answer and within; 0 means
	// DefaultTimeout.
	Timeout time.Duration
	// Slow, if set, is told of a call that takes longer than three seconds, once a second and when it is over. It is
	// called from goroutines of the client, for one call never from two at a time, and must not call the client.
	Slow func(exchange.SlowCall)
	// Transport carries the requests instead of the network, in tests.
	Transport http.RoundTripper
	// Mind looks at the head of each answer, and ends the request with its error, which is told as it is. nil minds none.
	Mind func(*http.Response) error
	// Version is the program's, for the User-Agent header.
	Version string
}

// Client talks to one channel of one relay. Its methods may be called from several goroutines; a Scan belongs to one.
type Client struct {
	*exchange.Exchange

	http *resty.Client
	// set hides behind a pointer, where package fmt does not look: it holds the keys.
	set *settings
	at  *wire.Channel

	mu sync.Mutex // guards what follows
	// lastUse is when the relay last answered, and clock what its own clock showed then, zero if it did not say.
	lastUse, clock time.Time
}

type settings struct {
	Options

	address string // the relay's, as it stands in front of a path: with a slash at its end
}

// New returns a client. It connects with the first request, keeps one connection for the following ones, and uses a
// proxy that the environment names unless the relay is on this machine.
func New(o Options) (*Client, error) {
	c, err := newClient(o)
	if err != nil {
		if _, ok := errors.AsType[*AddressError](err); !ok {
			err = &AddressError{Err: err}
		}
		return nil, err
	}
	return c, nil
}

func newClient(o Options) (*Client, error) {
	base, err := parseBase(o.BaseURL)
	if err != nil {
		return nil, err
	}
	if o.MQTT.URL, err = parseBroker(o.MQTT.URL); err != nil {
		return nil, err
	}
	if o.Channel < 0 || o.Channel > exchange.MaxNumber {
		return nil, fmt.Errorf("%d is not the number of a channel", o.Channel)
	}
	if o.Interval < 0 || o.Timeout < 0 || o.Budget < 0 {
		return nil, errors.New("the relay's interval, time-out and budget must not be negative")
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	transport := o.Transport
	if transport == nil {
		own, err := newTransport(base.Host, o.Timeout)
		if err != nil {
			return nil, err
		}
		transport = own
	}
	client := resty.NewWithClient(&http.Client{
		Transport: transport,
		// The redirect itself is the answer, and an error: following it would carry the key along.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
	agent := "fernpost"
	if o.Version != "" {
		agent += "/" + o.Version
	}
	client.SetHeader("User-Agent", agent)
	client.SetLogger(silent{})
	client.SetDoNotParseResponse(true) // bodies are read here, bounded and watched
	c := &Client{http: client, set: &settings{Options: o, address: base.String() + "/"}}
	c.at = &wire.Channel{
		Base: base, ID: o.Channel, WriteKey: string(o.WriteKey), ReadKey: string(o.ReadKey), UserKey: string(o.UserKey), Status: o.Status,
	}
	c.Exchange = exchange.New(c, exchange.Settings{
		Address: c.set.address, Channel: o.Channel, Budget: o.Budget,
		Interval: o.Interval, BulkInterval: wire.Assumed(o.Interval).BulkInterval,
	})
	return c, nil
}

// ClockAhead returns how far the relay's clock was ahead of ours when it last answered, to a second, and whether it said.
func (c *Client) ClockAhead() (d time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clock.Sub(c.lastUse), !c.clock.IsZero()
}

// Close lets go of idle connections. The client can still be used.
func (c *Client) Close() { c.http.GetClient().CloseIdleConnections() }

// WithScheme returns a relay's address with http:// before it, if it has nothing of the kind and is this machine's own: of
// other machines nobody can say which of the two is meant, and plain http lets others read along.
func WithScheme(address string) string {
	host, _, _ := strings.Cut(address, "/")
	if !strings.Contains(address, "://") && wire.IsLoopback(host) {
		return "http://" + address
	}
	return address
}

// parseBase checks an address. Its errors do not repeat it, since a pasted one may hold a key.
func parseBase(address string) (*url.URL, error) {
	address = WithScheme(strings.TrimSpace(address))
	base, err := url.Parse(address)
	switch {
	case strings.ContainsFunc(address, invisible.Rune):
		return nil, errors.New("there is an invisible character in the relay's address: type it, or copy it from elsewhere")
	case html.UnescapeString(address) != address:
		return nil, errors.New("there are HTML entities in the relay's address, such as &amp;: copy it as the page shows it")
	case strings.ContainsAny(address, "<>\"'“”„‘’«»"):
		return nil, errors.New("there are quotes or brackets around the relay's address: leave them out")
	case !strings.Contains(address, "://"):
		return nil, errors.New("the relay's address lacks its beginning: write http:// or https:// before it")
	case err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Hostname() == "":
		return nil, errors.New("the relay's address must look like https://host or http://host:port")
	case base.User != nil:
		return nil, errors.New("the relay's address must not hold a user name or a password")
	}
	if port := base.Port(); port != "" || strings.HasSuffix(base.Host, ":") {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, errors.New("the port of the relay's address is a number from 1 to 65535")
		}
	}
	query := base.RawQuery != "" || base.ForceQuery || base.Fragment != ""
	base.RawQuery, base.ForceQuery, base.Fragment, base.RawFragment = "", false, "", ""
	base.Path = strings.TrimRight(base.Path, "/")
	base.RawPath = strings.TrimRight(base.RawPath, "/")
	// What stands before these is the relay's, and holds no key.
	parts := strings.Split(base.Path, "/")
	for i, part := range parts {
		if name, _, _ := strings.Cut(part, "."); slices.Contains(doors, name) {
			base.Path, base.RawPath = strings.Join(parts[:i], "/"), ""
			return nil, &AddressError{fmt.Errorf("the relay's address must end before /%s", name), base.String()}
		}
	}
	if query {
		return nil, &AddressError{errors.New("the relay's address must end before the question mark"), base.String()}
	}
	return base, nil
}

// doors are what stands behind the address of a relay in the addresses that people copy.
var doors = []string{"channels", "update", "join"}

// newTransport keeps to HTTP/1.1, which is what the contract is written in, and to one connection.
func newTransport(host string, timeout time.Duration) (*http.Transport, error) {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: timeout}).DialContext,
		Protocols:              &protocols,
		TLSHandshakeTimeout:    timeout,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if wire.IsLoopback(host) {
		t.DisableCompression = true // nothing is gained on the way to ourselves
		return t, nil
	}
	var err error
	t.Proxy, err = proxyFromEnvironment(os.Getenv)
	return t, err
}

// silent keeps resty's warnings, which hold addresses, out of everything.
type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}
