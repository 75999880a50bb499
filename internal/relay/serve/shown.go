package serve

import (
	"errors"
	"net/http"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/cheat"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
)

// shown is what a relay shows of its store under certain rules.
type shown struct {
	handler http.Handler
	// relays are the rules that work on the store, one for each version that is shown.
	relays []*relay.Relay
	// ending is closed when the streams of entries are to end.
	ending chan struct{}
}

// newShown shows stores, one a version, with rules that know the limits.
func (r *Running) newShown(o *Options, stores []relay.Store, limits relay.Limits, lies cheat.Lies, api httpapi.Options) *shown {
	s := &shown{ending: make(chan struct{})}
	api.Log, api.Loopback, api.Open, api.Ready, api.Stored = o.Log, r.Loopback(), o.Open, r.ready, o.Stored
	api.Notice, api.Ending = lies.Notice(), s.ending
	var versions []http.Handler
	for _, store := range stores {
		rules := relay.New(store, limits)
		s.relays = append(s.relays, rules)
		versions = append(versions, httpapi.New(rules, api))
	}
	s.handler = cheat.Versions(versions...)
	return s
}

// close ends what looks after streams.
func (s *shown) close() {
	for _, rules := range s.relays {
		rules.Close()
	}
}

// Rules are those that the relay serves by now; of a relay that forks, those of its first version.
func (r *Running) Rules() *relay.Relay { return r.shown.Load().relays[0] }

// ErrMQTT: the rules of a relay that serves MQTT stay as they are.
var ErrMQTT = errors.New("the rules of a relay that serves MQTT cannot be changed while it serves")

// Change lets the relay serve by other limits, and with other lies, from the next request on. Streams of entries end, and whoever
// reads one connects again. The error is ErrMQTT.
func (r *Running) Change(limits relay.Limits, lies cheat.Lies) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	if r.mqtt != nil {
		return ErrMQTT
	}
	if r.stopping.Load() {
		return nil
	}
	before := r.shown.Swap(r.make(limits, lies))
	close(before.ending)
	before.close()
	return nil
}
