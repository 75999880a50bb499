package main

import (
	"context"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

// trialRows is how many of the newest rows a key is tried on.
const trialRows = 100

// triedEvent says what a key opens of what is there.
type triedEvent struct {
	Type string `json:"type"`
	// Opens tells that it opens something, or the check that was left for those who join; Tokens counts entries that it does not open.
	Opens  bool   `json:"opens"`
	Tokens int    `json:"tokens"`
	Failed string `json:"failed"`
}

// try tries the key of a room on what is in the channel, before the room is opened.
func (c *core) try(m *message, _ []byte) (any, []byte, error) {
	if c.follows != nil || m.Settings == nil {
		return nil, nil, failf("failed", "a core tries one key")
	}
	c.settings = m.Settings.Room
	if err := c.prepare(record.GenerateIdentity().SeedText()); err != nil {
		return nil, nil, err
	}
	c.follows = &task{c: c}
	c.follows.start(func(ctx context.Context, t *task) {
		e, err := c.tryKey(ctx, t)
		if err != nil {
			e.Failed = err.Error()
		}
		e.Type = "tried"
		c.events = append(c.events, e)
	})
	return nil, nil, nil
}

func (c *core) tryKey(ctx context.Context, t *task) (e triedEvent, err error) {
	x := exchange.New(t, exchange.Settings{Address: c.channel.Base.String() + "/", Channel: c.settings.Channel, Budget: budget})
	var rows []thingspeak.Entry
	if _, err := x.Scan().Back(ctx, trialRows, func(e *thingspeak.Entry) error {
		rows = append(rows, *e)
		return nil
	}); err != nil {
		return e, err
	}
	ring, err := fernet.NewRing(c.keys...)
	if err != nil {
		return e, err
	}
	opener, err := room.New(ring, c.settings.Fields, false)
	if err != nil {
		return e, err
	}
	messages, found := opener.Open(rows)
	e.Opens, e.Tokens = len(messages) > 0, found.NotOurs
	if e.Opens {
		return e, nil
	}
	check, there, err := t.askCheck()
	if opens, _ := check.Opens(c.keys[0]); there && err == nil {
		if e.Opens = opens; !opens {
			e.Tokens++
		}
	}
	return e, err
}

// askCheck asks for what members have put beside the channel for those who join.
func (t *task) askCheck() (check room.Check, there bool, err error) {
	path, err := t.c.channel.Path("feeds.json?results=0&metadata=true")
	if err != nil {
		return check, false, err
	}
	call := wire.Call{Doing: "reading the settings of the channel", Path: path, Key: t.c.channel.KeyToRead()}
	re, _, err := t.fetch("channel", call, wire.MaxReply)
	if err != nil {
		return check, false, err
	}
	content, err := t.c.channel.Content(re)
	if err != nil {
		return check, false, err
	}
	channel, err := thingspeak.DecodeChannel(content)
	if err != nil {
		return check, false, t.c.channel.ContentError(re, err)
	}
	check, there = room.ParseCheck(channel.Metadata)
	return check, there, nil
}
