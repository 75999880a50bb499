package thingspeak

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/invisible"
)

// What a relay answers in place of data, besides the errors that have a code.
var (
	// ErrNotStored is the reply 0 to an update: too early after another one, or refused in some other way. The update
	// is lost, whatever the HTTP status says (contract sections 4 and 5.4).
	ErrNotStored = errors.New("the relay did not store the update")
	// ErrDenied is the reply -1, as a number or a JSON text, or one that asks for authorisation: reading needs a key
	// or another one (contract section 4).
	ErrDenied = errors.New("the relay refused the key")
	// ErrEmptyReply is a reply without a body where there should be one.
	ErrEmptyReply = errors.New("the relay's reply is empty")
)

// excerptBytes bounds what an error repeats of a relay's words.
const excerptBytes = 200

// NotDataError is a reply that is something else than the data asked for, such as the HTML page of a proxy.
type NotDataError struct {
	// Want names what was asked for, such as "a CSV feed".
	Want string
	// HTML says that the reply is an HTML page.
	HTML bool
	// Excerpt is the page's title or the beginning of the reply: at most 200 bytes of one line, printable only. It is
	// a stranger's text all the same.
	Excerpt string
}

func (e *NotDataError) Error() string {
	what := "something else"
	if e.HTML {
		what = "an HTML page"
	}
	if e.Excerpt == "" {
		return fmt.Sprintf("expected %s, got %s", e.Want, what)
	}
	return fmt.Sprintf("expected %s, got %s: %q", e.Want, what, e.Excerpt)
}

func notData(want string, body []byte) error {
	if title, ok := htmlTitle(body); ok {
		return &NotDataError{Want: want, HTML: true, Excerpt: title}
	}
	return &NotDataError{Want: want, Excerpt: excerpt(body, excerptBytes)}
}

// ParseUpdateReply reads the reply to an update: the number of the new entry as text, or the entry as a JSON object.
// The errors are [ErrNotStored] for 0, [ErrDenied] for -1, [ErrEmptyReply], [*ServiceError] where the relay names an
// error, and [*NotDataError] for anything else, numbers beyond 64 bits included.
func ParseUpdateReply(body []byte) (entry int64, err error) {
	const want = "the number of the new entry"
	text := unquote(trimBody(body))
	switch n, ok := parseNumber(text); {
	case ok && n > 0:
		return n, nil
	case ok:
		return 0, ErrNotStored
	case text == "":
		return 0, ErrEmptyReply
	case text == "-1":
		return 0, ErrDenied
	case text[0] == '{':
		if id, ok := entryIDOf(text); ok {
			return id, nil
		}
	}
	if e := ParseErrorBody(body); e.Code != "" {
		return 0, e
	}
	return 0, notData(want, body)
}

// ParseLastEntryID reads the reply of last_entry_id: the number of the newest entry, 0 if the channel is empty. A relay
// says "empty" in many ways: 0, null, nothing at all, or -1. Since -1 is also how a key is refused, callers look at the
// HTTP status first: a refusal has 400, an empty channel 200 (contract section 4). Other replies are [*ServiceError] or
// [*NotDataError].
func ParseLastEntryID(body []byte) (int64, error) {
	text := unquote(trimBody(body))
	if n, ok := parseNumber(text); ok {
		return n, nil
	}
	switch text {
	case "", "-1", "null":
		return 0, nil
	}
	if e := ParseErrorBody(body); e.Code != "" {
		return 0, e
	}
	return 0, notData("the number of the last entry", body)
}

// trimBody takes off the byte order mark and the white space around a reply.
func trimBody(body []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
}

// unquote takes off one pair of quotes, for JSON texts that hold a number.
func unquote(text []byte) string {
	if n := len(text); n >= 2 && text[0] == '"' && text[n-1] == '"' {
		text = text[1 : n-1]
	}
	return string(text)
}

// ServiceError is an error as a relay words it. All texts are a stranger's; they are cleaned as [NotDataError.Excerpt]
// is.
type ServiceError struct {
	// Code is the code word, empty if the reply has none that the contract knows.
	Code ErrorCode
	// Message and Details are the relay's own words, if it gave any.
	Message, Details string
	// HTML says that the reply is an HTML page; Message is its title then.
	HTML bool
}

func (e *ServiceError) Error() string {
	var s strings.Builder
	s.WriteString("the relay answered ")
	switch {
	case e.Code != "":
		s.WriteString(string(e.Code))
	case e.HTML:
		s.WriteString("with an HTML page")
	case e.Message == "":
		s.WriteString("with an error and no reason")
	default:
		s.WriteString("with an error")
	}
	for _, text := range []string{e.Message, e.Details} {
		if text != "" {
			fmt.Fprintf(&s, ": %q", text)
		}
	}
	return s.String()
}

// Is reports whether the relay refused the key, when asked about [ErrDenied].
func (e *ServiceError) Is(target error) bool {
	return target == ErrDenied && (e.Code == CodeAuthRequired || unquote([]byte(e.Message)) == "-1")
}

// ParseErrorBody reads the body of a reply whose HTTP status says that it failed: a code word alone, an error object in
// JSON or in XML (contract section 4), an HTML page, or anything else, of which Message keeps the beginning. It never
// fails and never returns nil.
func ParseErrorBody(body []byte) *ServiceError {
	text := trimBody(body)
	if code := ErrorCode(text[:min(len(text), 64)]); code.Status() != 0 {
		return &ServiceError{Code: code}
	}
	if len(text) > 0 {
		switch text[0] {
		case '{':
			if e := errorFromJSON(text); e != nil {
				return e
			}
		case '<':
			if e := errorFromXML(text); e != nil {
				return e
			}
			if title, ok := htmlTitle(text); ok {
				return &ServiceError{HTML: true, Message: title}
			}
		}
	}
	return &ServiceError{Message: excerpt(text, excerptBytes)}
}

// errorFromXML finds the parts by their tags: the roots differ between relays, the tags do not.
func errorFromXML(text []byte) *ServiceError {
	code := ErrorCode(element(text, "error-code"))
	if code.Status() == 0 {
		return nil
	}
	return &ServiceError{Code: code, Message: element(text, "message"), Details: element(text, "details")}
}

// element returns the text of the first element of that name, cleaned.
func element(text []byte, name string) string {
	_, rest, ok := bytes.Cut(text, []byte("<"+name+">"))
	inner, _, closed := bytes.Cut(rest, []byte("</"+name+">"))
	if !ok || !closed {
		return ""
	}
	return cleanMarkup(inner)
}

// cleanMarkup returns the beginning of a text between tags, its entities resolved.
func cleanMarkup(text []byte) string {
	text = text[:min(len(text), 4*excerptBytes)]
	return excerpt([]byte(html.UnescapeString(string(text))), excerptBytes)
}

// indexFold is the index of an ASCII text in lower case, found in upper case too.
func indexFold(text []byte, lower string) int {
	for i := range len(text) - len(lower) + 1 {
		if bytes.EqualFold(text[i:i+len(lower)], []byte(lower)) {
			return i
		}
	}
	return -1
}

// htmlTitle reports whether the text is an HTML page, and its title. Other mark-up counts as a page too, since no data
// that we ask for begins with "<".
func htmlTitle(body []byte) (title string, ok bool) {
	text := trimBody(body)
	if len(text) == 0 || text[0] != '<' {
		return "", false
	}
	text = text[:min(len(text), 4096)]
	from := indexFold(text, "<title")
	if from < 0 {
		return "", true
	}
	_, inner, _ := bytes.Cut(text[from:], []byte(">"))
	end := indexFold(inner, "</title")
	if end < 0 {
		return "", true
	}
	return cleanMarkup(inner[:end]), true
}

// excerpt returns the beginning of a text, at most limit bytes of it, as one line of printable characters: control and
// formatting characters, invisible and bidirectional ones among them, are left out, runs of white space become one
// blank, invalid UTF-8 becomes U+FFFD.
func excerpt(text []byte, limit int) string {
	var s strings.Builder
	blank := false
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		switch {
		case unicode.IsSpace(r):
			blank = s.Len() > 0
			continue
		case !unicode.IsPrint(r) || invisible.Rune(r):
			continue
		}
		room := limit - s.Len() - utf8.RuneLen(r)
		if blank {
			room--
		}
		if room < 0 {
			break
		}
		if blank {
			s.WriteByte(' ')
			blank = false
		}
		s.WriteRune(r)
	}
	return s.String()
}
