// Package handover is what one device hands over to another one, its rooms or its identity, as text. Package export puts that into a
// file that the program age opens, and [Seal] into one that a page in a browser writes and reads as well. It knows no files and no
// network.
//
// The text is lines, each a word and what belongs to it:
//
//	fernpost export 1          what it is, and the version: 2 if devices were lost, or else 1
//	identity SEED              32 bytes in hexadecimal; only if an identity moves
//	nickname NICKNAME          of that identity, if it has one
//	withdrawn KEY              devices that were lost, since version 2: public keys in hexadecimal
//	room INVITATION            a link as package invite writes it, which "fernpost join" takes as well
//	key KEY                    further keys of that room, URL-safe base64, newest first: those for which the link has no place
//	compared KEY               whose words were compared in it: public keys in hexadecimal
//	signs SEED                 who signs in it, if that is not the identity that moves
//	number NUMBER HASH         the last number that the moving identity has used in it, and the hash of that record
//	end
package handover

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/record"
)

const (
	// MaxSize bounds the text, in bytes: some thousand rooms.
	MaxSize = 4 << 20
	// most is how many rooms a file has, how many keys a room, and how many people were compared in it or devices lost: whoever reads
	// it looks for each among all others.
	most = 4096

	version   = 1
	withLost  = 2 // the version of a file that names lost devices: who does not know them would trust them
	firstWord = "fernpost export "
)

// Content is what a file hands over.
type Content struct {
	// Identity is who moves to the other device, the zero Identity if nobody does, and Nickname how it is called.
	Identity record.Identity
	Nickname string
	// Lost are the keys of devices that were lost: they are trusted in no room.
	Lost  []record.PublicKey
	Rooms []Room
}

// Room is one of the rooms.
type Room struct {
	// Invitation has all keys of the room, however many; its inviter is who signs in it on the device that wrote the file.
	invite.Invitation
	// Compared are the keys of people whose words were compared.
	Compared []record.PublicKey
	// Identity signs in this room, where that is not [Content.Identity]; the zero Identity otherwise, and if nobody moves.
	Identity record.Identity
	// Last is the last number that the identity which moves has used here, 0 for none, and LastHash the hash of that record.
	Last     uint32
	LastHash record.ShortHash
}

// The reasons why a file is refused.
var (
	// ErrNoExport means that it is nothing that this package has written.
	ErrNoExport = errors.New("that is no file of \"rooms export\" or \"identity export\"")
	// ErrPassphrase means that the passphrase is wrong.
	ErrPassphrase = errors.New("wrong passphrase")
	// ErrAltered means that the passphrase is right, and what follows was altered, or cut.
	ErrAltered = errors.New("the file was altered, or its end is missing")
	// ErrImpossible means that the passphrase is right, and that there is something in the file that no fernpost has.
	ErrImpossible = errors.New("whoever has made this file has put something impossible into it")
	// ErrNewer means that a newer fernpost has written it.
	ErrNewer = errors.New("the file needs a newer fernpost")
	// ErrTooCostly means that it would take more memory to try the passphrase than any file of ours asks for.
	ErrTooCostly = errors.New("the file asks for more work at each passphrase than is done here")
	// ErrTooLarge means that it is larger than any file of ours.
	ErrTooLarge = fmt.Errorf("the file is larger than %d MiB, the most that is written or read", MaxSize>>20)
)

// CheckedText is [Content.Text] of what a device may have. The error says what cannot be handed over, or is [ErrTooLarge].
func (c *Content) CheckedText() ([]byte, error) {
	text, err := c.Text()
	if err == nil {
		err = c.check()
	}
	if err == nil && len(text) > MaxSize {
		err = ErrTooLarge
	}
	return text, err
}

// Text writes the lines, in the one form that [Parse] reads. The error says what has no such form.
func (c *Content) Text() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s%d\n", firstWord, c.version())
	line := func(word, what string) { b.WriteString(word + " " + what + "\n") }
	seed := func(word string, id record.Identity) {
		if !id.IsZero() {
			line(word, id.SeedText())
		}
	}
	seed("identity", c.Identity)
	if c.Nickname != "" {
		if err := record.CheckNickname(c.Nickname); err != nil {
			return nil, err
		}
		line("nickname", c.Nickname)
	}
	for _, k := range c.Lost {
		line("withdrawn", k.String())
	}
	for i := range c.Rooms {
		r := c.Rooms[i]
		more := r.Keys[min(len(r.Keys), invite.MaxKeys):]
		r.Keys = r.Keys[:len(r.Keys)-len(more)]
		r.NoPage = true
		link, err := r.Link()
		if err == nil && len(r.Keys) == 0 {
			err = errors.New("it has no key")
		}
		if err != nil {
			return nil, fmt.Errorf("room %s: %w", r.Name, err)
		}
		line("room", link)
		for _, k := range more {
			line("key", k.Reveal())
		}
		for _, k := range r.Compared {
			line("compared", k.String())
		}
		seed("signs", r.Identity)
		if r.Last > 0 {
			line("number", strconv.FormatUint(uint64(r.Last), 10)+" "+hex.EncodeToString(r.LastHash[:]))
		}
	}
	b.WriteString("end\n")
	return b.Bytes(), nil
}

// Parse reads the lines. There is one form of each content, and others are refused: whatever else would be read was not written
// here.
func Parse(text []byte) (*Content, error) {
	rest, ok := strings.CutPrefix(string(text), firstWord)
	if !ok {
		return nil, ErrNoExport
	}
	v, _, _ := strings.Cut(rest, "\n")
	if n, err := strconv.ParseUint(v, 10, 32); err != nil || n < version {
		return nil, ErrAltered
	} else if n > withLost {
		return nil, ErrNewer
	}
	c := &Content{}
	for line := range strings.Lines(rest) {
		word, what, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if err := c.take(word, what); err != nil {
			return nil, ErrAltered
		}
	}
	if again, err := c.Text(); err != nil || !bytes.Equal(again, text) {
		return nil, ErrAltered
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImpossible, err)
	}
	return c, nil
}

func (c *Content) version() int {
	if len(c.Lost) > 0 {
		return withLost
	}
	return version
}

// check refuses what no device has, a nickname that nobody could choose among it, and what would be trusted if it were taken over: room
// keys of zeros, and keys of people for which anybody signs.
func (c *Content) check() error {
	if len(c.Rooms) > most {
		return fmt.Errorf("it has %d rooms, at most %d are handed over", len(c.Rooms), most)
	}
	if c.Nickname != "" {
		if err := record.CheckChosen(c.Nickname); err != nil {
			return err
		}
	}
	if err := checkPeople("a lost device", c.Lost); err != nil {
		return err
	}
	for i := range c.Rooms {
		r := &c.Rooms[i]
		if err := r.checkKeys(); err != nil {
			return err
		}
		if err := checkPeople("somebody in room "+r.Name, r.KeysCompared()); err != nil {
			return err
		}
	}
	return nil
}

func (r *Room) checkKeys() error {
	if len(r.Keys) > most {
		return fmt.Errorf("room %s has %d keys, at most %d are handed over", r.Name, len(r.Keys), most)
	}
	there := make(map[string]bool, len(r.Keys))
	for n, k := range r.Keys {
		err := k.Check()
		id := k.Reveal()
		if there[id] {
			err = errors.New("one that stands there twice")
		}
		if err != nil {
			return fmt.Errorf("key %d of room %s is %w", n+1, r.Name, err)
		}
		there[id] = true
	}
	return nil
}

func checkPeople(who string, keys []record.PublicKey) error {
	if len(keys) > most {
		return fmt.Errorf("%s: there are %d keys, at most %d are handed over", who, len(keys), most)
	}
	there := make(map[record.PublicKey]bool, len(keys))
	for _, k := range keys {
		err := k.Check()
		if there[k] {
			err = errors.New("the key stands there twice")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", who, err)
		}
		there[k] = true
	}
	return nil
}

// take reads one line. That it stands where it may, whoever writes the content again finds out.
func (c *Content) take(word, what string) (err error) {
	room := &Room{} // a line of a room before the first one is lost, and missing then
	if len(c.Rooms) > 0 {
		room = &c.Rooms[len(c.Rooms)-1]
	}
	switch word {
	case "identity":
		c.Identity, err = parseSeed(what)
	case "nickname":
		c.Nickname = what
	case "room":
		var i invite.Invitation
		if i, err = invite.Parse(what); err == nil {
			c.Rooms = append(c.Rooms, Room{Invitation: i})
		}
	case "key":
		var k fernet.Key
		if k, err = fernet.ParseKey(what); err == nil {
			room.Keys = append(room.Keys, k)
		}
	case "withdrawn":
		var k record.PublicKey
		if k, err = record.ParseKey(what); err == nil {
			c.Lost = append(c.Lost, k)
		}
	case "compared":
		var k record.PublicKey
		if k, err = record.ParseKey(what); err == nil {
			room.Compared = append(room.Compared, k)
		}
	case "signs":
		room.Identity, err = parseSeed(what)
	case "number":
		number, hash, _ := strings.Cut(what, " ")
		var n uint64
		if n, err = strconv.ParseUint(number, 10, 31); err == nil { // with more, nothing could be written behind it
			room.Last = uint32(n)
			err = decodeHex(room.LastHash[:], hash)
		}
	}
	return err
}

func parseSeed(text string) (id record.Identity, err error) {
	if id, err = record.ParseSeed(text); err != nil {
		return id, ErrAltered
	}
	return id, nil
}

// decodeHex reads as many bytes as there is place for.
func decodeHex(into []byte, text string) error {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(into) {
		return ErrAltered
	}
	copy(into, b)
	return nil
}

// KeysCompared returns the keys of everybody who counts as compared where this file is imported: whoever has written it, and those whom
// they have compared.
func (r *Room) KeysCompared() []record.PublicKey {
	all := slices.Clone(r.Compared)
	if own := record.PublicKey(r.Inviter); !own.IsZero() && !slices.Contains(all, own) {
		all = append([]record.PublicKey{own}, all...)
	}
	return all
}
