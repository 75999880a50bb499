package archive

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// What follows is [record.Known] but for the cells that are pending, which need a key to be opened.

// Author implements that part of [record.Known].
func (r *Room) Author(author record.PublicKey) (record.Author, bool, error) {
	all, err := r.authors("WHERE key = ?", author[:])
	if err != nil || len(all) == 0 {
		return record.Author{}, false, err
	}
	return all[0], true, nil
}

// authorTraits are what the table and its indices know of authors.
var authorTraits = [...]string{
	record.AnyAuthor: "", record.HasGaps: " AND gaps <> ''", record.GapsWait: " AND waiting = 1",
	record.Unnamed: " AND top > named", record.Witness: " AND saw_own > 0",
	record.Compared: " AND verified_ms <> 0",
}

// Authors implements that part of [record.Known].
func (r *Room) Authors(q record.AuthorQuery) ([]record.Author, error) {
	if q.Tag != nil {
		return r.authors("WHERE tag = ?"+authorTraits[q.Only]+" ORDER BY id", q.Tag[:])
	}
	return r.authors("WHERE true" + authorTraits[q.Only] + " ORDER BY id")
}

func (r *Room) authors(text string, args ...driver.Value) (all []record.Author, err error) {
	const columns = `SELECT key, nick, pinned, base, top, top_hash, gaps, named, named_at, saw_own, claims, verified_ms,
		forgotten_ms FROM authors `
	err = r.query(columns+text, func(row sqlite.Row) error {
		number := func(i int) uint32 { return uint32(row.Int(i)) }
		a := record.Author{
			Key: parseAuthor(row, 0), Nick: row.Text(1), Pinned: int(row.Int(2)), Base: number(3), Top: number(4),
			Named: number(7), NamedAt: number(8), SawOwn: number(9), Claims: int(row.Int(10)),
			Compared: row.Truth(11), Nameless: !row.Truth(11) && row.Truth(12),
		}
		row.FillOrNone(5, a.TopHash[:])
		if gaps := row.Text(6); gaps != "" {
			if err := json.Unmarshal([]byte(gaps), &a.Gaps); err != nil {
				return fmt.Errorf("reading what is missing from %s: %w: %w", a.Key.Tag(), model.ErrArchiveDamaged, err)
			}
		}
		all = append(all, a)
		return nil
	}, args...)
	return all, err
}

// Claims implements that part of [record.Known].
func (r *Room) Claims(q record.ClaimQuery) (all []record.Claim, err error) {
	text, args := "WHERE doubted = 1 OR below = 1", []driver.Value(nil)
	if q.Tag != nil {
		text, args = "WHERE tag = ?", []driver.Value{q.Tag[:]}
	}
	const columns = "SELECT tag, number, hash, author, said, place, field, doubted, below FROM claims "
	err = r.query(columns+text, func(row sqlite.Row) error {
		c := record.Claim{
			Number: uint32(row.Int(1)), By: parseAuthor(row, 3), Said: uint32(row.Int(4)), At: parseSpot(row, 5),
			Doubted: row.Truth(7), Below: row.Truth(8),
		}
		row.Fill(0, c.Tag[:])
		row.Fill(2, c.Hash[:])
		all = append(all, c)
		return nil
	}, args...)
	return all, err
}

// Pins implements that part of [record.Known].
func (r *Room) Pins(q record.PinQuery) (all []record.Pin, err error) {
	text, args := "SELECT form, key FROM pins ORDER BY form", []driver.Value(nil)
	switch {
	case q.Form != "":
		text, args = "SELECT form, key FROM pins WHERE form = ?", []driver.Value{q.Form}
	case !q.Key.IsZero():
		text, args = "SELECT form, key FROM pins WHERE key = ? ORDER BY form", []driver.Value{q.Key[:]}
	}
	err = r.query(text, func(row sqlite.Row) error {
		all = append(all, record.Pin{Form: row.Text(0), Key: parseAuthor(row, 1)})
		return nil
	}, args...)
	return all, err
}

// refusedClaimed is a bit beside that of a refusal: there was a claim before. It stands in one number with it because older
// versions read that as a refusal.
const refusedClaimed = 2

// Devices implements that part of [record.Known].
func (r *Room) Devices(key record.PublicKey) (claims []record.DeviceClaim, err error) {
	err = r.query(`SELECT author, device, number, claims, refuses FROM devices WHERE author = ?
		UNION SELECT author, device, number, claims, refuses FROM devices WHERE device = ?`,
		func(row sqlite.Row) error {
			claims = append(claims, record.DeviceClaim{
				Author: parseAuthor(row, 0), Device: parseAuthor(row, 1), Number: uint32(row.Int(2)),
				Claims: row.Truth(3), Refuses: row.Truth(4), Claimed: row.Truth(3) || row.Int(4)&refusedClaimed != 0,
			})
			return nil
		}, key[:], key[:])
	return claims, err
}

// Told implements that part of [record.Known].
func (r *Room) Told(id record.FindingID) (last uint32, told bool, err error) {
	err = r.query("SELECT last FROM told WHERE id = ?", func(row sqlite.Row) error {
		last, told = uint32(row.Int(0)), true
		return nil
	}, id.String())
	return last, told, err
}

// groupTraits are what the table and its indices know of groups.
var groupTraits = [...]string{
	record.AnyGroup: "", record.WithUntried: " AND untried = 1", record.WasIncomplete: " AND state = 1",
	record.MayArrive: " AND state <> 2",
}

// Groups implements that part of [record.Known].
func (r *Room) Groups(q record.GroupQuery) (all []record.Group, err error) {
	if r.noGroups {
		return nil, nil
	}
	only := groupTraits[q.Only]
	text, args := "WHERE true"+only, []driver.Value(nil)
	if q.Last > 0 {
		text = "WHERE tag = ?1 AND number BETWEEN ?2 AND ?3" + only
		args = []driver.Value{q.Tag[:], int64(q.First), int64(q.Last)}
	}
	if q.Numbers > 0 {
		text += " AND number IN (SELECT DISTINCT number FROM groups " + text + " ORDER BY number LIMIT ?4)"
		args = append(args, int64(q.Numbers))
	}
	const columns = "SELECT tag, number, parts, key, cells, sum, newest, last_ms, state, untried FROM groups "
	err = r.query(columns+text, func(row sqlite.Row) error {
		g := record.Group{
			ID:    record.GroupID{Number: uint32(row.Int(1)), Parts: uint16(row.Int(2))},
			Cells: int(row.Int(4)), Sum: uint64(row.Int(5)), Newest: parsePlace(row.Int(6)),
			LastAt: time.UnixMilli(row.Int(7)).UTC(), State: record.GroupState(row.Int(8)),
			Untried: row.Truth(9),
		}
		row.Fill(0, g.ID.Tag[:])
		row.Fill(3, g.ID.Key[:])
		all = append(all, g)
		return nil
	}, args...)
	return all, err
}

func (r *Room) lacksGroups() (none bool, err error) {
	none = true
	err = r.conn.Query("SELECT 1 FROM groups LIMIT 1", func(sqlite.Row) error {
		none = false
		return nil
	})
	return none, err
}

// Pending implements that part of [record.Known].
func (r *Room) Pending(id record.GroupID) (spots []record.Spot, err error) {
	err = r.query(`SELECT p.place, p.field FROM groups AS g JOIN pending AS p ON p.grp = g.id
		WHERE g.tag = ? AND g.number = ? AND g.parts = ? AND g.key = ?`, func(row sqlite.Row) error {
		spots = append(spots, parseSpot(row, 0))
		return nil
	}, id.Tag[:], int64(id.Number), int64(id.Parts), id.Key[:])
	return spots, err
}

// Arriving implements that part of [record.Known].
func (r *Room) Arriving() (arrival record.Arrival, err error) {
	if r.noGroups {
		return arrival, nil
	}
	err = r.query(`SELECT count(*) FROM groups AS g
		WHERE state = 0 AND NOT EXISTS (SELECT 1 FROM authors WHERE tag = g.tag AND base > 0)`, func(row sqlite.Row) error {
		arrival.Strays = int(row.Int(0))
		return nil
	})
	if err != nil {
		return arrival, err
	}
	err = r.query(`SELECT DISTINCT tag FROM authors AS a
		WHERE base > 0 AND EXISTS (SELECT 1 FROM groups WHERE tag = a.tag AND state = 0)`, func(row sqlite.Row) error {
		var tag record.Tag
		row.Fill(0, tag[:])
		arrival.Tags = append(arrival.Tags, tag)
		return nil
	})
	return arrival, err
}

// Events returns at most limit events that came after the one with an ID, in the order of their coming.
func (r *Room) Events(id int64, limit int) (all []kept.Event, err error) {
	const columns = "SELECT id, finding, taken_back, state, author, number, place, seen_by, was_author, was_number FROM events "
	err = r.query(columns+"WHERE id > ? ORDER BY id LIMIT ?", func(row sqlite.Row) (err error) {
		e := kept.Event{ID: row.Int(0), TakenBack: row.Truth(2)}
		if row[3] == nil {
			e.Finding, err = readFinding(row.Text(1))
		} else {
			e.Own = &model.OwnState{
				OwnID: model.OwnID{Author: parseKey(row, 4), Number: uint32(row.Int(5))}, State: model.State(row.Int(3)),
				At: parsePlace(row.Int(6)), By: parseKey(row, 7),
				Was: model.OwnID{Author: parseKey(row, 8), Number: uint32(row.Int(9))},
			}
		}
		all = append(all, e)
		return err
	}, id, int64(limit))
	return all, err
}
