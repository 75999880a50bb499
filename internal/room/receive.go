package room

import (
	"cmp"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
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
	// Carried is what stood around the token.
	Carried token.Carried

	mac [token.MACSize]byte
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

// Sizes of the receiver's working sets.
const (
	// batchSize is how many tokens one worker opens at a time: long enough that handing over costs nothing, short
	// enough that opening begins while the feed still comes in.
	batchSize = 256
	// maxRemembered is how many tokens a follower remembers to recognise repeats: 16 bytes each, and the map's share.
	maxRemembered = 1 << 16
)

// Receiver opens the tokens of entries, on all processors, while more entries come in. [Receiver.Take] returns what has
// come since the last one. It is not safe for concurrent use.
type Receiver struct {
	room   *Room
	limit  AgeLimit
	newest int

	batch   []cell
	slots   chan struct{} // one a running worker
	workers sync.WaitGroup

	mu       sync.Mutex // guards the two below, which workers add to
	messages []Message
	findings Findings

	given []Message             // what Take has returned last
	seen  map[[16]byte]struct{} // MACs of messages that Take has returned, cut to 16 bytes
	order [][16]byte            // the same, oldest first
}

// cell is a field's value on its way to a worker.
type cell struct {
	entry  int64
	field  int
	posted time.Time
	text   string
}

// Receive returns a receiver. With newest above 0 it keeps only that many messages, those with the highest entry
// numbers, however long the feed is.
func (r *Room) Receive(newest int, limit AgeLimit) *Receiver {
	return &Receiver{
		room: r, limit: limit, newest: newest,
		slots: make(chan struct{}, runtime.GOMAXPROCS(0)),
		seen:  map[[16]byte]struct{}{},
	}
}

// Add hands in an entry. Messages may stand in any field.
func (rc *Receiver) Add(e *thingspeak.Entry) {
	if rc.given != nil {
		rc.remember()
	}
	hasContent, before := false, len(rc.batch)
	for i := range e.Fields {
		text := e.Fields[i].Text
		if hasContent = hasContent || text != ""; len(text) >= token.EncodedLen(0)-2 || token.Resembles(text) {
			rc.batch = append(rc.batch, cell{e.ID, i + 1, e.CreatedAt, text})
		}
	}
	rc.mu.Lock()
	rc.findings.Entries++
	if hasContent && len(rc.batch) == before {
		count(&rc.findings.Plain, &rc.findings.FirstPlain, &rc.findings.LastPlain, e.ID)
	}
	rc.mu.Unlock()
	// An entry's cells stay in one batch, so that entries are counted once.
	if len(rc.batch) >= batchSize {
		rc.dispatch()
	}
}

func (rc *Receiver) dispatch() {
	batch := rc.batch
	if len(batch) == 0 {
		return
	}
	rc.batch = make([]cell, 0, batchSize+thingspeak.FieldCount)
	rc.slots <- struct{}{}
	rc.workers.Go(func() {
		defer func() { <-rc.slots }()
		messages, findings := rc.open(batch)
		rc.mu.Lock()
		defer rc.mu.Unlock()
		rc.messages = append(rc.messages, messages...)
		rc.findings.add(findings)
		if rc.newest > 0 && len(rc.messages) > 2*rc.newest+2*batchSize {
			rc.trim()
		}
	})
}

// Take waits for what is under way and returns the messages that came since the last Take, in the order of their
// entries, without repeats, and what was found besides.
func (rc *Receiver) Take() ([]Message, Findings) {
	rc.Opened()
	messages, findings := rc.messages, rc.findings
	rc.messages, rc.findings = nil, Findings{}
	rc.given = messages
	return messages, findings
}

// remember notes what the last Take has returned. It is left to the next Add, since who reads once has no use for it.
func (rc *Receiver) remember() {
	for i := range rc.given {
		mac := [16]byte(rc.given[i].mac[:16])
		rc.seen[mac] = struct{}{}
		rc.order = append(rc.order, mac)
	}
	rc.given = nil
	for len(rc.order) > maxRemembered {
		delete(rc.seen, rc.order[0])
		rc.order = rc.order[1:]
	}
}

// Opened waits for what is under way and returns how many messages the next Take will return, so that a reader knows
// whether to read on.
func (rc *Receiver) Opened() int {
	rc.dispatch()
	rc.workers.Wait()
	rc.trim()
	return len(rc.messages)
}

// trim sorts the messages, drops repeats and keeps the newest. Of two with one MAC the earlier entry stays.
func (rc *Receiver) trim() {
	// Feeds mostly come in order, so mostly only the workers' batches have to be put in order.
	if byPlace := func(a, b Message) int {
		return cmp.Or(cmp.Compare(a.Entry, b.Entry), cmp.Compare(a.Field, b.Field))
	}; !slices.IsSortedFunc(rc.messages, byPlace) {
		slices.SortFunc(rc.messages, byPlace)
	}
	here := make(map[[16]byte]struct{}, len(rc.messages))
	rc.messages = slices.DeleteFunc(rc.messages, func(m Message) bool {
		mac := [16]byte(m.mac[:16])
		_, before := rc.seen[mac]
		_, twice := here[mac]
		here[mac] = struct{}{}
		if before || twice {
			rc.findings.Repeats++
		}
		return before || twice
	})
	if n := len(rc.messages) - rc.newest; rc.newest > 0 && n > 0 {
		rc.messages = slices.Delete(rc.messages, 0, n)
	}
}

func (rc *Receiver) open(batch []cell) ([]Message, Findings) {
	var buf [token.BufferSize]byte
	messages := make([]Message, 0, len(batch))
	var f Findings
	var lastNotOurs, lastDamaged, lastDisguised int64 // entries are counted once, whatever their other fields hold
	plain := false                                    // nothing in the entry so far looks like a token
	for i, c := range batch {
		if i > 0 && plain && batch[i-1].entry != c.entry {
			count(&f.Plain, &f.FirstPlain, &f.LastPlain, batch[i-1].entry)
		}
		plain = plain || i == 0 || batch[i-1].entry != c.entry
		bare, carried := token.Unwrap(c.text)
		tok, err := token.ParseInto(buf[:], bare)
		if err != nil {
			disguise := token.Disguise(c.text)
			switch {
			case disguise != "" && c.entry != lastDisguised:
				lastDisguised = c.entry
				f.disguised(c.entry, disguise)
			case disguise == "" && token.Resembles(c.text) && c.entry != lastDamaged:
				lastDamaged = c.entry
				count(&f.Damaged, &f.FirstDamaged, &f.LastDamaged, c.entry)
			}
			plain = plain && disguise == "" && !token.Resembles(c.text)
			continue
		}
		plain = false
		opened, err := rc.room.ring.OpenToken(tok)
		if err != nil {
			if c.entry != lastNotOurs {
				lastNotOurs = c.entry
				count(&f.NotOurs, &f.FirstNotOurs, &f.LastNotOurs, c.entry)
			}
			continue
		}
		if expired, future := rc.limit.Hides(opened.SealedAt); expired {
			f.Expired++
			continue
		} else if future {
			f.Future++
			continue
		}
		m := Message{
			Entry: c.entry, Field: c.field, Posted: c.posted, Sealed: opened.SealedAt, Size: len(opened.Plaintext),
			Key: opened.KeyIndex, Carried: carried, mac: tok.MAC(),
		}
		switch p := opened.Plaintext; {
		case len(p) > 0 && p[0] == record.Mark:
			m.Kind = Record
		case utf8.Valid(p):
			m.Kind, m.Text = Text, string(p)
		default:
			m.Kind = Binary
		}
		messages = append(messages, m)
	}
	if plain {
		last := batch[len(batch)-1].entry
		count(&f.Plain, &f.FirstPlain, &f.LastPlain, last)
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
