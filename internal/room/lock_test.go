package room_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// slowRelay accepts an entry once it is told to, and remembers what it was asked.
type slowRelay struct {
	release chan struct{}
	posted  []thingspeak.Fields
	looked  int
}

func (r *slowRelay) Post(_ context.Context, fields thingspeak.Fields, _ int64) (int64, error) {
	r.posted = append(r.posted, fields)
	<-r.release
	return int64(len(r.posted)), nil
}

func (r *slowRelay) Find(_ context.Context, fields []thingspeak.Fields, _ int64, _ bool) ([]int64, error) {
	r.looked++
	return make([]int64, len(fields)), nil
}

// Of two processes that post what is in one outbox the second waits until the first is done: otherwise it would find an
// entry tried that is not stored yet, and post it once more.
func TestOneProcessPostsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key, dir := fernet.GenerateKey(), t.TempDir()
		var homes []*room.Conversation
		for range 2 {
			c, store := openConversation(t, key, dir)
			defer store.Close()
			take(t, c, nil)
			homes = append(homes, c)
		}
		if _, err := homes[0].Write(record.Text("once"), time.Now()); err != nil {
			t.Fatal(err)
		}
		first, second := &slowRelay{release: make(chan struct{})}, &slowRelay{release: make(chan struct{})}
		close(second.release)
		results := make(chan error, 2)
		go func() { _, err := deliver(t.Context(), homes[0], first, nil); results <- err }()
		synctest.Wait()
		if len(first.posted) != 1 {
			t.Fatalf("the first process has posted %d entries", len(first.posted))
		}
		go func() { _, err := deliver(t.Context(), homes[1], second, nil); results <- err }()
		time.Sleep(time.Minute)
		if len(second.posted)+second.looked > 0 {
			t.Errorf("the second process posted %d entries and looked for %d meanwhile", len(second.posted), second.looked)
		}
		close(first.release)
		for range 2 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if len(first.posted) != 1 || len(second.posted) > 0 {
			t.Errorf("posted %d and %d times, want once", len(first.posted), len(second.posted))
		}
	})
}

// A message of which nobody can say whether it is stored is not taken back: it would be signed anew under its number,
// and whoever has read the first would see the author's key fork.
func TestUnknownIsNotDropped(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.look()
	w, err := ana.Write(record.Text("hello"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ana.Deliver(t.Context(), lostPoster{poster{ana.client}}, nil); !errors.Is(err, exchange.ErrUnknownOutcome) {
		t.Fatalf("Deliver = %v", err)
	}
	if err := ana.Drop(w.Number, false, time.Now()); !errors.Is(err, model.ErrTried) {
		t.Errorf("Drop = %v, want ErrTried", err)
	}
	if q, err := ana.Outbox(); err != nil || len(q) != 1 || q[0].Sent != model.StateUnknown || q[0].Kind != record.KindText {
		t.Errorf("outbox %+v, %v", q, err)
	}
	ana.deliver()
	got := bo.look()
	if d := cmp.Diff([]string{"ana: hello"}, lines(got.Items)); d != "" || len(got.Told) > 0 {
		t.Errorf("%s, told %v", d, told(got.Told))
	}
}
