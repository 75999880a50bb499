package game

import (
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// The bots, and whoever writes under another one's name is an [insider].
const (
	ana = iota
	bo
	writers
)

// names are the bots' nicknames.
var names = [writers]string{"ana", "bo"}

// posts is how many messages a round has: a relay that wipes does so with the eleventh.
const posts = 12

// The places, counted from 1, that decide whether a lie can be seen; see package cheat.
const (
	dropped, swapped, forked = 3, 6, 8
)

// Plan is what happens in a round.
type Plan struct {
	Lie Lie
	// Insider tells that somebody lies who has the passphrase, where a relay could lie like that, too.
	Insider bool
	// Authors are who writes each message, and Texts what.
	Authors [posts]int
	Texts   [posts]string
	// At is the message, counted from 0, at which an insider lies.
	At int
}

// NewSeed is a seed that nobody guesses.
func NewSeed() uint64 {
	var b [8]byte
	crand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}

// NewPlan is the plan of a round, counted from 1, of the game with a seed.
func NewPlan(seed uint64, round int) Plan {
	r := chance(seed, round)
	lie := Lie(r.IntN(len(lies)))
	return plan(r, lie)
}

// chance is what a round is made up from, or with 0 what belongs to the whole game. From what one round shows nobody computes the seed,
// which would tell all others.
func chance(seed uint64, round int) *rand.Rand {
	of := binary.BigEndian.AppendUint64([]byte("fernpost/v1 game\x00"), seed)
	return rand.New(rand.NewChaCha8(sha256.Sum256(binary.BigEndian.AppendUint64(of, uint64(round)))))
}

// plan makes up a round with a lie.
func plan(r *rand.Rand, lie Lie) Plan {
	p := Plan{Lie: lie, Insider: lie == Impersonate, At: 4 + r.IntN(5)}
	if lie == Fork || lie == Backdate {
		p.Insider = r.IntN(2) == 0
	}
	for i := range p.Authors {
		p.Authors[i] = r.IntN(writers)
	}
	// Each has a first number before the message that may be dropped, and a last one behind all lies, or nothing would be missed.
	p.Authors[dropped-2] = 1 - p.Authors[dropped-3]
	p.Authors[posts-1] = 1 - p.Authors[posts-2]
	// Two authors' messages may stand in any order.
	p.Authors[swapped] = p.Authors[swapped-1]
	talk := talks[r.IntN(len(talks))]
	for i, at := range r.Perm(len(talk))[:posts] {
		p.Texts[i] = talk[at]
	}
	return p
}
