package form

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// parseJSON decodes the object of a JSON body. Bytes behind it are ignored: a published example counts a line end into
// the length. A body of blanks has no parameters; an array or a bare value is refused.
func parseJSON(body []byte) ([]Param, error) {
	if !utf8.Valid(body) {
		return nil, notUTF8()
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	all, err := decodeMembers(decoder, nil)
	if errors.Is(err, io.EOF) && len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	return all, err
}

// decodeMembers decodes an object into parameters; io.EOF is that there is none. special may read the value of a member
// itself, and says then that it is done; nil reads none.
func decodeMembers(d *json.Decoder, special func(name string) (done bool, err error)) ([]Param, error) {
	begin, err := d.Token()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil || begin != json.Delim('{') {
		return nil, notObject()
	}
	return decodeRest(d, special)
}

// decodeRest decodes an object whose "{" was read.
func decodeRest(d *json.Decoder, special func(name string) (done bool, err error)) ([]Param, error) {
	var all []Param
	for d.More() {
		token, err := d.Token()
		name, isName := token.(string)
		if err != nil || !isName {
			return nil, notObject()
		}
		if special != nil {
			if done, err := special(name); err != nil {
				return nil, err
			} else if done {
				continue
			}
		}
		if len(all) == maxParams {
			return nil, tooManyParams()
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, notObject()
		}
		all = append(all, jsonParam(name, raw))
	}
	if _, err := d.Token(); err != nil {
		return nil, notObject()
	}
	return all, nil
}

// jsonParam makes a parameter of a JSON value. Numbers and booleans keep their spelling.
func jsonParam(name string, raw json.RawMessage) Param {
	p := Param{Name: name}
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &p.Value); err != nil {
			p.Kind = Nested // not reached: the document was decoded
		}
		return p
	}
	p.Value = string(raw)
	switch raw[0] {
	case 't', 'f':
		p.Kind = Boolean
	case 'n':
		p.Kind, p.Value = Null, ""
	case '{', '[':
		p.Kind = Nested
	default:
		p.Kind = Number
	}
	return p
}

func notUTF8() error { return refuse(NotText, "The body is not UTF-8.") }

func notObject() error { return refuse(NotJSON, "The body is not a JSON object.") }

func tooManyParams() error { return refuse(TooMany, "There are more than 1,000 parameters.") }
