package cli

import (
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/screen"
)

// movedAway returns who has moved the room to a key that is not here, apart from keys to which the user does not go.
func (c *conversation) movedAway() ([]room.Moved, error) {
	var refused []record.KeyID
	for _, text := range c.room.Refused {
		if b, err := hex.DecodeString(text); err == nil && len(b) == len(record.KeyID{}) {
			refused = append(refused, record.KeyID(b))
		}
	}
	return c.Moved(refused)
}

func keyText(m room.Moved) string { return hex.EncodeToString(m.Key[:]) }

// mindMoves warns before something is sealed with a key that others have moved away from, and refuses it if one of them
// is somebody whose key was compared. Anybody else could silence everybody with one record. Whoever insists is asked no more
// about the keys that the compared ones go to, nor about anything that all others have said so far. It returns what it knew
// of.
func (c *conversation) mindMoves(insist bool) ([]room.Moved, error) {
	moved, err := c.movedAway()
	if err != nil || len(moved) == 0 {
		return nil, err
	}
	if insist {
		return moved, c.stay(moved)
	}
	if by := moved[0]; by.Compared { // those come first
		name := screen.Line(by.Name)
		return nil, hint(fmt.Errorf("not sent: %s, whose key you have compared, has moved room %s to a new key, which is not here",
			name, c.room.Name), "ask %s for the new passphrase and run \"fernpost key add --room %s\"; --old-key sends under the old key "+
			"all the same", name, c.room.Name)
	}
	c.warnOfMove(moved)
	return moved, nil
}

// stay remembers that the user goes on with the key that is here. Keys are remembered only where compared ones go to them:
// anybody could fill a list with others.
func (c *conversation) stay(moved []room.Moved) error {
	if err := c.Stay(); err != nil || !moved[0].Compared {
		return err
	}
	var err error
	c.room, err = c.updateRoom(c.room.Name, func(r *keyring.Room) error {
		for _, m := range moved {
			if text := keyText(m); m.Compared && !slices.Contains(r.Refused, text) {
				r.Refused = append(r.Refused, text)
			}
		}
		return nil
	})
	return err
}

// movedMeanwhile warns of moves that were not known when a message was sealed.
func (c *conversation) movedMeanwhile(before []room.Moved) error {
	moved, err := c.movedAway()
	moved = slices.DeleteFunc(moved, func(m room.Moved) bool { return slices.Contains(before, m) })
	if err == nil && len(moved) > 0 {
		c.warnOfMove(moved)
	}
	return err
}

func (c *conversation) warnOfMove(moved []room.Moved) {
	more := ""
	if n := len(moved) - 1; n > 0 {
		more = fmt.Sprintf(" (and so say %d more)", n)
	}
	says := "whose key you have not compared, says that room %s goes on with a new key"
	if moved[0].Compared {
		says = "whose key you have compared, has moved room %s to a new key"
	}
	c.say("%s", c.style.warn(fmt.Sprintf("%s, "+says+", which is not here%s: what you write is sealed with the old one",
		screen.Line(moved[0].Name), c.room.Name, more)))
	c.say("if that is true, ask for the new passphrase and run \"fernpost key add --room %s\"; --old-key ends this warning", c.room.Name)
}
