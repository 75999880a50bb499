package messenger

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/wire"
)

// State says how far a message of our own has come, or who has seen it, whichever process knew it first.
type State struct{ model.OwnState }

// NotPosted says that what waits in the outbox could not be posted. Again tells that it is tried again by itself: the
// relay may only be away.
type NotPosted struct {
	Err   error
	Again bool
}

func (State) event()     {}
func (NotPosted) event() {}

// Send puts a message into the outbox, and has it posted while the stream goes on: the room's interval holds up nobody.
// What becomes of it is told to all streams of the room: as [State], and until it is posted as [Delivering], [Waits],
// [Accepted], [Delivered] and [NotPosted]. If the stream is closed before, it stays in the outbox. Send may be called
// while another goroutine waits in Next. The errors are those of [Engine.Send] for a message that is only queued.
func (s *Stream) Send(ctx context.Context, body record.Body, o SendOptions) (sent Sent, err error) {
	settings, err := s.engine.Current(s.watch.settings)
	if err != nil {
		return sent, err
	}
	r, err := s.engine.Open(settings, s.face)
	if err != nil {
		return sent, err
	}
	o.Queue = true
	if sent, err = r.Send(ctx, body, o); sent.Number > 0 {
		wake(s.watch.written)
		s.watch.tell(func(n *relayNews) { n.changed = true })
	}
	closed := r.Close()
	if sent.Number > 0 {
		closed = waitsError(closed)
	}
	return sent, errors.Join(err, closed)
}

// Post has posted what waits in the outbox, as after [Stream.Send].
func (s *Stream) Post() { wake(s.watch.written) }

// post posts what is in the outbox whenever something was written, beside the reading, and with a connection of its
// own.
func (w *watching) post(ctx context.Context) {
	var retry wire.Retry
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.written:
		case <-again:
		}
		err := w.postAll(ctx)
		if ctx.Err() != nil {
			return
		}
		pause, passing := retry.After(err)
		if errors.Is(err, exchange.ErrUnknownOutcome) { // it was looked for three times: to post it once more is for its author to say
			passing = false
		}
		if again = nil; passing {
			again = time.After(pause)
		}
		if err != nil {
			w.tellPosting(NotPosted{Err: err, Again: passing})
		}
	}
}

func (w *watching) postAll(ctx context.Context) error {
	settings, err := w.engine.Current(w.settings)
	if err != nil {
		return err
	}
	r, err := w.engine.Open(settings, Face{Tell: func(e Event) error {
		w.tellPosting(e)
		return nil
	}})
	if err != nil {
		return err
	}
	done, _, err := r.Retry(ctx, SendOptions{})
	if done.Posted > 0 {
		wake(w.hurry) // it can be read back
	}
	return errors.Join(err, r.Close())
}

// tellPosting tells every stream what happens while the outbox is posted. Of what a slow one has not taken yet, the
// newest of each kind is kept: what became of a message it learns from the archive.
func (w *watching) tellPosting(e Event) {
	w.tell(func(n *relayNews) {
		n.changed = true
		kind := reflect.TypeOf(e)
		n.posting = slices.DeleteFunc(slices.Clone(n.posting), func(o Event) bool { return reflect.TypeOf(o) == kind })
		n.posting = append(n.posting, e)
	})
}

// wake lets whoever waits for a channel go on, now or later.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
