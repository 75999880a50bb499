package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// saidAgain is when what was logged is logged again: a full disk would otherwise get a line for each request.
	saidAgain = time.Minute
	// maxSaid is how many lines are remembered.
	maxSaid = 1000
)

// quietHandler leaves out lines that were logged to the letter of late.
type quietHandler struct {
	slog.Handler

	said *said
}

// said are the lines that were logged, and when.
type said struct {
	mu sync.Mutex // guards at
	at map[string]time.Time
}

// Handle is part of [slog.Handler].
func (h *quietHandler) Handle(ctx context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += "\x00" + a.String()
		return true
	})
	if !h.said.isNew(line, r.Time) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (s *said) isNew(line string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.at[line]; ok && now.Sub(last) < saidAgain {
		return false
	}
	if len(s.at) >= maxSaid {
		clear(s.at)
	}
	s.at[line] = now
	return true
}

// WithAttrs is part of [slog.Handler].
func (h *quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &quietHandler{h.Handler.WithAttrs(attrs), h.said}
}

// WithGroup is part of [slog.Handler].
func (h *quietHandler) WithGroup(name string) slog.Handler {
	return &quietHandler{h.Handler.WithGroup(name), h.said}
}
