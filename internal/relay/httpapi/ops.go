package httpapi

import (
	"context"
	"net/http"
	"runtime/debug"
	"strconv"

	"github.com/fernpost/fernpost/internal/relay/metrics"
)

// Paths for whoever operates a relay. They are no part of the API.
const (
	pathHealth  = "/healthz"
	pathReady   = "/readyz"
	pathMetrics = "/metrics"
)

// opsRoutes adds /healthz and /readyz, which tell everybody the same word, and /metrics for programs on this machine.
func (a *api) opsRoutes() {
	a.mux.HandleFunc(pathHealth, healthy)
	a.mux.Handle(pathReady, readiness(a.options.Ready))
	if a.options.Metrics == nil {
		return
	}
	nothing := a.serve(serviceErrors, map[string]handler{http.MethodGet: nothingHere})
	a.mux.HandleFunc(pathMetrics, func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r) {
			nothing.ServeHTTP(w, r)
			return
		}
		a.options.Metrics.ServeHTTP(w, r)
	})
}

// NewOps returns a handler of /healthz, /readyz and /metrics alone, for an address of their own. Whoever reaches it may
// read them.
func NewOps(m *metrics.Metrics, ready func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(pathHealth, healthy)
	mux.Handle(pathReady, readiness(ready))
	mux.Handle(pathMetrics, m)
	return mux
}

// healthy says that the process answers.
func healthy(w http.ResponseWriter, _ *http.Request) { oneWord(w, http.StatusOK, "ok") }

// readiness says whether the relay can do its work. The error's text is what clients see.
func readiness(ready func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if ready != nil {
			if err := ready(r.Context()); err != nil {
				oneWord(w, http.StatusServiceUnavailable, err.Error())
				return
			}
		}
		oneWord(w, http.StatusOK, "ready")
	}
}

func oneWord(w http.ResponseWriter, status int, word string) {
	h := w.Header()
	forPages(h)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(word)+1))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(word + "\n")) // an error means that the client has gone
}

// recovered ends a request whose handler has panicked: a mistake of ours must not take others' connections along, and
// must not go unnoticed. What the panic says may be about the request, so only where it came from is logged.
func (a *api) recovered(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	a.options.Metrics.Panicked()
	a.log.ErrorContext(r.Context(), "handler panicked", "method", r.Method, "stack", string(debug.Stack()))
	w.Header().Set("Connection", "close")
	a.send(w, r, textReply(http.StatusInternalServerError, formatText, "internal error"))
}
