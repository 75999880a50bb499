package game

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Row is an entry of the feed, as everybody sees it.
type Row struct {
	Entry  int64     `json:"entry" means:"its number"`
	Posted time.Time `json:"posted" means:"when the relay took it, by its clock"`
	Sealed time.Time `json:"sealed" means:"when its token was made, by the clock in it"`
	Token  string    `json:"token" means:"the first of its tokens"`
}

// Line is a message, as somebody with the passphrase reads it.
type Line struct {
	Entry   int64     `json:"entry" means:"in which entry it stands"`
	Posted  time.Time `json:"posted" means:"when the relay took that, by its clock"`
	Author  string    `json:"author" means:"the name that its author uses"`
	Key     string    `json:"key" means:"tag of the key that has signed it"`
	Number  uint32    `json:"number" means:"the key's number of it"`
	Written time.Time `json:"written" means:"when it was written, by its author's clock"`
	Text    string    `json:"text" means:"what it says"`
}

// Screen is what one pair is shown.
type Screen struct {
	// Lines are the messages in the order in which their entries came.
	Lines []Line `json:"lines" means:"the messages, in the order of the feed"`
	// Then are the entries as each was when it was first seen, and Now as they are.
	Then []Row `json:"then" means:"the feed, each entry as it was when it was first seen"`
	Now  []Row `json:"now" means:"the feed as it is now"`
}

// Evidence is what a pair may look at before it answers: its own screen, and the other pair's.
type Evidence struct {
	Mine  Screen `json:"mine" means:"what this pair is shown:"`
	Other Screen `json:"other" means:"what the other one is shown:"`
}

// farOff is by how much two clocks of a message may differ in a round.
const farOff = time.Hour

// Suspect says what the evidence shows to whoever looks at all of it, and what of it: None if all is as it should be. It looks at
// nothing but the evidence.
func (e *Evidence) Suspect() (Lie, string) {
	for _, look := range []func(*Evidence) (Lie, string){
		wiped, altered, impersonated, twoNumbers, twoScreens, repeated, reordered, backdated, skipped,
	} {
		if lie, what := look(e); lie != None {
			return lie, what
		}
	}
	return None, "nothing differs"
}

func wiped(e *Evidence) (Lie, string) {
	last := func(rows []Row) (n int64) {
		for i := range rows {
			n = max(n, rows[i].Entry)
		}
		return n
	}
	if then, now := last(e.Mine.Then), last(e.Mine.Now); now < then {
		return Wipe, fmt.Sprintf("there were %d entries, now there are %d", then, now)
	}
	return None, ""
}

func altered(e *Evidence) (Lie, string) {
	for i := range e.Mine.Now {
		now := &e.Mine.Now[i]
		then := slices.IndexFunc(e.Mine.Then, func(r Row) bool { return r.Entry == now.Entry })
		if then >= 0 && e.Mine.Then[then].Token != now.Token {
			return Alter, fmt.Sprintf("entry %d has another token now", now.Entry)
		}
	}
	return None, ""
}

func impersonated(e *Evidence) (Lie, string) {
	keys := map[string]string{}
	for i := range e.Mine.Lines {
		l := &e.Mine.Lines[i]
		if key, ok := keys[l.Author]; ok && key != l.Key {
			return Impersonate, fmt.Sprintf("two keys write as %s: %s and %s", l.Author, key, l.Key)
		}
		keys[l.Author] = l.Key
	}
	return None, ""
}

// numbered is a message by its key and number.
type numbered struct {
	key    string
	number uint32
}

func (s *Screen) byNumber() map[numbered]string {
	all := map[numbered]string{}
	for i := range s.Lines {
		all[numbered{s.Lines[i].Key, s.Lines[i].Number}] = s.Lines[i].Text
	}
	return all
}

func twoNumbers(e *Evidence) (Lie, string) {
	seen := map[numbered]bool{}
	for i := range e.Mine.Lines {
		l := &e.Mine.Lines[i]
		at := numbered{l.Key, l.Number}
		if seen[at] {
			return Fork, fmt.Sprintf("there are two different %s %d", l.Author, l.Number)
		}
		seen[at] = true
	}
	return None, ""
}

func twoScreens(e *Evidence) (Lie, string) {
	mine, other := e.Mine.byNumber(), e.Other.byNumber()
	if maps.Equal(mine, other) {
		return None, ""
	}
	for _, s := range []*Screen{&e.Mine, &e.Other} {
		for i := range s.Lines {
			l := &s.Lines[i]
			at := numbered{l.Key, l.Number}
			if mine[at] != other[at] {
				return Fork, fmt.Sprintf("%s %d stands on one screen only", l.Author, l.Number)
			}
		}
	}
	return None, ""
}

func repeated(e *Evidence) (Lie, string) {
	seen := map[string]int64{}
	for i := range e.Mine.Now {
		r := &e.Mine.Now[i]
		if first, ok := seen[r.Token]; ok {
			return Repeat, fmt.Sprintf("entries %d and %d have the same token", first, r.Entry)
		}
		seen[r.Token] = r.Entry
	}
	return None, ""
}

func reordered(e *Evidence) (Lie, string) {
	last := map[string]uint32{}
	for i := range e.Mine.Lines {
		l := &e.Mine.Lines[i]
		if l.Number < last[l.Key] {
			return Reorder, fmt.Sprintf("%s %d stands behind %s %d", l.Author, l.Number, l.Author, last[l.Key])
		}
		last[l.Key] = l.Number
	}
	return None, ""
}

func backdated(e *Evidence) (Lie, string) {
	for i := range e.Mine.Lines {
		l := &e.Mine.Lines[i]
		if off := l.Posted.Sub(l.Written).Abs(); off > farOff {
			return Backdate, fmt.Sprintf("%s %d was written and posted %v apart", l.Author, l.Number, off.Round(time.Hour))
		}
	}
	return None, ""
}

func skipped(e *Evidence) (Lie, string) {
	last := map[string]uint32{}
	for i := range e.Mine.Lines {
		l := &e.Mine.Lines[i]
		if l.Number != last[l.Key]+1 {
			return Drop, fmt.Sprintf("%s %d is followed by %s %d", l.Author, last[l.Key], l.Author, l.Number)
		}
		last[l.Key] = l.Number
	}
	return None, ""
}
