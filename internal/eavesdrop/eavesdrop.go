// Package eavesdrop tells what a feed gives away to somebody who has no key. It reads what everybody can read and knows
// the anatomy of a token, nothing else: it links no code that could open one.
package eavesdrop

import (
	"slices"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

// Kind is what a field holds, as far as one sees from outside.
type Kind string

// The kinds of content.
const (
	// Token is a well-formed Fernet token.
	Token Kind = "token"
	// Letter is a token of which everybody has the key: part of an invitation to somebody's public key, or said to be.
	Letter Kind = "letter"
	// Damaged begins like a token and is none: cut short or altered on the way.
	Damaged Kind = "damaged"
	// Other is anything else: a sensor's value, plain text.
	Other Kind = "other"
)

// Sighting is what one field of one entry shows.
type Sighting struct {
	Entry int64
	// Posted is the time that the relay states for the entry, Sealed the clock inside the token: of the device that
	// made it. The two differ by what the clocks differ and by the time a message waited.
	Posted, Sealed time.Time
	// Field is the field's number, 1 to 8.
	Field int
	// Length is the length of the text in bytes.
	Length int
	Kind   Kind
	// MinPlaintext and MaxPlaintext are the bounds of the message's length in bytes; Fernet's padding hides no more.
	MinPlaintext, MaxPlaintext int
	// Carried is what stands around the token.
	Carried token.Carried
	// Damage says what is wrong with a damaged token, and of other content in which form it seems to hold one.
	Damage string
	// Text is the whole value, as it came: a stranger's text.
	Text string
}

// looksLikeAToken begins what is said of a token in another form.
const looksLikeAToken = "looks like a token "

// Look returns what the fields of an entry show, in the order of their numbers. Empty fields show nothing.
func Look(e *thingspeak.Entry) []Sighting {
	var seen []Sighting
	for i, v := range e.Fields {
		if v.Text == "" {
			continue
		}
		s := Sighting{
			Entry: e.ID, Posted: e.CreatedAt, Field: i + 1, Length: len(v.Text), Kind: Other, Text: v.Text,
		}
		bare, carried := token.Unwrap(v.Text)
		switch t, err := token.Parse(bare); {
		case err == nil:
			if s.Kind, s.Carried = Token, carried; t.IsLetter() {
				s.Kind = Letter
			}
			s.Sealed = t.SealedAt()
			s.MinPlaintext, s.MaxPlaintext = t.MinPlaintext(), t.MaxPlaintext()
		default:
			if how := token.Disguise(v.Text); how != "" {
				s.Damage = looksLikeAToken + how
			} else if token.Resembles(v.Text) {
				s.Kind, s.Damage = Damaged, err.Error()
			}
		}
		seen = append(seen, s)
	}
	return seen
}

// Bare returns the token that stands in a text without what carriers add, and when it was sealed; the zero time if it is none.
func Bare(text string) (bare string, sealed time.Time) {
	bare, _ = token.Unwrap(strings.TrimSpace(text))
	if t, err := token.Parse(bare); err == nil {
		sealed = t.SealedAt()
	}
	return bare, sealed
}

// Summary is what all sightings together show. The zero Summary has seen nothing.
type Summary struct {
	// Entries counts rows; Tokens, Letters, Damaged and Others count fields.
	Entries, Tokens, Letters, Damaged, Others int
	// Disguised counts those of the others that seem to hold a token in another form, and Disguise is what they look
	// like.
	Disguised int
	Disguise  string
	// Backdated counts rows that are dated well before a token in them was sealed.
	Backdated int
	// First and Last are the earliest and the latest time inside a token.
	First, Last time.Time
	// Shortest and Longest bound the messages' lengths in bytes.
	Shortest, Longest int
	// Hours counts tokens by the hour of the day in which they were sealed (UTC).
	Hours [24]int
}

// backdated is how much later than its row a token must have been sealed to be worth a word: clocks differ by less.
const backdated = 5 * time.Second

// Add counts what one entry shows.
func (s *Summary) Add(seen []Sighting) {
	s.Entries++
	early := func(x Sighting) bool {
		early := x.Sealed.Sub(x.Posted)
		cut := x.Posted.Second() == 0 && early < time.Minute // a spreadsheet may have dropped the seconds
		return (x.Kind == Token || x.Kind == Letter) && !x.Posted.IsZero() && early >= backdated && !cut
	}
	if slices.ContainsFunc(seen, early) {
		s.Backdated++
	}
	for _, x := range seen {
		switch x.Kind {
		case Damaged:
			s.Damaged++
			continue
		case Letter:
			s.Letters++
			continue
		case Other:
			s.Others++
			if x.Damage != "" {
				s.Disguised++
				if s.Disguise != "" && s.Disguise != x.Damage {
					x.Damage = looksLikeAToken + token.AnotherForm
				}
				s.Disguise = x.Damage
			}
			continue
		}
		if s.Tokens == 0 || x.Sealed.Before(s.First) {
			s.First = x.Sealed
		}
		if s.Tokens == 0 || x.Sealed.After(s.Last) {
			s.Last = x.Sealed
		}
		if s.Tokens == 0 || x.MinPlaintext < s.Shortest {
			s.Shortest = x.MinPlaintext
		}
		s.Longest = max(s.Longest, x.MaxPlaintext)
		s.Hours[x.Sealed.Hour()]++
		s.Tokens++
	}
}

// BusiestHour returns the hour of the day (UTC, 0 to 23) in which more than half of the tokens were sealed. It is known of
// at least ten tokens and a whole day: fewer tell when somebody wrote, and nothing of habits.
func (s *Summary) BusiestHour() (hour int, known bool) {
	for h, n := range s.Hours {
		if n > s.Hours[hour] {
			hour = h
		}
	}
	return hour, s.Tokens >= 10 && s.Last.Sub(s.First) >= 24*time.Hour && 2*s.Hours[hour] > s.Tokens
}
