package remote

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// proxyFromEnvironment returns what finds the proxy of a request, as HTTP_PROXY, HTTPS_PROXY and NO_PROXY say, and
// ALL_PROXY, which net/http passes over and curl does not. One of a kind that cannot be used is an error, which does not
// repeat it, since it may hold a password.
func proxyFromEnvironment(getenv func(string) string) (func(*http.Request) (*url.URL, error), error) {
	look := func(name string) string { return cmp.Or(getenv(strings.ToLower(name)), getenv(name)) }
	for _, name := range []string{"ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"} {
		switch scheme, _, named := strings.Cut(look(name), "://"); {
		case !named: // a host, which is taken for one that speaks HTTP
		case scheme != "http" && scheme != "https" && scheme != "socks5" && scheme != "socks5h":
			return nil, fmt.Errorf("%s names a proxy of the kind %.20q: want http, https, socks5 or socks5h", name, scheme)
		}
	}
	config := httpproxy.Config{
		HTTPProxy:  cmp.Or(look("HTTP_PROXY"), look("ALL_PROXY")),
		HTTPSProxy: cmp.Or(look("HTTPS_PROXY"), look("ALL_PROXY")),
		NoProxy:    look("NO_PROXY"),
	}
	find := config.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return find(r.URL) }, nil
}
