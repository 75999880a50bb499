package httpapi

import (
	"net/http"
	"strings"
)

// maxCallback is the longest name of a function that is called back, in bytes.
const maxCallback = 128

// jsonp wraps a JSON document into a call, if the request names a function (contract section 1.3). It is typed as a
// script then: browsers run nothing else. Names that are more than dotted and indexed identifiers are ignored, as the
// reply would be a script of the caller's making.
func (q *request) jsonp(answer *reply) {
	name := q.params.Get("callback")
	if name == "" || len(name) > maxCallback || strings.ContainsFunc(name, notInCallback) ||
		q.format != formatJSON || answer.format != formatJSON || answer.status != http.StatusOK {
		return
	}
	answer.format = formatScript
	answer.body = append(append([]byte(name), '('), answer.body...)
	answer.lines = append(answer.lines, []byte{')'})
}

func notInCallback(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_$.[]", r))
}
