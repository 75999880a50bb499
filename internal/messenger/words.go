package messenger

import (
	"fmt"

	"golang.org/x/text/unicode/norm"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// Line is a sentence for people. Names in it may be strangers' words: whoever shows it cleans it.
type Line struct {
	Text string
	// Warns tells that something is not as it should be.
	Warns bool
}

func said(format string, args ...any) Line   { return Line{Text: fmt.Sprintf(format, args...)} }
func warned(format string, args ...any) Line { return Line{fmt.Sprintf(format, args...), true} }

// ChannelCleared says that a channel begins anew.
func ChannelCleared() Line { return warned("%s", (&record.Finding{Kind: record.Cleared}).Text()) }

// Says is what an event means, for people; nothing of one that each face shows in its own way.
func Says(e Event) []Line {
	switch e := e.(type) {
	case Renamed:
		return []Line{said("room %s is called %s now", e.Before, e.Now)}
	case ArchiveLost:
		if e.Now.IsZero() {
			return []Line{warned("the archive of room %s is lost: if you have a copy of it, put it back before you write; "+
				"what you write next is signed with a new identity", e.Room)}
		}
		return []Line{warned("the archive of room %s is lost: you write with a new identity from now on (key %s); "+
			"tell the others",
			e.Room, e.Now.Tag().Name())}
	case ArchiveBack:
		return []Line{said("the archive of room %s is back: you write with the identity again that has signed there "+
			"(key %s)",
			e.Room, e.Now.Tag().Name())}
	case IdentityChanged:
		return e.says()
	case Moved:
		return e.says()
	case ArchiveFull:
		return []Line{warned("%s", e.Error())}
	case AlreadyQueued:
		return []Line{said("this file is in the outbox already, as %s", e.What())}
	case NoCheckLeft:
		return []Line{e.says()}
	case OneByOne:
		return []Line{said("the relay takes one entry at a time: %s", e.Rest.Text())}
	case Delivered:
		return e.says()
	}
	return nil
}

func (e IdentityChanged) says() []Line {
	lines := []Line{warned("the identity that wrote in room %s until now (key %s) is not here any more: you write "+
		"with a new identity from now on (key %s); tell the others", e.Room, e.Before.Tag().Name(), e.Now.Tag().Name())}
	if e.Nameless {
		lines = append(lines, said(`it has no nickname: "fernpost identity name NICKNAME" sets one`))
	}
	if n := e.Anew; n > 0 {
		lines = append(lines, said("%s of the outbox %s signed anew with it",
			screen.Count(n, "message"), verb(n, "was", "were")))
	}
	if n := e.Completed; n > 0 {
		lines = append(lines, said("%s of the outbox may have been posted already, at least in part, and %s "+
			"completed as it was signed before",
			screen.Count(n, "message"), verb(n, "is", "are")))
	}
	for _, r := range e.Renumbered {
		lines = append(lines, said("%s became %s, behind them",
			record.Numbers(e.Name, r.Before, r.Before), record.Numbers(e.Name, r.Now, r.Now)))
	}
	if n := e.LeftOut; n > 0 {
		lines = append(lines, said("%s about devices %s taken out of the outbox: only the identity before could make "+
			"that",
			screen.Count(n, "claim"), verb(n, "was", "were")))
	}
	return lines
}

func verb(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

func (e Moved) says() []Line {
	more := ""
	if n := len(e.By) - 1; n > 0 {
		more = fmt.Sprintf(" (and so say %d more)", n)
	}
	return []Line{
		warned("%s%s: what you write is sealed with the old one", e.By[0].Says(e.Room), more),
		said(`if that is true, ask for the new passphrase and run "fernpost key add --room %s"; "fernpost send `+
			`--old-key" ends this warning`,
			e.Room),
	}
}

// says has no error where a room has moved: then the command that moves it can be run once more.
func (e NoCheckLeft) says() Line {
	if e.Err != nil {
		return said("no check is left for those who join, so they have to compare the check words: %v", e.Err)
	}
	return said(`no check is left for it beside the channel: who joins with it may be refused until somebody has ` +
		`written under it; "fernpost key rotate" with this passphrase again tries to leave it`)
}

func (e Delivered) says() (lines []Line) {
	for _, r := range e.Renumbered {
		lines = append(lines, warned("%s became %s: this identity has written somewhere else, from a copied home "+
			"directory, or before a backup was restored or the room removed",
			record.Numbers(e.Name, r.Before, r.Before), record.Numbers(e.Name, r.Now, r.Now)))
	}
	return lines
}

// SayNickname says that this device's messages carry a nickname from now on, and who has it, or one that looks like it,
// already.
func (e *Engine) SayNickname(nick string) ([]Line, error) {
	nick = norm.NFC.String(nick)
	lines := []Line{said("your messages carry the name %s from now on", nick)}
	taken, err := e.nameTaken(nick, record.PublicKey{})
	for _, t := range taken {
		what := "that name"
		if t.by.Nick != nick {
			what = "a name that looks like it (" + t.by.Nick + ")"
		}
		lines = append(lines, warned("%s has %s in room %s: the others there are warned of you as of another one, "+
			"and see your tag behind it",
			t.by.Key.Tag().Name(), what, t.room))
	}
	return lines, err
}
