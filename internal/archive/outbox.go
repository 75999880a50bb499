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
	"github.com/fernpost/fernpost/internal/sqlite"
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
	err = r.query(columns+postStates[q.Only]+order, func(row sqlite.Row) error {
		p := kept.Post{
			Seq: row.Int(0), Cells: thingspeak.FieldSet(row.Int(2)), State: model.State(row.Int(3)),
			After: parsePlace(row.Int(4)), At: parsePlace(row.Int(5)), Dated: parseSeconds(row.Int(6)),
		}
		var texts [thingspeak.FieldCount + 1]string // the last one is the status
		if err := json.Unmarshal([]byte(row.Text(1)), &texts); err != nil {
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
		func(row sqlite.Row) error {
			state := row.Int(0)
			if state < 0 || state >= int64(len(states)) {
				row.Refuse(0)
			}
			states[state] = int(row.Int(1))
			return nil
		}, first, last)
	return states, err
}

// Own implements that part of [room.Store].
func (r *Room) Own(q kept.OwnQuery) (all []kept.Own, err error) {
	text, args := "ORDER BY first, number, author", []driver.Value(nil)
	switch {
	case !q.Author.IsZero():
		text = "WHERE author = ? AND number BETWEEN ? AND ? ORDER BY number"
		args = []driver.Value{q.Author[:], int64(q.First), int64(q.Last)}
	case q.FirstPost > 0:
		// Records follow each other in the posts: of those that begin before, only the last can reach as far.
		text = `WHERE first >= (SELECT ifnull(max(first), 0) FROM own WHERE first < ?1) AND first <= ?2 AND last >= ?1
			ORDER BY first, number, author`
		args = []driver.Value{q.FirstPost, q.LastPost}
	}
	err = r.query("SELECT author, number, hash, kind, first, last, queued_ms FROM own "+text, func(row sqlite.Row) error {
		o := kept.Own{
			Author: parseKey(row, 0), Number: uint32(row.Int(1)), Kind: record.Kind(row.Int(3)),
			First: row.Int(4), Last: row.Int(5), Queued: parseMillis(row.Int(6)),
		}
		row.FillOrNone(2, o.Hash[:])
		all = append(all, o)
		return nil
	}, args...)
	return all, err
}

// Once implements that part of [room.Store].
func (r *Room) Once(name [32]byte) (o kept.Once, ok bool, err error) {
	err = r.query("SELECT body, author, number, at_ms FROM once WHERE name = ?", func(row sqlite.Row) error {
		o, ok = kept.Once{Name: name, At: parseMillis(row.Int(3))}, true
		o.Author, o.Number = parseKey(row, 1), uint32(row.Int(2))
		row.Fill(0, o.Body[:])
		return nil
	}, name[:])
	return o, ok, err
}
