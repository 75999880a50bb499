package messenger

import (
	"context"
	"errors"
	"fmt"

	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
)

// Acceptance is how an invitation, or a room of a file, is taken, and who is asked.
type Acceptance struct {
	// What it is called in what is said, such as "the invitation", and Insist how the user says that its key is the
	// newest.
	What, Insist string
	// Unchecked is that: the key is taken also if it opens nothing of what is there.
	Unchecked bool
	// Say is told what there is to know before anything is changed.
	Say func([]Line)
	// Agree is asked whether the room that this device has is to be changed; its error ends it.
	Agree func(*Joining) error
	// Unlock finds the key of a room whose invitation has none, by [Engine.Unlock]; its error ends it.
	Unlock func(*Joining) error
	// Face is told and asked while the room is read, see [Engine.Order].
	Face Face
}

// Accept joins a room, or mends the one that this device has, in the order in which nobody is asked for nothing: see
// [Engine.Order] and [Engine.Join], whose errors it returns; an [ErrNoKey] is of the key that was given. changed is
// false where this device knows all of it already.
func (e *Engine) Accept(ctx context.Context, j *Joining, o Acceptance) (changed bool, tried KeyTrial, err error) {
	if j.Beside != "" {
		o.Say([]Line{warned("this device has a room on that channel already: it is called %s here, and %s is another "+
			"one beside it; without a name of its own for this one, %s mends %s",
			j.Beside, j.Room.Name, o.What, j.Beside)})
	}
	if err := e.Order(ctx, j, o.Unchecked, o.Face); err != nil {
		return false, tried, err
	}
	if o.Say(j.before(o.What, o.Insist)); j.Has {
		if len(j.Mends) == 0 {
			return false, tried, nil
		}
		if err := o.Agree(j); err != nil {
			return false, tried, err
		}
	}
	if len(j.Room.Keys) == 0 {
		if err := o.Unlock(j); err != nil {
			return false, tried, err
		}
	}
	tried, err = e.Join(ctx, *j, o.Unchecked)
	if _, wrong := errors.AsType[*WrongKeyError](err); wrong {
		err = fmt.Errorf("the key of %s opens nothing of what is there: %w", o.What, ErrNoKey)
	}
	return err == nil, tried, err
}

// before is what there is to know before an invitation is taken.
func (j *Joining) before(what, insist string) (lines []Line) {
	if j.Has {
		lines = append(lines, said("this device has that room already: it is called %s here", j.Room.Name))
	}
	if j.Has && j.Older {
		lines = append(lines, said("%s is older than what this device has: room %s has moved to a newer key since",
			what, j.Room.Name))
	}
	for _, key := range j.NotCompared {
		lines = append(lines, warned("%s names %s as somebody whose words were compared: you have taken that back "+
			"here, and it stays so",
			what, key.Tag().Name()))
	}
	if !j.Has {
		return lines
	}
	if j.Unordered {
		lines = append(lines, warned("%s has another key than the one that this device seals with, and nothing in "+
			"the room says that it has moved to it: it is kept to read with, and what you write is sealed as before. "+
			"If whoever gave it to you says that the room has moved, %s makes it the newest", what, insist))
	}
	if len(j.Mends) == 0 {
		return append(lines, said("%s knows nothing better, so nothing was changed", what))
	}
	for _, m := range j.Mends {
		lines = append(lines, j.mends(m, what)...)
	}
	return lines
}

// mends says what an invitation has otherwise.
func (j *Joining) mends(m Mend, what string) []Line {
	switch m {
	case MendKey:
		return []Line{said("%s has a key that this device lacks: it becomes the newest, and what you write is sealed "+
			"with it", what)}
	case MendOlderKeys:
		if !j.Unordered { // that was said
			return []Line{said("%s has older keys of the room that this device lacks", what)}
		}
	case MendWriteKey:
		return []Line{said("%s has a write key of the channel that this device does not have", what)}
	case MendReadKey:
		return []Line{said("%s has a read key of the channel that this device does not have", what)}
	case MendPeople:
		return j.SayIntroduced(what)
	case MendRelay:
		lines := []Line{said("%s names another address of the relay: %s", what, j.Room.Relay)}
		if j.LeavesBroker {
			lines = append(lines, said(`entries come by MQTT no more then, as the broker belongs to the address `+
				`before: see "fernpost rooms set --help"`))
		}
		return lines
	}
	return nil
}

// SayIntroduced says whose keys count as compared from then on.
func (j *Joining) SayIntroduced(what string) []Line {
	switch n := len(j.Introduced); n {
	case 0:
		return nil
	case 1:
		return []Line{said("%s names somebody with the words %s: their key counts as compared from then on",
			what, passphrase.SixWords(j.Introduced[0].Safety()))}
	default:
		return []Line{said("%s names %d people whose words were compared: their keys count as compared from then on",
			what, n)}
	}
}

// Inviter is whose key counts as compared since the room was joined by an invitation, the zero key if nobody's does.
func (j *Joining) Inviter() (key record.PublicKey) {
	if len(j.Introduced) > 0 {
		key = j.Introduced[0]
	}
	return key
}

// SayJoined says what there is to know once a room was joined by an invitation, which was signed if it was a letter.
func (j *Joining) SayJoined(tried KeyTrial, letter bool) (lines []Line) {
	switch tried {
	case NothingThere:
		lines = append(lines, said("no message is there yet, so the key could not be checked: compare the check "+
			"words with the inviter's"))
	case OpensNone:
		lines = append(lines, warned("the key opens nothing of what is there: compare the check words with the "+
			"inviter's before you write"))
	case KeyOpens:
	}
	if key := j.Inviter(); !key.IsZero() {
		why := "since the invitation came by a way of yours and not through the channel"
		if letter {
			why = "since they have signed the letter and you know their words"
		}
		lines = append(lines, said("invited by somebody with the words: %s", passphrase.SixWords(key.Safety())),
			said("their key counts as compared, %s", why))
	}
	if j.Room.WriteKey == "" {
		lines = append(lines, said("without a write key this room can only be read"))
	}
	return lines
}
