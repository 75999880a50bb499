package game

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
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
	// Pairs are who has played, at the end.
	Pairs []Pair `json:"pairs,omitempty"`
}

// request is what players ask: Word is that of their pair, After the round that they have seen, Round the one that they answer, or of which
// they want to know what was so.
type request struct {
	Pair   string `json:"pair"`
	Word   string `json:"word,omitempty"`
	After  int    `json:"after,omitempty"`
	Round  int    `json:"round,omitempty"`
	Answer Lie    `json:"answer"`
}

func (t *Table) handler() http.Handler {
	mux := http.NewServeMux()
	for name, serve := range map[string]func(context.Context, *request) (any, error){
		"join": t.join, "round": t.round, "answer": t.answer, "outcome": t.outcome,
	} {
		mux.HandleFunc("POST "+linkPath+"{word}/"+name, func(w http.ResponseWriter, r *http.Request) {
			var asked request
			err := t.read(w, r, &asked)
			if err != nil {
				t.refuse(w, err)
				return
			}
			answer, err := serve(r.Context(), &asked)
			if err != nil {
				t.refuse(w, err)
				return
			}
			reply(w, http.StatusOK, answer)
		})
	}
	mux.HandleFunc("GET "+linkPath+"{word}", t.explain)
	return mux
}

// explain tells what the link is for, to who opens it in a browser.
func (t *Table) explain(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !t.isOurs(r) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintln(w, errNoGame)
		return
	}
	fmt.Fprintf(w, "This is a game of lies for fernpost. Pairs join it from a terminal:\n\n    fernpost game join %s --as PAIR\n", t.Link())
}

func (t *Table) isOurs(r *http.Request) bool {
	return subtle.ConstantTimeCompare([]byte(r.PathValue("word")), []byte(t.word)) == 1
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever has gone needs no answer
}

// Requests that are none of this game.
var (
	errRequest = errors.New("that is no request of this game: both sides need the same fernpost")
	errNoGame  = errors.New("there is no game of that link")
)

// statuses are what a refusal is in HTTP; all others are bad requests.
var statuses = map[error]int{
	errNoGame: http.StatusNotFound, ErrOver: http.StatusGone, ErrAnswered: http.StatusConflict, ErrNotNow: http.StatusTooEarly,
	ErrNoPair: http.StatusForbidden,
}

func (t *Table) refuse(w http.ResponseWriter, err error) {
	r, status := refusal{Error: err.Error()}, http.StatusBadRequest
	for known, is := range statuses {
		if errors.Is(err, known) {
			status = is
		}
	}
	if status == http.StatusGone {
		r.Pairs = t.game.Pairs()
	}
	reply(w, status, r)
}

// read reads a request of our game.
func (t *Table) read(w http.ResponseWriter, r *http.Request, into *request) error {
	if !t.isOurs(r) {
		return errNoGame
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSaid)).Decode(into); err != nil {
		return errRequest
	}
	return nil
}

func (t *Table) join(_ context.Context, r *request) (any, error) {
	m, err := t.game.Join(r.Pair, r.Word)
	if err == nil {
		t.count(1)
	}
	return m, err
}

// nothingNew is the answer when what is waited for does not come for long: ask again.
type nothingNew struct {
	Wait bool `json:"wait"`
}

func (t *Table) round(ctx context.Context, r *request) (any, error) {
	return t.patient(ctx, func(ctx context.Context) (any, error) {
		s, err := t.game.Round(ctx, r.Pair, r.Word, r.After)
		if errors.Is(err, ErrOver) {
			t.count(-1)
		}
		return s, err
	})
}

func (t *Table) outcome(ctx context.Context, r *request) (any, error) {
	return t.patient(ctx, func(ctx context.Context) (any, error) { return t.game.Outcome(ctx, r.Pair, r.Word, r.Round) })
}

// patient waits for an answer, but not for ever: connections on which nothing moves are cut on the way.
func (t *Table) patient(ctx context.Context, wait func(context.Context) (any, error)) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, longPoll)
	defer cancel()
	go func() {
		select {
		case <-t.ending:
			cancel()
		case <-ctx.Done():
		}
	}()
	answer, err := wait(ctx)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nothingNew{true}, nil
	}
	return answer, err
}

func (t *Table) answer(_ context.Context, r *request) (any, error) {
	return struct{}{}, t.game.Answer(r.Pair, r.Word, r.Round, r.Answer)
}
