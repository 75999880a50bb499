package tui

import (
	"fmt"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/qr"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// invite makes an invitation, and shows it as a link and as a QR code.
func (s *session) invite(write bool) error {
	settings, err := s.o.Engine.Current(s.settings)
	if err != nil {
		return err
	}
	i, err := s.o.Engine.Invite(s.ctx, settings, messenger.InviteOptions{Write: write && settings.WriteKey != ""})
	if err != nil {
		return err
	}
	link, err := i.Link()
	if err != nil {
		return err
	}
	code, err := qr.Encode(link)
	if err != nil {
		return err
	}
	s.tell(shows{s.invitationPanel(&i, link, code)})
	s.tell(copyText{link})
	return nil
}

func (s *session) invitationPanel(i *messenger.Invited, link string, code qr.Code) *panel {
	clipboard := "It is in the clipboard now, if this terminal lets programs put something there. "
	if s.o.inLines {
		clipboard = ""
	}
	p := &panel{title: "Invitation to " + i.Name, code: &code, lines: []string{
		link, "",
		clipboard + "Whoever has the link reads " +
			"the room, so hand it over by a way that you trust. It cannot be withdrawn: /rotate moves the room to a " +
			"key that it does not have.",
	}}
	switch {
	case i.WriteKey == "":
		p.lines = append(p.lines, "It is for reading only.")
	default:
		p.lines = append(p.lines, "It lets them write as well; /invite read makes one for reading only.")
	}
	if len(i.Keys) > 0 {
		p.lines = append(p.lines, "check words: "+checkWords(i.Keys[0].RevealBytes())+" (whoever joins sees the same)")
	}
	if i.Inviter != [32]byte{} {
		p.lines = append(p.lines, "your words: "+passphrase.SixWords(record.PublicKey(i.Inviter).Safety()))
	}
	for j := range i.Moved {
		p.lines = append(p.lines, screen.Line(i.Moved[j].Says(i.Name)))
	}
	if channel.IsLoopback(i.Relay) {
		p.lines = append(p.lines, "This relay's address leads to this machine only: for others, \"fernpost invite "+
			"--address URL\" names another one.")
	}
	return p
}

// rotate moves the room to a new passphrase, once the user has seen it, and shows the invitation for those who stay.
func (s *session) rotate() error {
	settings, err := s.o.Engine.Current(s.settings)
	if err != nil {
		return err
	}
	face := messenger.Face{Tell: func(e messenger.Event) error {
		s.tell(e)
		return nil
	}}
	err = s.o.Engine.RotatePassphrase(s.ctx, settings, messenger.Rotation{
		Passphrase: func(p passphrase.Profile) (string, error) {
			if p.KDF == passphrase.KDFKey {
				return "", fmt.Errorf(`the keys of this room are made of no passphrase: "fernpost key rotate --room `+
					`%s" takes a key`, settings.Name)
			}
			err := confirm(s.ctx, s.tell, "Move room "+settings.Name+" to a new passphrase? Who does not get it "+
				"reads nothing of what is written then. y/n")
			if err != nil {
				return "", err
			}
			pass, _, err := passphrase.Generate(passphrase.DefaultWords)
			return pass, err
		},
		Deriving: atOnce,
		Show: func(pass string, key [passphrase.KeySize]byte) error {
			return showPassphrase(s.ctx, s.tell, "The new passphrase of "+settings.Name, pass, key)
		},
	}, face)
	if err != nil {
		return err
	}
	s.stream.Post()
	s.tell(noted{good, "room " + settings.Name + " has moved; hand this link to those who stay"})
	return s.invite(true)
}
