//go:build ignore

// A reactor of what a page runs, to see how large it is.
package main

import (
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/memory"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

func main() {}

//go:wasmexport probe
func probe() int32 {
	key, err := passphrase.Fernpost().Derive("pass", passphrase.RoomSalt(1), "")
	if err != nil {
		return 1
	}
	c, err := room.Open(memory.New(), room.Options{
		Keys: []fernet.Key{fernet.NewKey(key)}, Identity: record.GenerateIdentity(), Fields: []int{1}, Salt: record.Salt{1},
	})
	if err != nil {
		return 2
	}
	if _, err := c.Write(record.Text("hello"), time.Now()); err != nil {
		return 3
	}
	in, err := c.Receive(0)
	if err != nil {
		return 4
	}
	if err := in.Add(&thingspeak.Entry{ID: 1}); err != nil {
		return 5
	}
	if _, err := in.Finish(room.Facts{LastID: 1}); err != nil {
		return 6
	}
	_ = c.History(0, func(*model.Item) error { return nil })
	x := exchange.New(nil, exchange.Settings{Channel: 1})
	_ = x.Follow
	return 0
}
