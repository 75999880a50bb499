// Package kept names the rows that a room asks its store to keep, the changes that it makes in them, and the questions that
// it asks. Both sides import it, because neither may import the other: the room holds keys and the archive a database. It
// has hardly any code of its own: the form in which the tokens of an entry are kept.
package kept

import (
	"encoding/binary"
	"iter"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Bounds of a [record.Place] that can be kept: 40 bits for the entry and 23 for the clear. No honest relay comes near.
const (
	MaxEntry = 1<<40 - 1
	MaxClear = 1<<23 - 1
)

// Highest is a place behind which nothing is kept.
func Highest() record.Place { return record.Place{Clear: MaxClear, Entry: MaxEntry} }

// State is what is known of the room as a whole: one row. The zero State is that of an empty archive.
type State struct {
	// Clears counts how often the channel was cleared as far as the reader noticed: entries are kept under the number of
	// clears before them.
	Clears uint32
	// Position is where reading goes on, in the words of whoever reads.
	Position []byte
	// Keys are the ids of the keys with which the room was last read, sorted: a key that is new among them may open what
	// is [Foreign].
	Keys []record.KeyID
	// Own is the identity that signs here, OwnLast the last number that it has taken, and OwnHash that record's hash.
	Own     record.PublicKey
	OwnLast uint32
	OwnHash record.ShortHash
	// LetGo is up to where cells of no record were let go of.
	LetGo record.Place
	// Full is what was found when the archive was full with messages alone.
	Full Full
	// Seq is the highest number of a [Post] so far.
	Seq int64
	// Dates are the seconds that posts were dated with of late, in ascending order, so that none is used twice.
	Dates []Seconds
}

// Full says that there was no room to be made, with so many bytes in use of those that there may be; zero if there was.
type Full struct{ Used, Size int64 }

// Seconds are the seconds from First to Last, since 1970.
type Seconds struct{ First, Last int64 }

// Entry is an entry of the feed with tokens that a key has opened, and that stand nowhere lower: one row. Of tokens that no key
// opens some are kept as well, until the archive is full (see [Change]), of the rest a [Range].
type Entry struct {
	At record.Place
	// Posted is the date that the relay states.
	Posted time.Time
	// Tokens are in the form of [AppendToken].
	Tokens []byte
	// Wiped means that the relay was seen to show something else in its place.
	Wiped bool
}

// StatusField is where the token of an entry's status stands among those of its fields, and behind it, to 255, what came later in
// its place.
const StatusField = 31*thingspeak.FieldCount + 1

// AppendToken adds a token, decoded, that stands in a field. Fields above 8 are no fields: there stands what came later
// in the place of another token, 8 higher for each time; from [StatusField] on those of the status.
func AppendToken(b []byte, field int, raw []byte) []byte {
	b = append(b, byte(field))
	b = binary.BigEndian.AppendUint16(b, uint16(len(raw)))
	return append(b, raw...)
}

// Tokens yields what [AppendToken] has put together. What is damaged ends it.
func Tokens(b []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for len(b) >= 3 {
			field, size := int(b[0]), int(binary.BigEndian.Uint16(b[1:]))
			if len(b) < 3+size {
				return
			}
			raw := b[3 : 3+size : 3+size]
			b = b[3+size:]
			if !yield(field, raw) {
				return
			}
		}
	}
}

// Why entries are kept as no more than a [Range].
const (
	// Foreign: they have a token that no key opens.
	Foreign = iota + 1
	// Repeated: they have a token that stands in a lower entry.
	Repeated
	// Again: they are Foreign, and a key has come since they were read.
	Again
	// Overfull: they have tokens that a key opens, and that were left out because there were too many.
	Overfull
	// Copied: they stood before a clear, and a token of theirs was shown again since.
	Copied
	// Letters: they have part of an invitation to somebody's public key.
	Letters
	// Twofold: they were shown with two contents.
	Twofold
	// Redated: they were shown with another date than the one that is kept.
	Redated
	// LetGo: cells of theirs were let go of when the archive had come to its size, of which a record may lack some.
	LetGo
)

// Range is entries of which something is not kept, from First to Last, with the same number of clears before them.
type Range struct{ First, Last record.Place }

// Message is a record that was verified, or a token that holds something else: one row.
type Message struct {
	// ID orders messages by their arrival here: a later one has a higher ID.
	ID int64
	// Held is the record. Without an author it is a token that nobody signed: then only its place, its hash, which is the SHA-256
	// of the token, and its number count: ours of it if this device has written it, otherwise 0.
	Held record.Held
	Kind record.Kind
}

// Move is a record that says that the room goes on with another key: one row.
type Move struct {
	Author record.PublicKey
	Number uint32
	Hash   record.Hash
	// Named is the key that it names.
	Named record.KeyID
	// Message is the ID of the message that says so, and At where it stands; a [Change] does not give them.
	Message int64
	At      record.Spot
}

// Event is a finding that was told, or taken back; or, with Own, that a message of our own has come further.
type Event struct {
	// ID orders events by their arrival.
	ID        int64
	Finding   record.Finding
	TakenBack bool
	Own       *model.OwnState
}

// Post is an entry to be posted, sealed and laid out: one row. Posts go out in the order of Seq.
type Post struct {
	Seq    int64
	Fields thingspeak.Fields
	// Status is the token of a reading's status, where nobody signs.
	Status thingspeak.Value
	// Cells are the fields that hold cells of records. The others are filled up, to look alike.
	Cells thingspeak.FieldSet
	State model.State
	// After is the newest entry that was known when it was first tried, and At where it was accepted.
	After, At record.Place
	// Dated is the date that it is posted with in a bulk update; zero if the relay's clock is to date it.
	Dated time.Time
}

// Once is a message of our own that is to be written once, whoever asks for it again: one row.
type Once struct {
	model.OwnID

	// Name is the SHA-256 of what it is called, and Body a hash of what it says, behind the id of the key of the
	// room with which it is made: to others it tells nothing.
	Name, Body [32]byte
	At         time.Time
}

// Own is a record of our own that was not yet read back: one row.
type Own struct {
	// Author is the identity that has signed it.
	Author record.PublicKey
	Number uint32
	Hash   record.Hash
	Kind   record.Kind
	// First and Last are the posts in which its cells begin and end.
	First, Last int64
	Queued      time.Time
}
