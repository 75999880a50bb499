package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// openLab opens the readings and the keys of a home, and the shelf of the room lab. At the end of the test they are closed, unless they
// were before.
func openLab(t *testing.T, all rooms, home string) (*readings, *Grants, *shelf) {
	t.Helper()
	r, err := openReadings(home, all, discard)
	if err != nil {
		t.Fatal(err)
	}
	grants, err := OpenGrants(home)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := grants.Close()
		if r.conn != nil {
			err = errors.Join(err, r.Close())
		}
		if err != nil {
			t.Error(err)
		}
	})
	s, err := r.open("lab", labChannel)
	if err != nil {
		t.Fatal(err)
	}
	return r, grants, s
}

// openShelf opens the readings of the room lab in a home of its own.
func openShelf(t *testing.T) (*readings, *shelf) {
	t.Helper()
	r, _, s := openLab(t, newRooms(t), t.TempDir())
	return r, s
}

// mustCommit keeps readings with these values.
func mustCommit(t *testing.T, r *readings, s *shelf, values ...string) {
	t.Helper()
	if _, err := commit(r, s, newEntries(values...)); err != nil {
		t.Fatal(err)
	}
}

// chosen is the context of a request that chooses.
func chosen(c choice) context.Context {
	return context.WithValue(context.Background(), doorRequestKey{}, &doorRequest{choice: c})
}

// fill puts rows onto a shelf, in memory only.
func (s *shelf) fill(n int, author int32) {
	for range n {
		s.state.Last++
		s.put(row{number: s.state.Last, date: testTime.Unix(), author: author, said: "\x021"})
	}
}

// TestWhoReadsGetsAllOrIsTold: a request was answered with 200 and none of the rows when somebody new had written, or others had chosen
// otherwise, between its two looks at the feed.
func TestWhoReadsGetsAllOrIsTold(t *testing.T) {
	r, s := openShelf(t)
	mustCommit(t, r, s, "a", "b", "c")
	for name, tt := range map[string]struct {
		meanwhile func()
		forgotten bool
	}{
		"nothing": {func() {}, false},
		"a new author": {func() {
			if err := r.take(s, &news{authors: []author{{key: "A", name: "ana", standing: model.Yours}}}); err != nil {
				t.Fatal(err)
			}
		}, false},
		"a new name": {func() {
			if err := r.take(s, &news{authors: []author{{key: "A", name: "anna", standing: model.Yours}}}); err != nil {
				t.Fatal(err)
			}
		}, false},
		"other choices": {func() {
			for i := range 2 * maxViews {
				if _, err := r.Position(chosen(choice{author: fmt.Sprint(i)}), labChannel); err != nil {
					t.Fatal(err)
				}
			}
		}, false},
		"the rows are old": {func() { s.fill(2*maxShown, nobody) }, true},
	} {
		if tt.forgotten {
			defer func() { // last: nothing is there for the others then
				_, state, err := r.Channel(chosen(choice{}), labChannel)
				if err != nil {
					t.Fatal(err)
				}
				tt.meanwhile()
				if err := r.Entries(t.Context(), state.Generation, 1, 3, nil); !errors.Is(err, relay.ErrUnavailable) {
					t.Errorf("%s: %v", name, err)
				}
			}()
			continue
		}
		for _, c := range []choice{{}, {signed: true, author: "A"}} {
			_, state, err := r.Channel(chosen(c), labChannel)
			if err != nil {
				t.Fatal(err)
			}
			tt.meanwhile()
			came := int64(0)
			visit := func(*thingspeak.Entry) error { came++; return nil }
			if err := r.Entries(t.Context(), state.Generation, 1, state.Last, visit); err != nil || came != state.Last {
				t.Errorf("%s: %d of %d came, %v", name, came, state.Last, err)
			}
		}
	}
	if err := r.Entries(t.Context(), 1<<40, 1, 3, nil); !errors.Is(err, relay.ErrUnavailable) {
		t.Errorf("of a feed that nobody knows came %v", err)
	}
}

// TestChoicesOfOthersChangeNothing: whoever has a key to read named one author after the other, who were nobody, and all that others read
// was put together anew each time.
func TestChoicesOfOthersChangeNothing(t *testing.T) {
	r, s := openShelf(t)
	if err := r.take(s, &news{authors: []author{{key: "A", name: "ana", standing: model.Yours}}}); err != nil {
		t.Fatal(err)
	}
	generation := func(c choice) int64 {
		p, err := r.Position(chosen(c), labChannel)
		if err != nil {
			t.Fatal(err)
		}
		return p.Generation
	}
	all, ana := generation(choice{}), generation(choice{author: "ana"})
	for i := range 1000 {
		generation(choice{author: fmt.Sprint("x", i)})
	}
	if generation(choice{}) != all || generation(choice{author: "ana"}) != ana || len(s.views) != 3 {
		t.Errorf("after that %d views are kept", len(s.views))
	}
	for i := range 3 * maxViews {
		s.authors = append(s.authors, author{key: fmt.Sprint("K", i)})
		generation(choice{author: fmt.Sprint("K", i)})
	}
	if generation(choice{}) != all || len(s.views) != maxViews {
		t.Errorf("with many authors %d views are kept", len(s.views))
	}
}

// TestWhoWritesWaitsForNoView: all who write waited while a whole room was looked through for somebody who reads.
func TestWhoWritesWaitsForNoView(t *testing.T) {
	r, s := openShelf(t)
	s.fill(maxShown, s.authorOf("K"))
	var reading sync.WaitGroup
	defer reading.Wait()
	for range 100 {
		r.mu.Lock()
		s.renamed++ // all is looked at anew
		r.mu.Unlock()
		done := make(chan struct{})
		reading.Go(func() {
			defer close(done)
			if _, err := r.Position(chosen(choice{author: "K"}), labChannel); err != nil {
				t.Error(err)
			}
		})
		for over := false; !over; {
			select {
			case <-done:
				over = true
			default:
			}
			r.mu.Lock()
			v := s.views[max(0, len(s.views)-1):]
			part := len(v) > 0 && v[0].until > 0 && v[0].until < s.state.Last
			r.mu.Unlock()
			if part {
				return
			}
		}
	}
	t.Error("nobody had a turn before all of a room was looked at")
}

// TestManyThatSayTheSame: what came back was looked for among all that waited for that, each time, and 100,000 readings took minutes.
// However many say the same at the same time, each that was taken here has its own number, and what others write another one.
func TestManyThatSayTheSame(t *testing.T) {
	r, s := openShelf(t)
	entries := newEntries("x", "x", "y", "x")
	for i := range entries {
		entries[i].CreatedAt = testTime.UTC()
	}
	if _, err := commit(r, s, entries); err != nil {
		t.Fatal(err)
	}
	came := 0
	come := func(values ...string) {
		var all []arrival
		for _, e := range newEntries(values...) {
			e.CreatedAt = testTime
			came++
			a := newArrival(fmt.Append(nil, came), e, testTime)
			a.own = true
			all = append(all, a)
		}
		if err := r.take(s, &news{arrivals: all}); err != nil {
			t.Fatal(err)
		}
	}
	come("x", "x")
	if s.state.Last != 4 || len(s.unseen) != 2 {
		t.Errorf("after two of three the last is %d, and %v wait", s.state.Last, s.unseen)
	}
	come("y", "x", "x", "y")
	if s.state.Last != 6 || len(s.unseen) != 0 {
		t.Errorf("after all the last is %d, and %v wait", s.state.Last, s.unseen)
	}
	if _, err := commit(r, s, entries[:1]); err != nil {
		t.Fatal(err)
	}
	s.fill(2*maxShown, nobody)
	if len(s.unseen) != 0 {
		t.Errorf("of those that are forgotten %v wait", s.unseen)
	}
}
