package postgres

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fernpost/fernpost/internal/relay/store"
)

const (
	// wakeChannel is the name that relays notify each other by.
	wakeChannel = "fernpost_relay"
	// nameListener tells whoever looks at the server's connections what this one is for.
	nameListener = "SET application_name = 'fernpost-relay, listening'"
	// notifyEvery is the least time between two notifications of one relay: the server takes a lock for each.
	notifyEvery = 5 * time.Millisecond
	// askEvery is how long a listener hears nothing before it asks whether the server is still there.
	askEvery = 5 * time.Second
	// notifyNumbers is how many channels one notification names. It may have 8000 bytes (PostgreSQL's documentation,
	// "NOTIFY"), and a number has up to 19 digits.
	notifyNumbers = 400
)

// waker tells those who wait for something new in a channel when to look for it, whichever relay wrote it.
type waker struct {
	subscribers store.Subscribers
	// wanted is closed when somebody has subscribed.
	wanted chan struct{}
	want   sync.Once
	// told has room for one word that something is in changes.
	told chan struct{}

	// mu guards changes, the channels that the other relays are to be told of.
	mu      sync.Mutex
	changes map[int64]struct{}
}

func (w *waker) init() {
	w.wanted, w.told, w.changes = make(chan struct{}), make(chan struct{}, 1), map[int64]struct{}{}
}

// Subscribe is part of [relay.Store].
func (s *Store) Subscribe(channel int64) (woken <-chan struct{}, end func()) {
	woken, end = s.waker.subscribers.Add(channel)
	s.waker.want.Do(func() { close(s.waker.wanted) })
	return woken, end
}

// changed wakes this relay's subscribers of a channel, and sees to it that those of others are.
func (w *waker) changed(channel int64) {
	w.subscribers.Wake(channel)
	w.mu.Lock()
	w.changes[channel] = struct{}{}
	w.mu.Unlock()
	select {
	case w.told <- struct{}{}:
	default:
	}
}

// take returns the changes, each as a part of a notification, and forgets them.
func (w *waker) take() (payloads []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	n := 0
	for channel := range w.changes {
		if n++; b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.FormatInt(channel, 10))
		if n%notifyNumbers == 0 {
			payloads = append(payloads, b.String())
			b.Reset()
		}
	}
	if b.Len() > 0 {
		payloads = append(payloads, b.String())
	}
	clear(w.changes)
	return payloads
}

// notify tells the other relays of changes, until ctx ends. It does not try hard: they look by themselves sometimes.
func (s *Store) notify(ctx context.Context) {
	for {
		select {
		case <-s.waker.told:
		case <-ctx.Done():
			return
		}
		payloads := s.waker.take()
		_ = s.attempt(ctx, func(ctx context.Context, c *conn) error {
			var b pgx.Batch
			for _, payload := range payloads {
				b.Queue("SELECT pg_notify($1, $2)", wakeChannel, payload)
			}
			return c.SendBatch(ctx, &b).Close()
		})
		if sleep(ctx, notifyEvery) != nil {
			return
		}
	}
}

// listen wakes subscribers of channels that other relays write, until ctx ends. It has a connection of its own, from
// when somebody subscribes.
func (s *Store) listen(ctx context.Context) {
	select {
	case <-s.waker.wanted:
	case <-ctx.Done():
		return
	}
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		if began, err := time.Now(), s.hear(ctx); err != nil && time.Since(began) > longestPause {
			pause = shortestPause
		}
		if sleep(ctx, pause) != nil {
			return
		}
	}
}

// hear listens on one connection until that is lost.
func (s *Store) hear(ctx context.Context) error {
	c, err := s.config.open(ctx)
	if err != nil {
		return err
	}
	defer closeConn(c)
	for _, text := range []string{"LISTEN " + wakeChannel, nameListener} {
		if _, err := c.Exec(ctx, text); err != nil {
			return err
		}
	}
	s.waker.subscribers.WakeAll() // nobody heard what was written before
	for {
		n, err := waitFor(ctx, c)
		if err != nil {
			return err
		}
		if n == "" {
			continue
		}
		for number := range strings.SplitSeq(n, " ") {
			if channel, err := strconv.ParseInt(number, 10, 64); err == nil {
				s.waker.subscribers.Wake(channel)
			}
		}
	}
}

// waitFor waits for a notification. When none came for a while it makes sure that the server is still there, and
// returns nothing.
func waitFor(ctx context.Context, c *pgx.Conn) (payload string, err error) {
	waiting, cancel := context.WithTimeout(ctx, askEvery)
	defer cancel()
	n, err := c.WaitForNotification(waiting)
	if err == nil {
		return n.Payload, nil
	}
	if ctx.Err() != nil || waiting.Err() == nil || c.IsClosed() {
		return "", err
	}
	asking, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	return "", c.Ping(asking)
}

// sleep waits for a time, or fails when ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
