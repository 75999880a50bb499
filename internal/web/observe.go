package web

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
	"github.com/fernpost/fernpost/internal/relay/metrics"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/web/outside"
)

// What everybody outside sees of the room: the requests on the way to the relay, and the rows of its feed.

// upload is an update on its way.
type upload struct{ channel, entry int64 }

type uploadKey struct{}

// tapped takes what was on the wire for each request, so that nothing of it counts as the next one's.
func (c *Class) tapped(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if httpapi.IsStream(r) || strings.HasPrefix(r.URL.Path, "/class/") { // it may not end soon
			c.tap.Take(r.RemoteAddr)
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
		c.tap.Take(r.RemoteAddr)
	})
}

// observed notes what was on the wire of each update.
func (c *Class) observed(relay http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isUpdate(r.URL.Path) {
			relay.ServeHTTP(w, r)
			return
		}
		up := &upload{}
		counted := &metrics.Observed{ResponseWriter: w, Status: http.StatusOK}
		at := time.Now()
		relay.ServeHTTP(counted, r.WithContext(context.WithValue(r.Context(), uploadKey{}, up)))
		wire, came := c.tap.Take(r.RemoteAddr)
		if up.channel != c.channel() && (up.channel != 0 || !c.showsKey(r, wire)) {
			return // another room's, or a stranger's, who would write what he likes on the projector
		}
		seen := outside.NewWire(r.RemoteAddr, at, wire, came, c.relay.Encrypted())
		seen.Entry, seen.Status = up.entry, counted.Status
		c.wires.add(map[string]any{"wire": seen})
	})
}

// showsKey reports whether a request that was refused shows the write key of the room that the class is in.
func (c *Class) showsKey(r *http.Request, wire []byte) bool {
	c.mu.Lock()
	key := c.now().writeKey
	c.mu.Unlock()
	return r.Header.Get("X-Thingspeakapikey") == key || r.URL.Query().Get("api_key") == key || bytes.Contains(wire, []byte(key))
}

// isUpdate reports whether a path of the API is one that writes entries.
func isUpdate(path string) bool {
	path = strings.TrimSuffix(path, "/")
	for _, one := range []string{"/update", "/s/update", "/bulk_update"} {
		if strings.HasSuffix(path, one) || strings.Contains(path, one+".") {
			return true
		}
	}
	return false
}

// stored notes which entry an update has become.
func (c *Class) stored(ctx context.Context, a *relay.Accepted) {
	if up, ok := ctx.Value(uploadKey{}).(*upload); ok && len(a.Entries) > 0 {
		up.channel, up.entry = a.Channel, a.Entries[len(a.Entries)-1].ID
	}
}

// lookBack is how many of the newest rows are compared with what was shown of them: a relay that cheats changes those of the last ten.
const lookBack = 20

// watch begins to tell of the feed of the room that the class is in, by the rules that hold now. The caller holds mu, or is alone.
func (c *Class) watch() {
	c.stop() // to its end: else it might tell of the room before among the rows of this one
	select {
	case <-c.ending:
		return
	default:
	}
	c.rows.reset(map[string]any{"reset": "cloud", "channel": c.now().channel})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	c.stop = func() {
		cancel()
		<-ended
	}
	f := &shownFeed{rules: c.relay.Rules(), channel: c.now().channel, journal: c.rows}
	go func() {
		defer close(ended)
		if err := f.run(ctx); err != nil && ctx.Err() == nil {
			c.options.Log.Error("the feed is not shown any more", "err", err)
		}
	}()
}

// shownFeed is a feed as it was shown.
type shownFeed struct {
	rules   *relay.Relay
	channel int64
	journal *journal
	// rows are the newest rows, by their number, and last is the highest number.
	rows map[int64]outside.Row
	last int64
}

func (f *shownFeed) run(ctx context.Context) error {
	v, err := f.rules.View(ctx, f.channel, "")
	if err != nil {
		return err
	}
	w := f.rules.Watch([]relay.Watched{{View: v, From: v.End()}})
	defer w.End()
	for {
		if err := f.look(ctx); err != nil {
			return err
		}
		select {
		case <-w.Woken():
		case <-ctx.Done():
			return nil
		}
		for more := true; more; { // what it says is read anew, with the rows before it
			if _, more, err = w.Next(); err != nil {
				return err
			}
		}
	}
}

// look tells of the rows that are new, or are shown otherwise than before.
func (f *shownFeed) look(ctx context.Context) error {
	v, err := f.rules.View(ctx, f.channel, "")
	if err != nil {
		return err
	}
	if v.State.Last < f.last || f.rows == nil {
		if f.rows != nil {
			f.journal.add(map[string]any{"gone": f.last})
		}
		f.rows, f.last = map[int64]outside.Row{}, 0
	}
	var came []outside.Row
	fields := v.Channel.Enabled()
	first := max(1, min(f.last+1, v.State.Last-lookBack))
	err = f.rules.Range(ctx, v, first, v.State.Last, func(e *thingspeak.Entry) error {
		came = append(came, outside.NewRow(e, fields))
		return nil
	})
	if err != nil {
		return err
	}
	for _, row := range came {
		before, shown := f.rows[row.Entry]
		if shown && before.CSV == row.CSV {
			continue
		}
		f.rows[row.Entry] = row
		line := map[string]any{"row": row}
		if shown {
			line["was"] = before.CSV
		}
		f.journal.add(line)
	}
	f.last = v.State.Last
	maps.DeleteFunc(f.rows, func(number int64, _ outside.Row) bool { return number < f.last-lookBack })
	return nil
}
