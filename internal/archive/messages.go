package archive

import (
	"database/sql/driver"
	"fmt"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// AddMessage inserts a message; its ID is ignored, and becomes higher than all before. Its author must be known.
func (r *Room) AddMessage(m kept.Message) error {
	h := &m.Held
	id, err := r.earlierID(h)
	if err != nil {
		return err
	}
	at, field := spot(h.At)
	if h.Author.IsZero() {
		return r.exec(insertMessage, id, at, field, int64(m.Kind), nil, int64(0), hash(h.Hash), []byte{}, []byte{}, []byte{}, "")
	}
	author, err := r.authorID(h.Author)
	if err != nil {
		return err
	}
	return r.exec(insertMessage, id, at, field, int64(m.Kind), author, int64(h.Number), h.Hash[:], h.Previous[:],
		h.Key[:], writeSpots(h.Cells), h.Nick)
}

const insertMessage = `INSERT INTO messages (id, place, field, kind, author, number, hash, previous, key, cells, nick)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// MoveText notes that an unsigned token stands at a lower place.
func (r *Room) MoveText(from, to record.Spot) error {
	at, field := spot(from)
	toAt, toField := spot(to)
	return r.exec("UPDATE messages SET place = ?, field = ? WHERE place = ? AND field = ? AND author IS NULL",
		toAt, toField, at, field)
}

// authorID returns the number of an author in the database.
func (r *Room) authorID(author record.PublicKey) (id int64, err error) {
	if id, ok := r.ids[author]; ok {
		return id, nil
	}
	err = r.query("SELECT id FROM authors WHERE key = ?", func(row []driver.Value) error {
		id = row[0].(int64)
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
const (
	messageColumns = "m.id, m.place, m.field, m.kind, a.key, " + heldColumns
	joinAuthors    = " LEFT JOIN authors AS a ON a.id = m.author "
	selectMessages = "SELECT " + messageColumns + " FROM messages AS m" + joinAuthors
)

func scanMessage(row []driver.Value) kept.Message {
	m := kept.Message{ID: row[0].(int64), Kind: record.Kind(row[3].(int64)), Held: scanHeld(row[5:])}
	m.Held.At = parseSpot(row[1], row[2])
	if row[4] != nil {
		m.Held.Author = parseKey(row[4])
	}
	return m
}

const heldColumns = "m.number, m.hash, m.previous, m.key, m.cells, m.nick"

func scanHeld(row []driver.Value) (h record.Held) {
	h.Number, h.Cells, h.Nick = uint32(row[0].(int64)), parseSpots(blob(row[4])), row[5].(string)
	copy(h.Hash[:], blob(row[1]))
	copy(h.Previous[:], blob(row[2]))
	copy(h.Key[:], blob(row[3]))
	return h
}

func (r *Room) messages(text string, args ...driver.Value) (all []kept.Message, err error) {
	err = r.query(text, func(row []driver.Value) error {
		all = append(all, scanMessage(row))
		return nil
	}, args...)
	return all, err
}

// MessagesSince returns at most limit messages that arrived after the one with an ID, in the order of their arrival.
func (r *Room) MessagesSince(id int64, limit int) ([]kept.Message, error) {
	return r.messages(selectMessages+"WHERE m.id > ? ORDER BY m.id LIMIT ?", id, int64(limit))
}

// MessagesFrom returns at most limit messages from the one with this author, number, hash and spot on, in the order of
// their lines.
func (r *Room) MessagesFrom(from record.Held, limit int) ([]kept.Message, error) {
	at, field := spot(from.At)
	return r.messages(selectMessages+`WHERE (m.place, m.field) >= (?1, ?2) AND
			(m.place, m.field, ifnull(a.key, x''), m.number, m.hash) >= (?1, ?2, ?3, ?4, ?5)
		ORDER BY m.place, m.field, a.key, m.number, m.hash LIMIT ?6`,
		at, field, key(from.Author), int64(from.Number), hash(from.Hash), int64(limit))
}

// NewestMessages returns, of the messages with IDs up to until, the n that stand highest and are not of the kind left
// out, the highest first.
func (r *Room) NewestMessages(until int64, n int, leftOut record.Kind) ([]kept.Message, error) {
	// Left to itself, SQLite sorts all messages.
	return r.messages("SELECT "+messageColumns+" FROM messages AS m INDEXED BY messages_by_place"+joinAuthors+
		"WHERE m.id <= ? AND m.kind <> ? ORDER BY "+
		"m.place DESC, m.field DESC, a.key DESC, m.number DESC, m.hash DESC LIMIT ?",
		until, int64(leftOut), int64(n))
}

// Records visits all records that are held, by author, number and the order of their arrival, and before them the tokens
// that nobody has signed.
func (r *Room) Records(visit func(record.Held) error) error {
	return r.query(selectMessages+"ORDER BY m.author, m.number, m.id",
		func(row []driver.Value) error { return visit(scanMessage(row).Held) })
}

// Held implements that part of [record.Known].
func (r *Room) Held(author record.PublicKey, first, last uint32) (held []record.Held, err error) {
	id, err := r.authorID(author)
	if err != nil {
		return nil, err
	}
	err = r.query("SELECT m.place, m.field, "+heldColumns+` FROM messages AS m
		WHERE author = ? AND number BETWEEN ? AND ? ORDER BY number, id`, func(row []driver.Value) error {
		h := scanHeld(row[2:])
		h.Author, h.At = author, parseSpot(row[0], row[1])
		held = append(held, h)
		return nil
	}, id, int64(first), int64(last))
	return held, err
}

// Lines implements that part of [record.Known].
func (r *Room) Lines(author record.PublicKey, from, to record.Spot) (lines []record.Held, err error) {
	id, err := r.authorID(author)
	if err != nil {
		return nil, err
	}
	fromAt, fromField := spot(from)
	toAt, toField := spot(to)
	// Both go along the index of all places: the author's lines are seldom far apart, and as seldom asked for.
	err = r.query("SELECT place, field, number, hash FROM (SELECT * FROM messages WHERE +author = ?1 AND "+
		`(place, field) < (?2, ?3) ORDER BY place DESC, field DESC, number DESC, hash DESC LIMIT 1)
		UNION SELECT place, field, number, hash FROM messages
			WHERE +author = ?1 AND (place, field) BETWEEN (?2, ?3) AND (?4, ?5)
		ORDER BY place, field, number, hash`, func(row []driver.Value) error {
		h := record.Held{Author: author, Number: uint32(row[2].(int64)), At: parseSpot(row[0], row[1])}
		copy(h.Hash[:], blob(row[3]))
		lines = append(lines, h)
		return nil
	}, id, fromAt, fromField, toAt, toField)
	return lines, err
}

// shownMark is the mark at the record that stands highest of those that were shown. Other marks say where somebody goes
// on: behind what was passed over, too.
const shownMark = "shown"

// SetShown notes that a record was shown, unless one that stands higher was. It must be held.
func (r *Room) SetShown(author record.PublicKey, number uint32, hash record.Hash) error {
	id, err := r.authorID(author)
	if err != nil {
		return err
	}
	return r.exec(`INSERT OR REPLACE INTO marks (name, message, event)
		SELECT ?1, m.id, 0 FROM messages AS m WHERE m.author = ?2 AND m.number = ?3 AND m.hash = ?4 AND NOT EXISTS (
			SELECT 1 FROM marks JOIN messages AS s ON s.id = marks.message
			WHERE marks.name = ?1 AND (s.place, s.field) >= (m.place, m.field))`,
		shownMark, id, int64(number), hash[:])
}

// LastShown returns the record that stands highest of those that were shown; ok tells whether one was.
func (r *Room) LastShown() (h record.Held, ok bool, err error) {
	rows, err := r.messages(selectMessages+"WHERE m.id = (SELECT message FROM marks WHERE name = ?)", shownMark)
	if err != nil || len(rows) == 0 {
		return h, false, err
	}
	return rows[0].Held, true, nil
}

// LastMessage and LastEvent return the highest ID given out, 0 if there is none.
func (r *Room) LastMessage() (int64, error) { return r.highest("SELECT max(id) FROM messages") }

// LastEvent is to events what [Room.LastMessage] is to messages.
func (r *Room) LastEvent() (int64, error) { return r.highest("SELECT max(id) FROM events") }

func (r *Room) highest(text string) (id int64, err error) {
	err = r.query(text, func(row []driver.Value) error {
		if row[0] != nil {
			id = row[0].(int64)
		}
		return nil
	})
	return id, err
}
