package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// TestRelayBelowAPath: a relay that a web server shows below a path is used like any other.
func TestRelayBelowAPath(t *testing.T) {
	relay := relaytest.New(t)
	inner, err := url.Parse(relay.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(inner) }}
	outer := httptest.NewServer(http.StripPrefix("/things/peak", proxy))
	t.Cleanup(outer.Close)
	for _, profile := range []string{plainText, quickSigned} {
		ana, bo := newDevice(t, relay), newDevice(t, relay)
		channel := ana.makeRoom(profile)
		for _, d := range []*device{ana, bo} {
			d.env["FERNPOST_RELAY"] = outer.URL + "/things/peak/"
		}
		bo.must("join", "lab", "--channel", fmt.Sprint(channel), "--profile", profile)
		ana.must("rooms")
		ana.env["HOME"] = t.TempDir()
		ana.must("init", "own", "--profile", profile)
		ana.must("send", "hello")
		ana.must("recv")
		if !strings.Contains(ana.stdout.String(), "hello") {
			t.Errorf("%s: it reads %q", profile, &ana.stdout)
		}
		ana.must("eavesdrop", "--room", "own", "--raw")
		ana.must("eavesdrop", "--csv", fmt.Sprintf("%s/things/peak/channels/%d/feeds.csv", outer.URL, channel))
	}
}
