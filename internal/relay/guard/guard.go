// Package guard keeps account of the addresses that a relay is used from, for all of its doors: how much one may do, and
// how many connections there are.
package guard

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// Limits are what one address may do; 0 is no limit. An address is an IPv4 address or an IPv6 network of 64 bits.
// Programs on this machine are not limited.
type Limits struct {
	// Connections is how many may be open at once.
	Connections int
	// Requests is how many are answered per second; for a moment it may be twice that.
	Requests int
	// WrongKeys is how many keys that open nothing may be shown per minute. Beyond that a request with a key is
	// refused unseen.
	WrongKeys int
	// AllConnections is how many may be open at once from all addresses together, this machine's included.
	AllConnections int
	// Streams is how many streams of entries and MQTT clients may be open at once, and AllStreams how many from all addresses together,
	// this machine's included.
	Streams, AllStreams int
}

// maxClients is how many addresses are remembered, those used of late. What is forgotten starts anew.
const maxClients = 8192

// Clients keeps account of the addresses that a relay is used from. A nil *Clients has no limits.
type Clients struct {
	limits  Limits
	proxies []netip.Prefix
	log     *slog.Logger
	// stranger is done once: see noteStranger.
	stranger sync.Once

	// mu guards what follows.
	mu    sync.Mutex
	known *lru.Cache[netip.Addr, *Client]
	// open counts the connections by address, and all of them.
	open    map[netip.Addr]int
	allOpen int
	refused int64
	// streams counts the streams of entries by address, and all of them.
	streams    map[netip.Addr]int
	allStreams int
}

// New returns an account. What one of the proxies says of its clients is believed, and connections of the proxies
// themselves are not limited by address. log gets what is odd about that; nil is nowhere.
func New(limits Limits, proxies []netip.Prefix, log *slog.Logger) *Clients {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	known, err := lru.New[netip.Addr, *Client](maxClients)
	if err != nil {
		panic(err) // unreachable: the size is above 0
	}
	return &Clients{limits: limits, proxies: proxies, log: log, known: known, open: map[netip.Addr]int{}, streams: map[netip.Addr]int{}}
}

// Trusts reports whether an address is a proxy of ours.
func (c *Clients) Trusts(a netip.Addr) bool { return c != nil && contains(c.proxies, a) }

// Sender is where a request comes from.
type Sender struct {
	Address netip.Addr
	// Told says that a trusted proxy told the address, Proxied that the request shows signs of any proxy.
	Told, Proxied bool
}

// Client is what is known of one address. A nil *Client may do anything.
type Client struct {
	requests, wrongKeys *rate.Limiter
}

// Find returns the account of a request's sender, nil for one without limits.
func (c *Clients) Find(from Sender) *Client {
	if c == nil || c.limits.Requests <= 0 && c.limits.WrongKeys <= 0 || !from.Address.IsValid() {
		return nil
	}
	if from.Address.IsLoopback() && !from.Told {
		if !from.Proxied {
			return nil
		}
		c.noteStranger()
	}
	address := subscriber(from.Address)
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.known.Get(address); ok {
		return known
	}
	client := &Client{
		requests:  limiter(c.limits.Requests, time.Second, 2*c.limits.Requests),
		wrongKeys: limiter(c.limits.WrongKeys, time.Minute, c.limits.WrongKeys),
	}
	c.known.Add(address, client)
	return client
}

// noteStranger tells that a proxy on this machine is not known to be one. What it says of its clients is not believed,
// so they all count as one.
func (c *Clients) noteStranger() {
	c.stranger.Do(func() {
		c.log.Warn("requests come through a proxy on this machine that is not trusted: its clients count as one; " +
			"name its address with --trust-proxy")
	})
}

// limiter lets n through per unit of time, and burst at once; without n everything.
func limiter(n int, unit time.Duration, burst int) *rate.Limiter {
	if n <= 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(float64(n)/unit.Seconds()), burst)
}

// Admit counts a request. It returns how long to wait if there were too many, 0 otherwise.
func (c *Client) Admit(now time.Time) time.Duration {
	if c == nil || c.requests.AllowN(now, 1) {
		return 0
	}
	return time.Second
}

// AdmitKey returns how long to wait with a request that has a key, whatever key it is, if the address has shown too many
// wrong ones, 0 otherwise.
func (c *Client) AdmitKey(now time.Time) time.Duration {
	if c == nil || c.wrongKeys.Limit() == rate.Inf || c.wrongKeys.TokensAt(now) >= 1 {
		return 0
	}
	return time.Duration(float64(time.Second) / float64(c.wrongKeys.Limit()))
}

// WrongKey notes that a key opened nothing.
func (c *Client) WrongKey(now time.Time) {
	if c != nil {
		c.wrongKeys.AllowN(now, 1)
	}
}
