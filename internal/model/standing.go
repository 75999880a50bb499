package model

// Standing is what this device knows of whoever has written a message, in a word for people.
type Standing string

// The standings.
const (
	// Unsigned: nobody has signed it.
	Unsigned Standing = "unsigned"
	// Yours: it was signed on this device.
	Yours Standing = "you"
	// Verified: the user has compared the words of its author's key.
	Verified Standing = "verified"
	// Lost: its author's key is that of a device that was lost or stolen, as the user has said.
	Lost Standing = "lost"
	// NewKey: it is the first message that this device holds of a key whose words nobody has compared.
	NewKey Standing = "new key"
	// Known: its author's key was there before, and nobody has compared its words.
	Known Standing = "known"
)

// StandingOf is that of a person's message of a number.
func (p *Person) StandingOf(number uint32) Standing {
	switch {
	case p.Own:
		return Yours
	case p.Lost:
		return Lost
	case p.Compared:
		return Verified
	case number <= p.Base || p.Base == 0:
		return NewKey
	}
	return Known
}
