package tui

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/screen"
)

// Plain is a conversation in lines: for screen readers, and where there is no terminal that could show a full screen.
type Plain struct {
	In io.Reader
	// Out takes the messages, and Talk what else is said; Quiet leaves the latter out, but for findings and errors.
	Out, Talk io.Writer
	Quiet     bool
	// Piped tells that nobody types: no line is taken before all that is in the room was printed, or the relay is away.
	Piped bool
	// Columns is how wide the terminal is that shows it; 0 where none does, and then no line is broken.
	Columns int
}

// plainNewest is how many messages are printed at the beginning.
const plainNewest = 20

// plainly is a conversation in lines that goes on.
type plainly struct {
	Plain
	*state

	o       Options
	session *session
	inbox   chan from
	over    chan struct{} // closed when nothing is taken out of it any more
	left    sync.WaitGroup
	day     string
	// waiting are our messages that the relay has not accepted yet, and accepted those that it has, which may be told
	// before it is told that they wait. answered tells that it has answered.
	waiting, accepted map[uint32]bool
	answered          bool
	ended             bool       // nothing more is typed
	shown             bool       // what was in the room was printed, once
	reached           model.Mark // up to where all was printed that has come
	// busy counts what was asked for and is not done: the next line may be an answer to what comes of it.
	busy int
	// unprinted are messages that wait until more is known of an author who was not there before.
	unprinted []*block
	failed    error
}

// done is told behind all that comes of what was asked for, and behind what is held.
type done struct{}

// RunPlain talks in a room until the input has ended, and what was written is posted.
func RunPlain(ctx context.Context, o Options, p Plain) error {
	o.inLines = true
	c := &plainly{Plain: p, state: newState(false), o: o, inbox: make(chan from, 256), over: make(chan struct{})}
	c.stopped, c.inLines = o.Stopped, true
	settings, err := o.Engine.Find(o.Room)
	if err == nil {
		err = c.follow(settings)
	}
	if err != nil {
		return err
	}
	err = c.run(ctx)
	close(c.over)
	c.left.Wait()
	return errors.Join(err, c.session.close())
}

func (c *plainly) follow(settings model.Room) error {
	s, err := open(c.o, settings, c.inbox, c.tellDevice)
	if err != nil {
		return err
	}
	if before := c.session; before != nil {
		c.left.Go(func() { // it may wait for the relay
			if err := before.close(); err != nil {
				c.tellDevice(failed{err})
			}
		})
	}
	c.session = s
	c.enter(s.view())
	c.answered, c.shown, c.day, c.unprinted, c.reached = false, false, "", nil, s.begins
	c.busy = 1 // what is held comes first: a line taken before it would be printed with it, as a message that was there
	c.waiting, c.accepted = map[uint32]bool{}, map[uint32]bool{}
	c.talkf("room %s; a line is a message, /help lists what begins with a slash", c.room.name)
	s.start(plainNewest)
	return nil
}

// tellDevice takes what concerns no room.
func (c *plainly) tellDevice(what any) {
	select {
	case c.inbox <- from{nil, what}:
	case <-c.over:
	}
}

func (c *plainly) talkf(format string, args ...any) {
	if !c.Quiet {
		c.warnf(format, args...)
	}
}

func (c *plainly) warnf(format string, args ...any) {
	if _, err := fmt.Fprintf(c.Talk, format+"\n", args...); err != nil {
		c.failed = cmp.Or(c.failed, err)
	}
}

// typedLine is a line of the input.
type typedLine struct {
	text string
	long bool
}

// readLines hands on what is typed, and closes the channel at the end.
func readLines(ctx context.Context, in io.Reader, lines chan<- typedLine) {
	defer close(lines)
	r := bufio.NewReader(in)
	for {
		var line typedLine
		var b strings.Builder
		for {
			part, more, err := r.ReadLine()
			if err != nil {
				if b.Len() == 0 {
					return
				}
				break
			}
			if line.long = line.long || b.Len()+len(part) > maxTyped; !line.long {
				b.Write(part)
			}
			if !more {
				break
			}
		}
		line.text = b.String()
		select {
		case lines <- line:
		case <-ctx.Done():
			return
		}
	}
}

func (c *plainly) run(ctx context.Context) error {
	lines := make(chan typedLine)
	go readLines(ctx, c.In, lines) // it ends with the input, or with this process
	for c.failed == nil {
		if c.ended && c.answered && c.busy == 0 && len(c.waiting) == 0 {
			if now, err := c.session.now(); err != nil || now == c.reached {
				return err
			}
		}
		next := lines
		if c.ended || c.busy > 0 && c.asking == nil || c.Piped && !c.isShown() {
			next = nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case line, more := <-next:
			c.now = time.Now()
			if c.ended = !more || c.enterLine(line); c.ended && c.asking != nil {
				c.answer("n") // nobody is there who could say yes
			}
		case e := <-c.inbox:
			c.now = time.Now()
			if e.session == c.session || e.session == nil {
				c.take(e.what)
			}
		}
	}
	return c.failed
}

// isShown reports whether what was in the room when it was opened was printed. A line that is taken before answers nothing of it, and
// says to everybody that its author was not shown it.
func (c *plainly) isShown() bool {
	if !c.shown && c.answered && len(c.unprinted) == 0 {
		now, err := c.session.now()
		c.shown = err != nil || now == c.reached
	}
	return c.shown
}

// enterLine takes a line that was typed, and reports whether it ends the conversation.
func (c *plainly) enterLine(line typedLine) (ends bool) {
	if line.long {
		c.warnf("that line has more than %d bytes: save it as a file, and send it with /file NAME; nothing was sent",
			maxTyped)
		return false
	}
	var effects []effect
	if c.asking != nil {
		answer := strings.ToLower(strings.TrimSpace(line.text))
		effects = c.answer(answer[:min(len(answer), 1)])
		if c.asking != nil {
			c.warnf("%s", c.asking.text)
		}
	} else {
		c.input.set(screen.Text(line.text))
		effects = c.submit()
	}
	c.saySo()
	for _, e := range effects {
		ends = c.perform(e) || ends
	}
	return ends
}

// saySo prints what the full screen would show in its place.
func (c *plainly) saySo() {
	if p := c.panel; p != nil {
		c.warnf("-- %s --", p.title)
		for _, choice := range p.choices {
			c.warnf("%s", choice.line())
		}
		for _, line := range p.lines {
			c.warnf("%s", line)
		}
		c.panel = nil
	}
	if c.notice != "" {
		c.warnf("%s", c.notice)
		c.notice = ""
	}
}

// perform does what a line has asked for, and reports whether that ends the conversation.
func (c *plainly) perform(e effect) (ends bool) {
	switch e := e.(type) {
	case quit:
		return true
	case openRoom:
		settings, err := c.o.Engine.Find(e.name)
		if err == nil {
			err = c.follow(settings)
		}
		if err != nil {
			c.fail(err)
		}
	case redraw, copyText, loadRows:
	case countUnread: // what is typed meanwhile waits for no relay
		s := c.session
		s.work.Go(func() { s.try(e) })
	default:
		s := c.session
		c.busy++
		s.work.Go(func() {
			s.try(e)
			s.tell(done{})
		})
	}
	return false
}

// tellLines prints sentences of the engine, each in a line of its own.
func (c *plainly) tellLines(lines []messenger.Line) {
	for _, l := range lines {
		if l.Warns {
			c.warnf("%s", screen.Line(l.Text))
		} else {
			c.talkf("%s", screen.Line(l.Text))
		}
	}
}

// fail tells what could not be done.
func (c *plainly) fail(err error) {
	what, next := c.o.Explain(err, c.room.name)
	c.warnf("error: %s", what)
	if next != "" {
		c.warnf("hint: %s", next)
	}
}

// take prints what the session tells.
func (c *plainly) take(what any) {
	switch e := what.(type) {
	case crash:
		panic(e.value)
	case done:
		c.busy--
	case held:
		c.history(e.blocks, e.people, e.whole)
		c.newestOwn = nil
		for _, b := range c.talk.blocks {
			c.print(b)
		}
	case readIn:
		c.answered = true
		for _, b := range c.read(&e.read, e.lasting, e.passing) {
			c.tellBlock(b)
		}
	case messenger.Event:
		c.takeEvent(e)
	case known:
		c.setPeople(e.people)
		c.printAll()
	case written:
		c.talk.add(e.block)
		if n := e.block.number; e.block.state != model.StateAccepted && !c.accepted[n] {
			c.waiting[n] = true
		}
	case shows:
		c.panel = e.panel
	case asks:
		c.ask(e.question)
		c.saySo()
		c.warnf("%s", c.asking.text)
	default:
		c.takeWords(what)
	}
	c.saySo()
}

// takeWords prints what is told in words, and does what the session asks for.
func (c *plainly) takeWords(what any) {
	switch e := what.(type) {
	case noted:
		c.say(e.role, e.text)
	case []messenger.Line:
		c.tellLines(e)
	case effect:
		c.perform(e)
	case unread:
		c.tellUnread(&e)
	case called:
		c.room.own = e.nick
	case failed:
		c.fail(e.err)
		c.printAll()
	case ended:
		c.failed = e.err
	}
}

// tellUnread prints what is new in a room of the list of rooms.
func (c *plainly) tellUnread(e *unread) {
	if e.note != "" {
		c.talkf("%s: %s", e.room, e.note)
	}
	for _, b := range asides(&e.told, c.now) {
		b.words = e.room + ": " + b.words
		c.tellBlock(b)
	}
}

// takeEvent prints what the stream of the room tells.
func (c *plainly) takeEvent(e messenger.Event) {
	switch e := e.(type) {
	case messenger.Message:
		c.message(&e.Item)
	case messenger.State:
		c.state.event(e)
		c.tellState(&e.OwnState)
	case messenger.Found:
		c.tellBlock(findingBlock(&e.Finding, e.TakenBack, c.now))
	case messenger.Late:
		c.tellBlock(findingBlock(&e.Finding, false, c.now))
	default:
		c.takeOther(e)
	}
}

// takeOther prints what is told besides messages, their fate and findings.
func (c *plainly) takeOther(e messenger.Event) {
	switch e := e.(type) {
	case messenger.RelayAway:
		c.answered = true
	case messenger.Reached:
		c.reached = e.Mark
	}
	if failed, ok := e.(messenger.NotPosted); ok && (!failed.Again || c.ended) { // nobody is there who could wait
		c.failed = &messenger.WaitsError{Err: failed.Err}
		return
	}
	for _, effect := range c.event(e) {
		c.perform(effect)
	}
	if d := c.posting; d.until.After(c.now) {
		c.talkf("%s", c.underWay())
		c.posting = delivery{}
	}
}

// message prints a message that has come: one of our own only where another process has written it.
func (c *plainly) message(it *model.Item) {
	if !it.ForPeople() {
		return
	}
	b := blockOf(it)
	old := c.talk.find(b)
	effects := c.state.message(b)
	if old == nil {
		c.unprinted = append(c.unprinted, b)
	}
	asks := false
	for _, effect := range effects {
		_, looks := effect.(lookUpPeople)
		asks = asks || looks
		c.perform(effect)
	}
	if !asks && !slices.ContainsFunc(c.unprinted, c.talk.stranger) {
		c.printAll()
	}
}

func (c *plainly) printAll() {
	for _, b := range c.unprinted {
		c.print(b)
	}
	c.unprinted = nil
}

func (c *plainly) tellState(s *model.OwnState) {
	switch s.State {
	case model.StateAccepted, model.StateUnknown, model.StateDropped:
		delete(c.waiting, s.Number)
		c.accepted[s.Number] = true
	case model.StateSeen:
	default:
		return
	}
	c.talkf("%s", screen.Line(s.Text()))
}

// tellBlock prints a finding, unless it says nothing.
func (c *plainly) tellBlock(b *block) {
	switch {
	case b == nil:
	case b.takenBack:
		c.warnf("! no longer true: %s", b.words)
	default:
		c.warnf("! %s", b.words)
		if b.next != "" {
			c.warnf("  %s", b.next)
		}
	}
}

// print prints a message.
func (c *plainly) print(b *block) {
	var out strings.Builder
	if day := b.when.In(c.zone).Format("Monday, 2 January 2006"); day != c.day {
		c.day = day
		fmt.Fprintf(&out, "-- %s --\n", day)
	}
	word, _ := (&painter{c.state, 80}).label(b)
	head := b.when.In(c.zone).Format("15:04 ")
	if word != "" {
		head += word + " "
	}
	if b.name != "" {
		head += b.name + ": "
	}
	text := head + cmp.Or(b.text, b.words)
	if c.Columns > 0 { // or the terminal breaks it, and what follows begins where messages do
		text = strings.Join(wrap(text, c.Columns-len("      "+gutter)), "\n")
	}
	out.WriteString(strings.ReplaceAll(text, "\n", "\n      "+gutter))
	for _, note := range (&painter{c.state, 80}).notes(b) {
		note = "(" + note + ")"
		if c.Columns > 0 {
			note = strings.Join(wrap(note, c.Columns-len("      ")), "\n      ")
		}
		out.WriteString("\n      " + note)
	}
	if _, err := fmt.Fprintln(c.Out, out.String()); err != nil {
		c.failed = cmp.Or(c.failed, err)
	}
}
