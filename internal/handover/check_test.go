package handover

import (
	"errors"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/record"
)

// A file of 4 MiB with one key after the other kept whoever opened it busy for minutes, deaf to Ctrl-C: each key was compared with all
// that stood before it.
func TestListsWithoutEndAreRefused(t *testing.T) {
	key := func(n int) fernet.Key { return fernet.NewKey([32]byte{1, byte(n), byte(n >> 8), byte(n >> 16), 31: 1}) }
	person := func(n int) record.PublicKey {
		return record.NewIdentity([32]byte{1, byte(n), byte(n >> 8), byte(n >> 16)}).Public()
	}
	for name, fill := range map[string]func(c *Content, n int){
		"rooms":    func(c *Content, n int) { c.Rooms = append(c.Rooms, Room{}) },
		"keys":     func(c *Content, n int) { c.Rooms[0].Keys = append(c.Rooms[0].Keys, key(n)) },
		"compared": func(c *Content, n int) { c.Rooms[0].Compared = append(c.Rooms[0].Compared, person(n)) },
		"lost":     func(c *Content, n int) { c.Lost = append(c.Lost, person(n)) },
	} {
		c := &Content{}
		if name != "rooms" {
			c.Rooms = []Room{{}}
		}
		for n := range most {
			fill(c, n)
		}
		if err := c.check(); err != nil {
			t.Errorf("%s: %d are refused: %v", name, most, err)
		}
		fill(c, most)
		if err := c.check(); err == nil || !strings.Contains(err.Error(), "at most 4096 are handed over") {
			t.Errorf("%s: %d are told as %v", name, most+1, err)
		}
	}
}

// A file brought a nickname without a letter, which nobody could choose.
func TestANicknameThatNobodyCouldChooseIsImpossible(t *testing.T) {
	for nick, want := range map[string]error{"ana": nil, "42": ErrImpossible} {
		c := &Content{Identity: record.NewIdentity([32]byte{1}), Nickname: nick}
		text, err := c.Text()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(text); !errors.Is(err, want) {
			t.Errorf("a file with the nickname %s: %v, want %v", nick, err, want)
		}
		if _, err := c.CheckedText(); (err != nil) != (want != nil) {
			t.Errorf("the nickname %s is written: %v", nick, err)
		}
	}
}
