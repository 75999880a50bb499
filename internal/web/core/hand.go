package main

import (
	"errors"
	"strconv"
	"time"

	"github.com/fernpost/fernpost/internal/handover"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
)

// content is the identity of a page with its room, as text, for "seal": another core makes the key, of which the memory is never
// given back.
func (c *core) content(*message, []byte) (any, []byte, error) {
	i, err := c.invitation()
	if err != nil {
		return nil, nil, err
	}
	room := handover.Room{Invitation: i}
	out := handover.Content{Nickname: c.nick, Rooms: []handover.Room{room}}
	if c.signed {
		people, err := c.talk.People()
		if err != nil {
			return nil, nil, err
		}
		for i := range people {
			if p := &people[i]; p.Compared && !p.Own {
				out.Rooms[0].Compared = append(out.Rooms[0].Compared, p.Key)
			}
		}
		last, err := c.talk.Last()
		if err != nil {
			return nil, nil, err
		}
		out.Identity, out.Rooms[0].Last, out.Rooms[0].LastHash = c.identity, last.Number, last.Hash
	}
	text, err := out.CheckedText()
	return nil, text, err
}

// seal makes a file of what [core.content] has written.
func seal(_ *core, m *message, text []byte) (any, []byte, error) {
	content, err := handover.Parse(text)
	if err != nil {
		return nil, nil, handFailure(err)
	}
	file, err := handover.Seal(content, m.Passphrase, time.Now())
	return nil, file, handFailure(err)
}

// unsealed is what a file of an identity has.
type unsealed struct {
	Seed  string        `json:"seed"`
	Nick  string        `json:"nick"`
	Rooms []*linkResult `json:"rooms"`
}

// unseal opens a file that a page has written.
func unseal(_ *core, m *message, file []byte) (any, []byte, error) {
	content, err := handover.Open(file, m.Passphrase)
	if err != nil {
		return nil, nil, handFailure(err)
	}
	if content.Identity.IsZero() {
		return nil, nil, failf("identity", "there is no identity in this file")
	}
	out := unsealed{Seed: content.Identity.SeedText(), Nick: content.Nickname, Rooms: []*linkResult{}}
	for i := range content.Rooms {
		r := &content.Rooms[i]
		s := settingsOf(r.Invitation, r.Keys)
		s.Origin, s.Brought = model.ByFile, model.Brought{Number: r.Last, Hash: r.LastHash}
		for _, k := range r.Compared {
			s.Introduced = append(s.Introduced, k.String())
		}
		if !r.Identity.IsZero() {
			s.Identity = model.Secret(r.Identity.SeedText())
		}
		out.Rooms = append(out.Rooms, &linkResult{ID: r.Relay + " " + strconv.FormatInt(r.Channel, 10), Name: r.Name, Settings: &settings{s}})
	}
	return out, nil, nil
}

func handFailure(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, handover.ErrPassphrase), errors.Is(err, passphrase.ErrEmpty):
		return &failure{Code: "passphrase", Text: err.Error(), Hint: "type the passphrase that the file was made with"}
	case errors.Is(err, handover.ErrNoExport):
		return &failure{Code: "identity", Text: "this is no identity that a page has saved", Hint: "choose the file that a page like this one has made"}
	}
	return failf("identity", "%v", err)
}

// ownKey is who signs, as an invitation has it.
func (c *core) ownKey() (key record.PublicKey) {
	if c.signed {
		key = c.identity.Public()
	}
	return key
}
