package archive

import (
	"cmp"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// postStates are what the indices of the table are for.
var postStates = [...]string{
	kept.AnyPost: "", kept.OpenPost: " AND state <> 2", kept.TriedPost: " AND state IN (1, 3)",
	kept.UndatedPost: " AND state <> 2 AND dated_s = 0",
}

// Posts implements that part of [room.Store].
func (r *Room) Posts(q kept.PostQuery) (all []kept.Post, err error) {
	order := " ORDER BY seq LIMIT ?"
	if q.Newest {
		order = " ORDER BY seq DESC LIMIT ?"
	}
	const columns = "SELECT seq, fields, cells, state, after, place, dated_s FROM posts WHERE seq BETWEEN ? AND ?"
	err = r.query(columns+postStates[q.Only]+order, func(row []driver.Value) error {
		p := kept.Post{
			Seq: row[0].(int64), Cells: thingspeak.FieldSet(row[2].(int64)), State: model.State(row[3].(int64)),
			After: parsePlace(row[4]), At: parsePlace(row[5]), Dated: parseSeconds(row[6]),
		}
		var texts [thingspeak.FieldCount + 1]string // the last one is the status
		if err := json.Unmarshal([]byte(row[1].(string)), &texts); err != nil {
			return fmt.Errorf("reading the outbox: %w: %w", model.ErrArchiveDamaged, err)
		}
		for i, text := range texts {
			switch {
			case text == "":
			case i == thingspeak.FieldCount:
				p.Status = thingspeak.Text(text)
			default:
				p.Fields[i] = thingspeak.Text(text)
			}
		}
		all = append(all, p)
		return nil
	}, q.First, cmp.Or(q.Last, math.MaxInt64), limit(q.Limit))
	return all, err
}

// Progress counts the entries of the outbox from first to last by their states.
func (r *Room) Progress(first, last int64) (states [model.States]int, err error) {
	err = r.query("SELECT state, count(*) FROM posts WHERE seq BETWEEN ? AND ? GROUP BY state",
		func(row []driver.Value) error {
			state := row[0].(int64)
			if state < 0 || state >= int64(len(states)) {
				return fmt.Errorf("reading the outbox: %w: an entry is in state %d", model.ErrArchiveDamaged, state)
			}
			states[state] = int(row[1].(int64))
			return nil
		}, first, last)
	return states, err
}

// Own implements that part of [room.Store].
func (r *Room) Own(q kept.OwnQuery) (all []kept.Own, err error) {
	text, args := "ORDER BY first, number", []driver.Value(nil)
	switch {
	case !q.Author.IsZero():
		text = "WHERE author = ? AND number BETWEEN ? AND ? ORDER BY number"
		args = []driver.Value{q.Author[:], int64(q.First), int64(q.Last)}
	case q.FirstPost > 0:
		// Records follow each other in the posts: of those that begin before, only the last can reach as far.
		text = `WHERE first >= (SELECT ifnull(max(first), 0) FROM own WHERE first < ?1) AND first <= ?2 AND last >= ?1
			ORDER BY first, number`
		args = []driver.Value{q.FirstPost, q.LastPost}
	}
	err = r.query("SELECT author, number, hash, kind, first, last, queued_ms FROM own "+text, func(row []driver.Value) error {
		o := kept.Own{
			Author: parseKey(row[0]), Number: uint32(row[1].(int64)), Kind: record.Kind(row[3].(int64)),
			First: row[4].(int64), Last: row[5].(int64), Queued: parseMillis(row[6]),
		}
		copy(o.Hash[:], blob(row[2]))
		all = append(all, o)
		return nil
	}, args...)
	return all, err
}

// Once implements that part of [room.Store].
func (r *Room) Once(name [32]byte) (o kept.Once, ok bool, err error) {
	err = r.query("SELECT body, author, number, at_ms FROM once WHERE name = ?", func(row []driver.Value) error {
		o, ok = kept.Once{Name: name, At: parseMillis(row[3])}, true
		o.Author, o.Number = parseKey(row[1]), uint32(row[2].(int64))
		copy(o.Body[:], blob(row[0]))
		return nil
	}, name[:])
	return o, ok, err
}
