// Package item has messages, findings and states as every face shows them: to programs in JSON, from commands with --json and from the
// gateway, and what is said of them to people. In JSON no key is ever left out: what is not known is null. The tags "means" say what
// each stands for.
package item

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Message is a message, signed or not.
type Message struct {
	Entry    *int64             `json:"entry" means:"number of the feed's entry that it stands in; null while none is known"`
	Field    *int               `json:"field" means:"field of that entry, for text that nobody has signed; null of one in the status"`
	Posted   *time.Time         `json:"posted" means:"when the relay took it, by its clock"`
	Sealed   *time.Time         `json:"sealed" means:"when it was encrypted, by the sender's clock"`
	Kind     string             `json:"kind" means:"text, file, heartbeat, key moved, device, reading, …; of unsigned ones text, reading, binary or record"`
	Signed   bool               `json:"signed" means:"whether a key has signed it: then that key is its author"`
	Author   *string            `json:"author" means:"how the author is called"`
	Key      *record.PublicKey  `json:"key" means:"the author's public key, 64 hexadecimal digits"`
	Standing *string            `json:"standing" means:"whose word it is: own, verified (words compared), known, new (the key's first message here), lost (a lost device's) or unsigned; null where that was not looked up"`
	Number   *uint32            `json:"number" means:"the author's number of it"`
	Clock    *time.Time         `json:"clock" means:"when it was written, by the author's clock"`
	Text     *string            `json:"text" means:"what it says, if it is a text"`
	Reading  *Reading           `json:"reading" means:"what a sensor has measured, if it is a reading; otherwise null:"`
	File     *string            `json:"file" means:"name of the file, if it is one, as its author wrote it"`
	Size     int                `json:"size" means:"bytes of the text, the reading or the file; 0 for the other kinds"`
	Opened   *int               `json:"room_key" means:"which of the room's keys has opened it, 0 is the newest; of unsigned ones"`
	Own      bool               `json:"own" means:"whether this device has written it"`
	Behind   *uint32            `json:"behind" means:"number of a later one of its author that it stands behind; null if it stands behind none"`
	Before   *int64             `json:"before" means:"of one that came late, in \"watch\": entry of a message that was there before and stands behind it; otherwise null"`
	Names    *Named             `json:"names" means:"the message that it names as seen, if that is not its author's newest above; otherwise null:"`
	Forked   bool               `json:"forked" means:"whether its author's key wrote another one with this number"`
	Lost     bool               `json:"lost" means:"whether it is by a device that was withdrawn as lost, on this device"`
	LeftBy   []record.PublicKey `json:"left_by" means:"the public keys of those who have taken back that its author is a device of theirs"`
	OldKey   bool               `json:"old_key" means:"whether somebody else sealed it with a key that the room had moved away from, knowingly or not"`
	Device   *record.PublicKey  `json:"device" means:"the public key that it speaks of, if its kind is device"`
	Claims   *bool              `json:"claims" means:"whether it calls that key a device of its author's; false: it takes that back"`
	Moved    *string            `json:"moved_to" means:"id of the key that the room is to go on with, 32 hexadecimal digits, if its kind is key moved"`
	State    *string            `json:"state" means:"of an own message: queued, tried, accepted, unknown"`
	Back     *bool              `json:"read_back" means:"of an own message: whether it was read back; until then only the relay says that it stands in that entry"`
	SeenBy   []string           `json:"seen_by" means:"of an own message: who says to have read it"`
	Words    *string            `json:"words" means:"what it is, in words, if it is neither a text, a reading nor a file"`
	Notes    []string           `json:"notes" means:"what a reader should know of it besides, in words: that its clock is far off, that it came late, …"`
	Notice   *string            `json:"notice" means:"what to read in its place: its author says that the room goes on with a key that is not here"`
}

// Reading is what a sensor has measured. Values are texts, or with --numbers numbers where they are such.
type Reading struct {
	Field1    any `json:"field1" means:"value of the first field, a string; with --numbers a number where it is one; null where there is none"`
	Field2    any `json:"field2" means:"of the second, and so on"`
	Field3    any `json:"field3" means:"of the third"`
	Field4    any `json:"field4" means:"of the fourth"`
	Field5    any `json:"field5" means:"of the fifth"`
	Field6    any `json:"field6" means:"of the sixth"`
	Field7    any `json:"field7" means:"of the seventh"`
	Field8    any `json:"field8" means:"of the eighth"`
	Status    any `json:"status" means:"its status"`
	Latitude  any `json:"latitude" means:"where it was measured, in degrees"`
	Longitude any `json:"longitude" means:"the same, to the east"`
	Elevation any `json:"elevation" means:"the same, in metres above the sea"`
}

func ofReading(r *record.Reading, numbers bool) *Reading {
	value := func(s string) any {
		if number, ok := thingspeak.JSONNumber(s); ok && numbers {
			return json.Number(number)
		}
		return s
	}
	some := func(s string) any {
		if s == "" {
			return nil
		}
		return value(s)
	}
	j := &Reading{Latitude: some(r.Latitude), Longitude: some(r.Longitude), Elevation: some(r.Elevation)}
	if r.Status != "" {
		j.Status = r.Status
	}
	for i, to := range []*any{&j.Field1, &j.Field2, &j.Field3, &j.Field4, &j.Field5, &j.Field6, &j.Field7, &j.Field8} {
		if v := r.Values[i]; v.Given {
			*to = value(v.Text)
		}
	}
	return j
}

// Named is a message that another one names.
type Named struct {
	Author string           `json:"author" means:"how its author is called"`
	Key    record.PublicKey `json:"key" means:"its author's public key"`
	Number uint32           `json:"number" means:"its author's number of it"`
	Below  bool             `json:"below" means:"whether it stands below; otherwise another one of its author stands between"`
}

// Of is a message for programs; with numbers, values that are numbers are such in JSON.
func Of(it *model.Item, numbers bool) Message {
	var reading *Reading
	if r, ok := it.Reading(); ok {
		reading = ofReading(&r, numbers)
	}
	if it.Unsigned != nil {
		j := OfUnsigned(it.Unsigned)
		j.Notes = append(j.Notes, Notes(it)...)
		j.Reading = reading
		j.Before, j.Own = known(it.Before), it.Unsigned.Own
		if it.Sent != nil {
			j.Own, j.State, j.Back = true, new(it.Sent.Sent.String()), new(false)
			j.Entry = known(it.Sent.Entry)
		}
		return j
	}
	m := it.Record
	j := Message{
		Entry: known(it.At.Entry), Posted: known(it.Posted), Sealed: known(it.Sealed), Kind: m.Kind().String(), Signed: true,
		Reading: reading, Author: &m.Name, Key: &m.Author, Standing: ofStanding(it), Number: &m.Number, Clock: new(m.Time()),
		Own: m.Own, Behind: known(m.Behind), Before: known(it.Before), Forked: m.Forked, Lost: it.Lost, OldKey: it.OldKey, SeenBy: append([]string{}, it.SeenBy...), Notice: known(it.Notice),
		Notes: append([]string{}, Notes(it)...), LeftBy: []record.PublicKey{},
	}
	if it.Left != nil {
		j.LeftBy = it.Left.By
	}
	if m.Own {
		j.Back = new(it.At.Entry > 0)
	}
	if it.Sent != nil {
		j.State = new(it.Sent.Sent.String())
		if it.Sent.Sent == model.StateAccepted && it.At.Entry == 0 {
			j.Entry = known(it.Sent.Entry)
		}
	}
	if n := m.Refers; n != nil {
		j.Names = &Named{n.Name, n.Author, n.Number, n.Below}
	}
	switch b := m.Body.(type) {
	case record.Text:
		j.Text, j.Size = new(string(b)), len(b)
	case record.File:
		j.File, j.Size = &b.Name, len(b.Content)
	case record.Reading:
		j.Size = record.BodySize(b)
	case record.Device:
		j.Device, j.Claims = &b.Key, new(!b.Withdraws())
	case record.KeyMoved:
		j.Moved = new(hex.EncodeToString(b.Key[:]))
	}
	if j.Text == nil && j.File == nil && reading == nil {
		words, _ := OfBody(m.Body, "")
		j.Words = &words
	}
	return j
}

// standingWords are what programs read where it is not the word for people.
var standingWords = map[model.Standing]string{model.Yours: "own", model.NewKey: "new"}

func ofStanding(it *model.Item) *string {
	standing := it.Standing
	if r := it.Record; r != nil && r.Own {
		standing = model.Yours
	}
	return known(cmp.Or(standingWords[standing], string(standing)))
}

// OfUnsigned is what is known of text that nobody has signed.
func OfUnsigned(m *model.Message) Message {
	j := Message{
		Entry: known(m.Entry), Field: known(m.Field), Posted: known(m.Posted), Sealed: &m.Sealed, Kind: string(m.Kind), Size: m.Size,
		Opened: &m.Key, SeenBy: []string{}, Notes: []string{}, Standing: new(string(model.Unsigned)),
	}
	switch m.Kind {
	case model.KindText:
		j.Text = &m.Text
	case model.KindReading:
	default:
		j.Words = new(OfUnsignedKind(m))
	}
	return j
}

// known returns a value that is known, and nil for none.
func known[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
