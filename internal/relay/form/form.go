// Package form decodes what clients of a relay send: field1=… in a query or a form, in JSON, XML or parts, and the bodies of
// bulk calls. It knows nothing of how they came.
package form

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// maxParams is the most parameters of a query or a body. The service knows about fifty.
const maxParams = 1000

// Param is one parameter of a request.
type Param struct {
	Name, Value string
	// Kind is what a JSON body held; Text for all other sources.
	Kind Kind
	// Cut says that bytes were left out of the value, as they are no text.
	Cut bool
}

func textParam(name, value string) Param {
	p := Param{Name: name, Value: clean(value)}
	p.Cut = len(p.Value) < len(value)
	return p
}

// Kind is what a parameter was written as.
type Kind int

// The kinds.
const (
	Text Kind = iota
	Number
	Boolean
	Null
	Nested // an object or an array; value is its JSON
)

// Params are the parameters of a request. The query beats the body; of one source the last of a name counts (contract
// section 1.2).
type Params struct {
	Query, Body []Param
}

// Find returns a parameter.
func (p *Params) Find(name string) (Param, bool) {
	for _, source := range [...][]Param{p.Query, p.Body} {
		for i := len(source) - 1; i >= 0; i-- {
			if source[i].Name == name {
				return source[i], true
			}
		}
	}
	return Param{}, false
}

// Get returns a parameter's value, empty if it is absent or null.
func (p *Params) Get(name string) string {
	found, _ := p.Find(name)
	return found.Value
}

// Has reports whether a parameter is there and not null.
func (p *Params) Has(name string) bool {
	found, ok := p.Find(name)
	return ok && found.Kind != Null
}

// IsTrue reports whether a parameter is "true", in any case.
func (p *Params) IsTrue(name string) bool { return strings.EqualFold(p.Get(name), "true") }

// Types of bodies.
const (
	mediaURLEncoded = "application/x-www-form-urlencoded"
	mediaMultipart  = "multipart/form-data"
)

// mediaOf is a Content-Type in lower case, without its parameters.
func mediaOf(contentType string) string {
	named, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(named))
}

// Parse decodes a body. contentType is what the client calls it. Clients name wrong types, or none: what begins like a JSON
// object is taken for one, everything else for a form. What is neither is refused, as nothing of it would be stored.
func Parse(contentType string, body []byte) ([]Param, error) {
	media := mediaOf(contentType)
	switch {
	case media == "application/json":
		return parseJSON(body)
	case media == "application/xml", media == "text/xml":
		return parseXML(body)
	case IsMultipart(contentType, body):
		return parseMultipart(contentType, body)
	case BeginsObject(body):
		return parseJSON(body)
	case media != mediaURLEncoded && !looksLikeForm(body):
		return nil, refuse(NotForm, "The body is neither a form nor a JSON object.")
	}
	return ParseQuery(string(body))
}

// BeginsObject reports whether a body looks like a JSON object.
func BeginsObject(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte{'{'})
}

// looksLikeForm reports whether a body of an unknown type is a form: some parameter has a value.
func looksLikeForm(body []byte) bool {
	return utf8.Valid(body) && (bytes.IndexByte(body, '=') > 0 || len(bytes.TrimSpace(body)) == 0)
}

// ParseQuery decodes a query or a form body leniently, as small boards send them without encoding anything: a "%" that
// begins no escape stays as it is, and what is no UTF-8 is left out, as are NUL bytes.
func ParseQuery(s string) ([]Param, error) {
	if s == "" {
		return nil, nil
	}
	all := make([]Param, 0, min(strings.Count(s, "&")+1, maxParams))
	for part := range strings.SplitSeq(s, "&") {
		name, value, _ := strings.Cut(part, "=")
		if name = clean(unescape(name)); name == "" {
			continue
		}
		if len(all) == maxParams {
			return nil, tooManyParams()
		}
		all = append(all, textParam(name, unescape(value)))
	}
	return all, nil
}

func unescape(s string) string {
	if strings.ContainsAny(s, "%+") {
		s = string(unescapeBytes([]byte(s)))
	}
	return s
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
