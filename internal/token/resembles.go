package token

import (
	"encoding/base64"
	"html"
	"net/url"
	"strings"

	"github.com/fernpost/fernpost/internal/invisible"
)

// beginning is how every token of our time begins: the version and the zeros of a time below 2^42 seconds.
const beginning = "gAAAA"

// Resembles reports whether s begins as every token of our time does, whole or not, in the wrapper b'…' or bare. It tells
// a token that was cut short or altered from other content.
func Resembles(s string) bool {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	if len(s) > 2 && s[0] == 'b' && (s[1] == '\'' || s[1] == '"') {
		s = s[2:]
	}
	return strings.HasPrefix(s, beginning)
}

// Disguise returns in words where a token seems to stand in a text that is none and that [Unwrap] makes none of: "inside
// JSON", "in base64 once more", "with HTML entities", "with percent signs, as in an address", "with an invisible
// character", "with another one behind it", "inside other text". It is empty for any other text. Such a token is not
// opened, since one token must not have many forms; but its reader should know.
func Disguise(s string) string {
	if len(s) < EncodedLen(0) || len(s) > 64<<10 {
		return ""
	}
	if visible := strings.Map(dropInvisible, s); visible != s && isToken(visible) {
		return "with an invisible character"
	}
	if strings.Contains(s, "&") && isToken(html.UnescapeString(s)) {
		return "with HTML entities"
	}
	if strings.Contains(s, "%") {
		if plain, err := url.PathUnescape(s); err == nil && isToken(plain) {
			return "with percent signs, as in an address"
		}
	}
	if next := strings.Index(s[1:], beginning) + 1; next > 0 && isToken(s[:next]) && isToken(s[next:]) {
		return "with another one behind it"
	}
	if s[0] == 'Z' || s[0] == 'Y' { // as "gAAAA" and "b'gAAAA" begin in base64
		bare, _ := Unwrap(s)
		if inner, err := base64.StdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(bare)); err == nil &&
			isToken(string(inner)) {
			return "in base64 once more"
		}
	}
	if s = strings.TrimLeft(s, " \t\n\r"); s != "" && strings.IndexByte("{[\"", s[0]) >= 0 && strings.Contains(s, beginning) {
		return "inside JSON"
	}
	if !Resembles(s) && holdsToken(s) {
		return "inside other text"
	}
	return ""
}

// AnotherForm is how tokens are called that stand in several of the forms that [Disguise] names.
const AnotherForm = "in another form"

// Disguises returns how tokens are called that stand in two forms; "" is none.
func Disguises(a, b string) string {
	if a == b || b == "" {
		return a
	}
	if a == "" {
		return b
	}
	return AnotherForm
}

// holdsToken reports whether a whole token stands somewhere in a text, apart from letters and digits around it.
func holdsToken(s string) bool {
	for strings.Contains(s, beginning) {
		n := strings.IndexFunc(s, isDigit)
		s = s[n:]
		end := strings.IndexFunc(s, func(c rune) bool { return !isDigit(c) })
		if end < 0 {
			end = len(s)
		}
		if isToken(s[:end]) {
			return true
		}
		s = s[end:]
	}
	return false
}

// isDigit reports whether a character may stand in a token.
func isDigit(c rune) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '='
}

// dropInvisible drops what no screen shows.
func dropInvisible(c rune) rune {
	if invisible.Rune(c) || c == '\u00a0' {
		return -1
	}
	return c
}

func isToken(s string) bool {
	bare, _ := Unwrap(s)
	_, err := Parse(bare)
	return err == nil
}
