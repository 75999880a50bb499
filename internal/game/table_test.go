package game

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/channel"
)

func newTable(t *testing.T, o Options) (*Game, *Table) {
	t.Helper()
	o.Access = channel.Access{Timeout: 30 * time.Second}
	g, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	table, err := g.Serve(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(errors.Join(err, g.Close()))
	}
	t.Cleanup(func() {
		if err := errors.Join(table.Close(t.Context()), g.Close()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return g, table
}

// Two pairs play by their own programs: each answers once, the first that is right has more, and nobody is told before.
func TestTwoPairs(t *testing.T) {
	g, table := newTable(t, Options{Seed: 7, Rounds: 1, Length: time.Minute})
	var players []*Player
	for _, pair := range []string{"owls", "cats", "owls"} {
		p, err := Sit(t.Context(), table.Link(), pair, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		players = append(players, p)
	}
	if players[0].Pair().Flag != players[2].Pair().Flag || players[0].Pair().Flag == players[1].Pair().Flag {
		t.Errorf("flags %v", players)
	}
	g.Begin()
	if err := g.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	truth := g.round.Plan.Lie
	for i, c := range []struct {
		said   Lie
		points int
		err    error
	}{{truth, 15, nil}, {truth, 10, nil}, {None, 15, ErrAnswered}} {
		s, err := players[i].Round(t.Context(), 0)
		if err != nil || s.Round != 1 || len(s.Show.Mine.Lines) == 0 {
			t.Fatalf("player %d is shown %+v, %v", i, s, err)
		}
		o, err := players[i].Answer(t.Context(), 1, c.said)
		if !errors.Is(err, c.err) || o.Points != c.points || o.Truth != truth || len(o.Findings) == 0 {
			t.Errorf("player %d: %+v, %v", i, o, err)
		}
	}
	if !slices.Equal(g.Pairs(), []Pair{{"owls", players[0].Pair().Flag, 15, 0}, {"cats", players[1].Pair().Flag, 10, 1}}) {
		t.Errorf("the score is %+v", g.Pairs())
	}
	if err := g.Next(t.Context()); !errors.Is(err, ErrOver) {
		t.Errorf("after the last round: %v", err)
	}
	_, err := players[1].Round(t.Context(), 1)
	if over, ok := errors.AsType[*OverError](err); !ok || len(over.Pairs) != 2 || over.Pairs[0].Points != 15 {
		t.Errorf("at the end a player is told %v", err)
	}
}

// What is no link, or no game, is refused in words.
func TestNoGameThere(t *testing.T) {
	g, table := newTable(t, Options{Seed: 7, Rounds: 1, Length: time.Minute})
	for link, want := range map[string]string{
		"nonsense": "no link to a game", "http://127.0.0.1:1/class": "no link to a game", "http://[::1/game/x": "no link to a game",
		"http://127.0.0.1:1/game/x": "cannot be reached", table.Link() + "x": "no game of that link",
	} {
		if _, err := Sit(t.Context(), link, "owls", time.Minute); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", link, err, want)
		}
	}
	if _, err := Sit(t.Context(), table.Link(), "=1+1", time.Minute); err == nil || !strings.Contains(err.Error(), "nickname") {
		t.Errorf("a formula joins: %v", err)
	}
	if len(g.Pairs()) != 0 {
		t.Errorf("there are %v", g.Pairs())
	}
}

// Whatever is sent to a table, it answers with words, and nothing breaks.
func FuzzTable(f *testing.F) {
	table := &Table{word: "word", ending: make(chan struct{}), allTold: make(chan struct{})}
	close(table.ending)
	requests := []string{"POST /game/word/join", "POST /game/word/answer", "GET /game/word/round", "GET /game/other/round", "PUT /game/word/join"}
	for i := range requests {
		for _, body := range []string{`{"pair":"owls"}`, `{"pair":"owls","round":-1,"answer":9}`, `{"round":1,"answer":"drop"}`, "[", ""} {
			f.Add(uint(i), "owls", "0", []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, request uint, pair, after string, body []byte) {
		table.game = &Game{score: NewScore(1), changed: make(chan struct{})}
		method, path, _ := strings.Cut(requests[request%uint(len(requests))], " ")
		query := url.Values{"pair": {pair}, "after": {after}}.Encode()
		w := httptest.NewRecorder()
		table.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path+"?"+query, bytes.NewReader(body)))
		if w.Code >= 500 || w.Code == 200 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s is answered with %d: %s", method, path, w.Code, w.Body)
		}
	})
}

// Whatever a table answers, its player gets it or an error.
func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(`{"event":"outcome","answer":"drop","lie":"none","digests":[]}`))
	f.Add(409, []byte(`{"error":"x","outcome":{"lie":"wipe"}}`))
	f.Add(410, []byte(`{"error":"x","pairs":[{"pair":"owls"}]}`))
	f.Add(500, []byte("<html>"))
	f.Fuzz(func(t *testing.T, status int, answer []byte) {
		var o Outcome
		if err := understand(status, answer, &o); err == nil && status != 200 {
			t.Errorf("status %d is no error", status)
		}
	})
}
