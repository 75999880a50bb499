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
	"strconv"
	"strings"
	"time"
)

// maxAnswer is the longest answer of a table that is read, in bytes.
const maxAnswer = 1 << 20

// ErrLink refuses what is no link to a game.
var ErrLink = errors.New("that is no link to a game: want one like http://192.168.1.20:3000/game/abcdefgh")

// OverError is [ErrOver] for who plays at a table, with how it ended.
type OverError struct{ Pairs []Pair }

func (e *OverError) Error() string { return ErrOver.Error() }

func (e *OverError) Unwrap() error { return ErrOver }

// Player is one of a pair, at a table.
type Player struct {
	link   string
	pair   Pair
	client *http.Client
}

// Sit lets a player of a pair in by a link. What the table says is a stranger's word.
func Sit(ctx context.Context, link, pair string, timeout time.Duration) (*Player, error) {
	u, err := url.Parse(strings.TrimSpace(link))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || !strings.HasPrefix(u.Path, linkPath) {
		return nil, ErrLink
	}
	u.RawQuery, u.Fragment, u.Path = "", "", strings.TrimSuffix(u.Path, "/")
	p := &Player{link: u.String(), client: &http.Client{Timeout: timeout + longPoll}}
	err = p.ask(ctx, http.MethodPost, "/join", joining{pair}, &p.pair)
	return p, err
}

// Pair is whom the player belongs to.
func (p *Player) Pair() Pair { return p.pair }

// Round waits for a round after another one. The error is an [*OverError] after the last.
func (p *Player) Round(ctx context.Context, after int) (s Shown, err error) {
	query := url.Values{"pair": {p.pair.Name}, "after": {strconv.Itoa(after)}}
	for {
		var answer struct {
			nothingNew
			Shown
		}
		if err := p.ask(ctx, http.MethodGet, "/round?"+query.Encode(), nil, &answer); err != nil || !answer.Wait {
			return answer.Shown, err
		}
	}
}

// Answer says which lie it was. With [ErrAnswered] the outcome is that of what the other one of the pair has said.
func (p *Player) Answer(ctx context.Context, round int, said Lie) (o Outcome, err error) {
	err = p.ask(ctx, http.MethodPost, "/answer", saying{p.pair.Name, round, said}, &o)
	return o, err
}

// ask sends a request, and reads the answer.
func (p *Player) ask(ctx context.Context, method, path string, body, into any) error {
	said, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, p.link+path, bytes.NewReader(said))
	if err != nil {
		return ErrLink
	}
	resp, err := p.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("the game cannot be reached; has it ended? %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the game's answer: %w", err)
	}
	return understand(resp.StatusCode, answer, into)
}

// understand reads an answer of a table.
func understand(status int, answer []byte, into any) error {
	if status == http.StatusOK {
		if json.Unmarshal(answer, into) != nil {
			return errors.New("what answers at this link is no game")
		}
		return nil
	}
	var r refusal
	if json.Unmarshal(answer, &r) != nil || r.Error == "" {
		return errors.New("what answers at this link is no game")
	}
	switch status {
	case http.StatusGone:
		return &OverError{r.Pairs}
	case http.StatusConflict:
		if o, ok := into.(*Outcome); ok && r.Outcome != nil {
			*o = *r.Outcome
		}
		return ErrAnswered
	case http.StatusTooEarly:
		return ErrNotNow
	}
	return errors.New(r.Error)
}
