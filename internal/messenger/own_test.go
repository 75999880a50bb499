package messenger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// TestOwnTextsAreKnown: once it was read back, a text that this device had written in a room of texts counted as somebody else's, and a bot
// answered itself. Sent by way of the outbox or without the archive, by this process or by another one while this one reads on.
func TestOwnTextsAreKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		x.room.Profile, x.room.Fields = "tutorial", []int{1, 2}
		ana, bo := x.join("ana"), x.join("bo")
		send := func(m *member, body record.Body) {
			t.Helper()
			if _, err := m.engine.Send(t.Context(), m.settings(), body, messenger.SendOptions{}, messenger.Face{}); err != nil {
				t.Error(err)
			}
		}
		stream, err := ana.engine.Follow(ana.settings(), messenger.FollowOptions{Fastest: time.Second, Slowest: time.Second}, messenger.Face{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		note := func(items ...model.Item) {
			for i := range items {
				said, _ := items[i].Text()
				if r, ok := items[i].Reading(); ok {
					said = r.String()
				}
				got = append(got, fmt.Sprint(said, " ", items[i].IsOwn()))
			}
		}
		listen := func() {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for {
				e, err := stream.Next(ctx)
				if err != nil {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Fatal(err)
					}
					return
				}
				if m, ok := e.(messenger.Message); ok {
					note(m.Item)
				}
			}
		}
		listen()
		send(bo, record.Text("theirs"))
		send(ana, record.Text("direct"))
		time.Sleep(10 * time.Second) // the room is read, and nobody has listened yet
		listen()
		send(bo, values("", "1", "2"))
		send(ana, values("", "3", "4"))
		if _, err := stream.Send(t.Context(), record.Text("queued"), messenger.SendOptions{}); err != nil {
			t.Error(err)
		}
		listen()
		closeAll(t, stream)
		want := []string{"theirs false", "direct true", "field1=1 field2=2 false", "field1=3 field2=4 true", "queued true"}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		got = nil
		ana.in(func(r *messenger.Room) error {
			return r.History(0, func(it *model.Item) error {
				note(*it)
				return nil
			})
		})
		if !slices.Equal(got, want) {
			t.Errorf("the history has %q", got)
		}
		got = nil
		bo.in(func(r *messenger.Room) error {
			_, err := r.Read(t.Context())
			b, since := r.Since(model.Mark{}, 0)
			note(b.Items...)
			return errors.Join(err, since)
		})
		want = []string{"theirs true", "direct false", "field1=1 field2=2 true", "field1=3 field2=4 false", "queued false"}
		if !slices.Equal(got, want) {
			t.Errorf("the other one has %q", got)
		}
	})
}
