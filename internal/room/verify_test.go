package room_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

func seq(rows []thingspeak.Entry) iter.Seq2[*thingspeak.Entry, error] {
	return func(yield func(*thingspeak.Entry, error) bool) {
		for i := range rows {
			if !yield(&rows[i], nil) {
				return
			}
		}
	}
}

// Verify finds in a feed what the members found, and the same digest.
func TestVerify(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	for i := range 5 {
		ana.say(fmt.Sprint(i))
		bo.look()
		bo.say(fmt.Sprint("yes ", i))
	}
	h.insider().post([]byte("unsigned"))
	rows := h.relay.Entries(t, h.channel.ID)
	ana.look()
	bo.look()
	view := func() record.View { return record.View{} }
	r, err := room.Verify(t.Context(), ana.o.Keys, salt, room.Feed{Entries: seq(rows), View: view}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if r.Records != 10 || r.Authors != 2 || r.Unsigned != 1 || len(r.Found) > 0 || r.Entries != 11 {
		t.Errorf("%+v", r)
	}
	for _, m := range []*member{ana, bo} {
		if d, err := m.Digest(); err != nil || d.Sum() != r.Digest {
			t.Errorf("digest %x, want %x, %v", d.Sum(), r.Digest, err)
		}
	}
	slices.Reverse(rows)
	if back, err := room.Verify(t.Context(), ana.o.Keys, salt, room.Feed{Entries: seq(rows), View: view}, time.Now()); err != nil || !cmp.Equal(r, back) {
		t.Errorf("backwards: %s %v", cmp.Diff(r, back), err)
	}
	slices.Reverse(rows)
	cut := slices.Delete(slices.Clone(rows), 2, 3) // ana 2
	r, err = room.Verify(t.Context(), ana.o.Keys, salt, room.Feed{Entries: seq(cut), View: view}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"1 message from ana missing (ana 2)"}, told(r.Found)); d != "" {
		t.Error(d)
	}
	if d, _ := ana.Digest(); d.Sum() == r.Digest {
		t.Error("the digest did not change")
	}
	bad := errors.New("the file ends here")
	if _, err := room.Verify(t.Context(), ana.o.Keys, salt, room.Feed{
		Entries: func(yield func(*thingspeak.Entry, error) bool) { yield(nil, bad) }, View: view,
	}, time.Now()); !errors.Is(err, bad) {
		t.Errorf("Verify = %v", err)
	}
}

// Parts that share a tail can be joined in many ways: verify worked on them for as long as an insider wanted, said
// nothing, and did not notice that it was interrupted.
func TestVerifyOfManyBeginningsCanBeInterrupted(t *testing.T) {
	h := newHall(t)
	in := h.insider()
	cells, err := record.Cut(in.sign(record.Record{Number: 1, Nick: "eve", Body: record.Text("hello")}).Bytes, in.id.Public().Tag(), 3)
	if err != nil {
		t.Fatal(err)
	}
	in.postCells(cells[1:])
	for i := range 200 {
		c := cells[0]
		c[len(c)-1], c[len(c)-2] = byte(i), 1
		in.post(c[:])
	}
	rows := h.relay.Entries(t, h.channel.ID)
	verify := func(stopAfter int) (rounds []int, err error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err = room.Verify(ctx, []fernet.Key{h.key}, salt, room.Feed{
			Entries: seq(rows), View: func() record.View { return record.View{} },
			Trying: func(n int) {
				if rounds = append(rounds, n); n == stopAfter {
					cancel()
				}
			},
		}, time.Now())
		return rounds, err
	}
	if rounds, err := verify(0); err != nil || !slices.Equal(rounds, []int{1, 2, 3}) {
		t.Errorf("it tells the rounds %v, %v", rounds, err)
	}
	if rounds, err := verify(2); !errors.Is(err, context.Canceled) || !slices.Equal(rounds, []int{1, 2}) {
		t.Errorf("interrupted it goes on to the rounds %v, %v", rounds, err)
	}
}

// A feed of which a key opens filler alone, beside tokens of others, was said to open with no key.
func TestFillerCountsAsOpened(t *testing.T) {
	h := newHall(t)
	in := h.insider()
	var filler [record.CellSize]byte
	filler[0], filler[1] = 0xFE, 1
	in.post(filler[:])
	stranger, err := fernet.NewRing(fernet.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	in.ring = stranger
	in.post([]byte("not ours"))
	r, err := room.Verify(t.Context(), []fernet.Key{h.key}, salt, room.Feed{
		Entries: seq(h.relay.Entries(t, h.channel.ID)), View: func() record.View { return record.View{} },
	}, time.Now())
	if err != nil || r.Opened != 1 || r.NotOurs != 1 || len(r.Lines)+len(r.Found) > 0 {
		t.Errorf("%d tokens opened, %d not ours: %+v, %v", r.Opened, r.NotOurs, r, err)
	}
}
