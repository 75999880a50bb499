package tui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// home does what concerns this device and no single room: it lists rooms, makes and enters them, and names their owner.
type home struct {
	o    Options
	tell func(any)
}

// errDeclined ends what somebody has said no to.
var errDeclined = errors.New("not done")

// confirm asks a question, and waits for the answer. Without a yes the error is [errDeclined], or the context's.
func confirm(ctx context.Context, tell func(any), text string) error {
	answered := make(chan error, 1)
	answer := func(err error) func(*state) []effect {
		return func(s *state) []effect {
			answered <- err
			return nil
		}
	}
	tell(asks{&question{text: text, yes: answer(nil), no: answer(errDeclined)}})
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// does reports whether an effect is one of this device's, and does it then.
func (h *home) does(ctx context.Context, e effect) (mine bool, err error) {
	switch e := e.(type) {
	case listRooms:
		err = h.listRooms()
	case joinBy:
		err = h.join(ctx, e.link)
	case makeRoom:
		err = h.makeRoom(ctx, e.name)
	case setName:
		err = h.setName(e.nick)
	default:
		return false, nil
	}
	return true, err
}

func (h *home) listRooms() error {
	rooms, missed, err := h.o.Engine.All()
	if err != nil {
		return err
	}
	p := &panel{title: roomsTitle}
	for _, r := range rooms {
		text := fmt.Sprintf("%s, channel %d at %s", r.Name, r.Channel, screen.Line(r.Relay))
		if messenger.Writable(r) != nil {
			text += ", for reading only"
		}
		p.choices = append(p.choices, choice{text, func(s *state) []effect {
			s.panel = nil
			return []effect{openRoom{r.Name}}
		}})
	}
	p.choices = append(p.choices, choice{"another room …", func(s *state) []effect {
		s.panel = newcomerPanel(false)
		return nil
	}})
	for _, m := range missed {
		p.lines = append(p.lines, screen.Line(m.Error()))
	}
	h.tell(shows{p})
	return nil
}

// newcomerPanel asks for a link, or how a room is to be called that is made.
func newcomerPanel(first bool) *panel {
	p := &panel{
		title: "Another room",
		asks:  "A link, or a name, and Enter; Esc goes back",
		lines: []string{
			"Were you invited? Paste the link here, the whole of it, and press Enter.",
			"",
			"Or type a name for a new room, such as lab: it is made at the relay that you have set, and you invite others with /invite.",
		},
		answer: func(_ *state, text string) []effect {
			if looksLikeLink(text) {
				return []effect{joinBy{text}}
			}
			return []effect{makeRoom{text}}
		},
	}
	if first {
		p.title, p.asks, p.stays = "Welcome to fernpost: this device is in no room yet", "A link, or a name, and Enter; Ctrl+C ends", true
	}
	return p
}

func looksLikeLink(text string) bool { return strings.ContainsAny(text, ":/#") }

// namePanel asks how somebody wants to be called.
func namePanel() *panel {
	return &panel{
		title: "What do you want to be called?",
		asks:  "A name, and Enter; Esc leaves it for later",
		lines: []string{"Your messages carry a name of up to 24 bytes. Without one the others see the tag of your key. /name changes it."},
		answer: func(s *state, nick string) []effect {
			s.panel = nil
			return []effect{setName{nick}}
		},
	}
}

// join enters a room by a link, behind which may stand how it is to be called here.
func (h *home) join(ctx context.Context, text string) error {
	link, as, _ := strings.Cut(strings.TrimSpace(text), " ")
	i, err := invite.Parse(link)
	if err != nil {
		return fmt.Errorf("this is no invitation: %w", err)
	}
	e := h.o.Engine
	j, err := e.Invitation(i, model.ByInvitation, strings.TrimSpace(as))
	if errors.Is(err, model.ErrRoomExists) || errors.Is(err, model.ErrRoomName) {
		return fmt.Errorf("%w: /join LINK NAME calls it otherwise here", err)
	}
	if err == nil {
		err = e.Order(ctx, &j, false, messenger.Face{})
	}
	if err != nil {
		return err
	}
	if j.Has && len(j.Mends) == 0 {
		h.tell(noted{plain, "this device has that room already"})
		h.tell(openRoom{j.Room.Name})
		return nil
	}
	if len(j.Room.Keys) == 0 {
		return errors.New(`this link has no key: "fernpost join" asks for the passphrase`)
	}
	if j.Has {
		what := "This device has room " + j.Room.Name + " already. Take over what the link has otherwise (" + mendsText(&j) + ")? y/n"
		if err := confirm(ctx, h.tell, what); err != nil {
			return err
		}
	}
	h.tell(noted{plain, "entering room " + j.Room.Name + " …"})
	if _, err = e.Join(ctx, j, false); err != nil {
		return err
	}
	h.tell(openRoom{j.Room.Name})
	if len(j.Introduced) > 0 {
		h.tell(noted{good, "you were invited by somebody with the words " + passphrase.SixWords(j.Introduced[0].Safety()) + "; their key counts as compared"})
	}
	return h.askName()
}

// mendsText says what an invitation to a room that is here would change.
func mendsText(j *messenger.Joining) string {
	names := map[messenger.Mend]string{
		messenger.MendKey: "a newer key", messenger.MendOlderKeys: "older keys", messenger.MendWriteKey: "a write key",
		messenger.MendReadKey: "a read key", messenger.MendRelay: "the relay's address " + screen.Line(j.Room.Relay),
		messenger.MendPeople: "whose key counts as compared",
	}
	var all []string
	for _, m := range j.Mends {
		all = append(all, names[m])
	}
	return strings.Join(all, ", ")
}

// askName asks for a nickname where there is none.
func (h *home) askName() error {
	nick, err := h.o.Engine.Nickname()
	if err == nil && nick == "" {
		h.tell(shows{namePanel()})
	}
	return err
}

// makeRoom makes a room under a passphrase that is generated. The user sees it before the room is kept: nothing shows it later.
func (h *home) makeRoom(ctx context.Context, name string) error {
	if err := messenger.CheckName(name); err != nil {
		if like := messenger.NameLike(name); like != "" {
			return fmt.Errorf("%w; %s would be possible", err, like)
		}
		return err
	}
	settings, userKey, err := h.o.NewRoom(name)
	if err != nil {
		return err
	}
	pass, _, err := passphrase.Generate(passphrase.DefaultWords)
	if err != nil {
		return err
	}
	h.tell(noted{plain, "making room " + name + " …"})
	err = h.o.Engine.Make(ctx, messenger.Entry{
		Room: settings, Profiles: []passphrase.Profile{passphrase.Fernpost()}, Public: true, ChannelName: name, UserKey: userKey,
		Passphrase: func(context.Context) (string, error) { return pass, nil },
		Tell:       func(messenger.Event) {},
		Deriving:   func() func() { return func() {} },
		Show: func(made messenger.Entered) error {
			return showPassphrase(ctx, h.tell, "Room "+name, pass, made.Key)
		},
	})
	if err != nil {
		return err
	}
	h.tell(openRoom{name})
	h.tell(noted{good, "room " + name + " is ready: /invite shows a link for the others"})
	return h.askName()
}

// showPassphrase shows a passphrase, and waits until the user has it.
func showPassphrase(ctx context.Context, tell func(any), title, pass string, key [passphrase.KeySize]byte) error {
	words := passphrase.CheckWords(key)
	tell(shows{&panel{title: title, lines: []string{
		"The passphrase is", "", "    " + pass, "",
		"Whoever has it reads everything that is written under it. Nothing shows it again: note it, if you want to hand it over other than " +
			"by /invite.", "",
		"check words: " + strings.Join(words[:], " ") + " (the others see the same)",
	}}})
	return confirm(ctx, tell, "Go on with this passphrase? y/n")
}

// setName sets what somebody is called.
func (h *home) setName(nick string) error {
	nick = norm.NFC.String(nick)
	if err := record.CheckNickname(nick); err != nil {
		return err
	}
	e := h.o.Engine
	if gone, err := e.Gone(); err != nil || !gone.IsZero() {
		return cmp.Or(err, error(&messenger.GoneError{At: gone}))
	}
	if err := e.SetNickname(nick); err != nil {
		return err
	}
	h.tell(called{nick})
	taken, err := e.NameTaken(nick)
	if err == nil && len(taken) > 0 {
		t := taken[0]
		h.tell(noted{warns, fmt.Sprintf("%s has that name, or one that looks like it, in room %s: the others there are warned of you as of "+
			"another one", t.By.Key.Tag().Name(), t.Room)})
		return nil
	}
	h.tell(noted{plain, "your messages carry the name " + screen.Line(nick) + " from now on"})
	return err
}
