package record

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"unicode/utf8"
)

func fuzzSeeds(f *testing.F, add func(vectors)) {
	f.Helper()
	add(loadVectors(f))
}

// A cell is refused, or its header says what stands in it.
func FuzzParseCell(f *testing.F) {
	fuzzSeeds(f, func(v vectors) {
		for _, r := range v.Records {
			f.Add([]byte(r.Cells[0]))
		}
		for _, r := range v.Refused {
			f.Add([]byte(r.Cells[0]))
		}
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		var plain [CellSize]byte
		copy(plain[:], b)
		h, err := parseCell(&plain)
		if err != nil {
			return
		}
		if h.number == 0 {
			if plain != Filler() {
				t.Fatalf("taken for a filler: %x", plain)
			}
			return
		}
		again := [CellSize]byte{Mark, Version}
		copy(again[tagAt:], h.tag[:])
		binary.BigEndian.PutUint32(again[numberAt:], h.number)
		binary.BigEndian.PutUint16(again[partAt:], h.part)
		binary.BigEndian.PutUint16(again[partsAt:], h.parts)
		binary.BigEndian.PutUint64(again[linkAt:], uint64(h.next))
		copy(again[headerSize:], plain[headerSize:])
		if again != plain || h.part >= h.parts || h.parts > MaxParts {
			t.Fatalf("%x is read as %+v", plain, h)
		}
	})
}

// Whatever an author signs is read, and what is read in full is written as the same bytes.
func FuzzRecord(f *testing.F) {
	fuzzSeeds(f, func(v vectors) {
		for _, r := range v.Records {
			f.Add([]byte(r.Record), r.Number)
		}
	})
	f.Add([]byte{}, uint32(0))
	id := NewIdentity([KeySize]byte{1})
	public := id.Public()
	f.Fuzz(func(t *testing.T, b []byte, number uint32) {
		if _, _, err := verifyRecord(testRoom, public.Tag(), number, b); err == nil {
			t.Fatal("nobody signed this")
		}
		if len(b) < MinSize || number == 0 { // a cell's number is above 0
			return
		}
		b = slices.Clone(b)
		copy(b[authorAt:], public[:])
		e := newEnvelope(testRoom, public.Tag(), number, len(b))
		e.covered = append(e.covered, b...)
		if e.seal() != nil {
			t.Fatal("not sealed")
		}
		r := e.open()
		if r.Number != number || r.Author != public || r.Kind() != Kind(b[0]) {
			t.Fatalf("%x is read as %+v", b, r)
		}
		if r.Nick != "" && CheckNickname(r.Nick) != nil {
			t.Fatalf("nickname %q", r.Nick)
		}
		switch r.Body.(type) {
		case Unknown, Unreadable:
			return
		}
		signed, err := Sign(id, testRoom, r)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", r, err)
		}
		if impossible := r.Nick == "" && b[MinSize-SignatureSize-1] > 0; !impossible &&
			!bytes.Equal(signed.Bytes[:len(signed.Bytes)-SignatureSize], b[:len(b)-SignatureSize]) {
			t.Fatalf("%x is written as %x", b, signed.Bytes)
		}
		again, hash, err := verifyRecord(testRoom, signed.Tag, number, signed.Bytes)
		if err != nil || hash != signed.Hash || again.Number != number {
			t.Fatalf("%x is not read again: %v", signed.Bytes, err)
		}
	})
}

// A body is read as what its bytes say, or is unreadable.
func FuzzBody(f *testing.F) {
	ana := newScribe(f, 1, "ana")
	for _, body := range bodies(ana) {
		b, err := appendBody(nil, body, testRoom.Salt, ana.key())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(body.Kind()), b)
	}
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		body := parseBody(Kind(kind), b, testRoom.Salt, ana.key())
		switch body := body.(type) {
		case Unknown:
			if kind >= 1 && kind <= 6 {
				t.Fatalf("kind %d is unknown", kind)
			}
		case Unreadable:
			if kind < 1 || kind > 6 || kind == 1 && utf8.Valid(b) {
				t.Fatalf("kind %d is unreadable: %x", kind, body.Data)
			}
		default:
			again, err := appendBody(nil, body, testRoom.Salt, ana.key())
			if err != nil || !bytes.Equal(again, b) {
				t.Fatalf("%x is written as %x, %v", b, again, err)
			}
		}
	})
}

// A nickname that is accepted is short, one line, and looks like itself in other letters of its case.
func FuzzNickname(f *testing.F) {
	fuzzSeeds(f, func(v vectors) {
		for _, n := range v.Nicknames {
			f.Add(n.Nick)
		}
	})
	f.Fuzz(func(t *testing.T, nick string) {
		forms := Skeletons(nick)
		if CheckNickname(nick) != nil {
			return
		}
		if len(nick) > MaxNickname || !utf8.ValidString(nick) {
			t.Fatalf("%q is accepted", nick)
		}
		if len(forms) == 0 || len(forms) > 2 || slices.Contains(forms, "") {
			t.Fatalf("%q has the forms %q", nick, forms)
		}
		if again := Skeletons(fold(nick)); again[0] != forms[0] {
			t.Fatalf("%q looks like %q, folded like %q", nick, forms[0], again)
		}
	})
}

// The reader survives whatever stands in cells, in any order, shows nothing that nobody signed, tells nothing twice,
// and keeps exactly what waits.
func FuzzRead(f *testing.F) {
	ana, bo := newScribe(f, 1, "ana"), newScribe(f, 2, "bo")
	first := ana.write(Text("hello"))
	genuine := slices.Concat(at(f, 1, first), at(f, 2, bo.write(File{"a", "b", make([]byte, 500)}, seen(first))),
		at(f, 3, ana.write(Text("bye")), ana.fork().write(Text("or not"))))
	fuzzSeeds(f, func(v vectors) {
		var b []byte
		for _, r := range v.Refused {
			for _, c := range r.Cells {
				b = append(append(b, 0, byte(len(b))), c...)
			}
		}
		f.Add(b)
	})
	var changes []byte
	for i := range genuine {
		changes = append(changes, byte(i+1), byte(i), 30, 1)
	}
	f.Add(changes)
	f.Add([]byte{1, 1, 2, 2, 3, 3, 4, 4, 200, 5, 5})
	f.Fuzz(func(t *testing.T, script []byte) {
		l := newListener(t)
		shown := map[Hash]bool{}
		told := map[FindingID]bool{}
		read := func(cells []Cell) {
			result := l.read(cells)
			for _, m := range result.Messages {
				if shown[m.Hash] || m.Author != ana.key() && m.Author != bo.key() {
					t.Fatalf("shown: %+v", m)
				}
				shown[m.Hash] = true
			}
			for _, finding := range result.Change.TakenBack {
				delete(told, finding.ID())
			}
			for _, finding := range result.Change.Told {
				if told[finding.ID()] || finding.Text() == "" {
					t.Fatalf("told again: %+v", finding)
				}
				told[finding.ID()] = true
			}
		}
		var cells []Cell
		for entry := int64(1); len(script) > 1; entry++ {
			op, arg := script[0], int(script[1])
			script = script[2:]
			c := genuine[arg%len(genuine)]
			c.Entry = entry
			switch {
			case op == 0: // a cell of the script's own
				n := copy(c.Plain[:], script)
				script = script[n:]
			case op < 128 && len(script) > 1: // one with a byte changed
				c.Plain[script[0]%CellSize] = script[1]
				script = script[2:]
			case op >= 200: // what came so far
				read(cells)
				cells = nil
			}
			cells = append(cells, c)
		}
		read(cells)
		l.now = l.now.Add(2 * quietTime)
		read(nil)
		l.reader = NewReader(testRoom.Salt, PublicKey{})
		again := slices.Clone(genuine)
		for i := range again {
			again[i].Entry += 1 << 20
		}
		read(again)
		if len(shown) != 4 {
			t.Fatalf("%d of 4 genuine records were shown", len(shown))
		}
		l.consistent()
	})
}

// What is read as a device's code is written as the same code, and holds one key that can sign.
func FuzzConsent(f *testing.F) {
	author, device := NewIdentity([KeySize]byte{1}), NewIdentity([KeySize]byte{2})
	one := Device{device.Public(), device.ProveDevice(Salt{}, author.Public())}
	f.Add(ConsentCode(one))
	f.Add(ConsentCode(one, one))
	f.Add("1ctn\n")
	f.Fuzz(func(t *testing.T, code string) {
		devices, err := ParseConsent(code)
		if err != nil {
			return
		}
		if again := ConsentCode(devices...); again != code {
			t.Fatalf("%q is written as %q", code, again)
		}
		for _, d := range devices {
			if d.Key != devices[0].Key || d.Key.Check() != nil {
				t.Fatalf("%q holds %v", code, d)
			}
		}
	})
}
