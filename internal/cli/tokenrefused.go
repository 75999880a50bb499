package cli

import (
	"errors"
	"strings"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/token"
)

// lenientHelp says where Python and token differ, which is in what they take for one text of a token.
const lenientHelp = `One token has one form here, so that nobody passes one off as another. Python's cryptography passes over characters that are
no base64: it opens a token that is folded over lines, stands in quotes or has !! behind it, and one in standard base64, with +
and / in place of - and _. All of these are refused here: tr -d ' \r\n' takes line breaks and blanks out of a token,
tr -d '"' quotes, and tr '+/' '-_' turns standard base64 into a token's. On the other hand Python refuses a token that has lost
its = or stands in b'…', and both are opened here.`

// no says why a token is refused, and what can be done about it.
func (t *tokenTool) no(text, bare string, err error) error {
	word, err := fernet.Refuse(bare, err)
	if word == "" {
		return err
	}
	no := refusedToken{err, word}
	if t.lines {
		return no
	}
	switch {
	case strings.TrimSpace(text) == "":
		return hint(no, "nothing came on standard input")
	case word == fernet.RefusedNoKey:
		return hint(no, "a wrong key and an altered token are the same thing to whoever opens it; \"fernpost token inspect\" shows what "+
			"is to be seen without a key")
	case !errors.Is(err, fernet.ErrMalformed): // its form is right, whatever stands around it
		return no
	}
	if lenient, remedy := pythonOpens(text); lenient != "" {
		return hint(no, "it is a token %s, which Python lets pass: %s", lenient, remedy)
	}
	switch disguise := token.Disguise(text); {
	case disguise != "":
		return hint(no, "a token seems to stand there %s: take it out", disguise)
	case strings.Contains(strings.TrimSpace(text), "\n"):
		return hint(no, "--lines takes one token a line")
	}
	return no
}

// pythonOpens says what keeps a text from being a token that Python's lenient base64 takes for one, and what mends it.
func pythonOpens(text string) (what, remedy string) {
	for _, lenient := range []struct {
		what, remedy string
		mend         func(string) string
	}{
		{"with line breaks or blanks in it", `tr -d ' \r\n\t' takes them out`, func(s string) string {
			return strings.Join(strings.Fields(s), "")
		}},
		{"in standard base64", `tr '+/' '-_' makes it one of a token's`, func(s string) string {
			return strings.NewReplacer("+", "-", "/", "_").Replace(s)
		}},
		{"with characters around or in it that are no base64", `tr -dc 'A-Za-z0-9_=-' takes them out`, func(s string) string {
			return strings.Map(func(c rune) rune {
				if c == '-' || c == '_' || c == '=' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' {
					return c
				}
				return -1
			}, s)
		}},
	} {
		mended := lenient.mend(text)
		if _, err := token.Parse(mended); err == nil && mended != text {
			return lenient.what, lenient.remedy
		}
	}
	return "", ""
}
