package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/qr"
	"github.com/fernpost/fernpost/internal/screen"
)

// panel is a page in place of the conversation.
type panel struct {
	title string
	lines []string
	// missed are the lines of the list of rooms before what was told of them.
	missed []string
	first  int // the line at the top
	// code is shown above the lines where there is room for it; nil for none.
	code *qr.Code
	// stays means that there is nothing else to show.
	stays bool
	// choices are lines of which one can be chosen with the arrows, and chosen is which; pick does what it is for.
	choices []choice
	chosen  int
	// asks is what the input of the panel is for; empty if it has none. answer does what it is for.
	asks   string
	answer func(s *state, text string) []effect
}

// choice is a line that can be chosen, with a note behind it; room is the room that it stands for, if it does.
type choice struct {
	room, text, note string
	pick             func(*state) []effect
}

func (c *choice) line() string {
	if c.note == "" {
		return c.text
	}
	return c.text + ": " + c.note
}

// noteUnread notes in the list of rooms what is new in one. What nothing tells again waits for whoever opens the room.
func (s *state) noteUnread(u unread) {
	for _, b := range asides(&u.told, s.now) {
		switch waiting := s.asides[u.room]; {
		case u.room == s.room.name && s.loaded: // it was opened meanwhile
			s.talk.note(b)
		case !slices.ContainsFunc(waiting, func(w *block) bool { return w.words == b.words }):
			s.asides[u.room] = append(waiting, b)
		}
	}
	if s.panel == nil || s.panel.title != roomsTitle {
		return
	}
	for i := range s.panel.choices {
		if c := &s.panel.choices[i]; c.room == u.room {
			c.note = u.note
		}
	}
	s.listAsides()
}

// asides are the lines of what was told of a room that is not shown.
func asides(told *messenger.Refreshed, now time.Time) (all []*block) {
	for i := range told.Found {
		if b := foundBlock(&told.Found[i], now); b != nil {
			all = append(all, b)
		}
	}
	for _, l := range told.Said {
		if b := foundBlock(&item.Finding{Text: l.Text}, now); b != nil {
			all = append(all, b)
		}
	}
	return all
}

// listAsides shows in the list of rooms what waits for whoever opens one of them.
func (s *state) listAsides() {
	p := s.panel
	if p == nil || p.title != roomsTitle {
		return
	}
	p.lines = slices.Clone(p.missed)
	for _, c := range p.choices {
		for _, b := range s.asides[c.room] {
			p.lines = append(p.lines, c.room+": "+b.words)
		}
	}
}

const roomsTitle = "Rooms"

// draw returns the lines of a panel, exactly as many as there is room for.
func (p *panel) draw(to *painter, height int) []string {
	lines := []string{paint(to.colour, strong, cut(p.title, to.columns))}
	for i, c := range p.choices {
		lead, r := "  ", plain
		if i == p.chosen {
			lead, r = "> ", strong
		}
		lines = append(lines, paint(to.colour, r, cut(lead+c.line(), to.columns)))
	}
	if p.code != nil {
		lines = append(lines, p.drawCode(to, height)...)
	}
	for _, line := range p.lines {
		lines = append(lines, wrap(line, to.columns)...)
	}
	foot := "Esc goes back to the conversation"
	switch {
	case to.asking != nil:
		foot = ""
	case p.asks != "":
		foot = p.asks
	}
	p.first = max(0, min(p.first, len(lines)-(height-1)))
	lines = lines[p.first:]
	if len(lines) > height-1 {
		lines = lines[:max(height-1, 0)]
		foot = "Page Down shows more; " + foot
	}
	for len(lines) < height-1 {
		lines = append(lines, "")
	}
	return append(lines, paint(to.colour, dim, cut(foot, to.columns)))
}

// drawCode draws the QR code of a panel, whole or not at all.
func (p *panel) drawCode(to *painter, height int) []string {
	if columns, lines := p.code.Cells(); columns > to.columns || lines > height-2 {
		return wrap(fmt.Sprintf("This window of %d columns and %d lines is too small for the QR code, which takes %d "+
			"and %d: make it larger, or write the code with \"fernpost invite --png FILE\". The link is:",
			to.columns, to.height, columns, lines+4), to.columns)
	}
	var b strings.Builder
	if err := p.code.Terminal(&b, to.colour); err != nil {
		return nil // a Builder takes everything
	}
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

// pressPanel takes a key while a panel is shown.
func (s *state) pressPanel(key, text string) []effect {
	p := s.panel
	switch key {
	case "esc":
		if !p.stays {
			s.panel = nil
		}
		return s.shown()
	case "pgdown":
		p.first += max(s.bodyHeight()-2, 1)
		return nil
	case "pgup":
		p.first = max(p.first-max(s.bodyHeight()-2, 1), 0)
		return nil
	}
	switch {
	case len(p.choices) > 0 && key == "up":
		p.chosen = max(p.chosen-1, 0)
	case len(p.choices) > 0 && key == "down":
		p.chosen = min(p.chosen+1, len(p.choices)-1)
	case len(p.choices) > 0 && key == "enter" && s.input.text == "":
		return p.choices[p.chosen].pick(s)
	case p.asks != "" && key == "enter":
		if answer := strings.TrimSpace(s.input.text); answer != "" {
			s.input.set("")
			return p.answer(s, answer)
		}
	case p.asks != "":
		if !s.input.press(key) && text != "" {
			s.typed(text)
		}
	case len(text) > 0 && len(p.choices) == 0: // who begins to write wants the conversation
		s.panel = nil
		s.typed(text)
	}
	return nil
}

// helpPanel says what there is: of the keys only what a conversation in lines has, where it is one.
func helpPanel(inLines bool) *panel {
	keys := []string{
		"Enter sends, Alt+Enter (or Ctrl+J) breaks the line. Up and Down bring back what you entered before.",
		"Page Up, Page Down, Ctrl+Home and Ctrl+End move in the conversation; Alt+Up and Alt+Down choose a message, " +
			"Esc lets go of it.",
		"Ctrl+R searches. F2 shows beside each message what everybody sees of it. F3 shows the messages alone, to be " +
			"copied with the mouse; any key comes back.",
		"F4 lists your rooms, and what is new in them. Ctrl+C or /quit ends; what could not be sent until then is " +
			"kept, and sent later.",
	}
	onlyHere := ""
	if inLines {
		keys = []string{"A line is a message, and is sent when it ends. /quit, or the end of the input, ends; what could not be sent " +
			"until then is kept, and sent later. The full screen (fernpost chat without --plain) searches and shows what everybody sees."}
	} else {
		onlyHere = "/search TEXT, /split (as F2), /bare (as F3), "
	}
	return &panel{title: "Help", lines: append(keys, []string{
		"",
		"/file NAME     sends a file; /save [DIR] saves that of the chosen message, or of the last one",
		"/verify NAME   shows the six words of somebody's key, to be compared aloud",
		"/who           lists who has written here",
		"/name NAME     sets what you are called",
		"/invite        shows a link and a QR code by which others join; /invite read: they can read, and not write",
		"/rotate        moves the room to a new passphrase",
		"/rooms         lists your rooms; /join LINK enters another one, /make NAME makes one",
		"/retry         sends now what could not be sent before",
		onlyHere + "/help, /quit",
		"",
		"In front of a message stands what this device knows of its author. verified: you have compared the six " +
			"words with them. known: they have written before, and nobody has compared words. new key: their first " +
			"message. unsigned: nobody knows who has written it. lost: written on a device that its owner has lost.",
		"In front of your own stands how far they have come. queued: waiting to be sent. sending. accepted: the " +
			"relay has it. seen: somebody has read it. unknown: the relay's answer was lost.",
		"",
		"The relay is the server that keeps the room's rows, each of which is an entry; everybody can download them, " +
			"and only who has the room's key reads what they say. The passphrase makes that key: its three check " +
			"words are the same for all who have it. Each author has a key of their own besides, with six words. A " +
			"finding, behind a !, tells what is missing or wrong.",
	}...)}
}

// commands are the words behind a slash, and what they do.
func commands() map[string]func(s *state, rest string) []effect {
	return map[string]func(s *state, rest string) []effect{
		"help": func(s *state, _ string) []effect { s.panel = helpPanel(s.inLines); return nil },
		"quit": func(*state, string) []effect { return []effect{quit{}} },
		"who":  func(*state, string) []effect { return []effect{showPeople{}} },
		"verify": func(s *state, who string) []effect {
			if who == "" {
				s.say(warns, "/verify NAME: who? /who lists them")
				return nil
			}
			return []effect{verify{who}}
		},
		"file": func(s *state, name string) []effect {
			if name == "" {
				s.say(warns, "/file NAME: which file?")
				return nil
			}
			return []effect{sendFile{name}}
		},
		"save":   (*state).saveFile,
		"invite": func(_ *state, rest string) []effect { return []effect{inviteOthers{rest != "read"}} },
		"rotate": func(*state, string) []effect { return []effect{rotate{}} },
		"retry":  func(*state, string) []effect { return []effect{retry{}} },
		"rooms":  func(*state, string) []effect { return []effect{listRooms{}} },
		"room":   func(_ *state, name string) []effect { return []effect{openRoom{name}} },
		"join":   func(_ *state, link string) []effect { return []effect{joinBy{link}} },
		"make":   func(_ *state, name string) []effect { return []effect{makeRoom{name}} },
		"name":   func(_ *state, nick string) []effect { return []effect{setName{nick}} },
		"bare":   func(s *state, _ string) []effect { s.bare = true; return nil },
		"split": func(s *state, _ string) []effect {
			effects, _ := s.everywhere("f2")
			return effects
		},
		"search": func(s *state, text string) []effect {
			s.sought = text
			if text == "" {
				s.search = true
			} else if !s.talk.search(text, false, false) {
				s.say(warns, "not found")
			}
			s.show()
			return s.moreRows()
		},
	}
}

// command does what a line means that begins with a slash.
func (s *state) command(line string) []effect {
	word, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "/"), " ")
	do, ok := commands()[word]
	if !ok {
		s.say(warns, "/"+screen.Line(word)+" is no command: /help lists them; // begins a message with a slash")
		return nil
	}
	if s.inLines && slices.Contains([]string{"search", "split", "bare"}, word) {
		s.say(warns, "/"+word+" is for the full screen: fernpost chat, without --plain and on a terminal")
		return nil
	}
	return do(s, strings.TrimSpace(rest))
}

// saveFile saves the file of the chosen message, or of the last one that has one.
func (s *state) saveFile(dir string) []effect {
	for i := len(s.talk.blocks) - 1; i >= 0; i-- {
		b := s.talk.blocks[i]
		if b.file != "" && (s.talk.chosen == nil || s.talk.chosen == b) {
			return []effect{saveFile{b.author, b.number, dir}}
		}
	}
	s.say(warns, "there is no message with a file")
	return nil
}
