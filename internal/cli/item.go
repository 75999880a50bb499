package cli

import (
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
	return it.ForPeople()
}

// appendItem writes a message of a conversation for people: when, which entry, who, what is to be noted of it, what.
// fate says what became of its file, if that was to be saved.
func (a *app) appendItem(b []byte, it *model.Item, p policy, fate string) []byte {
	l := a.startLines(b)
	b = a.style.start(b, styleDim)
	if it.Posted.IsZero() {
		b = append(b, strings.Repeat(" ", len(item.Stamp))...)
	} else {
		b = it.Posted.Local().AppendFormat(b, item.Stamp)
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
	default:
		l.own(a.style.warn(item.OfUnsignedKind(m)))
	}
	for _, note := range item.Notes(it) {
		l.own(a.style.warn("(" + note + ")"))
	}
	if progress := item.Progress(it); progress != "" {
		l.own(a.style.dim("(" + progress + ")"))
	}
}

// signed writes a record: of a text or a reading, a colon divides what this program says from what its author does.
func (a *app) signed(l *lines, it *model.Item, fate string) {
	m := it.Record
	head := a.style.bold(screen.Line(record.Numbers(m.Name, m.Number, m.Number)))
	notes := item.Notes(it)
	if progress := item.Progress(it); progress != "" {
		notes = append(notes, progress)
	}
	if len(notes) > 0 {
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
	how := ": \"fernpost recv --save DIR\" writes it"
	if fate != "" {
		how = ", " + screen.Line(fate)
	}
	words, warns := item.OfBody(m.Body, how)
	if warns {
		words = a.style.warn(words)
	} else {
		words = a.style.dim(words)
	}
	l.b = append(l.b, words...)
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
