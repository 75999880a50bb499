package game

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/netfault"
)

// maxAnswer is the longest answer of a table that is read, in bytes.
const maxAnswer = 1 << 20

// ErrLink refuses what is no link to a game.
var ErrLink = errors.New("that is no link to a game: want one like http://192.168.1.20:3000/game/abcdefgh")

// OverError is [ErrOver] for who plays at a table, with how it ended.
type OverError struct{ Pairs []Pair }

func (e *OverError) Error() string { return ErrOver.Error() }

func (e *OverError) Unwrap() error { return ErrOver }

// AwayError says that a game cannot be reached.
type AwayError struct {
	// Doing is what was tried, Host where, and Why what is in the way: no words of strangers.
	Doing, Host, Why string
}

func (e *AwayError) Error() string { return e.Doing + " at " + e.Host + ": " + e.Why }

// Player is one of a pair, at a table.
type Player struct {
	link   string
	host   string
	pair   Member
	client *http.Client
}

// Sit lets a player of a pair in by a link; who is not the first of the pair, or comes back, has its word. What the table says is a
// stranger's word.
func Sit(ctx context.Context, link, pair, word string, timeout time.Duration) (*Player, error) {
	u, err := url.Parse(strings.TrimSpace(link))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || !strings.HasPrefix(u.Path, linkPath) {
		return nil, ErrLink
	}
	u.RawQuery, u.Fragment, u.Path = "", "", strings.TrimSuffix(u.Path, "/")
	p := &Player{link: u.String(), host: u.Host, client: &http.Client{
		Timeout: timeout + longPoll, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	err = p.ask(ctx, "joining the game", "/join", &request{Pair: pair, Word: word}, &p.pair)
	return p, err
}

// Pair is whom the player belongs to, with the pair's word.
func (p *Player) Pair() Member { return p.pair }

// request is one of the player's pair.
func (p *Player) request() *request { return &request{Pair: p.pair.Name, Word: p.pair.Word} }

// Round waits for a round after another one. The error is an [*OverError] after the last.
func (p *Player) Round(ctx context.Context, after int) (s Shown, err error) {
	r := p.request()
	r.After = after
	err = p.await(ctx, "waiting for a round", "/round", r, &s)
	return s, err
}

// Answer says which lie it was: see [Game.Answer].
func (p *Player) Answer(ctx context.Context, round int, said Lie) error {
	r := p.request()
	r.Round, r.Answer = round, said
	return p.ask(ctx, "answering a round", "/answer", r, &struct{}{})
}

// Outcome waits until a round is over, and returns what was so.
func (p *Player) Outcome(ctx context.Context, round int) (o Outcome, err error) {
	r := p.request()
	r.Round = round
	err = p.await(ctx, "waiting for what was so", "/outcome", r, &o)
	return o, err
}

// pause is how long a player waits before it asks again.
const pause = time.Second

// await asks until there is an answer.
func (p *Player) await(ctx context.Context, doing, path string, r *request, into any) error {
	for {
		var answer json.RawMessage
		if err := p.ask(ctx, doing, path, r, &answer); err != nil {
			return err
		}
		var later nothingNew
		if json.Unmarshal(answer, &later) != nil {
			return errNoTable
		}
		if !later.Wait {
			return understand(http.StatusOK, answer, into)
		}
		// A table that always says "later" at once would be asked without end.
		if err := wait(ctx, pause); err != nil {
			return err
		}
	}
}

// ask sends a request, and reads the answer.
func (p *Player) ask(ctx context.Context, doing, path string, r *request, into any) error {
	said, err := json.Marshal(r)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.link+path, bytes.NewReader(said))
	if err != nil {
		return ErrLink
	}
	resp, err := p.client.Do(req)
	var answer []byte
	if err == nil {
		defer resp.Body.Close()
		answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	}
	switch {
	case err == nil:
		return understand(resp.StatusCode, answer, into)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return &AwayError{doing, p.host, netfault.Words(err).Error()}
}

// errNoTable is the error of an answer that no game gives.
var errNoTable = errors.New("what answers at this link is no game, or one of another fernpost")

// understand reads an answer of a table.
func understand(status int, answer []byte, into any) error {
	if status == http.StatusOK {
		if json.Unmarshal(answer, into) != nil {
			return errNoTable
		}
		return nil
	}
	var r refusal
	if json.Unmarshal(answer, &r) != nil || r.Error == "" {
		return errNoTable
	}
	if status == http.StatusGone {
		return &OverError{r.Pairs}
	}
	for _, known := range []error{ErrNoPair, ErrAnswered, ErrNotNow, ErrFull, ErrBegun, ErrPairWord, ErrAlike} {
		if r.Error == known.Error() {
			return known
		}
	}
	return fmt.Errorf("%.300s", r.Error)
}
