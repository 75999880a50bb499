package main

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/journal"
	"github.com/fernpost/fernpost/internal/wire"
)

// settings are a room as a page keeps it: as its file on another device, and its name.
type settings struct{ model.Room }

// MarshalJSON writes the room with its name.
func (s *settings) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Called string `json:"name"`
		model.Room
	}{s.Name, s.Room})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *settings) UnmarshalJSON(b []byte) error {
	var named struct {
		Called string `json:"name"`
		model.Room
	}
	err := json.Unmarshal(b, &named)
	s.Room, s.Name = named.Room, named.Called
	return err
}

// linkResult is what an invitation says.
type linkResult struct {
	Name         string    `json:"name"`
	Relay        string    `json:"relay"`
	Channel      int64     `json:"channel"`
	Fields       []int     `json:"fields"`
	Profile      string    `json:"profile"`
	Interval     int64     `json:"interval_ms"`
	Pad          bool      `json:"pad"`
	HasKey       bool      `json:"has_key"`
	Changes      []string  `json:"changes,omitempty"`
	CanWrite     bool      `json:"can_write"`
	Inviter      *string   `json:"inviter"`
	InviterWords *string   `json:"inviter_words"`
	ID           string    `json:"id"`
	Settings     *settings `json:"settings"`
}

// before are the operations that need no room.
var before = map[string]operation{
	"hash": func(c *core, _ *message, part []byte) (any, []byte, error) { return c.sum.add(part), nil, nil },
	"link": func(_ *core, m *message, _ []byte) (any, []byte, error) {
		r, err := readLink(m)
		return r, nil, err
	},
	"identity": func(_ *core, m *message, _ []byte) (any, []byte, error) {
		r, err := identityOf(m.Seed, m.Nick)
		return r, nil, err
	},
	"derive": func(_ *core, m *message, _ []byte) (any, []byte, error) {
		r, err := derive(m)
		return r, nil, err
	},
	"try":    (*core).try,
	"answer": (*core).takeAnswer,
	"wake":   func(*core, *message, []byte) (any, []byte, error) { return nil, nil, nil },
	"seal":   seal,
	"unseal": unseal,
	"open": func(c *core, m *message, rows []byte) (any, []byte, error) {
		if err := c.open(m, rows); err != nil {
			return nil, nil, err
		}
		info, err := c.info()
		return info, nil, err
	},
}

// parseLink reads an invitation. The failure says what is wrong with it.
func parseLink(link string) (invite.Invitation, error) {
	i, err := invite.Parse(link)
	if err == nil {
		return i, nil
	}
	// Nobody who has scanned a code knows what an invitation consists of.
	f := &failure{Code: "link", Text: err.Error(), Hint: "ask for the link again, or scan it again"}
	if errors.Is(err, invite.ErrForeign) {
		f.Text = "this link is no invitation: what has to stand behind its # is missing, or is something else"
	}
	if errors.Is(err, invite.ErrAltered) {
		f.Text = "the link was changed on the way: one of its characters, or the address before them, is another one than was sent"
		f.Hint = "do not type it: open it as it was sent, or scan it again"
	}
	if cut, ok := errors.AsType[*invite.CutError](err); ok {
		f.Code, f.Text = "cut", "the link is not whole: its end is missing"
		if cut.Want > 0 && cut.Have > cut.Want {
			f.Text = "the link is too long: something stands behind it that does not belong to it"
		}
		f.Hint = "copy all of it, up to its last character, or scan it again"
	}
	if _, ok := errors.AsType[*invite.NewerError](err); ok {
		f.Code, f.Text, f.Hint = "newer", "the link is of a newer fernpost than this page", "load the page anew"
	}
	return i, f
}

// readLink says what an invitation makes of the rooms of a page.
func readLink(m *message) (*linkResult, error) {
	i, err := parseLink(m.Link)
	if err != nil {
		return nil, err
	}
	keys, origin := i.Keys, model.ByInvitation
	if m.Key != "" {
		key, err := fernet.ParseKey(m.Key)
		if err != nil {
			return nil, failf("key", "%v", err)
		}
		keys, origin = []fernet.Key{key}, model.ByPassphrase
	}
	for _, k := range keys {
		if err := k.Check(); err != nil {
			return nil, failf("key", "room %s is not entered with %v", i.Name, err)
		}
	}
	r := settingsOf(i, keys)
	if r.Origin = origin; m.Pad != nil {
		r.Pad = *m.Pad
	}
	out := &linkResult{
		Name: i.Name, Relay: i.Relay, Channel: i.Channel, Fields: i.Fields, Profile: i.Profile.String(),
		Interval: i.Interval.Milliseconds(), Pad: r.Pad, HasKey: len(keys) > 0, CanWrite: i.WriteKey != "",
	}
	if inviter := record.PublicKey(i.Inviter); len(r.Introduced) > 0 {
		out.Inviter, out.InviterWords = new(inviter.String()), new(passphrase.SixWords(inviter.Safety()))
	}
	out.ID = i.Relay + " " + strconv.FormatInt(i.Channel, 10)
	if m.Apart && len(keys) > 0 { // what it shows has nothing to do with the room
		id := keys[0].ID()
		out.ID += " " + hex.EncodeToString(id[:6])
	}
	if m.Settings != nil {
		kept := m.Settings.Room
		r = mended(kept, r)
		out.Changes = changes(kept, r)
	}
	out.Settings = &settings{r}
	return out, nil
}

// changes names what an invitation has changed of a room that is kept, and that its owner has to want: what is written is sealed with
// another key then, or stays where it is; or somebody's key counts as compared.
func changes(r, mended model.Room) (all []string) {
	if len(r.Keys) > 0 && r.Keys[0] != mended.Keys[0] {
		all = append(all, "key")
	}
	if r.WriteKey != "" && r.WriteKey != mended.WriteKey {
		all = append(all, "write key")
	}
	if len(mended.Introduced) > len(r.Introduced) {
		all = append(all, "inviter")
	}
	return all
}

// settingsOf is the room of an invitation with certain keys. Whoever has made it counts as compared.
func settingsOf(i invite.Invitation, keys []fernet.Key) model.Room {
	r := model.Room{
		Version: 1, Name: i.Name, Relay: i.Relay, Channel: i.Channel, Fields: i.Fields, Profile: i.Profile.String(), Pad: i.Pad,
		ReadKey: model.Secret(i.ReadKey), WriteKey: model.Secret(i.WriteKey), Interval: i.Interval.String(),
	}
	for _, k := range keys {
		r.Keys = append(r.Keys, model.Secret(k.Reveal()))
	}
	if inviter := record.PublicKey(i.Inviter); i.Profile.Form == passphrase.FormRecords && !inviter.IsZero() && inviter.Check() == nil {
		r.Introduced = []string{inviter.String()}
	}
	return r
}

// mended is a room that a page has as an invitation to it would leave it: with the invitation's newest key in front, unless that is
// known as an older one. What such an invitation says of the relay and the channel's keys was so before, perhaps. Keys that only this
// page has stay: under the numbers that the identity has taken with them it must write nothing else.
func mended(r, invited model.Room) model.Room {
	at := 0
	if len(invited.Keys) > 0 {
		at = slices.Index(r.Keys, invited.Keys[0])
	}
	if r.Merge(&invited, at < 0); at > 0 {
		return r
	}
	r.Pad, r.Relay, r.Interval = invited.Pad, invited.Relay, invited.Interval
	r.WriteKey, r.ReadKey = cmp.Or(invited.WriteKey, r.WriteKey), cmp.Or(invited.ReadKey, r.ReadKey)
	return r
}

// identityResult is who signs.
type identityResult struct {
	Seed  string `json:"seed"`
	Nick  string `json:"nick"`
	Key   string `json:"key"`
	Tag   string `json:"tag"`
	Words string `json:"words"`
}

// identityOf makes an identity, or tells of the one with a seed.
func identityOf(seed, nick string) (*identityResult, error) {
	if nick != "" {
		if err := record.CheckChosen(nick); err != nil {
			return nil, &failure{
				Code: "nickname", Text: err.Error(),
				Hint: "use letters, with digits and single spaces between them: at most 24 plain ones, or 12 where each takes two bytes, as é does",
			}
		}
	}
	id := record.GenerateIdentity()
	if seed != "" {
		var err error
		if id, err = record.ParseSeed(seed); err != nil {
			return nil, failf("identity", "%v", err)
		}
	}
	key := id.Public()
	return &identityResult{id.SeedText(), nick, key.String(), key.Tag().Name(), passphrase.SixWords(key.Safety())}, nil
}

// nameEvent says that somebody else in the room has the name that was chosen, before anything was written under it.
type nameEvent struct {
	Type string `json:"type"`
	Text string `json:"text"`
	Hint string `json:"hint"`
}

// checkName refuses a name that somebody else in the room has, or that looks like theirs: all others would be told of an impostor.
func (c *core) checkName(nick string) error {
	if !c.signed {
		return nil
	}
	people, err := c.talk.People()
	if err != nil {
		return err
	}
	if by := model.NameTaken(people, nick, c.talk.Own()); by != nil {
		return &failure{Code: "nickname", Text: (&model.NameTakenError{Nick: nick, By: *by}).Error(), Hint: "choose another name"}
	}
	return nil
}

// tellName tells once that the name is somebody else's, as far as nothing was written under it.
func (c *core) tellName() error {
	if c.nameTold || c.settings.Wrote {
		return nil
	}
	err := c.checkName(c.nick)
	if f, ok := errors.AsType[*failure](err); ok {
		c.nameTold = true
		c.events = append(c.events, nameEvent{"name", f.Text, f.Hint})
		return nil
	}
	return err
}

// derive makes the key of a room out of a passphrase.
func derive(m *message) (string, error) {
	profile, err := passphrase.ParseProfile(m.Profile)
	if err != nil {
		return "", failf("link", "%v", err)
	}
	key, err := profile.Derive(m.Passphrase, passphrase.RoomSalt(m.Channel), m.Nick)
	if err != nil {
		return "", failf("passphrase", "%v", err)
	}
	return fernet.NewKey(key).Reveal(), nil
}

// open begins to work with a room of which rows were kept.
func (c *core) open(m *message, attached []byte) error {
	if c.store != nil || m.Settings == nil {
		return failf("failed", "a core has one room")
	}
	c.settings, c.nick, c.writes, c.hidden = m.Settings.Room, m.Nick, m.Writes, m.Hidden
	rows, err := cutRows(attached, m.Rows)
	if err != nil {
		return err
	}
	store, err := journal.Fill(rows)
	if err != nil {
		return failf("storage", "%v", err)
	}
	for _, row := range rows {
		c.rows, c.rowBytes = c.rows+1, c.rowBytes+len(row)
	}
	if c.rows > 0 { // the first may be a snapshot
		c.rows, c.rowBytes = c.rows-1, c.rowBytes-len(rows[0])
	}
	if err := c.prepare(m.Seed); err != nil {
		return err
	}
	if err := c.converse(store); err != nil {
		return err
	}
	c.store = store
	if !m.Start {
		if c.mark, err = c.talk.Now(); err == nil {
			err = c.tellStanding()
		}
		if err != nil {
			return err
		}
	}
	c.begin()
	return nil
}

// cutRows cuts what is attached into rows.
func cutRows(attached []byte, lengths []int) (rows [][]byte, err error) {
	for _, n := range lengths {
		if n < 0 || n > len(attached) {
			return nil, failf("failed", "the page has sent rows that end too early")
		}
		rows, attached = append(rows, slices.Clone(attached[:n])), attached[n:]
	}
	return rows, nil
}

// prepare reads the settings.
func (c *core) prepare(seed string) error {
	profile, err := passphrase.ParseProfile(c.settings.Profile)
	if err != nil {
		return failf("link", "%v", err)
	}
	c.signed = profile.Form == passphrase.FormRecords
	for _, text := range c.settings.Keys {
		key, err := fernet.ParseKey(text.Reveal())
		if err != nil {
			return failf("key", "%v", err)
		}
		c.keys = append(c.keys, key)
	}
	if len(c.keys) == 0 {
		return &failure{Code: "passphrase", Text: "the link has no key: the passphrase of the room is needed"}
	}
	if c.settings.Identity != "" {
		seed = c.settings.Identity.Reveal()
	}
	if c.identity, err = record.ParseSeed(seed); err != nil {
		return failf("identity", "%v", err)
	}
	base, err := parseBase(c.settings.Relay)
	if err != nil {
		return err
	}
	if c.interval, err = duration.Parse(c.settings.Interval); err != nil {
		c.interval = 0
	}
	c.channel = &wire.Channel{
		Base: base, ID: c.settings.Channel, WriteKey: c.settings.WriteKey.Reveal(), ReadKey: c.settings.ReadKey.Reveal(), Status: !c.signed,
	}
	return nil
}

// converse opens the conversations over a store.
func (c *core) converse(store *journal.Store) (err error) {
	open := func(s *journal.Store) (*room.Conversation, error) { return room.Open(s, c.options()) }
	c.talk, err = open(store)
	if err != nil {
		return err
	}
	if lost, _ := c.talk.Lost(); lost {
		// Nobody knows which numbers the identity has used here, and to use one twice would look like a forgery to everybody.
		c.settings.Former = append(c.settings.Former, model.Secret(c.identity.SeedText()))
		c.identity = record.GenerateIdentity()
		c.settings.Identity, c.settings.Wrote, c.settings.Brought = model.Secret(c.identity.SeedText()), false, model.Brought{}
		c.settled = true
		err = c.talk.Identify(c.identity)
	}
	if err == nil {
		c.reading, err = open(store.Another())
	}
	if err == nil {
		c.delivery, err = open(store.Another())
	}
	return err
}

func (c *core) options() room.Options {
	o := room.Options{
		Keys: c.keys, Salt: record.Salt(passphrase.RoomSalt(c.settings.Channel)), Fields: c.settings.Fields, Pad: c.settings.Pad,
		Used: c.settings.Wrote, Brought: c.settings.Brought, Texts: !c.signed,
	}
	if profile, err := passphrase.ParseProfile(c.settings.Profile); err == nil {
		o.Wrapped = profile.Wrapper == passphrase.WrapperPython
	}
	if c.signed {
		o.Identity, o.Nick = c.identity, c.nick
	}
	return o
}

// begin begins to read and to post, unless another page does.
func (c *core) begin() {
	if !c.writes {
		return
	}
	set := exchange.Settings{
		Address: c.channel.Base.String() + "/", Channel: c.settings.Channel, Budget: budget, Interval: c.interval,
		BulkInterval: wire.Assumed(c.interval).BulkInterval,
	}
	c.watch = exchange.NewWatch(exchange.Stream)
	c.follows, c.posts = &task{c: c}, &task{c: c}
	c.reader, c.poster = exchange.New(c.follows, set), exchange.New(c.posts, set)
	c.poster.SetWriters(func() int { return c.delivery.Writers(c.news.Date) })
	c.posts.start(c.postOutbox)
	c.posts.wake()
	c.follows.start(c.followFeed)
}

// introduce notes that who has handed over an invitation counts as compared, once something of theirs was read.
func (c *core) introduce() error {
	settled, err := c.talk.Vouch(c.settings.Introduced, time.Now())
	if len(settled) > 0 {
		c.settings.Introduced = slices.DeleteFunc(slices.Clone(c.settings.Introduced), func(k string) bool { return slices.Contains(settled, k) })
		c.settled = true
	}
	return err
}
