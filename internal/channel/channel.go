// Package channel reads a channel at a relay as anybody does who knows its number: with its read key at most, and without
// any key that opens a message. It also knows what went wrong where a relay did not do what was asked of it.
package channel

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Access is how relays are reached.
type Access struct {
	// Timeout is how long a relay may be silent; it must be above 0.
	Timeout time.Duration
	// Budget is how many bytes a reading may bring; 0 is no limit.
	Budget int64
	// Version is what requests say of the program.
	Version string
	// Transport carries the requests instead of the network, in tests.
	Transport http.RoundTripper
	// Mind looks at the head of each answer of a relay, and ends the request with its error; nil minds none. It is called from several
	// goroutines.
	Mind func(*http.Response) error
	// Slow is told what takes long at the relay; nil for nobody. It is called from several goroutines.
	Slow func(exchange.SlowCall)
}

// Options are those of a client for what the argument names.
func (a Access) Options(o remote.Options) remote.Options {
	o.Timeout, o.Budget, o.Version, o.Transport, o.Mind, o.Slow = a.Timeout, a.Budget, a.Version, a.Transport, a.Mind, a.Slow
	return o
}

// Proxies returns the proxies that the environment names, see [remote.Proxies].
func Proxies(getenv func(string) string) ([]remote.Proxy, error) { return remote.Proxies(getenv) }

// Reader reads one channel.
type Reader struct{ client *remote.Client }

// Open makes a reader of the channel of a number at a relay. A public one needs no key. Nothing is sent yet.
func (a Access) Open(relay string, id int64, readKey string) (*Reader, error) {
	client, err := remote.New(a.Options(remote.Options{BaseURL: relay, Channel: id, ReadKey: remote.Secret(readKey)}))
	if err != nil {
		return nil, err
	}
	return &Reader{client}, nil
}

// Download returns a feed by its whole address, see [remote.Download].
func (a Access) Download(ctx context.Context, address string) (io.ReadCloser, error) {
	return remote.Download(ctx, address, a.Options(remote.Options{}))
}

// Post posts a text to the first field of the channel that a write key is for, as it is, and returns its number.
func (a Access) Post(ctx context.Context, relay, writeKey, text string) (int64, error) {
	client, err := remote.New(a.Options(remote.Options{BaseURL: relay, WriteKey: remote.Secret(writeKey)}))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	return client.Update(ctx, thingspeak.Fields{thingspeak.Text(text)})
}

// HasJoinPage asks a relay, without a key, whether it has a page for invitations at /join.
func (a Access) HasJoinPage(ctx context.Context, relay string) (bool, error) {
	body, err := remote.Page(ctx, strings.TrimRight(relay, "/")+"/join", a.Options(remote.Options{}))
	if err != nil {
		switch trouble, _ := TroubleOf(err); trouble {
		case KeyRefused, NotAllowed, NoChannel, Refused, NoRelay: // it answers, and has none
			return false, nil
		}
		return false, err
	}
	defer body.Close()
	page, err := io.ReadAll(io.LimitReader(body, 16<<10))
	return bytes.Contains(page, []byte(`id="join"`)), err
}

// OtherAddresses returns the addresses by which the relay of an address of this machine's own can be reached from elsewhere:
// those of this machine at which a relay answers on the same port.
func (a Access) OtherAddresses(ctx context.Context, relay string) (found []string) {
	u, err := url.Parse(relay)
	own, addrErr := net.InterfaceAddrs()
	if err != nil || addrErr != nil {
		return nil
	}
	a.Timeout = min(a.Timeout, 2*time.Second)
	for _, at := range own {
		prefix, err := netip.ParsePrefix(at.String())
		if err != nil || !prefix.Addr().IsGlobalUnicast() {
			continue
		}
		other := *u
		other.Host = prefix.Addr().String()
		if prefix.Addr().Is6() {
			other.Host = "[" + other.Host + "]"
		}
		if port := u.Port(); port != "" {
			other.Host += ":" + port
		}
		if ok, err := a.HasJoinPage(ctx, other.String()); ok && err == nil {
			found = append(found, other.String())
		}
	}
	return found
}

// Close lets go of idle connections.
func (r *Reader) Close() { r.client.Close() }

// End is how far a channel was read.
type End struct {
	// Rows were visited, and Skipped could not be read.
	Rows, Skipped int
	// Last is the number of the channel's newest entry.
	Last int64
	// CutShort tells that the answer ended within a row, and More that there are older rows.
	CutShort, More bool
	// Hidden are the fields that the relay does not show.
	Hidden thingspeak.FieldSet
}

// Newest visits at least the newest n rows of the channel, newest page first: 8,000 where n is above that, and all for 0.
func (r *Reader) Newest(ctx context.Context, n int, visit func(*thingspeak.Entry) error) (end End, err error) {
	counted := func(e *thingspeak.Entry) error {
		end.Rows++
		return visit(e)
	}
	scan := r.client.Scan()
	page := results(n) // a small one first, because mostly it suffices
	for {
		end.More, err = scan.Back(ctx, page, counted)
		info := scan.Info()
		end.Last, end.Skipped, end.CutShort, end.Hidden = info.LastID, int(info.Skipped), info.CutShort, info.Hidden
		if err != nil || !end.More || n > 0 && end.Rows >= min(n, thingspeak.MaxResults) {
			return end, err
		}
		page = thingspeak.MaxResults
	}
}

// Raw writes the newest n rows, or 8,000 for 0, as the relay gives them.
func (r *Reader) Raw(ctx context.Context, n int, w io.Writer) error {
	_, err := r.client.Raw(ctx, exchange.Query{Results: results(n)}, w)
	return err
}

func results(n int) int {
	if n <= 0 {
		return thingspeak.MaxResults
	}
	return min(n, thingspeak.MaxResults)
}

// WithScheme returns a relay's address with http:// before it where it is this machine's own and has nothing of the kind, see
// [remote.WithScheme].
func WithScheme(address string) string { return remote.WithScheme(address) }

// IsLoopback reports whether a relay's address is this machine's own.
func IsLoopback(address string) bool { return remote.IsLoopback(address) }
