package messenger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

// Send sends a message in a room: a text at once, unless others wait in front of it, and a record or a reading by way
// of the outbox, see [Room.Send]. The error may be a [*WaitsError], and then the message is in the outbox;
// [model.ErrNoText], [model.ErrNotUTF8] or a [*model.TooLongError] for what is no text, [model.ErrReading] for a
// reading that a room of texts cannot carry, and what [Room.Send] returns.
func (e *Engine) Send(ctx context.Context, settings model.Room, body record.Body, o SendOptions, face Face) (sent Sent, err error) {
	signed, err := Signed(settings)
	if err == nil {
		err = Writable(settings)
	}
	if err != nil {
		return sent, err
	}
	if text, ok := body.(record.Text); ok && !signed && !o.Queue && o.Once == "" {
		dir, err := e.o.Dir("archive")
		if err != nil {
			return sent, err
		}
		if !archive.IsWaiting(dir, settings.FilesName()) {
			return e.sendText(ctx, settings, string(text), o, face)
		}
	}
	r, err := e.Open(settings, face)
	if err != nil {
		return sent, err
	}
	defer func() { err = errors.Join(err, r.Leave()) }()
	return r.Send(ctx, body, o)
}

// sendText seals and posts a text without opening the archive. What the relay has not accepted is put into the outbox.
func (e *Engine) sendText(ctx context.Context, settings model.Room, text string, o SendOptions, face Face) (sent Sent, err error) {
	sealer, err := e.sealer(settings)
	if err != nil {
		return sent, err
	}
	entry, err := sealer.Seal(record.Text(text), time.Now())
	if err != nil {
		return sent, err
	}
	client, err := e.dial(settings)
	if err != nil {
		return sent, err
	}
	defer client.Close()
	var failed error // of whoever was told
	// What is not accepted at once waits in the outbox: a process that waits here may be killed.
	p := poster{client: client, noWait: true, tell: func(e Event) { failed = errors.Join(failed, face.tell(e)) }}
	sent.Entries = 1
	come := model.StateQueued
	newest, err := client.LastNumber(ctx) // or nobody would know how far to look back if the reply is lost
	if err == nil {
		come = model.StateTried
		sent.Entry, err = e.postText(ctx, settings, &p, &entry, newest)
	}
	if err == nil {
		sent.Queued.Sent = model.StateAccepted
		e.NoteProven(settings)
		return sent, failed
	}
	if taken, ok := errors.AsType[*takenNumberError](err); ok { // what the relay has named as its newest is no more certain
		newest = min(newest, taken.entry-1)
	}
	if come == model.StateTried && errors.Is(err, exchange.ErrNotStored) && !errors.Is(err, exchange.ErrUnknownOutcome) {
		if come = model.StateQueued; exchange.WasSent(err) {
			come = model.StateRefused
		}
	}
	now, openErr := e.Current(settings) // or a room that was removed meanwhile would have an outbox still
	var r *Room
	if openErr == nil {
		r, openErr = e.Open(now, face)
	}
	if openErr != nil {
		return sent, errors.Join(err, fmt.Errorf("it is not in the outbox either: %w", openErr))
	}
	w, keepErr := room.Written{}, r.waits()
	if keepErr == nil {
		w, sent.Entry, keepErr = r.talk.KeepText(entry.Fields, come, newest, time.Now())
	}
	if keepErr == nil && sent.Entry > 0 { // another process has read it meanwhile: it is stored
		sent.Queued.Sent = model.StateAccepted
		e.NoteProven(settings)
		return sent, errors.Join(failed, r.waitsNoMore(), r.Leave())
	}
	if keepErr = errors.Join(keepErr, r.waits()); keepErr != nil {
		return sent, errors.Join(err, fmt.Errorf("it is not in the outbox either: %w", keepErr), r.Leave())
	}
	refused, ok := errors.AsType[*wire.RefusedError](err)
	if o.NoWait || ctx.Err() != nil || failed != nil || come != model.StateTried && (!ok || refused.Reason != wire.TooSoon) {
		return r.asItWaits(w), errors.Join(waitsError(errors.Join(err, failed)), r.Leave())
	}
	sent, postErr := r.postWaiting(ctx, w, o)
	sent.Elsewhere = sent.Elsewhere && come == model.StateQueued // or it was we who posted it, before it was in the outbox
	if postErr != nil && errors.Is(err, exchange.ErrUnknownOutcome) && !errors.Is(postErr, exchange.ErrUnknownOutcome) {
		postErr = waitsError(errors.Join(err, postErr)) // it may be stored still
	}
	return sent, errors.Join(postErr, r.Leave())
}

// postText posts a text that is sealed, and notes it. The error is a [*takenNumberError] if the relay answers with the number of
// another entry.
func (e *Engine) postText(ctx context.Context, settings model.Room, p *poster, entry *thingspeak.Entry, newest int64) (int64, error) {
	field := settings.Fields[0]
	note := room.SentText{Token: entry.Fields[field-1].Text, Field: field, Time: time.Now()}
	e.noteSent(settings, note) // or who watches the room in this moment would take it for somebody else's
	p.tell(Delivering{Entries: 1})
	defer p.tell(Delivered{})
	var err error
	if note.Entry, err = p.post(ctx, entry, newest); err != nil {
		return 0, err
	}
	if e.isTaken(settings, &note) {
		return 0, &takenNumberError{note.Entry}
	}
	e.noteSent(settings, note)
	return note.Entry, nil
}

// takenNumberError says that the relay has answered with a number that something else has: that is no answer, and what was posted is
// to be looked for.
type takenNumberError struct{ entry int64 }

func (e *takenNumberError) Error() string {
	return fmt.Sprintf("the relay answers that it is entry %d, which is another one", e.entry)
}

func (e *takenNumberError) Unwrap() error { return exchange.ErrUnknownOutcome }

// isTaken reports whether this device holds another entry of the number that a text was accepted under, or has had that number for
// another text before, as the outbox asks for what goes by way of it. Where the archive cannot be asked, the relay is believed.
func (e *Engine) isTaken(settings model.Room, sent *room.SentText) bool {
	dir, err := e.o.Dir("archive")
	if err != nil {
		return false
	}
	for _, t := range sentTexts(archive.Sent(dir, settings.FilesName())) {
		if t.Entry == sent.Entry && t.Token != sent.Token {
			return true
		}
	}
	if !archive.Has(dir, settings.FilesName()) {
		return false
	}
	a, err := archive.OpenRoom(dir, settings.FilesName())
	if err != nil {
		return false
	}
	defer a.Close()
	another, _ := sent.IsAnother(a)
	return another
}

// sentTexts reads lines of [archive.NoteSent]; one that was cut off is left out.
func sentTexts(lines [][]byte) (texts []room.SentText) {
	for _, line := range lines {
		var t room.SentText
		if json.Unmarshal(line, &t) == nil {
			texts = append(texts, t)
		}
	}
	return texts
}

// noteSent notes that a relay has accepted a text, for whoever reads the room next: it may have lied. Where that cannot
// be noted the text is sent all the same.
func (e *Engine) noteSent(settings model.Room, t room.SentText) {
	dir, err := e.o.Dir("archive")
	if err != nil {
		return
	}
	if line, err := json.Marshal(t); err == nil {
		_ = archive.NoteSent(dir, settings.FilesName(), line)
	}
}

// takeSent takes into the archive what was sent without it.
func (r *Room) takeSent() error {
	if r.signed {
		return nil
	}
	return r.archive.TakeSent(func(lines [][]byte) error {
		return r.talk.KeepSent(sentTexts(lines))
	})
}

// sealer seals the texts of a room.
func (e *Engine) sealer(settings model.Room) (*room.Room, error) {
	keys, err := Keys(settings)
	if err != nil {
		return nil, err
	}
	ring, err := fernet.NewRing(keys...)
	if err != nil {
		return nil, fmt.Errorf("room %s: %w", settings.Name, err)
	}
	profile, err := Profile(settings)
	if err != nil {
		return nil, err
	}
	return room.New(ring, settings.Fields, profile.Wrapper == passphrase.WrapperPython)
}

// sendText puts a text or a reading into the outbox, and posts what is there, unless it is only to be queued.
func (r *Room) sendText(ctx context.Context, body record.Body, o SendOptions) (sent Sent, err error) {
	if err := r.waits(); err != nil { // before: whoever is killed in between must not leave it behind unseen
		return sent, err
	}
	written, err := r.talk.WriteText(body, o.writing(), time.Now())
	if err == nil {
		err = r.waits()
	}
	if err != nil && written.Number > 0 {
		err = waitsError(err)
	}
	if err != nil || o.Queue {
		sent.Number, sent.Entries = written.Number, written.Entries
		return sent, err
	}
	return r.postWaiting(ctx, written, o)
}

// postWaiting posts what is in the outbox of a room of texts, this text last.
func (r *Room) postWaiting(ctx context.Context, written room.Written, o SendOptions) (sent Sent, err error) {
	sent.Number, sent.Entries = written.Number, written.Entries
	if err := r.CatchUp(ctx); err != nil {
		return r.asItWaits(written), waitsError(err)
	}
	done, err := r.deliver(ctx, o)
	if err != nil {
		return r.asItWaits(written), err
	}
	sent.Elsewhere = done.Posted+done.Tried == 0
	switch q, err := r.talk.Sent(written.Number); {
	case err == nil:
		sent.Queued = q
	case errors.Is(err, model.ErrNoMessage): // read back already, perhaps by another process
		sent.Queued.Sent = model.StateAccepted
		sent.Entry, err = r.talk.TextRead(&written)
		return sent, err
	default:
		return sent, err
	}
	return sent, nil
}

// waits notes that something waits in the outbox of a room of texts. It is called before it is put there, and after: a
// delivery that has seen nothing there may have noted the opposite in between.
func (r *Room) waits() error {
	if r.signed {
		return nil
	}
	return r.archive.SetWaiting(true)
}

// waitsNoMore notes that nothing waits, if that is so.
func (r *Room) waitsNoMore() error {
	if r.signed {
		return nil
	}
	return r.archive.Transact(func() error {
		if n, err := r.Unposted(); err != nil || n > 0 {
			return err
		}
		return r.archive.SetWaiting(false)
	})
}
