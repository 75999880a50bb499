package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// param is one parameter of a request.
type param struct {
	name, value string
	// kind is what a JSON body held; text for all other sources.
	kind kind
}

type kind int

const (
	text kind = iota
	number
	boolean
	null
	nested // an object or an array; value is its JSON
)

// params are the parameters of a request. The query beats the body; of one source the last of a name counts (contract
// section 1.2).
type params struct {
	query, body []param
}

// find returns a parameter.
func (p *params) find(name string) (param, bool) {
	for _, source := range [...][]param{p.query, p.body} {
		for i := len(source) - 1; i >= 0; i-- {
			if source[i].name == name {
				return source[i], true
			}
		}
	}
	return param{}, false
}

// get returns a parameter's value, empty if it is absent or null.
func (p *params) get(name string) string {
	found, _ := p.find(name)
	return found.value
}

// has reports whether a parameter is there and not null.
func (p *params) has(name string) bool {
	found, ok := p.find(name)
	return ok && found.kind != null
}

// isTrue reports whether a parameter is "true", in any case.
func (p *params) isTrue(name string) bool { return strings.EqualFold(p.get(name), "true") }

// readParams reads the query and the body, whatever the method is.
func readParams(w http.ResponseWriter, r *http.Request) (params, error) {
	p := params{query: parseForm(r.URL.RawQuery)}
	if r.ContentLength == 0 || r.Body == nil {
		return p, nil
	}
	body, err := readBody(w, r)
	if err != nil {
		return p, err
	}
	if isJSON(r.Header.Get("Content-Type")) {
		p.body, err = parseJSON(body)
	} else {
		p.body = parseForm(string(body))
	}
	return p, err
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	// A length that is announced is refused before anything is read.
	if r.ContentLength > maxBody {
		return nil, &refusal{code: thingspeak.CodeRequestTooLarge, hint: "The body is too large."}
	}
	limited := http.MaxBytesReader(w, r.Body, maxBody)
	var body []byte
	var err error
	if r.ContentLength > 0 {
		body = make([]byte, r.ContentLength)
		_, err = io.ReadFull(limited, body)
	} else {
		body, err = io.ReadAll(limited)
	}
	if err == nil {
		return body, nil
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, &refusal{code: thingspeak.CodeRequestTooLarge, hint: "The body is too large."}
	}
	return nil, &refusal{code: thingspeak.CodeBadRequest, hint: "The body did not arrive whole."}
}

func isJSON(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), "application/json")
}

// parseForm decodes a query or a form body leniently, as small boards send them without encoding anything: a "%" that
// begins no escape stays as it is, and what is no UTF-8 is left out, as are NUL bytes.
func parseForm(s string) []param {
	if s == "" {
		return nil
	}
	all := make([]param, 0, strings.Count(s, "&")+1)
	for part := range strings.SplitSeq(s, "&") {
		name, value, _ := strings.Cut(part, "=")
		if name = unescape(name); name != "" {
			all = append(all, param{name: name, value: unescape(value)})
		}
	}
	return all
}

func unescape(s string) string {
	if strings.ContainsAny(s, "%+") {
		b := make([]byte, 0, len(s))
		for i := 0; i < len(s); i++ {
			switch {
			case s[i] == '+':
				b = append(b, ' ')
			case s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
				b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
				i += 2
			default:
				b = append(b, s[i])
			}
		}
		s = string(b)
	}
	return clean(s)
}

// clean leaves out what is no UTF-8, and NUL.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "")
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	return s
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	default:
		return c - '0'
	}
}

// parseJSON decodes the object of a JSON body. Bytes behind it are ignored: a published example counts a line end into
// the length. An array or a bare value has no parameters.
func parseJSON(body []byte) ([]param, error) {
	if !utf8.Valid(body) {
		return nil, &refusal{code: thingspeak.CodeInvalidBytes, hint: "The body is not UTF-8."}
	}
	var members map[string]json.RawMessage
	if err := json.NewDecoder(strings.NewReader(string(body))).Decode(&members); err != nil {
		if errors.Is(err, io.EOF) { // nothing but blanks
			return nil, nil
		}
		return nil, &refusal{code: thingspeak.CodeBadRequest, hint: "The body is not a JSON object."}
	}
	all := make([]param, 0, len(members))
	for name, raw := range members {
		all = append(all, jsonParam(name, raw))
	}
	return all, nil
}

// jsonParam makes a parameter of a JSON value. Numbers and booleans keep their spelling.
func jsonParam(name string, raw json.RawMessage) param {
	p := param{name: name, value: string(raw)}
	switch raw[0] {
	case '"':
		if err := json.Unmarshal(raw, &p.value); err != nil {
			p.kind = nested // not reached: the document was decoded
		}
	case 't', 'f':
		p.kind = boolean
	case 'n':
		p.kind, p.value = null, ""
	case '{', '[':
		p.kind = nested
	default:
		p.kind = number
	}
	return p
}
