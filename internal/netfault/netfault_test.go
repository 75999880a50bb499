package netfault_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/netfault"
)

// TestFailuresAreSaidInWords: what the standard library says of a connection reached users as it was, such as "dial tcp
// 127.0.0.1:1: connect: connection refused", with the address and what may stand in it.
func TestFailuresAreSaidInWords(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	secure.Config.ErrorLog = nil
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	get := func(address string) error {
		r, err := http.Get(address) //nolint:noctx // it fails at once
		if err == nil {
			r.Body.Close()
		}
		return err
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, tooLate := new(net.Dialer).DialContext(late, "tcp", plain.Listener.Addr().String())
	_, shaking := tls.Dial("tcp", plain.Listener.Addr().String(), nil)
	library := errors.New("network Error")
	for name, c := range map[string]struct {
		err  error
		kind netfault.Kind
		says string
	}{
		"nobody listens":  {get("http://ana:secret@" + closed.Addr().String()), netfault.NobodyListens, "nothing answers there: connection refused"},
		"no address":      {get("http://ana:secret@[::1"), netfault.Other, "the address cannot be read"},
		"in a library":    {fmt.Errorf("%w : %w", library, get("http://"+closed.Addr().String())), netfault.NobodyListens, "nothing answers there"},
		"no such host":    {&net.DNSError{Name: "pi.invalid", IsNotFound: true}, netfault.NoSuchHost, "no host is called pi.invalid"},
		"no name server":  {&net.DNSError{Name: "pi.invalid", Err: "server misbehaving"}, netfault.Other, "cannot be looked up"},
		"too late":        {tooLate, netfault.TimedOut, "no answer in time"},
		"no TLS":          {get("https://" + plain.Listener.Addr().String()), netfault.NoTLS, "does not speak TLS"},
		"no TLS by hand":  {shaking, netfault.NoTLS, "does not speak TLS"},
		"a stranger":      {get(secure.URL), netfault.BadCertificate, "unknown authority"},
		"a proxy is away": {&net.OpError{Op: "proxyconnect", Err: errors.New("x")}, netfault.ProxyAway, "the proxy"},
		"cut":             {fmt.Errorf("reading: %w", io.EOF), netfault.Other, "the connection was cut"},
		"anything else":   {fmt.Errorf("dialling http://ana:secret@pi: %w", errors.New("a word")), netfault.Other, "a word"},
	} {
		kind, words := netfault.Of(c.err)
		if kind != c.kind || !strings.Contains(words, c.says) || strings.Contains(words, "secret") || strings.Contains(words, "dial") {
			t.Errorf("%s: %d, %q, want %d, %q (of %v)", name, kind, words, c.kind, c.says, c.err)
		}
		if got := netfault.Words(c.err); got.Error() != words || errors.Unwrap(got) != nil {
			t.Errorf("%s: Words is %v", name, got)
		}
	}
}
