package httpapi

import (
	"bytes"
	"net/http"
	"strings"
	"unicode/utf8"
)

// maxParams is the most parameters of a query or a body. The service knows about fifty.
const maxParams = 1000

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
func (a *api) readParams(w http.ResponseWriter, q *request, bulk bool) (err error) {
	if q.params.query, err = parseForm(q.URL.RawQuery); err != nil {
		return err
	}
	if q.ContentLength == 0 || q.Body == nil {
		return nil
	}
	if coding := q.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return badBody(bodyCoded, "A compressed body is not read here.")
	}
	most := int64(maxBody)
	if bulk {
		most = a.bulkBody()
	}
	body, err := a.readBody(w, q, most)
	if err != nil {
		return err
	}
	if bulk {
		q.bulk, err = a.decodeBulk(q, body)
	} else {
		q.params.body, err = parseBody(q.Header, body)
	}
	return err
}

// Types of bodies.
const (
	mediaForm      = "application/x-www-form-urlencoded"
	mediaMultipart = "multipart/form-data"
)

// mediaOf is the type of a request's body in lower case, without its parameters.
func mediaOf(h http.Header) string {
	named, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(named))
}

// parseBody decodes a body of the type that the header names. Clients name wrong types, or none: what begins like a JSON
// object is taken for one, everything else for a form. What is neither is refused, as nothing of it would be stored.
func parseBody(h http.Header, body []byte) ([]param, error) {
	media := mediaOf(h)
	switch {
	case media == "application/json":
		return parseJSON(body)
	case media == "application/xml", media == "text/xml":
		return parseXML(body)
	case strings.HasPrefix(media, "multipart/"):
		return parseMultipart(h, body)
	case beginsObject(body):
		return parseJSON(body)
	case media != mediaForm && !looksLikeForm(body):
		return nil, badBody(bodyForm, "The body is neither a form nor a JSON object.")
	}
	return parseForm(string(body))
}

func beginsObject(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte{'{'})
}

// looksLikeForm reports whether a body of an unknown type is a form: some parameter has a value.
func looksLikeForm(body []byte) bool {
	return utf8.Valid(body) && (bytes.IndexByte(body, '=') > 0 || len(bytes.TrimSpace(body)) == 0)
}

// parseForm decodes a query or a form body leniently, as small boards send them without encoding anything: a "%" that
// begins no escape stays as it is, and what is no UTF-8 is left out, as are NUL bytes.
func parseForm(s string) ([]param, error) {
	if s == "" {
		return nil, nil
	}
	all := make([]param, 0, min(strings.Count(s, "&")+1, maxParams))
	for part := range strings.SplitSeq(s, "&") {
		name, value, _ := strings.Cut(part, "=")
		if name = unescape(name); name == "" {
			continue
		}
		if len(all) == maxParams {
			return nil, tooManyParams()
		}
		all = append(all, param{name: name, value: unescape(value)})
	}
	return all, nil
}

func unescape(s string) string {
	if strings.ContainsAny(s, "%+") {
		s = string(unescapeBytes([]byte(s)))
	}
	return clean(s)
}

// unescapeBytes undoes percent-encoding in place, and returns what is left of the bytes.
func unescapeBytes(b []byte) []byte {
	done := b[:0]
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '+':
			done = append(done, ' ')
		case b[i] == '%' && i+2 < len(b) && isHex(b[i+1]) && isHex(b[i+2]):
			done = append(done, unhex(b[i+1])<<4|unhex(b[i+2]))
			i += 2
		default:
			done = append(done, b[i])
		}
	}
	return done
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
