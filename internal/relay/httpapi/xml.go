package httpapi

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"strconv"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// xmlProlog begins every document.
const xmlProlog = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

// xmlWriter writes the service's XML: dashed names, one element a line, absent values as nil="true" (contract section
// 7.6). encoding/xml would need a type per element for the attributes.
type xmlWriter struct {
	dst    []byte
	indent int
}

// newXML begins a document.
func newXML() *xmlWriter { return &xmlWriter{dst: []byte(xmlProlog)} }

func (w *xmlWriter) line(parts ...string) {
	for range w.indent {
		w.dst = append(w.dst, ' ', ' ')
	}
	for _, p := range parts {
		w.dst = append(w.dst, p...)
	}
	w.dst = append(w.dst, '\n')
}

func (w *xmlWriter) open(name, attributes string) {
	w.line("<", name, attributes, ">")
	w.indent++
}

func (w *xmlWriter) close(name string) {
	w.indent--
	w.line("</", name, ">")
}

// text writes an element with escaped text. What XML 1.0 cannot hold becomes U+FFFD.
func (w *xmlWriter) text(name, attributes, text string) {
	var escaped bytes.Buffer
	_ = xml.EscapeText(&escaped, []byte(text)) // a Buffer does not fail
	w.line("<", name, attributes, ">", escaped.String(), "</", name, ">")
}

func (w *xmlWriter) value(name, attributes string, v thingspeak.Value) {
	if !v.Given {
		w.line("<", name, attributes, ` nil="true"/>`)
		return
	}
	w.text(name, attributes, v.Text)
}

// optional writes a text that is absent when it is empty.
func (w *xmlWriter) optional(name, text string) {
	w.value(name, "", thingspeak.Value{Text: text, Given: text != ""})
}

func (w *xmlWriter) boolean(name string, b bool) {
	w.text(name, ` type="boolean"`, strconv.FormatBool(b))
}

func (w *xmlWriter) integer(name string, n int64) {
	w.text(name, ` type="integer"`, strconv.FormatInt(n, 10))
}

func (w *xmlWriter) date(name string, t time.Time, zone *time.Location) {
	w.text(name, ` type="dateTime"`, string(thingspeak.AppendISOTime(nil, t, zone)))
}

// entry writes the elements of an entry.
func (w *xmlWriter) entry(e *thingspeak.Entry, c thingspeak.Header, zone *time.Location) {
	w.date("created-at", e.CreatedAt, zone)
	if e.ID != 0 {
		w.integer("entry-id", cmp.Or(e.Shown, e.ID))
	}
	for n := range c.Fields.All() {
		w.value("field"+strconv.Itoa(n), "", e.Fields[n-1])
	}
	if c.Location {
		w.value("latitude", ` type="decimal"`, e.Latitude)
		w.value("longitude", ` type="decimal"`, e.Longitude)
		w.value("elevation", "", e.Elevation)
	}
	if c.Status {
		w.value("status", "", e.Status)
	}
}

// appendEntryXML appends the document of one entry.
func appendEntryXML(dst []byte, e *thingspeak.Entry, c thingspeak.Header, zone *time.Location) []byte {
	w := xmlWriter{dst: append(dst, xmlProlog...)}
	w.open("feed", "")
	w.entry(e, c, zone)
	w.close("feed")
	return w.dst
}

// appendUpdateXML appends the reply to an update (contract section 5.3).
func appendUpdateXML(dst []byte, channel int64, e *thingspeak.Entry, zone *time.Location) []byte {
	w := xmlWriter{dst: append(dst, xmlProlog...)}
	w.open("feed", "")
	w.integer("channel-id", channel)
	w.entry(e, thingspeak.Header{Fields: thingspeak.AllFields, Location: true, Status: true}, zone)
	w.close("feed")
	return w.dst
}

// feedXML writes the document of several entries (contract section 7.6).
func (a *api) feedXML(q *request, f *feedDocument, answer *reply) error {
	channel := shown(f.view)
	w := newXML()
	w.open("channel", "")
	if f.terse {
		w.text("name", "", channel.Name)
		w.place(channel)
	} else {
		w.channel(channel, q.params.IsTrue("metadata"), f.zone)
	}
	w.open("feeds", ` type="array"`)
	err := a.rows(q, f, answer, &w.dst, func(e *thingspeak.Entry) error {
		w.open("feed", "")
		w.entry(e, f.columns, f.zone)
		w.close("feed")
		return nil
	})
	w.close("feeds")
	w.close("channel")
	answer.add(w.dst)
	return err
}

// channel writes what stands before the entries of a feed.
func (w *xmlWriter) channel(c *thingspeak.Channel, metadata bool, zone *time.Location) {
	w.integer("id", c.ID)
	w.text("name", "", c.Name)
	if c.Description != "" {
		w.text("description", "", c.Description)
	}
	w.text("latitude", ` type="decimal"`, c.Latitude)
	w.text("longitude", ` type="decimal"`, c.Longitude)
	for n := range c.Enabled().All() {
		w.text("field"+strconv.Itoa(n), "", c.Labels[n-1])
	}
	w.date("created-at", c.CreatedAt, zone)
	w.date("updated-at", c.UpdatedAt, zone)
	if c.Elevation != "" {
		w.text("elevation", "", c.Elevation)
	}
	w.lastEntryID(c)
	if c.Findings != nil {
		w.integer("findings", int64(*c.Findings))
	}
	if metadata {
		w.optional("metadata", c.Metadata)
	}
}

// place writes where a channel is.
func (w *xmlWriter) place(c *thingspeak.Channel) {
	w.text("latitude", ` type="decimal"`, c.Latitude)
	w.text("longitude", ` type="decimal"`, c.Longitude)
	if c.Elevation != "" {
		w.text("elevation", "", c.Elevation)
	}
}

func (w *xmlWriter) lastEntryID(c *thingspeak.Channel) {
	if c.LastEntryID > 0 {
		w.integer("last-entry-id", c.LastEntryID)
	} else {
		w.line(`<last-entry-id type="integer" nil="true"/>`)
	}
}

// settings writes a channel's settings: objects A and B of contract section 8.
func (w *xmlWriter) settings(c *thingspeak.Channel, own bool, owner string, zone *time.Location) {
	w.open("channel", "")
	w.integer("id", c.ID)
	w.text("name", "", c.Name)
	w.optional("description", c.Description)
	w.text("latitude", ` type="decimal"`, c.Latitude)
	w.text("longitude", ` type="decimal"`, c.Longitude)
	w.date("created-at", c.CreatedAt, zone)
	w.optional("elevation", c.Elevation)
	w.lastEntryID(c)
	w.boolean("public-flag", c.Public)
	w.optional("url", c.URL)
	w.integer("ranking", c.Ranking())
	if own {
		w.optional("metadata", c.Metadata)
		w.integer("license-id", 0)
	}
	w.line(`<github-url nil="true"/>`)
	if !own {
		w.text("username", "", owner)
	}
	w.tags(c.Tags)
	if own {
		w.open("api-keys", ` type="array"`)
		for _, key := range c.Keys {
			w.open("api-key", "")
			w.text("api-key", "", key.Text)
			w.boolean("write-flag", key.Write)
			w.close("api-key")
		}
		w.close("api-keys")
	}
	w.close("channel")
}

func (w *xmlWriter) tags(tags []string) {
	if len(tags) == 0 {
		w.line(`<tags type="array"/>`)
		return
	}
	w.open("tags", ` type="array"`)
	for i, tag := range tags {
		w.open("tag", "")
		w.integer("id", int64(i+1))
		w.text("name", "", tag)
		w.close("tag")
	}
	w.close("tags")
}

// appendErrorXML appends an error: the root is what the documentation shows (contract section 4).
func appendErrorXML(dst []byte, code thingspeak.ErrorCode, hint string) []byte {
	w := xmlWriter{dst: append(dst, xmlProlog...)}
	w.open("error", "")
	w.text("error-code", "", string(code))
	w.text("message", "", code.Message())
	w.text("details", "", hint)
	w.close("error")
	return w.dst
}
