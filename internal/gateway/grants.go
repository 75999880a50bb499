package gateway

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// Scope is something that a key or a token lets its holder do.
type Scope string

// The scopes.
const (
	Read  Scope = "read"
	Write Scope = "write"
	// Admin is all, in every room.
	Admin Scope = "admin"
)

// Grant is what a key of the ThingSpeak doors, or a bearer token, opens. The key itself is kept nowhere: its hash is, and as
// it is random and long, no guess leads back.
type Grant struct {
	// ID names it; numbers are not used again.
	ID int64
	// Token says that it is a bearer token; otherwise it is a key of 16 characters.
	Token bool
	// Room is the one room that it is for, as this device calls it now; empty is every room. RoomID is its name for good, as
	// [Rooms] has it: what is kept. Channel is that room's channel.
	Room, RoomID string
	Channel      int64
	// Scopes are what it may do there.
	Scopes []Scope
	// Wait is how long the answer to a reading may be held until the cloud has taken it, in whole milliseconds.
	Wait time.Duration
	Made time.Time
}

// May reports whether a grant has a scope in a room.
func (g *Grant) May(s Scope, room string) bool {
	return slices.Contains(g.Scopes, Admin) || slices.Contains(g.Scopes, s) && (g.Room == "" || g.Room == room)
}

// ErrNoGrant is returned for a number that no key and no token has.
var ErrNoGrant = errors.New("no key or token has that number")

// ErrNoScope is returned for a grant that would allow nothing.
var ErrNoScope = errors.New("it may neither read nor write")

// ErrSharedChannel is returned for a key of a room that has the channel number of another one with keys, at another relay: the
// number is all that a device says of its room.
var ErrSharedChannel = errors.New("another room with keys has the same channel number")

// tokenBeginning is how bearer tokens begin, so that one that was published is found.
const tokenBeginning = "fpt_"

// Grants are the keys and tokens of a gateway's home. Commands change them while a gateway serves, which asks each time.
// Methods may be called from several goroutines.
type Grants struct {
	// Name, if not nil, tells how a room is called now, by its name for good.
	Name func(roomID string) string

	mu   sync.Mutex // guards the connection
	conn *sqlite.Conn
}

// OpenGrants opens the keys and tokens of a home, which is made if it is not there.
func OpenGrants(home string) (*Grants, error) {
	c, err := openHome(home)
	if err != nil {
		return nil, err
	}
	return &Grants{conn: c}, nil
}

// Close ends the use. Nothing is found any more.
func (g *Grants) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.conn
	g.conn = nil
	return c.Close()
}

// Add makes a key, or a token, for what the grant says, and returns it. It is the only time that it is seen.
func (g *Grants) Add(grant Grant) (secret string, made Grant, err error) {
	if len(grant.Scopes) == 0 {
		return "", grant, ErrNoScope
	}
	if grant.RoomID == "" {
		grant.RoomID = grant.Room
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	err = g.conn.Transaction(func() error {
		shared := false
		err := g.conn.Query("SELECT 1 FROM grants WHERE NOT token AND channel = ? AND room <> ? LIMIT 1", func(sqlite.Row) error {
			shared = true
			return nil
		}, grant.Channel, grant.RoomID)
		if err == nil && shared && !grant.Token {
			err = ErrSharedChannel
		}
		if err == nil {
			secret, made, err = g.add(grant)
		}
		return err
	})
	return secret, made, err
}

func (g *Grants) add(grant Grant) (secret string, made Grant, err error) {
	if secret = relay.NewKey(); grant.Token {
		secret = tokenBeginning + rand.Text()
	}
	grant.Made = time.Now().UTC().Truncate(time.Second)
	var scopes []string
	for _, s := range grant.Scopes {
		scopes = append(scopes, string(s))
	}
	err = g.conn.Query(`INSERT INTO grants (sha256, token, room, channel, scopes, wait_ms, made_s)
		VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id`, func(row sqlite.Row) error {
		grant.ID = row.Int(0)
		return nil
	}, hashOf(secret), grant.Token, grant.RoomID, grant.Channel, strings.Join(scopes, ","), grant.Wait.Milliseconds(), grant.Made.Unix())
	if err != nil {
		return "", grant, fmt.Errorf("making a key: %w", err)
	}
	return secret, grant, nil
}

// first makes a token for everything if there is no token.
func (g *Grants) first() (secret string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	err = g.conn.Transaction(func() error {
		tokens := int64(0)
		err := g.conn.Query("SELECT count(*) FROM grants WHERE token", func(row sqlite.Row) error {
			tokens = row.Int(0)
			return nil
		})
		if err == nil && tokens == 0 {
			secret, _, err = g.add(Grant{Token: true, Scopes: []Scope{Admin}})
		}
		return err
	})
	return secret, err
}

// Revoke takes back the key or token of a number, or fails with [ErrNoGrant].
func (g *Grants) Revoke(id int64, token bool) (revoked Grant, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found := false
	err = g.conn.Query("DELETE FROM grants WHERE id = ? AND token = ? RETURNING "+grantColumns, func(row sqlite.Row) error {
		revoked, found = g.grantOf(row), true
		return nil
	}, id, token)
	if err == nil && !found {
		err = ErrNoGrant
	}
	if err != nil {
		return revoked, fmt.Errorf("revoking number %d: %w", id, err)
	}
	return revoked, nil
}

// List returns all keys, or all tokens, in the order in which they were made.
func (g *Grants) List(tokens bool) (all []Grant, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn == nil {
		return nil, nil
	}
	err = g.conn.Query("SELECT "+grantColumns+" FROM grants WHERE token = ? ORDER BY id", func(row sqlite.Row) error {
		all = append(all, g.grantOf(row))
		return nil
	}, tokens)
	return all, err
}

// Find returns what a key, or a token, opens now.
func (g *Grants) Find(secret string, token bool) (found Grant, ok bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn == nil {
		return found, false, nil
	}
	err = g.conn.Query("SELECT "+grantColumns+" FROM grants WHERE sha256 = ? AND token = ?", func(row sqlite.Row) error {
		found, ok = g.grantOf(row), true
		return nil
	}, hashOf(secret), token)
	return found, ok, err
}

// Left returns how many keys and tokens are for a room, by its name for good, and how many readings wait for it here: they were
// answered, and have not left for its outbox yet.
func (g *Grants) Left(roomID string) (grants, readings, setAside int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	err = g.conn.Query(`SELECT (SELECT count(*) FROM grants WHERE room = ?1),
		(SELECT count(*) FROM readings WHERE room = ?1 AND handed = 0),
		(SELECT count(*) FROM readings WHERE room = ?1 AND handed = 2)`, func(row sqlite.Row) error {
		grants, readings, setAside = int(row.Int(0)), int(row.Int(1)), int(row.Int(2))
		return nil
	}, roomID)
	return grants, readings, setAside, err
}

// Forget takes back all keys and tokens of a room that was removed, and forgets its readings and the names of its fields.
func (g *Grants) Forget(roomID string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.conn.Transaction(func() error {
		return errors.Join(g.conn.Exec("DELETE FROM grants WHERE room = ?", roomID), g.conn.Exec("DELETE FROM fields WHERE room = ?", roomID),
			g.conn.Exec("DELETE FROM readings WHERE room = ?", roomID))
	})
}

const grantColumns = "id, token, room, channel, scopes, wait_ms, made_s"

func (g *Grants) grantOf(row sqlite.Row) Grant {
	found := Grant{
		ID: row.Int(0), Token: row.Truth(1), Room: row.Text(2), RoomID: row.Text(2), Channel: row.Int(3),
		Wait: time.Duration(row.Int(5)) * time.Millisecond, Made: time.Unix(row.Int(6), 0).UTC(),
	}
	for s := range strings.SplitSeq(row.Text(4), ",") {
		found.Scopes = append(found.Scopes, Scope(s))
	}
	if g.Name != nil && found.RoomID != "" {
		found.Room = g.Name(found.RoomID)
	}
	return found
}

func hashOf(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

// ParseID reads the number of a key or a token.
func ParseID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id <= 0 {
		return 0, errors.New("want its number, as the list has it")
	}
	return id, nil
}
