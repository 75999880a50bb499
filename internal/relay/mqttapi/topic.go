package mqttapi

import (
	"strconv"
	"strings"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// topic is what a topic or a filter names (contract sections 10.2 to 10.4).
type topic struct {
	channel int64
	// field is the number of one field, allFields for "+", and 0 for the whole entry.
	field int
	// key is the API key at the end of the old forms; empty without one.
	key string
}

const allFields = -1

// parsePublish reads a topic to publish to: channels/ID/publish or channels/ID/publish/fields/fieldN, with or without a
// write key behind it.
func parsePublish(s string) (t topic, ok bool) {
	t, rest, ok := parse(s, "publish")
	return t, ok && t.field != allFields && t.takeKey(rest)
}

// parseSubscribe reads a filter to subscribe to: channels/ID/subscribe, channels/ID/subscribe/json or
// channels/ID/subscribe/fields/fieldN, with or without a read key behind the last two. Of wildcards there is "+" for all
// fields.
func parseSubscribe(s string) (t topic, ok bool) {
	t, rest, ok := parse(s, "subscribe")
	if !ok {
		return t, false
	}
	if t.field == 0 {
		if len(rest) > 0 && rest[0] != "json" {
			return t, false
		}
		rest = rest[min(1, len(rest)):]
	}
	return t, t.takeKey(rest)
}

// parse reads channels/ID/WORD and a field behind it, and returns the levels that are left.
func parse(s, word string) (t topic, rest []string, ok bool) {
	levels := strings.Split(s, "/")
	if len(levels) < 3 || levels[0] != "channels" || levels[2] != word {
		return t, nil, false
	}
	id, err := thingspeak.ParseChannelID(levels[1])
	if err != nil || strconv.FormatInt(id, 10) != levels[1] { // one channel has one topic
		return t, nil, false
	}
	t.channel, rest = id, levels[3:]
	if len(rest) < 2 || rest[0] != "fields" {
		return t, rest, true
	}
	if rest[1] == "+" {
		t.field = allFields
		return t, rest[2:], true
	}
	number, found := strings.CutPrefix(rest[1], "field")
	if !found || len(number) != 1 || number[0] < '1' || number[0] > '0'+thingspeak.FieldCount {
		return t, nil, false
	}
	t.field = int(number[0] - '0')
	return t, rest[2:], true
}

// takeKey takes the last level for a key. A wildcard in its place would be everybody's.
func (t *topic) takeKey(rest []string) bool {
	if len(rest) == 0 {
		return true
	}
	t.key = rest[0]
	return len(rest) == 1 && t.key != "" && !strings.ContainsAny(t.key, "+#")
}

// fieldTopic is the topic of one field under a filter of all fields.
func fieldTopic(filter string, field int) string {
	return strings.Replace(filter, "/fields/+", "/fields/field"+strconv.Itoa(field), 1)
}

// covers reports whether a filter of all fields covers a topic.
func covers(filter, topic string) bool {
	t, ok := parseSubscribe(topic)
	return ok && t.field > 0 && strings.Contains(filter, "/fields/+") && topic == fieldTopic(filter, t.field)
}
