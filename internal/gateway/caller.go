package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// callers knows by which names the gateway may be called. A page of another site can have a name of its own lead to this
// machine (DNS rebinding): then the page counts as ours to the browser, but its name stays what it is.
type callers struct{ hosts map[string]bool }

// boardHosts are what boards ask for whose library fixes the name, where the DNS of their network leads them here.
var boardHosts = []string{"api.thingspeak.com", "thingspeak.com"}

// newCallers returns who may call, by more names as well. Where no token is wanted, no name counts that somebody in the same network
// could have lead elsewhere first.
func newCallers(more []string, noToken bool) callers {
	c := callers{map[string]bool{"localhost": true}}
	if own := hostname(); own != "" && !noToken {
		more = append([]string{own, own + ".local"}, more...)
	}
	for _, name := range more {
		c.hosts[plainHost(name)] = true
	}
	return c
}

// plainHost is a host's name in one form, without its port.
func plainHost(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// knows reports whether a request may call the gateway so. Boards may call it by no name at all, and no page can have an
// address of numbers lead elsewhere.
func (c callers) knows(host, path string) bool {
	if host == "" {
		return true
	}
	name := plainHost(host)
	if c.hosts[name] || isThingSpeak(path) && slices.Contains(boardHosts, name) {
		return true
	}
	_, err := netip.ParseAddr(name)
	return err == nil
}

// refuse returns why a request is not answered, nil if it is. A GET is no better than a POST: /update writes with both.
func (c callers) refuse(r *http.Request) *problem {
	if !c.knows(r.Host, r.URL.Path) {
		return &problem{
			Status: http.StatusMisdirectedRequest,
			Detail: "this gateway is not called by that name; --allow-host allows one more",
		}
	}
	for _, origin := range r.Header["Origin"] {
		if !isOwnOrigin(origin, r) {
			return foreignPage()
		}
	}
	// Over plain HTTP browsers say where a request comes from by these only, and only to some addresses.
	for _, page := range r.Header["Referer"] {
		if u, err := url.Parse(page); page != "" && (err != nil || !isOwnOrigin(u.Scheme+"://"+u.Host, r)) {
			return foreignPage()
		}
	}
	switch strings.ToLower(r.Header.Get("Sec-Fetch-Site")) {
	case "", "none", "same-origin":
		return nil
	case "same-site": // another port, or a neighbour's name
		if len(r.Header["Origin"]) > 0 {
			return nil
		}
	}
	return foreignPage()
}

// isOwnOrigin reports whether an origin is the one that a request asks.
func isOwnOrigin(origin string, r *http.Request) bool {
	host, ok := strings.CutPrefix(strings.ToLower(origin), "http://")
	return ok && host != "" && strings.EqualFold(host, r.Host)
}

func foreignPage() *problem {
	return &problem{Status: http.StatusForbidden, Detail: "pages of other sites are not answered"}
}

// ownReply is a reply that no page of another site may read, whichever door it comes from.
type ownReply struct {
	http.ResponseWriter
	begun bool
}

// WriteHeader is part of [http.ResponseWriter].
func (w *ownReply) WriteHeader(status int) {
	if !w.begun {
		w.begun = true
		for name := range w.Header() {
			if strings.HasPrefix(name, "Access-Control-") {
				w.Header().Del(name)
			}
		}
		// A script or a picture of another site, which ask without saying so, get nothing to work with.
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		w.Header().Set("X-Content-Type-Options", "nosniff")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write is part of [http.ResponseWriter].
func (w *ownReply) Write(b []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (w *ownReply) Unwrap() http.ResponseWriter { return w.ResponseWriter }
