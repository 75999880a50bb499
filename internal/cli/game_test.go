package cli

import (
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/game"
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
