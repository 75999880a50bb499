package remote

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/fernpost/fernpost/internal/wire"
)

// Download asks for a feed by its whole address, as somebody copies it from a browser, and returns the answer's body,
// bounded in size and watched like any other; close it. Errors name the host only: an address may hold a key. Of o it
// takes Timeout, Budget, Slow, Transport, Mind and Version.
func Download(ctx context.Context, address string, o Options) (io.ReadCloser, error) {
	return get(ctx, "downloading the feed", address, o)
}

// Page is Download of a page that is no feed.
func Page(ctx context.Context, address string, o Options) (io.ReadCloser, error) {
	return get(ctx, "asking for a page", address, o)
}

func get(ctx context.Context, doing, address string, o Options) (io.ReadCloser, error) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return nil, &AddressError{Err: errors.New("the feed's address must look like https://host/channels/ID/feeds.csv")}
	}
	c, err := New(Options{
		BaseURL: u.Scheme + "://" + u.Host, Timeout: o.Timeout, Transport: o.Transport, Mind: o.Mind, Version: o.Version,
		Budget: o.Budget, Slow: o.Slow,
		ReadKey: keyIn(u.Query()), // it goes out with the address; here it only keeps errors clean
	})
	if err != nil {
		return nil, err
	}
	re, err := c.do(ctx, request{wire.Call{Doing: doing, Path: strings.TrimPrefix(u.RequestURI(), "/")}, o.Budget})
	if err != nil {
		return nil, err
	}
	if re.Status != http.StatusOK {
		defer re.body.Close()
		return nil, c.at.StatusError(re.Reply)
	}
	return &download{wire.Bounded(re.body), c, re.body}, nil
}

// keyIn returns the key that a query holds, under the names that relays know (contract section 2).
func keyIn(query url.Values) Secret {
	for _, name := range []string{"api_key", "key", "apikey"} {
		if query.Get(name) != "" {
			return Secret(query.Get(name))
		}
	}
	return ""
}

// download is a bounded body that takes its client's connection along when it is closed.
type download struct {
	io.Reader

	client *Client
	body   *body
}

func (d *download) Close() error {
	err := d.body.Close()
	d.client.Close()
	return err
}
