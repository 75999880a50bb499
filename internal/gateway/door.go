package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/form"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
	"github.com/fernpost/fernpost/internal/relay/metrics"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// door is ThingSpeak's API over clear readings: that of a relay, with keys of the gateway's own.
type door struct {
	grants   *Grants
	readings *readings
	log      *slog.Logger
	rules    *relay.Relay
	api      http.Handler

	// follow begins to take what comes in a room, unless that is done already; end ends it for all.
	follow    func(*shelf)
	end       context.CancelFunc
	following sync.WaitGroup
}

func newDoor(grants *Grants, all *readings, clients *guard.Clients, figures *metrics.Metrics, log *slog.Logger) (*door, error) {
	l, err := relay.Preset(relay.PresetNone) // the queue takes what comes, as fast as it comes
	if err != nil {
		return nil, err
	}
	d := &door{grants: grants, readings: all, log: log, rules: relay.New(all, l)}
	all.labels = d.labels
	ctx, end := context.WithCancel(context.Background())
	d.end = end
	d.follow = func(s *shelf) {
		if all.begin(s) {
			d.following.Go(func() { all.follow(ctx, s) })
		}
	}
	d.api = httpapi.New(d.rules, httpapi.Options{
		Log: log, Clients: clients, Metrics: figures, EntriesOnly: true, KeyOf: d.keyOf, Stored: d.stored, Numbers: true, ChannelPages: "fernpost gateway",
		Place:    func(v *relay.View, number int64) int64 { return all.place(v.State.Generation, number) },
		Findings: d.findings,
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

// doorRequest is what is known of a request on its way through the door.
type doorRequest struct {
	shown, key string
	known      bool
	wait       time.Duration
	choice     choice
}

// parseChoice reads which rows are wanted. What is neither yes nor no is refused: whoever writes verified=1 would else take all rows
// for verified ones.
func parseChoice(asked []form.Param) (c choice, err error) {
	p := form.Params{Query: asked}
	for name, is := range map[string]*bool{"signed": &c.signed, "verified": &c.verified} {
		given, ok := p.Find(name)
		if !ok {
			continue
		}
		switch strings.ToLower(given.Value) {
		case "true":
			*is = true
		case "false":
		default:
			return c, fmt.Errorf("%s is true or false", name)
		}
	}
	author, ok := p.Find("author")
	if c.author = author.Value; ok && c.author == "" {
		return c, errors.New("author is empty")
	}
	return c, nil
}

// choiceOf is which rows a request wants to see.
func choiceOf(ctx context.Context) choice {
	if v, ok := ctx.Value(doorRequestKey{}).(*doorRequest); ok {
		return v.choice
	}
	return choice{}
}

type doorRequestKey struct{}

// ServeHTTP is part of [http.Handler].
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A relay does with HEAD what it does with GET, as the service does, and there GET writes. Whoever only looks must not.
	if r.Method == http.MethodHead && isUpdate(r.URL.Path) {
		w.Header().Set("Allow", "GET, POST")
		send(w, http.StatusMethodNotAllowed, "text/plain; charset=utf-8", nil)
		return
	}
	v := &doorRequest{}
	if query := r.URL.RawQuery; query != "" {
		asked, _ := form.ParseQuery(query) // the API refuses what cannot be read
		var err error
		if v.choice, err = parseChoice(asked); err != nil {
			send(w, http.StatusBadRequest, "text/plain; charset=utf-8", []byte(err.Error()))
			return
		}
	}
	d.api.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), doorRequestKey{}, v)))
}

// keyOf translates a key that a device shows into the one by which the rules know its room, once for a request.
func (d *door) keyOf(r *http.Request, shown string) string {
	v := r.Context().Value(doorRequestKey{}).(*doorRequest)
	if !v.known || v.shown != shown {
		v.shown, v.known = shown, true
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
	s, err := d.readings.open(grant.RoomID, grant.Channel)
	if err != nil {
		d.log.ErrorContext(r.Context(), "a key opens no room", "key", grant.ID, "room", grant.Room, "err", err)
		return "", 0
	}
	writes := r.Method == http.MethodPost || isUpdate(r.URL.Path)
	switch {
	case writes && grant.May(Write, grant.Room):
		return s.writeKey, grant.Wait
	case !writes && grant.May(Read, grant.Room):
		d.follow(s)
		s.await(r.Context())
		return s.readKey, 0
	}
	return "", 0
}

// followAll begins to follow all rooms that some key may read.
func (d *door) followAll() error {
	keys, err := d.grants.List(false)
	if err != nil {
		return err
	}
	for i := range keys {
		g := &keys[i]
		if !g.May(Read, g.Room) {
			continue
		}
		s, err := d.readings.open(g.RoomID, g.Channel)
		if err != nil { // whoever uses it hears so
			continue
		}
		d.follow(s)
	}
	return nil
}

// close ends the following of rooms, and waits for that.
func (d *door) close() {
	d.end()
	d.following.Wait()
	d.rules.Close()
}

// labels are what the fields of a room are called on this device, with their units; empty where they have no name.
func (d *door) labels(roomID string) (labels [thingspeak.FieldCount]string) {
	fields, err := d.grants.Fields()
	if err != nil {
		d.log.Error("looking for the names of fields failed", "err", err)
	}
	for _, f := range fields {
		if f.RoomID != roomID {
			continue
		}
		labels[f.Number-1] = f.Name
		if f.Unit != "" {
			labels[f.Number-1] += " (" + f.Unit + ")"
		}
	}
	return labels
}

// standingWords say on a page what is known of a key.
var standingWords = map[model.Standing]string{
	model.Yours: "this device", model.Verified: "verified", model.Lost: "a device that was lost", model.Known: "words not compared",
	model.NewKey: "words not compared",
}

// findings is what is wrong with what a room holds, and who has written there.
func (d *door) findings(v *relay.View) (*httpapi.Findings, error) {
	all, authors, err := d.readings.findingsOf(v.State.Channel)
	if err != nil {
		return nil, err
	}
	found := &httpapi.Findings{}
	for i := range all {
		found.Texts = append(found.Texts, all[i].Text)
	}
	for i := range authors {
		if a := &authors[i]; i > nobody && a.name != "" {
			found.Signers = append(found.Signers, a.name+": "+standingWords[a.standing])
		}
	}
	found.JSON, err = json.Marshal(map[string]any{"findings": append([]item.Finding{}, all...)})
	return found, err
}

// stored holds the answer until the cloud has taken the reading, if the key asks for that.
func (d *door) stored(ctx context.Context, a *relay.Accepted) {
	v, ok := ctx.Value(doorRequestKey{}).(*doorRequest)
	if ok && v.wait > 0 && len(a.Entries) > 0 {
		d.readings.await(ctx, a.Channel, a.Entries[len(a.Entries)-1].ID, v.wait)
	}
}
