package record

import (
	"fmt"
	"strconv"
	"time"

	"github.com/fernpost/fernpost/internal/screen"
)

// FindingKind is what a [Finding] is about. [Reader.Read] tells all kinds but Unsigned, Wiped, Cleared, NotOurs,
// TwoVersions and Redated: those tells whoever opens the tokens, with the words and identities of this package.
type FindingKind uint8

// The kinds of findings.
const (
	// Repeat: a token's MAC, or a record's author, number and hash were seen before. Counted, never told.
	Repeat FindingKind = iota + 1
	// Reordered: a record stands in a later entry than the next one held of its author, or than one that names it. It
	// accuses nobody.
	Reordered
	// Missing: numbers of an author are absent between two held ones, or up to one that somebody has seen.
	Missing
	// Fork: an author's key wrote one number twice, as two records prove, or the hash that somebody names.
	Fork
	// Forged: all parts of a record are there, but its author has not signed it.
	Forged
	// Namesake: a nickname that is pinned to another key.
	Namesake
	// Unsigned: text in a room whose members sign.
	Unsigned
	// Incomplete: parts of a record do not come.
	Incomplete
	// Wiped: entries that were read are there no more, or are other ones.
	Wiped
	// NotOurs: a canonical token that no key opens.
	NotOurs
	// Newer: cells of a version that this package does not read.
	Newer
	// Renamed: a key signs with another nickname than in the record before.
	Renamed
	// Contradiction: a claim that a key is a device of its author's, which another claim contradicts: neither counts.
	Contradiction
	// Hidden: the relay does not show entries where numbers of an author may stand.
	Hidden
	// Malformed: opened cells that break the format, or a record that names a previous one where there can be none, or
	// none where there must be one.
	Malformed
	// Refuted: a seen that cannot be true.
	Refuted
	// Cleared: all entries that were read are there no more, and the numbers have begun anew.
	Cleared
	// TwoVersions: entries that were shown with two contents.
	TwoVersions
	// Redated: entries that were shown with another date than before.
	Redated
)

var findingKinds = [...]string{
	Repeat: "repeat", Reordered: "reordered", Missing: "missing", Fork: "fork", Forged: "forged", Namesake: "namesake",
	Unsigned: "unsigned", Incomplete: "incomplete", Wiped: "wiped", NotOurs: "not ours", Newer: "newer",
	Renamed: "renamed", Contradiction: "contradiction",
	Hidden: "hidden", Malformed: "malformed", Refuted: "refuted",
	Cleared: "cleared", TwoVersions: "two versions", Redated: "redated",
}

// String names the kind, as in "not ours".
func (k FindingKind) String() string {
	if k == 0 || int(k) >= len(findingKinds) {
		return "finding " + strconv.Itoa(int(k))
	}
	return findingKinds[k]
}

// Finding is something that the user should know. Which fields count depends on the kind.
type Finding struct {
	Kind FindingKind
	// Author is whom it concerns, and Tag their tag; Author is zero where only cells or a seen name a tag.
	Author PublicKey
	Tag    Tag
	// Name is how the author was called when it was found: the nickname, or the tag. For a [Namesake] it is the
	// nickname that both use. It is a peer's word: clean it before it is shown.
	Name string
	// First and Last are the numbers of the records concerned; they are equal for one. What is proven to be [Reordered] is
	// First, and Last is the later record behind which it stands.
	First, Last uint32
	// Was is how the author was called before, for [Renamed].
	Was string
	// Compared means, for a [Namesake], that the user has compared the key that the name belongs to.
	Compared bool `json:",omitzero"`
	// Device is the key that a [Contradiction] is about, Rival who claims something else, and RivalDevice of whom.
	Device, Rival, RivalDevice Named `json:",omitzero"`
	// By is who said so in a seen, zero where the records themselves prove it. ByName is how they are called, and others
	// who say so, too: Count of them in all.
	By     PublicKey
	ByName string
	// Have of Parts parts are there.
	Have, Parts int
	// At is where it shows: the last cell of the record or group concerned, or the first entry of a range.
	At Place
	// Until is the last entry of a range that begins at At.
	Until int64
	// Count is the number of entries, cells, groups of cells or accusers concerned; or of what is forged beyond those told.
	Count int
	// Waiting means that it is not told yet, because what is lacking may still come; Since is how long that is known, zero
	// if the reading has only not come to its end. Who looks on is told after [WaitingAfter].
	Waiting bool
	Since   time.Time
}

// Named is a key and how it was called when it was named.
type Named struct {
	Key  PublicKey
	Name string
}

// FindingID is what makes two findings the same one, so that each is told once. It is comparable.
type FindingID struct {
	Kind   FindingKind
	Author PublicKey
	Tag    Tag
	Number uint32
	At     Place
	Name   string
	By     PublicKey
}

// saidID is the identity of what an author says of a tag: however many numbers they name, it is one finding.
func saidID(kind FindingKind, tag Tag, by PublicKey) FindingID {
	return FindingID{Kind: kind, Tag: tag, By: by}
}

// ID returns the finding's identity: for [Reordered], [Missing], [Fork] and [Renamed] author and number; for [Forged] and
// [Incomplete], and where [Missing] concerns no certain key, tag and number, because a cell proves no more; for
// [Namesake] author and name, for [Contradiction] author and device; for [Malformed] the record, and nothing more for cells
// that are, and for [Newer]; for the others, and for what is forged and only counted, the entry. What rests on somebody's
// word is another finding, whose identity is that word and the tag: with a higher number it is told anew, in place of what
// was told before.
func (f *Finding) ID() FindingID {
	id := FindingID{Kind: f.Kind}
	if !f.By.IsZero() {
		return saidID(f.Kind, f.Tag, f.By)
	}
	switch f.Kind {
	case Malformed:
		id.Author, id.Number = f.Author, f.First
	case Newer: // whoever has the key makes as many cells as they like: they are one finding, as those that break the format
	case Reordered, Fork, Missing, Renamed, Hidden:
		id.Author, id.Number = f.Author, f.First
		if f.Author.IsZero() {
			id.Tag = f.Tag
		}
	case Forged, Incomplete:
		if id.Tag, id.Number = f.Tag, f.First; f.Kind == Forged && f.Count > 0 {
			id.At = f.At // each call may count some
		}
	case Namesake:
		id.Author, id.Name = f.Author, Skeletons(f.Name)[0]
	case Contradiction:
		id.Author, id.Name = f.Author, f.Device.Key.String()
	default:
		id.At = f.At
	}
	return id
}

// String writes the identity so that different ones differ: a key for a table.
func (id FindingID) String() string {
	who := id.Tag.String()
	if !id.Author.IsZero() {
		who = id.Author.String()
	}
	text := fmt.Sprintf("%s %s %d %d:%d %s", id.Kind, who, id.Number, id.At.Clear, id.At.Entry, id.Name)
	if !id.By.IsZero() {
		text += " says " + id.By.String()
	}
	return text
}

// Text returns what the user reads, in one line without a full stop. It is empty for a [Repeat].
func (f *Finding) Text() string {
	switch f.Kind {
	case Reordered:
		return f.reordered()
	case Missing:
		return f.missing()
	case Hidden:
		return fmt.Sprintf("the relay does not show %s; %s may stand there", Entries(f.At.Entry, f.Until), f.numbers())
	case Malformed:
		return f.malformed()
	case Refuted:
		if f.By.IsZero() {
			return screen.Count(f.Count, "more claim") + " that cannot be, as what was written before stands below"
		}
		return fmt.Sprintf("%s names %s, but what %s wrote before stands below: that cannot be, and accuses nobody",
			f.ByName, f.numbers(), f.Name)
	case Fork:
		return fmt.Sprintf("%s's key wrote two different %s: two devices with one key, a restored backup, "+
			"or a room shown in two versions", f.Name, f.numbers()) + f.witness()
	case Forged:
		if f.Count > 0 {
			return fmt.Sprintf("the signature of %s is wrong", screen.Count(f.Count, "more message"))
		}
		return fmt.Sprintf("a message that claims to be %s's is not signed by %[1]s's key", f.Name)
	case Namesake:
		if f.Compared {
			return fmt.Sprintf("another %s (%s), not the one whose words you have compared", f.Name, f.Tag.Name())
		}
		return fmt.Sprintf("another %s (%s), not the one who has the name here", f.Name, f.Tag.Name())
	case Renamed:
		return f.Was + " is now called " + f.Name
	case Contradiction:
		if f.Rival.Key.IsZero() { // it is taken back
			return fmt.Sprintf("another claim contradicts that %s is a device of %s's", f.Device.Name, f.Name)
		}
		return fmt.Sprintf("%s calls %s a device of theirs, but %s calls %s one: neither counts",
			f.Name, f.Device.Name, f.Rival.Name, f.RivalDevice.Name)
	case Unsigned:
		return "not signed: anyone with the room's key can have written this"
	case Incomplete:
		return f.incomplete()
	case Wiped:
		return "the relay lost or rewrote " + Entries(f.At.Entry, f.Until)
	case Cleared:
		return "the channel was cleared, or the relay lost its entries"
	case TwoVersions:
		return "the relay shows " + f.entries() + " with two contents: people may be shown different ones; or the channel was cleared " +
			"in between"
	case Redated:
		return "the relay shows " + f.entries() + " with another date than before"
	case NotOurs:
		if f.Count == 1 {
			return "1 entry not for this key"
		}
		return fmt.Sprintf("%d entries not for this key", f.Count)
	case Newer:
		return f.newer()
	default:
		return ""
	}
}

func (f *Finding) reordered() string {
	switch {
	case !f.By.IsZero():
		return fmt.Sprintf("%s names %s, which stands below", f.ByName, f.numbers())
	case f.Count > 0:
		return screen.Count(f.Count, "more claim") + " to have seen messages that stand below"
	case f.Last > f.First:
		return Numbers(f.Name, f.First, f.First) + " stands behind " + Numbers(f.Name, f.Last, f.Last)
	default:
		return f.numbers() + " stands behind a later one"
	}
}

func (f *Finding) malformed() string {
	switch {
	case !f.Author.IsZero() && f.First == 1:
		return f.numbers() + " names one before it, and there can be none"
	case !f.Author.IsZero():
		return fmt.Sprintf("%s names no %s", f.numbers(), Numbers(f.Name, f.First-1, f.First-1))
	case f.Count == 1:
		return "1 cell of somebody with the key breaks the format"
	default:
		return screen.Count(f.Count, "cell") + " of somebody with the key break the format"
	}
}

func (f *Finding) incomplete() string {
	switch {
	case f.Parts == 0:
		return "parts of " + screen.Count(f.Count, "message") + " have come, and none of them is whole"
	case f.Waiting:
		return fmt.Sprintf("%s is arriving, %d of %d parts", f.numbers(), f.Have, f.Parts)
	default:
		return fmt.Sprintf("a message that claims to be %s: %d of %d parts", f.numbers(), f.Have, f.Parts)
	}
}

func (f *Finding) newer() string {
	if f.Count > 1 {
		return fmt.Sprintf("%d cells from entry %d on need a newer fernpost", f.Count, f.At.Entry)
	}
	return Entries(f.At.Entry, f.At.Entry) + " needs a newer fernpost"
}

func (f *Finding) span() uint64 { return uint64(f.Last) - uint64(f.First) + 1 }

func (f *Finding) numbers() string { return Numbers(f.Name, f.First, f.Last) }

// Numbers writes the numbers first to last of an author: "ana 14–15", and "ana 14" if last is not above first.
func Numbers(author string, first, last uint32) string {
	if last <= first {
		return fmt.Sprintf("%s %d", author, first)
	}
	return fmt.Sprintf("%s %d–%d", author, first, last)
}

// Entries writes the numbers first to last of a feed's entries: "entries 3–5", and "entry 3" if last is not above first.
func Entries(first, last int64) string {
	if last <= first {
		return "entry " + strconv.FormatInt(first, 10) // in each line of a history
	}
	return fmt.Sprintf("entries %d–%d", first, last)
}

// entries writes the entries of a range, and how many of them are concerned where that is not all.
func (f *Finding) entries() string {
	if span := f.Until - f.At.Entry + 1; int64(f.Count) < span {
		return fmt.Sprintf("%d of the %s", f.Count, Entries(f.At.Entry, f.Until))
	}
	return Entries(f.At.Entry, f.Until)
}

// witness names who says so where nothing else does: an insider can accuse others with an invented seen.
func (f *Finding) witness() string {
	if f.By.IsZero() {
		return ""
	}
	if f.Count > 1 {
		return ", say " + f.ByName
	}
	return ", says " + f.ByName
}

// missing is the text of numbers that are absent. What came of one proves nothing: whoever has the key can have sent it.
func (f *Finding) missing() string {
	if f.Name == "" && f.Waiting {
		return "waiting for what " + screen.Count(f.Count, "more claim") + " may be about"
	}
	if f.Name == "" {
		return screen.Count(f.Count, "more claim") + " that messages are missing, or were written twice"
	}
	numbers := f.numbers()
	if f.Parts > 0 {
		numbers += fmt.Sprintf("; %d of %d parts came", f.Have, f.Parts)
	}
	if f.Waiting {
		return fmt.Sprintf("waiting for %s from %s (%s)", screen.Count(f.span(), "message"), f.Name, numbers) + f.witness()
	}
	return fmt.Sprintf("%s from %s missing (%s)", screen.Count(f.span(), "message"), f.Name, numbers) + f.witness()
}
