package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdServe starts a server that is no relay and sets $SERVER to its address.
func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serve page|redirect|silent|tls|names")
	}
	stop := make(chan struct{})
	var server *httptest.Server
	switch args[0] {
	case "page": // 20 MB of HTML, whatever is asked
		server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<!DOCTYPE html><html><head><title>\x1b[2JLog in</title></head><body>")
			line := strings.Repeat("<p>welcome to our network</p>", 36) + "\n"
			for range 20 << 20 / len(line) {
				if _, err := io.WriteString(w, line); err != nil {
					return
				}
			}
		}))
	case "redirect":
		server = httptest.NewServer(http.RedirectHandler("http://elsewhere.example/login?key=SECRET", http.StatusFound))
	case "silent": // accepts and never answers
		server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-stop:
			case <-r.Context().Done():
			}
		}))
	case "tls": // with a certificate that nobody trusts
		server = httptest.NewTLSServer(http.NotFoundHandler())
	case "names": // a relay whose channel has a hostile name
		server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "feeds.json"):
				io.WriteString(w, `{"channel":{"id":7,"name":"\u001b[31mlab\u0007\u202egpj","field1":"message","last_entry_id":null},"feeds":[]}`)
			case strings.HasSuffix(r.URL.Path, "last_entry_id.txt"):
				io.WriteString(w, "-1")
			default:
				io.WriteString(w, "created_at,entry_id,field1\n")
			}
		}))
	default:
		ts.Fatalf("serve %s: what is that?", args[0])
	}
	ts.Setenv("SERVER", server.URL)
	ts.Defer(func() {
		close(stop)
		server.CloseClientConnections()
		server.Close()
	})
}
