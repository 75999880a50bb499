package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
	"github.com/fernpost/fernpost/internal/relay/metrics"
)

// door is ThingSpeak's API over clear readings: that of a relay, with keys of the gateway's own.
type door struct {
	grants   *Grants
	readings *readings
	log      *slog.Logger
	rules    *relay.Relay
	api      http.Handler
}

func newDoor(grants *Grants, all *readings, clients *guard.Clients, figures *metrics.Metrics, log *slog.Logger) (*door, error) {
	l, err := relay.Preset(relay.PresetNone) // the queue takes what comes, as fast as it comes
	if err != nil {
		return nil, err
	}
	d := &door{grants: grants, readings: all, log: log, rules: relay.New(all, l)}
	d.api = httpapi.New(d.rules, httpapi.Options{
		Log: log, Clients: clients, Metrics: figures, EntriesOnly: true, KeyOf: d.keyOf, Stored: d.stored,
	})
	return d, nil
}

// isThingSpeak reports whether a path is one of ThingSpeak's.
func isThingSpeak(path string) bool {
	first, _, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	first, _, _ = strings.Cut(first, ".")
	switch first {
	case "update", "s", "channels":
		return true
	}
	return false
}

// isUpdate reports whether a path is one of those that write whatever the method is.
func isUpdate(path string) bool { return !strings.HasPrefix(strings.TrimLeft(path, "/"), "channels/") }

// visit is what is known of a request on its way through the door.
type visit struct {
	shown, key string
	known      bool
	wait       time.Duration
}

type visitKey struct{}

// ServeHTTP is part of [http.Handler].
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A relay does with HEAD what it does with GET, as the service does, and there GET writes. Whoever only looks must not.
	if r.Method == http.MethodHead && isUpdate(r.URL.Path) {
		w.Header().Set("Allow", "GET, POST")
		send(w, http.StatusMethodNotAllowed, "text/plain; charset=utf-8", nil)
		return
	}
	d.api.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, &visit{})))
}

// keyOf translates a key that a device shows into the one by which the rules know its room, once for a request.
func (d *door) keyOf(r *http.Request, shown string) string {
	v := r.Context().Value(visitKey{}).(*visit)
	if !v.known || v.shown != shown {
		*v = visit{shown: shown, known: true}
		v.key, v.wait = d.translate(r, shown)
	}
	return v.key
}

func (d *door) translate(r *http.Request, shown string) (key string, wait time.Duration) {
	if shown == "" {
		return "", 0
	}
	grant, ok, err := d.grants.Find(shown, false)
	if err != nil {
		d.log.ErrorContext(r.Context(), "looking for a key failed", "err", err)
	}
	if !ok {
		return "", 0
	}
	s, err := d.readings.open(grant.Files, grant.Channel)
	if err != nil {
		d.log.ErrorContext(r.Context(), "a key opens no room", "key", grant.ID, "room", grant.Room, "err", err)
		return "", 0
	}
	writes := r.Method == http.MethodPost || isUpdate(r.URL.Path)
	switch {
	case writes && grant.May(Write, grant.Room):
		return s.writeKey, grant.Wait
	case !writes && grant.May(Read, grant.Room):
		return s.readKey, 0
	}
	return "", 0
}

// stored holds the answer until the cloud has taken the reading, if the key asks for that.
func (d *door) stored(ctx context.Context, a *relay.Accepted) {
	v, ok := ctx.Value(visitKey{}).(*visit)
	if ok && v.wait > 0 && len(a.Entries) > 0 {
		d.readings.await(ctx, a.Channel, a.Entries[len(a.Entries)-1].ID, v.wait)
	}
}
