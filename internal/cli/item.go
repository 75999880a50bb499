package cli

import (
	"fmt"
	"strings"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// policy says what becomes of text that nobody has signed, in a room whose members sign.
type policy string

// The policies for unsigned text.
const (
	policyStrict   policy = "strict"   // hide and count it
	policyBalanced policy = "balanced" // show it with a label
	policyOpen     policy = "open"     // show it like any other
)

// policies are their names, as --unsigned takes them.
var policies = []string{string(policyBalanced), string(policyOpen), string(policyStrict)}

func parsePolicy(s string) (policy, error) {
	switch p := policy(s); p {
	case policyStrict, policyBalanced, policyOpen:
		return p, nil
	}
	return "", usagef("--unsigned: want strict, balanced or open")
}

// shows reports whether an item is for people: heartbeats are not, and unsigned text is as the policy says.
func (p policy) shows(it *model.Item) bool {
	if it.Unsigned != nil {
		return p != policyStrict
	}
	_, heartbeat := it.Record.Body.(record.Heartbeat)
	return !heartbeat || it.Notice != ""
}

// appendItem writes a message of a conversation for people: when, which entry, who, what is to be noted of it, what.
// fate says what became of its file, if that was to be saved.
func (a *app) appendItem(b []byte, it *model.Item, p policy, fate string) []byte {
	l := a.startLines(b)
	b = a.style.start(b, styleDim)
	if it.Posted.IsZero() {
		b = append(b, strings.Repeat(" ", len(stampLayout))...)
	} else {
		b = it.Posted.Local().AppendFormat(b, stampLayout)
	}
	b = a.style.end(b)
	b = append(b, "  "...)
	b = a.style.start(b, styleName)
	at := len(b)
	if it.At.Entry > 0 {
		b = append(b, record.Entries(it.At.Entry, it.At.Entry)...)
	}
	for len(b) < at+entryWidth {
		b = append(b, ' ')
	}
	b = a.style.end(b)
	l.b = append(b, "  "...)
	switch {
	case it.Unsigned != nil:
		a.unsigned(l, it, p)
	case it.Notice != "":
		l.b, l.next = append(l.b, a.style.warn(screen.Line(it.Notice))...), l.indent+"  "
	default:
		a.signed(l, it, fate)
	}
	return l.end()
}

// unsigned writes what nobody has signed.
func (a *app) unsigned(l *lines, it *model.Item, p policy) {
	m := it.Unsigned
	if p != policyOpen {
		l.b = append(l.b, a.style.warn("[unsigned] ")...)
	}
	switch m.Kind {
	case model.KindText:
		l.text(screen.Text(m.Text))
	case model.KindReading:
		l.text(screen.Line(m.Reading.String()))
	case model.KindRecord:
		l.own(a.style.warn("(part of a signed record)"))
	default:
		l.own(a.style.warn(fmt.Sprintf("(binary, %s)", count(m.Size, "byte"))))
	}
	if !it.Posted.IsZero() && m.ClockSkew() != 0 {
		l.own(a.style.warn("(sealed " + m.Sealed.Local().Format(stampLayout) + " by the sender's clock)"))
	}
	if late := cameLate(it); late != "" {
		l.own(a.style.dim("(" + late + ")"))
	}
	if it.Sent != nil {
		l.own(a.style.dim("(" + progressOf(it) + ")"))
	}
}

// progressOf says how far a message of our own has come that was not read back.
func progressOf(it *model.Item) string {
	if it.Sent.Sent == model.StateAccepted {
		return fmt.Sprintf("accepted as entry %d, and not read back", it.Sent.Entry)
	}
	return it.Sent.Sent.String()
}

// signed writes a record: of a text or a reading, a colon divides what this program says from what its author does.
func (a *app) signed(l *lines, it *model.Item, fate string) {
	m := it.Record
	head := a.style.bold(screen.Line(record.Numbers(m.Name, m.Number, m.Number)))
	if notes := itemNotes(it); len(notes) > 0 {
		head += a.style.dim(" (" + strings.Join(notes, "; ") + ")")
	}
	l.b = append(l.b, head...)
	switch body := m.Body.(type) {
	case record.Text:
		l.b = append(l.b, ": "...)
		l.text(screen.Text(string(body)))
		return
	case record.Reading:
		l.b = append(l.b, ": "...)
		l.text(screen.Line(body.String()))
		return
	}
	l.b = append(l.b, ' ')
	l.theirs()
	l.b = append(l.b, a.bodyWords(m.Body, fate)...)
}

// bodyWords says what a record is that is neither a text nor a reading.
func (a *app) bodyWords(body record.Body, fate string) string {
	switch b := body.(type) {
	case record.File:
		how := ": \"fernpost recv --save DIR\" writes it"
		if fate != "" {
			how = ", " + screen.Line(fate)
		}
		return a.style.warn(fmt.Sprintf("[file %q, %s%s]", screen.Line(b.Name), count(len(b.Content), "byte"), how))
	case record.KeyMoved:
		return a.style.dim("[goes on with a new key]")
	case record.Device:
		says := "is a device of theirs"
		if b.Withdraws() {
			says = "is no device of theirs, nor the other way round"
		}
		return a.style.dim("[says that " + b.Key.Tag().Name() + " " + says + "]")
	case record.Letter:
		return a.style.dim("[an invitation for somebody]")
	case record.Heartbeat:
		return a.style.dim("[is here]")
	case record.Unreadable:
		return a.style.warn("(unreadable)")
	default:
		return a.style.warn("(of a kind that needs a newer fernpost)")
	}
}

// cameLate notes that later entries were shown before.
func cameLate(it *model.Item) string {
	if it.Before == 0 {
		return ""
	}
	return fmt.Sprintf("came late, it stands before entry %d", it.Before)
}

// itemNotes are what a reader should know of a record besides what it says.
func itemNotes(it *model.Item) []string {
	m := it.Record
	var notes []string
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
	if clock := (model.Message{Posted: it.Posted, Sealed: m.Time()}); !it.Posted.IsZero() && clock.ClockSkew() != 0 {
		notes = append(notes, "written "+m.Time().Local().Format(stampLayout)+" by the author's clock")
	}
	if late := cameLate(it); late != "" {
		notes = append(notes, late)
	}
	if it.Lost {
		notes = append(notes, "by a device that was withdrawn as lost")
	}
	if it.OldKey {
		notes = append(notes, "old key")
	}
	if m.Forked {
		notes = append(notes, "one of two with this number")
	}
	if m.Own && it.Sent != nil {
		switch {
		case it.Sent.Sent != model.StateAccepted, it.At.Entry == 0:
			notes = append(notes, progressOf(it))
		case len(it.SeenBy) > 0:
			notes = append(notes, "seen by "+seenBy(it.SeenBy))
		}
	}
	return notes
}

// mostSeenBy is how many of those who have seen a message are named beside it: anybody can make keys that say so.
const mostSeenBy = 3

func seenBy(names []string) string {
	shown := screen.Line(strings.Join(names[:min(len(names), mostSeenBy)], ", "))
	if more := len(names) - mostSeenBy; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	return shown
}

// jsonOf is a message for programs, and where its file was saved.
func jsonOf(it *model.Item, saved string, numbers bool) messageJSON {
	return messageJSON{item.Of(it, numbers), known(saved)}
}

// jsonOfFinding is a finding about records.
func jsonOfFinding(f *record.Finding, takenBack bool) findingJSON {
	return findingJSON(item.OfFinding(f, takenBack))
}

// stateOf is how far a message of our own has come.
func stateOf(s *model.OwnState) stateJSON { return stateJSON(item.OfState(s)) }
