package messenger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/letter"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/publickey"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

// maxLetterParts bounds the parts of letters that are gathered of one channel: of 250 bytes each, 16 MB.
const maxLetterParts = 1 << 16

// Letters seals the invitation to a room to some people's keys, one letter for each, signed by who signs in the room.
// The error is a [*GoneError] if that identity has moved away.
func (e *Engine) Letters(r model.Room, i invite.Invitation, to []publickey.Keys) (letters []letter.Sealed, err error) {
	identity, _, err := e.Signer(r)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	for _, keys := range to {
		l, err := letter.Seal(identity, keys, i, now)
		if err != nil {
			return nil, err
		}
		letters = append(letters, l)
	}
	return letters, nil
}

// PostLetters posts letters into a room's channel, and returns the numbers of the entries in which each ends. It waits
// as long as the relay wants; what was posted by then stays there, and a letter that is not whole is none. Nothing of
// it is kept here.
func (e *Engine) PostLetters(ctx context.Context, r model.Room, letters []letter.Sealed, face Face) (ends []int64, err error) {
	if err := Writable(r); err != nil {
		return nil, err
	}
	entries, last, err := layLetters(r, letters, time.Now())
	if err != nil {
		return nil, err
	}
	client, err := e.dial(r)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	newest, err := client.LastNumber(ctx) // or nobody would know how far to look back if the reply is lost
	if err != nil {
		return nil, err
	}
	var failed error // of whoever was told
	p := poster{client: client, tell: func(e Event) { failed = errors.Join(failed, face.tell(e)) }}
	p.tell(Delivering{Entries: len(entries)})
	defer func() { err = errors.Join(err, failed) }()
	defer p.tell(Delivered{})
	for i, fields := range entries {
		if newest, err = p.post(ctx, &thingspeak.Entry{Fields: fields}, newest); err != nil {
			return ends, err
		}
		for _, at := range last {
			if at == i {
				ends = append(ends, newest)
			}
		}
	}
	return ends, nil
}

// layLetters lays letters one after the other into the fields of entries, and tells in which of them each ends.
func layLetters(r model.Room, letters []letter.Sealed, now time.Time) (entries []thingspeak.Fields, last []int, err error) {
	used := len(r.Fields) // of the last entry
	for _, l := range letters {
		tokens, err := l.Tokens(now)
		if err != nil {
			return nil, nil, err
		}
		for _, text := range tokens {
			if used == len(r.Fields) {
				entries, used = append(entries, thingspeak.Fields{}), 0
			}
			entries[len(entries)-1][r.Fields[used]-1] = thingspeak.Text(text)
			used++
		}
		last = append(last, len(entries)-1)
	}
	return entries, last, nil
}

// ErrStranger means that the signature of a letter holds, and that nobody has compared whose key it is.
var ErrStranger = errors.New("whoever has written this letter is a stranger here: the signature holds, and nobody has compared whose key it is")

// oldLetter is the age from which on a letter is likely to lead to a key that the room has left.
const oldLetter = 30 * 24 * time.Hour

// JudgedLetter is a letter with what it is worth.
type JudgedLetter struct {
	letter.Letter

	Standing Standing
	Credit   Credit
	// Old tells that it was written so long ago that the room may have moved on, or that somebody shows it again.
	Old bool
}

// JudgeLetter says what a letter is worth. Anybody who has a public key can write one to it: it counts if the inviter's
// words were compared before, or if the user names the inviter's key. missed and the error are those of
// [Engine.CreditOf].
func (e *Engine) JudgeLetter(l letter.Letter, wanted record.PublicKey) (j JudgedLetter, missed, err error) {
	j.Letter, j.Old = l, time.Since(l.At) > oldLetter
	j.Standing, j.Credit, missed, err = e.CreditOf(l.From, wanted)
	return j, missed, err
}

// MayFollow returns [ErrStranger] if a letter is not to be followed, unless somebody can be asked to compare the words
// now.
func (j *JudgedLetter) MayFollow(comparing bool) error {
	if !j.Credit.Counts() && !comparing {
		return ErrStranger
	}
	return nil
}

// NotOursError says that a letter that was handed over is for somebody else. It is a [publickey.ErrNotOurs].
type NotOursError struct{ Channel int64 }

func (e *NotOursError) Error() string {
	return fmt.Sprintf("this letter, which leads to channel %d, is for somebody else: %v", e.Channel, publickey.ErrNotOurs)
}
func (e *NotOursError) Unwrap() error { return publickey.ErrNotOurs }

// OpenLetters opens letters that were handed over in one text, which may be broken into lines, and returns the first
// that is for this device. The error is one of [letter.Parse] and [Engine.OpenLetter], or a [*NotOursError].
func (e *Engine) OpenLetters(text string) (l letter.Letter, err error) {
	err = letter.ErrMalformed
	for at := strings.Index(text, letter.Begin); at >= 0; {
		next := strings.Index(text[at+1:], letter.Prefix) // only the next one ends it
		one := text[at:]
		if next >= 0 {
			one = text[at : at+1+next]
		}
		var s letter.Sealed
		if s, err = letter.Parse(one); err == nil {
			l, err = e.OpenLetter(s)
		}
		switch {
		case !errors.Is(err, publickey.ErrNotOurs):
			return l, err
		case next < 0:
			return l, &NotOursError{s.Channel}
		}
		at += 1 + next
	}
	return l, err
}

// OpenLetter opens a letter with the identities of this device, that of the device and those of its rooms. The error is
// one of [letter.Sealed.Open].
func (e *Engine) OpenLetter(s letter.Sealed) (l letter.Letter, err error) {
	ids, err := e.identities()
	if err != nil {
		return l, err
	}
	return openWith(ids, s)
}

func openWith(ids []record.Identity, s letter.Sealed) (l letter.Letter, err error) {
	for _, id := range ids {
		if l, err = s.Open(id); !errors.Is(err, publickey.ErrNotOurs) {
			return l, err
		}
	}
	return l, err
}

// identities are all of this device, its own first. One is made if there is none yet.
func (e *Engine) identities() ([]record.Identity, error) {
	own, _, err := e.Identity(model.Room{})
	if err != nil {
		return nil, err
	}
	all := []record.Identity{own}
	rooms, _, err := e.All()
	for _, r := range rooms {
		if r.Identity == "" {
			continue
		}
		if id, err := parseSeed(r.Identity); err == nil {
			all = append(all, id)
		}
	}
	return all, err
}

// FoundLetter is a letter in a channel that was written to this device.
type FoundLetter struct {
	letter.Letter
	// Entry is where it ends, and Copies are where it stands again.
	Entry  int64
	Copies []int64
	// Older are the entries of letters by the same inviter that were written before this one.
	Older []int64
	// Standing is what this device knows of the inviter.
	Standing Standing
}

// RefusedLetter is a letter that opens here and does not count.
type RefusedLetter struct {
	Entry int64
	Why   error
}

// LettersFound are those of a channel.
type LettersFound struct {
	// Ours are the newest of each inviter: those whose words were compared first, then those written last.
	Ours    []FoundLetter
	Refused []RefusedLetter
	// ByOthers is how many are left out as they are by another inviter than the one that was named.
	ByOthers int
	// Others is how many are for somebody else, or were spoilt.
	Others int
	// More tells that there are more parts of letters than are looked at: the oldest were left out.
	More bool
}

// FindLetters reads a channel as anybody does and opens the letters there that are for this device; only those by one
// inviter, unless wanted is the zero key. A private channel needs its read key. Nothing is kept.
func (e *Engine) FindLetters(
	ctx context.Context, relay string, id int64, readKey model.Secret, wanted record.PublicKey,
) (found LettersFound, err error) {
	reader, err := e.o.Access.Open(relay, id, readKey.Reveal())
	if err != nil {
		return found, err
	}
	defer reader.Close()
	var parts []letter.Part
	_, err = reader.Newest(ctx, 0, func(entry *thingspeak.Entry) error {
		for i := range entry.Fields {
			bare, _ := token.Unwrap(entry.Fields[i].Text)
			if tok, err := token.Parse(bare); err != nil || !tok.IsLetter() {
				continue
			}
			if found.More = found.More || len(parts) == maxLetterParts; !found.More {
				parts = append(parts, letter.Part{Entry: entry.ID, Field: i + 1, Token: bare})
			}
		}
		return nil
	})
	if err != nil {
		return found, ExplainReading(err, id, readKey != "")
	}
	ids, err := e.identities()
	if err != nil {
		return found, err
	}
	all, err := letter.Find(id, parts, time.Now())
	if err != nil {
		return found, err
	}
	known, _ := e.standings() // a room that cannot be looked into knows nobody
	found.sort(all, ids, known)
	if !wanted.IsZero() {
		before := len(found.Ours)
		found.Ours = slices.DeleteFunc(found.Ours, func(l FoundLetter) bool { return l.From != wanted })
		found.ByOthers = before - len(found.Ours)
	}
	return found, nil
}

// Lead is where a letter leads to that was found in a channel at a relay, with a read key: to that relay, if nobody
// else gets to the inviter's own address. elsewhere tells that it leads to another one.
func (l *FoundLetter) Lead(relay string, readKey model.Secret) (i invite.Invitation, elsewhere bool) {
	i = l.Invitation
	if i.ReadKey == "" {
		i.ReadKey = readKey.Reveal()
	}
	if channel.IsLoopback(i.Relay) {
		i.Relay = relay
		return i, false
	}
	canonical, err := invite.CanonicalRelay(relay)
	return i, err != nil || canonical != i.Relay
}

// sort opens letters and puts them in order.
func (f *LettersFound) sort(all []letter.Found, ids []record.Identity, known map[record.PublicKey]Standing) {
	at := map[[sha256.Size]byte]int{}
	var ours []FoundLetter
	for _, s := range all {
		l, err := openWith(ids, s.Sealed)
		switch {
		case errors.Is(err, publickey.ErrNotOurs):
			f.Others++
			continue
		case err != nil:
			f.Refused = append(f.Refused, RefusedLetter{s.Entry, err})
			continue
		}
		if i, again := at[l.ID]; again {
			ours[i].Copies = append(ours[i].Copies, s.Entry)
			continue
		}
		at[l.ID] = len(ours)
		ours = append(ours, FoundLetter{Letter: l, Entry: s.Entry})
	}
	slices.SortStableFunc(ours, func(a, b FoundLetter) int { return b.At.Compare(a.At) })
	newest := map[record.PublicKey]int{}
	for _, l := range ours {
		if i, has := newest[l.From]; has {
			f.Ours[i].Older = append(f.Ours[i].Older, l.Entry)
			continue
		}
		l.Standing = known[l.From]
		newest[l.From] = len(f.Ours)
		f.Ours = append(f.Ours, l)
	}
	rank := func(l FoundLetter) int {
		if l.Standing.Credit().Counts() {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(f.Ours, func(a, b FoundLetter) int { return cmp.Compare(rank(a), rank(b)) })
}
