package archive

import (
	"database/sql/driver"
	"encoding/json"
	"slices"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/sqlite"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Apply writes a change: within [Room.Transact] as a part of it, elsewhere as a transaction of its own.
func (r *Room) Apply(c *kept.Change) error {
	if !r.within {
		return r.Transact(func() error { return r.Apply(c) })
	}
	w := writer{Room: r}
	if c.Learnt != nil {
		w.learnt(c.Learnt)
	}
	w.keys(c)
	w.dropped(c)
	w.feed(c)
	w.messages(c)
	w.outbox(c)
	for _, name := range c.MarksGone {
		w.exec("DELETE FROM marks WHERE name = ?", name)
	}
	for _, m := range c.Marks {
		w.exec("INSERT OR REPLACE INTO marks (name, message, event) VALUES (?, ?, ?)", m.Name, m.Message, m.Event)
	}
	if c.State != nil {
		w.state(c.State)
	}
	return w.err
}

// writer writes within a transaction until something fails; what follows the first error is not tried.
type writer struct {
	*Room
	err error
}

func (w *writer) exec(text string, args ...driver.Value) {
	if w.err == nil {
		w.err = w.conn.Exec(text, args...)
	}
}

// json writes a value as JSON, and nothing for an empty list.
func (w *writer) json(v any, isEmpty bool) string {
	if isEmpty {
		return ""
	}
	b, err := json.Marshal(v)
	if w.err == nil {
		w.err = err
	}
	return string(b)
}

// id returns what a question about an ID answers.
func (w *writer) id(id int64, err error) int64 {
	if w.err == nil {
		w.err = err
	}
	return id
}

func (w *writer) state(s *kept.State) {
	ids := []byte{}
	for _, id := range s.Keys {
		ids = append(ids, id[:]...)
	}
	w.exec(`UPDATE room SET clears = ?, position = ?, keys = ?, own = ?, own_last = ?, own_hash = ?, seq = ?,
		dates = ?, let_go = ?, full_used = ?, full_size = ?`,
		int64(s.Clears), append([]byte{}, s.Position...), ids, key(s.Own), int64(s.OwnLast), s.OwnHash[:], s.Seq,
		w.json(s.Dates, len(s.Dates) == 0), place(s.LetGo), s.Full.Used, s.Full.Size)
}

// learnt keeps what a reader has learnt. The authors must be there before what is theirs.
func (w *writer) learnt(c *record.Change) {
	for i := range c.Authors {
		a := &c.Authors[i]
		tag := a.Key.Tag()
		w.exec(`INSERT INTO authors (key, tag, nick, pinned, base, top, top_hash, gaps, waiting, named, named_at,
				saw_own, claims, verified_ms, forgotten_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)
			ON CONFLICT (key) DO UPDATE SET nick = excluded.nick, pinned = excluded.pinned, base = excluded.base,
				top = excluded.top, top_hash = excluded.top_hash, gaps = excluded.gaps, waiting = excluded.waiting,
				named = excluded.named, named_at = excluded.named_at, saw_own = excluded.saw_own, claims = excluded.claims`,
			a.Key[:], tag[:], a.Nick, int64(a.Pinned), int64(a.Base), int64(a.Top), a.TopHash[:],
			w.json(a.Gaps, len(a.Gaps) == 0), flag(a.Waiting()), int64(a.Named), int64(a.NamedAt), int64(a.SawOwn),
			int64(a.Claims))
	}
	for i := range c.Held {
		h := &c.Held[i]
		at, field := spot(h.At)
		w.exec("UPDATE messages SET place = ?, field = ?, cells = ? WHERE author = ? AND number = ? AND hash = ?",
			at, field, writeSpots(h.Cells), w.id(w.authorID(h.Author)), int64(h.Number), h.Hash[:])
	}
	for i := range c.ClaimsGone {
		cl := &c.ClaimsGone[i]
		w.exec("DELETE FROM claims WHERE tag = ? AND number = ? AND hash = ? AND author = ?",
			cl.Tag[:], int64(cl.Number), cl.Hash[:], cl.By[:])
	}
	for i := range c.Claims {
		cl := &c.Claims[i]
		at, field := spot(cl.At)
		w.exec(`INSERT OR REPLACE INTO claims (tag, number, hash, author, said, place, field, doubted, below)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			cl.Tag[:], int64(cl.Number), cl.Hash[:], cl.By[:], int64(cl.Said), at, field, flag(cl.Doubted), flag(cl.Below))
	}
	for _, p := range c.Pins {
		w.exec("INSERT OR REPLACE INTO pins (form, key) VALUES (?, ?)", p.Form, p.Key[:])
	}
	for _, d := range c.Devices {
		w.exec("INSERT OR REPLACE INTO devices (author, device, number, claims, refuses) VALUES (?, ?, ?, ?, ?)",
			d.Author[:], d.Device[:], int64(d.Number), flag(d.Claims), flag(d.Refuses)+refusedClaimed*flag(d.Refuses && d.Claimed))
	}
	w.groups(c)
	w.findings(c)
}

func (w *writer) groups(c *record.Change) {
	for _, id := range c.GroupsGone {
		group := w.id(w.groupID(id))
		w.exec("DELETE FROM pending WHERE grp = ?", group)
		w.exec("DELETE FROM groups WHERE id = ?", group)
	}
	for i := range c.Groups {
		g := &c.Groups[i]
		w.noGroups = false
		w.exec(`INSERT INTO groups (tag, number, parts, key, cells, sum, newest, last_ms, state, untried)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tag, number, parts, key) DO UPDATE SET
				cells = excluded.cells, sum = excluded.sum, newest = excluded.newest, last_ms = excluded.last_ms,
				state = excluded.state, untried = excluded.untried`,
			g.ID.Tag[:], int64(g.ID.Number), int64(g.ID.Parts), g.ID.Key[:], int64(g.Cells), int64(g.Sum),
			place(g.Newest), g.LastAt.UnixMilli(), int64(g.State), flag(g.Untried))
	}
	for _, s := range c.PendingGone {
		w.exec("DELETE FROM pending WHERE place = ? AND field = ?", place(s.Place), int64(s.Field))
	}
	ids := map[record.GroupID]int64{}
	for i := range c.Pending {
		cell := &c.Pending[i]
		id, err := cell.Group()
		if err != nil {
			continue // no cell that is pending is like that
		}
		if _, ok := ids[id]; !ok {
			ids[id] = w.id(w.groupID(id))
		}
		w.exec("INSERT OR REPLACE INTO pending (place, field, grp) VALUES (?, ?, ?)",
			place(cell.Place), int64(cell.Field), ids[id])
	}
}

// groupID returns the number of a group in the database, 0 if it is not there.
func (r *Room) groupID(id record.GroupID) (group int64, err error) {
	err = r.query("SELECT id FROM groups WHERE tag = ? AND number = ? AND parts = ? AND key = ?",
		func(row sqlite.Row) error {
			group = row.Int(0)
			return nil
		}, id.Tag[:], int64(id.Number), int64(id.Parts), id.Key[:])
	return group, err
}

func (w *writer) findings(c *record.Change) {
	for i := range c.TakenBack {
		w.exec("DELETE FROM told WHERE id = ?", c.TakenBack[i].ID().String())
		w.event(&c.TakenBack[i], true)
	}
	for i := range c.Superseded {
		w.exec("DELETE FROM told WHERE id = ?", c.Superseded[i].ID().String())
	}
	for i := range c.Told {
		w.told(&c.Told[i])
		w.event(&c.Told[i], false)
	}
}

func (w *writer) told(f *record.Finding) {
	w.exec("INSERT OR IGNORE INTO told (id, last) VALUES (?, ?)", f.ID().String(), int64(f.Last))
}

func (w *writer) event(f *record.Finding, takenBack bool) {
	w.exec("INSERT INTO events (finding, taken_back) VALUES (?, ?)", w.json(f, false), flag(takenBack))
}

// keys notes what the user has said of keys.
func (w *writer) keys(c *kept.Change) {
	for _, k := range c.Compared {
		w.exec("UPDATE authors SET verified_ms = ? WHERE key = ?", millis(k.At), k.Key[:])
	}
	for _, k := range c.Forgotten {
		w.exec("DELETE FROM pins WHERE key = ?", k.Key[:])
		w.exec("UPDATE authors SET pinned = 0, verified_ms = 0, forgotten_ms = ? WHERE key = ?", millis(k.At), k.Key[:])
	}
}

// dropped lets go of what is not needed any more.
func (w *writer) dropped(c *kept.Change) {
	for _, id := range c.Emptied {
		w.exec("DELETE FROM groups WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM pending WHERE grp = ?1)",
			w.id(w.groupID(id)))
	}
	for _, id := range c.EventsGone {
		w.exec("DELETE FROM events WHERE id = ?", id)
	}
	for _, id := range c.ToldGone {
		w.exec("DELETE FROM told WHERE id = ?", id.String())
	}
}

func (w *writer) feed(c *kept.Change) {
	for i := range c.Entries {
		w.entry(&c.Entries[i], "DELETE FROM entries WHERE place = ?",
			"INSERT OR REPLACE INTO entries (place, posted_s, tokens, wiped) VALUES (?, ?, ?, ?)")
	}
	if c.UnopenedGone {
		w.exec("DELETE FROM unopened")
	}
	for i := range c.Unopened {
		w.entry(&c.Unopened[i], "DELETE FROM unopened WHERE place = ?",
			"INSERT OR REPLACE INTO unopened (place, posted_s, tokens, wiped) VALUES (?, ?, ?, ?)")
	}
	for why, all := range c.Ranges {
		w.exec("DELETE FROM ranges WHERE why = ?", int64(why))
		for _, s := range all {
			w.exec("INSERT INTO ranges (why, first, last) VALUES (?, ?, ?)", int64(why), place(s.First), place(s.Last))
		}
	}
	for i := range c.MACsGone {
		w.exec("DELETE FROM macs WHERE mac = ?", c.MACsGone[i][:])
	}
	for i := range c.MACs {
		m := &c.MACs[i]
		w.exec("INSERT OR REPLACE INTO macs (mac, place) VALUES (?, ?)", m.MAC[:], place(m.At))
	}
}

func (w *writer) entry(e *kept.Entry, drop, put string) {
	if len(e.Tokens) == 0 {
		w.exec(drop, place(e.At))
	} else {
		w.exec(put, place(e.At), e.Posted.Unix(), e.Tokens, flag(e.Wiped))
	}
}

func (w *writer) messages(c *kept.Change) {
	const insert = `INSERT INTO messages (id, place, field, kind, author, number, hash, previous, key, cells, nick)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	for i := range c.Messages {
		m := &c.Messages[i]
		h := &m.Held
		id, err := w.earlierID(h)
		if w.err == nil {
			w.err = err
		}
		at, field := spot(h.At)
		if h.Author.IsZero() {
			w.exec(insert, id, at, field, int64(m.Kind), nil, int64(h.Number), hash(h.Hash), []byte{}, []byte{}, []byte{}, "")
			continue
		}
		w.exec(insert, id, at, field, int64(m.Kind), w.id(w.authorID(h.Author)), int64(h.Number), h.Hash[:], h.Previous[:],
			h.Key[:], writeSpots(h.Cells), h.Nick)
	}
	for i := range c.Moves {
		m := &c.Moves[i]
		w.exec(`INSERT OR IGNORE INTO moves (message, named)
			SELECT id, ? FROM messages WHERE author = ? AND number = ? AND hash = ?`,
			m.Named[:], w.id(w.authorID(m.Author)), int64(m.Number), m.Hash[:])
	}
	for _, m := range c.TextsMoved {
		at, field := spot(m.From)
		toAt, toField := spot(m.To)
		w.exec("UPDATE messages SET place = ?, field = ?, number = max(number, ?) WHERE place = ? AND field = ? AND author IS NULL",
			toAt, toField, int64(m.Own), at, field)
	}
}

func (w *writer) outbox(c *kept.Change) {
	if c.PostsFrom > 0 {
		w.exec("DELETE FROM posts WHERE seq >= ?", c.PostsFrom)
	}
	for i := range c.OwnGone {
		o := &c.OwnGone[i]
		w.exec("DELETE FROM own WHERE author = ? AND number = ?", o.Author[:], int64(o.Number))
		// An entry holds cells of a few records of one author only, and those are neighbours.
		w.exec(`DELETE FROM posts WHERE seq BETWEEN ? AND ? AND NOT EXISTS (
			SELECT 1 FROM own WHERE author = ? AND number BETWEEN ? AND ? AND seq BETWEEN first AND last)`,
			o.First, o.Last, o.Author[:], int64(o.Number)-thingspeak.FieldCount, int64(o.Number)+thingspeak.FieldCount)
	}
	for i := range c.Posts {
		p := &c.Posts[i]
		texts := make([]string, thingspeak.FieldCount, thingspeak.FieldCount+1)
		for i, v := range p.Fields {
			texts[i] = v.Text
		}
		if p.Status.Given {
			texts = append(texts, p.Status.Text)
		}
		w.exec(`INSERT OR REPLACE INTO posts (seq, fields, cells, state, after, place, dated_s)
			VALUES (?, ?, ?, ?, ?, ?, ?)`, p.Seq, w.json(texts, false), int64(p.Cells), int64(p.State),
			place(p.After), place(p.At), seconds(p.Dated))
	}
	for i := range c.Own {
		o := &c.Own[i]
		w.exec(`INSERT OR REPLACE INTO own (author, number, hash, kind, first, last, queued_ms)
			VALUES (?, ?, ?, ?, ?, ?, ?)`,
			o.Author[:], int64(o.Number), o.Hash[:], int64(o.Kind), o.First, o.Last, millis(o.Queued))
	}
	for _, d := range c.Dated {
		w.exec("UPDATE posts SET dated_s = ? WHERE seq = ?", d.At.Unix(), d.Seq)
	}
	for _, s := range c.Settled {
		w.exec("UPDATE posts SET state = ?, place = ? WHERE seq = ?", int64(s.State), place(s.At), s.Seq)
	}
	for i := range c.States {
		w.sent(&c.States[i])
	}
	w.once(c)
}

// once keeps what is to be written once.
func (w *writer) once(c *kept.Change) {
	// Numbers only rise: from the last one on no message takes the place of one that is still to be moved.
	for _, s := range slices.Backward(c.States) {
		if s.Was.Number > 0 {
			w.exec("UPDATE once SET author = ?, number = ? WHERE author = ? AND number = ?",
				key(s.Author), int64(s.Number), key(s.Was.Author), int64(s.Was.Number))
		}
		if s.State == model.StateDropped {
			w.exec("DELETE FROM once WHERE author = ? AND number = ?", key(s.Author), int64(s.Number))
		}
	}
	if !c.OnceFrom.IsZero() {
		w.exec("DELETE FROM once WHERE at_ms < ?", millis(c.OnceFrom))
	}
	for i := range c.Once {
		o := &c.Once[i]
		w.exec("INSERT OR REPLACE INTO once (name, body, author, number, at_ms) VALUES (?, ?, ?, ?, ?)",
			o.Name[:], o.Body[:], key(o.Author), int64(o.Number), millis(o.At))
	}
}

// sent adds an event, and then lets go of the one whose place it takes: the other way round its ID might be given out again.
func (w *writer) sent(s *model.OwnState) {
	w.exec(`INSERT INTO events (finding, taken_back, state, author, number, place, seen_by, was_author, was_number)
		VALUES ('', 0, ?, ?, ?, ?, ?, ?, ?)`,
		int64(s.State), key(s.Author), int64(s.Number), place(s.At), key(s.By), key(s.Was.Author), int64(s.Was.Number))
	text := "DELETE FROM events WHERE state IS NOT NULL AND was_number = 0 AND author = ? AND seen_by = ?"
	args := []driver.Value{key(s.Author), key(s.By)}
	if s.State != model.StateSeen {
		text, args = text+" AND number = ?", append(args, int64(s.Number))
	}
	w.exec(text+" AND id < (SELECT max(id) FROM events)", args...)
}
