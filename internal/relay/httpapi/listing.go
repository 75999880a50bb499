package httpapi

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// pageLength is how many channels a page of a public listing has (contract section 8).
const pageLength = 15

// channelList is an array of channels.
type channelList struct {
	channels []*relay.Channel
	// own shows them as their owner sees them.
	own bool
	// names are those of the owners by ID.
	names map[int64]string
	zone  *time.Location
}

func (l *channelList) appendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for i, c := range l.channels {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = thingspeak.AppendSettingsJSON(dst, &c.Channel, l.own, l.names[c.Owner], l.zone)
	}
	return append(dst, ']')
}

func (l *channelList) writeXML(w *xmlWriter) {
	if len(l.channels) == 0 {
		w.line(`<channels type="array"/>`)
		return
	}
	w.open("channels", ` type="array"`)
	for _, c := range l.channels {
		w.settings(&c.Channel, l.own, l.names[c.Owner], l.zone)
	}
	w.close("channels")
}

// publicChannels answers with a page of the public channels, or of those of an account, with a tag, or near a place.
func (a *api) publicChannels(q *request) (*reply, error) {
	page := int64(1)
	if s := q.params.Get("page"); s != "" {
		page = min(integer(s), 1<<40)
	}
	if page < 1 {
		return nil, relay.ErrNotFound
	}
	listing := relay.Listing{
		Tag:   q.params.Get("tag"),
		Near:  q.circle(),
		Skip:  int(page-1) * pageLength,
		Limit: pageLength,
	}
	names, err := a.relay.AccountNames(q.Context())
	if err != nil {
		return nil, err
	}
	if name := q.params.Get("username"); name != "" {
		listing.Owner = -1 // nobody's
		for id, known := range names {
			if known == name {
				listing.Owner = id
			}
		}
	}
	channels, total, err := a.relay.PublicChannels(q.Context(), listing)
	if err != nil {
		return nil, err
	}
	list := channelList{channels: channels, names: names, zone: q.zone()}
	answer := &reply{status: http.StatusOK, format: formatJSON}
	if q.format == formatXML {
		w := newXML()
		w.open("response", "")
		w.open("pagination", "")
		w.integer("current-page", page)
		w.integer("per-page", pageLength)
		w.integer("total-entries", int64(total))
		w.close("pagination")
		list.writeXML(w)
		w.close("response")
		answer.format, answer.body = formatXML, w.dst
		return answer, nil
	}
	answer.body = append(answer.body, `{"pagination":{"current_page":`...)
	answer.body = strconv.AppendInt(answer.body, page, 10)
	answer.body = append(answer.body, `,"per_page":`...)
	answer.body = strconv.AppendInt(answer.body, pageLength, 10)
	answer.body = append(answer.body, `,"total_entries":`...)
	answer.body = strconv.AppendInt(answer.body, int64(total), 10)
	answer.body = append(answer.body, `},"channels":`...)
	answer.body = append(list.appendJSON(answer.body), '}')
	return answer, nil
}

// circle is the place that channels are to be near to, nil unless all three parts of it are there.
func (q *request) circle() *relay.Circle {
	latitude, longitude, distance := q.number("latitude"), q.number("longitude"), q.number("distance")
	if latitude == nil || longitude == nil || distance == nil {
		return nil
	}
	return &relay.Circle{Latitude: *latitude, Longitude: *longitude, Kilometres: *distance}
}

// ownChannels are the channels of an account, with a tag if one is named.
func (a *api) ownChannels(q *request, account int64, tag string) ([]*relay.Channel, error) {
	owned, err := a.relay.Channels(q.Context(), account)
	if tag != "" {
		owned = slices.DeleteFunc(owned, func(c *relay.Channel) bool { return !slices.Contains(c.Tags, tag) })
	}
	return owned, err
}

// user answers with what is public about an account.
func (a *api) user(q *request) (*reply, error) {
	account, err := a.relay.AccountByName(q.Context(), q.PathValue("name"))
	if err != nil {
		return nil, err
	}
	if q.format == formatXML {
		w := newXML()
		w.open("user", "")
		w.date("created-at", account.CreatedAt, q.zone())
		w.integer("id", account.ID)
		w.text("login", "", account.Name)
		w.close("user")
		return &reply{status: http.StatusOK, format: formatXML, body: w.dst}, nil
	}
	body := append([]byte(nil), `{"id":`...)
	body = strconv.AppendInt(body, account.ID, 10)
	body = append(body, `,"login":`...)
	body = thingspeak.AppendJSONText(body, account.Name)
	body = append(body, `,"created_at":"`...)
	body = thingspeak.AppendISOTime(body, account.CreatedAt, q.zone())
	return &reply{status: http.StatusOK, format: formatJSON, body: append(body, `"}`...)}, nil
}

// userChannels answers with the public channels of an account, and with its user key with all of them; without their
// keys in any case.
func (a *api) userChannels(q *request) (*reply, error) {
	account, err := a.relay.AccountByName(q.Context(), q.PathValue("name"))
	if err != nil {
		return nil, err
	}
	list := channelList{names: map[int64]string{account.ID: account.Name}, zone: q.zone()}
	tag := q.params.Get("tag")
	if key := q.key(); key != "" && key == account.Key {
		list.channels, err = a.ownChannels(q, account.ID, tag)
	} else {
		q.noteKey(relay.ErrKey) // a guess at the user key
		listing := relay.Listing{Owner: account.ID, Tag: tag, Limit: a.relay.Limits().Results}
		list.channels, _, err = a.relay.PublicChannels(q.Context(), listing)
	}
	if err != nil {
		return nil, err
	}
	if q.format == formatXML {
		w := newXML()
		w.open("response", "")
		list.writeXML(w)
		w.close("response")
		return &reply{status: http.StatusOK, format: formatXML, body: w.dst}, nil
	}
	body := list.appendJSON([]byte(`{"channels":`))
	return &reply{status: http.StatusOK, format: formatJSON, body: append(body, '}')}, nil
}
