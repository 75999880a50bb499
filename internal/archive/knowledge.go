package archive

import (
	"cmp"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// What follows is [record.Known] but for the cells that are pending, which need a key to be opened.

const authorColumns = "key, nick, pinned, base, top, top_hash, gaps, named, named_at, saw_own, claims, verified_ms, forgotten_ms"

func scanAuthor(row []driver.Value) (a record.Author, err error) {
	number := func(i int) uint32 { return uint32(row[i].(int64)) }
	a = record.Author{
		Key: parseKey(row[0]), Nick: row[1].(string), Pinned: int(row[2].(int64)), Base: number(3), Top: number(4),
		Named: number(7), NamedAt: number(8), SawOwn: number(9), Claims: int(row[10].(int64)),
		Compared: row[11] != int64(0), Nameless: row[11] == int64(0) && row[12] != int64(0),
	}
	copy(a.TopHash[:], blob(row[5]))
	if gaps := row[6].(string); gaps != "" {
		if err := json.Unmarshal([]byte(gaps), &a.Gaps); err != nil {
			return a, fmt.Errorf("reading what is missing from %s: %w: %w", a.Key.Tag(), ErrDamaged, err)
		}
	}
	return a, nil
}

func (r *Room) authors(text string, args ...driver.Value) (all []record.Author, err error) {
	err = r.query("SELECT "+authorColumns+" FROM authors "+text, func(row []driver.Value) error {
		a, err := scanAuthor(row)
		all = append(all, a)
		return err
	}, args...)
	return all, err
}

// Author implements that part of [record.Known].
func (r *Room) Author(author record.PublicKey) (record.Author, bool, error) {
	all, err := r.authors("WHERE key = ?", author[:])
	if err != nil || len(all) == 0 {
		return record.Author{}, false, err
	}
	return all[0], true, nil
}

// Tagged implements that part of [record.Known].
func (r *Room) Tagged(tag record.Tag) (keys []record.PublicKey, claims []record.Claim, err error) {
	err = r.query("SELECT key FROM authors WHERE tag = ?", func(row []driver.Value) error {
		keys = append(keys, parseKey(row[0]))
		return nil
	}, tag[:])
	if err == nil {
		claims, err = r.claims("WHERE tag = ?", tag[:])
	}
	return keys, claims, err
}

func (r *Room) claims(text string, args ...driver.Value) (all []record.Claim, err error) {
	const columns = "SELECT tag, number, hash, author, said, place, field, doubted, below FROM claims "
	err = r.query(columns+text, func(row []driver.Value) error {
		c := record.Claim{
			Number: uint32(row[1].(int64)), By: parseKey(row[3]), Said: uint32(row[4].(int64)), At: parseSpot(row[5], row[6]),
			Doubted: row[7] != int64(0), Below: row[8] != int64(0),
		}
		copy(c.Tag[:], blob(row[0]))
		copy(c.Hash[:], blob(row[2]))
		all = append(all, c)
		return nil
	}, args...)
	return all, err
}

// Pinned implements that part of [record.Known].
func (r *Room) Pinned(form string) (k record.PublicKey, ok bool, err error) {
	err = r.query("SELECT key FROM pins WHERE form = ?", func(row []driver.Value) error {
		k, ok = parseKey(row[0]), true
		return nil
	}, form)
	return k, ok, err
}

// Devices implements that part of [record.Known].
func (r *Room) Devices(key record.PublicKey) (claims []record.DeviceClaim, err error) {
	err = r.query(`SELECT author, device, number, claims, refuses FROM devices WHERE author = ?
		UNION SELECT author, device, number, claims, refuses FROM devices WHERE device = ?`,
		func(row []driver.Value) error {
			claims = append(claims, record.DeviceClaim{
				Author: parseKey(row[0]), Device: parseKey(row[1]), Number: uint32(row[2].(int64)),
				Claims: row[3] != int64(0), Refuses: row[4] != int64(0),
			})
			return nil
		}, key[:], key[:])
	return claims, err
}

// Told implements that part of [record.Known].
func (r *Room) Told(id record.FindingID) (last uint32, told bool, err error) {
	err = r.query("SELECT last FROM told WHERE id = ?", func(row []driver.Value) error {
		last, told = uint32(row[0].(int64)), true
		return nil
	}, id.String())
	return last, told, err
}

const groupColumns = "tag, number, parts, key, cells, sum, newest, last_ms, state, untried"

// Groups implements that part of [record.Known].
func (r *Room) Groups(tag record.Tag, first, last uint32) ([]record.Group, error) {
	if r.noGroups {
		return nil, nil
	}
	return r.groups("WHERE tag = ? AND number BETWEEN ? AND ?", tag[:], int64(first), int64(last))
}

func (r *Room) groups(text string, args ...driver.Value) (all []record.Group, err error) {
	err = r.query("SELECT "+groupColumns+" FROM groups "+text, func(row []driver.Value) error {
		g := record.Group{
			ID:    record.GroupID{Number: uint32(row[1].(int64)), Parts: uint16(row[2].(int64))},
			Cells: int(row[4].(int64)), Sum: uint64(row[5].(int64)), Newest: parsePlace(row[6]),
			LastAt: time.UnixMilli(row[7].(int64)).UTC(), State: record.GroupState(row[8].(int64)),
			Untried: row[9] != int64(0),
		}
		copy(g.ID.Tag[:], blob(row[0]))
		copy(g.ID.Key[:], blob(row[3]))
		all = append(all, g)
		return nil
	}, args...)
	return all, err
}

func (r *Room) lacksGroups() (none bool, err error) {
	none = true
	err = r.conn.Query("SELECT 1 FROM groups LIMIT 1", func([]driver.Value) error {
		none = false
		return nil
	})
	return none, err
}

// Untried implements that part of [record.Known].
func (r *Room) Untried() (ids []record.GroupID, err error) {
	if r.noGroups {
		return nil, nil
	}
	groups, err := r.groups("WHERE untried = 1 ORDER BY id")
	for i := range groups {
		ids = append(ids, groups[i].ID)
	}
	return ids, err
}

// Pending implements that part of [record.Known].
func (r *Room) Pending(id record.GroupID) (spots []record.Spot, err error) {
	err = r.query(`SELECT p.place, p.field FROM groups AS g JOIN pending AS p ON p.grp = g.id
		WHERE g.tag = ? AND g.number = ? AND g.parts = ? AND g.key = ?`, func(row []driver.Value) error {
		spots = append(spots, parseSpot(row[0], row[1]))
		return nil
	}, id.Tag[:], int64(id.Number), int64(id.Parts), id.Key[:])
	return spots, err
}

// Waiting implements that part of [record.Known].
func (r *Room) Waiting() (w record.Waiting, err error) {
	err = r.query("SELECT key FROM authors WHERE waiting = 1", func(row []driver.Value) error {
		w.Authors = append(w.Authors, parseKey(row[0]))
		return nil
	})
	if err == nil {
		w.Claims, err = r.claims("WHERE doubted = 1 OR below = 1")
	}
	if err != nil || r.noGroups {
		return w, err
	}
	err = r.query(`SELECT count(*) FROM groups AS g
		WHERE state = 0 AND NOT EXISTS (SELECT 1 FROM authors WHERE tag = g.tag AND base > 0)`, func(row []driver.Value) error {
		w.Strays = int(row[0].(int64))
		return nil
	})
	if err != nil {
		return w, err
	}
	err = r.query(`SELECT DISTINCT tag FROM authors AS a
		WHERE base > 0 AND EXISTS (SELECT 1 FROM groups WHERE tag = a.tag AND state = 0)`, func(row []driver.Value) error {
		w.Tags = append(w.Tags, record.Tag(blob(row[0])))
		return nil
	})
	return w, err
}

// Lacking implements that part of [record.Known].
func (r *Room) Lacking() (authors []record.PublicKey, tags []record.Tag, err error) {
	err = r.query("SELECT key FROM authors WHERE gaps <> ''", func(row []driver.Value) error {
		authors = append(authors, parseKey(row[0]))
		return nil
	})
	if err != nil || r.noGroups {
		return authors, nil, err
	}
	err = r.query("SELECT DISTINCT tag FROM groups WHERE state = 1", func(row []driver.Value) error {
		tags = append(tags, record.Tag(blob(row[0])))
		return nil
	})
	return authors, tags, err
}

// Arriving implements that part of [record.Known].
func (r *Room) Arriving(tag record.Tag, above uint32, limit int) ([]record.Group, error) {
	if r.noGroups {
		return nil, nil
	}
	return r.groups(`WHERE tag = ?1 AND state <> 2 AND number IN (SELECT DISTINCT number FROM groups
		WHERE tag = ?1 AND state <> 2 AND number > ?2 ORDER BY number LIMIT ?3)`, tag[:], int64(above), int64(limit))
}

// Events returns at most limit events that came after the one with an ID, in the order of their coming.
func (r *Room) Events(id int64, limit int) (all []kept.Event, err error) {
	err = r.query("SELECT id, finding, taken_back FROM events WHERE id > ? ORDER BY id LIMIT ?",
		func(row []driver.Value) error {
			f, err := readFinding(row[1].(string))
			all = append(all, kept.Event{ID: row[0].(int64), Finding: f, TakenBack: row[2] != int64(0)})
			return err
		}, id, int64(limit))
	return all, err
}

// Unnamed returns at most limit authors other than own of whom something was verified since own last named them, those
// first whom own named longest ago.
func (r *Room) Unnamed(own record.PublicKey, limit int) ([]record.Author, error) {
	return r.authors("WHERE top > named AND key <> ? ORDER BY named_at, key LIMIT ?", own[:], int64(limit))
}

// Witnesses returns the authors who have signed that they saw a record of our own: first those whose keys were compared,
// then those known longest, so that new keys of an insider do not push them aside.
func (r *Room) Witnesses() ([]record.Author, error) {
	return r.authors("WHERE saw_own > 0 ORDER BY verified_ms = 0, id")
}

// Authors returns all authors, in the order in which they became known, with what the user has made known of them.
func (r *Room) Authors() (all []kept.Author, err error) {
	names := map[record.PublicKey][]string{}
	err = r.query("SELECT key, form FROM pins", func(row []driver.Value) error {
		k := parseKey(row[0])
		names[k] = append(names[k], row[1].(string))
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = r.query("SELECT "+authorColumns+" FROM authors ORDER BY id",
		func(row []driver.Value) error {
			a, err := scanAuthor(row)
			all = append(all, kept.Author{
				Author: a, Names: names[a.Key], Verified: parseMillis(row[11]), Forgotten: parseMillis(row[12]),
			})
			return err
		})
	for i := range all {
		slices.SortFunc(all[i].Names, cmp.Compare)
	}
	return all, err
}
