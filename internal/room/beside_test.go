package room_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// besideStore is an archive in which another process does something before messages are asked for.
type besideStore struct {
	room.Store
	first func()
}

func (s *besideStore) Messages(q kept.MessageQuery) ([]kept.Message, error) {
	if f := s.first; f != nil {
		s.first = nil
		f()
	}
	return s.Store.Messages(q)
}

// A message that another process reads back while the history is shown stood there twice.
func TestHistoryShowsOnceWhatIsReadBackBesideIt(t *testing.T) {
	for name, texts := range map[string]bool{"signed": false, "texts": true} {
		t.Run(name, func(t *testing.T) {
			h := newHall(t)
			ana := h.writer()
			if !texts {
				ana = h.join(1, "ana")
			}
			say := func(text string) {
				var err error
				if texts {
					_, err = ana.WriteText(record.Text(text), room.Writing{At: time.Now()}, time.Now())
				} else {
					_, err = ana.Write(record.Text(text), time.Now())
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, newest := range []int{0, 1, 2, 10} {
				say("one")
				ana.deliver()
				say("two")
				other := h.enter(ana.o, ana.dir)
				store := &besideStore{ana.archive, func() { other.deliver(); other.look() }}
				c, err := room.Open(store, ana.o)
				if err != nil {
					t.Fatal(err)
				}
				want := ana.history()
				if newest > 0 {
					want = want[max(0, len(want)-newest):]
				}
				var got []string
				if err := c.History(newest, func(it *model.Item) error {
					got = append(got, line(it))
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("the newest %d: %s", newest, d)
				}
			}
		})
	}
}
