package cli

import (
	"fmt"
	"strings"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/publickey"
	"github.com/fernpost/fernpost/internal/token"
)

// lookingLikePassphrase is what [looksLike] says of words as "init" generates them.
const lookingLikePassphrase = "a passphrase"

// looksLike says what a text is by its look, which was given as a passphrase or as a key of a channel; "" if that does not show.
// It repeats nothing of it, as it may be secret.
func looksLike(text string) string {
	text = strings.TrimSpace(text)
	words, unlisted := passphrase.Unlisted(text)
	_, notKey := fernet.ParseKey(text)
	switch lines := strings.Count(text, "\n") + 1; {
	case strings.Contains(text, "join#"):
		return "an invitation, which \"fernpost join\" asks for"
	case lines > 1:
		return "a file of " + count(lines, "line")
	case strings.Contains(text, "api_key="):
		return "an address that has a key in it, behind api_key="
	case strings.Contains(text, "://"):
		return "an address"
	case strings.HasPrefix(text, publickey.Prefix):
		return "somebody's public key"
	case isAPIKey(text):
		return "a key of a channel"
	case text != "" && strings.Trim(text, "0123456789") == "" && len(text) < 10:
		return "the number of a channel"
	case notKey == nil:
		return "a Fernet key"
	case token.Resembles(text):
		return "a token"
	case words == passphrase.CheckWordCount && len(unlisted) == 0:
		return "check words, which only compare keys"
	case words >= passphrase.DefaultWords && len(unlisted) == 0:
		return lookingLikePassphrase
	}
	return ""
}

// looksMistyped is a hint about a passphrase that opens nothing: what it looks like, or which of its words was mistyped. It
// repeats none of them.
func looksMistyped(pass string) string {
	words, unlisted := passphrase.Unlisted(pass)
	switch what := looksLike(pass); {
	case strings.ContainsAny(pass, "\r\n"):
		return "the passphrase was taken from " + count(len(strings.Split(pass, "\n")), "line") +
			", all of which count: put it into a file of its own; "
	case what != "" && what != lookingLikePassphrase:
		return "that looks like " + what + "; "
	case words == passphrase.DefaultWords && len(unlisted) == 1:
		return fmt.Sprintf("if fernpost has generated it, word %d is mistyped; ", unlisted[0])
	case words > 3 && words != passphrase.DefaultWords && len(unlisted) == 0:
		return fmt.Sprintf("that is %d words, and fernpost generates %d; ", words, passphrase.DefaultWords)
	}
	return ""
}
