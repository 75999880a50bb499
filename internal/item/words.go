package item

import (
	"fmt"
	"strings"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// OfBody says to people what a record is that is neither a text nor a reading, and whether that deserves a warning's colour. fate is
// what became of its file, or how to get at it.
func OfBody(body record.Body, fate string) (words string, warns bool) {
	switch b := body.(type) {
	case record.File:
		return fmt.Sprintf("[file %q, %s%s]", screen.Line(b.Name), screen.Count(len(b.Content), "byte"), fate), true
	case record.KeyMoved:
		return "[goes on with a new key]", false
	case record.Device:
		if b.Withdraws() {
			return "[takes back that " + b.Key.Tag().Name() + " and they are devices of one person]", false
		}
		return "[says that " + b.Key.Tag().Name() + " is a device of theirs]", false
	case record.Letter:
		return "[an invitation for somebody]", false
	case record.Heartbeat:
		return "[is here]", false
	case record.Unreadable:
		return "(unreadable)", true
	default:
		return "(of a kind that needs a newer fernpost)", true
	}
}

// OfUnsignedKind says to people what something unsigned is that is neither a text nor a reading.
func OfUnsignedKind(m *model.Message) string {
	if m.Kind == model.KindRecord {
		return "(part of a signed record)"
	}
	return fmt.Sprintf("(binary, %s)", screen.Count(m.Size, "byte"))
}

// Stamp is how a moment is written beside a message, always in the reader's own zone, whose offset tells apart the two hours of one
// name when clocks are set back.
const Stamp = "2006-01-02 15:04:05 -0700"

// Notes are what a reader should know of a message besides what it says, each cleaned for a screen. How far one of our own has
// come is not among them: see [Progress].
func Notes(it *model.Item) (notes []string) {
	var clock model.Message
	whose := "sealed %s by the sender's clock"
	if m := it.Record; m != nil {
		notes, whose = placeNotes(m), "written %s by the author's clock"
		clock.Posted, clock.Sealed = it.Posted, m.Time()
	} else {
		clock = *it.Unsigned
	}
	if !it.Posted.IsZero() && clock.ClockSkew() != 0 {
		notes = append(notes, fmt.Sprintf(whose, clock.Sealed.Local().Format(Stamp)))
	}
	if it.Before != 0 {
		notes = append(notes, fmt.Sprintf("came late, it stands before entry %d", it.Before))
	}
	switch {
	case it.Lost:
		notes = append(notes, "by a device that was withdrawn as lost")
	case it.Left != nil:
		notes = append(notes, OfLeft(it.Left))
	}
	if it.OldKey {
		notes = append(notes, "old key")
	}
	if it.Record != nil && it.Record.Forked {
		notes = append(notes, "one of two with this number")
	}
	return notes
}

// OfLeft says to people who has taken back that a key is a device of theirs, cleaned for a screen.
func OfLeft(l *model.Left) string {
	if l.Own {
		return "you have taken back that this is a device of yours"
	}
	has := " has"
	if len(l.Names) > 1 {
		has = " have"
	}
	return someOf(l.Names) + has + " taken back that this is a device of theirs"
}

// placeNotes are those about where a record stands among others.
func placeNotes(m *record.Message) (notes []string) {
	if m.Behind > 0 {
		notes = append(notes, "stands behind "+screen.Line(record.Numbers(m.Name, m.Behind, m.Behind)))
	}
	if n := m.Refers; n != nil {
		named := screen.Line(record.Numbers(n.Name, n.Number, n.Number))
		if n.Below {
			notes = append(notes, "names "+named+", which stands below")
		} else {
			notes = append(notes, "after "+named)
		}
	}
	return notes
}

// Progress says how far a message of our own has come, or who has seen it; "" of others, and of one that was read back and that nobody
// has seen.
func Progress(it *model.Item) string {
	switch {
	case it.Sent == nil:
	case it.Sent.Sent == model.StateAccepted && it.At.Entry == 0:
		return fmt.Sprintf("accepted as entry %d, and not read back", it.Sent.Entry)
	case it.Sent.Sent != model.StateAccepted:
		return it.Sent.Sent.String()
	case len(it.SeenBy) > 0:
		return "seen by " + SeenBy(it.SeenBy)
	}
	return ""
}

// mostNamed is how many people are named beside a message: anybody can make keys that say something of it.
const mostNamed = 3

// SeenBy names those who have seen a message, cleaned for a screen.
func SeenBy(names []string) string { return someOf(names) }

// someOf names the first of some people, cleaned for a screen.
func someOf(names []string) string {
	shown := screen.Line(strings.Join(names[:min(len(names), mostNamed)], ", "))
	if more := len(names) - mostNamed; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	return shown
}
