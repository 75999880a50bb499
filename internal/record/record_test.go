package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// values are those of the first fields.
func values(texts ...string) (all [ReadingFields]Value) {
	for i, text := range texts {
		all[i] = Value{text, true}
	}
	return all
}

// bodies has one of every kind.
func bodies(author *scribe) []Body {
	phone := newScribe(author.t, 77, "")
	return []Body{
		Text(""), Text("Grüße, 你好 🌿"),
		File{"notes.txt", "text/plain", []byte("some\x00bytes")},
		File{"", "", []byte{}},
		File{strings.Repeat("n", 255), strings.Repeat("m", 255), []byte{1}},
		Heartbeat{},
		Heartbeat{{Tag{1}, 2, ShortHash{3}}, {Tag{4}, 5, ShortHash{6}}},
		KeyMoved{KeyID{7}},
		Device{phone.key(), phone.id.ProveDevice(testRoom.Salt, author.key())},
		Reading{Values: values("21.5", "40"), Status: "warm"},
		Reading{Values: [ReadingFields]Value{3: {"", true}, 7: {strings.Repeat("v", 255), true}}},
		Reading{Latitude: "52.52", Longitude: "-13.4", Elevation: ".5"},
		Reading{Status: "only a status"},
	}
}

func TestSignAndVerify(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	for i, body := range bodies(ana) {
		r := Record{
			Number: uint32(i + 2), Clock: MaxClock, Author: ana.key(), Previous: ShortHash{byte(i + 1)},
			Seen: Seen{Tag{8}, 9, ShortHash{10}}, Nick: "ana", Body: body,
		}
		signed, err := Sign(ana.id, testRoom, r)
		if err != nil {
			t.Fatalf("%T: %v", body, err)
		}
		got, hash, err := verifyRecord(testRoom, ana.tag(), r.Number, signed.Bytes)
		if err != nil || hash != signed.Hash {
			t.Fatalf("%T: hash %s, %v", body, hash, err)
		}
		if diff := cmp.Diff(r, got); diff != "" {
			t.Errorf("%T (-signed +read):\n%s", body, diff)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	tooLong := &TooLongError{}
	for _, c := range []struct {
		name string
		r    Record
		want error
	}{
		{"no number", Record{Body: Text("")}, ErrNumber},
		{"a first record with one before it", Record{Number: 1, Previous: ShortHash{1}, Body: Text("")}, ErrNumber},
		{"a later one with none before it", Record{Number: 2, Body: Text("")}, ErrNumber},
		{"before 1970", Record{Number: 1, Clock: -1, Body: Text("")}, ErrClock},
		{"after 10889", Record{Number: 1, Clock: MaxClock + 1, Body: Text("")}, ErrClock},
		{"a seen without number", Record{Number: 1, Seen: Seen{Tag: Tag{1}}, Body: Text("")}, ErrSeen},
		{"a further seen without number", Record{Number: 1, Body: Heartbeat{{}}}, ErrSeen},
		{"an impossible nickname", Record{Number: 1, Nick: "a\nb", Body: Text("")}, ErrNickname},
		{"text that is not UTF-8", Record{Number: 1, Body: Text("\xff")}, ErrBody},
		{"a file name that is too long", Record{Number: 1, Body: File{Name: strings.Repeat("a", 256)}}, ErrBody},
		{"a media type that is not UTF-8", Record{Number: 1, Body: File{Media: "\xff"}}, ErrBody},
		{"a device without proof", Record{Number: 1, Body: Device{Key: ana.key()}}, ErrBody},
		{"an empty reading", Record{Number: 1, Body: Reading{}}, ErrNoReading},
		{"a value that is too long", Record{Number: 1, Body: Reading{Values: values(strings.Repeat("v", 256))}}, ErrBody},
		{"a value that is not UTF-8", Record{Number: 1, Body: Reading{Values: values("\xff")}}, ErrBody},
		{"a value that is not given", Record{Number: 1, Body: Reading{Values: [ReadingFields]Value{{Text: "1"}}}}, ErrBody},
		{"an elevation with an exponent", Record{Number: 1, Body: Reading{Elevation: "1e2"}}, ErrBody},
		{"a latitude of words", Record{Number: 1, Body: Reading{Latitude: "north"}}, ErrBody},
		{"an unknown body", Record{Number: 1, Body: Unknown{Code: 9}}, ErrBody},
		{"an unreadable body", Record{Number: 1, Body: Unreadable{Code: 1}}, ErrBody},
		{"no body", Record{Number: 1}, ErrBody},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Sign(ana.id, testRoom, c.r); !errors.Is(err, c.want) {
				t.Errorf("Sign: %v, want %v", err, c.want)
			}
		})
	}
	longest := Text(make([]byte, MaxSize-MinSize))
	if _, err := Sign(ana.id, testRoom, Record{Number: 1, Body: longest + "!"}); !errors.As(err, &tooLong) {
		t.Errorf("one byte too long: %v", err)
	}
	if _, err := Sign(ana.id, testRoom, Record{Number: 1, Body: longest}); err != nil {
		t.Errorf("the longest text: %v", err)
	}
}

// Each byte counts, and so does each part of the context.
func TestVerifyRefuses(t *testing.T) {
	ana, bo := newScribe(t, 1, "ana"), newScribe(t, 2, "bo")
	r := ana.write(Text("hello"))
	for i := range r.Bytes {
		wrong := bytes.Clone(r.Bytes)
		wrong[i] ^= 0x80
		if _, _, err := verifyRecord(testRoom, r.Tag, r.Number, wrong); !errors.Is(err, ErrForged) {
			t.Errorf("byte %d altered: %v", i, err)
		}
	}
	for name, verify := range map[string]func() error{
		"another tag":    func() error { _, _, err := verifyRecord(testRoom, bo.tag(), r.Number, r.Bytes); return err },
		"another number": func() error { _, _, err := verifyRecord(testRoom, r.Tag, 2, r.Bytes); return err },
		"another room": func() error {
			_, _, err := verifyRecord(Context{Salt{9}, testRoom.Key}, r.Tag, r.Number, r.Bytes)
			return err
		},
		"another key": func() error {
			_, _, err := verifyRecord(Context{testRoom.Salt, KeyID{9}}, r.Tag, r.Number, r.Bytes)
			return err
		},
		"a byte less": func() error {
			_, _, err := verifyRecord(testRoom, r.Tag, r.Number, r.Bytes[:len(r.Bytes)-1])
			return err
		},
		"a byte more":  func() error { _, _, err := verifyRecord(testRoom, r.Tag, r.Number, append(r.Bytes, 0)); return err },
		"next nothing": func() error { _, _, err := verifyRecord(testRoom, r.Tag, r.Number, r.Bytes[:MinSize-1]); return err },
		"nothing":      func() error { _, _, err := verifyRecord(testRoom, r.Tag, r.Number, nil); return err },
	} {
		if err := verify(); !errors.Is(err, ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is signed and breaks the form is unreadable, and no more than that.
func TestUnreadable(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	zero, other := ShortHash{}, ShortHash{1}
	for _, c := range []struct {
		name     string
		number   uint32
		previous ShortHash
		nick     string
		kind     Kind
		body     []byte
		want     Body
	}{
		{"a kind of the future", 1, zero, "ana", 9, []byte{1}, Unknown{9, []byte{1}}},
		{"kind 0", 1, zero, "ana", 0, nil, Unknown{0, []byte{}}},
		{"text that is not UTF-8", 1, zero, "ana", KindText, []byte{0xff}, Unreadable{KindText, []byte{0xff}}},
		{"a file without names", 1, zero, "ana", KindFile, []byte{}, Unreadable{KindFile, []byte{}}},
		{"a file cut short", 1, zero, "ana", KindFile, []byte("\x01a\x02b"), Unreadable{KindFile, []byte("\x01a\x02b")}},
		{"half a receipt", 1, zero, "ana", KindHeartbeat, make([]byte, 12), Unreadable{KindHeartbeat, make([]byte, 12)}},
		{"a receipt of none", 1, zero, "ana", KindHeartbeat, make([]byte, 24), Unreadable{KindHeartbeat, make([]byte, 24)}},
		{"a long key id", 1, zero, "ana", KindKeyMoved, make([]byte, 17), Unreadable{KindKeyMoved, make([]byte, 17)}},
		{"a device without proof", 1, zero, "ana", KindDevice, make([]byte, 96), Unreadable{KindDevice, make([]byte, 96)}},
		{"a reading of nothing", 1, zero, "ana", KindReading, []byte{0}, Unreadable{KindReading, []byte{0}}},
		{"a reading cut short", 1, zero, "ana", KindReading, []byte("\x03\x011"), Unreadable{KindReading, []byte("\x03\x011")}},
		{"a reading that ends empty", 1, zero, "ana", KindReading, []byte("\x01\x011\x00"), Unreadable{KindReading, []byte("\x01\x011\x00")}},
		{"a reading with more behind", 1, zero, "ana", KindReading, []byte("\x00\x00\x00\x00\x011\x00"), Unreadable{KindReading, []byte("\x00\x00\x00\x00\x011\x00")}},
		{"a reading at no place", 1, zero, "ana", KindReading, []byte("\x00\x00\x03NaN"), Unreadable{KindReading, []byte("\x00\x00\x03NaN")}},
		{"a nickname of a control character", 2, other, "\x07", KindText, nil, Text("")},
		{"a nickname that is too long", 2, other, strings.Repeat("a", 25), KindText, nil, Text("")},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := signRaw(ana.id, c.number, c.previous, c.nick, c.kind, c.body)
			r, hash, err := verifyRecord(testRoom, raw.Tag, raw.Number, raw.Bytes)
			if err != nil || hash != raw.Hash {
				t.Fatal(hash, err)
			}
			if diff := cmp.Diff(c.want, r.Body); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if (r.Nick != "") != (c.nick == "ana") {
				t.Errorf("nickname %q", r.Nick)
			}
		})
	}
	for name, raw := range map[string]Signed{
		"a first record with one before it": signRaw(ana.id, 1, other, "ana", KindText, nil),
		"a later one with none before it":   signRaw(ana.id, 2, zero, "ana", KindText, nil),
		"a nickname that does not end":      signRaw(ana.id, 1, zero, "ana", KindText, nil).withNickOf(ana.id, 200),
	} {
		r, _, err := verifyRecord(testRoom, raw.Tag, raw.Number, raw.Bytes)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, ok := r.Body.(Unreadable); !ok || r.Nick != "" || !r.Previous.IsZero() || r.Number != raw.Number {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// withNickOf says that the nickname has n bytes, and signs that.
func (s Signed) withNickOf(id Identity, n byte) Signed {
	e := newEnvelope(testRoom, s.Tag, s.Number, len(s.Bytes))
	e.covered = append(e.covered, s.Bytes...)
	e.covered[prefixSize+MinSize-SignatureSize-1] = n
	_ = e.seal()
	signature := id.sign(e.covered)
	return Signed{s.Tag, s.Number, e.hash, append(bytes.Clone(e.covered[prefixSize:]), signature[:]...)}
}

func TestRecordTime(t *testing.T) {
	for clock, want := range map[int64]string{
		0: "1970-01-01T00:00:00Z", noon.UnixMilli() + 7: "2026-11-20T12:00:00.007Z", MaxClock: "9999-12-31T23:59:59Z",
	} {
		r := Record{Clock: clock}
		if got := r.Time().Format(time.RFC3339Nano); got != want {
			t.Errorf("clock %d is %s, want %s", clock, got, want)
		}
	}
}

func TestIdentityRedacts(t *testing.T) {
	id := NewIdentity([KeySize]byte{1, 2, 3})
	seed := id.RevealSeed()
	if NewIdentity(seed).Public() != id.Public() || seed != [KeySize]byte{1, 2, 3} {
		t.Error("the seed does not make the identity again")
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("made", "identity", id)
	doc, err := json.Marshal(map[string]any{"id": id})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(id), fmt.Sprintf("%+v %#v %x %d %s", id, id, id, id, &id), fmt.Sprintf("%v", struct{ I Identity }{id}),
		log.String(), string(doc),
	} {
		if !strings.Contains(text, "identity:"+id.Public().Tag().String()) || strings.Contains(text, "010203") {
			t.Errorf("printed as %q", text)
		}
	}
	if got := (Identity{}).String(); got != "identity:none" || !(Identity{}).IsZero() {
		t.Errorf("no identity is %q", got)
	}
	if one, other := GenerateIdentity(), GenerateIdentity(); one.Public() == other.Public() {
		t.Error("two identities are the same")
	}
}

func TestPublicKeyText(t *testing.T) {
	key := NewIdentity([KeySize]byte{1}).Public()
	var got PublicKey
	if err := got.UnmarshalText([]byte(key.String())); err != nil || got != key || key.IsZero() || !(PublicKey{}).IsZero() {
		t.Errorf("read back as %s, %v", got, err)
	}
	for _, wrong := range []string{"", "3f9a", key.String() + "00", strings.Repeat("g", 64), key.String()[:63]} {
		if err := got.UnmarshalText([]byte(wrong)); !errors.Is(err, ErrMalformedKey) {
			t.Errorf("UnmarshalText(%q): %v", wrong, err)
		}
	}
	doc, err := json.Marshal(map[PublicKey]Tag{key: key.Tag()})
	if err != nil || !strings.Contains(string(doc), key.Tag().String()) {
		t.Errorf("as JSON %s, %v", doc, err)
	}
}

func TestKindString(t *testing.T) {
	for kind, want := range map[Kind]string{
		KindText: "text", KindFile: "file", KindHeartbeat: "heartbeat", KindKeyMoved: "key moved", KindDevice: "device",
		KindReading: "reading", KindLetter: "letter", 9: "kind 9",
	} {
		if kind.String() != want {
			t.Errorf("kind %d is %q, want %q", byte(kind), kind, want)
		}
	}
	for _, body := range bodies(newScribe(t, 1, "")) {
		if r := (Record{Body: body}); r.Kind() < KindText || r.Kind() > KindReading {
			t.Errorf("%T is of %s", body, r.Kind())
		}
	}
	for compared, want := range map[bool]string{false: "ana, whose key you have not compared, says", true: "ana, whose key you have compared, has"} {
		if got := (KeyMoved{}).Notice("ana", compared); !strings.Contains(got, `run "fernpost key add"`) || !strings.HasPrefix(got, want) {
			t.Errorf("notice %q", got)
		}
	}
}
