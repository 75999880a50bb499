package room

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func newRoom(t testing.TB, wrapped bool, keys ...fernet.Key) *Room {
	t.Helper()
	if len(keys) == 0 {
		keys = []fernet.Key{fernet.GenerateKey()}
	}
	ring, err := fernet.NewRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(ring, []int{1}, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func seal(t testing.TB, r *Room, id int64, text string) *thingspeak.Entry {
	t.Helper()
	e, err := r.Seal(record.Text(text), noon)
	if err != nil {
		t.Fatal(err)
	}
	e.ID, e.CreatedAt = id, noon
	return &e
}

func texts(messages []model.Message) []string {
	var out []string
	for _, m := range messages {
		out = append(out, fmt.Sprintf("%d %s %s", m.Entry, m.Kind, m.Text))
	}
	return out
}

func TestWhatOneSealsTheOtherReads(t *testing.T) {
	key := fernet.GenerateKey()
	for _, wrapped := range []bool{false, true} {
		ana, bo := newRoom(t, wrapped, key), newRoom(t, !wrapped, key)
		got, findings := bo.Open([]thingspeak.Entry{*seal(t, ana, 7, "hello, bo")})
		want := []model.Message{{Entry: 7, Field: 1, Posted: noon, Sealed: noon, Kind: model.KindText, Text: "hello, bo", Size: 9}}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(model.Findings{Entries: 1}, findings); d != "" {
			t.Error(d)
		}
	}
}

func TestSealedTextFitsAField(t *testing.T) {
	for _, wrapped := range []bool{false, true} {
		r := newRoom(t, wrapped)
		for _, n := range []int{1, 15, 16, 126, model.MaxText} {
			e, err := r.Seal(record.Text(strings.Repeat("x", n)), noon)
			if err != nil || len(e.Fields[0].Text) > thingspeak.MaxValueBytes {
				t.Errorf("%d bytes, wrapped %v: %d characters, %v", n, wrapped, len(e.Fields[0].Text), err)
			}
		}
	}
}

func TestTextsThatAreRefused(t *testing.T) {
	r := newRoom(t, false)
	_, err := r.Seal(record.Text(strings.Repeat("é", 64)), noon)
	if long, ok := errors.AsType[*model.TooLongError](err); !ok || long.Bytes != 128 {
		t.Errorf("128 bytes: %v, want a TooLongError that counts bytes", err)
	}
	if _, err := r.Seal(record.Text(""), noon); !errors.Is(err, model.ErrNoText) {
		t.Errorf("empty: %v, want ErrNoText", err)
	}
	if _, err := New(fernet.Ring{}, []int{9}, false); err == nil {
		t.Error("field 9: no error")
	}
}

func TestWhatIsNotForUsIsCountedByEntry(t *testing.T) {
	ours, theirs := newRoom(t, false), newRoom(t, false)
	cut := seal(t, ours, 5, "cut short")
	cut.Fields[0].Text = cut.Fields[0].Text[:60]
	altered := seal(t, ours, 6, "altered")
	altered.Fields[0].Text = altered.Fields[0].Text[:40] + flip(altered.Fields[0].Text[40:41]) + altered.Fields[0].Text[41:]
	two := seal(t, theirs, 4, "one")
	two.Fields[1] = seal(t, theirs, 4, "two").Fields[0]

	messages, got := ours.Open([]thingspeak.Entry{
		*seal(t, theirs, 1, "not for you"),
		*seal(t, ours, 2, "for you"),
		{ID: 3, Fields: thingspeak.Fields{thingspeak.Text("21.5"), thingspeak.Text(strings.Repeat("z", 120))}},
		*two, *cut, *altered,
	})
	if d := cmp.Diff([]string{"2 text for you"}, texts(messages)); d != "" {
		t.Error(d)
	}
	want := model.Findings{
		Entries: 6, NotOurs: 3, FirstNotOurs: 1, LastNotOurs: 6, Damaged: 1, FirstDamaged: 5, LastDamaged: 5,
		Plain: 1, FirstPlain: 3, LastPlain: 3,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func flip(c string) string {
	if c == "A" {
		return "B"
	}
	return "A"
}

func TestRepeatsAreShownOnceAtTheirFirstEntry(t *testing.T) {
	r := newRoom(t, false)
	first := seal(t, r, 3, "pay 5 coins")
	again, later, wrapped := *first, *first, *first
	again.ID, later.ID, wrapped.ID = 8, 9, 10
	wrapped.Fields[0].Text = " " + token.Wrap(first.Fields[0].Text)

	messages, findings := r.Open([]thingspeak.Entry{again, *first, later, wrapped})
	if d := cmp.Diff([]string{"3 text pay 5 coins"}, texts(messages)); d != "" || findings.Repeats != 3 {
		t.Errorf("repeats %d\n%s", findings.Repeats, d)
	}
}

func TestOldKeysOpenAndTheNewestSeals(t *testing.T) {
	old, young := fernet.GenerateKey(), fernet.GenerateKey()
	before, after := newRoom(t, false, old), newRoom(t, false, young, old)
	messages, _ := after.Open([]thingspeak.Entry{*seal(t, before, 1, "before"), *seal(t, after, 2, "after")})
	if len(messages) != 2 || messages[0].Key != 1 || messages[1].Key != 0 {
		t.Errorf("opened by %+v, want key 1 then key 0", messages)
	}
}

func TestWhatIsNoTextIsNamed(t *testing.T) {
	r := newRoom(t, false)
	var rows []thingspeak.Entry
	for i, text := range []string{"\xfe" + strings.Repeat("x", record.CellSize-1), "\xff\x00", "caf\u00e9"} {
		sealed, err := r.ring.Seal([]byte(text), noon)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, thingspeak.Entry{ID: int64(i + 1), CreatedAt: noon, Fields: thingspeak.Fields{thingspeak.Text(sealed)}})
	}
	if _, err := r.Seal(record.Text("caf\xe9"), noon); err != model.ErrNotUTF8 {
		t.Errorf("a text in another encoding is sealed: %v", err)
	}
	messages, _ := r.Open(rows)
	if d := cmp.Diff([]string{"1 record ", "2 binary ", "3 text café"}, texts(messages)); d != "" {
		t.Error(d)
	}
}

func TestClockSkew(t *testing.T) {
	for sealed, want := range map[time.Time]time.Duration{noon.Add(-2 * time.Hour): -2 * time.Hour, noon: 0} {
		if m := (model.Message{Posted: noon, Sealed: sealed}); m.ClockSkew() != want {
			t.Errorf("sealed %v: skew %v, want %v", sealed, m.ClockSkew(), want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	r := newRoom(f, false)
	e := seal(f, r, 1, "hello")
	f.Add(e.Fields[0].Text, "21.5")
	f.Add(token.Wrap(e.Fields[0].Text)[1:], "gAAAAA")
	f.Fuzz(func(t *testing.T, a, b string) {
		row := thingspeak.Entry{ID: 1, Fields: thingspeak.Fields{thingspeak.Text(a), thingspeak.Text(b)}}
		if messages, _ := r.Open([]thingspeak.Entry{row}); len(messages) > 0 && messages[0].Text != "hello" {
			t.Errorf("%q and %q open as %q", a, b, messages[0].Text)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	r := newRoom(b, false)
	for _, n := range []int{100, 8000} {
		rows := make([]thingspeak.Entry, n)
		for i := range rows {
			rows[i] = *seal(b, r, int64(i+1), strings.Repeat("x", 100))
		}
		b.Run(fmt.Sprintf("%drows", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if m, _ := r.Open(rows); len(m) != n {
					b.Fatal(len(m))
				}
			}
		})
	}
}
