package main

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
)

// said is what the user writes: one of these. Of a file the content is attached.
type said struct {
	Text    *string     `json:"text"`
	File    *saidFile   `json:"file"`
	Reading *saidValues `json:"reading"`
	Receipt bool        `json:"receipt"`
}

type saidFile struct {
	Name  string `json:"name"`
	Media string `json:"media"`
}

type saidValues struct {
	Field1    *string `json:"field1"`
	Field2    *string `json:"field2"`
	Field3    *string `json:"field3"`
	Field4    *string `json:"field4"`
	Field5    *string `json:"field5"`
	Field6    *string `json:"field6"`
	Field7    *string `json:"field7"`
	Field8    *string `json:"field8"`
	Status    string  `json:"status"`
	Latitude  string  `json:"latitude"`
	Longitude string  `json:"longitude"`
	Elevation string  `json:"elevation"`
}

// within are the operations in a room that is open.
var within = map[string]operation{
	"stream": func(c *core, m *message, data []byte) (any, []byte, error) {
		c.takeStream(m, data)
		return nil, nil, nil
	},
	"hidden": func(c *core, m *message, _ []byte) (any, []byte, error) {
		c.setHidden(m.Hidden)
		return nil, nil, nil
	},
	"rows": func(c *core, m *message, attached []byte) (any, []byte, error) {
		rows, err := cutRows(attached, m.Rows)
		for i := 0; err == nil && i < len(rows); i++ {
			err = c.store.Add(rows[i])
		}
		return nil, nil, err
	},
	"send": (*core).send,
	"info": func(c *core, _ *message, _ []byte) (any, []byte, error) {
		i, err := c.info()
		return i, nil, err
	},
	"history": (*core).history,
	"shown":   (*core).shown,
	"people":  (*core).people,
	"verify": func(c *core, m *message, _ []byte) (any, []byte, error) {
		return nil, nil, c.onKey(m, func(key record.PublicKey) error { return c.talk.Verified(key, time.Now()) })
	},
	"forget": func(c *core, m *message, _ []byte) (any, []byte, error) {
		return nil, nil, c.onKey(m, func(key record.PublicKey) error {
			_, err := c.talk.Forget(key, time.Now())
			return err
		})
	},
	"words": func(_ *core, m *message, _ []byte) (any, []byte, error) {
		key, err := record.ParseKey(m.Key)
		if err != nil {
			return nil, nil, failf("nobody", "%v", err)
		}
		return passphrase.SixWords(key.Safety()), nil, nil
	},
	"drop": func(c *core, m *message, _ []byte) (any, []byte, error) {
		if err := c.mayWrite(); err != nil {
			return nil, nil, err
		}
		return nil, nil, c.talk.Drop(m.Number, false, time.Now())
	},
	"outbox":  (*core).outbox,
	"content": (*core).content,
	"file":    (*core).file,
	"invite":  (*core).invite,
	"digest":  (*core).digest,
	"set":     (*core).set,
}

// mayWrite refuses what another page does.
func (c *core) mayWrite() error {
	switch {
	case !c.writes:
		return &failure{
			Code: "readonly", Text: "another tab of this browser writes in this room", Hint: "write there, or close it: this one takes over then",
		}
	case c.settings.WriteKey == "":
		return failf("readonly", "this invitation has no key to write with, so the room can only be read")
	}
	return nil
}

// setHidden notes whether anybody looks at the page.
func (c *core) setHidden(hidden bool) {
	was := c.hidden
	c.hidden = hidden
	if c.follows == nil || was == hidden {
		return
	}
	if !hidden {
		c.watch.Hurry()
	}
	c.follows.wake()
}

// sentResult tells of a message that was put into the outbox.
type sentResult struct {
	Number  uint32 `json:"number"`
	Entries int    `json:"entries"`
	// Again tells that it was written before under its name.
	Again bool `json:"again"`
}

// send signs and seals a message, and puts it into the outbox.
func (c *core) send(m *message, content []byte) (any, []byte, error) {
	if err := c.mayWrite(); err != nil {
		return nil, nil, err
	}
	if err := c.heldBack(); err != nil {
		return nil, nil, err
	}
	body, err := m.Body.body(content)
	if err != nil {
		return nil, nil, err
	}
	if !c.settings.Wrote {
		if err := c.checkName(c.nick); err != nil {
			return nil, nil, err
		}
	}
	now := time.Now()
	if id, ok, err := c.talk.WrittenBefore(m.Once, body, now); err != nil || ok {
		return sentResult{Number: id.Number, Again: ok}, nil, err
	}
	if err := c.mindLong(body, m.Long); err != nil {
		return nil, nil, err
	}
	// A number that nobody knows to be taken would be taken twice if the rows were lost.
	if c.signed && !c.settings.Wrote {
		c.settings.Wrote, c.settled = true, true
	}
	write := c.talk.WriteWith
	if !c.signed {
		write = c.talk.WriteText
	}
	written, err := write(body, room.Writing{At: now, Once: m.Once}, now)
	if err != nil {
		return nil, nil, err
	}
	c.posts.wake()
	items, err := c.talk.OnTheirWay()
	for i := range items {
		if q := items[i].Sent; q != nil && q.Number == written.Number {
			c.events = append(c.events, messageEvent{"message", show(&items[i])})
		}
	}
	return sentResult{Number: written.Number, Entries: written.Entries}, nil, err
}

// mindLong refuses what takes long to post, unless that is wanted.
func (c *core) mindLong(body record.Body, wanted bool) error {
	if !c.signed || wanted {
		return nil
	}
	entries, err := c.talk.Entries(body)
	if err != nil {
		return err
	}
	if takes := exchange.Reckon(c.granted(), entries); takes.IsLong() {
		return &failure{Code: "long", Text: takes.Text(), Hint: "send something shorter, or to a relay that takes more"}
	}
	return nil
}

// body is what is to be written.
func (s *said) body(content []byte) (record.Body, error) {
	switch {
	case s.Text != nil:
		return record.Text(*s.Text), nil
	case s.File != nil:
		if len(content) > record.MaxFile {
			return nil, failf("toolong", "the file has %d bytes, and a message carries at most %d", len(content), record.MaxFile)
		}
		return record.File{Name: s.File.Name, Media: s.File.Media, Content: slices.Clone(content)}, nil
	case s.Reading != nil:
		v := s.Reading
		r := record.Reading{Status: v.Status, Latitude: v.Latitude, Longitude: v.Longitude, Elevation: v.Elevation}
		for i, text := range []*string{v.Field1, v.Field2, v.Field3, v.Field4, v.Field5, v.Field6, v.Field7, v.Field8} {
			if text != nil {
				r.Values[i].Given, r.Values[i].Text = true, *text
			}
		}
		return r, r.Check()
	case s.Receipt:
		return record.Heartbeat{}, nil
	}
	return nil, failf("body", "there is nothing to send: a text, a file or a reading is wanted")
}

// history returns the newest messages, by place.
func (c *core) history(m *message, _ []byte) (any, []byte, error) {
	shown := []shownMessage{}
	err := c.talk.History(m.Newest, func(it *model.Item) error {
		shown = append(shown, show(it))
		return nil
	})
	return shown, nil, err
}

// shown notes that the user has seen a message, with all above it.
func (c *core) shown(m *message, _ []byte) (any, []byte, error) {
	var printed model.Printed
	if err := json.Unmarshal([]byte(m.At), &printed.Top); err != nil {
		return nil, nil, failf("failed", "that is no message")
	}
	if !c.writes || printed.Top.Author.IsZero() {
		return nil, nil, nil
	}
	return nil, nil, c.talk.SetPrinted(printed)
}

// personResult is somebody who has written here.
type personResult struct {
	Name     string `json:"name"`
	Nick     string `json:"nick"`
	Tag      string `json:"tag"`
	Key      string `json:"key"`
	Words    string `json:"words"`
	Compared bool   `json:"compared"`
	Own      bool   `json:"own"`
	Lost     bool   `json:"lost"`
	Person   string `json:"person"`
	Base     uint32 `json:"base"`
	Top      uint32 `json:"top"`
	Missing  int64  `json:"missing"`
}

func (c *core) people(*message, []byte) (any, []byte, error) {
	people, err := c.talk.People()
	all := []personResult{}
	for i := range people {
		p := &people[i]
		if p.Base == 0 { // nothing of theirs was read
			continue
		}
		r := personResult{
			Name: p.Name, Nick: p.Nick, Tag: p.Key.Tag().Name(), Key: p.Key.String(), Words: passphrase.SixWords(p.Key.Safety()), Compared: p.Compared,
			Own: p.Own, Lost: p.Lost, Person: p.Person.String(), Base: p.Base, Top: p.Top,
		}
		for _, g := range p.Gaps {
			r.Missing += int64(g.Last) - int64(g.First) + 1
		}
		all = append(all, r)
	}
	return all, nil, err
}

func (c *core) onKey(m *message, do func(record.PublicKey) error) error {
	key, err := record.ParseKey(m.Key)
	switch {
	case err != nil:
		return failf("nobody", "%v", err)
	case !c.writes:
		return c.mayWrite()
	}
	return do(key)
}

// queuedResult is a message of our own that was not read back.
type queuedResult struct {
	Number   uint32 `json:"number"`
	Kind     string `json:"kind"`
	State    string `json:"state"`
	Entries  int    `json:"entries"`
	Accepted int    `json:"accepted"`
	Entry    *int64 `json:"entry"`
}

func (c *core) outbox(*message, []byte) (any, []byte, error) {
	queue, err := c.talk.Outbox()
	all := []queuedResult{}
	for i := range queue {
		q := &queue[i]
		r := queuedResult{Number: q.Number, Kind: q.Kind.String(), State: q.Sent.String(), Entries: q.Entries, Accepted: q.Accepted}
		if q.Entry > 0 {
			r.Entry = &q.Entry
		}
		all = append(all, r)
	}
	return all, nil, err
}

// file returns a file that somebody has sent; its content is attached.
func (c *core) file(m *message, _ []byte) (any, []byte, error) {
	key, err := record.ParseKey(m.Key)
	if err != nil {
		return nil, nil, failf("nobody", "%v", err)
	}
	items, err := c.talk.Numbered(key, m.Number)
	if err == nil && key == c.talk.Own() {
		var waiting []model.Item
		waiting, err = c.talk.OnTheirWay()
		items = append(items, waiting...)
	}
	for i := range items {
		r := items[i].Record
		if r == nil || r.Author != key || r.Number != m.Number || m.Entry > 0 && r.At.Entry != m.Entry { // of one number there may be two
			continue
		}
		if f, ok := r.Body.(record.File); ok {
			return saidFile{f.Name, f.Media}, f.Content, err
		}
	}
	if err == nil {
		err = failf("nobody", "there is no such file")
	}
	return nil, nil, err
}

type inviteResult struct {
	Link string `json:"link"`
}

// invite makes an invitation to the room.
func (c *core) invite(m *message, _ []byte) (any, []byte, error) {
	i, err := c.invitation()
	if err != nil {
		return nil, nil, err
	}
	i.Keys = i.Keys[:1]
	if m.Write != nil && !*m.Write {
		i.WriteKey = ""
	}
	link, err := i.Link()
	return inviteResult{link}, nil, err
}

// invitation has all that this page can hand on of the room.
func (c *core) invitation() (invite.Invitation, error) {
	profile, err := passphrase.ParseProfile(c.settings.Profile)
	return invite.Invitation{
		Relay: c.settings.Relay, Channel: c.settings.Channel, Fields: slices.Sorted(slices.Values(c.settings.Fields)), Interval: c.interval,
		Profile: profile, Pad: c.settings.Pad, Name: c.settings.Name, Keys: c.keys, ReadKey: c.settings.ReadKey.Reveal(),
		WriteKey: c.settings.WriteKey.Reveal(), Inviter: c.ownKey(),
	}, err
}

type digestResult struct {
	Words string `json:"words"`
	Lines int    `json:"lines"`
	Until int64  `json:"until"`
}

// digest is that of all lines that are held, to be compared aloud.
func (c *core) digest(*message, []byte) (any, []byte, error) {
	d, err := c.talk.Digest()
	if err != nil {
		return nil, nil, err
	}
	sum := d.Sum()
	return digestResult{Words: passphrase.SixWords([16]byte(sum[:16])), Lines: d.Lines, Until: d.Until}, nil, nil
}

// set changes settings from now on.
func (c *core) set(m *message, _ []byte) (any, []byte, error) {
	if !c.writes {
		return nil, nil, c.mayWrite()
	}
	pad, nick := c.settings.Pad, c.nick
	if m.Pad != nil {
		c.settings.Pad = *m.Pad
	}
	if m.NewNick != nil {
		if _, err := identityOf("", *m.NewNick); err != nil {
			return nil, nil, err
		}
		if err := c.checkName(*m.NewNick); err != nil {
			return nil, nil, err
		}
		c.nick, c.nameTold = *m.NewNick, false
	}
	talk, err := room.Open(c.store.Another(), c.options())
	if err != nil {
		c.settings.Pad, c.nick = pad, nick
		return nil, nil, err
	}
	c.talk, c.settled = talk, true
	i, err := c.info()
	return i, nil, err
}
