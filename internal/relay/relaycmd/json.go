package relaycmd

import (
	"time"

	"github.com/fernpost/fernpost/internal/relay/check"
)

// Object is what --json of one of these commands prints: what it is, and a value whose fields tell with the tag "means"
// what their keys stand for.
type Object struct {
	About string
	Value any
}

// Objects are all that there are, for whoever writes the help.
func Objects() []Object {
	return []Object{
		{`A channel ("relay key list"):`, keyJSON{}},
		{`An account ("relay user show"):`, accountJSON{}},
		{`The credentials of a device ("relay device add", "relay device renew"):`, credentialsJSON{}},
		{`A device ("relay device list"):`, deviceJSON{}},
		{`The result of "relay copy":`, copyJSON{}},
		{`The report of "relay check":`, check.Report{}},
	}
}

type keyJSON struct {
	Channel  int64    `json:"channel" means:"the channel's number"`
	Name     string   `json:"name" means:"its name"`
	Account  string   `json:"account" means:"whose it is"`
	Public   bool     `json:"public" means:"whether everybody may read it"`
	WriteKey string   `json:"write_key" means:"its write key"`
	ReadKeys []string `json:"read_keys" means:"its read keys"`
}

type accountJSON struct {
	Name      string    `json:"name" means:"the account's name"`
	Key       string    `json:"user_key" means:"the key that makes channels"`
	Channels  int       `json:"channels" means:"how many it has"`
	CreatedAt time.Time `json:"created_at" means:"when it was made"`
}

type credentialsJSON struct {
	ClientID string `json:"client_id" means:"what MQTT calls the client ID"`
	Username string `json:"username" means:"the user name"`
	Password string `json:"password" means:"the password"`
}

type deviceJSON struct {
	ClientID  string    `json:"client_id" means:"the device's client ID and user name"`
	Publish   []int64   `json:"publish" means:"channels that it may publish to"`
	Subscribe []int64   `json:"subscribe" means:"channels that it may subscribe to"`
	CreatedAt time.Time `json:"created_at" means:"when it was made"`
}

type copyJSON struct {
	Accounts int   `json:"accounts" means:"how many accounts are in both"`
	Channels int   `json:"channels" means:"how many channels"`
	Entries  int64 `json:"entries" means:"how many entries"`
	Same     bool  `json:"same" means:"true: otherwise the command fails and prints nothing"`
}
