package httpapi

import (
	"net/http"
	"strings"
)

// keyHeader is part of the name of a header that carries a key. Documented is the bare name; most clients put an X-
// before it (contract section 2).
const keyHeader = "THINGSPEAKAPIKEY"

// key returns the request's API key, empty without one.
func (q *request) key() string {
	if k := headerKey(q.Header); k != "" {
		return k
	}
	for _, name := range []string{"key", "api_key", "apikey"} {
		if k := strings.TrimSpace(q.params.get(name)); k != "" {
			return k
		}
	}
	return ""
}

func headerKey(h http.Header) string {
	for name, values := range h {
		if len(name) >= len(keyHeader) && strings.Contains(strings.ToUpper(name), keyHeader) {
			if k := strings.TrimSpace(values[0]); k != "" {
				return k
			}
		}
	}
	return ""
}
