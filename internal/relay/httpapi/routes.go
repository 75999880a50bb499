package httpapi

import (
	"net/http"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// bulkRoute is the one route whose body is large.
const bulkRoute = "/channels/{id}/bulk_update"

// streamRoute is where several channels stream into one connection.
const streamRoute = "/stream"

// route is what stands at some addresses.
type route struct {
	// tell says how errors are told.
	tell    errorTable
	methods map[string]handler
	// patterns are for the mux, without an extension. All addresses take a slash at the end and any known extension.
	patterns []string
}

// routes registers every route.
func (a *api) routes() {
	for _, r := range a.apiRoutes() {
		a.handle(r.tell, r.methods, r.patterns...)
	}
	if a.options.EntriesOnly {
		if a.options.ChannelPages != "" {
			a.pageFiles()
		}
		return
	}
	a.pageRoutes()
	a.opsRoutes()
}

func get(h handler) map[string]handler { return map[string]handler{http.MethodGet: h} }

func post(h handler) map[string]handler { return map[string]handler{http.MethodPost: h} }

func getOrPost(h handler) map[string]handler {
	return map[string]handler{http.MethodGet: h, http.MethodPost: h}
}

func read(h handler, patterns ...string) route { return route{tellReader, get(h), patterns} }

// apiRoutes lists the routes of the API.
func (a *api) apiRoutes() []route {
	all := append(a.entryRoutes(), route{serviceErrors, anyMethod(nothingHere), []string{"/"}})
	for what, patterns := range notServedHere() {
		all = append(all, route{serviceErrors, anyMethod(refuse(what)), patterns})
	}
	if a.options.EntriesOnly {
		return all
	}
	return append(all, a.settingsRoutes()...)
}

// entryRoutes lists what writes and reads the entries of a channel.
func (a *api) entryRoutes() []route {
	feed := map[string]handler{http.MethodGet: a.feed, http.MethodPost: a.postEntry}
	if !a.options.EntriesOnly {
		feed[http.MethodDelete] = a.clearChannel // contract section 8
	}
	all := []route{
		// Contract section 5.
		{updateErrors, getOrPost(a.update), []string{"/update", "/s/update"}},

		// Contract section 6.
		{tellBulk, post(a.bulkUpdate), []string{bulkRoute}},

		// Contract sections 5.1 and 7.1. The singular names are aliases.
		{tellReader, feed, []string{"/channels/{id}/feeds", "/channels/{id}/feed"}},
		read(a.fieldFeed, "/channels/{id}/fields/{field}", "/channels/{id}/field/{field}"),
		read(a.statusFeed, "/channels/{id}/status", "/channels/{id}/statuses"),
		read(a.lastEntry, "/channels/{id}/feeds/last", "/channels/{id}/feed/last"),
		read(a.lastOfField, "/channels/{id}/fields/{field}/last", "/channels/{id}/field/{field}/last"),
		read(a.lastStatus, "/channels/{id}/status/last", "/channels/{id}/statuses/last"),
		read(a.entry,
			"/channels/{id}/feeds/{entry}", "/channels/{id}/feed/{entry}",
			"/channels/{id}/feeds/entry/{entry}", "/channels/{id}/feed/entry/{entry}"),
		read(a.fieldOfEntry, "/channels/{id}/fields/{field}/{entry}", "/channels/{id}/field/{field}/{entry}"),
		read(a.lastEntryID, "/channels/{id}/last_entry_id"),
		read(a.lastDataAge,
			"/channels/{id}/feeds/last_data_age", "/channels/{id}/feed/last_data_age",
			"/channels/{id}/fields/{field}/last_data_age", "/channels/{id}/field/{field}/last_data_age"),
		read(a.lastCalculated("average", relay.Average),
			"/channels/{id}/feeds/last_average", "/channels/{id}/feed/last_average"),
		read(a.lastCalculated("median", relay.Median),
			"/channels/{id}/feeds/last_median", "/channels/{id}/feed/last_median"),
		read(a.lastCalculated("sum", relay.Sum), "/channels/{id}/feeds/last_sum", "/channels/{id}/feed/last_sum"),

		// What only relays of our kind have.
		{streamErrors, get(a.channelStream), []string{"/channels/{id}/feeds/stream", "/channels/{id}/feed/stream"}},
	}
	if a.options.Findings != nil {
		all = append(all, read(a.findings, "/channels/{id}/findings"))
	}
	if a.options.EntriesOnly && a.options.ChannelPages != "" {
		all = append(all, route{serviceErrors, get(a.pageOr(a.channelPage, nothingHere)), []string{"/channels/{id}"}})
	}
	return all
}

// settingsRoutes lists the rest: channels as a whole, and accounts.
func (a *api) settingsRoutes() []route {
	return []route{
		// Contract section 8.
		{serviceErrors, map[string]handler{
			http.MethodGet:  a.listChannels,
			http.MethodPost: a.createChannel,
		}, []string{"/channels"}},
		{serviceErrors, map[string]handler{
			http.MethodGet:    a.pageOr(a.channelPage, a.channel),
			http.MethodPut:    a.changeChannel,
			http.MethodDelete: a.deleteChannel,
		}, []string{"/channels/{id}"}},
		{serviceErrors, post(a.clearChannel), []string{"/channels/{id}/clear"}},
		{serviceErrors, get(a.publicChannels), []string{"/channels/public"}},
		{serviceErrors, get(a.user), []string{"/users/{name}"}},
		{serviceErrors, get(a.userChannels), []string{"/users/{name}/channels"}},

		// Contract section 9.
		{tellReader, getOrPost(a.export), []string{"/stream/channels/{id}/feeds"}},

		// What only relays of our kind have.
		{streamErrors, get(a.channelsStream), []string{streamRoute}},
		{tellReader, get(a.limits), []string{"/limits"}},
		read(a.mayWriteReply, "/channels/{id}/may_write"),
	}
}

// anyMethod lets a handler answer whatever the method is.
func anyMethod(h handler) map[string]handler {
	all := map[string]handler{}
	for _, method := range []string{
		http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	} {
		all[method] = h
	}
	return all
}

// nothingHere answers for all other addresses.
func nothingHere(*request) (*reply, error) {
	return nil, &refusal{code: thingspeak.CodeNotFound, hint: "There is nothing at this address."}
}

// handle registers the methods of a route under all its names.
func (a *api) handle(tell errorTable, methods map[string]handler, patterns ...string) {
	h := a.serve(tell, methods)
	for _, p := range patterns {
		a.mux.Handle(p, h)
	}
}
