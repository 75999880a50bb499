package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/fernpost/fernpost/internal/relay"
)

// keyHeader is part of the name of a header that carries a key. Documented is the bare name; most clients put an X-
// before it (contract section 2).
const keyHeader = "THINGSPEAKAPIKEY"

// key returns the request's API key as the relay knows it, empty without one.
func (q *request) key() string {
	shown := q.shownKey()
	if q.keyOf == nil {
		return shown
	}
	return q.keyOf(q.Request, shown)
}

// shownKey returns the API key that the request shows, empty without one.
func (q *request) shownKey() string {
	if k := headerKey(q.Header); k != "" {
		return k
	}
	names := []string{"key", "api_key", "apikey"}
	if q.bulk != nil {
		names = []string{"write_api_key", "key", "api_key", "apikey"}
	}
	for _, name := range names {
		if k := strings.TrimSpace(q.params.Get(name)); k != "" {
			return k
		}
	}
	return ""
}

// headerKey returns the first key by name of the header, so that the order in which they came makes no difference.
func headerKey(h http.Header) string {
	first, key := "", ""
	for name, values := range h {
		if len(name) < len(keyHeader) || !strings.Contains(strings.ToUpper(name), keyHeader) ||
			first != "" && name > first {
			continue
		}
		if k := strings.TrimSpace(values[0]); k != "" {
			first, key = name, k
		}
	}
	return key
}

// noteKey remembers that the request showed a key that opens nothing here.
func (q *request) noteKey(err error) {
	if errors.Is(err, relay.ErrKey) && q.shownKey() != "" {
		q.wrongKey = true
	}
}
