package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// description is /openapi.json, as somebody reads it who knows nothing of the gateway.
type description struct {
	OpenAPI string
	Paths   map[string]map[string]struct {
		OperationID string
		Summary     string
		Parameters  []struct{ Name, In string }
		Responses   map[string]struct {
			Content map[string]struct{ Schema map[string]any }
		}
	}
	Components struct{ Schemas map[string]map[string]any }
}

// check says what of a value a schema does not allow; what an object has that is not in its schema is not allowed.
func (d *description) check(schema map[string]any, v any, at string) (wrong []string) {
	if ref, ok := schema["$ref"].(string); ok {
		named := d.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")]
		if named == nil {
			return []string{at + " speaks of " + ref + ", which is not there"}
		}
		return d.check(named, v, at)
	}
	if some, ok := schema["anyOf"].([]any); ok {
		for _, one := range some {
			if len(d.check(one.(map[string]any), v, at)) == 0 {
				return nil
			}
		}
		return []string{fmt.Sprintf("%s: %v is none of %v", at, v, some)}
	}
	if kind, ok := schema["type"]; ok {
		kinds, _ := kind.([]any)
		if kinds == nil {
			kinds = []any{kind}
		}
		if !slices.Contains(kinds, any(kindOf(v))) {
			return []string{fmt.Sprintf("%s: %v is no %v", at, v, kind)}
		}
	}
	switch v := v.(type) {
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		for _, name := range schema["required"].([]any) {
			if _, ok := v[name.(string)]; !ok {
				wrong = append(wrong, fmt.Sprintf("%s lacks %s", at, name))
			}
		}
		for name, value := range v {
			if property, ok := properties[name].(map[string]any); !ok {
				wrong = append(wrong, at+" has "+name)
			} else {
				wrong = append(wrong, d.check(property, value, at+"."+name)...)
			}
		}
	case []any:
		for i, one := range v {
			wrong = append(wrong, d.check(schema["items"].(map[string]any), one, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case string:
		if _, err := time.Parse(time.RFC3339, v); err != nil && schema["format"] == "date-time" {
			wrong = append(wrong, fmt.Sprintf("%s: %q is no date", at, v))
		}
	}
	return wrong
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

// TestOpenAPI: each address that is described answers as it is described, whatever the answer is, none that answers is left out, and
// no parameter is.
func TestOpenAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		var d description
		x.must(&d, "GET", "/openapi.json", "")
		if d.OpenAPI != "3.1.0" {
			t.Fatalf("%+v", d)
		}
		x.bo(record.Text("text"), record.File{Name: "f", Media: "text/plain", Content: []byte("content")}, record.Reading{Status: "warm"})
		x.must(nil, "POST", "/rooms/lab/messages?wait=30s", `{"text":"own"}`)
		// What somebody without the key writes is a finding.
		x.server.Seed(t, x.room.Channel, 1, func(int) thingspeak.Entry { return thingspeak.Entry{} })
		var got messagesAnswer
		x.must(&got, "GET", "/rooms/lab/messages?consumer=bot&from=start&wait=30s", "")
		time.Sleep(time.Minute)
		var file string
		x.must(&got, "GET", "/rooms/lab/messages", "")
		for _, m := range got.Messages {
			if m.Path != nil {
				file = *m.Path
			}
		}
		asked := map[string]bool{}
		try := func(want int, method, path, target, body string) {
			t.Helper()
			op, ok := d.Paths[path][strings.ToLower(method)]
			if !ok || op.Summary == "" || op.OperationID == "" {
				t.Errorf("%s %s is not described", method, path)
				return
			}
			asked[method+" "+path] = true
			w := x.record(method, target, body)
			if w.Code != want {
				t.Errorf("%s %s answers %d, want %d: %s", method, target, w.Code, want, w.Body)
			}
			status := strconv.Itoa(w.Code)
			if w.Code >= 400 {
				status = "default"
			}
			answer, ok := op.Responses[status]
			kind := w.Header().Get("Content-Type")
			content, has := answer.Content[kind]
			switch {
			case !ok:
				t.Errorf("%s %s answers %d, which is not described: %s", method, target, w.Code, w.Body)
			case kind != "" && !has:
				t.Errorf("%s %s answers with %q, which is not described", method, target, kind)
			case content.Schema == nil:
			default:
				var v any
				if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
					t.Fatal(err)
				}
				if path == "/openapi.json" {
					return // of which only is said that it is an object
				}
				for _, wrong := range d.check(content.Schema, v, target) {
					t.Error(wrong)
				}
			}
		}
		try(200, "GET", "/openapi.json", "/openapi.json", "")
		try(200, "GET", "/rooms", "/rooms", "")
		x.server.Inject(relaytest.On("update", relaytest.LoseRequest()))
		try(202, "POST", "/rooms/{room}/messages", "/rooms/lab/messages", `{"text":"x"}`)
		x.server.Inject(nil)
		try(200, "POST", "/rooms/{room}/messages", "/rooms/lab/messages?wait=1m", `{"text":"x"}`)
		try(400, "POST", "/rooms/{room}/messages", "/rooms/lab/messages", `{"text":""}`)
		try(200, "GET", "/rooms/{room}/messages", "/rooms/lab/messages", "")
		try(200, "GET", "/rooms/{room}/messages", "/rooms/lab/messages?consumer=bot", "")
		try(404, "GET", "/rooms/{room}/messages", "/rooms/none/messages", "")
		try(204, "POST", "/rooms/{room}/messages/ack", "/rooms/lab/messages/ack?consumer=bot", `{"cursor":"1-0"}`)
		try(200, "GET", "/rooms/{room}/consumers", "/rooms/lab/consumers", "")
		try(204, "DELETE", "/rooms/{room}/consumers/{consumer}", "/rooms/lab/consumers/bot", "")
		try(200, "POST", "/rooms/{room}/files", "/rooms/lab/files?name=n&wait=1m", "content")
		try(200, "GET", "/rooms/{room}/files/{key}/{number}", file, "")
		var people peopleAnswer
		x.must(&people, "GET", "/rooms/lab/people", "")
		bo := slices.IndexFunc(people.People, func(p personAnswer) bool { return p.Name == "bo" })
		if bo < 0 {
			t.Fatalf("%+v", people)
		}
		try(200, "GET", "/rooms/{room}/people", "/rooms/lab/people", "")
		try(204, "POST", "/rooms/{room}/people/{key}", "/rooms/lab/people/"+people.People[bo].Key.String(), "")
		try(404, "POST", "/rooms/{room}/people/{key}", "/rooms/lab/people/"+strings.Repeat("1", 64), "")
		try(404, "POST", "/rooms/{room}/people/{key}", "/rooms/lab/people/bo", "")
		x.must(&got, "GET", "/rooms/lab/messages", "")
		for _, m := range got.Messages {
			if own := m.Own; m.Signed && (m.Standing == nil || *m.Standing != map[bool]string{true: "own", false: "verified"}[own]) {
				t.Errorf("after comparing the message is %+v", m)
			}
		}
		try(200, "GET", "/rooms/{room}/findings", "/rooms/lab/findings", "")
		time.AfterFunc(time.Second, x.followed.end) // or a stream would not end
		try(200, "GET", "/rooms/{room}/events", "/rooms/lab/events?from=start", "")
		served := map[string]bool{}
		(&roomDoor{h: x.h, followed: x.followed}).register(func(pattern string, _ func(http.ResponseWriter, *http.Request)) {
			if strings.Contains(pattern, " ") { // the others refuse what is none of these
				served[pattern] = true
			}
		})
		for path, methods := range d.Paths {
			for method, op := range methods {
				if name := strings.ToUpper(method) + " " + path; !asked[name] || !served[name] {
					t.Errorf("%s is asked: %v, and served: %v", name, asked[name], served[name])
				}
				for part := range strings.SplitSeq(path, "/") {
					name, is := strings.CutPrefix(part, "{")
					if is && !slices.ContainsFunc(op.Parameters, func(p struct{ Name, In string }) bool {
						return p.In == "path" && p.Name+"}" == name
					}) {
						t.Errorf("%s %s: %s is not described", method, path, part)
					}
				}
			}
		}
		if len(served) != len(asked) {
			t.Errorf("%d addresses are served, %d described", len(served), len(asked))
		}
	})
}
