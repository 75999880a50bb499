package remote

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Position is what a follower of a channel keeps between calls of [Client.Since], and between runs: it can be stored as
// JSON and holds no secret. The zero Position is the beginning of the channel; see also [Client.Start].
type Position struct {
	// Last is the highest entry number that was visited or given up; below 0, the follower starts at the channel's end.
	Last int64 `json:"last"`
	// Row is the digest of that entry, and At its date: every read is compared with them. Without Row nothing is.
	Row RowDigest `json:"row,omitzero"`
	At  time.Time `json:"at,omitzero"`
	// Waiting are the numbers that the relay has given but not shown.
	Waiting []Range `json:"waiting,omitempty"`
	// Low is when the relay, by the clock here, first showed less than was visited: a last number below Last, or
	// another entry of that number, or none. If that lasts for a minute, it is believed.
	Low time.Time `json:"low,omitzero"`
}

// Range is entry numbers that are lacking, both ends included.
type Range struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
	// Asked is when they were first asked for by themselves, by the clock here; zero if that is still to be done.
	Asked time.Time `json:"asked,omitzero"`
	// Next is when they are asked for again.
	Next time.Time `json:"next,omitzero"`
}

// RowDigest tells whether an entry is still the one that was visited.
type RowDigest struct {
	// Fields are those that were visible: a field that is switched on later is no change.
	Fields thingspeak.FieldSet `json:"fields"`
	// Sum is a hash of their values.
	Sum string `json:"sum"`
}

// digestOf returns the digest of an entry over the given fields.
func digestOf(e *thingspeak.Entry, fields thingspeak.FieldSet) RowDigest {
	h := sha256.New()
	var length [2]byte
	for n := range fields.All() {
		text := e.Fields[n-1].Text // absent and empty read the same
		binary.BigEndian.PutUint16(length[:], uint16(len(text)))
		h.Write(length[:])
		h.Write([]byte(text))
	}
	return RowDigest{Fields: fields, Sum: hex.EncodeToString(h.Sum(nil)[:16])}
}

// holds reports whether an entry is the one that the position was made of.
func (p *Position) holds(e *thingspeak.Entry) bool {
	return e.ID == p.Last && e.CreatedAt.Equal(p.At) && digestOf(e, p.Row.Fields) == p.Row
}

// compares reports whether there is anything to compare.
func (p *Position) compares() bool { return p.Last > 0 && p.Row.Sum != "" }

// mark remembers the entry with the highest number.
type mark struct{ entry thingspeak.Entry }

func (m *mark) take(e *thingspeak.Entry) {
	if e.ID >= m.entry.ID {
		m.entry = *e
	}
}

// put makes the marked entry the one that reads are compared with, if there is one.
func (m *mark) put(p *Position, header thingspeak.Header) {
	if m.entry.ID > 0 {
		p.Row, p.At = digestOf(&m.entry, header.Fields), m.entry.CreatedAt
	}
}

const (
	// askAgain is the shortest time between two questions for the same entry.
	askAgain = 30 * time.Second
	// lostAfter is how long an entry is asked for before it counts as lost.
	lostAfter = 5 * time.Minute
	// maxWaiting bounds a position, however a relay scatters its numbers.
	maxWaiting = 1024
)

// awaited returns the list of the numbers that are missing. What was asked for just now, and what of it was asked for
// before by the old list, is marked. Beyond maxWaiting ranges the lowest are let go.
func awaited(missing ranges, old []Range, asked ranges, now time.Time) []Range {
	var list []Range
	add := func(part ranges, first time.Time, next time.Time) {
		for _, s := range part {
			list = append(list, Range{First: s.first, Last: s.last, Asked: first, Next: next})
		}
		missing = missing.minus(part)
	}
	for _, o := range old {
		if o.Asked.IsZero() {
			continue
		}
		part := missing.intersect(numbers(o.First, o.Last))
		// The longer it lasts, the rarer we ask.
		add(part.intersect(asked), o.Asked, now.Add(max(askAgain, now.Sub(o.Asked))))
		add(part.minus(asked), o.Asked, o.Next)
	}
	add(missing.intersect(asked), now, now.Add(askAgain))
	add(missing, time.Time{}, time.Time{})
	slices.SortFunc(list, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	return list[max(len(list)-maxWaiting, 0):]
}
