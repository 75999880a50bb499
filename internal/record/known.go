package record

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

// Known is what a reader has learnt of a room so far, and the cells that it has come from.
type Known interface {
	Knowledge
	// Cells opens again what stands at these spots, in any order, and leaves out what cannot be opened.
	Cells(spots []Spot) ([]Cell, error)
}

// Knowledge is what a reader has learnt of a room so far. An archive answers from its tables; [Memory] is one for tests and
// for a feed that is read once. Answers belong to the caller. Every method is asked a few times in a [Reader.Read] and
// for what its cells concern only, so the cost of one more message does not depend on how long the history is.
//
// Whoever lets two processes read into one archive runs Read and the writing of its [Change] in one transaction.
type Knowledge interface {
	// Author returns the author with this key, and whether there is one.
	Author(key PublicKey) (Author, bool, error)
	// Authors returns some of the authors, in the order in which they became known.
	Authors(AuthorQuery) ([]Author, error)
	// Claims returns some of the claims, in any order.
	Claims(ClaimQuery) ([]Claim, error)
	// Held returns some of an author's records.
	Held(HeldQuery) ([]Held, error)
	// Pins returns to which keys forms of nicknames are pinned, in the order of the forms.
	Pins(PinQuery) ([]Pin, error)
	// Devices returns what a key claims of others, and what others claim of it, in any order.
	Devices(key PublicKey) ([]DeviceClaim, error)
	// Told reports whether a finding was told, and neither taken back nor superseded, and its Last. It is not asked for what
	// is proven to be [Missing], and for [Incomplete], where [Gap] and [Group] remember it.
	Told(id FindingID) (last uint32, told bool, err error)
	// Groups returns some of the groups of cells, in any order. It is asked for every number of which cells come, and nearly
	// always there is none: let that answer be cheap.
	Groups(GroupQuery) ([]Group, error)
	// Pending returns where the cells of a group stand: all copies that a [Change] has told to keep.
	Pending(GroupID) ([]Spot, error)
	// Arriving tells of which tags groups are [Arriving].
	Arriving() (Arrival, error)
}

// Arrival names tags with authors of whom something is held that have groups which are [Arriving], and counts such groups
// of other tags.
type Arrival struct {
	Tags   []Tag
	Strays int
}

// AuthorQuery asks for authors: those with a tag, unless it is nil, of whom something is true.
type AuthorQuery struct {
	Tag  *Tag
	Only AuthorTrait
}

// AuthorTrait is what may be true of an author.
type AuthorTrait uint8

const (
	// AnyAuthor is true of all.
	AnyAuthor AuthorTrait = iota
	// HasGaps: some numbers are lacking, and GapsWait: of some of them nothing was told, see [Author.Waiting].
	HasGaps
	GapsWait
	// Unnamed: something is held that no seen of our own has named, and Witness: the author has named one of ours.
	Unnamed
	Witness
	// Compared: the user has compared the key.
	Compared
)

// Of reports whether it is true of an author.
func (t AuthorTrait) Of(a *Author) bool {
	switch t {
	case HasGaps:
		return len(a.Gaps) > 0
	case GapsWait:
		return a.Waiting()
	case Unnamed:
		return a.Top > a.Named
	case Witness:
		return a.SawOwn > 0
	case Compared:
		return a.Compared
	default:
		return true
	}
}

// ClaimQuery asks for the claims about a tag or, without one, for those that are Doubted or Below.
type ClaimQuery struct{ Tag *Tag }

// HeldQuery asks for the records of an author with numbers from First to Last, by number and, where a number was used
// twice, in the order in which they came. Without Last it asks for those that stand from one spot to another, and the last one
// before them, in the order of their lines; then nothing but their places, numbers and hashes is looked at.
type HeldQuery struct {
	Author      PublicKey
	First, Last uint32
	From, To    Spot
}

// PinQuery asks for what is pinned under a form of a nickname, see [Skeletons], or to a key; for all, without either.
type PinQuery struct {
	Form string
	Key  PublicKey
}

// GroupQuery asks for the groups of a tag with numbers from First to Last or, without Last, for those of all tags.
type GroupQuery struct {
	Tag         Tag
	First, Last uint32
	Only        GroupTrait
	// Numbers, unless it is 0, is how many numbers are asked for: the lowest of which there are groups.
	Numbers int
}

// GroupTrait is what may be true of a group.
type GroupTrait uint8

const (
	// AnyGroup is true of all.
	AnyGroup GroupTrait = iota
	// WithUntried: it is [Group.Untried].
	WithUntried
	// WasIncomplete: it is [ToldIncomplete].
	WasIncomplete
	// MayArrive: it is not [LeftOver].
	MayArrive
)

// Of reports whether it is true of a group.
func (t GroupTrait) Of(g *Group) bool {
	switch t {
	case WithUntried:
		return g.Untried
	case WasIncomplete:
		return g.State == ToldIncomplete
	case MayArrive:
		return g.State != LeftOver
	default:
		return true
	}
}

// Author is what is known of the author with one key: one row, which grows only with the gaps in the numbers.
type Author struct {
	Key PublicKey
	// Nick is the nickname in the record at Top, empty if that has none that is possible. Pinned counts the nicknames
	// that are pinned to the key.
	Nick   string
	Pinned int
	// Base and Top are the lowest and the highest number held; 0 if none is.
	Base, Top uint32
	// TopHash is the hash of the record at Top, of the first that came.
	TopHash ShortHash
	// Compared means that the user has compared the key with its owner. A reader does not change it.
	Compared bool
	// Nameless means that the user has let go of the key's nicknames, and has not compared it since: it gets none. A reader
	// does not change it.
	Nameless bool
	// Gaps are the numbers between Base and Top that are not held, in ascending order.
	Gaps []Gap
	// Named is the highest number of this author that a seen of our own has named, in our record NamedAt.
	Named, NamedAt uint32
	// SawOwn is the highest number of our own that this author has signed a seen of, with the hash that we hold: the
	// state "seen by".
	SawOwn uint32
	// Claims counts what this author's seen says of others and is not resolved yet.
	Claims int
}

// Gap is a range of numbers that are not held.
type Gap struct {
	First, Last uint32
	// Told means that the user was told that they are missing, and Hidden that the relay hides where they may stand.
	Told, Hidden bool
}

// Held is a record that was verified: one row.
type Held struct {
	Author PublicKey
	Number uint32
	Hash   Hash
	// Previous is the hash that it names of the record before it.
	Previous ShortHash
	// Key is the id of the key that its cells were sealed with.
	Key KeyID
	// Cells are where its cells stand, by part: the lowest copy of each. At is the highest of them: where it stands.
	Cells []Spot
	At    Spot
	// Nick is the nickname in it.
	Nick string
}

// Compare orders records as their lines stand: by place and field, and what comes behind that is there only to be the
// same for everyone, since two records of one number can end in one cell. Tokens that nobody has signed have neither
// author nor number.
func (h *Held) Compare(o *Held) int {
	return cmp.Or(h.At.Compare(o.At), bytes.Compare(h.Author[:], o.Author[:]), cmp.Compare(h.Number, o.Number),
		bytes.Compare(h.Hash[:], o.Hash[:]))
}

// isOf reports whether its cells belong to a group.
func (h *Held) isOf(id GroupID) bool {
	return h.Key == id.Key && h.Number == id.Number && len(h.Cells) == int(id.Parts)
}

// highest returns the spot that stands last.
func highest(spots []Spot) Spot { return slices.MaxFunc(spots, Spot.Compare) }

// Claim is a seen that names a record which is not held, or not with this hash. One row; the first four are its key.
type Claim struct {
	Tag    Tag
	Number uint32
	Hash   ShortHash
	// By is the author who says so, in the record with number Said, which stands at At: the lowest of those that do.
	By   PublicKey
	Said uint32
	At   Spot
	// Doubted means that it contradicts what is held; Below that it is true, and the record stands below the one that
	// names it.
	Doubted, Below bool
}

type claimKey struct {
	tag    Tag
	number uint32
	hash   ShortHash
	by     PublicKey
}

func (c *Claim) key() claimKey { return claimKey{c.Tag, c.Number, c.Hash, c.By} }

// Group is a set of cells that are not yet a record, and may never be: one row.
type Group struct {
	ID GroupID
	// Cells counts the different cells, and Sum is the exclusive or of their links: a reader tells by it whether what it
	// remembers is up to date.
	Cells int
	Sum   uint64
	// Newest is the newest place of a cell, and LastAt the time at which the last cell came.
	Newest Place
	LastAt time.Time
	State  GroupState
	// Untried means that it has chains which were not tried yet, because there were too many for one call.
	Untried bool
}

// GroupState says what is to be told of a group.
type GroupState uint8

// The states of a group.
const (
	// Arriving groups may turn out to be [Incomplete].
	Arriving GroupState = iota
	// ToldIncomplete groups were told.
	ToldIncomplete
	// LeftOver groups are only counted: their number is verified, or was told to be forged.
	LeftOver
)

// Pin ties a form of a nickname, see [Skeletons], to the key that used it first.
type Pin struct {
	Form string
	Key  PublicKey
}

// Change is what a [Reader.Read] has learnt: what an archive has to write, in one transaction, before anything of it is
// shown. Rows are in a fixed order.
type Change struct {
	// Authors, by Key, and Held, by Author, Number and Hash, are to be inserted or replaced.
	Authors []Author
	Held    []Held
	// Claims, by Tag, Number, Hash and By, are to be inserted or replaced, or deleted.
	Claims     []Claim
	ClaimsGone []Claim
	// Pins are to be inserted. Devices, by Author and Device, are to be inserted or replaced.
	Pins    []Pin
	Devices []DeviceClaim
	// Groups, by ID, are to be inserted or replaced, or deleted.
	Groups     []Group
	GroupsGone []GroupID
	// Pending are cells, by Spot, to be kept for [Known.Pending] of their [Cell.Group]; an archive keeps the token, not
	// the plaintext. What stood at the spots of PendingGone before is no longer asked for.
	Pending     []Cell
	PendingGone []Spot
	// TakenBack are findings that were told and turned out otherwise; of a range of missing numbers it may be a part.
	// Superseded are findings of which nothing is to be said any more: what they told is told otherwise now. Told are new
	// findings, each told once in a room's life, unless it was one of those in between.
	TakenBack, Superseded, Told []Finding
}

// View tells what of the feed was read when the cells of a call and of those before it are taken together.
type View struct {
	// Clear counts the clears before the rows that are read now: what stood before the last one will not come any more, also
	// while others are Unread. It may be lower as long as some are.
	Clear uint32
	// Unread means that the reading has not come to its end: any entry may still come.
	Unread bool
	// Holes are the entry numbers after the last clear, up to the highest row held, that are not held: in ascending
	// order, and disjoint. What a relay claims above that row is no hole.
	Holes []Hole
}

// Hole is a range of entries that are not held.
type Hole struct {
	First, Last int64
	// Since is when it was first known that they are lacking.
	Since time.Time
	// Asked means that each was asked for, several times and long enough, or in a way that shows everything: what is not
	// there is taken for absent.
	Asked bool
}
