package archive

import (
	"database/sql/driver"
	"strings"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// AddMove notes what a message says that is a [record.KeyMoved]. It must be there.
func (r *Room) AddMove(m kept.Move) error {
	author, err := r.authorID(m.Author)
	if err != nil {
		return err
	}
	return r.exec(`INSERT OR IGNORE INTO moves (message, named)
		SELECT id, ? FROM messages WHERE author = ? AND number = ? AND hash = ?`,
		m.Named[:], author, int64(m.Number), m.Hash[:])
}

// FirstMove returns where the first record stands that is sealed with one key and names another.
func (r *Room) FirstMove(sealed, named record.KeyID) (at record.Spot, ok bool, err error) {
	err = r.query(`SELECT m.place, m.field FROM moves AS v CROSS JOIN messages AS m ON m.id = v.message
		WHERE v.named = ? AND m.key = ? ORDER BY m.place, m.field LIMIT 1`, func(row []driver.Value) error {
		at, ok = parseSpot(row[0], row[1]), true
		return nil
	}, named[:], sealed[:])
	return at, ok, err
}

// Moves returns, of those who have moved the room away from a key, the newest record in which each does, unless that names
// one of some keys, or came no later than message since from somebody whose key was not compared: of at most limit authors,
// those first whose key was compared.
func (r *Room) Moves(sealed record.KeyID, except []record.KeyID, since int64, limit int) (all []kept.Move, err error) {
	args := []driver.Value{sealed[:]}
	for i := range except {
		args = append(args, except[i][:])
	}
	// CROSS keeps SQLite from walking through all messages, of which few are moves. Beside a max(), it takes the other
	// columns from the row that has it ("Bare columns in an aggregate query").
	err = r.query(`SELECT key, number, hash, named FROM (
			SELECT a.key, max(m.number) AS number, m.hash, v.named, a.verified_ms = 0 AS later, a.id, m.id AS came
			FROM moves AS v CROSS JOIN messages AS m ON m.id = v.message JOIN authors AS a ON a.id = m.author
			WHERE m.key = ? GROUP BY a.id)
		WHERE named NOT IN (x''`+strings.Repeat(", ?", len(except))+`)
			AND (NOT later OR came > ?) ORDER BY later, id LIMIT ?`, func(row []driver.Value) error {
		m := kept.Move{Author: parseKey(row[0]), Number: uint32(row[1].(int64))}
		copy(m.Hash[:], blob(row[2]))
		copy(m.Named[:], blob(row[3]))
		all = append(all, m)
		return nil
	}, append(args, since, int64(limit))...)
	return all, err
}
