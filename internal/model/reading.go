package model

import (
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/token"
)

// Comparison is what this device holds and a [Report] does not show so.
type Comparison struct {
	// Differing are records that the relay does not show any more, or shows elsewhere.
	Differing []Differing
	// Unshown are our own messages that the relay has accepted and does not show.
	Unshown []Queued
	// KeyGone is what is held and opens with no key here, so that it cannot be told whether the relay shows it, and Cleared
	// what stood before the channel was cleared. If the relay shows again some of what a clear took away, that is in doubt,
	// and nothing counts as cleared.
	KeyGone, Cleared Unchecked
	// Copied is how many messages that stood before the clear are shown again, elsewhere: anybody who may write can have posted
	// them once more, and the channel may not have been cleared.
	Copied int
	// Elsewhere is how many records of our own key this archive has not written.
	Elsewhere int
	// Standing are findings of the archive that hold and are not among those of the report: of what a relay has done that
	// its present answer does not show; Past are those of what a clear has taken away. Behind means that the
	// relay shows lines that are not held yet, so that the next reading may take some of them back.
	Standing, Past []record.Finding
	Behind         bool
	// Redated are entries that the relay shows with another date than the one that is held, as far as that was not told before.
	Redated []record.Finding
}

// Unchecked counts messages that are held, or were accepted, and cannot be checked: among the entries First to Last, as
// they were numbered when they were read.
type Unchecked struct {
	Messages    int
	First, Last int64
}

// Add counts a message.
func (u *Unchecked) Add(at record.Place) { Count(&u.Messages, &u.First, &u.Last, at.Entry) }

// Doubted reports of what a clear has taken away whether the clear is in doubt, since so many messages of it were shown again
// elsewhere. Of a few copies nobody is to be in doubt: whoever may write can post them.
func (u *Unchecked) Doubted(copied int) bool { return u.Messages > 0 && copied >= u.Messages }

// Differing are records of one author, with consecutive numbers, that this device holds in one place and the relay
// shows in another, or not any more; or such tokens that nobody has signed.
type Differing struct {
	Author record.PublicKey
	// Name is how the author is known; it is a peer's word.
	Name        string
	First, Last uint32
	// Texts counts the tokens; then the author does not count.
	Texts int
	// FirstEntry and LastEntry are among which entries they are held, and FirstShown and LastShown among which the relay
	// shows them; both zero if it does not.
	FirstEntry, LastEntry int64
	FirstShown, LastShown int64
}

// Arrivals are what a reading has brought. All of it is kept already.
type Arrivals struct {
	// Items are the newest of the messages that came, as many as were asked for, by place; Fresh is how many came. How far
	// those of our own have come only a history tells.
	Items []Item
	Fresh int
	// Told are new findings, TakenBack findings that were told and turned out otherwise, and Waiting what may be missing
	// but may still come. Of more than 10,000 told only the first are here.
	Told, TakenBack, Waiting []record.Finding
	// Findings counts rows and what is no message. Rows that were known before count as entries only.
	Findings
	// TooLate counts entries that a new key may open, and that were lost with a clear before it came.
	TooLate int64
	// More means that parts of records were not joined in all ways yet: the next reading goes on with them.
	More bool
	// LeftOver and Refused count cells that belong to no record, see [record.Result].
	LeftOver, Refused int
	// Elsewhere are the numbers of records of our own key that this archive has not written: there is a copy of it, or
	// this is an old one.
	Elsewhere []uint32
}

// AddCounts adds what a reading before has counted.
func (a *Arrivals) AddCounts(before *Arrivals) {
	a.Fresh += before.Fresh
	a.Findings.Add(before.Findings)
	a.TooLate += before.TooLate
	a.LeftOver += before.LeftOver
	a.Refused += before.Refused
}

// Findings counts what was read and is no message. The zero value has found nothing.
type Findings struct {
	// Entries is the number of rows looked at.
	Entries int
	// NotOurs are entries with a token that no key opens: sealed with another key, or altered. FirstNotOurs and
	// LastNotOurs are the lowest and highest of their numbers.
	NotOurs                   int
	FirstNotOurs, LastNotOurs int64
	// Letters are entries with part of an invitation to somebody's public key, or what is said to be one: everybody can put that
	// there.
	Letters                 int
	FirstLetter, LastLetter int64
	// Damaged are entries with something that begins like a token and is none: cut short, or altered on the way.
	Damaged                   int
	FirstDamaged, LastDamaged int64
	// Disguised are entries with something that seems to hold a token in another form, and Disguise is how they are
	// called: see [token.Disguise] and [token.Disguises].
	Disguised                     int
	FirstDisguised, LastDisguised int64
	Disguise                      string
	// Plain are entries with content and no sign of a token in any field.
	Plain                 int
	FirstPlain, LastPlain int64
	// Overfull are entries of which the relay has shown so many rows that some tokens were left out.
	Overfull                    int
	FirstOverfull, LastOverfull int64
	// LetGo are entries of which parts of no message were let go of, since the archive had come to its size.
	LetGo                 int
	FirstLetGo, LastLetGo int64
	// Repeats are tokens that came before: posted again by somebody, or stored twice.
	Repeats int
	// Expired and Future are messages that the reader's own age limit hides.
	Expired, Future int
}

// Count adds one entry to a count and its range.
func Count(n *int, first, last *int64, entry int64) {
	if *n == 0 || entry < *first {
		*first = entry
	}
	if *n == 0 || entry > *last {
		*last = entry
	}
	*n++
}

// Add adds what was found elsewhere.
func (f *Findings) Add(g Findings) {
	merge(&f.NotOurs, &f.FirstNotOurs, &f.LastNotOurs, g.NotOurs, g.FirstNotOurs, g.LastNotOurs)
	merge(&f.Letters, &f.FirstLetter, &f.LastLetter, g.Letters, g.FirstLetter, g.LastLetter)
	f.Disguise = token.Disguises(f.Disguise, g.Disguise)
	merge(&f.Disguised, &f.FirstDisguised, &f.LastDisguised, g.Disguised, g.FirstDisguised, g.LastDisguised)
	merge(&f.Plain, &f.FirstPlain, &f.LastPlain, g.Plain, g.FirstPlain, g.LastPlain)
	merge(&f.Damaged, &f.FirstDamaged, &f.LastDamaged, g.Damaged, g.FirstDamaged, g.LastDamaged)
	merge(&f.Overfull, &f.FirstOverfull, &f.LastOverfull, g.Overfull, g.FirstOverfull, g.LastOverfull)
	merge(&f.LetGo, &f.FirstLetGo, &f.LastLetGo, g.LetGo, g.FirstLetGo, g.LastLetGo)
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

// Report is what verifying has found in a whole feed.
type Report struct {
	// Records is how many records were verified, Unsigned how many tokens hold something else, and Authors how many have
	// written.
	Records, Unsigned, Authors int
	// Found are the findings that hold once all is read, in the order of their places, and Waiting what may be missing
	// but may still come.
	Found, Waiting []record.Finding
	// Findings counts rows and what is no message.
	Findings
	// LeftOver, Refused and Newer count cells that belong to no record, see [record.Result].
	LeftOver, Refused, Newer int
	// Lines are the records, and the tokens that hold something else, in their order, as [record.Digest] wants them; Digest
	// is that of all of them.
	Lines  []record.Held
	Digest [32]byte
	// Opened is how many different tokens a key has opened, filler cells too.
	Opened int
	// Posted are the dates of the entries in which those stand lowest.
	Posted map[int64]time.Time
}
