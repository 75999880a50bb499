package archive

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

const selectPosts = "SELECT seq, fields, cells, state, after, place, dated_s FROM posts "

func (r *Room) posts(text string, args ...driver.Value) (all []kept.Post, err error) {
	err = r.query(selectPosts+text, func(row []driver.Value) error {
		p := kept.Post{
			Seq: row[0].(int64), Cells: thingspeak.FieldSet(row[2].(int64)), State: kept.Sent(row[3].(int64)),
			After: parsePlace(row[4]), At: parsePlace(row[5]), Dated: parseSeconds(row[6]),
		}
		var texts [thingspeak.FieldCount]string
		if err := json.Unmarshal([]byte(row[1].(string)), &texts); err != nil {
			return fmt.Errorf("reading the outbox: %w: %w", ErrDamaged, err)
		}
		for i, text := range texts {
			if text != "" {
				p.Fields[i] = thingspeak.Text(text)
			}
		}
		all = append(all, p)
		return nil
	}, args...)
	return all, err
}

func (r *Room) post(text string) (kept.Post, bool, error) {
	all, err := r.posts(text)
	if err != nil || len(all) == 0 {
		return kept.Post{}, false, err
	}
	return all[0], true, nil
}

// OpenPosts returns the first entries of the outbox that were not accepted, at most limit.
func (r *Room) OpenPosts(limit int) ([]kept.Post, error) {
	return r.posts("WHERE state <> 2 ORDER BY seq LIMIT ?", int64(limit))
}

// TriedPosts returns the entries of the outbox that may be stored, in order.
func (r *Room) TriedPosts() ([]kept.Post, error) {
	return r.posts("WHERE state IN (1, 3) ORDER BY seq")
}

// LastPost returns the last entry of the outbox, and whether there is one.
func (r *Room) LastPost() (kept.Post, bool, error) { return r.post("ORDER BY seq DESC LIMIT 1") }

// Posts returns the entries of the outbox from first to last, in order.
func (r *Room) Posts(first, last int64) ([]kept.Post, error) {
	return r.posts("WHERE seq BETWEEN ? AND ? ORDER BY seq", first, last)
}

// PutPost inserts or replaces an entry of the outbox.
func (r *Room) PutPost(p kept.Post) error {
	var texts [thingspeak.FieldCount]string
	for i, v := range p.Fields {
		texts[i] = v.Text
	}
	fields, err := json.Marshal(texts)
	if err != nil {
		return err
	}
	return r.exec(`INSERT OR REPLACE INTO posts (seq, fields, cells, state, after, place, dated_s)
		VALUES (?, ?, ?, ?, ?, ?, ?)`,
		p.Seq, string(fields), int64(p.Cells), int64(p.State), place(p.After), place(p.At), seconds(p.Dated))
}

// Undated returns the numbers of the entries of the outbox that were not accepted and have no date, in order.
func (r *Room) Undated() (seqs []int64, err error) {
	err = r.query("SELECT seq FROM posts WHERE state <> 2 AND dated_s = 0 ORDER BY seq", func(row []driver.Value) error {
		seqs = append(seqs, row[0].(int64))
		return nil
	})
	return seqs, err
}

// DatePost gives an entry of the outbox its date.
func (r *Room) DatePost(seq int64, at time.Time) error {
	return r.exec("UPDATE posts SET dated_s = ? WHERE seq = ?", at.Unix(), seq)
}

// SettlePost notes how far an entry of the outbox has come, if it is still there.
func (r *Room) SettlePost(seq int64, state kept.Sent, at record.Place) error {
	return r.exec("UPDATE posts SET state = ?, place = ? WHERE seq = ?", int64(state), place(at), seq)
}

// DeletePosts removes the entries of the outbox from first on.
func (r *Room) DeletePosts(first int64) error {
	return r.exec("DELETE FROM posts WHERE seq >= ?", first)
}

// Progress counts the entries of the outbox from first to last by their states.
func (r *Room) Progress(first, last int64) (states [4]int, err error) {
	err = r.query("SELECT state, count(*) FROM posts WHERE seq BETWEEN ? AND ? GROUP BY state",
		func(row []driver.Value) error {
			states[row[0].(int64)&3] = int(row[1].(int64))
			return nil
		}, first, last)
	return states, err
}

// Own returns the records of one of our identities with numbers from first to last that were not read back yet, in order.
func (r *Room) Own(author record.PublicKey, first, last uint32) ([]kept.Own, error) {
	return r.own("WHERE author = ? AND number BETWEEN ? AND ? ORDER BY number", author[:], int64(first), int64(last))
}

// Outbox returns our own records that were not read back yet, of whichever identity, in the order of their entries.
func (r *Room) Outbox() ([]kept.Own, error) { return r.own("ORDER BY first, number") }

func (r *Room) own(text string, args ...driver.Value) (all []kept.Own, err error) {
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

// Signers returns the identities of whose records some were not read back yet, in any order.
func (r *Room) Signers() (all []record.PublicKey, err error) {
	err = r.query("SELECT DISTINCT author FROM own", func(row []driver.Value) error {
		all = append(all, parseKey(row[0]))
		return nil
	})
	return all, err
}

// PutOwn inserts or replaces a record of our own.
func (r *Room) PutOwn(o kept.Own) error {
	return r.exec(`INSERT OR REPLACE INTO own (author, number, hash, kind, first, last, queued_ms)
		VALUES (?, ?, ?, ?, ?, ?, ?)`,
		o.Author[:], int64(o.Number), o.Hash[:], int64(o.Kind), o.First, o.Last, millis(o.Queued))
}

// DeleteOwn removes a record of our own, and the entries of the outbox in which no other one stands.
func (r *Room) DeleteOwn(o kept.Own) error {
	if err := r.exec("DELETE FROM own WHERE author = ? AND number = ?", o.Author[:], int64(o.Number)); err != nil {
		return err
	}
	// An entry holds cells of a few records of one author only, and those are neighbours.
	return r.exec(`DELETE FROM posts WHERE seq BETWEEN ? AND ? AND NOT EXISTS (
		SELECT 1 FROM own WHERE author = ? AND number BETWEEN ? AND ? AND seq BETWEEN first AND last)`,
		o.First, o.Last, o.Author[:], int64(o.Number)-thingspeak.FieldCount, int64(o.Number)+thingspeak.FieldCount)
}

// Mark returns how far somebody has looked: the last message and event. ok tells whether they have at all.
func (r *Room) Mark(name string) (message, event int64, ok bool, err error) {
	err = r.query("SELECT message, event FROM marks WHERE name = ?", func(row []driver.Value) error {
		message, event, ok = row[0].(int64), row[1].(int64), true
		return nil
	}, name)
	return message, event, ok, err
}

// SetMark notes how far somebody has looked.
func (r *Room) SetMark(name string, message, event int64) error {
	return r.exec("INSERT OR REPLACE INTO marks (name, message, event) VALUES (?, ?, ?)", name, message, event)
}
