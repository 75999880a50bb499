// Package game is a game about integrity and authenticity: in each round two bots talk in a room, and a relay, or somebody who has
// the passphrase, tells one lie, or none. Pairs are shown what a careful reader could look at, numbers, clocks, the feed then and now
// and the other pair's screen, and say which lie it was. What the engine has found out is kept from them until they have answered.
//
// A game follows from its seed: who writes what, where the lie is told, and by whom.
package game

import (
	"fmt"
	"strings"
)

// Lie is what is wrong in a round.
type Lie int

// The lies, and that there is none.
const (
	None Lie = iota
	Drop
	Repeat
	Reorder
	Alter
	Fork
	Backdate
	Wipe
	Impersonate
)

// lies are all of them in the order in which they are offered.
var lies = [...]struct{ name, does, how string }{
	None: {"none", "nothing is wrong", "the numbers of each key go on by one, no token stands twice, the feed is as it was, and the other " +
		"screen shows the same"},
	Drop:        {"drop", "a message is never shown to anybody", "look at the numbers behind a name: one is skipped, on both screens"},
	Repeat:      {"repeat", "a message is shown once more, as a new entry", "look at the tokens of the feed: the same one stands in two entries"},
	Reorder:     {"reorder", "two messages change places", "look at the numbers behind a name: a higher one stands above a lower one"},
	Alter:       {"alter", "a message is changed after it was shown", "compare the feed then and now: one entry has another token"},
	Fork:        {"fork", "not everybody is told the same", "compare with the other screen, or look for one number twice behind one name and key"},
	Backdate:    {"backdate", "a message is given an older date", "compare the clocks: posted is the relay's, written and sealed are the author's"},
	Wipe:        {"wipe", "what was there is gone", "compare the feed then and now: the entries begin anew"},
	Impersonate: {"impersonate", "somebody writes under another one's name", "look at the keys: one name has two of them"},
}

// Lies are all of them, in the order in which they are offered.
func Lies() []Lie {
	all := make([]Lie, len(lies))
	for i := range all {
		all[i] = Lie(i)
	}
	return all
}

// String is a lie's name.
func (l Lie) String() string {
	if l < 0 || int(l) >= len(lies) {
		return "unknown"
	}
	return lies[l].name
}

// Does says what is wrong, in words.
func (l Lie) Does() string { return lies[l].does }

// How says where one could have seen it.
func (l Lie) How() string { return lies[l].how }

// MarshalText is the lie's name.
func (l Lie) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText is [ParseLie].
func (l *Lie) UnmarshalText(text []byte) (err error) {
	*l, err = ParseLie(string(text))
	return err
}

// ParseLie reads a lie's name. The error lists the names.
func ParseLie(text string) (Lie, error) {
	var names []string
	for _, l := range Lies() {
		if l.String() == text {
			return l, nil
		}
		names = append(names, l.String())
	}
	return None, fmt.Errorf("%.40q is no lie: want one of %s", text, strings.Join(names, ", "))
}
