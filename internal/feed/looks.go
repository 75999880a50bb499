package feed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// firstLine is what every hint ends with.
const firstLine = "a feed begins with a line such as created_at,entry_id,field1"

// magic tells files of other kinds by how they begin.
var magic = []struct{ begins, is, next string }{
	{"PK\x03\x04", "a spreadsheet (.xlsx, .ods) or another ZIP file", "save it as CSV (UTF-8) in the spreadsheet program, or unpack it"},
	{"\xd0\xcf\x11\xe0", "an old spreadsheet (.xls)", "save it as CSV (UTF-8) in the spreadsheet program"},
	{"%PDF", "a PDF", firstLine},
	{"SQLite format 3\x00", "a database of SQLite", "if it is a relay's, \"fernpost relay export\" writes a feed"},
	{"BZh", "a file packed with bzip2", "unpack it first"},
	{"\xfd7zXZ", "a file packed with xz", "unpack it first"},
	{"\x28\xb5\x2f\xfd", "a file packed with zstd", "unpack it first"},
	{"7z\xbc\xaf", "a 7-Zip file", "unpack it first"},
}

// startsWithDate tells a first line that is a row already.
var startsWithDate = regexp.MustCompile(`^\W*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|^\W*\d{9,13}\W`)

// notFeed says what a file looks like that cannot be read, by its beginning and the error that reading ended with.
// Errors of other kinds stay what they are.
func notFeed(head []byte, err error) error {
	if known, ok := errors.AsType[*NotFeedError](err); ok {
		return known
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return &NotFeedError{
			Is:   fmt.Sprintf("it is JSON only up to byte %d: %v", syntax.Offset, syntax),
			Next: "download it again, or have the program that wrote it write JSON",
		}
	}
	page, isPage := errors.AsType[*thingspeak.NotDataError](err)
	service, isService := errors.AsType[*thingspeak.ServiceError](err)
	column, isColumn := errors.AsType[*thingspeak.NoColumnError](err)
	switch {
	case errors.Is(err, thingspeak.ErrEmptyReply):
		return &NotFeedError{Is: "it is empty", Next: "download it again; " + firstLine}
	case isService && service.Code != "":
		return &NotFeedError{
			Is:   fmt.Sprintf("it holds an error message of a relay (%s) in place of a feed", service.Code),
			Next: "download it again; a private channel takes the read key, or do it from the channel's page",
		}
	case errors.Is(err, thingspeak.ErrDenied):
		return &NotFeedError{
			Is:   "it holds only -1, which is how a private channel answers without its read key",
			Next: "download it again with the read key, or from the channel's page",
		}
	case !isPage && !isColumn && !isService:
		return err
	}
	text := trimmed(head)
	for _, m := range magic {
		if bytes.HasPrefix(text, []byte(m.begins)) {
			return &NotFeedError{Is: "it is " + m.is + ", not a feed", Next: m.next}
		}
	}
	first := text
	if n := bytes.IndexAny(text, "\r\n"); n >= 0 {
		first = text[:n]
	}
	switch {
	case isPage && page.HTML && (bytes.HasPrefix(text, []byte("<?xml")) || bytes.HasPrefix(text, []byte("<channel")) ||
		bytes.HasPrefix(text, []byte("<feed"))):
		return &NotFeedError{Is: "it is XML", Next: "download the feed as feeds.csv or feeds.json"}
	case isPage && page.HTML:
		is := "it is a web page (HTML), not a feed"
		if page.Excerpt != "" {
			is += fmt.Sprintf(": %q", page.Excerpt)
		}
		return &NotFeedError{Is: is, Next: "the feed itself is at …/channels/ID/feeds.csv"}
	case bytes.HasPrefix(text, []byte("{")), bytes.HasPrefix(text, []byte("[")):
		return &NotFeedError{Is: "it is JSON, but no feed", Next: `a feed as JSON is an object with "feeds", as …/channels/ID/feeds.json answers`}
	case bytes.IndexByte(head, 0) >= 0:
		return &NotFeedError{Is: "it is not text", Next: firstLine}
	case startsWithDate.Match(first):
		return &NotFeedError{
			Is:   "it has no line with the names of the columns; the first one is " + quoted(first),
			Next: "put a line such as created_at,entry_id,field1 above the rows",
		}
	case isColumn && len(column.Names) > 1:
		return &NotFeedError{
			Is:   fmt.Sprintf("its first line names no column %s, but %s", column.Lacks, quotedNames(column.Names)),
			Next: firstLine,
		}
	}
	return &NotFeedError{Is: "it is no feed; it begins with " + quoted(first), Next: firstLine}
}

func quotedNames(names []string) string {
	var all []string
	for _, name := range names[:min(len(names), 6)] {
		all = append(all, quoted([]byte(name)))
	}
	return strings.Join(all, ", ")
}

func quoted(text []byte) string { return fmt.Sprintf("%q", cleaned(string(text), 60)) }

// cleaned is the beginning of a text of strangers as one line without what a terminal would obey.
func cleaned(s string, most int) string {
	s = strings.Map(func(c rune) rune {
		if c == '\t' {
			return ' '
		}
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, s[:min(len(s), 4*most)])
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

func trimmed(head []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\ufeff")))
}
