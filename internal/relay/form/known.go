package form

import (
	"bytes"
	"slices"
	"strings"
)

// valueNames are the parameters that are stored, in an entry or in a channel's settings; besideNames are all others that
// some route knows.
var (
	valueNames = names(`field1 field2 field3 field4 field5 field6 field7 field8 1 2 3 4 5 6 7 8 status elevation latitude
		longitude lat long name description metadata url tags public_flag`)
	besideNames = names(`key api_key apikey write_api_key created_at timezone offset headers format callback talkback_key
		twitter tweet tstream results days minutes start end start_entry_id end_entry_id location timescale sum average
		median min max round prepend append page tag username distance updates time_format`)
)

func names(list string) map[string]bool {
	all := map[string]bool{}
	for name := range strings.FieldsSeq(list) {
		all[name] = true
	}
	return all
}

// NamesValue reports whether one of the parameters is of those that are stored.
func NamesValue(all []Param) bool {
	return slices.ContainsFunc(all, func(p Param) bool { return valueNames[p.Name] })
}

// IsStrange reports whether a body has something in it and none of its names is known to a relay: it was not decoded then,
// whatever its type says. An object without members says in so many words that it holds nothing.
func IsStrange(body []byte, decoded []Param) bool {
	if len(bytes.TrimSpace(body)) == 0 {
		return false
	}
	inner, isObject := bytes.CutPrefix(bytes.TrimSpace(body), []byte{'{'})
	if isObject && bytes.HasPrefix(bytes.TrimSpace(inner), []byte{'}'}) {
		return false
	}
	return !slices.ContainsFunc(decoded, func(p Param) bool { return valueNames[p.Name] || besideNames[p.Name] })
}
