package httpapi

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/form"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// createChannel makes a channel (contract section 8). It takes a user key, or the permission of mayCreate.
func (a *api) createChannel(q *request) (*reply, error) {
	// Without any body it is a channel of no settings.
	if err := q.mustSay(); err != nil && !q.lacksLength() {
		return nil, err
	}
	settings := q.settings()
	if q.key() == "" && a.mayCreate(q.Request) {
		c, err := a.relay.CreateOpenChannel(q.Context(), settings)
		if err != nil {
			return nil, err
		}
		return q.settingsReply(&relay.View{Channel: c, Own: true}, relay.LocalAccount), nil
	}
	account, err := a.relay.Account(q.Context(), q.key())
	if err != nil {
		return nil, err
	}
	c, err := a.relay.CreateChannel(q.Context(), account.ID, settings)
	if err != nil {
		return nil, err
	}
	return q.settingsReply(&relay.View{Channel: c, Own: true}, account.Name), nil
}

// mayCreate reports whether a request may create a channel without a user key: on a relay that is open, or one that
// only this machine reaches. There a page of a web site is kept out by its Origin, and one that got its name resolved
// to this machine by the Host that it sends.
func (a *api) mayCreate(r *http.Request) bool {
	if a.options.Open {
		return true
	}
	return a.options.Loopback && r.Header.Get("Origin") == "" && isLoopback(r.Host) && !isForwarded(r.Header)
}

// isLoopback reports whether a Host header, with or without a port, names this machine.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// listChannels lists an account's channels.
func (a *api) listChannels(q *request) (*reply, error) {
	account, err := a.relay.Account(q.Context(), q.key())
	if err != nil {
		return nil, err
	}
	owned, err := a.ownChannels(q, account.ID, q.params.Get("tag"))
	if err != nil {
		return nil, err
	}
	list := channelList{own: true, channels: owned, names: map[int64]string{account.ID: account.Name}, zone: q.zone()}
	if q.format == formatXML {
		w := newXML()
		list.writeXML(w)
		return &reply{status: http.StatusOK, format: formatXML, body: w.dst}, nil
	}
	return &reply{status: http.StatusOK, format: formatJSON, body: list.appendJSON(nil)}, nil
}

// channel answers with a channel's settings: with its keys for the owner, without for anyone who may read it. The
// settings of a private channel are not for everybody, other than on the service (contract section 13).
func (a *api) channel(q *request) (*reply, error) {
	account, unknown := a.relay.Account(q.Context(), q.key())
	if unknown == nil {
		if v, err := a.ownView(q, account); err == nil {
			return q.settingsReply(v, account.Name), nil
		}
	}
	v, err := a.open(q)
	if unknown == nil && errors.Is(err, relay.ErrKey) {
		return nil, relay.ErrNotFound // what is not the account's own, as in changing and deleting
	}
	if err != nil {
		return nil, err
	}
	if unknown != nil && !v.Opens(q.key()) {
		q.noteKey(unknown) // a guess at the owner's user key
	}
	name, err := a.relay.AccountName(q.Context(), v.Channel.Owner)
	if err != nil {
		return nil, err
	}
	return q.settingsReply(v, name), nil
}

// ownView opens the channel of the path for its owner.
func (a *api) ownView(q *request, account relay.Account) (*relay.View, error) {
	id, err := a.channelOf(q)
	if err != nil {
		return nil, err
	}
	return a.relay.OwnView(q.Context(), account.ID, id)
}

// changeChannel changes settings; what is not named stays. Other than on the service the channel's write key will do to add
// to the metadata alone.
func (a *api) changeChannel(q *request) (*reply, error) {
	settings := q.settings()
	account, id, err := a.manage(q)
	if onlyMetadata := (relay.Settings{Metadata: settings.Metadata}); errors.Is(err, relay.ErrKey) &&
		settings.Metadata != nil && settings == onlyMetadata {
		return a.addMetadata(q, *settings.Metadata)
	}
	if err == nil {
		err = q.mustSay()
	}
	if err != nil {
		return nil, err
	}
	v, err := a.relay.ChangeChannel(q.Context(), account.ID, id, settings)
	if err != nil {
		return nil, err
	}
	return q.settingsReply(v, account.Name), nil
}

func (a *api) addMetadata(q *request, metadata string) (*reply, error) {
	id, err := a.channelOf(q)
	if err != nil {
		return nil, err
	}
	v, err := a.relay.AddMetadata(q.Context(), id, q.key(), metadata)
	if errors.Is(err, relay.ErrTaken) {
		return nil, &refusal{
			code: thingspeak.CodeConflict,
			hint: "With a write key metadata can be added to only: begin with what stands there, to the byte.",
		}
	}
	if err != nil {
		return nil, err
	}
	name, err := a.relay.AccountName(q.Context(), v.Channel.Owner)
	if err != nil {
		return nil, err
	}
	return q.settingsReply(v, name), nil
}

// mayWriteReply tells whether the request's key writes the channel, so that whoever joins need not post to find out. Of
// a channel that is private, or of nobody, it says no, as of any other: that tells nothing. The service has nothing of
// the kind.
func (a *api) mayWriteReply(q *request) (*reply, error) {
	_, err := a.mayWrite(q)
	if err != nil && !errors.Is(err, relay.ErrKey) {
		return nil, err
	}
	q.noteKey(err)
	body, err := json.Marshal(thingspeak.MayWrite{Yes: err == nil})
	if err != nil {
		return nil, err
	}
	return &reply{status: http.StatusOK, format: formatJSON, body: body}, nil
}

// deleteChannel removes a channel and answers with what it was.
func (a *api) deleteChannel(q *request) (*reply, error) {
	account, id, err := a.manage(q)
	if err != nil {
		return nil, err
	}
	v, err := a.relay.DeleteChannel(q.Context(), account.ID, id)
	if err != nil {
		return nil, err
	}
	return q.settingsReply(v, account.Name), nil
}

// clearChannel removes all entries of a channel.
func (a *api) clearChannel(q *request) (*reply, error) {
	account, id, err := a.manage(q)
	if err == nil {
		err = a.relay.ClearChannel(q.Context(), account.ID, id)
	}
	if err != nil {
		return nil, byTable{err}
	}
	if q.format == formatXML {
		return textReply(http.StatusOK, q.format, xmlProlog+"<nil-classes type=\"array\"/>\n"), nil
	}
	return textReply(http.StatusOK, formatJSON, "[]"), nil
}

// manage returns the account of the request's user key and the channel of the path.
func (a *api) manage(q *request) (relay.Account, int64, error) {
	account, err := a.relay.Account(q.Context(), q.key())
	if err != nil {
		return account, 0, err
	}
	id, err := a.channelOf(q)
	return account, id, err
}

func (q *request) settingsReply(v *relay.View, owner string) *reply {
	if q.format == formatXML {
		w := newXML()
		w.settings(shown(v), v.Own, owner, q.zone())
		return &reply{status: http.StatusOK, format: formatXML, body: w.dst}
	}
	return &reply{
		status: http.StatusOK,
		format: formatJSON,
		body:   thingspeak.AppendSettingsJSON(nil, shown(v), v.Own, owner, q.zone()),
	}
}

// settings takes a channel's settings from the parameters of contract section 8.
func (q *request) settings() relay.Settings {
	optional := func(name string) *string {
		if !q.params.Has(name) {
			return nil
		}
		return new(q.params.Get(name))
	}
	s := relay.Settings{
		Name:        optional("name"),
		Description: optional("description"),
		Latitude:    optional("latitude"),
		Longitude:   optional("longitude"),
		Elevation:   optional("elevation"),
		Metadata:    optional("metadata"),
		URL:         optional("url"),
	}
	for i := range s.Labels {
		s.Labels[i] = optional("field" + strconv.Itoa(i+1))
	}
	if q.params.Has("public_flag") {
		s.Public = new(q.params.IsTrue("public_flag"))
	}
	if tags, ok := q.params.Find("tags"); ok && tags.Kind != form.Null {
		s.Tags = new(tagsOf(tags))
	}
	return s
}

// tagsOf reads tags: a list with commas or, as replies have it, a JSON array of texts or of objects with a name.
func tagsOf(p form.Param) []string {
	list := []string{p.Value}
	if p.Kind == form.Nested {
		var objects []struct{ Name string }
		if json.Unmarshal([]byte(p.Value), &list) != nil && json.Unmarshal([]byte(p.Value), &objects) == nil {
			list = list[:0]
			for _, o := range objects {
				list = append(list, o.Name)
			}
		}
	}
	tags := []string{}
	for tag := range strings.SplitSeq(strings.Join(list, ","), ",") {
		if tag = strings.Join(strings.Fields(tag), " "); tag != "" {
			tags = append(tags, tag)
		}
	}
	return tags
}
