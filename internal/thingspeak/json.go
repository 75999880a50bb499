package thingspeak

import (
	"cmp"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendEntryJSON appends an entry as feeds and the reads of a last entry hold it (contract sections 7.4 and 7.8):
// created_at, entry_id, the fields, then on request the location and the status. Absent values are null. Key order
// counts: MATLAB takes columns by their position. A row that was calculated from several entries has no ID and is
// written without entry_id.
func AppendEntryJSON(
	dst []byte, e *Entry, fields FieldSet, location, status bool, zone *time.Location,
) []byte {
	return AppendTypedEntryJSON(dst, e, fields, 0, location, status, zone)
}

// AppendTypedEntryJSON is [AppendEntryJSON] with some fields, whose text is a JSON number, written as numbers: see [Entry.Numbers].
func AppendTypedEntryJSON(
	dst []byte, e *Entry, fields, numbers FieldSet, location, status bool, zone *time.Location,
) []byte {
	dst = append(dst, '{')
	dst = appendEntryKeys(dst, e, fields, numbers, location, status, zone)
	return append(dst, '}')
}

// Numbers returns the fields whose text is a number as JSON writes it.
func (e *Entry) Numbers() (numbers FieldSet) {
	for i := range e.Fields {
		s := e.Fields[i].Text
		if s != "" && (s[0] == '-' || s[0] >= '0' && s[0] <= '9') && json.Valid([]byte(s)) {
			numbers |= FieldsOf(i + 1)
		}
	}
	return numbers
}

// AppendUpdateJSON appends an entry as the reply to its update and the messages of a subscription hold it (contract
// sections 5.3 and 10.3): with the channel's number, all fields, the location and the status. The fields in numbers
// hold the text of a JSON number and are written as one: the reply to a write keeps the type that was sent (section
// 1.2).
func AppendUpdateJSON(dst []byte, channelID int64, e *Entry, numbers FieldSet, zone *time.Location) []byte {
	dst = append(dst, `{"channel_id":`...)
	dst = strconv.AppendInt(dst, channelID, 10)
	dst = append(dst, ',')
	dst = appendEntryKeys(dst, e, AllFields, numbers, true, true, zone)
	return append(dst, '}')
}

func appendEntryKeys(
	dst []byte, e *Entry, fields, numbers FieldSet, location, status bool, zone *time.Location,
) []byte {
	dst = append(dst, `"created_at":"`...)
	dst = AppendISOTime(dst, e.CreatedAt, zone)
	dst = append(dst, '"')
	if e.ID != 0 {
		dst = append(dst, `,"entry_id":`...)
		dst = strconv.AppendInt(dst, cmp.Or(e.Shown, e.ID), 10)
	}
	for i := range e.Fields {
		if fields.Has(i + 1) {
			dst = append(dst, `,"field`...)
			dst = append(dst, byte('1'+i), '"', ':')
			if numbers.Has(i + 1) {
				dst = append(dst, e.Fields[i].Text...)
			} else {
				dst = appendJSONValue(dst, e.Fields[i])
			}
		}
	}
	if location {
		dst = append(dst, `,"latitude":`...)
		dst = appendJSONValue(dst, e.Latitude)
		dst = append(dst, `,"longitude":`...)
		dst = appendJSONValue(dst, e.Longitude)
		dst = append(dst, `,"elevation":`...)
		dst = appendJSONValue(dst, e.Elevation)
	}
	if status {
		dst = append(dst, `,"status":`...)
		dst = appendJSONValue(dst, e.Status)
	}
	return dst
}

// AppendChannelJSON appends the channel object that stands before the entries of a feed (contract section 7.4): the
// description and the elevation only if set, the metadata only on request, the enabled fields, and null for the last
// entry of an empty channel.
func AppendChannelJSON(dst []byte, c *Channel, metadata bool, zone *time.Location) []byte {
	dst = append(dst, `{"id":`...)
	dst = strconv.AppendInt(dst, c.ID, 10)
	dst = appendJSONKey(dst, "name", c.Name)
	if c.Description != "" {
		dst = appendJSONKey(dst, "description", c.Description)
	}
	dst = appendJSONKey(dst, "latitude", cmp.Or(c.Latitude, "0.0"))
	dst = appendJSONKey(dst, "longitude", cmp.Or(c.Longitude, "0.0"))
	for n := range c.Enabled().All() {
		dst = append(dst, `,"field`...)
		dst = append(dst, byte('0'+n), '"', ':')
		dst = appendJSONString(dst, c.Labels[n-1])
	}
	dst = append(dst, `,"created_at":"`...)
	dst = AppendISOTime(dst, c.CreatedAt, zone)
	dst = append(dst, `","updated_at":"`...)
	dst = AppendISOTime(dst, c.UpdatedAt, zone)
	dst = append(dst, '"')
	if c.Elevation != "" {
		dst = appendJSONKey(dst, "elevation", c.Elevation)
	}
	dst = append(dst, `,"last_entry_id":`...)
	dst = appendLastEntryID(dst, c)
	if c.Findings != nil {
		dst = append(dst, `,"findings":`...)
		dst = strconv.AppendInt(dst, int64(*c.Findings), 10)
	}
	if metadata {
		dst = append(dst, `,"metadata":`...)
		dst = appendJSONOrNull(dst, c.Metadata)
	}
	return append(dst, '}')
}

// AppendTerseChannelJSON appends the channel object that stands before a feed of statuses (contract section 7.9): the
// name and the place.
func AppendTerseChannelJSON(dst []byte, c *Channel) []byte {
	dst = append(dst, `{"name":`...)
	dst = appendJSONString(dst, c.Name)
	dst = appendJSONKey(dst, "latitude", cmp.Or(c.Latitude, "0.0"))
	dst = appendJSONKey(dst, "longitude", cmp.Or(c.Longitude, "0.0"))
	if c.Elevation != "" {
		dst = appendJSONKey(dst, "elevation", c.Elevation)
	}
	return append(dst, '}')
}

// AppendSettingsJSON appends a channel's settings: for its owner object A of contract section 8, with metadata and
// keys; for anyone else object B, without them and with the owner's user name. The ranking is what the service's
// formula gives for how much of the settings is filled in; tags are objects, numbered in their order.
func AppendSettingsJSON(dst []byte, c *Channel, owner bool, username string, zone *time.Location) []byte {
	dst = append(dst, `{"id":`...)
	dst = strconv.AppendInt(dst, c.ID, 10)
	dst = appendJSONKey(dst, "name", c.Name)
	dst = append(dst, `,"description":`...)
	dst = appendJSONOrNull(dst, c.Description)
	dst = appendJSONKey(dst, "latitude", cmp.Or(c.Latitude, "0.0"))
	dst = appendJSONKey(dst, "longitude", cmp.Or(c.Longitude, "0.0"))
	dst = append(dst, `,"created_at":"`...)
	dst = AppendISOTime(dst, c.CreatedAt, zone)
	dst = append(dst, `","elevation":`...)
	dst = appendJSONOrNull(dst, c.Elevation)
	dst = append(dst, `,"last_entry_id":`...)
	dst = appendLastEntryID(dst, c)
	dst = append(dst, `,"public_flag":`...)
	dst = strconv.AppendBool(dst, c.Public)
	dst = append(dst, `,"url":`...)
	dst = appendJSONOrNull(dst, c.URL)
	dst = append(dst, `,"ranking":`...)
	dst = strconv.AppendInt(dst, c.Ranking(), 10)
	if owner {
		dst = append(dst, `,"metadata":`...)
		dst = appendJSONOrNull(dst, c.Metadata)
		dst = append(dst, `,"license_id":0`...)
	}
	dst = append(dst, `,"github_url":null`...)
	if !owner {
		dst = appendJSONKey(dst, "username", username)
	}
	dst = append(dst, `,"tags":[`...)
	for i, tag := range c.Tags {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":`...)
		dst = strconv.AppendInt(dst, int64(i+1), 10)
		dst = appendJSONKey(dst, "name", tag)
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	if owner {
		dst = append(dst, `,"api_keys":[`...)
		for i, key := range c.Keys {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"api_key":`...)
			dst = appendJSONString(dst, key.Text)
			dst = append(dst, `,"write_flag":`...)
			dst = strconv.AppendBool(dst, key.Write)
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// Ranking sums up the settings that are filled in, in percent; a video, which we do not have, makes up the rest
// (iobridge/thingspeak: app/models/channel.rb, calc_ranking).
func (c *Channel) Ranking() int64 {
	sum := int64(15) // the location is always there, "0.0" unless set
	if c.Name != "" {
		sum += 15
	}
	if c.Description != "" {
		sum += 20
	}
	if c.URL != "" {
		sum += 15
	}
	if len(c.Tags) > 0 {
		sum += 20
	}
	return sum
}

// AppendErrorJSON appends the error object of contract section 4. Nobody matches on the details: a hint, one line.
func AppendErrorJSON(dst []byte, code ErrorCode, details string) []byte {
	dst = append(dst, `{"status":"`...)
	dst = strconv.AppendInt(dst, int64(code.Status()), 10)
	dst = append(dst, `","error":{"error_code":`...)
	dst = appendJSONString(dst, string(code))
	dst = appendJSONKey(dst, "message", code.Message())
	dst = appendJSONKey(dst, "details", details)
	return append(dst, "}}"...)
}

func appendLastEntryID(dst []byte, c *Channel) []byte {
	if c.LastEntryID == 0 {
		return append(dst, "null"...)
	}
	return strconv.AppendInt(dst, c.LastEntryID, 10)
}

func appendJSONKey(dst []byte, key, text string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, key...)
	dst = append(dst, '"', ':')
	return appendJSONString(dst, text)
}

func appendJSONValue(dst []byte, v Value) []byte {
	if !v.Given {
		return append(dst, "null"...)
	}
	return appendJSONString(dst, v.Text)
}

func appendJSONOrNull(dst []byte, text string) []byte {
	return appendJSONValue(dst, Value{Text: text, Given: text != ""})
}

// AppendJSONText appends a text as a JSON string, as encoding/json does by default: with "<", ">" and "&" escaped
// (contract section 1.3), and invalid UTF-8 replaced.
func AppendJSONText(dst []byte, s string) []byte { return appendJSONString(dst, s) }

// appendJSONString writes what encoding/json does by default, to the byte: "<", ">" and "&" escaped (contract section
// 1.3), invalid UTF-8 replaced.
func appendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	done := 0 // s[:done] is written
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[done:i]...), `\ufffd`...)
				done = i + size
			} else if r == '\u2028' || r == '\u2029' {
				dst = append(append(dst, s[done:i]...), `\u202`...)
				dst = append(dst, hex[r&0xf])
				done = i + size
			}
			i += size
			continue
		}
		dst = append(dst, s[done:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, hex[c>>4], hex[c&0xf])
		}
		i++
		done = i
	}
	dst = append(dst, s[done:]...)
	return append(dst, '"')
}
