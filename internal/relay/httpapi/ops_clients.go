package httpapi

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// ClientLimits are what one address may do; 0 is no limit. An address is an IPv4 address or an IPv6 network of 64 bits.
// Programs on this machine are not limited.
type ClientLimits struct {
	// Connections is how many may be open at once.
	Connections int
	// Requests is how many are answered per second; for a moment it may be twice that.
	Requests int
	// WrongKeys is how many keys that open nothing may be shown per minute. Beyond that a request with a key is
	// refused unseen.
	WrongKeys int
	// AllConnections is how many may be open at once from all addresses together, this machine's included.
	AllConnections int
}

// maxClients is how many addresses are remembered, at least. What is forgotten starts anew.
const maxClients = 8192

// Clients keeps account of the addresses that a relay is used from. A nil *Clients has no limits.
type Clients struct {
	limits  ClientLimits
	proxies []netip.Prefix
	log     *slog.Logger
	// stranger is done once: see noteStranger.
	stranger sync.Once

	// mu guards what follows.
	mu sync.Mutex
	// young and old are the addresses seen of late, and before that; when young is full it becomes old. So an address
	// that is still in use is never forgotten.
	young, old map[netip.Addr]*client
	// open counts the connections by address, and all of them.
	open    map[netip.Addr]int
	allOpen int
	refused int64
}

// NewClients returns an account. What a request through one of the proxies says of its sender (X-Forwarded-For) is
// believed, and connections of the proxies themselves are not limited by address. log gets what is odd about that; nil is
// nowhere.
func NewClients(limits ClientLimits, proxies []netip.Prefix, log *slog.Logger) *Clients {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Clients{
		limits:  limits,
		proxies: proxies,
		log:     log,
		young:   map[netip.Addr]*client{},
		open:    map[netip.Addr]int{},
	}
}

// trusts reports whether an address is a proxy of ours.
func (c *Clients) trusts(a netip.Addr) bool { return c != nil && contains(c.proxies, a) }

// client is what is known of one address. A nil *client may do anything.
type client struct {
	requests, wrongKeys *rate.Limiter
}

// find returns the account of a request's sender, nil for one without limits.
func (c *Clients) find(r *http.Request) *client {
	if c == nil || c.limits.Requests <= 0 && c.limits.WrongKeys <= 0 {
		return nil
	}
	address, forwarded := clientAddress(r, c.proxies)
	if !address.IsValid() {
		return nil
	}
	if address.IsLoopback() && !forwarded {
		if !isForwarded(r.Header) {
			return nil
		}
		c.noteStranger()
	}
	address = subscriber(address)
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.young[address]; known != nil {
		return known
	}
	known := c.old[address]
	if known == nil {
		known = &client{
			requests:  limiter(c.limits.Requests, time.Second, 2*c.limits.Requests),
			wrongKeys: limiter(c.limits.WrongKeys, time.Minute, c.limits.WrongKeys),
		}
	}
	if len(c.young) >= maxClients {
		c.young, c.old = make(map[netip.Addr]*client, maxClients), c.young
	}
	c.young[address] = known
	return known
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

// admit counts a request, and refuses it if there were too many.
func (c *client) admit(now time.Time) error {
	if c == nil || c.requests.AllowN(now, 1) {
		return nil
	}
	return &refusal{
		code:       thingspeak.CodeTooManyRequests,
		hint:       "Your address sends more requests than this relay answers.",
		retryAfter: 1,
	}
}

// admitKey refuses a request with a key, whatever key it is, if the address has shown too many wrong ones.
func (c *client) admitKey(now time.Time) error {
	if c == nil || c.wrongKeys.Limit() == rate.Inf || c.wrongKeys.TokensAt(now) >= 1 {
		return nil
	}
	return &refusal{
		code:       thingspeak.CodeTooManyRequests,
		hint:       "Your address has shown too many keys that open nothing.",
		retryAfter: wholeSeconds(time.Duration(float64(time.Second) / float64(c.wrongKeys.Limit()))),
	}
}

// wrongKey notes that a key opened nothing.
func (c *client) wrongKey(now time.Time) {
	if c != nil {
		c.wrongKeys.AllowN(now, 1)
	}
}

// noteKey remembers that the request showed a key that opens nothing here.
func (q *request) noteKey(err error) {
	if errors.Is(err, relay.ErrKey) && q.key() != "" {
		q.wrongKey = true
	}
}
