package relay_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/storetest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// slowDisk is a store whose commits wait for the test.
type slowDisk struct {
	relay.Store
	resume chan struct{}
}

func (s *slowDisk) Commit(ctx context.Context, updates []relay.Update) ([]relay.Decision, error) {
	<-s.resume
	if err := ctx.Err(); errors.Is(err, context.Canceled) { // a deadline a store may ignore
		return nil, err
	}
	return s.Store.Commit(ctx, updates)
}

// TestHangingUpTakesNothingBack: clients that hang up while their updates wait or are committed have written all the
// same, and those who share a batch with them notice nothing.
func TestHangingUpTakesNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &slowDisk{Store: storetest.NewMemory(), resume: make(chan struct{})}
		r := relay.New(disk, relay.Limits{ValueBytes: 255, MessageBytes: 3000, Results: 100})
		c, err := r.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
		if err != nil {
			t.Fatal(err)
		}
		hurried, hangUp := context.WithCancel(t.Context())
		answers := make(chan error, 4)
		for i, ctx := range []context.Context{hurried, hurried, t.Context(), hurried} {
			value := thingspeak.Text(string(rune('a' + i)))
			go func() {
				_, err := r.Update(ctx, relay.Update{
					Key:     c.Keys[0].Text,
					Entries: []relay.NewEntry{{Entry: thingspeak.Entry{Fields: thingspeak.Fields{value}}}},
				})
				answers <- err
			}()
			synctest.Wait()
		}
		hangUp()
		for range 2 { // the first alone, the others together
			disk.resume <- struct{}{}
			synctest.Wait()
		}
		for range cap(answers) {
			if err := <-answers; err != nil {
				t.Errorf("an update was answered with %v", err)
			}
		}
		v, err := r.View(t.Context(), c.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		values := ""
		if err := r.Rows(t.Context(), v, relay.Window{Results: 100}, func(e *thingspeak.Entry) error {
			values += e.Fields[0].Text
			return nil
		}); err != nil || values != "abcd" {
			t.Errorf("the channel holds %q, %v; want abcd", values, err)
		}
	})
}

// TestUpdateThatWaitsTooLong: with a disk that hangs, whoever waits behind is refused after ten seconds, and what was
// refused so is not stored when the disk comes back.
func TestUpdateThatWaitsTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &slowDisk{Store: storetest.NewMemory(), resume: make(chan struct{})}
		r := relay.New(disk, relay.Limits{ValueBytes: 255, MessageBytes: 3000, Results: 100})
		c, err := r.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		write := func() error {
			_, err := r.Update(t.Context(), relay.Update{Key: c.Keys[0].Text, Entries: make([]relay.NewEntry, 1)})
			return err
		}
		first := make(chan error)
		go func() { first <- write() }()
		synctest.Wait()
		if err := write(); !errors.Is(err, relay.ErrUnavailable) {
			t.Errorf("an update behind a disk that hangs: %v, want ErrUnavailable", err)
		}
		disk.resume <- struct{}{}
		if err := <-first; err != nil {
			t.Errorf("the update that the disk had: %v", err)
		}
		if p, err := disk.Position(t.Context(), c.ID); err != nil || p.Last != 1 {
			t.Errorf("the channel stands at %+v, %v; want one entry", p, err)
		}
	})
}
