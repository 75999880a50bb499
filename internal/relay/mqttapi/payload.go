package mqttapi

import (
	"bytes"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/form"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// entryOf decodes what was published to a topic (contract section 10.2); ok is false where nothing of it would be stored.
// Programs that read lines send the line end along.
func entryOf(t topic, payload []byte) (e relay.NewEntry, ok bool) {
	payload = bytes.TrimSuffix(payload, []byte{'\n'})
	if t.field > 0 {
		e.Fields[t.field-1] = thingspeak.Text(string(payload))
		return e, true
	}
	decoded, err := form.Parse("application/x-www-form-urlencoded", payload)
	if err != nil || !form.NamesValue(decoded) {
		return e, false
	}
	params := form.Params{Body: decoded}
	if e.Entry, _, err = params.Entry(); err != nil {
		return e, false
	}
	if at, ok := form.Date(params.Get("created_at"), nil); ok {
		e.CreatedAt = at
	}
	return e, true
}

// message is what subscribers of a topic get.
type message struct {
	topic   string
	payload []byte
}

// messages are what an entry is announced by to subscribers of filters (contract section 10.3), each topic once. Without a
// value a field is not announced.
func messages(channel int64, e *thingspeak.Entry, filters []string) (all []message) {
	var whole []byte
	told := map[string]bool{}
	add := func(topic string, payload []byte) {
		if !told[topic] {
			told[topic] = true
			all = append(all, message{topic, payload})
		}
	}
	for _, filter := range filters {
		t, ok := parseSubscribe(filter)
		switch {
		case !ok: // not reached: it was granted
		case t.field == 0:
			if whole == nil {
				whole = thingspeak.AppendUpdateJSON(nil, channel, e, 0, nil)
			}
			add(filter, whole)
		default:
			for i, v := range e.Fields {
				if v.Given && (t.field == allFields || t.field == i+1) {
					add(fieldTopic(filter, i+1), []byte(v.Text))
				}
			}
		}
	}
	return all
}
