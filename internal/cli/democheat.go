package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/cheat"
	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/scratch"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// cheat moves ana and bo to a relay that lies. They sign what they write from here on, so that bo learns what he was
// not shown.
func (d *demo) cheat(ctx context.Context) (s scene, err error) {
	dir, err := scratch.New("demo")
	if err != nil {
		return s, fmt.Errorf("starting the relay that cheats: %w", err)
	}
	defer func() { err = errors.Join(err, dir.Remove()) }()
	lies := cheat.Alter | cheat.Drop
	relay, err := serve.Start(ctx, serve.Options{
		Listen: "127.0.0.1:0", Data: dir.Join("relay"), Cheat: lies,
	})
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, relay.Close()) }()
	lab := model.Room{
		Name: "demo", Relay: relay.URL(), Fields: slices.Collect(thingspeak.AllFields.All()), Profile: passphrase.Fernpost().Name(),
		Interval: "0s", Keys: []model.Secret{model.Secret(fernet.GenerateKey().Reveal())},
	}
	if err := d.engine().MakeChannel(ctx, &lab, lab.Name, true, ""); err != nil {
		return s, err
	}
	ana, err := d.member(dir.Path(), "ana", lab)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, ana.Close()) }()
	lab.WriteKey = ""
	bo, err := d.member(dir.Path(), "bo", lab)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, bo.Close()) }()

	s.title = "A relay that cheats is found out: it alters ana 2 and never shows ana 3"
	s.left = []string{"(from here on they sign their messages)"}
	s.right = []string{
		"fernpost relay --cheat " + lies.String(),
		"answers every update with success;",
	}
	for _, text := range []string{"the bridge is open", "no, the bridge is closed", "take the ferry", "see you there"} {
		if _, err := ana.Send(ctx, record.Text(text), messenger.SendOptions{NoWait: true}); err != nil {
			return s, err
		}
		s.left = append(s.left, "ana> "+text)
	}
	arrivals, err := bo.Read(ctx)
	if err != nil {
		return s, err
	}
	err = bo.History(0, func(it *model.Item) error {
		if text, ok := it.Record.Body.(record.Text); ok {
			s.left = append(s.left, fmt.Sprintf("bo reads %s: %s",
				record.Numbers(it.Record.Name, it.Record.Number, it.Record.Number), screen.Line(string(text))))
		}
		return nil
	})
	if err != nil {
		return s, err
	}
	for _, f := range item.OfCounts(arrivals.Findings) {
		what, why, _ := strings.Cut(f.Text, ": ")
		s.left = append(s.left, d.style.bad(what+":"), d.style.bad("  "+why))
	}
	for i := range arrivals.Told {
		s.left = append(s.left, d.style.bad(screen.Line(arrivals.Told[i].Text())))
	}
	if len(arrivals.Told) != 1 || arrivals.Told[0].Kind != record.Missing || arrivals.NotOurs != 1 {
		return s, errors.New("the relay's lies were not noticed")
	}
	s.right = append(s.right, fmt.Sprintf("its feed looks complete: %s,", count(arrivals.Entries, "row")),
		fmt.Sprintf("numbered 1 to %d, tokens in each", arrivals.Entries))
	return s, nil
}

// member lets somebody enter a room, with everything that a device keeps in a directory of their own.
func (d *demo) member(dir, nick string, r model.Room) (*messenger.Room, error) {
	options := d.engineOptions()
	options.Dir = func(kind string) (string, error) { return filepath.Join(dir, nick, kind), nil }
	engine := messenger.New(options)
	if err := engine.SetNickname(nick); err != nil {
		return nil, err
	}
	if err := engine.Add(r); err != nil {
		return nil, err
	}
	return engine.Open(r, messenger.Face{})
}
