package httpapi

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// maxStreamed is how many channels one stream may have.
const maxStreamed = 100

// parseChannels reads a list of different channels, with commas between.
func parseChannels(list string) (ids []int64, ok bool) {
	if strings.Count(list, ",") >= maxStreamed {
		return nil, false
	}
	for s := range strings.SplitSeq(list, ",") {
		id, err := thingspeak.ParseChannelID(strings.TrimSpace(s))
		if err != nil || slices.Contains(ids, id) {
			return nil, false
		}
		ids = append(ids, id)
	}
	return ids, true
}

// unknownFeed is the feed of a mark that no channel has.
const unknownFeed = -1

// parseMark reads the place where a stream goes on: "GENERATION-NUMBER", or the number alone.
func parseMark(s string) (at relay.Mark, ok bool) {
	feed, number, named := strings.Cut(strings.TrimSpace(s), "-")
	if !named {
		feed, number = "0", feed
	}
	f, badFeed := strconv.ParseUint(feed, 10, 63)
	n, badNumber := strconv.ParseUint(number, 10, 63)
	if badFeed != nil || badNumber != nil {
		return at, false
	}
	if at = (relay.Mark{Feed: int64(f), Number: int64(n)}); named && f == 0 {
		at.Feed = unknownFeed
	}
	return at, true
}

// parseMarks reads the places of several channels: "ID:GENERATION-NUMBER" each, with commas between.
func parseMarks(list string) (all map[int64]relay.Mark, ok bool) {
	all = map[int64]relay.Mark{}
	for s := range strings.SplitSeq(list, ",") {
		channel, mark, _ := strings.Cut(strings.TrimSpace(s), ":")
		id, err := thingspeak.ParseChannelID(channel)
		at, ok := parseMark(mark)
		if err != nil || !ok {
			return nil, false
		}
		all[id] = at
	}
	return all, true
}

// appendMark writes what parseMark reads.
func appendMark(dst []byte, at relay.Mark) []byte {
	dst = strconv.AppendInt(dst, at.Feed, 10)
	dst = append(dst, '-')
	return strconv.AppendInt(dst, at.Number, 10)
}
