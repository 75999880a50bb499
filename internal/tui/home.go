package tui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/screen"
)

// home does what concerns this device and no single room: it lists rooms, makes and enters them, and names their owner.
type home struct {
	o    Options
	tell func(any)
	// counting tells that the rooms are being read.
	counting atomic.Bool
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
	case countUnread:
		err = h.countUnread(ctx)
	case joinBy:
		err = h.join(ctx, e.link)
	case makeRoom:
		err = h.makeRoom(ctx, e.name)
	case setName:
		err = h.setName(ctx, e.nick)
	default:
		return false, nil
	}
	return true, err
}

// listRooms lists the rooms with what this device has read of them and not shown here, and has the others looked after
// then.
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
		pick := func(s *state) []effect {
			s.panel = nil
			return []effect{openRoom{r.Name}}
		}
		p.choices = append(p.choices, choice{room: r.Name, text: text, note: h.unreadText(r), pick: pick})
	}
	p.choices = append(p.choices, choice{text: "another room …", pick: func(s *state) []effect {
		s.panel = newcomerPanel(false)
		return nil
	}})
	for _, m := range missed {
		p.missed = append(p.missed, screen.Line(m.Error()))
	}
	p.lines = p.missed
	h.tell(shows{p})
	h.tell(countUnread{})
	return nil
}

// mostUnread is up to how many messages that were not read are counted.
const mostUnread = 100

// unreadText says how many messages of a room have come that were not shown here, "" where there are none, or nobody
// knows.
func (h *home) unreadText(r model.Room) string {
	switch n, ok, err := h.o.Engine.Unread(r, markName, mostUnread); {
	case err != nil:
		return "cannot be read: " + screen.Line(err.Error())
	case !ok || n == 0:
		return ""
	case n == mostUnread:
		return fmt.Sprintf("%d or more new messages", n)
	default:
		return screen.Count(n, "new message")
	}
}

// refreshAtMost is how long a room of the list is read, so that a relay that does not answer holds up no other room.
const refreshAtMost = 20 * time.Second

var errRefreshEnded = fmt.Errorf("the relay has not answered it all within %v; the room goes on when it is opened",
	refreshAtMost)

// countUnread reads what has come into the rooms meanwhile, one after the other, and tells of each what is new. One
// round is under way at a time.
func (h *home) countUnread(ctx context.Context) error {
	if !h.counting.CompareAndSwap(false, true) {
		return nil
	}
	defer h.counting.Store(false)
	rooms, _, err := h.o.Engine.All()
	for _, r := range rooms {
		h.refresh(ctx, r)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return err
}

// refresh reads what has come into a room meanwhile, and tells it.
func (h *home) refresh(ctx context.Context, r model.Room) {
	limited, end := context.WithTimeoutCause(ctx, refreshAtMost, errRefreshEnded)
	defer end()
	before, note := h.unreadText(r), ""
	told, err := h.o.Engine.Refresh(limited, r)
	switch {
	case ctx.Err() != nil: // nobody asks any more; what was told is told all the same
	case limited.Err() != nil:
		note = "could not be read anew: " + errRefreshEnded.Error()
	case err != nil:
		note = "could not be read anew: " + screen.Line(err.Error())
	}
	after := h.unreadText(r)
	if after != before || note != "" || len(told.Found)+len(told.Said) > 0 {
		h.tell(unread{r.Name, cmp.Or(after, note), told})
	}
}

// newcomerPanel asks for a link, or how a room is to be called that is made.
func newcomerPanel(first bool) *panel {
	p := &panel{
		title: "Another room",
		asks:  "A link, or a name, and Enter; Esc goes back",
		lines: []string{
			"Were you invited? Paste the link here, the whole of it, and press Enter.",
			"",
			"Or type a name for a new room, such as lab: it is made at the relay that you have set, and you invite " +
				"others with /invite.",
		},
		answer: func(_ *state, text string) []effect {
			if looksLikeLink(text) {
				return []effect{joinBy{text}}
			}
			return []effect{makeRoom{text}}
		},
	}
	if first {
		p.title, p.asks, p.stays = "Welcome to fernpost: this device is in no room yet",
			"A link, or a name, and Enter; Ctrl+C ends", true
	}
	return p
}

func looksLikeLink(text string) bool { return strings.ContainsAny(text, ":/#") }

// namePanel asks how somebody wants to be called.
func namePanel() *panel {
	return &panel{
		title: "What do you want to be called?",
		asks:  "A name, and Enter; Esc leaves it for later",
		lines: []string{"Your messages carry a name of up to 24 letters (fewer with accents). Without one the others " +
			"see a number in its place, such as ~6f691867. /name NAME sets it later."},
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
		return err // which says that it is none
	}
	j, err := h.o.Engine.Invitation(i, model.ByInvitation, strings.TrimSpace(as))
	if errors.Is(err, model.ErrRoomExists) || errors.Is(err, model.ErrRoomName) {
		return fmt.Errorf("%w: /join LINK NAME calls it otherwise here", err)
	}
	if err != nil {
		return err
	}
	title := "Room " + j.Room.Name
	var told []messenger.Line
	changed, tried, err := h.o.Engine.Accept(ctx, &j, messenger.Acceptance{
		What: "the link", Insist: `"fernpost join" with --unchecked`,
		Say: func(lines []messenger.Line) { told = append(told, lines...) },
		Agree: func(*messenger.Joining) error {
			h.tell(shows{&panel{title: title, lines: texts(told)}})
			told = nil
			return confirm(ctx, h.tell, "Take that over? y/n")
		},
		Unlock: func(*messenger.Joining) error {
			return errors.New(`this link has no key: "fernpost join" asks for the passphrase`)
		},
	})
	if err != nil {
		return err
	}
	if h.tell(openRoom{j.Room.Name}); !changed {
		h.tell(told)
		return nil
	}
	keys, err := messenger.Keys(j.Room)
	if err != nil {
		return err
	}
	lines := texts(append(told, j.SayJoined(tried, false)...))
	lines = append(lines, "check words: "+checkWords(keys[0].RevealBytes())+" (the others see the same)")
	return h.welcome(&panel{title: title + " is ready", lines: lines})
}

// texts are sentences of the engine, as lines of a panel.
func texts(lines []messenger.Line) (all []string) {
	for _, l := range lines {
		all = append(all, screen.Line(l.Text))
	}
	return all
}

// welcome shows what is to be known of a room that was entered, and where there is no nickname asks for one below that.
func (h *home) welcome(p *panel) error {
	nick, err := h.o.Engine.Nickname()
	if err == nil && nick == "" {
		asks := namePanel()
		asks.lines = append(append(p.lines, "", asks.title, ""), asks.lines...)
		asks.title, p = p.title, asks
	}
	h.tell(shows{p})
	return err
}

// checkWords are the words by which people compare a room's key.
func checkWords(key [passphrase.KeySize]byte) string {
	words := passphrase.CheckWords(key)
	return strings.Join(words[:], " ")
}

// makeRoom makes a room under a passphrase that is generated. The user sees it before the room is kept: nothing shows
// it later.
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
	var told []messenger.Line
	err = h.o.Engine.Make(ctx, messenger.Entry{
		Room: settings, Profiles: []passphrase.Profile{passphrase.Fernpost()},
		Public: true, ChannelName: name, UserKey: userKey,
		Passphrase: func(context.Context) (string, error) { return pass, nil },
		Tell:       func(e messenger.Event) { told = append(told, messenger.Says(e)...) },
		Deriving:   atOnce,
		Show: func(made messenger.Entered) error {
			return showPassphrase(ctx, h.tell, "Room "+name, pass, made.Key)
		},
	})
	if err != nil {
		return err
	}
	h.tell(openRoom{name})
	lines := append(texts(told), "/invite shows a link for the others.")
	return h.welcome(&panel{title: "Room " + name + " is ready", lines: lines})
}

// atOnce is for whoever shows nothing while a key is derived.
func atOnce() (done func()) { return func() {} }

// showPassphrase shows a passphrase, and waits until the user has it.
func showPassphrase(ctx context.Context, tell func(any), title, pass string, key [passphrase.KeySize]byte) error {
	tell(shows{&panel{title: title, lines: []string{
		"The passphrase is", "", "    " + pass, "",
		"Whoever has it reads everything that is written under it. Nothing shows it again: note it, if you want to " +
			"hand it over other than by /invite.", "",
		"check words: " + checkWords(key) + " (the others see the same)",
	}}})
	return confirm(ctx, tell, "Go on with this passphrase? y/n")
}

// setName sets what somebody is called, and asks where somebody else is called so.
func (h *home) setName(ctx context.Context, nick string) error {
	err := h.o.Engine.SetNickname(nick)
	if _, taken := errors.AsType[*model.NameTakenError](err); taken {
		if err = confirm(ctx, h.tell, err.Error()+", and the others would be warned of you. Take it all the same? y/n"); err == nil {
			err = h.o.Engine.InsistOnNickname(nick)
		}
	}
	if err != nil {
		return err
	}
	now, err := h.o.Engine.Nickname()
	if err != nil {
		return err
	}
	h.tell(called{now})
	lines, err := h.o.Engine.SayNickname(nick)
	h.tell(lines)
	return err
}
