package tui

import (
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// whoPanel lists the people of a room, and who signs here, also before they have written.
func whoPanel(people []model.Person, own record.PublicKey, name string) *panel {
	p := &panel{title: "Who has written here"}
	if !own.IsZero() && !slices.ContainsFunc(people, func(p model.Person) bool { return p.Own }) {
		people = append(people, model.Person{Author: record.Author{Key: own}, Name: name, Own: true})
	}
	for i := range people {
		who := &people[i]
		what := "not compared: /verify " + screen.Line(who.Name)
		switch {
		case who.Own:
			what = "you: these are the words that the others compare"
		case who.Lost:
			what = "withdrawn as a lost device"
		case who.Compared:
			what = "verified"
		}
		if who.Left != nil && !who.Lost {
			what += "; " + item.OfLeft(who.Left)
		}
		p.lines = append(p.lines, screen.Line(who.Tagged())+": "+passphrase.SixWords(who.Key.Safety()), "    "+what)
	}
	if len(people) == 0 {
		p.lines = []string{"Nobody has written in this room yet, as far as this device has read."}
	}
	return p
}

// verify shows the words of somebody's key, and asks whether they are the same as those that its owner reads out.
func (s *session) verify(who string) error {
	var p model.Person
	own, _ := s.side.Own()
	if err := s.with(func(r *messenger.Room) (err error) {
		p, err = r.Person(who)
		return err
	}); err != nil {
		return err
	}
	name := screen.Line(p.Name)
	if p.Own {
		s.tell(noted{plain, "that is you: the others compare these words: " + passphrase.SixWords(p.Key.Safety())})
		return nil
	}
	page := &panel{title: "Comparing words with " + name, lines: []string{
		"Ask " + name + " to read out the six words of their key, by a way that nobody can imitate: in the same " +
			"room, or by a call. (They see them with /who, or \"fernpost identity show\".) They have to be:",
		"", "    " + passphrase.SixWords(p.Key.Safety()), "",
		"Read out yours to them as well:", "", "    " + passphrase.SixWords(own.Safety()), "",
	}}
	if p.Lost {
		page.lines = append(page.lines, "This key was withdrawn as a lost device: who has found it reads out the "+
			"same words.")
	}
	s.tell(shows{page})
	s.tell(asks{&question{
		text: "Does " + name + " read out the same six words? y/n",
		yes: func(s *state) []effect {
			s.panel = nil
			return []effect{markVerified{p}}
		},
	}})
	return nil
}

func (s *session) markVerified(p model.Person) error {
	err := s.with(func(r *messenger.Room) error { return r.Verified(p.Key, time.Now()) })
	if err != nil {
		return err
	}
	s.tell(noted{good, screen.Line(p.Tagged()) + " is verified; if those were not the words that were read out, " +
		fmt.Sprintf("%q takes that back", "fernpost identity forget")})
	return s.tellPeople(func(people []model.Person) any { return known{people} })
}
