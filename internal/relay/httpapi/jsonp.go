package httpapi

import "strings"

// maxCallback is the longest name of a function that is called back, in bytes.
const maxCallback = 128

// jsonp wraps a JSON document into a call, if the request names a function (contract section 1.3). Names that are more
// than dotted and indexed identifiers are ignored: the reply would be a script of the caller's making.
func (q *request) jsonp(body []byte) []byte {
	name := q.params.get("callback")
	if q.format != formatJSON || name == "" || len(name) > maxCallback || strings.ContainsFunc(name, notInCallback) {
		return body
	}
	return append(append(append([]byte(name), '('), body...), ')')
}

func notInCallback(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_$.[]", r))
}
