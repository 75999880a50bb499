package archive

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// State returns the row about the room.
func (r *Room) State() (s kept.State, err error) {
	err = r.use("reading", func() error {
		const text = "SELECT clears, position, keys, own, own_last, own_hash, seq, dates, let_go, full_used, full_size FROM room"
		return r.conn.Query(text, func(row []driver.Value) error {
			s.Clears, s.Position = uint32(row[0].(int64)), blob(row[1])
			for ids := blob(row[2]); len(ids) >= len(record.KeyID{}); ids = ids[len(record.KeyID{}):] {
				s.Keys = append(s.Keys, record.KeyID(ids))
			}
			s.Own, s.OwnLast = parseKey(row[3]), uint32(row[4].(int64))
			copy(s.OwnHash[:], blob(row[5]))
			s.Seq, s.LetGo = row[6].(int64), parsePlace(row[8])
			s.Full = kept.Full{Used: row[9].(int64), Size: row[10].(int64)}
			if dates := row[7].(string); dates != "" {
				if err := json.Unmarshal([]byte(dates), &s.Dates); err != nil {
					return fmt.Errorf("reading the dates in use: %w: %w", ErrDamaged, err)
				}
			}
			return nil
		})
	})
	return s, err
}

// SetState replaces the row about the room.
func (r *Room) SetState(s kept.State) error {
	ids := []byte{}
	for _, id := range s.Keys {
		ids = append(ids, id[:]...)
	}
	dates := ""
	if len(s.Dates) > 0 {
		b, err := json.Marshal(s.Dates)
		if err != nil {
			return err
		}
		dates = string(b)
	}
	return r.exec(`UPDATE room SET clears = ?, position = ?, keys = ?, own = ?, own_last = ?, own_hash = ?, seq = ?,
		dates = ?, let_go = ?, full_used = ?, full_size = ?`, int64(s.Clears), append([]byte{}, s.Position...), ids, key(s.Own), int64(s.OwnLast), s.OwnHash[:],
		s.Seq, dates, place(s.LetGo), s.Full.Used, s.Full.Size)
}

// Size returns how many bytes of the file are in use. What is let go of makes room in it, but does not make it smaller.
func (r *Room) Size() (bytes int64, err error) {
	err = r.query(`SELECT (p.page_count - f.freelist_count) * s.page_size
		FROM pragma_page_count AS p, pragma_freelist_count AS f, pragma_page_size AS s`, func(row []driver.Value) error {
		bytes = row[0].(int64)
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
func (r *Room) query(text string, visit func(row []driver.Value) error, args ...driver.Value) error {
	return r.use("reading", func() error { return r.conn.Query(text, visit, args...) })
}

const selectEntries = "SELECT place, posted_s, tokens, wiped FROM entries "

func visitEntries(visit func(kept.Entry) error) func(row []driver.Value) error {
	return func(row []driver.Value) error {
		return visit(kept.Entry{
			At: parsePlace(row[0]), Posted: time.Unix(row[1].(int64), 0).UTC(), Tokens: blob(row[2]),
			Wiped: row[3] != int64(0),
		})
	}
}

// Entries visits the entries from first to last, in order.
func (r *Room) Entries(first, last record.Place, visit func(kept.Entry) error) error {
	return r.query(selectEntries+"WHERE place BETWEEN ? AND ? ORDER BY place",
		visitEntries(visit), place(first), place(last))
}

// NewestEntries visits at most limit entries from last back.
func (r *Room) NewestEntries(last record.Place, limit int, visit func(kept.Entry) error) error {
	return r.query(selectEntries+"WHERE place <= ? ORDER BY place DESC LIMIT ?",
		visitEntries(visit), place(last), int64(limit))
}

// PutEntry inserts or replaces an entry; one without tokens it deletes.
func (r *Room) PutEntry(e kept.Entry) error {
	if len(e.Tokens) == 0 {
		return r.exec("DELETE FROM entries WHERE place = ?", place(e.At))
	}
	return r.exec("INSERT OR REPLACE INTO entries (place, posted_s, tokens, wiped) VALUES (?, ?, ?, ?)",
		place(e.At), e.Posted.Unix(), e.Tokens, flag(e.Wiped))
}

// Unopened visits, in order, the entries from first on with tokens that an older version has kept, that no key has opened
// and that cannot be read again.
func (r *Room) Unopened(first record.Place, visit func(kept.Entry) error) error {
	return r.query("SELECT place, posted_s, tokens, wiped FROM unopened WHERE place >= ? ORDER BY place",
		visitEntries(visit), place(first))
}

// PutUnopened is to those what [Room.PutEntry] is to others.
func (r *Room) PutUnopened(e kept.Entry) error {
	if len(e.Tokens) == 0 {
		return r.exec("DELETE FROM unopened WHERE place = ?", place(e.At))
	}
	return r.exec("INSERT OR REPLACE INTO unopened (place, posted_s, tokens, wiped) VALUES (?, ?, ?, ?)",
		place(e.At), e.Posted.Unix(), e.Tokens, flag(e.Wiped))
}

// DropUnopened lets go of them all.
func (r *Room) DropUnopened() error { return r.exec("DELETE FROM unopened") }

// Ranges returns the ranges that are kept for a reason, in order.
func (r *Room) Ranges(why int) (all []kept.Range, err error) {
	err = r.query("SELECT first, last FROM ranges WHERE why = ? ORDER BY first", func(row []driver.Value) error {
		all = append(all, kept.Range{First: parsePlace(row[0]), Last: parsePlace(row[1])})
		return nil
	}, int64(why))
	return all, err
}

// SetRanges replaces the ranges that are kept for a reason.
func (r *Room) SetRanges(why int, all []kept.Range) error {
	if err := r.exec("DELETE FROM ranges WHERE why = ?", int64(why)); err != nil {
		return err
	}
	for _, s := range all {
		err := r.exec("INSERT INTO ranges (why, first, last) VALUES (?, ?, ?)", int64(why), place(s.First), place(s.Last))
		if err != nil {
			return err
		}
	}
	return nil
}

// Span returns the lowest and the highest entry kept with this number of clears before it; zero if there is none.
func (r *Room) Span(clears uint32) (first, last record.Place, err error) {
	from, to := place(record.Place{Clear: clears}), place(record.Place{Clear: clears, Entry: kept.MaxEntry})
	for _, q := range []struct {
		text string
		to   *record.Place
	}{
		{"SELECT min(place) FROM entries WHERE place BETWEEN ? AND ?", &first},
		{"SELECT max(place) FROM entries WHERE place BETWEEN ? AND ?", &last},
	} {
		err = r.query(q.text, func(row []driver.Value) error {
			if row[0] != nil {
				*q.to = parsePlace(row[0])
			}
			return nil
		}, from, to)
		if err != nil {
			return first, last, err
		}
	}
	return first, last, nil
}

// ClaimMAC notes that an opened token with this MAC stands at a place, unless one does already: then it returns where.
func (r *Room) ClaimMAC(mac [16]byte, at record.Place) (first record.Place, fresh bool, err error) {
	err = r.use("writing", func() error {
		err := r.conn.Exec("INSERT INTO macs (mac, place) VALUES (?, ?) ON CONFLICT DO NOTHING", mac[:], place(at))
		fresh = err == nil && r.conn.Changed() == 1
		return err
	})
	if err != nil || fresh {
		return at, fresh, err
	}
	first, _, err = r.MAC(mac)
	return first, false, err
}

// MAC returns where the opened token with this MAC stands first, and whether there is one.
func (r *Room) MAC(mac [16]byte) (first record.Place, ok bool, err error) {
	err = r.query("SELECT place FROM macs WHERE mac = ?", func(row []driver.Value) error {
		first, ok = parsePlace(row[0]), true
		return nil
	}, mac[:])
	return first, ok, err
}

// ForgetMAC notes that a token is not kept any more.
func (r *Room) ForgetMAC(mac [16]byte) error { return r.exec("DELETE FROM macs WHERE mac = ?", mac[:]) }

// MoveMAC notes that a token stands at a lower place as well.
func (r *Room) MoveMAC(mac [16]byte, at record.Place) error {
	return r.exec("UPDATE macs SET place = ? WHERE mac = ?", place(at), mac[:])
}
