package relay_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/storetest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// holedStore has lost an entry, and calls beforeRead before each read of entries.
type holedStore struct {
	relay.Store
	lost       int64
	beforeRead func()
}

func (s *holedStore) Entries(
	ctx context.Context, generation, first, last int64, visit func(*thingspeak.Entry) error,
) error {
	if s.beforeRead != nil {
		s.beforeRead()
	}
	return s.Store.Entries(ctx, generation, first, last, func(e *thingspeak.Entry) error {
		if e.ID == s.lost {
			return nil
		}
		return visit(e)
	})
}

// TestDamage reads in every way what a store has lost, which is an error, and what is cleared or deleted during the
// read, which is none.
func TestDamage(t *testing.T) {
	const rows, lost = 40, 21
	skip := func(*thingspeak.Entry) error { return nil }
	window := relay.Window{Results: 30}
	reads := map[string]func(*relay.Relay, *relay.View) error{
		"lines": func(r *relay.Relay, v *relay.View) error {
			_, err := r.Lines(t.Context(), v, window, columns)
			return err
		},
		"lines far from the newest": func(r *relay.Relay, v *relay.View) error {
			_, err := r.Lines(t.Context(), v, relay.Window{Results: 5, EndID: lost}, columns)
			return err
		},
		"rows": func(r *relay.Relay, v *relay.View) error { return r.Rows(t.Context(), v, window, skip) },
		"rows by time": func(r *relay.Relay, v *relay.View) error {
			return r.Rows(t.Context(), v, relay.Window{Results: 30, End: at(30)}, skip)
		},
		"the entry": func(r *relay.Relay, v *relay.View) error {
			_, err := r.Entry(t.Context(), v, lost)
			if errors.Is(err, relay.ErrNotFound) { // what the entry of a cleared channel is
				return nil
			}
			return err
		},
		"a range": func(r *relay.Relay, v *relay.View) error { return r.Range(t.Context(), v, 1, rows, skip) },
	}
	for name, read := range reads {
		for trouble, change := range map[string]func(*relay.Relay, int64) error{
			"lost": nil,
			"cleared": func(r *relay.Relay, id int64) error {
				return r.ClearChannel(t.Context(), relay.LocalAccountID, id)
			},
			"deleted": func(r *relay.Relay, id int64) error {
				_, err := r.DeleteChannel(t.Context(), relay.LocalAccountID, id)
				return err
			},
		} {
			for _, unordered := range []bool{false, true} {
				t.Run(name+"/"+trouble, func(t *testing.T) {
					s := &holedStore{Store: storetest.NewMemory()}
					r := relay.New(s, relay.Limits{ValueBytes: 255, MessageBytes: 3000, Results: 100})
					c, err := r.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
					if err != nil {
						t.Fatal(err)
					}
					for i := range int64(rows) {
						date := at(i)
						if unordered && i == rows-15 {
							date = at(i).Add(-time.Hour)
						}
						u := relay.Update{Key: c.Keys[0].Text, Entries: []relay.NewEntry{{Entry: thingspeak.Entry{CreatedAt: date}}}}
						if _, err := r.Update(t.Context(), u); err != nil {
							t.Fatal(err)
						}
					}
					v, err := r.View(t.Context(), c.ID, "")
					if err != nil {
						t.Fatal(err)
					}
					if change == nil {
						s.lost = lost
						if err := read(r, v); !errors.Is(err, relay.ErrUnavailable) {
							t.Errorf("unordered %t: the read ended with %v, want ErrUnavailable", unordered, err)
						}
						return
					}
					s.beforeRead = func() {
						s.beforeRead = nil
						if err := change(r, c.ID); err != nil {
							t.Error(err)
						}
					}
					if err := read(r, v); err != nil {
						t.Errorf("unordered %t: the read ended with %v", unordered, err)
					}
				})
			}
		}
	}
}
