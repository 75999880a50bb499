package tui

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/eavesdrop/replay"
)

// play is a replay whose timers run in a bubble.
type play struct {
	*replayer
	t     *testing.T
	timer chan tea.Msg
}

func startReplay(t *testing.T, keyed bool) *play {
	at := func(seconds int) time.Time { return time.Date(2026, 11, 2, 9, 0, seconds, 0, time.UTC) }
	steps := []replay.Step{
		{Entry: 1, Posted: at(0), Said: []string{"ana 1: hello\n| world"}, Seen: []string{"field 1: token"}},
		{Entry: 2, Posted: at(10)},
		{Entry: 3, Posted: at(15), Seen: []string{"field 1: " + strings.Repeat("x", 90)}},
	}
	p := &play{newReplayer(Replay{Steps: steps, Keyed: keyed, Speed: 10}), t, make(chan tea.Msg, 10)}
	p.columns, p.rows = 60, 12
	p.do(p.Init())
	return p
}

func (p *play) do(cmd tea.Cmd) {
	if cmd != nil {
		go func() { p.timer <- cmd() }()
	}
}

// press presses a key, and reports whether that ends the replay.
func (p *play) press(key string) bool {
	cmd := p.replayer.press(key)
	if key == "q" || key == "ctrl+c" {
		_, quit := cmd().(tea.QuitMsg)
		return quit
	}
	p.do(cmd)
	return false
}

// pass lets time pass, and gives the replay what the timers say.
func (p *play) pass(d time.Duration) {
	for end := time.After(d); ; {
		select {
		case msg := <-p.timer:
			_, cmd := p.Update(msg)
			p.do(cmd)
			continue
		case <-end:
		}
		return
	}
}

func (p *play) wants(what string, at int) {
	p.t.Helper()
	if p.at != at {
		p.t.Errorf("%s: %d steps are shown, want %d", what, p.at, at)
	}
}

func TestReplayKeepsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startReplay(t, true)
		p.wants("at once", 1)
		p.pass(990 * time.Millisecond)
		p.wants("10 s at 10 times", 1)
		p.pass(20 * time.Millisecond)
		p.wants("10 s at 10 times", 2)
		p.press("space")
		p.pass(time.Hour)
		p.wants("paused", 2)
		p.press("b")
		p.wants("back", 1)
		p.press("left")
		p.press("left")
		p.wants("back before the first", 0)
		p.press("n")
		p.wants("on", 1)
		p.press("space")
		p.press("-") // twice as long from now on; the timer of before counts no more
		p.pass(1990 * time.Millisecond)
		p.wants("at 5 times", 1)
		p.pass(20 * time.Millisecond)
		p.wants("at 5 times", 2)
		p.press("+")
		p.pass(510 * time.Millisecond)
		p.wants("at 10 times", 3)
		p.press("n")
		p.pass(time.Hour)
		p.wants("the end", 3)
		if !p.press("q") || p.interrupted || !p.press("ctrl+c") || !p.interrupted {
			t.Error("it does not end as it is told to")
		}
	})
}

func TestReplayIsDrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startReplay(t, true)
		p.press("n")
		p.press("n")
		pad := strings.Repeat(" ", 15)
		want := []string{
			"entry 1, 2026-11-02 09:00:00 UTC",
			"ana 1: hello                 │ field 1: token",
			"| world                      │ ",
			"entry 2, 2026-11-02 09:00:10 UTC, 10 seconds later",
			"                             │ (empty)",
			"entry 3, 2026-11-02 09:00:15 UTC, 5 seconds later",
			"             " + pad + " │ field 1:",
			"             " + pad + " │   " + strings.Repeat("x", 27),
			"             " + pad + " │   " + strings.Repeat("x", 27),
			"             " + pad + " │   " + strings.Repeat("x", 27),
			"             " + pad + " │   " + strings.Repeat("x", 9),
			"the end at 10×, 3 of 3 · space pause · n b step · + - speed…",
		}
		if d := cmp.Diff(want, strings.Split(p.View().Content, "\n")); d != "" {
			t.Error(d)
		}
		for _, size := range [][2]int{{1, 1}, {5, 3}, {20, 4}, {0, 0}, {300, 200}} {
			p.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			if n := strings.Count(p.View().Content, "\n"); n > max(size[1], 2) {
				t.Errorf("%v: %d lines", size, n+1)
			}
		}
		p.pass(time.Hour) // what was under way ends
	})
}

// A replay that was begun faster or slower than the keys make it became slower by +, and faster by -.
func TestKeysOfSpeedNeverTurnRound(t *testing.T) {
	for _, speed := range []float64{1e9, 1, 1e-3} {
		for key, sign := range map[string]float64{"+": 1, "-": -1} {
			p := newReplayer(Replay{Steps: []replay.Step{{Entry: 1}}, Speed: speed})
			if p.press(key); (p.Speed-speed)*sign < 0 {
				t.Errorf("%s at %v makes %v", key, speed, p.Speed)
			}
		}
	}
	for speed, want := range map[float64]string{0.0625: "0.0625", 1: "1", 1 << 20: "1048576", 1e9: "1000000000"} {
		if got := speedText(speed); got != want {
			t.Errorf("%v is written %s", speed, got)
		}
	}
}
