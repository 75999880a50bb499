package httpapi

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/plot"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// The pages are what a visitor with a browser sees: the front page, and one for each public channel. They are made of
// strangers' texts on the server, need no script, and load nothing from elsewhere. They are asked for without a key, and
// show what everybody may know.

// pageRows is how many entries a channel's page shows.
const pageRows = 50

//go:embed page
var pageFiles embed.FS

// pageTemplates are parsed when the first page is asked for: most relays serve programs only.
var pageTemplates = sync.OnceValue(func() *template.Template {
	return template.Must(template.ParseFS(pageFiles, "page/*.html"))
})

// pageHeaders are the headers of a page or of what it loads.
type pageHeaders struct {
	media []string
	// keyed says that the page is for whoever shows a key, or asks for one.
	keyed bool
}

// pagePolicy lets a page load its style, script and icon from here, ask here for news, and nothing else.
var (
	pagePolicy = []string{"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}
	keyedPolicy = []string{strings.Replace(pagePolicy[0], "form-action 'none'", "form-action 'self'", 1)}
	varyAccept  = []string{"Accept"}
	noReferrer  = []string{"no-referrer"}
)

func (p *pageHeaders) set(h http.Header) {
	h["Content-Type"] = p.media
	if h["Content-Security-Policy"] = pagePolicy; p.keyed {
		h["Content-Security-Policy"] = keyedPolicy
	}
	h["Referrer-Policy"] = noReferrer
	h["Vary"] = varyAccept
}

// pageRoutes adds the front page and what belongs to it.
func (a *api) pageRoutes() {
	get := func(h handler) map[string]handler { return map[string]handler{http.MethodGet: h} }
	a.handle(serviceErrors, get(a.frontPage), "/{$}")
	a.handle(serviceErrors, get(a.joinPage), "/join")
	a.pageFiles()
}

// pageFiles adds the files that pages load.
func (a *api) pageFiles() {
	get := func(h handler) map[string]handler { return map[string]handler{http.MethodGet: h} }
	for name, media := range map[string]string{
		"style.css":  "text/css; charset=utf-8",
		"refresh.js": "text/javascript; charset=utf-8",
		"join.js":    "text/javascript; charset=utf-8",
		"icon.svg":   "image/svg+xml",
	} {
		file, err := pageFiles.ReadFile("page/" + name)
		if err != nil {
			panic(err) // it is embedded
		}
		if name == "style.css" {
			file = append(file, plot.Style...)
		}
		head := &pageHeaders{media: []string{media}}
		a.handle(serviceErrors, get(func(*request) (*reply, error) {
			return &reply{status: http.StatusOK, body: file, page: head}, nil
		}), "/page/"+name)
	}
}

// pageOr answers browsers with a page and programs with data. A browser says that it takes HTML; an address with an
// extension is data in any case, and so is a request with a key, which no browser has but where pages are for keys.
func (a *api) pageOr(page, data handler) handler {
	return func(q *request) (*reply, error) {
		if q.format == formatNone && (a.options.EntriesOnly || q.key() == "") && takesHTML(q.Header) {
			return page(q)
		}
		return data(q)
	}
}

// takesHTML reports whether an Accept header names HTML; what takes anything, as programs do, is not meant.
func takesHTML(h http.Header) bool {
	for media := range strings.SplitSeq(strings.Join(h["Accept"], ","), ",") {
		name, _, _ := strings.Cut(media, ";")
		if strings.EqualFold(strings.TrimSpace(name), "text/html") {
			return true
		}
	}
	return false
}

// renderPage makes a reply of a template.
func renderPage(status int, name string, data any) (*reply, error) {
	var body bytes.Buffer
	if err := pageTemplates().ExecuteTemplate(&body, name, data); err != nil {
		return nil, err
	}
	head := &pageHeaders{media: contentTypes[formatNone]}
	if c, ok := data.(*channelData); ok {
		head.keyed = c.Service != ""
	}
	return &reply{status: status, body: body.Bytes(), page: head}, nil
}

// pageTime is a moment as a page shows it, in UTC.
type pageTime struct{ ISO, Text string }

func newPageTime(t time.Time) *pageTime {
	return &pageTime{
		ISO:  string(thingspeak.AppendISOTime(nil, t, nil)),
		Text: t.UTC().Format(time.DateTime),
	}
}

// pageHead is what every page has.
type pageHead struct {
	Title, Notice string
	// Script is the file in page that the page runs; without it, it has to be of use as well.
	Script string
	// Service is what has the page in place of a relay, empty for a relay. Its pages are for keys.
	Service string
}

// channelData is what a channel's page shows.
type channelData struct {
	pageHead
	ID                int64
	Name, Description string
	Tags              []string
	// URL is empty unless it leads to the web; Place is empty unless the channel has one.
	URL, Place string
	// Last is how many entries there are; LastText is what last_entry_id says.
	Last     int
	LastText string
	Newest   *pageTime
	// Most is how many rows a read may return.
	Most    int
	Columns []string
	// Rows are the newest entries, the newest first.
	Rows []channelRow
	// Findings are what is wrong, and Signers who has signed entries, where that is known.
	Findings, Signers []string
	// Plots are of the fields that hold numbers, in as many entries as a read returns.
	Plots []fieldPlot
	// Choice is what in the address is to stand in others of the page: the key, and which rows are shown.
	Choice template.URL
}

// channelRow is an entry; Values stand under the columns.
type channelRow struct {
	ID     int64
	Time   *pageTime
	Values []pageValue
}

// pageValue is one cell.
type pageValue struct{ Text string }

// solidFrom is how long a value without a blank in it has to be to count as one, in bytes.
const solidFrom = 40

// Solid says that the value is long and cannot be broken between words, as tokens are: it may be broken anywhere.
func (v pageValue) Solid() bool {
	return len(v.Text) >= solidFrom && !strings.ContainsAny(v.Text, " \n\t")
}

// channelPage shows a public channel. A private one looks like one that is not there.
func (a *api) channelPage(q *request) (*reply, error) {
	id, err := a.channelOf(q)
	var v *relay.View
	if err == nil {
		v, err = a.relay.View(q.Context(), id, q.key()) // which a relay has no page for
	}
	if errors.Is(err, relay.ErrNotFound) || errors.Is(err, relay.ErrKey) {
		head := pageHead{Title: "No public channel here", Notice: a.options.Notice, Service: a.options.ChannelPages}
		if a.options.ChannelPages != "" {
			head.Title = "A read key is needed"
		}
		return renderPage(http.StatusNotFound, "missing", &channelData{pageHead: head})
	}
	if err != nil {
		return nil, err
	}
	c := v.Channel
	data := a.channelFacts(q, v)
	var entries []thingspeak.Entry
	err = a.relay.Rows(q.Context(), v, relay.Window{Results: pageRows}, func(e *thingspeak.Entry) error {
		entries = append(entries, *e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(entries)
	data.addRows(c, entries)
	if data.Plots, err = a.channelPlots(q.Context(), v); err != nil {
		return nil, err
	}
	a.addFindings(q.Context(), v, data)
	return renderPage(http.StatusOK, "channel", data)
}

// channelFacts is what a page says of a channel above its entries.
func (a *api) channelFacts(q *request, v *relay.View) *channelData {
	c, id := v.Channel, v.Channel.ID
	data := &channelData{
		pageHead:    pageHead{c.Name + " · channel " + strconv.FormatInt(id, 10), a.options.Notice, "refresh.js", a.options.ChannelPages},
		Choice:      choiceOf(q),
		ID:          id,
		Name:        c.Name,
		Description: c.Description,
		Tags:        c.Tags,
		URL:         webAddress(c.URL),
		Place:       place(c.Latitude, c.Longitude, c.Elevation),
		Last:        int(v.State.Last),
		LastText:    strconv.FormatInt(v.State.Last, 10),
		Most:        a.relay.Limits().Results,
	}
	if v.State.Last == 0 {
		data.LastText = "-1" // as last_entry_id says
	} else {
		data.Newest = newPageTime(v.State.Newest)
	}
	return data
}

// noFindings stands where findings do if there is no telling them: a page without any would say that nothing is wrong.
const noFindings = "Whether anything is wrong with this channel could not be found out, nor who has signed what: the log of this " +
	"service says why. Load the page again later; the entries are shown as they came."

// addFindings fills in what is wrong, where that is known.
func (a *api) addFindings(ctx context.Context, v *relay.View, data *channelData) {
	if a.options.Findings == nil {
		return
	}
	found, err := a.options.Findings(v)
	if err != nil {
		a.log.ErrorContext(ctx, "findings of a page", "channel", v.Channel.ID, "err", err)
		data.Findings = []string{noFindings}
		return
	}
	data.Findings, data.Signers = found.Texts, found.Signers
}

// choiceOf is the part of an address that says which rows are shown, and with which key.
func choiceOf(q *request) template.URL {
	chosen := url.Values{}
	for _, name := range []string{"api_key", "author", "signed", "verified"} {
		if value := q.params.Get(name); value != "" {
			chosen.Set(name, value)
		}
	}
	return template.URL(chosen.Encode()) // every character that means something there is escaped
}

// addRows fills in the columns that have something to show: the enabled fields, and what entries may have beside them.
func (d *channelData) addRows(c *relay.Channel, entries []thingspeak.Entry) {
	var values []func(*thingspeak.Entry) string
	for n := range c.Enabled().All() {
		given := func(e thingspeak.Entry) bool { return e.Fields[n-1].Text != "" }
		if d.Service != "" && !slices.ContainsFunc(entries, given) { // nobody has said which fields a room uses
			continue
		}
		d.Columns = append(d.Columns, c.Labels[n-1])
		values = append(values, func(e *thingspeak.Entry) string { return e.Fields[n-1].Text })
	}
	for _, more := range []struct {
		label string
		value func(*thingspeak.Entry) string
	}{
		{"status", func(e *thingspeak.Entry) string { return e.Status.Text }},
		{"place", func(e *thingspeak.Entry) string {
			return place(e.Latitude.Text, e.Longitude.Text, e.Elevation.Text)
		}},
	} {
		if slices.ContainsFunc(entries, func(e thingspeak.Entry) bool { return more.value(&e) != "" }) {
			d.Columns = append(d.Columns, more.label)
			values = append(values, more.value)
		}
	}
	for i := range entries {
		row := channelRow{ID: entries[i].ID, Time: newPageTime(entries[i].CreatedAt)}
		for _, value := range values {
			row.Values = append(row.Values, pageValue{value(&entries[i])})
		}
		d.Rows = append(d.Rows, row)
	}
}

// place is a location as text; 0.0, 0.0 is what a channel has that never got one.
func place(latitude, longitude, elevation string) string {
	text := ""
	if latitude != "" && longitude != "" && (latitude != "0.0" || longitude != "0.0") {
		text = latitude + ", " + longitude
	}
	if elevation != "" && text != "" {
		text += ", " + elevation + " m"
	}
	return text
}

// webAddress returns an address that a link may lead to, empty for any other.
func webAddress(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ""
	}
	return s
}

// frontData is what the front page shows.
type frontData struct {
	pageHead
	// Base is the relay's address, as the visitor has it.
	Base     string
	Creating string
	Interval string
	// ValueBytes and Most are limits.
	ValueBytes, Most int
	Channels         []frontChannel
	// Previous and Next are numbers of pages, 0 for none.
	Previous, Next int
}

type frontChannel struct {
	ID, Last          int64
	Name, Description string
}

// joinPage says how to go on with an invitation. What the invitation says stands in the fragment of its address, which no
// browser sends: a relay does not learn it.
func (a *api) joinPage(*request) (*reply, error) {
	return renderPage(http.StatusOK, "join", &pageHead{Title: "An invitation to a room", Notice: a.options.Notice, Script: "join.js"})
}

// frontPage tells what this is and lists the public channels.
func (a *api) frontPage(q *request) (*reply, error) {
	page := int(min(max(1, integer(q.params.Get("page"))), 1<<20))
	listed, total, err := a.relay.PublicChannels(q.Context(), relay.Listing{
		Skip: (page - 1) * pageLength, Limit: pageLength,
	})
	if err != nil {
		return nil, err
	}
	limits := a.relay.Limits()
	data := &frontData{
		pageHead:   pageHead{Title: "fernpost relay", Notice: a.options.Notice},
		Base:       a.scheme(q.Request) + "://" + q.Host,
		Creating:   a.whoCreates(),
		ValueBytes: limits.ValueBytes,
		Most:       limits.Results,
	}
	if limits.Interval > 0 {
		data.Interval = limits.Interval.String()
	}
	for _, c := range listed {
		data.Channels = append(data.Channels, frontChannel{
			ID: c.ID, Last: c.LastEntryID, Name: c.Name, Description: c.Description,
		})
	}
	if page > 1 {
		data.Previous = page - 1
	}
	if page*pageLength < total {
		data.Next = page + 1
	}
	return renderPage(http.StatusOK, "front", data)
}

// whoCreates tells who may create channels.
func (a *api) whoCreates() string {
	switch {
	case a.options.Open:
		return "Everybody can create a channel."
	case a.options.Loopback:
		return "Programs on this machine can create channels. Elsewhere it takes a user key, which whoever runs the relay " +
			"gives."
	default:
		return "Creating a channel takes a user key, which whoever runs the relay gives."
	}
}
