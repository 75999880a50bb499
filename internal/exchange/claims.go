package exchange

import (
	"encoding/json"
	"slices"
	"time"
)

// A channel's last entry number is a claim until a row of it, or above it, is held: it is read like news, but a relay
// that names 2^53 once must not be waited for, and what it takes back must not excuse what it hides below.

// confirmedAfter is how long a relay must keep naming a number, or higher ones, before it is told that it does not show
// it.
const confirmedAfter = time.Minute

// maxClaims bounds what is remembered of a relay that names another number every time.
const maxClaims = 64

// Claim is an entry number that the relay has named, or a higher one, ever since, and no lower one in between.
type Claim struct {
	Entry int64
	Since time.Time
}

// Claims are ascending, in both.
type Claims []Claim

// take adds what the relay names now; up to held it has shown what it named.
func (c Claims) take(named, held int64, now time.Time) Claims {
	c = slices.Clone(c)
	if n := len(c); n > 0 && c[n-1].Since.After(now) { // the clock was set back
		c = nil
	}
	since := now
	if i := slices.IndexFunc(c, func(a Claim) bool { return a.Entry >= named }); i >= 0 {
		since, c = c[i].Since, c[:i] // what was named was at least as high since then
	}
	c = append(c, Claim{named, since})
	// Of those that are confirmed only the highest says anything.
	for len(c) > 1 && now.Sub(c[1].Since) >= confirmedAfter {
		c = c[1:]
	}
	if len(c) > maxClaims {
		c = append(c[:maxClaims-1], Claim{named, now})
	}
	return c.above(held)
}

// above returns the claims of which no row is held.
func (c Claims) above(held int64) Claims {
	c = slices.DeleteFunc(c, func(a Claim) bool { return a.Entry <= held })
	if len(c) == 0 {
		return nil
	}
	return c
}

// confirmed returns the highest number that the relay has kept naming for long enough, 0 if there is none.
func (c Claims) confirmed(now time.Time) int64 {
	if len(c) == 0 || now.Sub(c[0].Since) < confirmedAfter {
		return 0
	}
	return c[0].Entry
}

// MarshalJSON implements [json.Marshaler].
func (c Claim) MarshalJSON() ([]byte, error) {
	return json.Marshal([2]int64{c.Entry, c.Since.UnixMilli()})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (c *Claim) UnmarshalJSON(b []byte) error {
	var kept [2]int64
	err := json.Unmarshal(b, &kept)
	*c = Claim{kept[0], time.UnixMilli(kept[1])}
	return err
}
