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

// Apply keeps a change. Records held that are not there as messages are not inserted: see [Room.AddMessage].
func (r *Room) Apply(c *record.Change) error {
	for _, keep := range []func(*record.Change) error{
		r.applyAuthors, r.applyHeld, r.applyClaims, r.applyNames, r.applyGroups, r.applyPending, r.applyFindings,
	} {
		if err := keep(c); err != nil {
			return err
		}
	}
	return nil
}

func (r *Room) applyAuthors(c *record.Change) error {
	for i := range c.Authors {
		a := &c.Authors[i]
		gaps := ""
		if len(a.Gaps) > 0 {
			b, err := json.Marshal(a.Gaps)
			if err != nil {
				return err
			}
			gaps = string(b)
		}
		tag := a.Key.Tag()
		err := r.exec(`INSERT INTO authors (key, tag, nick, pinned, base, top, top_hash, gaps, waiting, named, named_at,
				saw_own, claims, verified_ms, forgotten_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)
			ON CONFLICT (key) DO UPDATE SET nick = excluded.nick, pinned = excluded.pinned, base = excluded.base,
				top = excluded.top, top_hash = excluded.top_hash, gaps = excluded.gaps, waiting = excluded.waiting,
				named = excluded.named, named_at = excluded.named_at, saw_own = excluded.saw_own, claims = excluded.claims`,
			a.Key[:], tag[:], a.Nick, int64(a.Pinned), int64(a.Base), int64(a.Top), a.TopHash[:], gaps, flag(a.Waiting()),
			int64(a.Named), int64(a.NamedAt), int64(a.SawOwn), int64(a.Claims))
		if err != nil {
			return err
		}
	}
	return nil
}

// applyHeld moves records to lower places.
func (r *Room) applyHeld(c *record.Change) error {
	for i := range c.Held {
		h := &c.Held[i]
		author, err := r.authorID(h.Author)
		if err != nil {
			return err
		}
		at, field := spot(h.At)
		err = r.exec("UPDATE messages SET place = ?, field = ?, cells = ? WHERE author = ? AND number = ? AND hash = ?",
			at, field, writeSpots(h.Cells), author, int64(h.Number), h.Hash[:])
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Room) applyClaims(c *record.Change) error {
	for i := range c.Claims {
		cl := &c.Claims[i]
		at, field := spot(cl.At)
		err := r.exec(`INSERT OR REPLACE INTO claims (tag, number, hash, author, said, place, field, doubted, below)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			cl.Tag[:], int64(cl.Number), cl.Hash[:], cl.By[:], int64(cl.Said), at, field, flag(cl.Doubted), flag(cl.Below))
		if err != nil {
			return err
		}
	}
	for i := range c.ClaimsGone {
		cl := &c.ClaimsGone[i]
		err := r.exec("DELETE FROM claims WHERE tag = ? AND number = ? AND hash = ? AND author = ?",
			cl.Tag[:], int64(cl.Number), cl.Hash[:], cl.By[:])
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Room) applyNames(c *record.Change) error {
	for _, p := range c.Pins {
		if err := r.exec("INSERT OR REPLACE INTO pins (form, key) VALUES (?, ?)", p.Form, p.Key[:]); err != nil {
			return err
		}
	}
	for _, d := range c.Devices {
		err := r.exec("INSERT OR REPLACE INTO devices (author, device, number, claims, refuses) VALUES (?, ?, ?, ?, ?)",
			d.Author[:], d.Device[:], int64(d.Number), flag(d.Claims), flag(d.Refuses))
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Room) applyGroups(c *record.Change) error {
	for i := range c.Groups {
		g := &c.Groups[i]
		r.noGroups = false
		err := r.exec(`INSERT INTO groups (tag, number, parts, key, cells, sum, newest, last_ms, state, untried)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tag, number, parts, key) DO UPDATE SET
				cells = excluded.cells, sum = excluded.sum, newest = excluded.newest, last_ms = excluded.last_ms,
				state = excluded.state, untried = excluded.untried`,
			g.ID.Tag[:], int64(g.ID.Number), int64(g.ID.Parts), g.ID.Key[:], int64(g.Cells), int64(g.Sum),
			place(g.Newest), g.LastAt.UnixMilli(), int64(g.State), flag(g.Untried))
		if err != nil {
			return err
		}
	}
	for _, id := range c.GroupsGone {
		group, err := r.groupID(id)
		if err != nil {
			return err
		}
		if err := r.exec("DELETE FROM pending WHERE grp = ?", group); err != nil {
			return err
		}
		if err := r.exec("DELETE FROM groups WHERE id = ?", group); err != nil {
			return err
		}
	}
	return nil
}

// groupID returns the number of a group in the database, 0 if it is not there.
func (r *Room) groupID(id record.GroupID) (group int64, err error) {
	err = r.query("SELECT id FROM groups WHERE tag = ? AND number = ? AND parts = ? AND key = ?",
		func(row []driver.Value) error {
			group = row[0].(int64)
			return nil
		}, id.Tag[:], int64(id.Number), int64(id.Parts), id.Key[:])
	return group, err
}

func (r *Room) applyPending(c *record.Change) error {
	for _, s := range c.PendingGone {
		if err := r.exec("DELETE FROM pending WHERE place = ? AND field = ?", place(s.Place), int64(s.Field)); err != nil {
			return err
		}
	}
	ids := map[record.GroupID]int64{}
	for i := range c.Pending {
		cell := &c.Pending[i]
		id, err := cell.Group()
		if err != nil {
			continue // no cell that is pending is like that
		}
		if _, ok := ids[id]; !ok {
			if ids[id], err = r.groupID(id); err != nil {
				return err
			}
		}
		err = r.exec("INSERT OR REPLACE INTO pending (place, field, grp) VALUES (?, ?, ?)",
			place(cell.Place), int64(cell.Field), ids[id])
		if err != nil {
			return err
		}
	}
	return nil
}

// DropIfEmpty lets go of a group of which no cell is pending.
func (r *Room) DropIfEmpty(id record.GroupID) error {
	group, err := r.groupID(id)
	if err != nil {
		return err
	}
	return r.exec("DELETE FROM groups WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM pending WHERE grp = ?1)", group)
}

// DropFindings lets go of the findings about cells of no record, which anybody with the room's key can make without end,
// but for those among the newest events, as many as keep says. One that turns out anew is told anew; that a record is
// incomplete of which parts are held is told once, so that stays.
func (r *Room) DropFindings(keep int) error {
	last, err := r.LastEvent()
	if err != nil {
		return err
	}
	newest := map[record.FindingID]int64{} // of its events
	gone := map[int64]record.FindingID{}
	err = r.query("SELECT id, finding FROM events ORDER BY id", func(row []driver.Value) error {
		f, err := readFinding(row[1].(string))
		if err == nil && (f.Kind == record.Forged || f.Kind == record.Incomplete || f.Kind == record.Malformed && f.Author.IsZero()) {
			event := row[0].(int64)
			if newest[f.ID()] = event; event <= last-int64(keep) {
				gone[event] = f.ID()
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	for event, id := range gone {
		// What an older event says of a finding that was told again since, the newer one says.
		if newest[id] == event {
			lacks, err := r.toldIncomplete(id)
			if err != nil {
				return err
			}
			if lacks {
				continue
			}
			if err := r.exec("DELETE FROM told WHERE id = ?", id.String()); err != nil {
				return err
			}
		}
		if err := r.exec("DELETE FROM events WHERE id = ?", event); err != nil {
			return err
		}
	}
	return nil
}

// toldIncomplete reports whether a finding is that a record is incomplete of which parts are held.
func (r *Room) toldIncomplete(id record.FindingID) (is bool, err error) {
	if id.Kind != record.Incomplete {
		return false, nil
	}
	err = r.query("SELECT 1 FROM groups WHERE tag = ? AND number = ? AND state = ?", func([]driver.Value) error {
		is = true
		return nil
	}, id.Tag[:], int64(id.Number), int64(record.ToldIncomplete))
	return is, err
}

func (r *Room) applyFindings(c *record.Change) error {
	for i := range c.TakenBack {
		f := &c.TakenBack[i]
		if err := r.exec("DELETE FROM told WHERE id = ?", f.ID().String()); err != nil {
			return err
		}
		if err := r.addEvent(f, true); err != nil {
			return err
		}
	}
	for i := range c.Superseded {
		if err := r.exec("DELETE FROM told WHERE id = ?", c.Superseded[i].ID().String()); err != nil {
			return err
		}
	}
	for i := range c.Told {
		f := &c.Told[i]
		if err := r.addTold(f); err != nil {
			return err
		}
		if err := r.addEvent(f, false); err != nil {
			return err
		}
	}
	return nil
}

func (r *Room) addTold(f *record.Finding) error {
	return r.exec("INSERT OR IGNORE INTO told (id, last) VALUES (?, ?)", f.ID().String(), int64(f.Last))
}

func (r *Room) addEvent(f *record.Finding, takenBack bool) error {
	text, err := writeFinding(f)
	if err != nil {
		return err
	}
	return r.exec("INSERT INTO events (finding, taken_back) VALUES (?, ?)", text, flag(takenBack))
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

// Authors returns all authors, with what the user has made known of them.
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
	err = r.query("SELECT "+authorColumns+" FROM authors ORDER BY key",
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

// SetVerified notes when the user has compared a key with its owner; never, for the zero time. Its author must be
// known.
func (r *Room) SetVerified(author record.PublicKey, at time.Time) error {
	return r.exec("UPDATE authors SET verified_ms = ? WHERE key = ?", millis(at), author[:])
}

// Forget lets go of the nicknames that are pinned to a key, notes when, and returns their forms, which are nobody's now: see
// [record.HandOn]. That the key was compared is forgotten, too.
func (r *Room) Forget(author record.PublicKey, at time.Time) (forms []string, err error) {
	err = r.query("SELECT form FROM pins WHERE key = ?", func(row []driver.Value) error {
		forms = append(forms, row[0].(string))
		return nil
	}, author[:])
	if err == nil {
		err = r.exec("DELETE FROM pins WHERE key = ?", author[:])
	}
	if err == nil {
		err = r.exec("UPDATE authors SET pinned = 0, verified_ms = 0, forgotten_ms = ? WHERE key = ?", millis(at), author[:])
	}
	return forms, err
}
