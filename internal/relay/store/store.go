// Package store holds what the engines behind [relay.Store] share: the texts of statements that both take, and what their
// rows mean. The engines are the packages below it.
package store

import (
	"cmp"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Row is a row of an answer, valid until the next one. Its columns are counted from 0.
type Row interface {
	Number(i int) int64
	// Text returns a text, empty for null.
	Text(i int) string
	Truth(i int) bool
	// Value returns a text that may be null.
	Value(i int) thingspeak.Value
}

// Dialect is how an engine says what not both say alike.
type Dialect struct {
	// Public is the condition that a channel c is public, and Unordered that an entry has to be found by time. Partial
	// indexes are chosen by these words.
	Public, Unordered string
	// Tagged is the condition that a channel c has a tag, for [fmt.Sprintf] with the argument's name.
	Tagged string
}

// Statements for accounts.
const (
	SelectAccounts     = "SELECT id, name, key, created_s FROM accounts ORDER BY id"
	SelectAccountByKey = "SELECT id, name, key, created_s FROM accounts WHERE key = $1"
)

// ScanAccount reads a row of accounts.
func ScanAccount[R Row](r R) relay.Account {
	return relay.Account{ID: r.Number(0), Name: r.Text(1), Key: r.Text(2), CreatedAt: seconds(r.Number(3))}
}

// ChannelsOf returns the numbers of the channels that updates are for, each once, in order.
func ChannelsOf(updates []relay.Update) []int64 {
	channels := make([]int64, len(updates))
	for i := range updates {
		channels[i] = updates[i].Channel
	}
	slices.Sort(channels)
	return slices.Compact(channels)
}

// GenerationOf returns the generation of a channel whose state is there; states are in order of channel.
func GenerationOf(states []relay.State, channel int64) int64 {
	i, _ := slices.BinarySearchFunc(states, channel, func(s relay.State, channel int64) int {
		return cmp.Compare(s.Channel, channel)
	})
	return states[i].Generation
}

func seconds(n int64) time.Time { return time.Unix(n, 0).UTC() }
