package game

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
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

// sit lets players of pairs in; who is of the pair of somebody before has its word.
func sit(t *testing.T, table *Table, pairs ...string) (players []*Player) {
	t.Helper()
	words := map[string]string{}
	for _, pair := range pairs {
		p, err := Sit(t.Context(), table.Link(), pair, words[pair], time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		words[pair] = p.Pair().Word
		players = append(players, p)
	}
	return players
}

// Two pairs play by their own programs: each answers once, and the first that is right has more.
func TestTwoPairs(t *testing.T) {
	g, table := newTable(t, Options{Seed: 24, Pairs: 2, Rounds: 1, Length: time.Minute})
	players := sit(t, table, "owls", "cats", "owls")
	if players[0].Pair() != players[2].Pair() || players[0].Pair().Flag == players[1].Pair().Flag {
		t.Errorf("pairs %v", players)
	}
	g.Begin()
	if err := g.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	truth := g.rounds[0].Plan.Lie
	for i, c := range []struct {
		said Lie
		err  error
	}{{truth, nil}, {truth, nil}, {None, ErrAnswered}} {
		s, err := players[i].Round(t.Context(), 0)
		if err != nil || s.Round != 1 || len(s.Show.Mine.Lines) == 0 {
			t.Fatalf("player %d is shown %+v, %v", i, s, err)
		}
		if err := players[i].Answer(t.Context(), 1, c.said); !errors.Is(err, c.err) {
			t.Errorf("player %d: %v", i, err)
		}
	}
	if err := g.Settled(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for i, points := range []int{15, 10, 15} {
		o, err := players[i].Outcome(t.Context(), 1)
		if err != nil || o.Points != points || o.Sum != points || o.Truth != truth || *o.Said != truth || len(o.Findings) == 0 {
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

// send posts a request to a table by hand, and returns what it says.
func send(t *testing.T, table *Table, what string, r request) (status int, said string) {
	t.Helper()
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	ctx, cancel := context.WithCancel(t.Context())
	if what == "outcome" || what == "round" {
		cancel() // what has to be waited for is not there yet
	}
	defer cancel()
	table.handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, linkPath+table.word+"/"+what, bytes.NewReader(body)))
	return w.Code, w.Body.String()
}

// A pair that answered at once was told what it was, and so was who asked again, or answered for another pair: so the truth could be
// read by all who had not answered yet.
func TestNobodyIsToldWhileARoundCanBeAnswered(t *testing.T) {
	g, table := newTable(t, Options{Seed: 24, Pairs: 2, Rounds: 1, Length: time.Minute})
	players := sit(t, table, "shill", "owls")
	shill, owls := players[0].Pair(), players[1].Pair()
	g.Begin()
	if err := g.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what   string
		asked  request
		status int
	}{
		{"answer", request{Pair: "owls", Round: 1, Answer: None}, http.StatusForbidden},
		{"answer", request{Pair: "owls", Word: shill.Word, Round: 1, Answer: None}, http.StatusForbidden},
		{"answer", request{Pair: "shill", Word: shill.Word, Round: 1, Answer: None}, http.StatusOK},
		{"answer", request{Pair: "shill", Word: shill.Word, Round: 1, Answer: Fork}, http.StatusConflict},
		{"outcome", request{Pair: "shill", Word: shill.Word, Round: 1}, http.StatusOK},
		{"outcome", request{Pair: "owls", Word: shill.Word, Round: 1}, http.StatusForbidden},
		{"join", request{Pair: "shill", Word: shill.Word}, http.StatusOK},
		{"join", request{Pair: "another"}, http.StatusBadRequest},
	} {
		status, said := send(t, table, c.what, c.asked)
		if status != c.status || strings.Contains(said, "lie") || strings.Contains(said, "right") || strings.Contains(said, "fork") {
			t.Errorf("%s %+v: %d %s", c.what, c.asked, status, said)
		}
	}
	if len(g.Outcomes()) != 0 {
		t.Errorf("the teacher is told %+v", g.Outcomes())
	}
	if err := players[1].Answer(t.Context(), 1, Fork); err != nil {
		t.Fatal(err)
	}
	if err := g.Settled(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if o, err := players[0].Outcome(t.Context(), 1); err != nil || o.Truth != Fork || o.Points != 0 {
		t.Errorf("after the round the shill is told %+v, %v", o, err)
	}
	if _, said := send(t, table, "join", request{Pair: "owls", Word: owls.Word}); !strings.Contains(said, `"points":15`) {
		t.Errorf("owls come back as %s", said)
	}
}

// A round whose time is over cannot be answered, and who has said nothing is told as well.
func TestARoundEndsWithItsTime(t *testing.T) {
	g, table := newTable(t, Options{Seed: 24, Pairs: 1, Rounds: 1, Length: time.Minute})
	owls := sit(t, table, "owls")[0]
	g.Begin()
	if err := errors.Join(g.Next(t.Context()), g.Settled(t.Context(), time.Now())); err != nil {
		t.Fatal(err)
	}
	if err := owls.Answer(t.Context(), 1, Fork); !errors.Is(err, ErrAnswered) && !errors.Is(err, ErrNotNow) {
		t.Errorf("it is answered late: %v", err)
	}
	if o, err := owls.Outcome(t.Context(), 1); err != nil || o.Said != nil || o.Truth != Fork || o.Points != 0 {
		t.Errorf("owls are told %+v, %v", o, err)
	}
}

// A table that said "later" at once was asked without a pause.
func TestPlayersPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		p := &Player{link: "http://game/game/x", host: "game", client: &http.Client{Transport: answers(func() string {
			asked++
			return `{"wait":true}`
		})}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := p.Round(ctx, 0); !errors.Is(err, context.DeadlineExceeded) || asked > 61 {
			t.Errorf("in a minute it has asked %d times, and then %v", asked, err)
		}
	})
}

// answers are those of a table to all that is asked.
type answers func() string

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(a()))}, nil
}

// Who opens the link in a browser read "404 page not found".
func TestTheLinkSaysWhatItIsFor(t *testing.T) {
	_, table := newTable(t, Options{Seed: 24, Rounds: 1, Length: time.Minute})
	for path, want := range map[string]string{linkPath + table.word: "fernpost game join http://", linkPath + "other": "no game of that link"} {
		w := httptest.NewRecorder()
		table.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if !strings.Contains(w.Body.String(), want) || path != linkPath+table.word && w.Code != http.StatusNotFound {
			t.Errorf("%s is answered with %d: %s", path, w.Code, w.Body)
		}
	}
}

// What is no link, or no game, is refused in words.
func TestNoGameThere(t *testing.T) {
	g, table := newTable(t, Options{Seed: 7, Rounds: 1, Length: time.Minute})
	for link, want := range map[string]string{
		"nonsense": "no link to a game", "http://127.0.0.1:1/class": "no link to a game", "http://[::1/game/x": "no link to a game",
		"http://127.0.0.1:1/game/x": "joining the game at 127.0.0.1:1: nothing answers there: connection refused", table.Link() + "x": "no game of that link",
	} {
		if _, err := Sit(t.Context(), link, "owls", "", time.Minute); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", link, err, want)
		}
	}
	if _, err := Sit(t.Context(), table.Link(), "=1+1", "", time.Minute); err == nil || !strings.Contains(err.Error(), "nickname") {
		t.Errorf("a formula joins: %v", err)
	}
	if len(g.Pairs()) != 0 {
		t.Errorf("there are %v", g.Pairs())
	}
}

// Whatever is sent to a table, it answers with words, and nothing breaks.
func FuzzTable(f *testing.F) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { listener.Close() })
	table := &Table{listener: listener, word: "word", ending: make(chan struct{}), allTold: make(chan struct{})}
	close(table.ending)
	requests := []string{
		"POST /game/word/join", "POST /game/word/answer", "POST /game/word/round", "POST /game/word/outcome", "POST /game/other/round",
		"PUT /game/word/join", "GET /game/word",
	}
	for i := range requests {
		for _, body := range []string{
			`{"pair":"owls"}`, `{"pair":"owls","word":"owl","round":-1,"answer":9}`, `{"pair":"owls","word":"owl","round":1,"answer":"drop"}`,
			`{"pair":"owls","word":"owl","after":-9223372036854775808}`, "[", "",
		} {
			f.Add(uint(i), []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, request uint, body []byte) {
		score := NewScore(1, 2)
		score.pairs = []Member{{Pair{Name: "owls"}, "owl"}}
		table.game = &Game{score: score, changed: make(chan struct{})}
		method, path, _ := strings.Cut(requests[request%uint(len(requests))], " ")
		w := httptest.NewRecorder()
		table.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, bytes.NewReader(body)))
		isPage := strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain")
		if w.Code >= 500 || w.Code == 200 && !isPage && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s is answered with %d: %s", method, path, w.Code, w.Body)
		}
	})
}

// Whatever a table answers, its player gets it or an error.
func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(`{"event":"outcome","answer":"drop","lie":"none","digests":[]}`))
	f.Add(409, []byte(`{"error":"x","answer":null,"lie":"wipe"}`))
	f.Add(410, []byte(`{"error":"x","pairs":[{"pair":"owls"}]}`))
	f.Add(500, []byte("<html>"))
	f.Fuzz(func(t *testing.T, status int, answer []byte) {
		var o Outcome
		if err := understand(status, answer, &o); err == nil && status != 200 {
			t.Errorf("status %d is no error", status)
		}
	})
}
