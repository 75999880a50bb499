package archive

import (
	"cmp"
	"database/sql/driver"
	"fmt"
	"math"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// authorID returns the number of an author in the database.
func (r *Room) authorID(author record.PublicKey) (id int64, err error) {
	if id, ok := r.ids[author]; ok {
		return id, nil
	}
	err = r.query("SELECT id FROM authors WHERE key = ?", func(row sqlite.Row) error {
		id = row.Int(0)
		return nil
	}, author[:])
	switch {
	case err != nil:
		return 0, err
	case id == 0:
		return 0, fmt.Errorf("the author %s is not known", author.Tag())
	}
	r.ids[author] = id
	return id, nil
}

// messageColumns are in the order of scanMessage.
const messageColumns = "m.id, m.place, m.field, m.kind, a.key, " + heldColumns

func scanMessage(row sqlite.Row) kept.Message {
	m := kept.Message{ID: row.Int(0), Kind: record.Kind(row.Int(3)), Held: scanHeld(row[5:])}
	m.Held.At = parseSpot(row, 1)
	if row[4] != nil {
		m.Held.Author = parseAuthor(row, 4)
		row.Fill(6, m.Held.Hash[:])
	}
	return m
}

const heldColumns = "m.number, m.hash, m.previous, m.key, m.cells, m.nick"

func scanHeld(row sqlite.Row) (h record.Held) {
	cells, ok := parseSpots(row.Blob(4))
	if !ok {
		row.Refuse(4)
	}
	h.Number, h.Cells, h.Nick = uint32(row.Int(0)), cells, row.Text(5)
	row.FillOrNone(1, h.Hash[:])
	row.FillOrNone(2, h.Previous[:])
	row.FillOrNone(3, h.Key[:])
	return h
}

// Messages implements that part of [room.Store].
func (r *Room) Messages(q kept.MessageQuery) (all []kept.Message, err error) {
	until := cmp.Or(q.Until, math.MaxInt64)
	const joined = " LEFT JOIN authors AS a ON a.id = m.author "
	text, args := joined+"WHERE m.id > ? AND m.id <= ? ORDER BY m.id LIMIT ?", []driver.Value{q.After, until, limit(q.Limit)}
	switch {
	case q.From != nil:
		at, field := spot(q.From.At)
		text = joined + `WHERE (m.place, m.field) >= (?1, ?2) AND
				(m.place, m.field, ifnull(a.key, x''), m.number, m.hash) >= (?1, ?2, ?3, ?4, ?5)
			ORDER BY m.place, m.field, a.key, m.number, m.hash LIMIT ?6`
		args = []driver.Value{at, field, key(q.From.Author), int64(q.From.Number), hash(q.From.Hash), limit(q.Limit)}
	case q.Newest:
		// Left to itself, SQLite sorts all messages.
		text = " INDEXED BY messages_by_place" + joined + `WHERE m.id <= ?1
				AND (?2 = 0 OR m.author IS NOT NULL) AND (?3 = 0 OR m.kind <> ?4)
			ORDER BY m.place DESC, m.field DESC, a.key DESC, m.number DESC, m.hash DESC LIMIT ?5`
		args = []driver.Value{until, flag(q.Signed), flag(q.Said), int64(record.KindHeartbeat), limit(q.Limit)}
	}
	err = r.query("SELECT "+messageColumns+" FROM messages AS m"+text, func(row sqlite.Row) error {
		all = append(all, scanMessage(row))
		return nil
	}, args...)
	return all, err
}

// limit is -1 for none.
func limit(n int) int64 {
	if n <= 0 {
		return -1
	}
	return int64(n)
}

// Held implements that part of [record.Known].
func (r *Room) Held(q record.HeldQuery) (held []record.Held, err error) {
	id, err := r.authorID(q.Author)
	if err != nil {
		return nil, err
	}
	if q.Last == 0 {
		return r.lines(q, id)
	}
	err = r.query("SELECT m.place, m.field, "+heldColumns+` FROM messages AS m
		WHERE author = ? AND number BETWEEN ? AND ? ORDER BY number, id`, func(row sqlite.Row) error {
		h := scanHeld(row[2:])
		h.Author, h.At = q.Author, parseSpot(row, 0)
		held = append(held, h)
		return nil
	}, id, int64(q.First), int64(q.Last))
	return held, err
}

// lines returns the records of an author that stand from one spot to another, and the last one before them.
func (r *Room) lines(q record.HeldQuery, id int64) (lines []record.Held, err error) {
	fromAt, fromField := spot(q.From)
	toAt, toField := spot(q.To)
	// Both go along the index of all places: the author's lines are seldom far apart, and as seldom asked for.
	err = r.query("SELECT place, field, number, hash FROM (SELECT * FROM messages WHERE +author = ?1 AND "+
		`(place, field) < (?2, ?3) ORDER BY place DESC, field DESC, number DESC, hash DESC LIMIT 1)
		UNION SELECT place, field, number, hash FROM messages
			WHERE +author = ?1 AND (place, field) BETWEEN (?2, ?3) AND (?4, ?5)
		ORDER BY place, field, number, hash`, func(row sqlite.Row) error {
		h := record.Held{Author: q.Author, Number: uint32(row.Int(2)), At: parseSpot(row, 0)}
		row.Fill(3, h.Hash[:])
		lines = append(lines, h)
		return nil
	}, id, fromAt, fromField, toAt, toField)
	return lines, err
}

// End returns the highest IDs given out to messages and events, 0 where there is none.
func (r *Room) End() (m kept.Mark, err error) {
	if m.Message, err = r.highest("SELECT max(id) FROM messages"); err == nil {
		m.Event, err = r.highest("SELECT max(id) FROM events")
	}
	return m, err
}

// Mark returns how far somebody has looked. ok tells whether they have at all.
func (r *Room) Mark(name string) (m kept.Mark, ok bool, err error) {
	m.Name = name
	err = r.query("SELECT message, event FROM marks WHERE name = ?", func(row sqlite.Row) error {
		m.Message, m.Event, ok = row.Int(0), row.Int(1), true
		return nil
	}, name)
	return m, ok, err
}

// Marks returns the names that begin with a prefix and under which somebody has looked, in order.
func (r *Room) Marks(prefix string) (all []kept.Mark, err error) {
	err = r.query("SELECT name, message, event FROM marks WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name", func(row sqlite.Row) error {
		all = append(all, kept.Mark{Name: row.Text(0), Message: row.Int(1), Event: row.Int(2)})
		return nil
	}, prefix)
	return all, err
}

func (r *Room) highest(text string) (id int64, err error) {
	err = r.query(text, func(row sqlite.Row) error {
		if row[0] != nil {
			id = row.Int(0)
		}
		return nil
	})
	return id, err
}

// Moves returns what messages that are sealed with a key say of another one, in the order of their arrival.
func (r *Room) Moves(sealed record.KeyID) (all []kept.Move, err error) {
	// CROSS keeps SQLite from walking through all messages, of which few are moves.
	err = r.query(`SELECT m.id, a.key, m.number, m.hash, m.place, m.field, v.named
		FROM moves AS v CROSS JOIN messages AS m ON m.id = v.message JOIN authors AS a ON a.id = m.author
		WHERE m.key = ? ORDER BY m.id`, func(row sqlite.Row) error {
		m := kept.Move{
			Message: row.Int(0), Author: parseAuthor(row, 1), Number: uint32(row.Int(2)), At: parseSpot(row, 4),
		}
		row.Fill(3, m.Hash[:])
		row.Fill(6, m.Named[:])
		all = append(all, m)
		return nil
	}, sealed[:])
	return all, err
}
