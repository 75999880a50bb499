package room

import (
	"errors"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Kind is what a message turned out to be once it was opened.
type Kind string

// The kinds of messages.
const (
	// Text is UTF-8.
	Text Kind = "text"
	// Record is a part of a signed record, which a [Conversation] reads.
	Record Kind = "record"
	// Binary is anything else.
	Binary Kind = "binary"
)

// Message is a token that a key of the room has opened. The text is a peer's: clean it before it is shown.
type Message struct {
	// Entry and Field tell where it stands.
	Entry int64
	Field int
	// Posted is the time that the relay states. Sealed is the sender's clock when the token was made: authentic, but
	// only as right as that clock.
	Posted, Sealed time.Time
	Kind           Kind
	// Text is the message itself when Kind is Text.
	Text string
	// Size is the length of the plaintext in bytes.
	Size int
	// Key tells which key of the ring opened it; 0 is the newest.
	Key int
}

// maxClockSkew is how far the two clocks of a message may lie apart before it is worth a word.
const maxClockSkew = 5 * time.Minute

// ClockSkew returns Sealed − Posted where the two are so far apart that a reader should know, otherwise 0. It means a
// clock that is wrong, a message that waited long, or an old token that somebody posted again.
func (m *Message) ClockSkew() time.Duration {
	if d := m.Sealed.Sub(m.Posted); d > maxClockSkew || d < -maxClockSkew {
		return d
	}
	return 0
}

// Findings counts what was read and is no message. The zero value has found nothing.
type Findings struct {
	// Entries is the number of rows looked at.
	Entries int
	// NotOurs are entries with a token that no key opens: sealed with another key, or altered. FirstNotOurs and
	// LastNotOurs are the lowest and highest of their numbers.
	NotOurs                   int
	FirstNotOurs, LastNotOurs int64
	// Damaged are entries with something that begins like a token and is none: cut short, or altered on the way.
	Damaged                   int
	FirstDamaged, LastDamaged int64
	// Disguised are entries with something that seems to hold a token in another form, and Disguise is how that of the
	// first is called: see [token.Disguise].
	Disguised                     int
	FirstDisguised, LastDisguised int64
	Disguise                      string
	// Plain are entries with content and no sign of a token in any field.
	Plain                 int
	FirstPlain, LastPlain int64
	// Overfull are entries of which the relay has shown so many rows that some tokens were left out.
	Overfull                    int
	FirstOverfull, LastOverfull int64
	// Repeats are tokens that came before: posted again by somebody, or stored twice.
	Repeats int
	// Expired and Future are messages that the reader's own age limit hides.
	Expired, Future int
}

// AgeLimit hides messages by the clock inside their token. The zero value hides nothing: a clock that is off is no
// reason to hide a message, unless the user asks for it.
type AgeLimit struct {
	// TTL is how old a token may be; 0 is no limit.
	TTL time.Duration
	Now time.Time
}

// Hides reports whether a message of that clock is hidden: as too old, or as sealed in the future.
func (l AgeLimit) Hides(sealed time.Time) (expired, future bool) {
	if l.TTL <= 0 {
		return false, false
	}
	err := fernet.CheckAge(sealed, l.TTL, l.Now)
	return errors.Is(err, fernet.ErrExpired), errors.Is(err, fernet.ErrFromTheFuture)
}

// Open opens rows, also of a number that is there several times: what their tokens say, by entry and field and each once,
// and what was found besides.
func (r *Room) Open(rows []thingspeak.Entry) (messages []Message, f Findings) {
	o := opener{ring: r.ring}
	pages := pagesOf(rows, 0)
	for i := range pages {
		pages[i].compare(kept.Entry{})
	}
	o.openAll(pages)
	f.Entries = len(rows)
	seen := map[[16]byte]bool{}
	for i := range pages {
		p := &pages[i]
		f.noToken(p)
		if p.unopened {
			count(&f.NotOurs, &f.FirstNotOurs, &f.LastNotOurs, p.at.Entry)
		}
		for j := range p.opened {
			t := &p.opened[j]
			if seen[t.mac] {
				f.Repeats++
				continue
			}
			seen[t.mac] = true
			m := *o.text(p.at, p.posted, t).Unsigned
			if t.isCell() {
				m.Kind, m.Text = Record, ""
			}
			messages = append(messages, m)
		}
	}
	return messages, f
}

// noToken counts an entry for what stands in it that is no token.
func (f *Findings) noToken(p *page) {
	if p.disguise != "" {
		f.disguised(p.at.Entry, p.disguise)
	}
	if p.damaged {
		count(&f.Damaged, &f.FirstDamaged, &f.LastDamaged, p.at.Entry)
	}
	if p.isPlain() {
		count(&f.Plain, &f.FirstPlain, &f.LastPlain, p.at.Entry)
	}
}

// disguised counts an entry with a token in another form.
func (f *Findings) disguised(entry int64, how string) {
	if f.Disguised == 0 || entry < f.FirstDisguised {
		f.Disguise = how
	}
	count(&f.Disguised, &f.FirstDisguised, &f.LastDisguised, entry)
}

// count adds one entry to a count and its range.
func count(n *int, first, last *int64, entry int64) {
	if *n == 0 || entry < *first {
		*first = entry
	}
	if *n == 0 || entry > *last {
		*last = entry
	}
	*n++
}

func (f *Findings) add(g Findings) {
	merge(&f.NotOurs, &f.FirstNotOurs, &f.LastNotOurs, g.NotOurs, g.FirstNotOurs, g.LastNotOurs)
	if g.Disguised > 0 && (f.Disguised == 0 || g.FirstDisguised < f.FirstDisguised) {
		f.Disguise = g.Disguise
	}
	merge(&f.Disguised, &f.FirstDisguised, &f.LastDisguised, g.Disguised, g.FirstDisguised, g.LastDisguised)
	merge(&f.Plain, &f.FirstPlain, &f.LastPlain, g.Plain, g.FirstPlain, g.LastPlain)
	merge(&f.Damaged, &f.FirstDamaged, &f.LastDamaged, g.Damaged, g.FirstDamaged, g.LastDamaged)
	merge(&f.Overfull, &f.FirstOverfull, &f.LastOverfull, g.Overfull, g.FirstOverfull, g.LastOverfull)
	f.Entries += g.Entries
	f.Repeats += g.Repeats
	f.Expired += g.Expired
	f.Future += g.Future
}

func merge(n *int, first, last *int64, m int, mFirst, mLast int64) {
	if m == 0 {
		return
	}
	if *n == 0 || mFirst < *first {
		*first = mFirst
	}
	if *n == 0 || mLast > *last {
		*last = mLast
	}
	*n += m
}
