package httpapi

import (
	"net/http"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// routes lists every route, without its extension. All of them take a slash at the end and any known extension.
func (a *api) routes() {
	get := func(h handler) map[string]handler { return map[string]handler{http.MethodGet: h} }
	write := map[string]handler{http.MethodGet: a.update, http.MethodPost: a.update}

	// Contract section 5.
	a.handle(tellWriter, write, "/update", "/s/update")

	// Contract sections 7.1 and 8. The singular names are aliases.
	a.handle(tellReader, map[string]handler{
		http.MethodGet:    a.feed,
		http.MethodPost:   a.postEntry,
		http.MethodDelete: a.clearChannel,
	}, "/channels/{id}/feeds", "/channels/{id}/feed")
	a.handle(tellReader, get(a.lastEntry), "/channels/{id}/feeds/last", "/channels/{id}/feed/last")
	a.handle(tellReader, get(a.lastDataAge),
		"/channels/{id}/feeds/last_data_age", "/channels/{id}/feed/last_data_age")
	a.handle(tellReader, get(a.entry),
		"/channels/{id}/feeds/{entry}", "/channels/{id}/feed/{entry}",
		"/channels/{id}/feeds/entry/{entry}", "/channels/{id}/feed/entry/{entry}")
	a.handle(tellReader, get(a.fieldFeed), "/channels/{id}/fields/{field}", "/channels/{id}/field/{field}")
	a.handle(tellReader, get(a.lastOfField),
		"/channels/{id}/fields/{field}/last", "/channels/{id}/field/{field}/last")
	a.handle(tellReader, get(a.lastDataAge),
		"/channels/{id}/fields/{field}/last_data_age", "/channels/{id}/field/{field}/last_data_age")
	a.handle(tellReader, get(a.fieldOfEntry),
		"/channels/{id}/fields/{field}/{entry}", "/channels/{id}/field/{field}/{entry}")
	a.handle(tellReader, get(a.lastEntryID), "/channels/{id}/last_entry_id")

	// Contract section 8.
	a.handle(tellOwner, map[string]handler{
		http.MethodGet:  a.listChannels,
		http.MethodPost: a.createChannel,
	}, "/channels")
	a.handle(tellOwner, map[string]handler{
		http.MethodGet:    a.channel,
		http.MethodPut:    a.changeChannel,
		http.MethodDelete: a.deleteChannel,
	}, "/channels/{id}")

	a.handle(tellOwner, map[string]handler{
		http.MethodGet: func(*request) (*reply, error) {
			return nil, &refusal{code: thingspeak.CodeNotFound, hint: "There is nothing at this address."}
		},
	}, "/")
}

// handle registers the methods of a route under all its names.
func (a *api) handle(tell teller, methods map[string]handler, patterns ...string) {
	h := a.serve(tell, methods)
	for _, p := range patterns {
		a.mux.Handle(p, h)
	}
}
