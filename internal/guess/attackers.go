package guess

import (
	"fmt"
	"math"

	"github.com/fernpost/fernpost/internal/passphrase"
)

// Attacker is somebody who guesses, with what they have.
type Attacker struct {
	Name string
	// Least and Most are guesses a second.
	Least, Most float64
	// Source says where the figures come from, and of when they are.
	Source string
}

// cardSource is where the figures of package passphrase come from.
func cardSource(p passphrase.Profile) string {
	if p.KDF == passphrase.KDFArgon2id {
		return "hashcat mode 34000 (pull request 4284, 2025), RTX 4090"
	}
	return "hashcat 6.2.6 on an RTX 4090 (Chick3nman, October 2022)"
}

// Attackers returns who may guess, and how fast under a profile: the computer it runs on, as it was measured (0 leaves it out), one graphics card,
// a hundred, and a state. Where nobody has published a figure, it is an assumption, and said to be one.
func Attackers(p passphrase.Profile, measured float64) []Attacker {
	card := p.GuessesPerSecond()
	all := []Attacker{
		{"one graphics card", card / 2, card, cardSource(p)},
		{"a hundred, rented", card * 50, card * 100, "a hundred times that"},
		{"a state", card * 1e4, card * 1e7, "assumed: ten thousand to ten million cards; nobody publishes it"},
	}
	if measured > 0 {
		all = append([]Attacker{{"your computer", measured * 0.9, measured * 1.1, "measured just now"}}, all...)
	}
	return all
}

// Takes says in words how long somebody needs for so many passphrases, from half of them at their best to all at their worst.
func (a *Attacker) Takes(p passphrase.Profile, bits float64) string {
	// TimeToGuess is for half of all at the card's rate: what is faster by so much needs as many bits less.
	at := func(rate, share float64) string {
		return p.TimeToGuess(bits + math.Log2(2*share) - math.Log2(rate/p.GuessesPerSecond()))
	}
	best, worst := at(a.Most, 0.5), at(a.Least, 1)
	if best == worst {
		return best
	}
	return fmt.Sprintf("%s to %s", best, worst)
}

// Rate writes guesses a second with two or three digits that count: "36", "1.67 thousand", "9 billion".
func Rate(perSecond float64) string {
	units := []struct {
		size float64
		name string
	}{{1e15, " quadrillion"}, {1e12, " trillion"}, {1e9, " billion"}, {1e6, " million"}, {1e3, " thousand"}}
	for _, u := range units {
		if perSecond >= u.size*0.9995 { // what would round to a thousand of the next
			return fmt.Sprintf("%.3g%s", perSecond/u.size, u.name)
		}
	}
	if perSecond >= 10 {
		return fmt.Sprintf("%.0f", perSecond)
	}
	return fmt.Sprintf("%.2g", perSecond)
}
