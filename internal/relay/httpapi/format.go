package httpapi

import (
	"net/http"
	"slices"
	"strings"
)

// format is how a reply is written: the extension of the path (contract section 1.3).
type format int

const (
	// formatNone is no extension: plain text, typed as HTML, and JSON where there are several entries.
	formatNone format = iota
	formatJSON
	formatXML
	formatCSV
	formatText
	// formatScript is JSON wrapped into a call; no extension names it.
	formatScript
	// formatEvents and formatLines are those of a stream of entries: server-sent events, or a JSON object a line.
	formatEvents
	formatLines
)

// formatOf returns the format that an extension names. What is called html is no page: the website is not part of the
// API.
func formatOf(extension string) (f format, known bool) {
	switch strings.ToLower(extension) {
	case "json":
		return formatJSON, true
	case "xml":
		return formatXML, true
	case "csv":
		return formatCSV, true
	case "txt", "text":
		return formatText, true
	case "html":
		return formatNone, true
	default:
		return formatNone, false
	}
}

// contentTypes are shared header values: they must not be changed.
var contentTypes = [...][]string{
	formatNone: {"text/html; charset=utf-8"},
	formatJSON: {"application/json; charset=utf-8"},
	formatXML:  {"application/xml; charset=utf-8"},
	formatCSV:  {"text/csv; charset=utf-8"},
	formatText: {"text/plain; charset=utf-8"},

	formatScript: {"application/javascript; charset=utf-8"},

	formatEvents: {"text/event-stream"},
	formatLines:  {"application/x-ndjson"},
}

// splitPath takes the extension off a path, and slashes that are doubled or at the end: "//channels/9/feeds.json/"
// becomes "/channels/9/feeds" and JSON. A dot before anything but a known extension is part of the name.
func splitPath(path string) (string, format) {
	path = strings.TrimRight(path, "/")
	f, cut := formatNone, false
	if dot := strings.LastIndexByte(path, '.'); dot > strings.LastIndexByte(path, '/') {
		if f, cut = formatOf(path[dot+1:]); cut {
			path = path[:dot]
		}
	}
	if path == "" || strings.HasSuffix(path, "/") || strings.Contains(path, "//") || strings.Contains(path, "/.") {
		segments := strings.Split(path, "/")
		path = "/" + strings.Join(slices.DeleteFunc(segments, func(s string) bool {
			return s == "" || s == "." || s == ".."
		}), "/")
	}
	return path, f
}

// acceptedFormat is the format of a path without extension: what Accept names, if it names a single type.
func acceptedFormat(h http.Header) format {
	accept := h.Get("Accept")
	if accept == "" || strings.Contains(accept, ",") {
		return formatNone
	}
	media, _, _ := strings.Cut(accept, ";")
	switch strings.ToLower(strings.TrimSpace(media)) {
	case "application/json":
		return formatJSON
	case "application/xml", "text/xml":
		return formatXML
	case "text/csv":
		return formatCSV
	case "text/plain":
		return formatText
	default:
		return formatNone
	}
}
