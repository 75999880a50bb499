package room

import (
	"errors"
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// ErrNobody means that no record of the key was read.
var ErrNobody = errors.New("nobody here has this key")

// Person is an author of a conversation.
type Person struct {
	kept.Author
	// Name is how the author is called: the nickname, with the tag behind it unless it is pinned to the key.
	Name string
	// Own means that it is our own key.
	Own bool
}

// People returns all authors of whom something was read.
func (c *Conversation) People() ([]Person, error) {
	authors, err := c.store.Authors()
	if err != nil {
		return nil, fmt.Errorf("listing the authors: %w", err)
	}
	people := make([]Person, len(authors))
	for i := range authors {
		name, err := nameOf(c.store, &authors[i].Author)
		if err != nil {
			return nil, fmt.Errorf("listing the authors: %w", err)
		}
		people[i] = Person{authors[i], name, authors[i].Key == c.own}
	}
	return people, nil
}

// Verified notes that the user has compared a key with its owner, aloud. The error is [ErrNobody].
func (c *Conversation) Verified(key record.PublicKey, now time.Time) error {
	return c.change("noting that a key was compared", key, func() error { return c.store.SetVerified(key, now) })
}

// Forget lets go of the nicknames that are pinned to a key: the next key to use one is the one that is known by it.
// What the key has written stays, and is shown with its tag. The error is [ErrNobody].
func (c *Conversation) Forget(key record.PublicKey, now time.Time) error {
	return c.change("forgetting a key", key, func() error { return c.store.Forget(key, now) })
}

func (c *Conversation) change(doing string, key record.PublicKey, work func() error) error {
	err := c.transact(func() error {
		if _, ok, err := c.store.Author(key); err != nil {
			return err
		} else if !ok {
			return ErrNobody
		}
		return work()
	})
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// nameOf returns how an author is called, as [record.Message] has it.
func nameOf(store knowledgeStore, a *record.Author) (string, error) {
	person, err := personOf(store, a)
	if err != nil {
		return "", err
	}
	nick := a.Nick
	if person.Nick != "" {
		nick = person.Nick
	}
	if nick == "" {
		return a.Key.Tag().String(), nil
	}
	pinned, ok, err := store.Pinned(record.Fold(nick))
	if err != nil {
		return "", err
	}
	if ok {
		holder, _, err := store.Author(pinned)
		if err != nil {
			return "", err
		}
		holder.Key = pinned
		if holder, err = personOf(store, &holder); err != nil {
			return "", err
		}
		if holder.Key == person.Key {
			return nick, nil
		}
	}
	return nick + " (" + a.Key.Tag().String() + ")", nil
}

// personOf returns the author under whose name another is shown.
func personOf(store knowledgeStore, a *record.Author) (record.Author, error) {
	person := *a
	for !person.Person.IsZero() {
		key := person.Person
		var err error
		if person, _, err = store.Author(key); err != nil {
			return person, err
		}
		person.Key = key
	}
	return person, nil
}
