package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/model"
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
		i.Key, i.Tag, i.Words = new(key.String()), new(key.Tag().Name()), new(words(key.Safety()))
	}
	if len(c.settings.Introduced) > 0 {
		if key, err := record.ParseKey(c.settings.Introduced[0]); err == nil {
			i.Inviter, i.InviterWords = new(key.String()), new(words(key.Safety()))
		}
	}
	return i, nil
}

// shownMessage is a message as a page gets it.
type shownMessage struct {
	item.Message

	// Standing says whose word it is: own, verified, known, unsigned, or new where nothing of its author was shown here before.
	Standing string `json:"standing"`
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

// standings are those of authors.
type standings map[record.PublicKey]bool

// standings tells of each author whether the key was compared.
func (c *core) standings() (standings, error) {
	all := standings{}
	people, err := c.talk.People()
	for i := range people {
		all[people[i].Key] = people[i].Compared
	}
	return all, err
}

// show makes a message what a page gets.
func (c *core) show(it *model.Item, all standings) shownMessage {
	m := shownMessage{Message: item.Of(it, false), Standing: "unsigned"}
	r := it.Record
	if r == nil {
		return m
	}
	switch {
	case r.Own:
		m.Standing = "own"
	case all[r.Author]:
		m.Standing = "verified"
	case r.Number > 1 || r.Behind > 0:
		m.Standing = "known"
	default:
		m.Standing = "new"
	}
	if r.At.Entry > 0 && !r.Own {
		b, err := json.Marshal(record.Held{Author: r.Author, Number: r.Number, Hash: r.Hash, At: r.At})
		if err == nil {
			m.At = string(b)
		}
	}
	return m
}

// tellNews tells what has come since the last call.
func (c *core) tellNews() error {
	if c.talk == nil {
		return nil
	}
	defer c.tellHeard()
	all := standings(nil)
	for more := true; more; {
		news, err := c.talk.Since(c.mark, 0)
		if err != nil {
			return err
		}
		if len(news.Items) > 0 && all == nil {
			if all, err = c.standings(); err != nil {
				return err
			}
		}
		for i := range news.Items {
			c.events = append(c.events, messageEvent{"message", c.show(&news.Items[i], all)})
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
