package archive

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// State returns the row about the room.
func (r *Room) State() (s kept.State, err error) {
	err = r.use("reading", func() error {
		found := false
		const text = "SELECT clears, position, keys, own, own_last, own_hash, seq, dates, let_go, full_used, full_size FROM room"
		err := r.conn.Query(text, func(row sqlite.Row) error {
			found = true
			s.Clears, s.Position = uint32(row.Int(0)), row.Blob(1)
			for ids := row.Blob(2); len(ids) >= len(record.KeyID{}); ids = ids[len(record.KeyID{}):] {
				s.Keys = append(s.Keys, record.KeyID(ids))
			}
			s.Own, s.OwnLast = parseKey(row, 3), uint32(row.Int(4))
			row.FillOrNone(5, s.OwnHash[:])
			s.Seq, s.LetGo = row.Int(6), parsePlace(row.Int(8))
			s.Full = kept.Full{Used: row.Int(9), Size: row.Int(10)}
			if dates := row.Text(7); dates != "" {
				if err := json.Unmarshal([]byte(dates), &s.Dates); err != nil {
					return fmt.Errorf("reading the dates in use: %w: %w", model.ErrArchiveDamaged, err)
				}
			}
			return nil
		})
		if err == nil && !found {
			err = fmt.Errorf("reading the archive %s: %w: the row about the room is not there", r.path, model.ErrArchiveDamaged)
		}
		return err
	})
	return s, err
}

// Size returns how many bytes of the file are in use. What is let go of makes room in it, but does not make it smaller.
func (r *Room) Size() (bytes int64, err error) {
	err = r.query(`SELECT (p.page_count - f.freelist_count) * s.page_size
		FROM pragma_page_count AS p, pragma_freelist_count AS f, pragma_page_size AS s`, func(row sqlite.Row) error {
		bytes = row.Int(0)
		return nil
	})
	return bytes, err
}

// Version returns a number that is another one once another connection has changed something.
func (r *Room) Version() (int64, error) { return r.highest("PRAGMA data_version") }

// exec runs a statement that changes something.
func (r *Room) exec(text string, args ...driver.Value) error {
	return r.use("writing", func() error {
		return r.conn.Exec(text, args...)
	})
}

// query runs a statement that reads.
func (r *Room) query(text string, visit func(row sqlite.Row) error, args ...driver.Value) error {
	return r.use("reading", func() error { return r.conn.Query(text, visit, args...) })
}

// Entries implements that part of [room.Store].
func (r *Room) Entries(q kept.EntryQuery, visit func(kept.Entry) error) error {
	text := "SELECT place, posted_s, tokens, wiped FROM entries WHERE place BETWEEN ? AND ? ORDER BY place LIMIT ?"
	switch {
	case q.Unopened:
		text = "SELECT place, posted_s, tokens, wiped FROM unopened WHERE place BETWEEN ? AND ? ORDER BY place LIMIT ?"
	case q.Newest:
		text = "SELECT place, posted_s, tokens, wiped FROM entries WHERE place BETWEEN ? AND ? ORDER BY place DESC LIMIT ?"
	}
	return r.query(text, func(row sqlite.Row) error {
		return visit(kept.Entry{
			At: parsePlace(row.Int(0)), Posted: time.Unix(row.Int(1), 0).UTC(), Tokens: row.Blob(2),
			Wiped: row.Truth(3),
		})
	}, place(q.First), place(q.Last), limit(q.Limit))
}

// Ranges returns the ranges that are kept for a reason, in order.
func (r *Room) Ranges(why int) (all []kept.Range, err error) {
	err = r.query("SELECT first, last FROM ranges WHERE why = ? ORDER BY first", func(row sqlite.Row) error {
		all = append(all, kept.Range{First: parsePlace(row.Int(0)), Last: parsePlace(row.Int(1))})
		return nil
	}, int64(why))
	return all, err
}

// macsAtOnce is how many places are asked for in one query.
const macsAtOnce = 64

var selectMACs = "SELECT mac, place FROM macs WHERE mac IN (?" + strings.Repeat(", ?", macsAtOnce-1) + ")"

// MACs implements that part of [room.Store].
func (r *Room) MACs(macs [][16]byte) (map[[16]byte]record.Place, error) {
	found := map[[16]byte]record.Place{}
	note := func(row sqlite.Row) error {
		var mac [16]byte
		row.Fill(0, mac[:])
		found[mac] = parsePlace(row.Int(1))
		return nil
	}
	args := make([]driver.Value, 0, macsAtOnce)
	for some := range slices.Chunk(macs, macsAtOnce) {
		args = args[:0]
		for i := range some {
			args = append(args, some[i][:])
		}
		if len(some) < macsAtOnce { // that many statements would have to be prepared
			for i := range args {
				if err := r.query("SELECT mac, place FROM macs WHERE mac = ?", note, args[i]); err != nil {
					return nil, err
				}
			}
			break
		}
		if err := r.query(selectMACs, note, args...); err != nil {
			return nil, err
		}
	}
	return found, nil
}
