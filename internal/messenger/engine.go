// Package messenger brings keyring, archive, remote and room together, once, for every face: it finds rooms, opens
// them, reads, writes, keeps the outbox going. It prints nothing: what happens meanwhile it tells as an [Event], and
// whether a long transfer is wanted it has asked.
package messenger

import (
	"fmt"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/remote"
)

// Options say what an engine works with.
type Options struct {
	// Dir returns the directory for one kind of data: rooms, archive or state. It need not exist.
	Dir func(kind string) (string, error)
	// Access is how relays are reached. Its budget is also how many bytes an hour may bring of what no key opens.
	Access channel.Access
	// ArchiveSize returns how many bytes the archive of a room may take; 0 is no limit.
	ArchiveSize func() int64
	// Keeping is called when a reading begins to keep what comes, with what counts the entries; the function that it
	// returns is called at the end. It may be nil.
	Keeping func(entries func() int64) (done func())
	// Trying says for how long a reading joins parts in further ways, see [room.Options]; nil for 2.5 s.
	Trying func() func() bool
}

// Engine is what every face works with.
type Engine struct {
	o Options
	// sources returns how entries of a room may be pushed, the best way first.
	sources func(*remote.Client) []remote.Source

	mu      sync.Mutex           // guards what follows
	watched map[string]*watching // what is followed, by the name of its files
	// posted is when an update of ours was last taken, by channel.
	posted map[channelAt]time.Time
}

// New returns the engine with these options. Nothing is opened yet.
func New(o Options) *Engine {
	return &Engine{o: o, sources: (*remote.Client).Sources, posted: map[channelAt]time.Time{}}
}

// dial makes the client for a room's channel. Nothing is sent yet.
func (e *Engine) dial(r model.Room) (*remote.Client, error) {
	interval, err := duration.Parse(r.Interval)
	if err != nil {
		return nil, fmt.Errorf("room %s: its interval is no duration", r.Name)
	}
	return e.client(remote.Options{
		BaseURL: r.Relay, Channel: r.Channel, Interval: interval, Status: hasStatus(r),
		WriteKey: remote.Secret(r.WriteKey.Reveal()), ReadKey: remote.Secret(r.ReadKey.Reveal()),
		MQTT: remote.MQTT{
			URL: r.MQTT.URL, ClientID: r.MQTT.ClientID.Reveal(), Username: r.MQTT.Username.Reveal(),
			Password: remote.Secret(r.MQTT.Password.Reveal()),
		},
	})
}

// hasStatus reports whether the status of an entry may carry a token: that of a reading that nobody signs.
func hasStatus(r model.Room) bool {
	signed, err := Signed(r)
	return err == nil && !signed
}

// client makes a client of which the options name relay, channel and keys.
func (e *Engine) client(o remote.Options) (*remote.Client, error) {
	return remote.New(e.o.Access.Options(o))
}

// Profile returns how a room's key is derived and its messages are written.
func Profile(r model.Room) (passphrase.Profile, error) {
	p, err := passphrase.ParseProfile(r.Profile)
	if err != nil {
		err = fmt.Errorf("room %s: %w", r.Name, err)
	}
	return p, err
}

// Signed reports whether the members of a room sign what they write.
func Signed(r model.Room) (bool, error) {
	p, err := Profile(r)
	return err == nil && p.Form == passphrase.FormRecords, err
}

// Keys returns a room's keys, newest first.
func Keys(r model.Room) ([]fernet.Key, error) {
	keys, err := parseKeys(r.Keys)
	if err != nil {
		return nil, fmt.Errorf("room %s: %w", r.Name, err)
	}
	return keys, nil
}

func parseKeys(texts []model.Secret) ([]fernet.Key, error) {
	keys := make([]fernet.Key, len(texts))
	for i, text := range texts {
		key, err := fernet.ParseKey(text.Reveal())
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		keys[i] = key
	}
	return keys, nil
}
