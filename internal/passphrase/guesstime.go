package passphrase

import (
	"fmt"
	"math"
	"strings"
)

// What one gaming graphics card does in a second, rounded up from hashcat's figures for an RTX 4090, the card that most
// public figures are for:
//   - PBKDF2-HMAC-SHA256 (mode 10900): 8,866,000 guesses with 999 iterations, so 8.9e9 iterations; with SHA-512
//     (mode 12100) 3,121,000, so 3.1e9 (hashcat 6.2.6, published by Chick3nman). The cost is linear in the iterations.
//   - Argon2id, 64 MiB, 3 passes (mode 34000): 1,667 guesses (hashcat pull request 4284). That agrees with the card's
//     memory: 1,008 GB/s over some 9 × 64 MiB that a guess reads and writes. More lanes do not change it.
//
// A guess also has to be tried on a token, one HMAC-SHA256 over a hundred bytes or more; that is what two iterations of
// PBKDF2 cost, and all that a guess costs where nothing is derived.
const (
	sha256Iterations = 9e9
	sha512Iterations = 3.2e9
	argon2Guesses    = 2000.0
	tryCost          = 2
)

// GuessesPerSecond returns roughly how many passphrases one gaming graphics card tries in a second under this profile.
// A rich attacker has hundreds of them. Where the salt is fixed, one guess serves against every room that uses it.
func (p Profile) GuessesPerSecond() float64 {
	switch {
	case p.KDF == KDFArgon2id:
		return argon2Guesses
	case p.KDF == KDFPBKDF2 && p.Hash == SHA512:
		return sha512Iterations / float64(max(p.Iterations, 0)+tryCost)
	default: // the others derive nothing, and have no iterations
		return sha256Iterations / float64(max(p.Iterations, 0)+tryCost)
	}
}

// TimeToGuess says how long one gaming graphics card needs on average, that is for half of all guesses, to find a
// passphrase of that many bits under this profile: "less than a second", "about 3 million years".
func (p Profile) TimeToGuess(bits float64) string {
	return roughly(math.Exp2(bits-1) / p.GuessesPerSecond())
}

// roughly puts seconds into words with one or two digits that count.
func roughly(seconds float64) string {
	const (
		minute = 60
		hour   = 60 * minute
		day    = 24 * hour
		year   = 365.25 * day
		month  = year / 12
	)
	switch years := seconds / year; {
	case !(seconds >= 1): // and whatever is not a number
		return "less than a second"
	case seconds < 2*minute:
		return about(seconds, "second")
	case seconds < 2*hour:
		return about(seconds/minute, "minute")
	case seconds < 2*day:
		return about(seconds/hour, "hour")
	case seconds < 2*month:
		return about(seconds/day, "day")
	case seconds < 2*year:
		return about(seconds/month, "month")
	case years < 1e4:
		return about(years, "year")
	case years < 995e3: // here and below: what would round to a thousand is one of the next
		return about(years/1e3, "thousand year")
	case years < 995e6:
		return about(years/1e6, "million year")
	case years < 995e9:
		return about(years/1e9, "billion year")
	case years < 995e12:
		return about(years/1e12, "trillion year")
	default:
		return "more than a thousand trillion years"
	}
}

func about(n float64, unit string) string {
	if d := digits(n); d > 1 || strings.Contains(unit, " ") {
		return fmt.Sprintf("about %d %ss", d, unit)
	}
	return "about 1 " + unit
}

// digits rounds to whole numbers below 100 and to two digits above.
func digits(n float64) int {
	scale := 1.0
	for n/scale >= 100 {
		scale *= 10
	}
	return int(math.Round(n/scale) * scale)
}
