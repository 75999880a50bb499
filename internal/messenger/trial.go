package messenger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// trialRows is how many of the newest rows a key is tried on.
const trialRows = 100

// ErrNoKey means that there are tokens, and that none of them opens.
var ErrNoKey = errors.New("no message here opens with this room's key")

// ErrNoCheck means that nobody has written yet, and that the check which the room's maker has left does not open. It is
// an [ErrNoKey].
var ErrNoCheck error = noCheckError{}

type noCheckError struct{}

func (noCheckError) Error() string {
	return "it does not open the check that was left for those who join"
}

func (noCheckError) Is(target error) bool { return target == ErrNoKey }

// PassphraseError is a passphrase that no key can be made of.
type PassphraseError struct{ Err error }

func (e *PassphraseError) Error() string { return e.Err.Error() }
func (e *PassphraseError) Unwrap() error { return e.Err }

// WrongKeyError says that a key opens nothing of what is there. It is an [ErrNoKey].
type WrongKeyError struct {
	// Rows is how many rows it was tried on; 0 if nobody has written, and it opens no check beside the channel either.
	Rows int
	// MovedBy is how somebody is called, whose words were compared, and who has moved the room to another key; "" if
	// nobody.
	MovedBy string
	// Moved tells that somebody has moved the room to a key that is not here. Then it may have moved once more, which stands under
	// that key.
	Moved bool
}

func (e *WrongKeyError) Error() string {
	const wrong, between = "wrong passphrase, or another profile: ", "; where the room has moved more than once, the passphrase between goes first"
	switch {
	case e.MovedBy != "":
		return fmt.Sprintf("%sit is not the key that %s has moved to; it may be one that the room has left%s", wrong, screen.Line(e.MovedBy), between)
	case e.Moved:
		return fmt.Sprintf("%s%v (looked at %s)%s", wrong, ErrNoKey, screen.Count(e.Rows, "row"), between)
	case e.Rows == 0:
		return wrong + ErrNoCheck.Error()
	}
	return fmt.Sprintf("%s%v (looked at %s)", wrong, ErrNoKey, screen.Count(e.Rows, "row"))
}

// Is makes it an [ErrNoKey].
func (e *WrongKeyError) Is(target error) bool { return target == ErrNoKey }

// trial is what a key of a room can be tried on: checks in the metadata of its channel, and its newest rows, which are
// read when they are needed.
type trial struct {
	engine  *Engine
	room    model.Room
	check   room.Check
	checked bool
	rows    []thingspeak.Entry
	read    bool
}

// try begins a trial in a room whose channel has certain metadata.
func (e *Engine) try(r model.Room, metadata string) *trial {
	t := &trial{engine: e, room: r}
	t.check, t.checked = room.ParseCheck(metadata)
	return t
}

// opensCheck reports whether a key opens a check.
func (t *trial) opensCheck(key fernet.Key) bool {
	opens, _ := t.check.Opens(key)
	return opens
}

// opensRows reports whether one of keys opens something of the newest rows, and how many of their entries none opens.
func (t *trial) opensRows(ctx context.Context, keys ...fernet.Key) (opens bool, unopened int, err error) {
	messages, findings, err := t.open(ctx, keys)
	return len(messages) > 0, findings.NotOurs, err
}

func (t *trial) open(ctx context.Context, keys []fernet.Key) ([]model.Message, model.Findings, error) {
	if !t.read {
		client, err := t.engine.dial(t.room)
		if err != nil {
			return nil, model.Findings{}, err
		}
		defer client.Close()
		if _, err = client.Scan().Back(ctx, trialRows, func(e *thingspeak.Entry) error {
			t.rows = append(t.rows, *e)
			return nil
		}); err != nil {
			return nil, model.Findings{}, err
		}
		t.read = true
	}
	ring, err := fernet.NewRing(keys...)
	if err != nil {
		return nil, model.Findings{}, err
	}
	opener, err := room.New(ring, t.room.Fields, false)
	if err != nil {
		return nil, model.Findings{}, err
	}
	messages, findings := opener.Open(t.rows)
	return messages, findings, nil
}

// Derive makes the key of a room out of a passphrase, which takes a while. The error is a [*PassphraseError].
func Derive(r model.Room, p passphrase.Profile, pass string) ([passphrase.KeySize]byte, error) {
	key, err := p.Derive(pass, passphrase.RoomSalt(r.Channel), r.Name)
	if err != nil {
		err = &PassphraseError{err}
	}
	return key, err
}

// Guess is a way in which a passphrase may become the key of a room.
type Guess struct {
	Profile passphrase.Profile
	Key     [passphrase.KeySize]byte
	// AsGenerated tells that the passphrase was taken in small letters with single blanks, as it was generated.
	AsGenerated bool
	// Check and Message tell what the key opens, and Behind how many checks were put behind that: so often the room may
	// have moved on. Where it opens neither, nothing is there to try it on.
	Check, Message bool
	Behind         int

	pass    string
	derived bool
}

// derive makes the key, which takes a while the first time.
func (g *Guess) derive(r model.Room) (_ fernet.Key, err error) {
	if !g.derived {
		g.Key, err = Derive(r, g.Profile, g.pass)
		g.derived = err == nil
	}
	return fernet.NewKey(g.Key), err
}

// find tries a passphrase under each profile, and then as it was generated, if it was, until it opens a check, or else
// a message: what somebody else has put into the metadata, or was left there before the room moved to another key,
// keeps nobody out whose key opens a message. Where nothing is there to try it on, it is the first profile's. Beside a
// [*WrongKeyError] stands the first guess.
func (t *trial) find(ctx context.Context, pass string, profiles []passphrase.Profile) (Guess, error) {
	var guesses []Guess
	for _, p := range profiles {
		guesses = append(guesses, Guess{Profile: p, pass: pass})
	}
	if phrase, ok := passphrase.AsGenerated(pass); ok && phrase != pass {
		for _, p := range profiles {
			guesses = append(guesses, Guess{Profile: p, pass: phrase, AsGenerated: true})
		}
	}
	for i := 0; t.checked && i < len(guesses); i++ {
		g := &guesses[i]
		key, err := g.derive(t.room)
		if err != nil {
			return *g, err
		}
		if g.Check, g.Behind = t.check.Opens(key); g.Check {
			return *g, nil
		}
	}
	for i := range guesses {
		g := &guesses[i]
		key, err := g.derive(t.room)
		if err != nil {
			return *g, err
		}
		var unopened int
		if g.Message, unopened, err = t.opensRows(ctx, key); err != nil || g.Message {
			return *g, err
		}
		if unopened == 0 {
			break // other guesses would open nothing either
		}
		if i == len(guesses)-1 {
			return guesses[0], &WrongKeyError{Rows: len(t.rows)}
		}
	}
	if t.checked {
		return guesses[0], &WrongKeyError{}
	}
	return guesses[0], nil
}

// checkKey finds out whether a key is one of the room's: a mistyped passphrase has one as well, and what it seals
// nobody reads. The error is [*WrongKeyError] if the key opens no check beside the channel, and nothing of what no
// other key opens, or somebody whose key was compared has moved to another one, has written nothing under it since, and
// it opens no check. Anybody else could keep everybody from the right key with one record.
func (e *Engine) checkKey(ctx context.Context, r model.Room, key fernet.Key, face Face) (d Doubt, err error) {
	signed, err := Signed(r)
	if err != nil {
		return d, err
	}
	var moved []model.Moved
	if signed {
		var named bool
		if moved, named, err = e.movedTo(ctx, r, face, record.KeyID(key.ID())); err != nil || named {
			return d, err
		}
	}
	keys, err := Keys(r)
	if err != nil {
		return d, err
	}
	t := e.try(r, "")
	messages, findings, err := t.open(ctx, append(keys, key))
	if err != nil {
		return d, err
	}
	// Where somebody whose key was compared has moved the room to another one, this may be one that it has left: that
	// opens something, too.
	elsewhere := len(moved) > 0 && moved[0].Compared // those come first
	if !elsewhere && slices.ContainsFunc(messages, func(m model.Message) bool { return m.Key == len(keys) }) {
		return d, nil
	}
	// The room may have moved more than once: then who lacks a key between cannot read of the last move.
	channel, err := e.channel(ctx, r)
	if err != nil { // the metadata may be nobody's to read
		err = ctx.Err()
	}
	beside := e.try(r, channel.Metadata)
	if err != nil || beside.opensCheck(key) {
		return d, err
	}
	if elsewhere {
		later, err := e.writesUnder(r, key, &moved[0], t.rows)
		if err == nil && !later {
			err = &WrongKeyError{MovedBy: moved[0].Name, Moved: true}
		}
		return d, err
	}
	switch {
	case findings.NotOurs > 0:
		return d, &WrongKeyError{Rows: len(t.rows), Moved: len(moved) > 0}
	case len(moved) > 0:
		return Doubt{Any: true, MovedBy: moved[0].Name}, nil
	}
	return Doubt{Any: true, OthersOpen: len(messages) > 0 || slices.ContainsFunc(keys, beside.opensCheck)}, nil
}

// writesUnder reports whether somebody who has moved a room has written under a key after that, as rows show: the room
// has moved on once more, and that move stands under a key between, which is not here.
func (e *Engine) writesUnder(r model.Room, key fernet.Key, by *model.Moved, rows []thingspeak.Entry) (later bool, err error) {
	r.Keys = []model.Secret{secretOf(key)}
	m, err := e.ReadFile(r, func(visit func(*thingspeak.Entry) error) (end channel.End, err error) {
		for i := range rows {
			if err := visit(&rows[i]); err != nil {
				return end, err
			}
		}
		return end, nil
	})
	if err != nil {
		return false, err
	}
	err = m.History(0, func(it *model.Item) error {
		later = later || it.Record != nil && it.Record.Author == by.By && it.Record.Number > by.Number
		return nil
	})
	return later, err
}

// movedTo reads a room of records and returns who has moved it to a key that does not seal here, and whether anybody
// names one of certain keys.
func (e *Engine) movedTo(ctx context.Context, r model.Room, face Face, keys ...record.KeyID) (moved []model.Moved, named bool, err error) {
	c, err := e.Open(r, face)
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.CatchUp(ctx); err != nil {
		return nil, false, err
	}
	for _, key := range keys {
		if is, err := c.talk.MovedTo(key); err != nil {
			return nil, false, err
		} else if is {
			named = true
		}
	}
	own, err := e.Own(r)
	if err == nil {
		moved, err = c.talk.Moved(own, nil)
	}
	return moved, named, err
}
