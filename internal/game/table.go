package game

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/relay/guard"
)

const (
	// linkPath stands before the word that lets players in.
	linkPath = "/game/"
	// maxSaid is the longest request, in bytes.
	maxSaid = 4 << 10
	// longPoll is how long an answer is kept back until there is something new.
	longPoll = 20 * time.Second
)

// Table is where pairs play: it serves a game to their programs.
type Table struct {
	game     *Game
	listener net.Listener
	server   *http.Server
	word     string
	ending   chan struct{}

	mu      sync.Mutex // guards what follows
	players int        // who have joined and were not told yet that the game is over
	allTold chan struct{}
}

// Serve serves the game on HOST:PORT; an empty host is every address of this machine, port 0 one that is free.
func (g *Game) Serve(ctx context.Context, listen string) (*Table, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", listen, guard.ListenError(listen, err))
	}
	t := &Table{game: g, listener: listener, word: strings.ToLower(rand.Text()[:8]), ending: make(chan struct{}), allTold: make(chan struct{})}
	t.server = &http.Server{
		Handler: t.handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	go t.server.Serve(listener)
	return t, nil
}

// Link is what players join by.
func (t *Table) Link() string {
	return "http://" + guard.Reachable(t.listener.Addr())[0] + linkPath + t.word
}

// Ended waits until all players know that the game is over, but no longer than ctx: some have gone.
func (t *Table) Ended(ctx context.Context) {
	t.mu.Lock()
	there := t.players
	t.mu.Unlock()
	if there == 0 {
		return
	}
	select {
	case <-t.allTold:
	case <-ctx.Done():
	}
}

// count counts who comes, 1, and who was told that the game is over, -1.
func (t *Table) count(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.players += n; t.players == 0 {
		select {
		case <-t.allTold:
		default:
			if n < 0 {
				close(t.allTold)
			}
		}
	}
}

// Close ends the table, and waits for requests under way.
func (t *Table) Close(ctx context.Context) error {
	close(t.ending)
	if err := t.server.Shutdown(ctx); err != nil {
		return errors.Join(err, t.server.Close())
	}
	return nil
}

// refusal is the answer to what cannot be done.
type refusal struct {
	Error string `json:"error"`
	// Outcome is that of the answer that counts, where a pair answers a second time, and Pairs who has played, at the end.
	Outcome *Outcome `json:"outcome,omitempty"`
	Pairs   []Pair   `json:"pairs,omitempty"`
}

// joining and saying are requests.
type (
	joining struct {
		Pair string `json:"pair"`
	}
	saying struct {
		Pair   string `json:"pair"`
		Round  int    `json:"round"`
		Answer Lie    `json:"answer"`
	}
)

func (t *Table) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, serve := range map[string]func(*http.Request) (any, error){
		"POST " + linkPath + "{word}/join":   t.join,
		"GET " + linkPath + "{word}/round":   t.round,
		"POST " + linkPath + "{word}/answer": t.answer,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if r.PathValue("word") != t.word {
				reply(w, http.StatusNotFound, refusal{Error: "there is no game of that link"})
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, maxSaid)
			answer, err := serve(r)
			if err == nil {
				reply(w, http.StatusOK, answer)
				return
			}
			t.refuse(w, answer, err)
		})
	}
	return mux
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever has gone needs no answer
}

// errRequest is a request that is none.
var errRequest = errors.New("that is no request of this game")

func (t *Table) refuse(w http.ResponseWriter, answer any, err error) {
	r, status := refusal{Error: err.Error()}, http.StatusBadRequest
	switch {
	case errors.Is(err, ErrOver):
		r.Pairs, status = t.game.Pairs(), http.StatusGone
	case errors.Is(err, ErrAnswered):
		status = http.StatusConflict
		if o, ok := answer.(Outcome); ok {
			r.Outcome = &o
		}
	case errors.Is(err, ErrNotNow):
		status = http.StatusTooEarly
	case errors.Is(err, ErrNoPair):
		status = http.StatusForbidden
	}
	reply(w, status, r)
}

// read reads a request's object.
func read(r *http.Request, into any) error {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		return errRequest
	}
	return nil
}

func (t *Table) join(r *http.Request) (any, error) {
	var j joining
	if err := read(r, &j); err != nil {
		return nil, err
	}
	p, err := t.game.Join(j.Pair)
	if err == nil {
		t.count(1)
	}
	return p, err
}

// nothingNew is the answer when a round does not come for long: ask again.
type nothingNew struct {
	Wait bool `json:"wait"`
}

func (t *Table) round(r *http.Request) (any, error) {
	after, err := strconv.Atoi(r.FormValue("after"))
	if err != nil {
		return nil, errRequest
	}
	ctx, cancel := context.WithTimeout(r.Context(), longPoll)
	defer cancel()
	go func() {
		select {
		case <-t.ending:
			cancel()
		case <-ctx.Done():
		}
	}()
	s, err := t.game.Wait(ctx, r.FormValue("pair"), after)
	if errors.Is(err, ErrOver) {
		t.count(-1)
	}
	if ctx.Err() != nil && err != nil && !errors.Is(err, ErrOver) {
		return nothingNew{true}, nil
	}
	return s, err
}

func (t *Table) answer(r *http.Request) (any, error) {
	var s saying
	if err := read(r, &s); err != nil {
		return nil, err
	}
	return t.game.Answer(s.Pair, s.Round, s.Answer)
}
