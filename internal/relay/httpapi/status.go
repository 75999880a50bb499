package httpapi

import (
	"net/http"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// statusWindow is how far back the feed of statuses goes unless a window is named.
const statusWindow = 24 * time.Hour

// statusFeed answers with the statuses of the entries, those without one included (contract section 7.9).
func (a *api) statusFeed(q *request) (*reply, error) {
	v, err := a.open(q)
	if err != nil {
		return nil, err
	}
	return a.feedReply(q, &feedDocument{
		view:    v,
		window:  a.windowOf(q, v, statusWindow),
		columns: thingspeak.Header{Status: true},
		zone:    q.zone(),
		terse:   true,
	})
}

// lastStatus answers with the status of the newest entry, which may have none. As text it is the bare status.
func (a *api) lastStatus(q *request) (*reply, error) {
	v, err := a.open(q)
	if err != nil {
		return nil, err
	}
	e, err := a.relay.Last(q.Context(), v)
	if err == nil && q.isText() {
		return q.bare(e.Status.Text), nil
	}
	return q.entryReply(e, err, thingspeak.Header{Status: true})
}

// isText reports whether the reply is text.
func (q *request) isText() bool { return q.format == formatNone || q.format == formatText }

// bare answers with a value alone, between what the request wants around it.
func (q *request) bare(value string) *reply {
	return textReply(http.StatusOK, q.format, q.params.Get("prepend")+value+q.params.Get("append"))
}
