package mqttapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// FuzzTopics: whatever a topic or a payload is, nothing panics, a topic that is taken names one channel in one way, and what
// is announced stays inside the filter that asked for it.
func FuzzTopics(f *testing.F) {
	for _, s := range []string{
		"channels/9/publish", "channels/9/publish/fields/field1", "channels/9/publish/KEY", "channels/9/publish/fields/field1/KEY",
		"channels/9/subscribe", "channels/9/subscribe/json/KEY", "channels/9/subscribe/fields/+", "channels/9/subscribe/fields/+/KEY",
		"channels/+/subscribe", "channels/9/subscribe/#", "$share/g/channels/9/subscribe", "channels/9/subscribe/fields/fields/+",
	} {
		f.Add(s, []byte("field1=1&field2=2&lat=3\n"))
		f.Add(s, []byte(`{"field1":1}`))
	}
	e := &thingspeak.Entry{ID: 1}
	for i := range e.Fields {
		e.Fields[i] = thingspeak.Text("x")
	}
	f.Fuzz(func(t *testing.T, name string, payload []byte) {
		if to, ok := parsePublish(name); ok {
			if !strings.HasPrefix(name, fmt.Sprintf("channels/%d/publish", to.channel)) || strings.ContainsAny(name, "+#") {
				t.Errorf("%q publishes to %+v", name, to)
			}
			_, _ = entryOf(to, payload)
		}
		from, ok := parseSubscribe(name)
		if !ok {
			return
		}
		prefix := fmt.Sprintf("channels/%d/subscribe", from.channel)
		if strings.Contains(name, "#") || strings.Count(name, "+") > 1 {
			t.Errorf("%q subscribes to %+v", name, from)
		}
		all := messages(from.channel, e, []string{name, name})
		if want := map[int]int{allFields: 8}[from.field]; len(all) != max(1, want) {
			t.Errorf("%q is told %d messages", name, len(all))
		}
		for _, m := range all {
			if !strings.HasPrefix(m.topic, prefix) || strings.ContainsAny(m.topic, "+#") || m.topic != name && !covers(name, m.topic) {
				t.Errorf("%q is told on %q", name, m.topic)
			}
		}
	})
}
