package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// begin notes that a room is followed from now on; false says that it is already.
func (r *readings) begin(s *shelf) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.following {
		return false
	}
	s.following = true
	s.settings++
	return true
}

// follow takes what comes in a room, until the context ends or the room is gone. What else fails is tried again.
func (r *readings) follow(ctx context.Context, s *shelf) {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		began := time.Now()
		err := r.rooms.follow(ctx, s.room, "gateway "+r.home, func(n *news) error { return r.take(s, n) })
		if ctx.Err() != nil || errors.Is(err, errEnding) {
			return
		}
		if errors.Is(err, model.ErrNoRoom) {
			r.mu.Lock()
			err := r.forget(s)
			r.mu.Unlock()
			r.log.Warn("a room is followed no more: it was removed", "room", s.room, "err", err)
			return
		}
		if time.Since(began) > longestPause { // it went well for a while
			pause = firstPause
		}
		r.log.Warn("a room is not read", "room", nameOf(r.rooms, s.room), "again_in", pause, "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// arrived is an arrival on its way into a shelf.
type arrived struct {
	*arrival

	row row
	// isOurs is the number of the reading taken here that it is, 0 for one that others have written.
	isOurs int64
}

// take keeps news of a room: on disk first.
func (r *readings) take(s *shelf, n *news) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return relay.ErrUnavailable
	}
	if r.shelves[s.channel.ID] != s {
		return model.ErrNoRoom
	}
	if n.authors != nil {
		s.setAuthors(n.authors)
	}
	if n.findings != nil && !reflect.DeepEqual(n.findings, s.findings) {
		s.findings = n.findings
		s.settings++
	}
	for some := range slices.Chunk(n.arrivals, takenAtOnce) {
		if err := r.takeSome(s, some); err != nil {
			return fmt.Errorf("keeping what others have written: %w", err)
		}
	}
	r.subscribers.Wake(s.channel.ID, anyRoom)
	return nil
}

// takenAtOnce is how many arrivals are kept by one transaction: whoever writes waits for it.
const takenAtOnce = 200

func (r *readings) takeSome(s *shelf, some []arrival) error {
	state := s.state
	var taken []arrived
	ours := map[told]int{} // how many of those that say the same have come
	err := r.conn.Transaction(func() error {
		state, taken = s.state, taken[:0]
		clear(ours)
		// What is known of the room may be older than that it was removed.
		if lost, err := r.isLost(s); err != nil || lost {
			return cmp.Or(err, model.ErrNoRoom)
		}
		ring, err := r.ringOf(s)
		if err != nil {
			return err
		}
		for i := range some {
			a := arrived{arrival: &some[i]}
			if known, err := r.isKnown(s, a.source); err != nil || known {
				if err != nil {
					return err
				}
				continue
			}
			a.row = row{date: a.entry.CreatedAt.Unix(), said: pack(&a.entry)}
			if a.own {
				if n, waits := ours[a.row.told()], s.unseen[a.row.told()]; n < len(waits) {
					a.isOurs = waits[n]
					ours[a.row.told()]++
				}
			}
			if a.isOurs > 0 {
				err = r.conn.Exec("UPDATE readings SET source = ? WHERE room = ? AND number = ?", a.source, s.room, a.isOurs)
			} else {
				a.entry.CreatedAt = a.shownDate(time.Now())
				a.row.date = a.entry.CreatedAt.Unix()
				e := state.Add(&relay.NewEntry{Entry: a.entry}, time.Time{})
				a.row.number = e.ID
				var sealed string
				if sealed, err = seal(ring, &e); err == nil {
					err = r.conn.Exec(`INSERT INTO readings (room, number, dated_s, sealed, handed, source, author) VALUES (?, ?, ?, ?, 1, ?, ?)`,
						s.room, e.ID, a.row.date, sealed, a.source, []byte(a.author))
				}
				if err == nil {
					err = r.forgetOld(s, e.ID)
				}
			}
			if err != nil {
				return err
			}
			taken = append(taken, a)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.state = state
	for what, n := range ours {
		s.see(what, n)
	}
	for i := range taken {
		if a := &taken[i]; a.isOurs == 0 {
			a.row.author = s.authorOf(a.author)
			s.put(a.row)
		}
	}
	return nil
}

// isKnown reports whether what is that in a room was taken before.
func (r *readings) isKnown(s *shelf, source []byte) (known bool, err error) {
	err = r.conn.Query("SELECT 1 FROM readings WHERE room = ? AND source = ?", func(sqlite.Row) error {
		known = true
		return nil
	}, s.room, source)
	return known, err
}

// setAuthors keeps who has written. Views show their names, and choose by them, so that they begin anew unless all are new.
func (s *shelf) setAuthors(all []author) {
	authors := slices.Clone(s.authors)
	known := maps.Clone(s.byKey)
	for i := range authors {
		authors[i] = author{key: authors[i].key} // who is known no more has no name
	}
	for _, a := range all {
		if a.standing == model.Yours {
			authors[here] = a
		}
		at, ok := known[a.key]
		if !ok {
			at = int32(len(authors))
			known[a.key] = at
			authors = append(authors, a)
		}
		authors[at] = a
	}
	if !slices.Equal(authors[:len(s.authors)], s.authors) {
		s.settings++
		s.renamed++
	}
	s.authors, s.byKey = authors, known
	select {
	case <-s.known:
	default:
		close(s.known)
	}
}

// knownWait is how long somebody who reads waits to be told who has written.
const knownWait = 3 * time.Second

// await waits until a shelf knows who has written in its room, for a while.
func (s *shelf) await(ctx context.Context) {
	late := time.NewTimer(knownWait)
	defer late.Stop()
	select {
	case <-s.known:
	case <-late.C:
	case <-ctx.Done():
	}
}

// findingsOf returns what is wrong with what a room holds, and who has written there.
func (r *readings) findingsOf(channel int64) ([]item.Finding, []author, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.shelves[channel]
	if s == nil {
		return nil, nil, relay.ErrNotFound
	}
	return s.findings, slices.Clone(s.authors), nil
}
