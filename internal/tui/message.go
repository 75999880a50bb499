package tui

import (
	"cmp"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

const (
	// mostRunes and mostLines are how much of a text is shown: a megabyte would hide what stands around it.
	mostRunes = 8000
	mostLines = 200
)

// identity tells a message from others: a record by its author, number and hash, a text that nobody has signed by its
// place, and one of our own that was not read back by its author and number alone.
type identity struct {
	author record.PublicKey
	number uint32
	hash   record.Hash
	spot   record.Spot
}

// block is what stands in a conversation: a message or a finding. It is all that is kept of a message: its file's
// content, for one, is not.
type block struct {
	identity

	at record.Spot // where it stands
	// arrived orders what has no place: those of our own messages that were not read back.
	arrived int
	when    time.Time
	name    string // how its author is called, cleaned
	signed  bool
	own     bool
	// text is what the author says, cleaned and shortened; words are what this program says in its place, and left what
	// of the text is not shown.
	text, words, left string
	folded            string // name, text and words in small letters, once somebody has searched
	warns             bool
	notes             []string
	file              string        // its name, if it carries one
	cells             []record.Spot // where it stands in the feed

	// Of a message of our own: how far it has come.
	state  model.State
	entry  int64
	seenBy []string

	// finding is what was found, nil of a message; id names it if it is one about records. next is what to do about it.
	finding   *item.Finding
	id        record.FindingID
	next      string
	takenBack bool
}

// ownID names a message of our own.
func (b *block) ownID() model.OwnID { return model.OwnID{Author: b.author, Number: b.number} }

// blockOf keeps of a message what is shown.
func blockOf(it *model.Item) *block {
	b := &block{at: it.At, when: it.Posted, notes: item.Notes(it)}
	if b.when.IsZero() {
		b.when = it.Clock()
	}
	if text, ok := it.Text(); ok {
		b.setText(text)
	} else if r, ok := it.Reading(); ok {
		b.words = screen.Line(r.String()) // not what its author says: a sensor has measured it
	}
	if it.Record == nil {
		b.spot, b.cells = it.At, []record.Spot{it.At}
		if b.text == "" && b.words == "" {
			b.words, b.warns = item.OfUnsignedKind(it.Unsigned), true
		}
		if it.Sent != nil { // it is not known to be ours once it is read back
			b.own = true
			b.setProgress(it.Sent)
		}
		return b
	}
	m := it.Record
	b.author, b.number, b.hash, b.own, b.signed = m.Author, m.Number, m.Hash, m.Own, true
	b.name = screen.Line(m.Name)
	b.cells = m.Cells
	if it.Notice != "" {
		b.text, b.words, b.warns = "", screen.Line(it.Notice), true
	} else if b.text == "" && b.words == "" {
		if f, ok := m.Body.(record.File); ok {
			b.file = f.Name
		}
		b.words, b.warns = item.OfBody(m.Body, "")
	}
	if b.own && it.At.Entry > 0 {
		b.state, b.entry = model.StateAccepted, it.At.Entry
	}
	if it.Sent != nil {
		if it.At.Entry == 0 {
			b.setProgress(it.Sent)
		}
		for _, name := range it.SeenBy {
			b.seenBy = append(b.seenBy, screen.Line(name))
		}
	}
	return b
}

func (b *block) setProgress(q *model.Queued) {
	b.state, b.entry = q.Sent, q.Entry
	if b.author.IsZero() && !b.signed {
		b.number = q.Number
	}
}

// setText cleans and shortens what an author says.
func (b *block) setText(text string) {
	text, left := firstRunes(text, mostRunes)
	if left > 0 {
		b.left = screen.Count(left, "more character")
	}
	text = screen.ShortBlanks(screen.Text(text))
	lines := 0
	for i := range len(text) {
		if text[i] != '\n' {
			continue
		}
		if lines++; lines == mostLines {
			b.left = screen.Count(strings.Count(text[i+1:], "\n")+1, "more line")
			text = text[:i]
			break
		}
	}
	if b.text = text; text == "" {
		b.words = "(empty)"
	}
}

// ownBlock is a message that was just written, and of which the archive tells nothing yet.
func ownBlock(q *model.Queued, body record.Body, now time.Time) *block {
	it := model.Item{Sent: q}
	if q.Author.IsZero() {
		text, _ := body.(record.Text)
		it.Unsigned = &model.Message{Kind: model.KindText, Text: string(text)}
	} else {
		it.Record = &record.Message{Name: q.Name, Own: true}
		it.Record.Author, it.Record.Number, it.Record.Body = q.Author, q.Number, body
	}
	b := blockOf(&it)
	b.own, b.when, b.cells = true, now, nil
	return b
}

// findingBlock is a finding about records as it is shown, nil if it says nothing.
func findingBlock(f *record.Finding, takenBack bool, now time.Time) *block {
	found := item.OfFinding(f, takenBack)
	b := foundBlock(&found, now)
	if b != nil {
		b.id, b.at = f.ID(), record.Spot{Place: f.At, Field: behindFields}
	}
	return b
}

// foundBlock is any finding as it is shown, nil if it says nothing.
func foundBlock(f *item.Finding, now time.Time) *block {
	text := screen.Line(f.Text)
	if text == "" {
		return nil
	}
	return &block{
		finding: f, when: now, words: text, warns: !f.Waiting, takenBack: f.TakenBack, next: nextStep(f.Finding),
	}
}

// behindFields is a field that no entry has: a finding stands behind the messages of its entry.
const behindFields = 9

// compare orders blocks as they stand: by place, and what has none last, as it came.
func compare(a, b *block) int {
	switch placed := a.at.Entry > 0; {
	case placed != (b.at.Entry > 0):
		if placed {
			return -1
		}
		return 1
	case !placed:
		return cmp.Compare(a.arrived, b.arrived)
	}
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.arrived, b.arrived))
}

// nextStep says what to do about a finding of a kind.
func nextStep(kind string) string {
	switch kind {
	case record.Missing.String(), record.Hidden.String(), record.Wiped.String(), record.Cleared.String(),
		record.TwoVersions.String(), record.Fork.String():
		return `"fernpost verify" reads the whole history; compare its six words with the others`
	case record.Reordered.String(), record.Refuted.String(), record.Redated.String():
		return `"fernpost verify" tells whether more is out of order`
	case record.Namesake.String():
		return "/verify the one you mean, by the words that they read out to you"
	case record.Renamed.String():
		return "/who lists the names and keys"
	case record.Contradiction.String():
		return `ask them which device is whose: "fernpost identity device"`
	case record.NotOurs.String():
		return `if the room has moved, ask for the new passphrase: "fernpost key add"`
	case record.Forged.String(), record.Malformed.String():
		return "somebody with the key has written it: /rotate shuts out who should not have it"
	case record.Newer.String():
		return "update fernpost to read it"
	case record.Incomplete.String(), "damaged":
		return "ask its author to send it again"
	}
	return nextAtRelay(kind)
}

// nextAtRelay is nextStep for what is no message.
func nextAtRelay(kind string) string {
	switch kind {
	case "not shown":
		return `ask the others whether they are shown it; "fernpost verify" lists all that is not shown`
	case "unread", "claimed", "doubtful", "doubtful number":
		return `"fernpost doctor" looks at the relay, and says what to do`
	case "not encrypted", "disguised":
		return "it is no message of this room: anybody who has the write key can put such a thing there"
	case record.Repeat.String():
		return "nothing is lost: anybody who has the write key can post an entry once more"
	case "letter":
		return `whoever it is for takes it with "fernpost join --from-channel"`
	}
	return ""
}
