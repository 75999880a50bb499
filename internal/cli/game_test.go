package cli

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/game"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
)

// Who typed "f" to look at the feed had answered "fork".
func TestWhatNamesAViewAnswersNothing(t *testing.T) {
	for typed, want := range map[string]string{
		"talk": "talk", "t": "talk", "fe": "feed", "o": "other", "l": "lies",
		"fork": "=fork", "fo": "=fork", "n": "=none", "rep": "=repeat", "reo": "=reorder", "imp": "=impersonate",
		"f": "!feed or fork", "re": "!repeat or reorder", "foo": "!talk, feed, other, lies", "tall": "!none, drop, repeat", "\x1b[2J": "!neither",
	} {
		got, lie, err := choose(typed)
		switch {
		case err != nil:
			got = "!" + err.Error()
		case got == "":
			got = "=" + lie.String()
		}
		if got != want && !(want[0] == '!' && strings.HasPrefix(got, "!") && strings.Contains(got, want[1:])) || strings.Contains(got, "\x1b") {
			t.Errorf("choose(%q) = %q, want %q", typed, got, want)
		}
	}
}

// Of each token the last characters were shown, which stay as they are where a relay alters it: that lie could not be seen.
func TestAnAlteredTokenLooksAltered(t *testing.T) {
	const token = "gAAAAABpHuUGabcdefghijklmnopqrstuvwxyz="
	if tokenSum(token) == tokenSum(strings.Replace(token, "m", "n", 1)) {
		t.Error("an altered token is shown as the one before")
	}
}

// The teacher sees each pair once, as it joins.
func TestSayJoinedTellsWhoIsNew(t *testing.T) {
	var said strings.Builder
	a := &app{stderr: &said}
	there := a.sayJoined(nil, []game.Pair{{Name: "owls", Flag: "oak"}}, 3)
	there = a.sayJoined(there, []game.Pair{{Name: "owls", Flag: "oak"}, {Name: "cats", Flag: "fern"}}, 3)
	if want := "owls (flag oak) has joined: 1 of 3\ncats (flag fern) has joined: 2 of 3\n"; said.String() != want || len(there) != 2 {
		t.Errorf("it says %q, want %q", said.String(), want)
	}
}

// A game that could not be joined was told by the network's words alone, with nothing to do next.
func TestWhoCannotJoinIsToldWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
		code int
	}{
		{&game.AwayError{Doing: "joining the game", Host: "pi:3000", Why: "no host is called pi"}, "same network", exitUnreachable},
		{game.ErrPairWord, "--pair-word", exitFailed},
		{game.ErrAlike, "choose a name", exitFailed},
		{game.ErrLink, "", exitUsage},
	} {
		if err := hintJoin(c.err); !strings.Contains(nextStep(err), c.want) || exitCode(err) != c.code {
			t.Errorf("%v: hint %q, exit %d", c.err, nextStep(err), exitCode(err))
		}
	}
}

// lobby is where a teacher, at a terminal, waits for pairs.
type lobby struct {
	*game.Game
	said  relaytest.Log
	typed *io.PipeWriter
	begun chan error
}

func newLobby(ctx context.Context, t *testing.T, terminal bool) *lobby {
	t.Helper()
	g, err := game.Start(t.Context(), game.Options{Seed: 24, Pairs: 2, Rounds: 1, Length: time.Minute, Access: channel.Access{Timeout: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	in, typed := io.Pipe()
	l := &lobby{Game: g, typed: typed, begun: make(chan error, 1)}
	t.Cleanup(func() {
		if err := errors.Join(typed.Close(), g.Close()); err != nil {
			t.Error(err)
		}
	})
	a := &app{stderr: &l.said, input: in, stdinTerminal: terminal}
	go func() { l.begun <- a.gather(ctx, g, 2) }()
	return l
}

// types types a line, and waits for what is said then.
func (l *lobby) types(t *testing.T, line, want string) {
	t.Helper()
	if _, err := io.WriteString(l.typed, line+"\n"); err != nil {
		t.Fatal(err)
	}
	testenv.Await(t, want, func() bool { return strings.Contains(l.said.String(), want) })
}

func (l *lobby) join(t *testing.T, name string) {
	t.Helper()
	if _, err := l.Join(name, ""); err != nil {
		t.Fatal(err)
	}
	testenv.Await(t, name, func() bool { return strings.Contains(l.said.String(), name+" (flag ") })
}

// One person who filled all places began the game alone.
func TestTheTeacherBeginsTheGame(t *testing.T) {
	l := newLobby(t.Context(), t, true)
	l.types(t, "", "nobody has joined yet")
	l.join(t, "owls")
	l.join(t, "cats")
	l.types(t, "begin", "begin is nothing that can be done here")
	l.types(t, "kick dogs", `there is no pair "dogs"`)
	l.types(t, "kick cats", "cats plays no more")
	select {
	case err := <-l.begun:
		t.Fatalf("it began by itself, %v", err)
	default:
	}
	l.types(t, "", "")
	if err := <-l.begun; err != nil || len(l.Pairs()) != 1 {
		t.Errorf("it begins with %v, %v", l.Pairs(), err)
	}
	l.types(t, "", "")
	l.types(t, "kick owls", "owls plays no more")
}

// In a script nobody types: the game begins when all are there.
func TestAGameWithoutATeacherBeginsWhenAllAreThere(t *testing.T) {
	l := newLobby(t.Context(), t, false)
	if err := l.typed.Close(); err != nil {
		t.Fatal(err)
	}
	l.join(t, "owls")
	l.join(t, "cats")
	if err := <-l.begun; err != nil {
		t.Error(err)
	}
}

func TestWaitingForPairsEndsWithTheCommand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := newLobby(ctx, t, true)
	cancel()
	if err := <-l.begun; !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
}
