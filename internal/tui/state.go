package tui

import (
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// roomView is what is shown of a room itself.
type roomView struct {
	name, relay, own string
	signed, writable bool
	ownKey           record.PublicKey
	fields           int
}

// state is the full screen: what it shows, and where the user is. Whatever happens changes it by one of its methods,
// which do nothing else: what is to be done they return as effects. So tests need no terminal, no room and no clock.
type state struct {
	width, height int
	colour        bool
	inLines       bool        // a conversation in lines: there are no keys, and nothing but what is printed
	method        ansi.Method // how the terminal counts columns
	zone          *time.Location
	now           time.Time
	// stopped says why a reading did not come to its end, "" if it did; nil says nothing.
	stopped func(exchange.Stop) string

	room   roomView
	talk   conversation
	rows   feedRows
	clears uint32         // how many of the channel this device has noticed
	loaded bool           // the history is there
	said   messenger.Said // what the last reading has found out, and the next one may find otherwise

	input  editor
	panel  *panel // in place of the conversation; nil if none is
	asking *question
	search bool   // the input is what to search for
	sought string // what was searched for
	split  bool   // the eavesdropper's side is shown
	bare   bool
	blur   bool // another window has the keyboard

	asides map[string][]*block // what the list of rooms has told of others than this one, for whoever opens them

	newestOwn  *block
	seenTop    record.Spot        // up to where the archive knows what was shown
	reached    *messenger.Reached // up to where all has come, and was not shown yet; nil if it was
	answered   bool               // the relay has answered
	caughtUp   bool               // what had come since the room was shown last was told
	notice     string
	noticeRole role

	posting delivery
	away    bool
	via     string
	heard   time.Time
}

// delivery is what is under way in the outbox.
type delivery struct {
	left  int       // entries
	until time.Time // when the next one may be posted; the zero time if it is under way
	why   string
}

// question is something that the user says yes or no to.
type question struct {
	text    string
	yes, no func(*state) []effect // no may be nil
	typed   string                // of the answer
}

// ask asks a question. One that was asked before is answered with no.
func (s *state) ask(q *question) []effect {
	var effects []effect
	if s.asking != nil {
		effects = s.answer("n")
	}
	s.asking = q
	return effects
}

func newState(colour bool) *state {
	return &state{
		colour: colour, zone: time.Local, talk: newConversation(), width: 80, height: 24, asides: map[string][]*block{},
	}
}

// enter shows another room, of which nothing is known yet.
func (s *state) enter(r roomView) {
	s.room, s.talk, s.rows, s.clears, s.loaded = r, newConversation(), feedRows{}, 0, false
	s.seenTop, s.reached, s.answered, s.caughtUp = record.Spot{}, nil, false, false
	s.newestOwn, s.posting, s.away, s.heard, s.panel, s.asking = nil, delivery{}, false, time.Time{}, nil, nil
	s.search, s.sought, s.notice, s.said = false, "", "", nil
}

// say shows a notice until the next key.
func (s *state) say(r role, text string) { s.notice, s.noticeRole = screen.Line(text), r }

// sayLines shows sentences of the engine as one notice.
func (s *state) sayLines(lines []messenger.Line) {
	r := plain
	var texts []string
	for _, l := range lines {
		if texts = append(texts, l.Text); l.Warns {
			r = warns
		}
	}
	if len(texts) > 0 {
		s.say(r, strings.Join(texts, "; "))
	}
}

// history takes what this device holds of the room: all of it, or, first, the newest.
func (s *state) history(blocks []*block, people []model.Person, whole bool) []effect {
	s.setPeople(people)
	s.talk.fill(blocks)
	for _, b := range s.talk.blocks {
		s.noteBlock(b)
	}
	s.loaded = s.loaded || whole || len(blocks) > 0
	if whole {
		for _, b := range s.asides[s.room.name] {
			s.talk.note(b)
		}
		delete(s.asides, s.room.name)
	}
	effects := s.shown()
	if s.split && s.rows.rows == nil { // another room's were there
		effects = append(effects, loadRows{newestRows})
	}
	return effects
}

func (s *state) noteBlock(b *block) {
	if s.clears = max(s.clears, b.at.Clear); b.own && (s.newestOwn == nil || compare(b, s.newestOwn) >= 0) {
		s.newestOwn = b
	}
}

func (s *state) setPeople(people []model.Person) {
	for i := range people {
		s.talk.people[people[i].Key] = people[i]
	}
}

// message takes a message that has come, or is as it was not before.
func (s *state) message(b *block) []effect {
	var effects []effect
	if s.talk.stranger(b) {
		effects = append(effects, lookUpPeople{})
	}
	isNew := s.talk.find(b) == nil
	if b = s.talk.add(b); !b.own && s.talk.unread == nil && (!s.caughtUp || isNew && !s.reading()) {
		s.talk.unread = b
	}
	if s.newestOwn != nil && s.talk.index[s.newestOwn.identity] != s.newestOwn { // it was read back
		s.newestOwn = nil
	}
	s.noteBlock(b)
	if s.split && b.at.Entry > s.rows.last {
		effects = append(effects, loadRows{newestRows})
	}
	return append(effects, s.shown()...)
}

// reading reports whether the user sees what comes: at the end of the conversation, with the keyboard here.
func (s *state) reading() bool { return s.talk.follow && s.panel == nil && !s.blur && !s.bare }

// keep has it remembered up to where all was shown, once the user sees it.
func (s *state) keep() []effect {
	if s.reached == nil || !s.reading() {
		return nil
	}
	at := *s.reached
	s.reached = nil
	return []effect{keepMark{at}}
}

// shown tells which messages the user has been shown: what they write next says so to the others.
func (s *state) shown() (effects []effect) {
	if s.panel != nil || len(s.talk.blocks) == 0 || s.blur {
		return nil
	}
	p := &painter{s, s.width}
	_, first := p.window(max(s.height-3, 1))
	var top record.Held
	for _, b := range s.talk.blocks[max(first, 0) : s.talk.last+1] {
		if b.signed && !b.own && b.at.Compare(top.At) > 0 {
			top = record.Held{Author: b.author, Number: b.number, Hash: b.hash, At: b.at}
		}
	}
	if top.At.Compare(s.seenTop) > 0 {
		s.seenTop = top.At
		effects = append(effects, markShown{model.Printed{Top: top}})
	}
	return append(effects, s.keep()...)
}

// event takes what a stream of the room tells.
func (s *state) event(e messenger.Event) []effect {
	switch e := e.(type) {
	case messenger.Message:
		if !e.Item.ForPeople() {
			return nil
		}
		return s.message(blockOf(&e.Item))
	case messenger.Found:
		s.talk.tell(&e.Finding, e.TakenBack, s.now)
		return []effect{lookUpPeople{}}
	case messenger.Late:
		s.talk.tell(&e.Finding, false, s.now)
	case messenger.State:
		s.talk.progress(&e.OwnState)
	case messenger.Reached:
		s.caughtUp, s.reached = true, &e
		return s.keep()
	case messenger.Read:
		s.read(&e, nil, nil)
	case messenger.RelayAway:
		s.away = true
		s.say(warns, e.Err.Error()+"; trying again")
	case messenger.RelayBack:
		s.away = false
		s.say(good, "the relay is back")
	default:
		s.posted(e)
	}
	return nil
}

// read takes that the relay has answered, and what was found out then; see [messenger.Room.Lasting] and
// [messenger.Room.Passing]. It returns what is to be told of that: what is not found any more, and what is found now.
func (s *state) read(e *messenger.Read, lasting, passing []item.Finding) (told []*block) {
	s.away, s.answered = false, true
	if e.News.Cleared {
		s.sayLines([]messenger.Line{messenger.ChannelCleared()})
	}
	told = s.talk.past(passing)
	tell := append(lasting, s.said.Fresh(passing)...)
	for i := range tell {
		if b := foundBlock(&tell[i], s.now); b != nil {
			s.talk.note(b)
			told = append(told, b)
		}
	}
	return told
}

// stoppedText says why a reading did not come to its end, "" if it did.
func (s *state) stoppedText(stop exchange.Stop) string {
	if s.stopped == nil {
		return ""
	}
	return s.stopped(stop)
}

// posted takes what is told while the outbox is posted.
func (s *state) posted(e messenger.Event) {
	switch e := e.(type) {
	case messenger.Delivering:
		s.posting = delivery{left: e.Entries}
	case messenger.Accepted:
		s.posting = delivery{left: e.Total - e.Posted}
	case messenger.Waits:
		s.posting.until, s.posting.why = s.now.Add(e.For), waitText(e.Wait)
		s.posting.left = max(s.posting.left, 1)
	case messenger.Delivered:
		s.posting = delivery{}
		s.sayLines(messenger.Says(e))
	case messenger.NotPosted:
		if s.posting = (delivery{}); !e.Again {
			s.say(bad, "not posted: "+e.Err.Error()+`; the message stays in the outbox, and /retry posts it`)
		}
	case messenger.ReadSoFar:
		if text := readingText(e); text != "" {
			s.say(plain, text)
		}
	case messenger.StoppedReading:
		s.say(warns, s.stoppedText(e.Stop))
	default:
		s.sayLines(messenger.Says(e))
	}
}

// press does what a key means; text is what it types.
func (s *state) press(key, text string) []effect {
	s.notice = ""
	switch {
	case s.asking != nil:
		return s.pressAnswer(key, text)
	case s.bare:
		s.bare = false
		return nil
	}
	if effects, ok := s.everywhere(key); ok {
		return effects
	}
	switch {
	case s.panel != nil:
		return s.pressPanel(key, text)
	case s.search:
		return s.pressSearch(key, text)
	}
	switch {
	case key == "enter":
		return s.submit()
	case s.move(key):
		return append(s.moreRows(), s.shown()...)
	case !s.input.press(key) && text != "":
		s.typed(text)
	}
	return nil
}

// move moves the window, or chooses a message, and reports whether a key means that.
func (s *state) move(key string) bool {
	switch key {
	case "esc":
		s.talk.chosen, s.sought = nil, ""
		s.talk.toEnd()
	case "alt+up":
		s.talk.step(-1)
		s.show()
	case "alt+down":
		s.talk.step(1)
		s.show()
	case "pgup":
		s.scroll(s.bodyHeight() - 1)
	case "pgdown":
		s.scroll(-(s.bodyHeight() - 1))
	case "ctrl+up":
		s.scroll(1)
	case "ctrl+down":
		s.scroll(-1)
	case "ctrl+home":
		s.talk.last, s.talk.hidden, s.talk.follow = 0, 0, false
		s.fillWindow()
	case "ctrl+end":
		s.talk.toEnd()
	default:
		return false
	}
	return true
}

// typed takes text that was typed or pasted.
func (s *state) typed(text string) {
	if !s.input.insert(text) {
		s.say(warns, "that does not fit into one message here: save it as a file, and send it with /file NAME")
	}
}

// everywhere does what keys mean whatever is shown.
func (s *state) everywhere(key string) ([]effect, bool) {
	switch key {
	case "ctrl+c", "ctrl+q":
		return []effect{quit{}}, true
	case "ctrl+d":
		if s.input.text == "" {
			return []effect{quit{}}, true
		}
		s.input.press("delete")
	case "ctrl+l":
		return []effect{redraw{}}, true
	case "f1":
		s.toggle(helpPanel(s.inLines))
	case "f2":
		s.panel = nil
		if s.split = !s.split; s.split {
			return []effect{loadRows{newestRows}}, true
		}
	case "f3":
		s.bare = true
	case "f4":
		if s.panel != nil && s.panel.title == roomsTitle {
			s.panel = nil
			return nil, true
		}
		return []effect{listRooms{}}, true
	case "ctrl+s", "ctrl+r":
		s.panel, s.search = nil, true
		s.sought = ""
	default:
		return nil, false
	}
	return nil, true
}

func (s *state) toggle(p *panel) {
	if s.panel != nil && s.panel.title == p.title {
		p = nil
	}
	s.panel = p
}

// pressAnswer takes a key while a question is open. An answer ends with Enter: of a "yes" that counted at its first
// letter the rest became a message.
func (s *state) pressAnswer(key, text string) []effect {
	q := s.asking
	switch key {
	case "esc", "ctrl+c":
		return s.answer("n")
	case "backspace", "ctrl+h":
		_, size := lastRune(q.typed)
		q.typed = q.typed[:len(q.typed)-size]
	case "enter":
		switch strings.ToLower(strings.TrimSpace(q.typed)) {
		case "y", "yes":
			return s.answer("y")
		case "n", "no":
			return s.answer("n")
		}
		q.typed = ""
	default:
		if len(q.typed) < 8 {
			q.typed += screen.Line(text)
		}
	}
	return nil
}

// answer takes a letter, or a key, as the answer to a question; any other one leaves it open.
func (s *state) answer(key string) []effect {
	q := s.asking
	switch key {
	case "y", "Y":
		s.asking = nil
		return q.yes(s)
	case "n", "N", "esc", "ctrl+c":
		if s.asking = nil; q.no != nil {
			return q.no(s)
		}
		s.say(plain, "not done")
	}
	return nil
}

// pressSearch takes a key while the input is what to search for.
func (s *state) pressSearch(key, text string) []effect {
	again := false
	switch key {
	case "esc", "enter":
		s.search = false
		return s.shown()
	case "backspace":
		_, size := lastRune(s.sought)
		s.sought = s.sought[:len(s.sought)-size]
		return nil
	case "up", "ctrl+p":
		again = true
	case "down", "ctrl+n":
		if !s.talk.search(s.sought, true, true) {
			s.say(warns, "not found below")
		}
		s.show()
		return s.moreRows()
	default:
		if text == "" {
			return nil
		}
		s.sought += screen.Line(text)
	}
	if s.sought != "" && !s.talk.search(s.sought, false, again) {
		s.say(warns, "not found above")
	}
	s.show()
	return s.moreRows()
}

// submit takes what was typed: a message, or a command.
func (s *state) submit() []effect {
	if strings.TrimSpace(s.input.text) == "" {
		return nil
	}
	text := s.input.text
	if strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "//") {
		return s.command(s.input.take())
	}
	if !s.room.writable {
		s.say(bad, `this room has no write key, so it can only be read: "fernpost rooms set `+s.room.name+
			` --write-key-file FILE"`)
		return nil
	}
	s.input.take()
	s.talk.chosen, s.talk.unread = nil, nil
	s.talk.toEnd()
	return []effect{send{record.Text(strings.TrimPrefix(text, "/"))}} // of two, one stays
}

// sent shows a message that is in the outbox now.
func (s *state) sent(b *block) []effect {
	b = s.talk.add(b)
	s.noteBlock(b)
	return nil
}

// bodyHeight is how many lines the conversation has.
func (s *state) bodyHeight() int {
	p := &painter{s, s.width}
	input, _, _ := p.inputLines()
	height := s.height - len(input) - 1 - len(p.status())
	if s.split {
		height--
	}
	return max(height, 1)
}

// scroll moves the window up by so many lines, or down.
func (s *state) scroll(by int) {
	c, p := &s.talk, &painter{s, s.width}
	if c.follow = false; len(c.blocks) == 0 {
		c.follow = true
		return
	}
	c.hidden += by
	for c.hidden < 0 && c.last < len(c.blocks)-1 {
		c.last++
		c.hidden += len(p.block(c.last))
	}
	for c.last > 0 && c.hidden >= len(p.block(c.last)) {
		c.hidden -= len(p.block(c.last))
		c.last--
	}
	if c.hidden <= 0 && c.last == len(c.blocks)-1 {
		c.toEnd()
	}
	s.fillWindow()
}

// fillWindow moves the window down where there is nothing above its first line.
func (s *state) fillWindow() {
	c, p := &s.talk, &painter{s, s.width}
	height, above := s.bodyHeight(), 0
	for i := c.last; i >= 0; i-- {
		if above += len(p.block(i)); above-c.hidden >= height {
			return
		}
	}
	short := height - (above - c.hidden)
	for c.hidden -= short; c.hidden < 0 && c.last < len(c.blocks)-1; {
		c.last++
		c.hidden += len(p.block(c.last))
	}
	if c.hidden = max(c.hidden, 0); c.hidden == 0 && c.last == len(c.blocks)-1 {
		c.toEnd()
	}
}

// show moves the window so that the chosen message is in it.
func (s *state) show() {
	c, p := &s.talk, &painter{s, s.width}
	at := slices.Index(c.blocks, c.chosen)
	if at < 0 {
		return
	}
	height, above := s.bodyHeight(), -c.hidden
	for i := c.last; i >= at; i-- {
		above += len(p.block(i))
	}
	if above <= height && at <= c.last {
		return
	}
	// It goes to the upper third, with what stands below it.
	c.last, c.hidden, c.follow = at, 0, false
	for lines := len(p.block(at)); c.last < len(c.blocks)-1; {
		if lines += len(p.block(c.last + 1)); lines > height*2/3 {
			break
		}
		c.last++
	}
	c.follow = c.last == len(c.blocks)-1
	s.fillWindow()
}

// moreRows asks for older rows of the feed where the window has come above those that are there.
func (s *state) moreRows() []effect {
	if !s.split || s.rows.first <= 1 {
		return nil
	}
	_, first := (&painter{s, s.width}).window(s.bodyHeight())
	for _, b := range s.talk.blocks[max(first, 0) : s.talk.last+1] {
		if b.at.Entry > 0 && b.at.Entry < s.rows.first {
			return []effect{loadRows{allRows}}
		}
	}
	return nil
}

// resize takes a new size of the window.
func (s *state) resize(width, height int) {
	s.width, s.height = max(width, 1), max(height, 1)
	if c := &s.talk; !c.follow && c.last < len(c.blocks) && c.last >= 0 {
		c.hidden = min(c.hidden, len((&painter{s, s.width}).block(c.last))-1)
		s.fillWindow()
	}
}

// tick notes that a second has passed, by which way entries come, and when something was heard of the relay last.
func (s *state) tick(now time.Time, via string, heard time.Time) {
	s.now, s.via, s.heard = now, via, heard
	s.caughtUp = s.caughtUp || s.answered // what its first answer has brought was told long ago
}

// focus notes whether this window has the keyboard.
func (s *state) focus(is bool) []effect {
	if s.blur = !is; is {
		return s.shown()
	}
	s.talk.unread = nil // what comes from now on was not read
	return nil
}
