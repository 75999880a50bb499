package remote

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// Proxy is one that the environment names.
type Proxy struct {
	// Variable names it, as it is written there.
	Variable string
	// Host is where it is, without the rest of its address, which may hold a password.
	Host string
}

// proxyKinds are what a proxy's address may begin with; without any it is one that speaks HTTP.
var proxyKinds = []string{"http", "https", "socks5", "socks5h"}

// Proxies returns the proxies that HTTPS_PROXY, HTTP_PROXY and ALL_PROXY name, in this order, in either case. One that
// cannot be used is an error, which does not repeat it, since it may hold a password.
func Proxies(getenv func(string) string) (all []Proxy, err error) {
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"} {
		p := Proxy{Variable: strings.ToLower(name)}
		address := getenv(p.Variable)
		if address == "" {
			p.Variable, address = name, getenv(name)
		}
		if address == "" {
			continue
		}
		scheme, _, named := strings.Cut(address, "://")
		if !named {
			address = "http://" + address
		} else if !slices.Contains(proxyKinds, scheme) {
			return nil, fmt.Errorf("%s names a proxy of the kind %.20q: want http, https, socks5 or socks5h", p.Variable, scheme)
		}
		// Without this check one that cannot be read would be passed over, and requests go past the proxy that is meant.
		u, err := url.Parse(address)
		if err != nil || u.Hostname() == "" {
			return nil, fmt.Errorf("%s is no address of a proxy: want http://HOST:PORT", p.Variable)
		}
		p.Host = u.Host
		all = append(all, p)
	}
	return all, nil
}

// proxyFromEnvironment returns what finds the proxy of a request, as HTTP_PROXY, HTTPS_PROXY and NO_PROXY say, and
// ALL_PROXY, which net/http passes over and curl does not. It fails as [Proxies] does.
func proxyFromEnvironment(getenv func(string) string) (func(*http.Request) (*url.URL, error), error) {
	if _, err := Proxies(getenv); err != nil {
		return nil, err
	}
	look := func(name string) string { return cmp.Or(getenv(strings.ToLower(name)), getenv(name)) }
	config := httpproxy.Config{
		HTTPProxy:  cmp.Or(look("HTTP_PROXY"), look("ALL_PROXY")),
		HTTPSProxy: cmp.Or(look("HTTPS_PROXY"), look("ALL_PROXY")),
		NoProxy:    look("NO_PROXY"),
	}
	find := config.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return find(r.URL) }, nil
}
