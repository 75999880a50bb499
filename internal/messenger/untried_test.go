package messenger_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	access "github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// flood has the relay store so many first cells that all lead to the same last one: chains that nobody has signed.
func (x *members) flood(n int) {
	x.t.Helper()
	key, err := fernet.ParseKey(x.room.Keys[0].Reveal())
	if err != nil {
		x.t.Fatal(err)
	}
	ring, err := fernet.NewRing(key)
	if err != nil {
		x.t.Fatal(err)
	}
	id := record.GenerateIdentity()
	in := record.Context{Salt: record.Salt(passphrase.RoomSalt(x.room.Channel)), Key: record.KeyID(key.ID())}
	signed, err := record.Sign(id, in, record.Record{Number: 1, Nick: "eve", Body: record.Text("hello")})
	if err != nil {
		x.t.Fatal(err)
	}
	cells, err := record.Cut(signed.Bytes, id.Public().Tag(), 3)
	if err != nil {
		x.t.Fatal(err)
	}
	first := cells[0]
	x.server.Seed(x.t, x.room.Channel, len(cells)-1+n, func(i int) thingspeak.Entry {
		cell := first
		if i < len(cells)-1 {
			cell = cells[1+i]
		} else {
			cell[len(cell)-1], cell[len(cell)-2] = byte(i), byte(1+i>>8)
		}
		token, err := ring.Seal(cell[:], time.Now())
		if err != nil {
			x.t.Fatal(err)
		}
		return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(token)}}
	})
}

// A stream said that parts were left untried and asked a relay that has nothing new again only an hour later: what had come
// stayed hidden as long.
func TestAStreamGoesOnWithWhatIsLeftUntried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		x.flood(300)
		home := t.TempDir()
		e := messenger.New(messenger.Options{
			Dir:         func(kind string) (string, error) { return home + "/" + kind, nil },
			Access:      access.Access{Timeout: 10 * time.Second, Transport: x.server.Transport(t)},
			ArchiveSize: func() int64 { return 0 },
			Trying:      func() func() bool { return func() bool { return false } },
		})
		if err := errors.Join(e.SetNickname("ana"), e.Add(x.room)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		s, err := e.Follow(x.room, messenger.FollowOptions{Fastest: time.Hour, Slowest: time.Hour}, messenger.Face{})
		if err != nil {
			t.Fatal(err)
		}
		left := 0
		for more := true; more; {
			event, err := s.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if read, ok := event.(messenger.Read); ok && read.Arrivals.Entries+left > 0 {
				if more = read.Arrivals.More; more {
					left++
				}
			}
		}
		if took := time.Since(began); left == 0 || took > time.Minute {
			t.Errorf("parts were left %d times, and all were tried after %v", left, took)
		}
		closeAll(t, s)
	})
}
