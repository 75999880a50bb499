package tui

import (
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// conversation is what was said in a room, in the order in which it stands, and where in it the window is.
type conversation struct {
	blocks  []*block
	index   map[identity]*block
	owns    map[model.OwnID]*block         // our own, by the numbers that they have before they are read back
	early   map[model.OwnID]model.OwnState // how far those have come that are not shown yet
	people  map[record.PublicKey]model.Person
	arrived int // counts what came

	// last is the lowest block of the window, and hidden how many of its lines are below it. follow keeps the window at
	// the end.
	last, hidden int
	follow       bool
	chosen       *block // nil if none is
	unread       *block // the first one that was not read yet; nil if all were
}

func newConversation() conversation {
	return conversation{
		index: map[identity]*block{}, owns: map[model.OwnID]*block{}, early: map[model.OwnID]model.OwnState{},
		people: map[record.PublicKey]model.Person{}, last: -1, follow: true,
	}
}

// fill takes what this device holds, which may be there already.
func (c *conversation) fill(blocks []*block) {
	for _, b := range blocks {
		if b.own { // it may be there as it was before it was read back
			c.add(b)
		} else {
			c.insert(b)
		}
	}
}

// add takes a message, which may be there already: as it is now.
func (c *conversation) add(b *block) *block {
	old := c.find(b)
	if old == nil {
		return c.insert(b)
	}
	if b.at.Entry == 0 && old.at.Entry > 0 { // it was read back before it was told that it waits
		return old
	}
	if b.own && len(b.seenBy) < len(old.seenBy) { // only a history tells who has seen it
		b.seenBy = old.seenBy
	}
	if b.own && b.state < old.state && old.state != model.StateUnknown {
		b.state, b.entry = old.state, old.entry
	}
	if old.at == b.at && old.identity == b.identity { // nothing moves
		b.arrived = old.arrived
		*old = *b
		return old
	}
	c.remove(old)
	if c.chosen == old {
		c.chosen = b
	}
	if c.unread == old {
		c.unread = b
	}
	return c.insert(b)
}

// find returns the block of the same message: of one of our own also as it was before it was read back.
func (c *conversation) find(b *block) *block {
	if old := c.index[b.identity]; old != nil {
		return old
	}
	if b.own {
		return c.owns[b.ownID()]
	}
	if b.signed {
		return nil
	}
	for _, own := range c.owns { // texts have no author: what stands in that entry, to the letter, is ours
		if c.readBack(own, b) {
			b.own, b.number, b.state, b.entry = true, own.number, model.StateAccepted, own.entry
			return own
		}
	}
	return nil
}

// readBack reports whether an unsigned text is one of our own that the relay has accepted.
func (c *conversation) readBack(own, b *block) bool {
	return !own.signed && own.at.Entry == 0 && own.entry > 0 && own.entry == b.at.Entry && own.text == b.text
}

func (c *conversation) insert(b *block) *block {
	if b.finding == nil {
		if c.index[b.identity] != nil {
			return c.index[b.identity]
		}
		if s, ok := c.early[b.ownID()]; ok && b.own {
			delete(c.early, b.ownID())
			b.state, b.entry = s.State, s.At.Entry
			if text := c.claim(b); text != nil {
				return text
			}
		}
		c.index[b.identity] = b
		if b.own {
			c.owns[b.ownID()] = b
		}
	}
	c.arrived++
	b.arrived = c.arrived
	at := sort.Search(len(c.blocks), func(i int) bool { return compare(b, c.blocks[i]) < 0 })
	c.blocks = slices.Insert(c.blocks, at, b)
	if c.follow {
		c.toEnd()
	} else if at <= c.last {
		c.last++
	}
	return b
}

// remove takes a block out.
func (c *conversation) remove(b *block) {
	delete(c.index, b.identity)
	if c.owns[b.ownID()] == b {
		delete(c.owns, b.ownID())
	}
	at := slices.Index(c.blocks, b)
	if at < 0 {
		return
	}
	c.blocks = slices.Delete(c.blocks, at, at+1)
	if at <= c.last {
		c.last--
	}
}

// tell shows a finding where it is noticed, or takes back one that was shown.
func (c *conversation) tell(f *record.Finding, takenBack bool, now time.Time) {
	id := f.ID()
	for _, b := range c.blocks {
		if b.finding != nil && b.id == id {
			found := item.OfFinding(f, takenBack)
			b.takenBack, b.finding = takenBack, &found
			if found.Text != "" {
				b.words = screen.Line(found.Text)
			}
			return
		}
	}
	if !takenBack {
		c.note(findingBlock(f, false, now))
	}
}

// past marks what an earlier reading has found out, and this one, which has found this, does not find any more. It
// returns what that is true of since now.
func (c *conversation) past(found []item.Finding) (gone []*block) {
	for _, b := range c.blocks {
		if b.finding == nil || !b.finding.Waiting || b.takenBack || b.id != (record.FindingID{}) {
			continue
		}
		if !slices.ContainsFunc(found, func(f item.Finding) bool { return f.Text == b.finding.Text }) {
			b.takenBack = true
			gone = append(gone, b)
		}
	}
	return gone
}

// note shows a finding at the end: it is noticed now, and above nobody would see it.
func (c *conversation) note(b *block) {
	if b == nil {
		return
	}
	b.at = record.Spot{}
	if n := len(c.blocks); n > 0 {
		b.at = c.blocks[n-1].at
	}
	c.insert(b)
}

// progress notes how far a message of our own has come.
func (c *conversation) progress(s *model.OwnState) {
	if s.State == model.StateSeen {
		c.seen(s)
		return
	}
	if b := c.owns[s.Was]; s.Was.Number > 0 && b != nil { // it was signed anew, under another number
		delete(c.owns, s.Was)
		delete(c.index, b.identity)
		b.author, b.number = s.Author, s.Number
		c.owns[s.OwnID], c.index[b.identity] = b, b
	}
	b := c.owns[s.OwnID]
	switch {
	case b == nil:
		if s.State != model.StateDropped {
			c.early[s.OwnID] = *s
		}
		return
	case s.State == model.StateDropped:
		c.remove(b)
		return
	}
	if b.state, b.entry = s.State, s.At.Entry; c.claim(b) != nil {
		c.remove(b)
	}
}

// claim returns the text that is ours and was read back before it was told where it stands; nil if there is none.
func (c *conversation) claim(b *block) *block {
	for i := len(c.blocks) - 1; i >= 0; i-- {
		text := c.blocks[i]
		if text.finding == nil && !text.signed && !text.own && c.readBack(b, text) {
			text.own, text.number, text.state, text.entry = true, b.number, b.state, b.entry
			c.owns[text.ownID()] = text
			return text
		}
	}
	return nil
}

// seen notes who has seen a message of our own, and all that we have written before it.
func (c *conversation) seen(s *model.OwnState) {
	name := screen.Line(s.SeenBy)
	for i := len(c.blocks) - 1; i >= 0; i-- {
		b := c.blocks[i]
		if !b.own || b.author != s.Author || b.number > s.Number || b.finding != nil {
			continue
		}
		if slices.Contains(b.seenBy, name) { // and so was what stands above
			return
		}
		b.seenBy = append(b.seenBy, name)
	}
}

// standing is what this device knows of the author of a message.
func (c *conversation) standing(b *block) model.Standing {
	switch p, ok := c.people[b.author]; {
	case b.own:
		return model.Yours
	case !b.signed:
		return model.Unsigned
	case ok:
		return p.StandingOf(b.number)
	}
	return model.NewKey
}

// stranger reports whether a message is by somebody of whom nothing is known yet.
func (c *conversation) stranger(b *block) bool {
	_, ok := c.people[b.author]
	return b.signed && !ok
}

func (c *conversation) toEnd() { c.last, c.hidden, c.follow = len(c.blocks)-1, 0, true }

// search chooses the next message above, or below, that has a text in it, beginning with the chosen one or the last. It
// reports whether there is one.
func (c *conversation) search(text string, below, again bool) bool {
	text = strings.ToLower(text)
	at, step := len(c.blocks)-1, -1
	if below {
		step = 1
	}
	if c.chosen != nil {
		if at = slices.Index(c.blocks, c.chosen); again {
			at += step
		}
	}
	for ; at >= 0 && at < len(c.blocks); at += step {
		b := c.blocks[at]
		if b.folded == "" { // which is worth keeping: each key goes through all of them
			b.folded = strings.ToLower(b.name + "\n" + b.text + b.words)
		}
		if strings.Contains(b.folded, text) {
			c.choose(at)
			return true
		}
	}
	return false
}

// choose marks a block, and puts the window where it shows.
func (c *conversation) choose(at int) {
	c.chosen = c.blocks[at]
	if at > c.last {
		c.last, c.hidden = at, 0
	}
	c.follow = c.last == len(c.blocks)-1 && c.hidden == 0
}

// step chooses the message above or below the chosen one.
func (c *conversation) step(by int) {
	at := c.last
	if c.chosen != nil {
		at = slices.Index(c.blocks, c.chosen) + by
	}
	if at >= len(c.blocks) {
		c.chosen = nil
		c.toEnd()
		return
	}
	if len(c.blocks) > 0 {
		c.choose(max(at, 0))
	}
}
