package messenger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/eavesdrop"
	"github.com/fernpost/fernpost/internal/feed"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/memory"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Feed is what is known of a feed that was read afresh, apart from its messages.
type Feed struct {
	channel.End

	// Numbers are those of its rows, and IsFile tells that it is somebody's file, which may be a part of all that there
	// was.
	Numbers feed.Rows
	IsFile  bool
}

// File reads a feed as somebody has it: it hands each row to visit, and returns what came of it. An error of visit ends
// it.
type File func(visit func(*thingspeak.Entry) error) (channel.End, error)

// read reads a file, or a room's channel where it is nil, up to an entry, or all for 0. What is lacking in a file will
// not come, so it counts as asked for, unless it was perhaps cut off.
func (f *Feed) read(
	ctx context.Context, e *Engine, r model.Room, file File, until int64, progress func(rows, last int64), visit func(*thingspeak.Entry) error,
) (view record.View, err error) {
	upTo := func(e *thingspeak.Entry) error {
		if until > 0 && e.ID > until {
			f.Numbers.UpTo = until // a last number below it is no truth
			return nil
		}
		f.Numbers.Add(e, eavesdrop.Bare)
		return visit(e)
	}
	if f.IsFile = file != nil; f.IsFile {
		f.End, err = file(upTo)
		view.Unread = err != nil || f.CutShort || f.Skipped > 0
		for first, last := range f.Numbers.Cuts() {
			view.Holes = append(view.Holes, record.Hole{First: first, Last: last, Since: time.Now()})
		}
	} else {
		view.Holes, err = f.readChannel(ctx, e, r, upTo, progress)
		view.Unread = slices.ContainsFunc(r.Fields, f.Hidden.Has)
	}
	if until > 0 {
		f.Last = min(f.Last, until)
	}
	for i := range view.Holes {
		if h := &view.Holes[i]; h.First > f.Numbers.Highest() {
			view.Holes = view.Holes[:i]
			break
		} else {
			h.Last = min(h.Last, f.Numbers.Highest())
		}
	}
	return view, err
}

// readChannel reads a room's channel back to its beginning, and returns which entries are lacking. After each page
// progress is told how many rows were read and the number of the last entry.
func (f *Feed) readChannel(
	ctx context.Context, e *Engine, r model.Room, visit func(*thingspeak.Entry) error, progress func(rows, last int64),
) ([]record.Hole, error) {
	client, err := e.dial(r)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	scan := client.Scan()
	for more := true; more; {
		if more, err = scan.Back(ctx, thingspeak.MaxResults, visit); err != nil {
			return nil, err
		}
		if more {
			progress(scan.Info().Rows, scan.Info().LastID)
		}
	}
	info := scan.Info()
	f.End = channel.End{
		Rows: int(info.Rows), Skipped: int(info.Skipped), Last: info.LastID, CutShort: info.CutShort, Hidden: info.Hidden,
	}
	return room.Holes(info.Lacking), nil
}

// NotShown yields the ranges of entries, first and last, that the feed lacks, whether or not a record is known to have
// stood there: an author who wrote nothing afterwards is not missed otherwise.
func (f *Feed) NotShown() iter.Seq2[int64, int64] {
	if f.IsFile {
		return f.Numbers.LackingInFile()
	}
	return f.Numbers.Lacking()
}

// Claimed returns the numbers, first and last, that the feed names above those that it shows; 0 if there are none.
func (f *Feed) Claimed() (first, last int64) {
	if top := f.Numbers.Highest(); f.Last > top && !f.CutShort {
		return top + 1, f.Last
	}
	return 0, 0
}

// contradicts reports whether the feed itself shows what a finding says: entries with two contents, or two dates.
func (f *Feed) contradicts(found *record.Finding) bool {
	if found.Kind != record.TwoVersions && found.Kind != record.Redated {
		return false
	}
	for first, last := range f.Numbers.Contradicted(found.Kind == record.Redated) {
		if first <= found.At.Entry && found.Until <= last {
			return true
		}
	}
	return false
}

// VerifyOptions say what is verified, and who is told how far that is.
type VerifyOptions struct {
	// Until is the highest entry that is looked at; 0 is the last.
	Until int64
	// File is read in place of the room's channel, unless it is nil.
	File File
	// Progress is told after each page how many rows were read and the number of the last entry. Where joining parts
	// takes long, Trying is told how often it was tried.
	Progress func(rows, last int64)
	Trying   func(rounds int)
}

// Verified is what came of verifying a feed.
type Verified struct {
	model.Report

	Feed Feed

	// before is what was here before the feed was read, nil for a file, and unseen why that could not be found out.
	before *room.Before
	unseen error
}

// errEnough ends a reading whose reader has had enough.
var errEnough = errors.New("stopped")

// Verify reads a whole feed afresh, without what this device has read before, and judges it. The error is [ErrNoKey] if
// there are tokens and no key opens any.
func (e *Engine) Verify(ctx context.Context, r model.Room, o VerifyOptions) (v Verified, err error) {
	keys, err := Keys(r)
	if err != nil {
		return v, err
	}
	var view record.View
	entries := func(yield func(*thingspeak.Entry, error) bool) {
		var err error
		view, err = v.Feed.read(ctx, e, r, o.File, o.Until, o.Progress, func(e *thingspeak.Entry) error {
			if !yield(e, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, err)
		}
	}
	feed := room.Feed{Entries: entries, View: func() record.View { return view }, Trying: o.Trying}
	// Without an archive a name belongs to who has it first in the feed; that nothing could be compared is told later.
	feed.Known, _ = e.knownNames(r)
	if o.File == nil {
		v.unseen = e.look(r, func(c *room.Conversation) (err error) { // Compare tells of it
			v.before, err = c.Before()
			return err
		})
		feed.Copies = func(shown []room.Shown) (copies []bool, _ error) {
			_ = e.look(r, func(c *room.Conversation) (err error) {
				copies, err = c.Copies(shown)
				return err
			})
			return copies, nil
		}
	}
	v.Report, err = room.Verify(ctx, keys, record.Salt(passphrase.RoomSalt(r.Channel)), feed, time.Now())
	if err == nil && v.NotOurs > 0 && v.Opened == 0 {
		err = ErrNoKey
	}
	own, _ := e.Own(r) // who has lost the identity has a report all the same
	v.Found = slices.DeleteFunc(v.Found, ownRename(own))
	return v, err
}

// ownRename finds what says nothing but that we have taken another nickname.
func ownRename(own record.PublicKey) func(record.Finding) bool {
	return func(f record.Finding) bool { return f.Kind == record.Renamed && f.Author == own }
}

// Compare compares what this device holds, up to an entry or all for 0, with what a feed has shown.
func (e *Engine) Compare(r model.Room, v *Verified, until int64) (d model.Comparison, err error) {
	// What was here before is not known then, and all of it would count as come since.
	if v.unseen != nil {
		return d, v.unseen
	}
	err = e.look(r, func(c *room.Conversation) error {
		d, err = c.Compare(&v.Report, until, v.before)
		return err
	})
	d.Standing = slices.DeleteFunc(d.Standing, func(f record.Finding) bool {
		return !model.IsWrong(&f) || v.Feed.contradicts(&f)
	})
	d.Past = slices.DeleteFunc(d.Past, func(f record.Finding) bool { return f.Kind != record.Cleared && !model.IsWrong(&f) })
	return d, err
}

// Memory is what was read of a file, without an archive.
type Memory struct {
	held

	Feed     Feed
	Arrivals model.Arrivals

	own record.PublicKey
}

// ReadFile reads a feed afresh and keeps it in memory. Names belong to whom they belong on this device. Beside an error
// of the file, which is an [*UnfinishedError], what came before is good.
func (e *Engine) ReadFile(r model.Room, file File) (m Memory, err error) {
	signed, err := Signed(r)
	if err == nil && signed {
		m.own, err = e.Own(r)
	}
	if err != nil {
		return m, err
	}
	var known func() (record.Change, error)
	if signed {
		known = func() (record.Change, error) { return e.knownNames(r) }
	}
	err = e.readFile(&m, r, known, file)
	return m, err
}

// ReadFileWith is [Engine.ReadFile] with keys, newest first, that are of no room of this device, of which nothing is known. The number
// of the channel is what signatures are made for: without it, 0, texts open and records do not.
func (e *Engine) ReadFileWith(keys []fernet.Key, channel int64, file File) (m Memory, err error) {
	r := model.Room{Channel: channel, Fields: slices.Collect(thingspeak.AllFields.All()), Profile: passphrase.Fernpost().String()}
	for _, key := range keys {
		r.Keys = append(r.Keys, model.Secret(key.Reveal()))
	}
	err = e.readFile(&m, r, nil, file)
	return m, err
}

// readFile is ReadFile. Where known is nil, no name belongs to anybody.
func (e *Engine) readFile(m *Memory, r model.Room, known func() (record.Change, error), file File) error {
	options, err := e.roomOptions(r)
	if err != nil {
		return err
	}
	talk, err := room.Open(memory.New(), options)
	if err != nil {
		return err
	}
	m.held = talk
	if known != nil {
		names, err := known()
		if err == nil {
			err = talk.Introduce(names, time.Now())
		}
		if err != nil {
			return fmt.Errorf("looking whose names are whose on this device: %w", err)
		}
	}
	in, err := talk.Receive(0)
	if err != nil {
		return err
	}
	view, readErr := m.Feed.read(context.Background(), e, r, file, 0, nil, in.Add)
	m.Arrivals, err = in.Finish(room.Facts{LastID: m.Feed.Last, Now: time.Now(), View: view})
	m.Arrivals.Told = slices.DeleteFunc(m.Arrivals.Told, ownRename(m.own))
	if err == nil && readErr != nil {
		err = &UnfinishedError{readErr}
	}
	return err
}

// UnfinishedError is an error of a file that was read up to it.
type UnfinishedError struct{ Err error }

func (e *UnfinishedError) Error() string { return e.Err.Error() }
func (e *UnfinishedError) Unwrap() error { return e.Err }

// History is [room.Conversation.History], of which our messages are those of the identity that signs here.
func (m *Memory) History(newest int, visit func(*model.Item) error) error {
	return m.held.History(newest, func(it *model.Item) error {
		if r := it.Record; r != nil && !m.own.IsZero() && r.Author == m.own {
			r.Own, it.OldKey, it.Standing = true, false, model.Yours
		}
		return visit(it)
	})
}

// OpenedParts reports whether the keys have opened parts of signed messages that make no message: some are not there, or the signature
// does not hold.
func (m *Memory) OpenedParts() bool {
	ofParts := func(f record.Finding) bool { return f.Kind == record.Forged || f.Kind == record.Incomplete }
	return slices.ContainsFunc(m.Arrivals.Told, ofParts) || slices.ContainsFunc(m.Arrivals.Waiting, ofParts)
}

// knownNames returns what this device knows of whose names are whose.
func (e *Engine) knownNames(r model.Room) (known record.Change, err error) {
	err = e.look(r, func(c *room.Conversation) error {
		known, err = c.Known()
		return err
	})
	return known, err
}

// look opens what this device has read of a room for the time of work, for somebody who writes nothing.
func (e *Engine) look(r model.Room, work func(*room.Conversation) error) error {
	options, err := e.roomOptions(r)
	if err != nil {
		return err
	}
	dir, err := e.o.Dir("archive")
	if err != nil {
		return err
	}
	store, err := archive.OpenRoom(dir, r.FilesName())
	if err != nil {
		return err
	}
	c, err := room.Open(store, options) // it reads through what an older version has kept
	if err == nil {
		err = work(c)
	}
	return errors.Join(err, store.Close())
}
