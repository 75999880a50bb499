package gateway

import (
	"encoding"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// object is an object of JSON.
type object map[string]any

func (d *roomDoor) getOpenAPI(w http.ResponseWriter, _ *http.Request) error {
	return SendJSON(w, http.StatusOK, openAPI(d.routes()))
}

// openAPI describes routes in the form of OpenAPI 3.1.
func openAPI(routes []route) object {
	types, paths := &schemas{object{}}, object{}
	for i := range routes {
		r := &routes[i]
		at, ok := paths[r.path].(object)
		if !ok {
			at = object{}
			paths[r.path] = at
		}
		at[strings.ToLower(r.method)] = r.operation(types)
	}
	paths["/openapi.json"] = object{"get": object{
		"operationId": "getOpenapiJson", "summary": "Returns this description", "security": []any{},
		"responses": object{"200": object{
			"description": "OK", "content": object{"application/json": object{"schema": object{"type": "object"}}},
		}},
	}}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "fernpost gateway", "version": "1",
			"description": "Rooms for scripts and bots: clear text here, signed and encrypted from here on. A token of \"fernpost gateway token add\" " +
				"is needed. Of the answers no key is ever left out: what is not known is null.",
		},
		"security": []any{object{"token": []any{}}},
		"paths":    paths,
		"components": object{
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer"}},
			"schemas":         types.named,
		},
	}
}

func (r *route) operation(types *schemas) object {
	params := []any{}
	for part := range strings.SplitSeq(r.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			params = append(params, object{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": object{"type": "string"}})
		}
	}
	for _, p := range r.params {
		schema := types.of(reflect.TypeOf(p.form))
		if p.values != nil {
			schema["enum"] = p.values
		}
		params = append(params, object{"name": p.name, "in": p.in, "description": p.about, "schema": schema})
	}
	answers := object{"default": object{
		"description": "a refusal", "content": object{"application/problem+json": object{"schema": types.of(reflect.TypeFor[problem]())}},
	}}
	for status, answer := range r.answers {
		one := object{"description": http.StatusText(status)}
		switch {
		case answer != nil:
			one["content"] = object{"application/json": object{"schema": types.of(reflect.TypeOf(answer))}}
		case r.stream != "":
			one["content"] = object{r.stream: object{}}
		}
		answers[strconv.Itoa(status)] = one
	}
	about := r.about + fmt.Sprintf(". The token needs the scope %s.", r.scope)
	op := object{"operationId": r.operationID(), "summary": r.about, "description": about, "parameters": params, "responses": answers}
	if r.body != nil {
		content := object{}
		for media, body := range r.body {
			content[media] = object{}
			if body != nil {
				content[media] = object{"schema": types.of(reflect.TypeOf(body))}
			}
		}
		op["requestBody"] = object{"required": true, "content": content}
	}
	return op
}

// operationID makes one word of a method and a path.
func (r *route) operationID() string {
	var id strings.Builder
	id.WriteString(strings.ToLower(r.method))
	for part := range strings.FieldsFuncSeq(r.path, func(c rune) bool { return !(c >= 'a' && c <= 'z') }) {
		id.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return id.String()
}

// schemas are the types that a description speaks of, by their names.
type schemas struct{ named object }

// of returns the schema of what a Go type is in JSON.
func (s *schemas) of(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t.Kind() != reflect.Pointer && t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		inner := s.of(t.Elem())
		if ref, ok := inner["$ref"]; ok {
			return object{"anyOf": []any{object{"$ref": ref}, object{"type": "null"}}}
		}
		inner["type"] = []any{inner["type"], "null"}
		return inner
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Interface:
		return object{}
	case reflect.Struct:
		name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
		if s.named[name] == nil {
			properties, required := object{}, []any{}
			one := object{"type": "object", "properties": properties}
			s.named[name] = one
			for f := range fieldsOf(t) {
				key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				property := s.of(f.Type)
				if means := strings.TrimSuffix(f.Tag.Get("means"), ":"); means != "" {
					property["description"] = means
				}
				properties[key] = property
				required = append(required, key)
			}
			one["required"] = required
		}
		return object{"$ref": "#/components/schemas/" + name}
	default: // numbers
		return object{"type": "integer"}
	}
}

// fieldsOf yields the fields of a struct as JSON has them: those of a struct in it are its own.
func fieldsOf(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for _, f := range reflect.VisibleFields(t) {
			if !f.Anonymous && !yield(f) {
				return
			}
		}
	}
}
