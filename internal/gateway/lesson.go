package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
	"github.com/fernpost/fernpost/internal/token"
)

// The service of the tutorials: POST /encrypt {"data": …} and /decrypt {"encrypted_data": …}. What Flask answers there is
// answered here to the byte; where their example crashes, and Flask says 500, stands a refusal in words.

// maxLesson is the longest body, in bytes.
const maxLesson = 1 << 20

// refusal is why a lesson was not done: an HTTP status, and a sentence for whoever has asked.
type refusal struct {
	status int
	why    string
}

func (e *refusal) Error() string { return e.why }

func refusef(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// lesson adapts what does the work: it takes the body and returns the name and the text of the answer.
func (h *handler) lesson(work func(r *http.Request, body []byte) (name, text string, err error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusOK
		name, text, err := h.doLesson(w, r, work)
		if err != nil {
			status, name, text = http.StatusInternalServerError, "error", "a fault of the gateway; its log has more"
			if no, ok := errors.AsType[*refusal](err); ok {
				status, text = no.status, no.why
			} else {
				h.log.ErrorContext(r.Context(), "request failed", "route", r.Pattern, "err", err)
			}
		}
		h.figures.Reply(r.Pattern, status)
		if status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", http.MethodPost)
		}
		send(w, status, "application/json", appendFlaskJSON(nil, name, text))
	}
}

func (h *handler) doLesson(
	w http.ResponseWriter, r *http.Request, work func(*http.Request, []byte) (string, string, error),
) (name, text string, err error) {
	if h.keys == nil {
		return "", "", refusef(http.StatusNotFound, "this gateway was started without a key: --room ROOM or --key-file FILE names one")
	}
	if r.Method != http.MethodPost {
		return "", "", refusef(http.StatusMethodNotAllowed, "send it by POST")
	}
	if err := h.mayUse(r); err != nil {
		return "", "", err
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && !(strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json")) {
		return "", "", refusef(http.StatusUnsupportedMediaType, "send JSON, with the header Content-Type: application/json")
	}
	release, err := h.bodies.hold(r)
	if err != nil {
		return "", "", err
	}
	defer release()
	body, err := ReadBody(w, r, maxLesson)
	if err != nil {
		return "", "", err
	}
	return work(r, body)
}

// mayUse says whether a request may use the key: for /encrypt it has to be allowed to write, for /decrypt to read.
func (h *handler) mayUse(r *http.Request) error {
	if h.noToken && guard.Peer(r.RemoteAddr).IsLoopback() {
		return nil
	}
	scope := Read
	if r.URL.Path == "/encrypt" {
		scope = Write
	}
	_, err := h.bearer(r, scope, h.nameOf(h.keysOf))
	return err
}

// bearer returns what the token of a request opens, if that allows something in a room.
func (h *handler) bearer(r *http.Request, scope Scope, room string) (Grant, error) {
	scheme, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return Grant{}, refusef(http.StatusUnauthorized, "a token is needed: send the header Authorization: Bearer TOKEN")
	}
	client := h.clients.Find(httpapi.SenderOf(r, h.clients))
	if client.AdmitKey(time.Now()) > 0 {
		return Grant{}, refusef(http.StatusTooManyRequests, "your address has shown too many tokens that open nothing")
	}
	grant, found, err := h.grants.Find(strings.TrimSpace(shown), true)
	if err != nil {
		return Grant{}, err
	}
	if !found {
		client.WrongKey(time.Now())
		return Grant{}, refusef(http.StatusUnauthorized, "that token opens nothing here: it is wrong, or was revoked")
	}
	if !grant.May(scope, room) {
		if grant.Room != "" && grant.Room != room { // which says nothing of whether the other one is there
			return Grant{}, refusef(http.StatusForbidden, "that token is for the room %s", grant.Room)
		}
		return Grant{}, refusef(http.StatusForbidden, "that token may not do this: the scope %s is needed", scope)
	}
	if grant.Room == "" || h.rooms == nil {
		return grant, nil
	}
	// A room that was made under the name of one that was removed is another one, with other members.
	switch k, err := h.rooms.find(grant.RoomID); {
	case err != nil:
		return Grant{}, err
	case k.Channel != grant.Channel:
		return Grant{}, refusef(http.StatusForbidden, "that token is for another room, which was called %s before", room)
	}
	return grant, nil
}

func (h *handler) encrypt(_ *http.Request, body []byte) (name, text string, err error) {
	data, err := member(body, "data")
	if err != nil {
		return "", "", err
	}
	ring, err := h.keys()
	if err != nil {
		return "", "", err
	}
	text, err = ring.Seal([]byte(data), time.Now())
	return "encrypted_data", text, err
}

func (h *handler) decrypt(_ *http.Request, body []byte) (name, text string, err error) {
	sealed, err := member(body, "encrypted_data")
	if err != nil {
		return "", "", err
	}
	ring, err := h.keys()
	if err != nil {
		return "", "", err
	}
	bare, _ := token.Unwrap(sealed)
	opened, err := ring.Open(bare)
	if err != nil {
		_, why := fernet.Refuse(bare, err)
		status := http.StatusBadRequest
		if errors.Is(err, fernet.ErrNoKey) {
			status = http.StatusUnprocessableEntity
		}
		return "", "", refusef(status, "%v", why)
	}
	if !utf8.Valid(opened.Plaintext) {
		return "", "", refusef(http.StatusUnprocessableEntity, "the token holds %d bytes that are no UTF-8 text", len(opened.Plaintext))
	}
	return "decrypted_data", string(opened.Plaintext), nil
}

// member returns the text that an object has under a name. Names are told apart by case, as in Python.
func member(body []byte, name string) (string, error) {
	var all map[string]json.RawMessage
	if !utf8.Valid(body) {
		return "", refusef(http.StatusBadRequest, "the body is no UTF-8")
	}
	if err := json.Unmarshal(body, &all); err != nil {
		return "", refusef(http.StatusBadRequest, "the body is no JSON object: want {%q: \"…\"}", name)
	}
	raw, ok := all[name]
	if !ok {
		return "", refusef(http.StatusBadRequest, "the body has no %q: want {%q: \"…\"}", name, name)
	}
	var text string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		return "", refusef(http.StatusBadRequest, "%q is no text", name)
	}
	if hasLoneSurrogate(raw) {
		return "", refusef(http.StatusBadRequest, "%q holds half of a surrogate pair, which is no character", name)
	}
	return text, nil
}

// hasLoneSurrogate reports whether a JSON string has an escape that is half of a pair: a decoder makes U+FFFD of it, which is
// not what was sent.
func hasLoneSurrogate(raw []byte) bool {
	unit := func(s []byte) (u rune, ok bool) {
		if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
			return 0, false
		}
		for _, c := range bytes.ToLower(s[2:6]) {
			u = u<<4 | rune(strings.IndexByte("0123456789abcdef", c))
		}
		return u, true
	}
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		u, ok := unit(raw[i:])
		if !ok {
			i++ // what is escaped may be a backslash
			continue
		}
		i += 5
		if !utf16.IsSurrogate(u) {
			continue
		}
		low, ok := unit(raw[i+1:])
		if !ok || utf16.DecodeRune(u, low) == utf8.RuneError {
			return true
		}
		i += 6
	}
	return false
}

// appendFlaskJSON writes {"name":"text"} as Flask's jsonify does where it is left as it comes: ASCII only, compact, and a
// line end.
func appendFlaskJSON(dst []byte, name, text string) []byte {
	dst = append(dst, '{')
	dst = appendPythonString(dst, name)
	dst = append(dst, ':')
	dst = appendPythonString(dst, text)
	return append(dst, "}\n"...)
}

// appendPythonString writes a text as Python's json.dumps does with ensure_ascii: what is not printable ASCII becomes an
// escape, in small hexadecimal digits, two where it takes a pair; "<", ">", "&" and "/" stay.
func appendPythonString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	escape := func(u rune) { dst = append(dst, '\\', 'u', hex[u>>12&15], hex[u>>8&15], hex[u>>4&15], hex[u&15]) }
	short := map[rune]byte{'"': '"', '\\': '\\', '\n': 'n', '\r': 'r', '\t': 't', '\f': 'f', '\b': 'b'}
	dst = append(dst, '"')
	for _, r := range s {
		switch c, ok := short[r]; {
		case ok:
			dst = append(dst, '\\', c)
		case r >= ' ' && r <= '~':
			dst = append(dst, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			escape(high)
			escape(low)
		default:
			escape(r)
		}
	}
	return append(dst, '"')
}
