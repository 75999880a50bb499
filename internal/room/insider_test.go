package room_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// insider is somebody who has the key and no scruples.
type insider struct {
	h    *hall
	ring fernet.Ring
	id   record.Identity
}

func (h *hall) insider() *insider {
	ring, err := fernet.NewRing(h.key)
	if err != nil {
		h.t.Fatal(err)
	}
	return &insider{h, ring, record.NewIdentity([record.KeySize]byte{66})}
}

// sign signs a record with the insider's own key.
func (in *insider) sign(r record.Record) record.Signed {
	in.h.t.Helper()
	r.Clock = time.Now().UnixMilli()
	s, err := record.Sign(in.id, record.Context{Salt: salt, Key: record.KeyID(in.h.key.ID())}, r)
	if err != nil {
		in.h.t.Fatal(err)
	}
	return s
}

// post posts plaintexts, one an entry, past any client.
func (in *insider) post(plain ...[]byte) {
	in.h.t.Helper()
	in.h.relay.Seed(in.h.t, in.h.channel.ID, len(plain), func(i int) thingspeak.Entry {
		text, err := in.ring.Seal(plain[i], time.Now())
		if err != nil {
			in.h.t.Fatal(err)
		}
		return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(text)}}
	})
}

func (in *insider) postCells(cells [][record.CellSize]byte) {
	for i := range cells {
		in.post(cells[i][:])
	}
}

// Whatever an insider posts is named, and touches nobody's messages.
func TestInsider(t *testing.T) {
	ana := record.NewIdentity([record.KeySize]byte{1}).Public()
	for name, c := range map[string]struct {
		attack func(in *insider)
		want   []string
		fresh  int
	}{
		"another's tag": {
			func(in *insider) {
				s := in.sign(record.Record{Number: 1, Nick: "ana", Body: record.Text("pay carl")})
				cells, err := record.Cut(s.Bytes, ana.Tag(), 3)
				if err != nil {
					in.h.t.Fatal(err)
				}
				in.postCells(cells)
			},
			[]string{"a message that claims to be ana's is not signed by ana's key"},
			0,
		},
		"another's number": {
			func(in *insider) {
				s := in.sign(record.Record{Number: 1, Nick: "ana", Body: record.Text("pay carl")})
				cells, err := record.Cut(s.Bytes, ana.Tag(), 1)
				if err != nil {
					in.h.t.Fatal(err)
				}
				in.postCells(cells)
			},
			[]string{"a message that claims to be ana's is not signed by ana's key"},
			0,
		},
		"another's name": {
			func(in *insider) {
				s := in.sign(record.Record{Number: 1, Nick: "Аna", Body: record.Text("it is me")}) // a Cyrillic A
				cells, err := s.Cells()
				if err != nil {
					in.h.t.Fatal(err)
				}
				in.postCells(cells)
			},
			[]string{"another Аna (" + record.NewIdentity([record.KeySize]byte{66}).Public().Tag().Name() +
				"), not the one who has the name here"},
			1,
		},
		"huge part counts": {
			func(in *insider) {
				s := in.sign(record.Record{Number: 1, Body: record.File{Content: make([]byte, 4<<20-200)}})
				cells, err := record.Cut(s.Bytes, ana.Tag(), 9)
				if err != nil {
					in.h.t.Fatal(err)
				}
				in.postCells(cells[:3])
			},
			nil, 0,
		},
		"a record of a later kind": {
			func(in *insider) {
				s := in.sign(record.Record{Number: 1, Nick: "eve", Body: record.Text("x")})
				cells, err := s.Cells()
				if err != nil {
					in.h.t.Fatal(err)
				}
				cells[0][1] = 2 // another version
				in.postCells(cells)
			},
			[]string{"entry 3 needs a newer fernpost"},
			0,
		},
		"an invented seen": {
			func(in *insider) {
				s := in.sign(record.Record{
					Number: 1, Nick: "eve", Body: record.Text("x"),
					Seen: record.Seen{Tag: ana.Tag(), Number: 8, Hash: record.ShortHash{1}},
				})
				cells, err := s.Cells()
				if err != nil {
					in.h.t.Fatal(err)
				}
				in.postCells(cells)
			},
			[]string{"6 messages from ana missing (ana 3–8), says eve"},
			1,
		},
		"filler and nonsense": {
			func(in *insider) {
				filler := record.Filler()
				in.post(filler[:], []byte{0xfe, 1, 2}, []byte{0xff, 0xff}, []byte("not signed"))
			},
			nil, 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHall(t)
			m, bo := h.join(1, "ana"), h.join(2, "bo")
			m.say("one")
			m.say("two")
			bo.look()
			c.attack(h.insider())
			got := bo.look()
			if d := cmp.Diff(c.want, told(got.Told)); d != "" {
				t.Error(d)
			}
			if got.Fresh != c.fresh {
				t.Errorf("%d messages: %v", got.Fresh, lines(got.Items))
			}
			if again := bo.again(h).look(); again.Fresh+len(again.Told) > 0 {
				t.Errorf("told once more: %v", told(again.Told))
			}
		})
	}
}

// What somebody without the key can do: post tokens again, post what no key opens, cut them short.
func TestStrangers(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.say("one")
	ana.say("two")
	rows := h.relay.Entries(t, h.channel.ID)
	other, err := fernet.NewRing(fernet.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	token, err := other.Seal([]byte("x"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	post := func(fields thingspeak.Fields) {
		h.relay.Seed(t, h.channel.ID, 1, func(int) thingspeak.Entry { return thingspeak.Entry{Fields: fields} })
	}
	post(rows[0].Fields)
	post(thingspeak.Fields{rows[1].Fields[0]})
	post(thingspeak.Fields{thingspeak.Text(token)})
	post(thingspeak.Fields{thingspeak.Text(token[:90])})
	post(thingspeak.Fields{thingspeak.Text("21.5"), thingspeak.Text("sensor")})
	got := bo.look()
	if d := cmp.Diff([]string{"ana: one", "ana: two"}, lines(got.Items)); d != "" {
		t.Error(d)
	}
	want := model.Findings{
		Entries: 7, Repeats: 3, NotOurs: 1, FirstNotOurs: 5, LastNotOurs: 5, Damaged: 1, FirstDamaged: 6, LastDamaged: 6,
		Plain: 1, FirstPlain: 7, LastPlain: 7,
	}
	if d := cmp.Diff(want, got.Findings); d != "" {
		t.Error(d)
	}
	if len(got.Told) > 0 {
		t.Errorf("told %v", told(got.Told))
	}
}

// In a room whose members sign, a text is shown as what it is: unsigned.
func TestUnsignedText(t *testing.T) {
	h := newHall(t)
	ana := h.join(1, "ana")
	ana.say("signed")
	h.insider().post([]byte("unsigned"), []byte{0xff, 1})
	ana.say("signed, too")
	bo := h.join(2, "bo")
	want := []string{"ana: signed", "unsigned: unsigned", "unsigned: ", "ana: signed, too"}
	if d := cmp.Diff(want, lines(bo.look().Items)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want, bo.history()); d != "" {
		t.Error(d)
	}
	var kinds []model.Kind
	if err := bo.History(3, func(it *model.Item) error {
		if it.Unsigned != nil {
			kinds = append(kinds, it.Unsigned.Kind)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]model.Kind{model.KindText, model.KindBinary}, kinds); d != "" {
		t.Error(d)
	}
}

// An entry number that no relay gives is refused and harms nothing.
func TestNumbersBeyondReason(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.say("one")
	rows := h.relay.Entries(t, h.channel.ID)
	for _, id := range []int64{-1, 0, kept.MaxEntry + 1, 1 << 53} {
		e := rows[0]
		e.ID = id
		rows = append(rows, e)
	}
	if got := bo.handIn(rows, nil); got.Fresh != 1 || got.Refused != 4 {
		t.Errorf("%+v", got)
	}
	rows[0].ID = kept.MaxEntry
	if got := h.join(3, "carl").handIn(rows[:1], nil); got.Fresh != 1 || got.Items[0].At.Entry != kept.MaxEntry {
		t.Errorf("%+v", got)
	}
}

// Whole records that somebody forged under the next number of another, more than one reading tries, silence nobody: the
// true one is shown, also to its author, and stays among what was read.
func TestForgeriesSilenceNobody(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.say("one")
	in := h.insider()
	for i := range 100 {
		s := in.sign(record.Record{Number: 1, Nick: "ana", Body: record.Text(fmt.Sprint("forged ", i))})
		cells, err := record.Cut(s.Bytes, ana.o.Identity.Public().Tag(), 2)
		if err != nil {
			t.Fatal(err)
		}
		in.postCells(cells)
	}
	ana.say("two")
	for _, m := range []*member{ana, bo} {
		m.look()
		m = m.again(h)
		if d := cmp.Diff([]string{"ana: one", "ana: two"}, m.history()); d != "" {
			t.Error(d)
		}
	}
}
