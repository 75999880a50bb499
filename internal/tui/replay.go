package tui

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/fernpost/fernpost/internal/eavesdrop/replay"
)

// Replay is a recorded feed that is shown as it happened.
type Replay struct {
	Steps []replay.Step
	// Keyed says that there is something said to stand beside what is seen.
	Keyed bool
	// Speed is how many times faster than it happened it is shown at first.
	Speed  float64
	Colour bool
}

// RunReplay shows the newest of the entries that have come, above a line that says which keys there are, until the user ends it. What is
// shown then stays on the terminal.
func RunReplay(ctx context.Context, r Replay, terminal ...tea.ProgramOption) error {
	p := tea.NewProgram(newReplayer(r), append(terminal, tea.WithContext(ctx), tea.WithoutSignalHandler())...)
	m, err := p.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && m.(*replayer).interrupted {
		return context.Canceled
	}
	return err
}

// replayer is a replay under way.
type replayer struct {
	Replay

	at            int // how many steps are shown
	paused        bool
	interrupted   bool
	columns, rows int
	timer         int // the number of the timer that counts: others were begun before a key changed the pace
}

// due says that the next step is to be shown, unless the pace was changed meanwhile.
type due int

func newReplayer(r Replay) *replayer { return &replayer{Replay: r, columns: 80, rows: 24} }

// Init begins with the first step.
func (m *replayer) Init() tea.Cmd { return m.step(1) }

// wait starts the timer of the next step.
func (m *replayer) wait() tea.Cmd {
	m.timer++
	if m.paused || m.at >= len(m.Steps) {
		return nil
	}
	n := due(m.timer)
	if m.at == 0 {
		return func() tea.Msg { return n }
	}
	return tea.Tick(replay.Wait(&m.Steps[m.at-1], &m.Steps[m.at], m.Speed), func(time.Time) tea.Msg { return n })
}

// step goes on by so many steps, or back.
func (m *replayer) step(by int) tea.Cmd {
	m.at = min(max(m.at+by, 0), len(m.Steps))
	return m.wait()
}

// The bounds of the speed, which a key doubles or halves.
const (
	slowest = 1. / 16
	fastest = 1 << 20
)

// Update takes a key or the time.
func (m *replayer) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.columns, m.rows = msg.Width, msg.Height
	case due:
		if int(msg) == m.timer && !m.paused {
			return m, m.step(1)
		}
	case tea.KeyPressMsg:
		return m, m.press(msg.Keystroke())
	}
	return m, nil
}

func (m *replayer) press(key string) tea.Cmd {
	switch key {
	case "q", "esc":
		return tea.Quit
	case "ctrl+c":
		m.interrupted = true
		return tea.Quit
	case "space":
		m.paused = !m.paused
		return m.wait()
	case "n", "right":
		m.paused = true
		return m.step(1)
	case "b", "left":
		m.paused = true
		return m.step(-1)
	case "+", "=", "up":
		m.Speed = max(m.Speed, min(m.Speed*2, fastest))
		return m.wait()
	case "-", "down":
		m.Speed = min(m.Speed, max(m.Speed/2, slowest))
		return m.wait()
	}
	return nil
}

// View draws the steps that have come, as many of the newest as there is room for, and below them the line with the keys.
func (m *replayer) View() tea.View {
	state := "playing"
	switch {
	case m.at == len(m.Steps):
		state = "the end"
	case m.paused:
		state = "paused"
	}
	keys := fmt.Sprintf("%s at %s×, %d of %d · space pause · n b step · + - speed · q quit", state, speedText(m.Speed), m.at, len(m.Steps))
	room := max(m.rows-1, 1)
	var lines []string
	for i := m.at - 1; i >= 0 && len(lines) < room; i-- {
		lines = append(m.lines(i), lines...)
	}
	lines = append(lines[max(len(lines)-room, 0):], paint(m.Colour, dim, cut(keys, m.columns)))
	return tea.NewView(strings.Join(lines, "\n"))
}

func speedText(speed float64) string {
	if speed >= 1000 {
		return fmt.Sprintf("%.0f", speed)
	}
	return fmt.Sprintf("%.4g", speed)
}

// lines draws a step: on a wide terminal what is said left of what is seen, on a narrow one above it.
func (m *replayer) lines(i int) (lines []string) {
	s := &m.Steps[i]
	head := fmt.Sprintf("entry %d, %s UTC", s.Entry, s.When())
	if s.Posted.IsZero() {
		head = fmt.Sprintf("entry %d, %s", s.Entry, s.When())
	}
	if i > 0 {
		if later := replay.Later(&m.Steps[i-1], s); later != "" {
			head += ", " + later
		}
	}
	lines = append(lines, paint(m.Colour, dim, cut(head, m.columns)))
	seen := s.Seen
	if len(seen) == 0 {
		seen = []string{"(empty)"}
	}
	const gutter = " │ "
	if half := (m.columns - columnsOf(gutter)) / 2; m.Keyed && half >= 2*minText {
		left, right := wrapAll(s.Said, half, replay.Gutter), wrapAll(seen, m.columns-columnsOf(gutter)-half, "  ")
		for k := range max(len(left), len(right)) {
			var l, r string
			if k < len(left) {
				l = left[k]
			}
			if k < len(right) {
				r = right[k]
			}
			l += strings.Repeat(" ", max(half-columnsOf(l), 0))
			lines = append(lines, paint(m.Colour, good, l)+paint(m.Colour, dim, gutter)+r)
		}
		return lines
	}
	for _, text := range wrapAll(s.Said, m.columns-2, replay.Gutter) {
		lines = append(lines, "  "+paint(m.Colour, good, text))
	}
	for _, text := range wrapAll(seen, m.columns-2, "  ") {
		lines = append(lines, "  "+text)
	}
	return lines
}

// wrapAll breaks texts into lines. What goes on a text stands behind a gutter.
func wrapAll(texts []string, columns int, gutter string) (lines []string) {
	for _, text := range texts {
		for i, line := range wrap(strings.ReplaceAll(text, "\n"+gutter, "\n"), columns-columnsOf(gutter)) {
			if i > 0 {
				line = gutter + line
			}
			lines = append(lines, line)
		}
	}
	return lines
}
