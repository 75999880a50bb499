// Package cheat makes a relay that misbehaves on request, for lessons and tests: it drops, repeats, reorders, alters,
// forks, back-dates and wipes. It stands between the rules of a relay and its store, has no key and looks for none, so
// that it can do what any relay can, and no more.
//
// It lies while it reads. What was posted is kept as it came, and shows again once the relay is started without lies.
//
// It is predictable, so that a lesson can be planned. In each channel, of every ten posts the
//
//	2nd          alter     is shown as it is until the next one comes, and from then on with a letter of each field changed
//	3rd          drop      is answered, and never shown
//	4th          backdate  is dated a day earlier
//	5th          repeat    is followed by the first of the ten once more, as an entry of its own
//	6th and 7th  reorder   are shown in each other's place: the 6th is held back until the 7th is there
//	8th and 9th  fork      are shown to one half of the readers each, under the same number
//	10th         wipe      is the last one: with the next post all before it are gone, and the numbers begin anew
//
// Numbers close up over what is not shown, in answers to updates, too: no hole gives a lie away.
package cheat

import (
	"fmt"
	"strings"
)

// Lies is a set of them. As a flag it takes their names with commas between.
type Lies uint8

// The lies.
const (
	Drop Lies = 1 << iota
	Repeat
	Reorder
	Alter
	Fork
	Backdate
	Wipe
)

// lies are all lies in the order in which they are listed.
var lies = [...]struct {
	lie        Lies
	name, does string
}{
	{Drop, "drop", "the 3rd of every ten posts is answered and never shown"},
	{Repeat, "repeat", "the 5th of every ten posts is followed by a copy of the 1st"},
	{Reorder, "reorder", "the 6th and 7th of every ten posts change places"},
	{Alter, "alter", "the 2nd of every ten posts is altered once the next one is there"},
	{Fork, "fork", "the 8th and 9th of every ten posts are shown to one half of the readers each"},
	{Backdate, "backdate", "the 4th of every ten posts is dated a day earlier"},
	{Wipe, "wipe", "after every ten posts the channel looks emptied"},
}

// All is every lie there is.
const All = Drop | Repeat | Reorder | Alter | Fork | Backdate | Wipe

// Has reports whether a lie is in the set.
func (l Lies) Has(lie Lies) bool { return l&lie != 0 }

// String lists the names, with commas between.
func (l Lies) String() string {
	var names []string
	for _, x := range lies {
		if l.Has(x.lie) {
			names = append(names, x.name)
		}
	}
	return strings.Join(names, ",")
}

// Confess says what the relay will do, a line for each lie.
func (l Lies) Confess() []string {
	var all []string
	for _, x := range lies {
		if l.Has(x.lie) {
			all = append(all, x.name+": "+x.does)
		}
	}
	return all
}

// Notice says that a relay cheats; it is empty for one that does not.
func (l Lies) Notice() string {
	if l == 0 {
		return ""
	}
	return "this relay CHEATS on purpose (" + strings.ReplaceAll(l.String(), ",", ", ") +
		"): it is for lessons, believe nothing it shows"
}

// Set adds the lies that a list names. It fails without effect if a word is none, and says which ones there are.
func (l *Lies) Set(list string) error {
	added := *l
words:
	for word := range strings.SplitSeq(list, ",") {
		word = strings.TrimSpace(word)
		for _, x := range lies {
			if word == x.name {
				added |= x.lie
				continue words
			}
		}
		return fmt.Errorf("%q is no lie: want one or more of %s", word, All)
	}
	*l = added
	return nil
}

// Type names the kind of value for the help of a command.
func (l *Lies) Type() string { return "lies" }
