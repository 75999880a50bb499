package passphrase

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Normalize returns the spelling of a passphrase that the presets [Fernpost] and [PBKDF2] derive from: Unicode
// normalisation form C, no white space at either end, and one space (U+0020) for each run of white space inside.
// White space is what Unicode's property White_Space holds (U+0009–000D, 0020, 0085, 00A0, 1680, 2000–200A, 2028, 2029,
// 202F, 205F, 3000); a peer in Python or JavaScript must list it, because their own notions differ. A character with
// more than 30 combining marks is the one case where other implementations of form C give other bytes.
func Normalize(pass string) string {
	return strings.Join(strings.Fields(norm.NFC.String(pass)), " ")
}

// TrimLineEnd takes off the one line end ("\n" or "\r\n") that a line from a file, a pipe or a prompt ends in. The
// profiles that take a passphrase as typed need it; to the others it makes no difference.
func TrimLineEnd(line string) string {
	if rest, ok := strings.CutSuffix(line, "\n"); ok {
		return strings.TrimSuffix(rest, "\r")
	}
	return line
}

// apply returns the bytes to derive from.
func (s Spelling) apply(pass string) (string, error) {
	if s == SpellingTyped {
		return pass, nil
	}
	if !utf8.ValidString(pass) {
		return "", ErrNotText // a terminal in another encoding: the key would be nobody else's
	}
	return Normalize(pass), nil
}
