package room_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// sensor is a room of texts of which the tests choose the rows.
type sensor struct {
	*room.Conversation

	t    *testing.T
	ring fernet.Ring
}

func newSensor(t *testing.T) *sensor {
	t.Helper()
	key := fernet.GenerateKey()
	ring, err := fernet.NewRing(key)
	if err != nil {
		t.Fatal(err)
	}
	store, err := archive.OpenRoom(t.TempDir(), "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	c, err := room.Open(store, room.Options{Keys: []fernet.Key{key}, Salt: salt, Fields: []int{1, 2, 3}, Texts: true})
	if err != nil {
		t.Fatal(err)
	}
	return &sensor{c, t, ring}
}

// row is an entry with tokens of these texts, of which the last is the status; "" leaves one out.
func (s *sensor) row(id int64, texts ...string) (e thingspeak.Entry) {
	s.t.Helper()
	e.ID, e.CreatedAt = id, time.Now()
	for i, text := range texts {
		if text == "" {
			continue
		}
		tok, err := s.ring.Seal([]byte(text), time.Now())
		if err != nil {
			s.t.Fatal(err)
		}
		if i == len(texts)-1 && i > 0 {
			e.Status = thingspeak.Text(tok)
		} else {
			e.Fields[i] = thingspeak.Text(tok)
		}
	}
	return e
}

// said is what an item says, and in which field it begins.
func said(it *model.Item) string {
	text, _ := it.Text()
	if r, ok := it.Reading(); ok {
		text = r.String()
	}
	return fmt.Sprintf("%d.%d %s", it.At.Entry, it.Unsigned.Field, text)
}

func (s *sensor) wants(newest int, want ...string) {
	s.t.Helper()
	var got []string
	err := s.History(newest, func(it *model.Item) error {
		got = append(got, said(it))
		return nil
	})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		s.t.Errorf("the newest %d, %v (-want +got):\n%s", newest, err, diff)
	}
}

// The tokens of one entry are one reading, whoever has written them; what an entry is shown with later is not lost.
func TestTokensOfAnEntryAreAReading(t *testing.T) {
	s := newSensor(t)
	take(t, s.Conversation, []thingspeak.Entry{
		s.row(1, "21.5", "40", "warm"), s.row(2, "hello"), s.row(3, "", "41", ""), s.row(4, "", "", "only a status"),
		s.row(5, "", "", "", "", "a text in a field that is not the room's", ""), s.row(6, "1", "\xff", ""),
	})
	all := []string{
		"1.1 field1=21.5 field2=40 (warm)", "2.1 hello", "3.2 field2=41", "4.0 (only a status)", "5.5 a text in a field that is not the room's",
		"6.1 1", "6.2 ",
	}
	s.wants(0, all...)
	s.wants(1, all[5:]...)
	s.wants(6, all...)

	// A row that was rewritten: both are there, the later one behind it.
	rewritten := s.row(1, "22", "", "")
	take(t, s.Conversation, []thingspeak.Entry{rewritten})
	s.wants(0, append([]string{all[0]}, append([]string{"1.9 22"}, all[1:]...)...)...)
}

// However many readings are asked for at a time, each comes whole and once: by arrival, by place, and of those that came late.
func TestReadingsComeWhole(t *testing.T) {
	const n = 700
	s := newSensor(t)
	var rows []thingspeak.Entry
	var want []string
	for i := range int64(n) {
		rows = append(rows, s.row(i+1, fmt.Sprint(i), "", fmt.Sprint(-i), "ok"))
		want = append(want, fmt.Sprintf("%d.1 field1=%d field3=%d (ok)", i+1, i, -i))
	}
	take(t, s.Conversation, rows[n-1:])
	mark, err := s.Now()
	if err != nil {
		t.Fatal(err)
	}
	take(t, s.Conversation, rows[:n-1])
	s.wants(0, want...)
	s.wants(600, want[100:]...)
	for _, most := range []int{1, 7, 0} {
		var got []string
		for at, more := mark, true; more; {
			news, err := s.Since(at, most)
			if err != nil || most > 0 && len(news.Items) > most {
				t.Fatalf("%d items, %v", len(news.Items), err)
			}
			for i := range news.Items {
				got = append(got, said(&news.Items[i]))
			}
			at, more = news.Until, news.More
		}
		if diff := cmp.Diff(want[:n-1], got); diff != "" {
			t.Errorf("by arrival, %d at a time (-want +got):\n%s", most, diff)
		}
		got = nil
		now, err := s.Now()
		if err != nil {
			t.Fatal(err)
		}
		for line, first := (*record.Held)(nil), true; first || line != nil; first = false {
			items, next, err := s.Replay(now, line, most)
			if err != nil {
				t.Fatal(err)
			}
			for i := range items {
				got = append(got, said(&items[i]))
			}
			line = next
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by place, %d at a time (-want +got):\n%s", most, diff)
		}
	}
	var late []string
	for after, left := mark.Message, 1; left > 0; {
		top := record.Spot{Place: record.Place{Entry: n}, Field: math.MaxInt32}
		after, left, err = s.Late(after, record.Place{}, top, 50, func(it *model.Item) error {
			late = append(late, said(it))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want[:50], late[:min(50, len(late))]); diff != "" {
		t.Errorf("late (-want +got):\n%s", diff)
	}
}
