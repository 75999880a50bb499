package relaytest

import (
	"bufio"
	"io"
	"strings"
)

// Event is a server-sent event as it came. Without data a browser hands nothing on, and remembers the id all the same.
type Event struct{ ID, Name, Data string }

// Events reads server-sent events.
type Events struct {
	lines *bufio.Reader
	// Comments is how many lines of no event came.
	Comments int
}

// NewEvents returns a reader of a stream.
func NewEvents(r io.Reader) *Events { return &Events{lines: bufio.NewReader(r)} }

// Next returns the next event. One that is cut short is none (HTML standard, section 9.2.6).
func (r *Events) Next() (e Event, err error) {
	some := false
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			return Event{}, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "" && some:
			return e, nil
		case line == "":
			continue
		case name == "":
			r.Comments++
			continue
		case name == "id":
			e.ID = value
		case name == "event":
			e.Name = value
		case name == "data":
			e.Data += value
		}
		some = true
	}
}
