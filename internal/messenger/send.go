package messenger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
)

// SendOptions say how a message is sent.
type SendOptions struct {
	// NoWait fails where posting would wait.
	NoWait bool
	// Queue only signs it and puts it into the outbox.
	Queue bool
	// OldKey seals with the key that is here, and posts what is sealed with it, although somebody whose key was
	// compared has moved to another one.
	OldKey bool
	// At is when it was written or measured: the record's clock, or that of the tokens where nobody signs. The zero
	// time is now.
	At time.Time
	// Once, if not empty, names a message that is to be sent once, however often it is asked for in 30 days: if it was
	// written before, [Sent] says how far that one has come. Such a message goes by way of the outbox.
	Once string
}

func (o *SendOptions) at() time.Time {
	if o.At.IsZero() {
		return time.Now()
	}
	return o.At
}

// Sent is a message of one's own, after it was sent or queued.
type Sent struct {
	model.Queued

	// Elsewhere tells that another process has posted it.
	Elsewhere bool
	// Again tells that it was written before, see [SendOptions].
	Again bool
}

// WaitsError is an error after a message was put into the outbox: it stays there.
type WaitsError struct{ Err error }

func (e *WaitsError) Error() string { return e.Err.Error() }
func (e *WaitsError) Unwrap() error { return e.Err }

func waitsError(err error) error {
	if err != nil {
		err = &WaitsError{err}
	}
	return err
}

// UnreadError is an error of reading the room before what another identity has signed here is signed anew: what waits
// stays in the outbox as it is.
type UnreadError struct{ Err error }

func (e *UnreadError) Error() string {
	return "reading the room before what another identity has signed here is signed anew: " + e.Err.Error()
}

func (e *UnreadError) Unwrap() error { return e.Err }

// BegunError says that a file is in the outbox already, begun by an identity that is not here any more.
type BegunError struct{ Queued model.Queued }

func (e *BegunError) Error() string {
	return fmt.Sprintf("this file is in the outbox already, as %s", e.Queued.What())
}

// SaidError refuses to say of a device what was said already: it would change nothing.
type SaidError struct {
	Device    record.PublicKey
	Withdrawn bool
}

func (e *SaidError) Error() string {
	if e.Withdrawn {
		return fmt.Sprintf("you have said already that %s and you are no devices of one person", e.Device.Tag().Name())
	}
	return fmt.Sprintf("you have said already that %s is a device of yours", e.Device.Tag().Name())
}

// ReadOnlyError says that a room has no write key here, so that it can only be read.
type ReadOnlyError struct{ Room string }

func (e *ReadOnlyError) Error() string {
	return fmt.Sprintf("room %s has no write key, so it can only be read", e.Room)
}

// Writable returns a [*ReadOnlyError] if nothing can be sent in a room.
func Writable(r model.Room) error {
	if r.WriteKey == "" {
		return &ReadOnlyError{r.Name}
	}
	return nil
}

// Send writes a message into the outbox, reads the room and posts what is waiting. The error may be a
// [*model.MovedError], [*BegunError], [*SaidError], [model.ErrOtherBody], [model.ErrNamedKeyGone], [model.ErrNoText],
// [model.ErrReading] or [record.ErrBody], and then nothing was written; or a [*WaitsError], and then the message is
// what waits: also for a move that only this reading has brought.
func (r *Room) Send(ctx context.Context, body record.Body, o SendOptions) (sent Sent, err error) {
	if id, ok, err := r.talk.WrittenBefore(o.Once, body, time.Now()); err != nil || ok {
		return r.writtenBefore(id, err)
	}
	sent, err = r.send(ctx, body, o)
	if before, ok := errors.AsType[*model.WrittenError](err); ok { // by another process, meanwhile
		return r.writtenBefore(before.OwnID, nil)
	}
	return sent, err
}

// writtenBefore is a message that was to be written once, and was written.
func (r *Room) writtenBefore(id model.OwnID, err error) (sent Sent, _ error) {
	if err != nil {
		return sent, err
	}
	sent.Queued, err = r.SentBy(id)
	sent.Again = true
	return sent, err
}

// SentBy returns how far a message has come that an identity of ours has written, or a text.
func (r *Room) SentBy(id model.OwnID) (model.Queued, error) {
	q, err := r.talk.SentBy(id)
	if errors.Is(err, model.ErrNoMessage) && id.Author.IsZero() { // a text that was read back
		return model.Queued{Number: id.Number, Sent: model.StateAccepted}, nil
	}
	return q, err
}

func (r *Room) send(ctx context.Context, body record.Body, o SendOptions) (sent Sent, err error) {
	if !r.signed {
		return r.sendText(ctx, body, o)
	}
	if err := r.replaceLost(); err != nil {
		return sent, err
	}
	unread := r.Adopt(ctx, !o.Queue)
	if _, ok := errors.AsType[*UnreadError](unread); ok { // then only what waits keeps another identity here
		if err := r.Adopt(ctx, false); err != nil && !errors.Is(err, model.ErrOtherIdentity) {
			return sent, err
		}
	} else if unread != nil && !errors.Is(unread, model.ErrOtherIdentity) {
		return sent, unread
	}
	moved, err := r.mindMoves(o.OldKey)
	if err != nil {
		return sent, err
	}
	if o.Queue {
		unread = nil // what is only queued needs no reading
	}
	if o.Queue || unread != nil {
		written, err := r.compose(ctx, body, o)
		if err != nil {
			return sent, err
		}
		return r.asItWaits(written), waitsError(unread)
	}
	news, err := r.startReading(ctx)
	if err != nil {
		return sent, err
	}
	written, err := r.compose(ctx, body, o)
	if err != nil {
		news.abandon()
		return sent, err
	}
	if err := r.catchUp(ctx, news); err != nil {
		return r.asItWaits(written), waitsError(err)
	}
	if err := r.movedMeanwhile(moved, o.OldKey); err != nil {
		return sent, err
	}
	done, err := r.deliver(ctx, o)
	if err != nil {
		written.Number = done.Number(written.Number)
		return r.asItWaits(written), err
	}
	sent.Queued, err = r.talk.Sent(done.Number(written.Number))
	sent.Entries, sent.Elsewhere = written.Entries, done.Posted+done.Tried == 0
	return sent, err
}

// asItWaits is a message that was written and not accepted.
func (r *Room) asItWaits(written room.Written) (sent Sent) {
	var err error
	if sent.Queued, err = r.talk.Sent(written.Number); err != nil { // that it waits is told all the same
		sent.Queued = model.Queued{Author: r.talk.Own(), Name: r.talk.OwnName(), Number: written.Number}
	}
	sent.Entries = written.Entries
	return sent
}

// Retry reads the room and posts what is waiting. It returns the messages that waited, as they are now, also beside an
// error.
func (r *Room) Retry(ctx context.Context, o SendOptions) (done model.Delivered, waited []model.Queued, err error) {
	if waited, err = r.NotAccepted(); err != nil {
		return done, nil, err
	}
	if err := r.Adopt(ctx, true); err != nil {
		return done, waited, err
	}
	if err := r.tellOfKeys(); err != nil {
		return done, waited, err
	}
	if waited, err = r.NotAccepted(); err != nil { // signed anew, perhaps
		return done, nil, err
	}
	if err := r.announce(ctx, 0); err != nil {
		return done, waited, err
	}
	if err := r.CatchUp(ctx); err != nil {
		return done, waited, err
	}
	if o.OldKey {
		if _, err := r.mindMoves(true); err != nil {
			return done, waited, err
		}
	}
	done, err = r.deliver(ctx, o)
	now, listErr := r.Outbox()
	for i := range waited {
		r.renew(&waited[i], now, &done)
	}
	return done, waited, errors.Join(err, listErr)
}

// renew brings a message that waited up to date after a delivery. What the outbox holds no more was read back.
func (r *Room) renew(q *model.Queued, now []model.Queued, done *model.Delivered) {
	if q.Author == r.talk.Own() {
		q.Number = done.Number(q.Number)
	}
	at := slices.IndexFunc(now, func(n model.Queued) bool { return n.Author == q.Author && n.Number == q.Number })
	if at >= 0 {
		*q = now[at]
		return
	}
	q.Sent, q.Accepted = model.StateAccepted, q.Entries
	if back, err := r.talk.Sent(q.Number); err == nil && back.Author == q.Author {
		q.Entry = back.Entry
	}
}

// NotAccepted returns the messages that the relay has not accepted yet, in order.
func (r *Room) NotAccepted() ([]model.Queued, error) {
	queue, err := r.Outbox()
	return slices.DeleteFunc(queue, func(q model.Queued) bool { return q.Sent == model.StateAccepted }), err
}

// Drop is [room.Conversation.Drop]; what is sent next opens no archive for what waits no more. Where another identity
// has signed what waits, it is signed anew first, see [Room.Adopt], and nothing is taken back: the error is
// [model.ErrOtherIdentity], as the numbers are others now.
func (r *Room) Drop(ctx context.Context, number uint32, refused bool) error {
	err := r.talk.Drop(number, refused, time.Now())
	if errors.Is(err, model.ErrOtherIdentity) {
		return cmp.Or(r.Adopt(ctx, true), err)
	}
	if err != nil {
		return err
	}
	return r.waitsNoMore()
}

// TellOfKeys tells the others of the room's new keys, under the old one. In the outbox first: it is told then, sooner
// or later, even if the relay cannot be reached now. Where it is not even there, the error is an [*UntoldError].
func (r *Room) TellOfKeys(ctx context.Context) error {
	err := r.replaceLost()
	if err == nil {
		err = r.Adopt(ctx, true)
	}
	if err == nil {
		err = r.tellOfKeys()
	}
	if err != nil {
		return &UntoldError{r.settings.Name, err}
	}
	if err := r.CatchUp(ctx); err != nil {
		return waitsError(err)
	}
	_, err = r.deliver(ctx, SendOptions{})
	return err
}

// Adopt makes the identity of the keyring the one that signs in this room, if another one did until now, and tells so:
// once, before anything is written or posted. The room is read before, unless that is not wanted. The error may be an
// [*UnreadError], or [model.ErrOtherIdentity] where it was not read and would have to be.
func (r *Room) Adopt(ctx context.Context, read bool) error {
	before, err := r.talk.Predecessor()
	if err != nil || before.IsZero() {
		return err
	}
	if read {
		if err := r.CatchUp(ctx); err != nil {
			return &UnreadError{err}
		}
	}
	if err := r.noteWriting(); err != nil {
		return err
	}
	done, err := r.talk.Adopt(time.Now())
	if err != nil {
		return err
	}
	return r.tell(IdentityChanged{r.settings.Name, before, r.talk.Own(), r.talk.OwnName(), r.talk.OwnName() == r.talk.Own().Tag().Name(), done})
}

// compose puts a message into the outbox, once the user has agreed to what it takes. A file that is there already, from
// a transfer that was interrupted, is not written once more.
func (r *Room) compose(ctx context.Context, body record.Body, o SendOptions) (room.Written, error) {
	if file, ok := body.(record.File); ok && o.Once == "" {
		begun, err := r.begun(file)
		if err != nil {
			return room.Written{}, err
		}
		if begun != nil {
			if begun.Author != r.talk.Own() {
				return room.Written{}, &BegunError{*begun}
			}
			if err := r.tell(AlreadyQueued{*begun}); err != nil {
				return room.Written{}, err
			}
			return room.Written{Number: begun.Number, Entries: begun.Entries}, r.announce(ctx, 0)
		}
	}
	if device, ok := body.(record.Device); ok {
		if err := r.saysMore(device); err != nil {
			return room.Written{}, err
		}
	}
	entries, err := r.talk.Entries(body)
	if err != nil {
		return room.Written{}, err
	}
	if entries > 1 || !o.Queue { // one that is only queued asks the relay nothing
		if err := r.announce(ctx, entries); err != nil {
			return room.Written{}, err
		}
	}
	if err := r.tellOfKeys(); err != nil {
		return room.Written{}, err
	}
	if err := r.noteWriting(); err != nil {
		return room.Written{}, err
	}
	return r.talk.WriteWith(body, o.writing(), time.Now())
}

// writing is what goes with the message.
func (o *SendOptions) writing() room.Writing {
	return room.Writing{At: o.at(), Once: o.Once}
}

// saysMore refuses to say of a device what was said already.
func (r *Room) saysMore(d record.Device) error {
	ours, theirs, err := r.talk.Claims(d.Key)
	switch {
	case err != nil:
		return err
	case !d.Withdraws() && r.engine.mayTrust(d.Key) != nil:
		return r.engine.mayTrust(d.Key)
	case ours != nil && *ours != d.Withdraws():
		return &SaidError{d.Key, d.Withdraws()}
	case ours == nil && theirs == nil && d.Withdraws():
		return r.tell(NothingToWithdraw{d.Key})
	}
	return nil
}

// begun returns the message of the outbox that holds this file and was not accepted as a whole yet, nil if there is
// none.
func (r *Room) begun(file record.File) (*model.Queued, error) {
	if n, err := r.Unposted(); err != nil || n == 0 {
		return nil, err
	}
	items, err := r.OnTheirWay()
	if err != nil {
		return nil, err
	}
	for i := range items {
		f, ok := items[i].Record.Body.(record.File)
		if ok && items[i].Sent.Sent != model.StateAccepted && f.Name == file.Name && f.Media == file.Media &&
			bytes.Equal(f.Content, file.Content) {
			return items[i].Sent, nil
		}
	}
	return nil, nil
}

// tellOfKeys writes a record about each new key that the others were not told of: a rotation may have been killed
// before it did.
func (r *Room) tellOfKeys() (err error) {
	if len(r.settings.Untold) == 0 {
		return nil
	}
	if r.settings, err = r.engine.Current(r.settings); err != nil { // another process may have told of them meanwhile
		return err
	}
	if err := r.noteWriting(); err != nil {
		return err
	}
	keys, err := parseKeys(r.settings.Untold)
	if err != nil {
		return fmt.Errorf("room %s: %w", r.settings.Name, err)
	}
	waiting, err := r.OnTheirWay()
	if err != nil {
		return err
	}
	for _, key := range keys {
		moved := record.KeyMoved{Key: record.KeyID(key.ID())}
		if slices.ContainsFunc(waiting, func(it model.Item) bool { return it.Record.Body == moved }) {
			continue // killed right after it was written
		}
		if _, err := r.talk.Write(moved, time.Now()); err != nil {
			return err
		}
	}
	told := r.settings.Untold
	return r.update(func(s *model.Room) error {
		s.Untold = slices.DeleteFunc(s.Untold, func(s model.Secret) bool { return slices.Contains(told, s) })
		return nil
	})
}

// deliver posts what is in the outbox. The room must have been read before. Its errors are [*WaitsError], of a
// [*model.MovedError] among others.
func (r *Room) deliver(ctx context.Context, o SendOptions) (done model.Delivered, err error) {
	if r.signed { // what waits may have been signed anew where the identity is now
		if err := r.maySign(); err != nil {
			return done, err
		}
	}
	waiting, before, err := r.waiting()
	if err != nil {
		return done, err
	}
	p := &poster{r: r, client: r.client, noWait: o.NoWait, oldKey: o.OldKey, left: waiting}
	p.tell = func(e Event) { p.failed = errors.Join(p.failed, r.tell(e)) }
	p.tell(Delivering{waiting, before, r.plan})
	done, err = p.deliver(ctx)
	p.tell(Delivered{r.talk.OwnName(), done})
	if done.Posted > 0 {
		r.engine.NoteProven(r.settings)
		p.failed = errors.Join(p.failed, r.waitsNoMore())
	}
	if err != nil {
		return done, waitsError(err)
	}
	return done, p.failed
}

// waiting counts the entries of the outbox that are to be posted, and those of the same messages that were accepted
// before: of a transfer that was interrupted.
func (r *Room) waiting() (left, before int, err error) {
	if left, err = r.Unposted(); err != nil || left < 2 {
		return left, 0, err
	}
	queue, err := r.Outbox()
	if err != nil {
		return 0, 0, err
	}
	for i := range queue {
		if queue[i].Sent != model.StateAccepted {
			before += queue[i].Accepted
		}
	}
	return left, before, nil
}
