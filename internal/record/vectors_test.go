package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/passphrase"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

const vectorsFile = "testdata/vectors.json"

// vectors is what a second implementation reads. Bytes are hexadecimal, except for the Fernet key.
type vectors struct {
	Channel   int64            `json:"channel"`
	Salt      hexBytes         `json:"salt"`
	FernetKey string           `json:"fernet_key"`
	KeyID     hexBytes         `json:"key_id"`
	Authors   []authorVector   `json:"authors"`
	Records   []recordVector   `json:"records"`
	Refused   []refusedVector  `json:"refused"`
	Nicknames []nicknameVector `json:"nicknames"`
	Digest    digestVector     `json:"digest_of_all_records_and_a_text"`
}

type authorVector struct {
	Seed   hexBytes `json:"seed"`
	Key    hexBytes `json:"key"`
	Tag    hexBytes `json:"tag"`
	Safety hexBytes `json:"safety"`
	Words  string   `json:"words"`
}

// recordVector has the cells in a mixed order, as a feed may have them.
type recordVector struct {
	Name       string         `json:"name"`
	Author     hexBytes       `json:"author"`
	Number     uint32         `json:"number"`
	Kind       int            `json:"kind"`
	Clock      int64          `json:"clock"`
	Previous   hexBytes       `json:"previous"`
	Seen       *seenVector    `json:"seen"`
	Nick       string         `json:"nick"`
	Unreadable bool           `json:"unreadable"`
	Body       map[string]any `json:"body"`
	Hash       hexBytes       `json:"hash"`
	Record     hexBytes       `json:"record"`
	Cells      []hexBytes     `json:"cells"`
}

type seenVector struct {
	Tag    hexBytes `json:"tag"`
	Number uint32   `json:"number"`
	Hash   hexBytes `json:"hash"`
}

// refusedVector says what becomes of cells: "malformed", "newer", "forged", "incomplete" or "filler".
type refusedVector struct {
	Name  string     `json:"name"`
	Is    string     `json:"is"`
	Cells []hexBytes `json:"cells"`
}

type nicknameVector struct {
	Nick     string   `json:"nick"`
	Possible bool     `json:"possible"`
	Forms    []string `json:"forms"`
}

// digestVector is of all records, each in an entry of its own, in order, and a text behind them.
type digestVector struct {
	Text   string   `json:"text_token"`
	Digest hexBytes `json:"digest"`
	Words  string   `json:"words"`
}

type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }
func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

// makeVectors makes the vectors from fixed seeds.
func makeVectors(t *testing.T) vectors {
	const channel = 1234567
	key := fernet.NewKey([fernet.KeySize]byte([]byte("fernpost's vectors: a public key")))
	ctx := Context{Salt(passphrase.RoomSalt(channel)), KeyID(key.ID())}
	v := vectors{Channel: channel, Salt: ctx.Salt[:], FernetKey: key.Reveal(), KeyID: ctx.Key[:]}

	ana, bo := newScribe(t, 1, "ana"), newScribe(t, 2, "Grüße 好")
	digest := NewDigest(ctx.Salt)
	add := func(name string, signed Signed) {
		r, hash, err := verifyRecord(ctx, signed.Tag, signed.Number, signed.Bytes)
		if err != nil || hash != signed.Hash {
			t.Fatalf("%s: %v", name, err)
		}
		digest.Add(&Held{Author: r.Author, Number: r.Number, Hash: hash})
		v.Records = append(v.Records, describe(t, name, signed, r))
	}
	for _, s := range []*scribe{ana, bo} {
		s.ctx = ctx
		seed, public, safety := s.id.RevealSeed(), s.key(), s.key().Safety()
		tag := public.Tag()
		v.Authors = append(v.Authors, authorVector{
			seed[:], public[:], tag[:], safety[:], passphrase.SixWords(safety),
		})
	}
	first := ana.write(Text("hello"))
	add("the first text, two cells", first)
	add("a text with a receipt", bo.write(Text("Grüße, 你好 🌿"), seen(first)))
	add("an empty text", ana.write(Text("")))
	add("a text of 60 bytes with a nickname of 3, which fills two cells", ana.write(Text(strings.Repeat("sixty ", 10))))
	add("one byte more takes three", ana.write(Text(strings.Repeat("sixty ", 10)+"1")))
	add("a file", bo.write(File{"notes.txt", "text/plain", bytes.Repeat([]byte{0, 1, 2, 0xff}, 100)}))
	beat := bo.write(Heartbeat{seen(first), {Tag{1, 2, 3, 4}, 4294967295, ShortHash{5}}}, seen(first))
	add("a heartbeat", beat)
	add("a key moved", ana.write(KeyMoved{KeyID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}}))
	add("a device", ana.write(Device{bo.key(), bo.id.ProveDevice(ctx.Salt, ana.key())}, seen(beat)))
	add("a device withdrawn", ana.write(Device{Key: bo.key()}))
	ana.nick = ""
	add("no nickname", ana.write(Text("who am I?")))
	ana.nick = "ana"
	add("a reading", bo.write(Reading{Values: values("21.5", "40"), Status: "warm"}, seen(beat)))
	add("a reading with gaps", ana.write(Reading{
		Values: [ReadingFields]Value{1: {"", true}, 7: {"Grüße", true}}, Latitude: "52.52", Elevation: "-3",
	}))
	ana.nick = ""

	raw := func(name string, kind Kind, nick string, number uint32, previous ShortHash, body []byte) {
		add(name, signRawIn(ctx, ana.id, number, previous, nick, kind, body))
	}
	raw("a kind of the future", 200, "ana", 101, ShortHash{1}, []byte("what?"))
	raw("a text that is not UTF-8", KindText, "ana", 102, ShortHash{1}, []byte("an\xff"))
	raw("half a receipt", KindHeartbeat, "ana", 103, ShortHash{1}, make([]byte, 12))
	raw("a file without media type", KindFile, "ana", 104, ShortHash{1}, []byte{1, 'a'})
	raw("a device that another key has signed", KindDevice, "ana", 105, ShortHash{1}, bytes.Repeat([]byte{1}, KeySize+SignatureSize))
	raw("a claim on a key that is nobody's", KindDevice, "ana", 108, ShortHash{1}, make([]byte, KeySize+SignatureSize))
	self := ana.id.ProveDevice(ctx.Salt, ana.key())
	own := ana.key()
	raw("a claim on oneself", KindDevice, "ana", 109, ShortHash{1}, slices.Concat(own[:], self[:]))
	raw("an invitation, of a later version", 7, "ana", 110, ShortHash{1}, []byte("letter"))
	raw("a reading that says nothing", KindReading, "ana", 111, ShortHash{1}, []byte{0})
	raw("a reading that ends with an empty text", KindReading, "ana", 112, ShortHash{1}, []byte{1, 1, '4', 0})
	raw("a reading with half a value", KindReading, "ana", 113, ShortHash{1}, []byte{1, 2, '4'})
	raw("a reading at no place", KindReading, "ana", 114, ShortHash{1}, []byte{1, 1, '4', 0, 5, 'n', 'o', 'r', 't', 'h'})
	raw("a nickname of control characters", KindText, "\x1b[2J", 106, ShortHash{1}, []byte("hello"))
	raw("a later record that names none before it", KindText, "ana", 107, ShortHash{}, []byte("hello"))

	v.Refused = refusedVectors(t, ctx, ana, first)
	for _, nick := range []string{
		"ana", "Ana", "ＡＮＡ", "аna", "Straße", "Zoë", "Zoe\u0308", "r2-d2_v1.0", "ana  k", " ana", "-ana", "\u202eana",
		"a\u200bna", strings.Repeat("\u0323", 12), strings.Repeat("a", 24), strings.Repeat("a", 25), "", "\u3164",
		"Ian", "lan", "роса", "佐々木", "ベーカー", "anaʹ", "anaᵃ", "ស្រី", "ana\u17d2", "ana\u2d7f", "6f691867", "6F69186７", "6f69186", "pyꞌs phone",
		"py\u05d9s", "יוסי", "bo and cy", "bo аnԁ cy", "Bo Andersen", "ana 7", "ana 7b", "ana 7-9", "2 more", "7", "ana ꝸ bo",
		"ana 2\u0903 yes", "राम\u0903", "ana\u1038", "အေး", "मीरा", "Guðrún", "ana\U00013441", "ana\U0001da9b", "ana.", "a n_a",
	} {
		v.Nicknames = append(v.Nicknames, nicknameVector{nick, CheckNickname(nick) == nil, Skeletons(nick)})
	}
	digest.Add(textLine(t, specToken))
	sum := digest.Sum()
	v.Digest = digestVector{specToken, sum[:], passphrase.SixWords([16]byte(sum[:16]))}
	return v
}

// specToken is the one of the Fernet specification's vectors.
const specToken = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="

func textLine(t *testing.T, token string) *Held {
	raw, err := base64.URLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	return &Held{Hash: sha256.Sum256(raw)}
}

func describe(t *testing.T, name string, signed Signed, r Record) recordVector {
	cells, err := signed.Cells()
	if err != nil {
		t.Fatal(err)
	}
	v := recordVector{
		Name: name, Author: r.Author[:], Number: r.Number, Kind: int(r.Kind()), Clock: r.Clock, Previous: r.Previous[:],
		Nick: r.Nick, Hash: signed.Hash[:], Record: signed.Bytes, Body: map[string]any{},
	}
	if r.Seen != (Seen{}) {
		v.Seen = &seenVector{r.Seen.Tag[:], r.Seen.Number, r.Seen.Hash[:]}
	}
	for i := range cells { // the last first, then the others in their order
		v.Cells = append(v.Cells, cells[(i+len(cells)-1)%len(cells)][:])
	}
	switch body := r.Body.(type) {
	case Text:
		v.Body["text"] = string(body)
	case File:
		v.Body["name"], v.Body["media"], v.Body["content"] = body.Name, body.Media, hexBytes(body.Content)
	case Heartbeat:
		more := []seenVector{}
		for _, s := range body {
			more = append(more, seenVector{s.Tag[:], s.Number, s.Hash[:]})
		}
		v.Body["seen"] = more
	case KeyMoved:
		v.Body["key"] = hexBytes(body.Key[:])
	case Device:
		v.Body["device"], v.Body["withdraws"] = hexBytes(body.Key[:]), body.Withdraws()
	case Reading:
		values := map[string]string{}
		for i, value := range body.Values {
			if value.Given {
				values[strconv.Itoa(i+1)] = value.Text
			}
		}
		v.Body["values"], v.Body["status"] = values, body.Status
		v.Body["location"] = []string{body.Latitude, body.Longitude, body.Elevation}
	case Unreadable:
		v.Unreadable = true
	}
	return v
}

func refusedVectors(t *testing.T, ctx Context, ana *scribe, first Signed) (all []refusedVector) {
	add := func(name, is string, cells ...[CellSize]byte) {
		v := refusedVector{Name: name, Is: is}
		for _, c := range cells {
			v.Cells = append(v.Cells, c[:])
		}
		all = append(all, v)
	}
	cut := func(record []byte, tag Tag, number uint32) [][CellSize]byte {
		cells, err := Cut(record, tag, number)
		if err != nil {
			t.Fatal(err)
		}
		return cells
	}
	cells := cut(first.Bytes, first.Tag, first.Number)
	changed := func(part, at int, to byte) [CellSize]byte {
		c := cells[part]
		c[at] = to
		return c
	}
	add("a filler", "filler", Filler())
	add("a filler that is not empty", "malformed", [CellSize]byte{Mark, Version, CellSize - 1: 1})
	add("another version", "newer", changed(0, 1, 2))
	add("part 2 of 2", "malformed", changed(1, partAt+1, 2))
	many := changed(1, partsAt, (MaxParts+1)>>8)
	many[partsAt+1] = (MaxParts + 1) & 0xff
	add("39,947 parts", "malformed", many)
	add("a link in the last part", "malformed", changed(1, linkAt, 1))
	add("a record that takes three cells", "malformed", changed(0, headerSize+2, 208))
	add("part 1 alone", "incomplete", cells[1])
	add("part 0 with another end", "incomplete", cells[0], changed(1, CellSize-2, 1))
	padded := changed(1, CellSize-1, 1)
	start := cells[0]
	next := linkTo(&padded)
	for i := range 8 {
		start[linkAt+i] = byte(next >> (56 - 8*i))
	}
	add("content behind the record", "malformed", start, padded)
	add("another number", "forged", cut(first.Bytes, first.Tag, 2)...)
	add("another tag", "forged", cut(first.Bytes, Tag{1, 2, 3, 4}, first.Number)...)
	wrong := slices.Clone(first.Bytes)
	wrong[len(wrong)-1] ^= 1
	add("a bit of the signature", "forged", cut(wrong, first.Tag, first.Number)...)
	wrong = slices.Clone(first.Bytes)
	wrong[0] = byte(KindHeartbeat)
	add("another kind", "forged", cut(wrong, first.Tag, first.Number)...)
	other := *ana
	other.number, other.previous, other.ctx = 0, ShortHash{}, Context{Salt{1}, ctx.Key}
	stranger := other.write(Text("hello"))
	add("signed for another room", "forged", cut(stranger.Bytes, stranger.Tag, 1)...)
	other.number, other.previous, other.ctx = 0, ShortHash{}, Context{ctx.Salt, KeyID{1}}
	stranger = other.write(Text("hello"))
	add("signed for another key", "forged", cut(stranger.Bytes, stranger.Tag, 1)...)
	for _, key := range weakKeys()[:14] {
		nobody := signFor(t, ctx, key, 1, Seen{}, KindText, []byte("hello"))
		add("signed for a key that is nobody's", "malformed", cut(nobody.Bytes, nobody.Tag, 1)...)
	}
	add("too short for a record", "forged", cut(first.Bytes[:MinSize-1], first.Tag, first.Number)...)
	return all
}

// The vectors are what this package makes, so that a change of the format is never an accident.
func TestVectorsAreUpToDate(t *testing.T) {
	made, err := json.MarshalIndent(makeVectors(t), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	made = append(made, '\n')
	if *update {
		if err := os.WriteFile(vectorsFile, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(kept), string(made)); diff != "" {
		t.Errorf("%s (-kept +made), -update writes it anew:\n%s", vectorsFile, diff)
	}
}

func loadVectors(t testing.TB) (v vectors) {
	t.Helper()
	doc, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *vectors) cells(plain []hexBytes, entry int64) (cells []Cell) {
	for i, p := range plain {
		cells = append(cells, Cell{Spot{Place{0, entry}, i + 1}, KeyID(v.KeyID), [CellSize]byte(p)})
	}
	return cells
}

// What stands in the vectors is read from their cells alone.
func TestVectorsAreRead(t *testing.T) {
	v := loadVectors(t)
	reader, known := NewReader(Salt(v.Salt), PublicKey{}), NewMemory()
	read := func(cells []Cell) *Result {
		known.Keep(cells)
		result, err := reader.Read(known, cells, View{}, noon)
		if err != nil {
			t.Fatal(err)
		}
		known.Apply(result.Change)
		return result
	}
	for i, want := range v.Records {
		result := read(v.cells(want.Cells, int64(i+1)))
		if len(result.Messages) != 1 {
			t.Errorf("%s: %+v", want.Name, result)
			continue
		}
		m := result.Messages[0]
		got := describe(t, want.Name, Signed{m.Author.Tag(), m.Number, m.Hash, want.Record}, m.Record)
		if diff := cmp.Diff(asJSON(t, want), asJSON(t, got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.Name, diff)
		}
	}
	lines := known.Records()
	slices.SortFunc(lines, func(a, b Held) int { return a.Compare(&b) })
	digest := NewDigest(Salt(v.Salt))
	for i := range lines {
		digest.Add(&lines[i])
	}
	digest.Add(textLine(t, v.Digest.Text))
	if sum := digest.Sum(); !bytes.Equal(sum[:], v.Digest.Digest) {
		t.Errorf("digest %x, want %x", sum, v.Digest.Digest)
	}
	for _, want := range v.Refused {
		reader, known = NewReader(Salt(v.Salt), PublicKey{}), NewMemory()
		result := read(v.cells(want.Cells, 1))
		got := "filler"
		switch {
		case len(result.Messages) > 0:
			got = "read"
		case len(result.Change.Told) > 0:
			got = result.Change.Told[0].Kind.String()
		case result.Refused > 0:
			got = "malformed"
		case len(result.Waiting) > 0:
			got = "incomplete"
		}
		if got != want.Is {
			t.Errorf("%s: %s, want %s", want.Name, got, want.Is)
		}
	}
}

func asJSON(t *testing.T, v any) (plain any) {
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(doc, &plain); err != nil {
		t.Fatal(err)
	}
	return plain
}
