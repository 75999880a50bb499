package gateway

import (
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/sqlite"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Field is how a field of a room is called on this device. Its name in the cloud is public, this one is not.
type Field struct {
	// Room and RoomID are as in [Grant], and Channel is the room's channel.
	Room, RoomID string
	Channel      int64
	// Number is from 1 to 8.
	Number int
	Name   string
	// Unit and Class are Home Assistant's unit of measurement and device class, such as °C and temperature; empty is none.
	Unit, Class string
}

// Limits of what a field is called, in characters.
const (
	maxFieldName = 64
	maxFieldUnit = 16
)

// class is the form of a device class.
var class = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// ErrNoField is returned for a field that has no name here.
var ErrNoField = errors.New("that field has no name here")

// Check says in words what cannot be kept.
func (f *Field) Check() error {
	switch {
	case f.Number < 1 || f.Number > thingspeak.FieldCount:
		return fmt.Errorf("field %d: want 1 to %d", f.Number, thingspeak.FieldCount)
	case f.Name == "" || utf8.RuneCountInString(f.Name) > maxFieldName || screen.Line(f.Name) != f.Name:
		return fmt.Errorf("the name: want 1 to %d characters that can be seen, on one line", maxFieldName)
	case utf8.RuneCountInString(f.Unit) > maxFieldUnit || screen.Line(f.Unit) != f.Unit:
		return fmt.Errorf("the unit: want at most %d characters that can be seen", maxFieldUnit)
	case f.Class != "" && !class.MatchString(f.Class):
		return errors.New(`the class: want one of Home Assistant's device classes, such as "temperature"`)
	}
	return nil
}

// isNumeric reports whether the field shows numbers only: Home Assistant takes nothing else for a sensor with a unit.
func (f *Field) isNumeric() bool {
	switch f.Class {
	case "", "date", "timestamp", "enum":
		return f.Unit != ""
	}
	return true
}

// NameField keeps how a field is called, in place of what it was called before.
func (g *Grants) NameField(f Field) error {
	if err := f.Check(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.conn.Exec(`INSERT OR REPLACE INTO fields (room, field, channel, name, unit, class) VALUES (?, ?, ?, ?, ?, ?)`,
		f.RoomID, int64(f.Number), f.Channel, f.Name, f.Unit, f.Class)
}

// ForgetField forgets how a field of a room, by its name for good, is called, or fails with [ErrNoField].
func (g *Grants) ForgetField(roomID string, number int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	found := false
	err := g.conn.Query("DELETE FROM fields WHERE room = ? AND field = ? RETURNING field", func(sqlite.Row) error {
		found = true
		return nil
	}, roomID, int64(number))
	if err == nil && !found {
		err = ErrNoField
	}
	return err
}

// Fields returns all fields that have a name, by their rooms.
func (g *Grants) Fields() (all []Field, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn == nil {
		return nil, nil
	}
	err = g.conn.Query("SELECT room, field, channel, name, unit, class FROM fields ORDER BY room, field", func(row sqlite.Row) error {
		f := Field{
			Room: row.Text(0), RoomID: row.Text(0), Number: int(row.Int(1)), Channel: row.Int(2),
			Name: row.Text(3), Unit: row.Text(4), Class: row.Text(5),
		}
		if g.Name != nil {
			f.Room = g.Name(f.RoomID)
		}
		all = append(all, f)
		return nil
	})
	return all, err
}

// announce notes that somebody's broker keeps the device of a room.
func (g *Grants) announce(id, roomID string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.conn.Exec("INSERT OR REPLACE INTO announced (id, room) VALUES (?, ?)", id, roomID)
}

// unannounce notes that no broker keeps a device any more.
func (g *Grants) unannounce(id string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.conn.Exec("DELETE FROM announced WHERE id = ?", id)
}

// announced returns the devices that somebody's broker keeps.
func (g *Grants) announced() (devices map[string]*device, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	devices = map[string]*device{}
	return devices, g.conn.Query("SELECT id, room FROM announced", func(row sqlite.Row) error {
		id := row.Text(0)
		devices[id] = &device{id: id, room: row.Text(1)}
		return nil
	})
}
