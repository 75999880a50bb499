package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
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

func parsePolicy(s string) (policy, error) {
	switch p := policy(s); p {
	case policyStrict, policyBalanced, policyOpen:
		return p, nil
	}
	return "", usagef("--unsigned: want strict, balanced or open")
}

// shows reports whether an item is for people: heartbeats are not, and unsigned text is as the policy says.
func (p policy) shows(it *room.Item) bool {
	if it.Unsigned != nil {
		return p != policyStrict
	}
	_, heartbeat := it.Record.Body.(record.Heartbeat)
	return !heartbeat || it.Notice != ""
}

// appendItem writes a message of a conversation for people: when, which entry, who, what.
// saved is the name under which its file was saved.
func (a *app) appendItem(b []byte, it *room.Item, p policy, saved string) []byte {
	b = a.style.start(b, styleDim)
	if it.Posted.IsZero() {
		b = append(b, "                   "...)
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
	b = append(b, "  "...)
	text, note := a.itemText(it, p, saved)
	b = append(b, strings.ReplaceAll(text, "\n", indent)...)
	if note != "" {
		b = append(append(b, "  "...), a.style.dim("("+note+")")...)
	}
	return append(b, '\n')
}

// itemText returns what an item says, cleaned, and what is to be noted beside it.
func (a *app) itemText(it *room.Item, p policy, saved string) (text, note string) {
	if m := it.Unsigned; m != nil {
		label := a.style.warn("[unsigned] ")
		if p == policyOpen {
			label = ""
		}
		if m.Kind == room.Text {
			return label + screen.Text(m.Text), ""
		}
		return label + a.style.warn(fmt.Sprintf("(binary, %s)", count(m.Size, "byte"))), ""
	}
	m := it.Record
	name := a.style.bold(screen.Line(record.Numbers(m.Name, m.Number, m.Number))) + ": "
	if it.Notice != "" {
		return a.style.warn(screen.Line(it.Notice)), ""
	}
	return name + a.bodyText(m.Body, saved), strings.Join(itemNotes(it), "; ")
}

func (a *app) bodyText(body record.Body, saved string) string {
	switch b := body.(type) {
	case record.Text:
		return screen.Text(string(b))
	case record.File:
		how := ": \"fernpost recv --save DIR\" writes it"
		if saved != "" {
			how = ", saved as " + saved
		}
		return a.style.warn(fmt.Sprintf("[file %q, %s%s]", screen.Line(b.Name), count(len(b.Content), "byte"), how))
	case record.KeyMoved:
		return a.style.dim("[goes on with a new key]")
	case record.Device:
		return a.style.dim("[says that key " + b.Key.Tag().String() + " is another device of the same person]")
	case record.Heartbeat:
		return a.style.dim("[is here]")
	case record.Unreadable:
		return a.style.warn("(unreadable)")
	default:
		return a.style.warn("(of a kind that needs a newer fernpost)")
	}
}

// itemNotes are what a reader should know of a record besides what it says.
func itemNotes(it *room.Item) []string {
	m := it.Record
	var notes []string
	if m.Was != "" {
		notes = append(notes, "called "+screen.Line(m.Was)+" before")
	}
	if m.Late {
		notes = append(notes, "late")
	}
	if clock := (room.Message{Posted: it.Posted, Sealed: m.Time()}); !it.Posted.IsZero() && clock.ClockSkew() != 0 {
		notes = append(notes, "written "+m.Time().Local().Format(stampLayout)+" by the author's clock")
	}
	if m.Forked {
		notes = append(notes, "one of two with this number")
	}
	if m.Own && it.Sent != nil {
		switch {
		case it.Sent.Sent != kept.Accepted:
			notes = append(notes, it.Sent.Sent.String())
		case it.At.Entry == 0:
			notes = append(notes, fmt.Sprintf("accepted as entry %d, and not read back", it.Sent.Entry))
		case len(it.SeenBy) > 0:
			notes = append(notes, "seen by "+screen.Line(strings.Join(it.SeenBy, ", ")))
		}
	}
	return notes
}

// itemJSON is a message of a conversation as --json prints it.
type itemJSON struct {
	Entry    int64             `json:"entry,omitempty"`
	Posted   *time.Time        `json:"posted,omitempty"`
	Sealed   *time.Time        `json:"sealed,omitempty"`
	Kind     string            `json:"kind"`
	Signed   bool              `json:"signed"`
	Author   string            `json:"author,omitempty"`
	Key      *record.PublicKey `json:"key,omitempty"`
	Number   uint32            `json:"number,omitempty"`
	Clock    *time.Time        `json:"clock,omitempty"`
	Text     *string           `json:"text,omitempty"`
	FileName string            `json:"file,omitempty"`
	Saved    string            `json:"saved_as,omitempty"`
	Size     int               `json:"size,omitempty"`
	Own      bool              `json:"own,omitempty"`
	Late     bool              `json:"late,omitempty"`
	Forked   bool              `json:"forked,omitempty"`
	State    string            `json:"state,omitempty"`
	SeenBy   []string          `json:"seen_by,omitempty"`
	Notice   string            `json:"notice,omitempty"`
}

func jsonOf(it *room.Item) itemJSON {
	j := itemJSON{Entry: it.At.Entry, Notice: it.Notice}
	if !it.Posted.IsZero() {
		j.Posted = &it.Posted
	}
	if !it.Sealed.IsZero() {
		j.Sealed = &it.Sealed
	}
	if m := it.Unsigned; m != nil {
		j.Kind, j.Size = string(m.Kind), m.Size
		if m.Kind == room.Text {
			j.Text = &m.Text
		}
		return j
	}
	m := it.Record
	clock := m.Time()
	j.Signed, j.Kind, j.Author, j.Key, j.Number, j.Clock = true, m.Kind().String(), m.Name, &m.Author, m.Number, &clock
	j.Own, j.Late, j.Forked, j.SeenBy = m.Own, m.Late, m.Forked, it.SeenBy
	if it.Sent != nil {
		j.State = it.Sent.Sent.String()
	}
	switch b := m.Body.(type) {
	case record.Text:
		text := string(b)
		j.Text, j.Size = &text, len(text)
	case record.File:
		j.FileName, j.Size = b.Name, len(b.Content)
	}
	return j
}

// findingJSON is a finding about records as --json prints it.
type findingJSON struct {
	Finding   string            `json:"finding"`
	Text      string            `json:"text"`
	Author    string            `json:"author,omitempty"`
	Key       *record.PublicKey `json:"key,omitempty"`
	First     uint32            `json:"number,omitempty"`
	Last      uint32            `json:"last_number,omitempty"`
	Entry     int64             `json:"entry,omitempty"`
	TakenBack bool              `json:"taken_back,omitempty"`
	Waiting   bool              `json:"waiting,omitempty"`
}

// printFinding prints a finding about records: talk for people, an object among the data for programs.
func (a *app) printFinding(f *record.Finding, takenBack, asJSON bool) error {
	if asJSON {
		j := findingJSON{
			Finding: f.Kind.String(), Text: f.Text(), Author: f.Name, First: f.First, Last: f.Last, Entry: f.At.Entry,
			TakenBack: takenBack, Waiting: f.Waiting,
		}
		if !f.Author.IsZero() {
			j.Key = &f.Author
		}
		return a.printJSON(j)
	}
	text := screen.Line(f.Text())
	switch {
	case text == "":
	case takenBack:
		a.say("%s", a.style.good("no longer true: "+text))
	case f.Waiting:
		a.say("%s", a.style.dim(text))
	default:
		a.say("%s", a.style.bad(text))
	}
	return nil
}
