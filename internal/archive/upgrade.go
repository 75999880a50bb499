package archive

import (
	"database/sql/driver"
	"slices"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// Reread runs work, in one transaction, if an older version has kept what is here: then work is to learn anew, from the
// entries, what that version has learnt, and all of that is gone before. What the user has said of keys stays, with the
// names of those that were compared; messages get the IDs that they had; and what was told is not told again.
func (r *Room) Reread(work func() error) error {
	if reread, err := r.highest("SELECT reread FROM room"); err != nil || reread == 0 {
		return err
	}
	return r.Transact(func() error {
		if reread, err := r.highest("SELECT reread FROM room"); err != nil || reread == 0 { // another process was quicker
			return err
		}
		r.rereading = true
		defer func() { r.rereading = false }()
		err := r.takeOverNames()
		if err == nil {
			err = r.takeOverFindings()
		}
		if err == nil {
			err = work()
		}
		if err != nil {
			return err
		}
		if err := r.exec("DELETE FROM earlier"); err != nil {
			return err
		}
		return r.exec("UPDATE room SET reread = 0")
	})
}

// takeOverNames leaves the authors of whom the user has said something, and the pins that rest on that: of names of keys
// that were compared, and of names that somebody else has got because a key was forgotten.
func (r *Room) takeOverNames() error {
	given := map[string]bool{}
	err := r.query("SELECT nick FROM authors WHERE forgotten_ms <> 0", func(row sqlite.Row) error {
		for _, form := range record.Skeletons(row.Text(0)) {
			given[form] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	authors, err := r.Authors(record.AuthorQuery{})
	if err != nil {
		return err
	}
	before, err := r.Pins(record.PinQuery{})
	if err != nil {
		return err
	}
	pins := map[string]record.PublicKey{}
	for i := range authors {
		a := &authors[i]
		for _, p := range before {
			forms := record.Skeletons(p.Form)
			isGiven := slices.ContainsFunc(forms, func(form string) bool { return given[form] })
			if p.Key != a.Key || a.Key.Check() != nil || !a.Compared && (!isGiven || a.Nameless) {
				continue
			}
			for _, form := range forms {
				pins[form] = a.Key
			}
		}
		if a.Key.Check() != nil || !a.Compared && !a.Nameless {
			if err := r.exec("DELETE FROM authors WHERE key = ?", a.Key[:]); err != nil {
				return err
			}
		}
	}
	for _, text := range []string{
		"DELETE FROM pins",
		`UPDATE authors SET nick = '', pinned = 0, base = 0, top = 0, top_hash = x'', gaps = '', waiting = 0, named = 0,
			named_at = 0, saw_own = 0, claims = 0`,
	} {
		if err := r.exec(text); err != nil {
			return err
		}
	}
	for form, key := range pins {
		if err := r.exec("INSERT INTO pins (form, key) VALUES (?, ?)", form, key[:]); err != nil {
			return err
		}
	}
	return nil
}

// takeOverFindings notes the findings that were told and not taken back as this version does, and takes those back that
// rest on the word of a key that is nobody's, or are about one.
func (r *Room) takeOverFindings() error {
	told := map[string]record.Finding{}
	var order, damaged []int64
	ids := map[int64]string{}
	err := r.query("SELECT id, finding, taken_back FROM events WHERE state IS NULL ORDER BY id", func(row sqlite.Row) error {
		f, err := readFinding(row.Text(1))
		if err != nil {
			damaged = append(damaged, row.Int(0))
			return nil
		}
		id := f.ID().String()
		if delete(told, id); !row.Truth(2) {
			told[id] = f
			order = append(order, row.Int(0))
			ids[row.Int(0)] = id
		}
		return nil
	})
	if err == nil {
		err = r.exec("DELETE FROM told")
	}
	if err != nil {
		return err
	}
	for _, id := range damaged {
		if err := r.exec("DELETE FROM events WHERE id = ?", id); err != nil {
			return err
		}
	}
	w := writer{Room: r}
	var change record.Change
	for _, event := range order {
		id := ids[event]
		f, ok := told[id]
		if !ok {
			continue
		}
		delete(told, id)
		if slices.ContainsFunc([]record.PublicKey{f.Author, f.By}, isNobodys) {
			change.TakenBack = append(change.TakenBack, f)
			continue
		}
		w.told(&f)
	}
	w.findings(&change)
	return w.err
}

// isNobodys reports whether a key that is named can be nobody's.
func isNobodys(k record.PublicKey) bool { return !k.IsZero() && k.Check() != nil }

// earlierID returns the ID that a message had while an older version kept it, and nil, so that the database chooses one,
// if nothing is read through now. What that version did not show gets a higher one than all that it did.
func (r *Room) earlierID(h *record.Held) (driver.Value, error) {
	if !r.rereading {
		return nil, nil
	}
	at, field := spot(h.At)
	text, args := "SELECT id FROM earlier WHERE author = ? AND number = ? AND hash = ?",
		[]driver.Value{key(h.Author), int64(h.Number), hash(h.Hash)}
	if h.Author.IsZero() {
		text, args = "SELECT id FROM earlier WHERE author = x'' AND hash = x'' AND place = ? AND field = ?",
			[]driver.Value{at, field}
	}
	var id driver.Value
	err := r.query(text, func(row sqlite.Row) error {
		id = row.Int(0)
		return nil
	}, args...)
	if err != nil || id != nil {
		return id, err
	}
	highest, err := r.highest("SELECT max(id) FROM (SELECT max(id) AS id FROM messages UNION ALL SELECT max(id) FROM earlier)")
	return highest + 1, err
}
