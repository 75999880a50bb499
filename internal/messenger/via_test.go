package messenger_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/remote"
)

// noStream is a relay that has no stream, and counts how often it is asked for one.
type noStream struct{ asked int }

func (*noStream) Via() exchange.Via { return exchange.Stream }

func (n *noStream) Listen(context.Context, int64, func(remote.Heard) error) error {
	n.asked++
	return remote.ErrNotOffered
}

// follows waits until a stream ends, or for ten minutes.
func followed(t *testing.T, s *messenger.Stream) (err error) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	for err == nil {
		_, err = s.Next(ctx)
	}
	return err
}

// Who wants a stream only is told that there is none, once. Others are served by polling, and the relay is asked for a stream
// once as well, or by who wants polling only not at all.
func TestVia(t *testing.T) {
	stream, polling := exchange.Stream, exchange.Polling
	for _, test := range []struct {
		name  string
		via   *exchange.Via
		asked int
		fails bool
	}{{"any", nil, 1, false}, {"stream", &stream, 1, true}, {"polling", &polling, 0, false}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, source := newTexts(t), &noStream{}
				x.engine.PushBy(source)
				s := x.follow(messenger.FollowOptions{Mark: "face", Via: test.via})
				err := followed(t, s)
				if errors.Is(err, messenger.ErrNotPushed) != test.fails || source.asked != test.asked {
					t.Errorf("it ended with %v, asked for a stream %d times", err, source.asked)
				}
				if via, last := s.Heard(); via != exchange.Polling || time.Since(last) > 11*time.Minute {
					t.Errorf("entries come by %v, last heard %v", via, last)
				}
				closeAll(t, s)
			})
		})
	}
}
