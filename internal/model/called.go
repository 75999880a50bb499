package model

import (
	"fmt"
	"slices"
)

// WhoError says that nobody is meant by what was typed for somebody, or that several are.
type WhoError struct {
	Who    string
	Called int
	// Otherwise are those who call themselves so, or are shown so with their tag behind it, if nobody is meant.
	Otherwise []Person
}

func (e *WhoError) Error() string {
	switch {
	case e.Called > 0:
		return fmt.Sprintf("%d authors of this room are called %s", e.Called, e.Who)
	case len(e.Otherwise) == 1:
		return fmt.Sprintf("nobody in this room is shown as %s: who may be meant is shown as %s", e.Who, e.Otherwise[0].Name)
	case len(e.Otherwise) > 1:
		return fmt.Sprintf("nobody in this room is shown as %s: %d may be meant", e.Who, len(e.Otherwise))
	}
	return "nobody in this room is called " + e.Who
}

// Called returns who of a room is meant by what a user types: the name under which somebody is shown there, the same with the tag,
// the tag, or the key. A nickname that a key gives itself names nobody, unless it is shown just so: anybody can choose any. The error
// is a [*WhoError].
func Called(people []Person, who string) (Person, error) {
	var meant, otherwise []Person
	for _, p := range people {
		tag := p.Key.Tag()
		switch {
		case slices.Contains([]string{p.Name, p.Tagged(), tag.Name(), tag.String(), p.Key.String()}, who):
			meant = append(meant, p)
		case p.Nick == who, p.Name == who+" ("+tag.Name()+")":
			otherwise = append(otherwise, p)
		}
	}
	if len(meant) == 1 {
		return meant[0], nil
	}
	if len(meant) > 1 {
		otherwise = nil
	}
	return Person{}, &WhoError{who, len(meant), otherwise}
}
