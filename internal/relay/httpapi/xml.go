package httpapi

import (
	"bytes"
	"encoding/xml"
	"strconv"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
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

func (w *xmlWriter) integer(name string, n int64) {
	w.text(name, ` type="integer"`, strconv.FormatInt(n, 10))
}

func (w *xmlWriter) date(name string, t time.Time, zone *time.Location) {
	w.text(name, ` type="dateTime"`, string(thingspeak.AppendISOTime(nil, t, zone)))
}

// entry writes the elements of an entry.
func (w *xmlWriter) entry(e *thingspeak.Entry, c thingspeak.Header, zone *time.Location) {
	w.date("created-at", e.CreatedAt, zone)
	w.integer("entry-id", e.ID)
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
func (a *api) feedXML(q *request, v *relay.View, c thingspeak.Header) ([]byte, error) {
	zone, channel := q.zone(), shown(v)
	w := xmlWriter{dst: []byte(xmlProlog)}
	w.open("channel", "")
	w.integer("id", channel.ID)
	w.text("name", "", channel.Name)
	if channel.Description != "" {
		w.text("description", "", channel.Description)
	}
	if q.params.isTrue("metadata") {
		w.value("metadata", "", thingspeak.Value{Text: channel.Metadata, Given: channel.Metadata != ""})
	}
	w.text("latitude", ` type="decimal"`, channel.Latitude)
	w.text("longitude", ` type="decimal"`, channel.Longitude)
	if channel.Elevation != "" {
		w.text("elevation", "", channel.Elevation)
	}
	for n := range channel.Enabled().All() {
		w.text("field"+strconv.Itoa(n), "", channel.Labels[n-1])
	}
	w.date("created-at", channel.CreatedAt, zone)
	w.date("updated-at", channel.UpdatedAt, zone)
	if channel.LastEntryID > 0 {
		w.integer("last-entry-id", channel.LastEntryID)
	} else {
		w.line(`<last-entry-id type="integer" nil="true"/>`)
	}
	w.open("feeds", ` type="array"`)
	err := a.relay.Rows(q.Context(), v, a.window(q), func(e *thingspeak.Entry) error {
		w.open("feed", "")
		w.entry(e, c, zone)
		w.close("feed")
		return nil
	})
	w.close("feeds")
	w.close("channel")
	return w.dst, err
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
