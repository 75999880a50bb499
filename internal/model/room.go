// Package model has the values that package room, the engine and the faces speak of: the settings of a room, its messages
// and people, its outbox, and what a reading has found. What is done with them is decided elsewhere.
package model

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/fernpost/fernpost/internal/record"
)

// Room is one room as its file holds it.
type Room struct {
	Version int `json:"version"`
	// Name is local to this device; see CheckName of package keyring.
	Name string `json:"-"`
	// Relay is the base address, such as https://api.thingspeak.com.
	Relay string `json:"relay"`
	// Channel is the channel's id at the relay. The room's salt was made from it and stays when the room moves.
	Channel int64 `json:"channel"`
	// Fields are the numbers of the fields that the room uses, in the order of writing.
	Fields []int `json:"fields"`
	// Profile is the written form of the profile that the keys were derived with.
	Profile string `json:"profile"`
	// Keys are Fernet keys, URL-safe base64, newest first: the first seals, all open.
	Keys []Secret `json:"keys"`
	// Untold are those of the keys that the other members were not told of yet, so that whoever finds them here does it.
	Untold []Secret `json:"untold,omitempty"`
	// Refused are the ids, in hexadecimal, of keys to which others have moved the room, whose own keys were compared, and
	// the user does not go.
	Refused []string `json:"refused,omitempty"`
	// WriteKey and ReadKey are the channel's API keys; empty where there is none.
	WriteKey Secret `json:"write_key,omitempty"`
	ReadKey  Secret `json:"read_key,omitempty"`
	// MQTT is how entries come by MQTT, too; zero if they do not.
	MQTT MQTT `json:"mqtt,omitzero"`
	// Unproven tells that no relay has said or shown that the write key writes the channel.
	Unproven bool `json:"unproven,omitempty"`
	// Pad fills up every entry with cells that say nothing, so that all entries look alike.
	Pad bool `json:"pad,omitempty"`
	// Identity is the seed of the identity that signs in this room, where that is not the device's, in hexadecimal.
	Identity Secret `json:"identity,omitempty"`
	// Former are the seeds of identities that have signed here until the archive was lost: if it comes back, so do they.
	Former []Secret `json:"former,omitempty"`
	// Wrote tells that records were signed in this room: if the archive does not know of any, it was lost.
	Wrote bool `json:"wrote,omitempty"`
	// Brought is where the identity that signs here had come to when it came from another device.
	Brought Brought `json:"brought,omitzero"`
	// Interval is the time that the relay wants between two updates, as a duration with unit.
	Interval string `json:"interval,omitempty"`
	// Introduced are public keys, in hexadecimal, of whoever has handed over an invitation by a way of their own: once they
	// have written here, their keys count as compared.
	Introduced []string `json:"introduced,omitempty"`
	// Origin is how the room came to this device.
	Origin Origin `json:"origin,omitempty"`
	// Files is what the room's archive and positions are called, where that is not its name; see [Room.FilesName].
	Files string `json:"files,omitempty"`
}

// MQTT is where a relay serves MQTT, and the credentials of a device that may subscribe to a channel there. In a device's own
// form, as "relay device add --json" prints it, the URL is not there.
type MQTT struct {
	URL      string `json:"url,omitempty"`
	ClientID Secret `json:"client_id"`
	Username Secret `json:"username"`
	Password Secret `json:"password"`
}

// ErrNoDevice means that something is no device's credentials.
var ErrNoDevice = errors.New(
	"want the JSON object that \"relay device add --json\" prints, or three lines: client ID, user name, password")

// ParseDevice reads the credentials of a device: the JSON object with client_id, username and password, or these on three lines.
// The error is ErrNoDevice.
func ParseDevice(text string) (m MQTT, err error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{") {
		if json.Unmarshal([]byte(text), &m) != nil {
			return MQTT{}, ErrNoDevice
		}
		m.URL = ""
	} else if lines := strings.Split(text, "\n"); len(lines) == 3 {
		line := func(i int) Secret { return Secret(strings.TrimSpace(lines[i])) }
		m = MQTT{ClientID: line(0), Username: line(1), Password: line(2)}
	}
	if m.ClientID == "" || m.Username == "" || m.Password == "" {
		return MQTT{}, ErrNoDevice
	}
	return m, nil
}

// Origin is how a room, with the key that it had then, came to a device.
type Origin string

// The origins. Rooms of before that was noted have the first one, which may not be true.
const (
	// ByPassphrase: it was made here, or joined with its passphrase.
	ByPassphrase Origin = ""
	// ByInvitation, by a link; ByLetter, by one that was sealed to this device's identity.
	ByInvitation Origin = "invitation"
	ByLetter     Origin = "letter"
	// ByFile: from another device of the same person.
	ByFile Origin = "file"
)

// Brought is the last number that an identity had used in a room on another device, 0 for none, and the hash of that record.
type Brought struct {
	Number uint32           `json:"number"`
	Hash   record.ShortHash `json:"hash"`
}

// FilesName is what the room's archive and positions are called. They keep the name that they were made under, so that
// renaming a room changes one file, and takes none from under a process that has it open.
func (r *Room) FilesName() string { return cmp.Or(r.Files, r.Name) }

// Secret is a text that only [Secret.Reveal] and the room's file show.
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String hides the secret, so that no log or error shows it by accident.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(secret)"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// Merge takes over the keys of an invitation to the room, and who counts as compared by it. With first, its newest key is the room's from
// then on. Keys that only this device has stay, to read with.
func (r *Room) Merge(invited *Room, first bool) {
	keys, more := r.Keys, invited.Keys
	if first {
		keys, more = more, keys
	}
	r.Keys, r.Introduced = union(keys, more), union(r.Introduced, invited.Introduced)
}

// union has what is in either, in the order of the first and then of the second.
func union[T comparable](one, more []T) []T {
	all := slices.Clone(one)
	for _, v := range more {
		if !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}
