package messenger

import (
	"context"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/handover"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/remote"
)

// Joined is what a reading and the one after it have found out, for a face that was told of neither.
func Joined(before *Read, next Read) *Read { return before.with(next) }

// WriteOnly puts a record into the outbox and does nothing else, as a process that is killed then.
func WriteOnly(r *Room, body record.Body) error {
	_, err := r.talk.Write(body, time.Now())
	return err
}

// PushBy has entries of all rooms pushed by a source as well.
func (e *Engine) PushBy(s remote.Source) {
	e.sources = func(*remote.Client) []remote.Source { return []remote.Source{s} }
}

// StandStill begins to import an identity and does nothing else, as a process that is killed then.
func (e *Engine) StandStill(c *handover.Content) error { return e.standStill(c) }

// FetchBy reads a room's feed by what fetches it.
func FetchBy(r *Room, fetch func(context.Context, exchange.Position, exchange.Visitor) (exchange.News, error)) {
	g, err := r.startFetching(context.Background(), fetch)
	if err == nil {
		_, err = g.finish()
	}
	if err != nil {
		panic(err)
	}
}
