package messenger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// Face is who works with a room: it is told what happens, and asked what is wanted.
type Face struct {
	// Tell gets what happens. An error of it ends nothing: the call during which it came returns it in the end. nil is
	// nobody. Calls do not overlap.
	Tell func(Event) error
	// Agree is asked before a transfer that takes long; its error is what sending ends with. nil agrees.
	Agree func(context.Context, exchange.Estimate) error
}

// held is what a face may ask of what a device holds of a room, see [room.Conversation].
type held interface {
	History(newest int, visit func(*model.Item) error) error
	LeftOut() int
	OnTheirWay() ([]model.Item, error)
	SetPrinted(model.Printed) error

	Now() (model.Mark, error)
	Shown(name string) (m model.Mark, ok bool, err error)
	SetShown(name string, m model.Mark) error

	KeyGone() (model.Unchecked, error)
	Cleared() (gone model.Unchecked, copied int, err error)
	Standing() (all, past []record.Finding, err error)
	Elsewhere() (all, fresh int, err error)
	ToldElsewhere(told int) error

	People() ([]model.Person, error)
	Forget(key record.PublicKey, now time.Time) (heirs []record.Named, err error)

	OwnNumber(n uint32) string
	Outbox() ([]model.Queued, error)
	Unposted() (int, error)
}

// Room is a room, opened: its keys, its archive and its relay. One goroutine uses it.
type Room struct {
	held

	talk *room.Conversation // the same, and more

	// signed tells that the members sign what they write: records, not texts.
	signed bool
	// whole has the next reading bring all of a room of texts, and passed is the entry up to which the last one did
	// not.
	whole  bool
	passed int64

	engine   *Engine
	face     Face
	toldLost bool // see tellLost
	settings model.Room
	brought  model.Brought                  // as it was when the room was opened
	lost     map[record.PublicKey]time.Time // see [Engine.WithdrawLost]
	client   *remote.Client
	archive  *archive.Room

	// news and stop are what the last reading found out about the relay, and why it did not come to the feed's end.
	news exchange.News
	stop exchange.Stop
	// plan is what was announced, zero if nothing was.
	plan exchange.Estimate
}

// Open opens a room. Whoever has written no record yet gets an identity for a room of records here.
func (e *Engine) Open(settings model.Room, face Face) (*Room, error) {
	options, err := e.roomOptions(settings)
	if err != nil {
		return nil, err
	}
	dir, err := e.o.Dir("archive")
	if err != nil {
		return nil, err
	}
	signed, err := Signed(settings)
	if err != nil {
		return nil, err
	}
	client, err := e.dial(settings)
	if err != nil {
		return nil, err
	}
	r := &Room{engine: e, face: face, settings: settings, client: client, signed: signed}
	options.ArchiveSize, options.CurrentKeys = e.o.ArchiveSize(), r.currentKeys
	options.MaySign = r.maySign
	options.Lost = func(key record.PublicKey) bool {
		_, is := r.lost[key]
		return is
	}
	// The first use of an identity and opening the archive are what takes longest at start: each goes by itself.
	identified := make(chan error, 1)
	go func() {
		var err error
		if r.signed {
			options.Identity, options.Nick, err = e.Identity(settings)
		}
		identified <- err
	}()
	r.archive, err = archive.OpenRoom(dir, settings.FilesName())
	if err = errors.Join(<-identified, err); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if err = r.settleOwner(&options); err == nil {
		r.talk, err = room.Open(r.archive, options)
	}
	if errors.Is(err, model.ErrArchiveDamaged) && !strings.Contains(err.Error(), r.archive.Path()) {
		err = fmt.Errorf("reading the archive %s: %w", r.archive.Path(), err)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("room %s: %w", settings.Name, err), r.Close())
	}
	r.held, r.brought = r.talk, options.Brought
	if err := r.forgetLost(); err != nil {
		return nil, errors.Join(fmt.Errorf("room %s: %w", settings.Name, err), r.Close())
	}
	client.SetWriters(func() int { return r.talk.Writers(r.news.Date) }) // dates of rows are the relay's
	if !signed {                                                         // whoever was killed may have noted the opposite
		n, err := r.Unposted()
		switch {
		case err == nil && n > 0:
			err = r.waits()
		case err == nil && archive.IsWaiting(dir, settings.FilesName()):
			err = r.waitsNoMore()
		}
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	return r, nil
}

// roomOptions are what a room is opened with, by whoever reads it or writes in it.
func (e *Engine) roomOptions(r model.Room) (room.Options, error) {
	keys, err := Keys(r)
	if err != nil {
		return room.Options{}, err
	}
	profile, err := Profile(r)
	if err != nil {
		return room.Options{}, err
	}
	lost, err := e.lost()
	if err != nil {
		return room.Options{}, err
	}
	return room.Options{
		Lost: func(key record.PublicKey) bool {
			_, is := lost[key]
			return is
		},
		Keys: keys, Salt: record.Salt(passphrase.RoomSalt(r.Channel)), Fields: r.Fields, Pad: r.Pad,
		Wrapped: profile.Wrapper == passphrase.WrapperPython, Used: r.Wrote, Brought: r.Brought,
		Texts: profile.Form != passphrase.FormRecords, Trying: e.o.Trying,
	}, nil
}

// Settings are what the keyring has of the room.
func (r *Room) Settings() model.Room { return r.settings }

// Signed reports whether the members of the room sign what they write.
func (r *Room) Signed() bool { return r.signed }

// Own is the key that signs here, zero where nobody does, and how its owner is called.
func (r *Room) Own() (key record.PublicKey, name string) { return r.talk.Own(), r.talk.OwnName() }

// ReadWhole has the next reading bring all of a room of texts: what the first one has passed over, and once more what
// was read, since a relay may have shown it otherwise.
func (r *Room) ReadWhole() { r.whole = true }

// Passed returns the number of the entry up to which a room of texts was not read; 0 if it was read from its beginning.
func (r *Room) Passed() int64 { return r.passed }

// News is what the last reading found out about the relay, and Stop why it did not come to the feed's end.
func (r *Room) News() (exchange.News, exchange.Stop) { return r.news, r.stop }

// HasUnopened reports whether there are tokens, of this reading or of one before, that no key opens.
func (r *Room) HasUnopened() (bool, error) {
	foreign, err := r.archive.Ranges(kept.Foreign)
	return len(foreign) > 0, err
}

// lacks reports whether entries that a reading did not get are taken for absent. In a room whose members sign they need
// be no message that is missing, so one question is enough; in a room of texts nothing else would show it.
func (r *Room) lacks(gap *exchange.Range) bool {
	if r.signed {
		return gap.Times > 0
	}
	return gap.Asked()
}

// Lacking returns those of the entries that a reading did not get which are taken for absent, and which were not told
// as such before.
func (r *Room) Lacking(gaps, told []exchange.Range) []exchange.Range {
	return slices.DeleteFunc(slices.Clone(gaps), func(g exchange.Range) bool {
		return !r.lacks(&g) || slices.ContainsFunc(told, func(t exchange.Range) bool { return t.First <= g.Last && g.First <= t.Last })
	})
}

// Awaited returns those of them that may still come, and have been lacking for so long.
func (r *Room) Awaited(gaps []exchange.Range, now time.Time, since time.Duration) []exchange.Range {
	return slices.DeleteFunc(slices.Clone(gaps), func(g exchange.Range) bool { return now.Sub(g.Since) < since || r.lacks(&g) })
}

// NotReadBack returns our own messages that the relay has accepted as a whole and not shown, see
// [room.Conversation.NotReadBack]; those behind the last entry that was shown only if all was read a moment ago, and
// none of what a room of texts has passed over.
func (r *Room) NotReadBack(last int64, all bool) ([]model.Queued, error) {
	queue, err := r.talk.NotReadBack()
	return slices.DeleteFunc(queue, func(q model.Queued) bool { return !all && q.Entry > last || q.Entry <= r.passed }), err
}

// NewFindings visits the findings that came since they were shown last under a name, whichever process has read them;
// shown remembers that these were.
func (r *Room) NewFindings(name string, visit func(Found) error) (shown func() error, err error) {
	mark, _, err := r.Shown(name)
	for more := err == nil; more; {
		var news room.News
		if news, err = r.talk.Since(mark, 0); err != nil {
			return nil, err
		}
		for i := range news.Found {
			if err := visit(Found{news.Found[i].Finding, news.Found[i].TakenBack}); err != nil {
				return nil, err
			}
		}
		mark, more = news.Until, news.More
	}
	return func() error { return r.SetShown(name, mark) }, err
}

// Late visits the messages that came since they were looked for last under a name, and that stand below first as well
// as below what was there then: at most so many, unless that is 0. It returns how many are left; shown remembers that
// the others were shown. Of a room that nobody has looked at so, and of what stands in what was passed over, nothing is
// late.
func (r *Room) Late(name string, first record.Spot, most int, visit func(*model.Item) error) (left int, shown func() error, err error) {
	mark, looked, err := r.Shown(name)
	until := mark
	switch {
	case err != nil:
	case looked:
		until.Message, left, err = r.talk.Late(mark.Message, record.Place{Entry: mark.Event}, first, most, visit)
	default:
		until, err = r.Now()
	}
	// Findings have a mark of their own: in its place stands up to where a room of texts was not read.
	until.Event = r.Passed()
	return left, func() error { return r.SetShown(name, until) }, err
}

// Leave is Close at the end of the process, see [archive.Room.Leave].
func (r *Room) Leave() error {
	r.client.Close()
	return r.archive.Leave()
}

// Close ends the use of a room.
func (r *Room) Close() error {
	r.client.Close()
	if r.archive == nil {
		return nil
	}
	return r.archive.Close()
}

func (r *Room) tell(e Event) error { return r.face.tell(e) }

func (f Face) tell(e Event) error {
	if f.Tell == nil {
		return nil
	}
	return f.Tell(e)
}

// currentKeys returns the room's keys as they are now, newest first. The room may have been renamed meanwhile.
func (r *Room) currentKeys() ([]fernet.Key, error) {
	now, err := r.engine.Current(r.settings)
	if err != nil {
		return nil, err
	}
	if before := r.settings.Name; now.Name != before {
		r.settings.Name, r.settings.Files = now.Name, now.Files
		if err := r.tell(Renamed{before, now.Name}); err != nil {
			return nil, err
		}
	}
	return Keys(now)
}

// update changes what the keyring has of the room.
func (r *Room) update(change func(*model.Room) error) error {
	now, err := r.engine.Update(r.settings.Name, change)
	if err == nil {
		r.settings = now
	}
	return err
}

// noteWriting remembers in the keyring that the identity writes in this room: before it does, since a number that
// nobody knows to be taken would be taken twice once the archive is lost.
func (r *Room) noteWriting() error {
	if err := r.replaceLost(); err != nil || r.settings.Wrote {
		return err
	}
	return r.update(func(s *model.Room) error {
		s.Wrote = true
		return nil
	})
}
