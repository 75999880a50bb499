package invite

import (
	"bytes"
	"errors"
	"strings"
)

const (
	// maxMail bounds a text in which an invitation is looked for, in bytes.
	maxMail = 256 << 10
	// digits are the characters of a link's fragment.
	digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="
)

// parseAmongWords finds the invitation in a text such as a mail that has one: two different ones are an [ErrSeveral], and one that
// is not whole has the error of [parseLink]. Without any it is [ErrForeign].
func parseAmongWords(text string) (found Invitation, err error) {
	if len(text) > maxMail {
		return found, ErrForeign
	}
	err = ErrForeign
	link := ""
	for words := strings.Fields(text); len(words) > 0; words = words[1:] {
		one, canonical, wrong := linkAtHead(words)
		switch {
		case errors.Is(wrong, ErrForeign), wrong != nil && link != "":
		case wrong != nil:
			err = wrong
		case link != "" && canonical != link:
			return Invitation{}, ErrSeveral
		default:
			found, link, err = one, canonical, nil
		}
	}
	return found, err
}

// linkAtHead reads the link that begins in the first of some words, and goes on in the next ones where a mail program has broken
// it. It also returns the link without what stands around it.
func linkAtHead(words []string) (i Invitation, link string, err error) {
	head, fragment, ok := strings.Cut(strings.Replace(words[0], "%23", "#", 1), "#")
	begin := -1
	lower := []byte(head) // of ASCII alone: other letters, and what is no UTF-8, would change their places
	for i, b := range lower {
		if 'A' <= b && b <= 'Z' {
			lower[i] += 'a' - 'A'
		}
	}
	for _, scheme := range []string{"http://", "https://", own} {
		begin = max(begin, bytes.LastIndex(lower, []byte(scheme)))
	}
	if !ok || begin < 0 {
		return i, "", ErrForeign
	}
	link = head[begin:] + "#"
	for at, word := range words {
		if at == 0 {
			word = fragment
		}
		part := word[:len(word)-len(strings.TrimLeft(word, digits))]
		link += part
		i, err = parseLink(link)
		cut, isCut := errors.AsType[*CutError](err)
		// Behind a character that is none of a link's, such as a bracket or a full stop, no link goes on.
		if !isCut || cut.Have > cut.Want || part != word || len(link) > MaxLink {
			break
		}
	}
	return i, link, err
}
