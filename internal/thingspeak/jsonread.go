package thingspeak

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxEntryJSONBytes is how much [DecodeFeedJSON] reads at most for one entry or for the channel object.
const MaxEntryJSONBytes = 64 << 10

// DecodeChannel reads a channel's settings out of any of the objects that the service shows them in: settings (objects
// A and B of contract section 8), the channel object of a feed, or a whole feed document, whose entries it ignores.
// What an object does not hold stays empty. Numbers may be texts and the other way round, null counts as not given.
// The errors are those of [DecodeFeedJSON].
func DecodeChannel(data []byte) (Channel, error) {
	const want = "the settings of a channel"
	data = trimBody(data)
	if err := notJSONObject(want, data); err != nil {
		return Channel{}, err
	}
	var document struct {
		Channel json.RawMessage `json:"channel"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return Channel{}, jsonError(want, data, err)
	}
	if len(document.Channel) > 0 && document.Channel[0] == '{' {
		data = document.Channel
	}
	var c channelJSON
	if err := json.Unmarshal(data, &c); err != nil {
		return Channel{}, jsonError(want, data, err)
	}
	if c.ID.number() == 0 {
		return Channel{}, notDataJSON(want, data)
	}
	return c.channel(), nil
}

// DecodeFeedJSON reads a feed as JSON (contract section 7.4) and hands out its entries one by one, in the feed's order;
// the entry is valid until yield returns. It returns the channel that the feed names. Memory does not grow with the
// feed. An error of yield ends reading and is returned as it is.
//
// Values may be texts, numbers, booleans or null; what else an entry holds is ignored. Entries without a number or a
// date are left out; if there are any, the first is told as a [*RowError] after everything was read, and the channel
// returned beside it is good. The other errors are [ErrEmptyReply], [ErrDenied] for the reply -1 as a number or a text,
// [*ServiceError], [ErrCutShort], [*NotDataError], and those of r.
func DecodeFeedJSON(r io.Reader, yield func(*Entry) error) (Channel, error) {
	var first *RowError
	c, err := decodeFeedJSON(r, nil, func(_ int, e *Entry, _ string) error { return yield(e) }, func(bad *RowError) error {
		if first == nil {
			first = bad
		}
		return nil
	})
	if err == nil && first != nil {
		err = first
	}
	return c, err
}

// ParseUpdateJSON reads an entry as [AppendUpdateJSON] writes it, with the number of its channel: as it comes to whoever has
// subscribed to a channel (contract section 10.3). Values are read as [DecodeFeedJSON] reads them; an entry without a number, a
// date or a channel is an error.
func ParseUpdateJSON(data []byte) (channel int64, e Entry, err error) {
	const want = "an entry as JSON"
	var raw struct {
		ChannelID scalar `json:"channel_id"`
		entryJSON
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return 0, Entry{}, jsonError(want, data, err)
	}
	if channel = raw.ChannelID.number(); channel == 0 {
		return 0, Entry{}, errors.New("channel_id is not a number above 0")
	}
	e, reason := raw.entry(nil)
	if reason != "" {
		return 0, Entry{}, errors.New(reason)
	}
	return channel, e, nil
}

// DecodeFileJSON is [DecodeFeedJSON] of a file: dates and numbers are read as the rules say, yield gets the position of
// the entry too, from 1, and what of it could not be read, and bad is told of each entry that is left out; for an import
// that is any of which not all can be read. What is no JSON is a [*json.SyntaxError].
func DecodeFileJSON(
	r io.Reader, rules FileRules, yield func(line int, e *Entry, lacking string) error, bad func(*RowError) error,
) (Channel, error) {
	return decodeFeedJSON(r, &rules, yield, bad)
}

func decodeFeedJSON(
	r io.Reader, file *FileRules, yield func(int, *Entry, string) error, bad func(*RowError) error,
) (Channel, error) {
	const want = "a feed as JSON"
	b := &budget{src: r, left: MaxEntryJSONBytes}
	peeked := bufio.NewReaderSize(b, 4096)
	head, err := peeked.Peek(4096)
	if err != nil && err != io.EOF {
		return Channel{}, fmt.Errorf("reading a feed: %w", err)
	}
	if err := notJSONObject(want, head); err != nil {
		return Channel{}, err
	}
	if rest, ok := bytes.CutPrefix(head, []byte("\ufeff")); ok {
		peeked.Discard(len(head) - len(rest))
	}
	f := feedDecoder{dec: json.NewDecoder(peeked), budget: b, file: file, yield: yield, bad: bad}
	if err := f.document(); err != nil {
		if f.yieldErr != nil {
			return Channel{}, f.yieldErr
		}
		if _, ok := errors.AsType[*json.SyntaxError](err); ok && f.isFeed && file != nil {
			if e := jsonError(want, head, err); errors.Is(e, ErrCutShort) {
				return Channel{}, e
			}
			return Channel{}, fmt.Errorf("reading %s: %w", want, err)
		}
		return Channel{}, jsonError(want, head, err)
	}
	return f.channel.channel(), nil
}

// notJSONObject returns the error that goes with data that is no JSON object.
func notJSONObject(want string, data []byte) error {
	text := trimBody(data)
	switch {
	case len(text) == 0:
		return ErrEmptyReply
	case unquote(text) == "-1":
		return ErrDenied
	case text[0] != '{':
		return notDataJSON(want, data)
	}
	return nil
}

// notDataJSON is notData, or the error that the relay names.
func notDataJSON(want string, data []byte) error {
	if e := ParseErrorBody(data); e.Code != "" {
		return e
	}
	return notData(want, data)
}

// jsonError says what an error of encoding/json means. The package's own texts repeat what they did not understand.
func jsonError(want string, data []byte, err error) error {
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	_, otherType := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), err == io.EOF:
		return fmt.Errorf("reading %s: %w", want, ErrCutShort)
	case ok && strings.HasPrefix(syntax.Error(), "unexpected end"):
		return fmt.Errorf("reading %s: %w", want, ErrCutShort)
	case ok, otherType, err == errNoFeed:
		return notDataJSON(want, data)
	}
	return fmt.Errorf("reading %s: %w", want, err)
}

// budget is a reader that fails when more is read than is left, so that no value of a stranger fills the memory.
type budget struct {
	src  io.Reader
	left int
}

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("one entry is longer than %d bytes", MaxEntryJSONBytes)
	}
	n, err := b.src.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

var errNoFeed = errors.New("an object without a list of entries")

// feedDecoder reads a feed token by token down to the entries.
type feedDecoder struct {
	dec      *json.Decoder
	budget   *budget
	file     *FileRules // nil for a relay's reply
	yield    func(int, *Entry, string) error
	bad      func(*RowError) error
	yieldErr error // of yield or bad
	channel  channelJSON
	isFeed   bool
}

func (f *feedDecoder) document() error {
	if _, err := f.dec.Token(); err != nil {
		return err
	}
	for f.dec.More() {
		f.budget.left = MaxEntryJSONBytes
		key, err := f.dec.Token()
		if err != nil {
			return err
		}
		switch key {
		case "channel":
			err = f.dec.Decode(&f.channel)
		case "feeds":
			err = f.feeds()
		default:
			var other json.RawMessage
			err = f.dec.Decode(&other)
		}
		if err != nil {
			return err
		}
	}
	_, err := f.dec.Token()
	if err == nil && !f.isFeed {
		return errNoFeed
	}
	return err
}

func (f *feedDecoder) feeds() error {
	open, err := f.dec.Token()
	if err != nil {
		return err
	}
	if open != json.Delim('[') {
		return errNoFeed
	}
	f.isFeed = true
	for n := 1; f.dec.More(); n++ {
		f.budget.left = MaxEntryJSONBytes
		var raw entryJSON
		err := f.dec.Decode(&raw)
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); err != nil && !ok {
			return err
		}
		e, reason := raw.entry(f.file)
		lacking := ""
		if f.file != nil {
			lacking = raw.lacking()
		}
		if reason == "" && lacking != "" && f.file.Import {
			reason = lacking
		}
		if reason != "" {
			f.yieldErr = f.bad(&RowError{Line: n, Reason: reason})
		} else {
			f.yieldErr = f.yield(n, &e, lacking)
		}
		if f.yieldErr != nil {
			return f.yieldErr
		}
	}
	_, err = f.dec.Token()
	return err
}

// scalar is a JSON text, number or boolean, as text; null, arrays and objects leave it absent.
type scalar struct {
	Value
	compound bool   // it is an array or an object
	raw      []byte // a text that is not UTF-8, as it stands there
}

// UnmarshalJSON never fails: what does not fit is as good as absent.
func (s *scalar) UnmarshalJSON(data []byte) error {
	*s = scalar{compound: data[0] == '[' || data[0] == '{'}
	switch data[0] {
	case '"':
		s.Given = json.Unmarshal(data, &s.Text) == nil
		if !utf8.Valid(data) {
			s.raw = bytes.Clone(data)
		}
	case 'n', '[', '{':
	default:
		s.Value = Text(string(data))
	}
	return nil
}

// keepBytes puts back the bytes of a text that are not UTF-8, as a CSV file has them, so that whoever reads a file can be
// told of them.
func (s *scalar) keepBytes() {
	if s.raw == nil {
		return
	}
	var whole, valid []byte
	for rest := s.raw[1 : len(s.raw)-1]; len(rest) > 0; {
		c, size := utf8.DecodeRune(rest)
		if c != utf8.RuneError || size > 1 {
			valid = append(valid, rest[:size]...)
		} else {
			whole = append(appendUnquoted(whole, valid), rest[0])
			valid = valid[:0]
		}
		rest = rest[size:]
	}
	s.Text = string(appendUnquoted(whole, valid))
}

// appendUnquoted appends what stands between the quotation marks of a JSON text. No escape sequence is cut where bytes that
// are not UTF-8 stand: all of them are ASCII.
func appendUnquoted(dst, inside []byte) []byte {
	var text string
	_ = json.Unmarshal(slices.Concat([]byte{'"'}, inside, []byte{'"'}), &text)
	return append(dst, text...)
}

// number is the scalar as a number, 0 if it is none.
func (s scalar) number() int64 {
	n, _ := parseNumber(strings.TrimSpace(s.Text))
	return n
}

func (s scalar) isTrue() bool { return strings.EqualFold(s.Text, "true") }

// time is the scalar as a date, the zero time if it is none.
func (s scalar) time() time.Time {
	t, err := ParseTime(s.Text, nil)
	if err != nil {
		return time.Time{}
	}
	return t
}

type fieldsJSON struct {
	Field1 scalar `json:"field1"`
	Field2 scalar `json:"field2"`
	Field3 scalar `json:"field3"`
	Field4 scalar `json:"field4"`
	Field5 scalar `json:"field5"`
	Field6 scalar `json:"field6"`
	Field7 scalar `json:"field7"`
	Field8 scalar `json:"field8"`
}

func (f *fieldsJSON) values() Fields {
	return Fields{
		f.Field1.Value, f.Field2.Value, f.Field3.Value, f.Field4.Value,
		f.Field5.Value, f.Field6.Value, f.Field7.Value, f.Field8.Value,
	}
}

type entryJSON struct {
	CreatedAt scalar `json:"created_at"`
	EntryID   scalar `json:"entry_id"`
	fieldsJSON
	Latitude  scalar `json:"latitude"`
	Longitude scalar `json:"longitude"`
	Elevation scalar `json:"elevation"`
	Status    scalar `json:"status"`
}

// texts are the values that may be any text: the fields and the status.
func (j *entryJSON) texts() []*scalar {
	return []*scalar{&j.Field1, &j.Field2, &j.Field3, &j.Field4, &j.Field5, &j.Field6, &j.Field7, &j.Field8, &j.Status}
}

// lacking says which of the fields holds no value but a list or an object, empty if none does.
func (j *entryJSON) lacking() string {
	for i, s := range j.texts() {
		if s.compound {
			name := "status"
			if i < FieldCount {
				name = fmt.Sprintf("field%d", i+1)
			}
			return name + " holds a list or an object, where a text or a number should stand"
		}
	}
	return ""
}

// entry makes an entry of what was decoded, or says why it cannot.
func (j *entryJSON) entry(file *FileRules) (e Entry, reason string) {
	if file != nil {
		for _, s := range j.texts() {
			s.keepBytes()
		}
		e = Entry{
			Fields: j.values(), Status: j.Status.Value,
			Latitude: j.Latitude.Value, Longitude: j.Longitude.Value, Elevation: j.Elevation.Value,
		}
		reason = file.finish(&e, j.CreatedAt.Text, j.EntryID.Text)
		return e, reason
	}
	id := j.EntryID.number()
	if id == 0 {
		return e, fmt.Sprintf("entry_id is not a number above 0: %q", excerpt([]byte(j.EntryID.Text), 40))
	}
	t, err := ParseTime(j.CreatedAt.Text, nil)
	if err != nil {
		return e, "created_at is " + err.Error()
	}
	return Entry{
		ID: id, CreatedAt: t, Fields: j.values(), Status: j.Status.Value,
		Latitude: j.Latitude.Value, Longitude: j.Longitude.Value, Elevation: j.Elevation.Value,
	}, ""
}

type channelJSON struct {
	ID          scalar `json:"id"`
	Name        scalar `json:"name"`
	Description scalar `json:"description"`
	Latitude    scalar `json:"latitude"`
	Longitude   scalar `json:"longitude"`
	Elevation   scalar `json:"elevation"`
	fieldsJSON
	Metadata    scalar   `json:"metadata"`
	URL         scalar   `json:"url"`
	Tags        tagsJSON `json:"tags"`
	CreatedAt   scalar   `json:"created_at"`
	UpdatedAt   scalar   `json:"updated_at"`
	LastEntryID scalar   `json:"last_entry_id"`
	PublicFlag  scalar   `json:"public_flag"`
	APIKeys     keysJSON `json:"api_keys"`
}

func (j *channelJSON) channel() Channel {
	c := Channel{
		ID: j.ID.number(), Name: j.Name.Text, Description: j.Description.Text,
		Latitude: j.Latitude.Text, Longitude: j.Longitude.Text, Elevation: j.Elevation.Text,
		Metadata: j.Metadata.Text, URL: j.URL.Text, Tags: j.Tags,
		CreatedAt: j.CreatedAt.time(), UpdatedAt: j.UpdatedAt.time(),
		LastEntryID: j.LastEntryID.number(), Public: j.PublicFlag.isTrue(), Keys: j.APIKeys,
	}
	for i, label := range j.values() {
		if strings.TrimSpace(label.Text) != "" { // one of white space only is none, see Enabled
			c.Labels[i] = label.Text
		}
	}
	return c
}

// tagsJSON are tags as objects with a name, as the service lists them, or as texts.
type tagsJSON []string

// UnmarshalJSON leaves out what is no tag.
func (t *tagsJSON) UnmarshalJSON(data []byte) error {
	var list []json.RawMessage
	if json.Unmarshal(data, &list) != nil {
		return nil
	}
	for _, item := range list {
		var text scalar
		var object struct {
			Name scalar `json:"name"`
		}
		if json.Unmarshal(item, &text) == nil && text.Text != "" {
			*t = append(*t, text.Text)
		} else if json.Unmarshal(item, &object) == nil && object.Name.Text != "" {
			*t = append(*t, object.Name.Text)
		}
	}
	return nil
}

// keysJSON are the API keys of object A.
type keysJSON []Key

// UnmarshalJSON leaves out what is no key.
func (k *keysJSON) UnmarshalJSON(data []byte) error {
	var list []struct {
		APIKey    scalar `json:"api_key"`
		WriteFlag scalar `json:"write_flag"`
	}
	// A list with something else in it is still decoded as far as it fits.
	_ = json.Unmarshal(data, &list)
	for _, key := range list {
		if key.APIKey.Text != "" {
			*k = append(*k, Key{Text: key.APIKey.Text, Write: key.WriteFlag.isTrue()})
		}
	}
	return nil
}

// errorFromJSON returns the error that a reply names, nil if it names none.
func errorFromJSON(text []byte) *ServiceError {
	var reply struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(text, &reply) != nil || len(reply.Error) == 0 {
		return nil
	}
	var parts struct {
		ErrorCode scalar `json:"error_code"`
		Message   scalar `json:"message"`
		Details   scalar `json:"details"`
	}
	if json.Unmarshal(reply.Error, &parts) != nil {
		// The old server gave a sentence in place of the object.
		var sentence scalar
		if json.Unmarshal(reply.Error, &sentence) != nil || !sentence.Given {
			return nil
		}
		parts.Message = sentence
	}
	e := &ServiceError{
		Message: excerpt([]byte(parts.Message.Text), excerptBytes),
		Details: excerpt([]byte(parts.Details.Text), excerptBytes),
	}
	if code := ErrorCode(parts.ErrorCode.Text); code.Status() != 0 {
		e.Code = code
	}
	return e
}

// entryIDOf returns the number of the entry that an object is or holds.
func entryIDOf(text string) (id int64, ok bool) {
	var reply struct {
		EntryID scalar `json:"entry_id"`
	}
	if json.Unmarshal([]byte(text), &reply) != nil {
		return 0, false
	}
	id = reply.EntryID.number()
	return id, id > 0
}
