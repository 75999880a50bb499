package messenger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// values is a reading of the first fields.
func values(status string, texts ...string) (r record.Reading) {
	for i, text := range texts {
		if text != "" {
			r.Values[i] = record.Value{Text: text, Given: true}
		}
	}
	r.Status = status
	return r
}

// history is what a member sees of the newest messages once the room is read.
func (m *member) history(newest int) (all []string) {
	m.t.Helper()
	m.in(func(r *messenger.Room) error {
		if _, err := r.Read(m.t.Context()); err != nil {
			return err
		}
		return r.History(newest, func(it *model.Item) error {
			all = append(all, shown(it))
			return nil
		})
	})
	return all
}

func shown(it *model.Item) string {
	said, _ := it.Text()
	if r, ok := it.Reading(); ok {
		said = r.String()
	}
	state := ""
	if it.Sent != nil {
		state = " " + it.Sent.Sent.String()
	}
	return fmt.Sprintf("%d%s %s: %s", it.At.Entry, state, it.Clock().UTC().Format(time.TimeOnly), said)
}

// A reading is one message in both written forms: with its fields, its status and the time at which it was measured, however many
// of the newest are wanted; and it waits in the outbox like any other.
func TestReadingsAreRead(t *testing.T) {
	for _, profile := range []string{"fernpost", "tutorial"} {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newMembers(t)
				x.room.Profile, x.room.Fields = profile, []int{1, 2, 3, 4, 5, 6, 7, 8}
				ana, bo := x.join("ana"), x.join("bo")
				morning := time.Date(1999, 12, 31, 6, 0, 0, 0, time.UTC)
				at := func(n int) messenger.SendOptions {
					return messenger.SendOptions{At: morning.Add(time.Duration(n) * time.Minute)}
				}
				send := func(body record.Body, o messenger.SendOptions) {
					t.Helper()
					if err := ana.send(body, o); err != nil {
						t.Fatal(err)
					}
				}
				send(values("warm", "21.5", "40"), at(0))
				send(record.Text("who reads this?"), at(1))
				send(values("", "", "41"), at(2))
				queued := at(3)
				queued.Queue = true
				send(values("cold", "1", "", "3", "4", "5", "6", "7", "8"), queued)

				waits := []string{
					"1 06:00:00: field1=21.5 field2=40 (warm)", "2 06:01:00: who reads this?", "3 06:02:00: field2=41",
					"0 queued 06:03:00: field1=1 field3=3 field4=4 field5=5 field6=6 field7=7 field8=8 (cold)",
				}
				got := ana.history(0)
				for i := range got[:3] {
					got[i] = strings.Replace(got[i], " accepted", "", 1) // as those that sign know
				}
				if diff := cmp.Diff(waits, got); diff != "" {
					t.Errorf("what ana holds (-want +got):\n%s", diff)
				}
				ana.in(func(r *messenger.Room) error { // in another process
					_, _, err := r.Retry(t.Context(), messenger.SendOptions{})
					return err
				})
				want := slices.Clone(waits)
				want[3] = "4" + strings.TrimPrefix(want[3], "0 queued")
				for newest := range 5 {
					if diff := cmp.Diff(want[(4-newest)%4:], bo.history(newest)); diff != "" {
						t.Errorf("the newest %d (-want +got):\n%s", newest, diff)
					}
				}
			})
		})
	}
}

// However few messages a face takes at a time, it gets each reading whole and once.
func TestReadingsAreFollowed(t *testing.T) {
	for _, profile := range []string{"fernpost", "tutorial"} {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newMembers(t)
				x.room.Profile = profile
				ana, bo := x.join("ana"), x.join("bo")
				var want []string
				for i := range 25 {
					r := values("ok", fmt.Sprint(i), "", fmt.Sprint(i*i))
					if err := ana.send(r, messenger.SendOptions{}); err != nil {
						t.Fatal(err)
					}
					want = append(want, r.String())
				}
				s, err := bo.engine.Follow(bo.settings(), messenger.FollowOptions{
					FromStart: true, Mark: "test", Fastest: time.Second, Slowest: time.Second,
				}, messenger.Face{})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var got []string
				var begun bool
				for s.Most = 1; len(got) <= len(want); {
					e, err := s.Next(ctx)
					if errors.Is(err, context.DeadlineExceeded) {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					if m, ok := e.(messenger.Message); ok {
						r, _ := m.Reading()
						got = append(got, r.String())
					}
					if len(got) == 25 && !begun { // what comes from now on is pushed
						begun = true
						pushed := values("hot", "99", "", "98")
						if err := ana.send(pushed, messenger.SendOptions{}); err != nil {
							t.Fatal(err)
						}
						want = append(want, pushed.String())
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("followed (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// What a room of texts cannot seal is never posted clear: nothing goes out, and the refusal says why.
func TestReadingsThatARoomOfTextsRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		x.room.Profile, x.room.Fields = "tutorial", []int{3, 1}
		ana := x.join("ana")
		for says, r := range map[string]record.Reading{
			"to the fields 1 and 3, and not to field 2":                 values("", "1", "2"),
			"field1 has 128 bytes, and a token carries at most 127":     values("", strings.Repeat("1", 128)),
			"status has 200 bytes":                                      values(strings.Repeat("s", 200), "1"),
			"latitude, longitude and elevation would be posted clear":   {Values: values("", "1").Values, Latitude: "52.5"},
			"it needs a value beside the status":                        values("warm"),
			"the reading is empty: it has neither a value nor a status": {},
			"field1 is empty": {Values: [record.ReadingFields]record.Value{{Given: true}}},
		} {
			err := ana.send(r, messenger.SendOptions{})
			if !errors.Is(err, model.ErrReading) || !strings.Contains(fmt.Sprint(err), says) {
				t.Errorf("%+v: %v, want that %s", r, err, says)
			}
		}
		before := messenger.SendOptions{At: time.Unix(-1, 0)}
		if err := ana.send(values("", "1"), before); !errors.Is(err, record.ErrClock) {
			t.Errorf("before 1970: %v", err)
		}
		if got := ana.history(0); len(got) > 0 || len(x.server.Entries(t, x.room.Channel)) > 0 {
			t.Errorf("sent %q", got)
		}
	})
}
