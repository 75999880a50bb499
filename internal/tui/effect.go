package tui

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// effect is something that is to be done outside of the state.
type effect interface{ effect() }

type (
	quit   struct{}
	redraw struct{}
	// send puts a message into the outbox.
	send struct{ body record.Body }
	// sendFile does so with a file of this name.
	sendFile struct{ name string }
	// saveFile saves the file of a message.
	saveFile struct {
		author record.PublicKey
		number uint32
		dir    string
	}
	// retry posts what waits in the outbox.
	retry struct{}
	// lookUpPeople asks who has written in the room.
	lookUpPeople struct{}
	// showPeople lists them.
	showPeople struct{}
	// verify looks somebody up whose words are to be compared, and markVerified notes that they were.
	verify       struct{ who string }
	markVerified struct{ person model.Person }
	// inviteOthers makes an invitation.
	inviteOthers struct{ write bool }
	// rotate moves the room to a new key.
	rotate    struct{}
	listRooms struct{}
	// countUnread reads what is new in all rooms.
	countUnread struct{}
	openRoom    struct{ name string }
	// joinBy enters a room by a link, and makeRoom makes one.
	joinBy   struct{ link string }
	makeRoom struct{ name string }
	setName  struct{ nick string }
	// loadRows reads the newest rows of the feed, as many as that, without a key.
	loadRows  struct{ newest int }
	markShown struct{ printed model.Printed }
	keepMark  struct{ at messenger.Reached }
	copyText  struct{ text string }
)

func (quit) effect()         {}
func (redraw) effect()       {}
func (send) effect()         {}
func (sendFile) effect()     {}
func (saveFile) effect()     {}
func (retry) effect()        {}
func (lookUpPeople) effect() {}
func (showPeople) effect()   {}
func (verify) effect()       {}
func (markVerified) effect() {}
func (inviteOthers) effect() {}
func (rotate) effect()       {}
func (listRooms) effect()    {}
func (countUnread) effect()  {}
func (openRoom) effect()     {}
func (joinBy) effect()       {}
func (makeRoom) effect()     {}
func (setName) effect()      {}
func (loadRows) effect()     {}
func (markShown) effect()    {}
func (keepMark) effect()     {}
func (copyText) effect()     {}

const (
	// newestRows are read of a feed at first, and allRows when the window has come above them.
	newestRows = 100
	allRows    = 8000
)

// waitText says why posting waits.
func waitText(w exchange.Wait) string {
	switch w.Reason {
	case exchange.ChannelBusy:
		return "too soon after another entry"
	case exchange.ReplyLost:
		return "no clear answer came: looking whether it is there"
	}
	return ""
}

// underWay says what of the outbox is to be posted, and when; or what the message that is typed takes.
func (s *state) underWay() string {
	d := s.posting
	switch {
	case d.left > 0 && d.until.After(s.now):
		text := fmt.Sprintf("%s, next slot in %v", screen.Count(d.left, "entry"), d.until.Sub(s.now).Round(time.Second))
		if d.why != "" {
			text += " (" + d.why + ")"
		}
		return text
	case d.left > 0:
		return "posting " + screen.Count(d.left, "entry")
	case s.asking != nil, s.search:
		return ""
	case s.input.text != "" && s.input.text[0] != '/' && s.room.fields > 0:
		return s.takesText()
	}
	return ""
}

// takesText says how many entries the message that is typed takes.
func (s *state) takesText() string {
	n := len(s.input.text)
	if !s.room.signed {
		return fmt.Sprintf("%d of %d bytes", n, model.MaxText)
	}
	entries := 1
	for record.Capacity(entries*s.room.fields, len(s.room.own)) < n {
		entries++
	}
	return "takes " + screen.Count(entries, "entry")
}

// readingText says how far a reading has come, "" if nobody knows.
func readingText(e messenger.ReadSoFar) string {
	if e.Of == 0 {
		return ""
	}
	return fmt.Sprintf("reading: %d of %d entries", e.Done, e.Of)
}

func lastRune(s string) (rune, int) { return utf8.DecodeLastRuneInString(s) }
