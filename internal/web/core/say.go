package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
)

// info is what the page shows of the room.
type info struct {
	Name         string  `json:"name"`
	Relay        string  `json:"relay"`
	Channel      int64   `json:"channel"`
	Fields       []int   `json:"fields"`
	Profile      string  `json:"profile"`
	Pad          bool    `json:"pad"`
	Interval     int64   `json:"interval_ms"`
	Signed       bool    `json:"signed"`
	CanWrite     bool    `json:"can_write"`
	Nick         string  `json:"nick"`
	Key          *string `json:"key"`
	Tag          *string `json:"tag"`
	Words        *string `json:"words"`
	Inviter      *string `json:"inviter"`
	InviterWords *string `json:"inviter_words"`
	Writes       bool    `json:"writes"`
}

func (c *core) info() (*info, error) {
	i := &info{
		Name: c.settings.Name, Relay: c.settings.Relay, Channel: c.settings.Channel, Fields: c.settings.Fields,
		Profile: c.settings.Profile, Pad: c.settings.Pad, Interval: c.interval.Milliseconds(), Signed: c.signed,
		CanWrite: c.settings.WriteKey != "", Nick: c.nick, Writes: c.writes,
	}
	if c.signed {
		key := c.identity.Public()
		i.Key, i.Tag, i.Words = new(key.String()), new(key.Tag().Name()), new(passphrase.SixWords(key.Safety()))
	}
	if len(c.settings.Introduced) > 0 {
		if key, err := record.ParseKey(c.settings.Introduced[0]); err == nil {
			i.Inviter, i.InviterWords = new(key.String()), new(passphrase.SixWords(key.Safety()))
		}
	}
	return i, nil
}

// shownMessage is a message as a page gets it.
type shownMessage struct {
	item.Message

	// At says to [core] that the user has seen it.
	At string `json:"at"`
}

// messageEvent is a message that came.
type messageEvent struct {
	Type    string       `json:"type"`
	Message shownMessage `json:"message"`
}

// findingEvent is something that the user should know.
type findingEvent struct {
	Type string `json:"type"`
	item.Finding
}

// stateEvent is how far a message of our own has come.
type stateEvent struct {
	Type string `json:"type"`
	item.State
}

// show makes a message what a page gets.
func show(it *model.Item) shownMessage {
	m := shownMessage{Message: item.Of(it, false)}
	if r := it.Record; r != nil && r.At.Entry > 0 && !r.Own {
		b, err := json.Marshal(record.Held{Author: r.Author, Number: r.Number, Hash: r.Hash, At: r.At})
		if err == nil {
			m.At = string(b)
		}
	}
	return m
}

// tellStanding tells what is wrong with the room, for a page that has shown nothing of it yet.
func (c *core) tellStanding() error {
	all, _, err := c.talk.Standing()
	for i := range all {
		c.events = append(c.events, findingEvent{"finding", item.OfFinding(&all[i], false)})
	}
	return err
}

// tellNews tells what has come since the last call.
func (c *core) tellNews() error {
	if c.talk == nil {
		return nil
	}
	defer c.tellHeard()
	for more := true; more; {
		news, err := c.talk.Since(c.mark, 0)
		if err != nil {
			return err
		}
		for i := range news.Items {
			c.events = append(c.events, messageEvent{"message", show(&news.Items[i])})
		}
		for i := range news.Found {
			f := &news.Found[i]
			c.events = append(c.events, findingEvent{"finding", item.OfFinding(&f.Finding, f.TakenBack)})
		}
		for i := range news.States {
			c.events = append(c.events, stateEvent{"state", item.OfState(&news.States[i])})
		}
		c.mark, more = news.Until, news.More
	}
	return nil
}

// summer computes the SHA-256 of what the page has loaded.
type summer struct {
	hash  hash.Hash
	bytes int64
}

type sumResult struct {
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

func (s *summer) add(part []byte) sumResult {
	if s.hash == nil {
		s.hash = sha256.New()
	}
	s.hash.Write(part)
	s.bytes += int64(len(part))
	return sumResult{hex.EncodeToString(s.hash.Sum(nil)), s.bytes}
}
