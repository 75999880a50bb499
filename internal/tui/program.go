package tui

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
)

// program ties the state to a terminal and to the room that it shows.
type program struct {
	*state

	o       Options
	home    *home           // for what needs no room, before there is one
	ctx     context.Context // ends with the program
	session *session        // nil before there is a room
	inbox   chan from       // from the session's goroutines to the loop of the terminal
	left    sync.WaitGroup  // rooms that are being left
	failed  error
}

// mostAtOnce is how many events are taken before the screen is drawn anew.
const mostAtOnce = 1000

// Run shows the full screen until the user ends it. The terminal is as it was before then, whatever has happened.
func Run(ctx context.Context, o Options) error { return run(ctx, o) }

// run is Run with options for a terminal that is none.
func run(ctx context.Context, o Options, terminal ...tea.ProgramOption) error {
	m := &program{state: newState(o.Colour), o: o, inbox: make(chan from, 256)}
	m.now, m.stopped, m.home = time.Now(), o.Stopped, &home{o: o, tell: m.tellDevice}
	var end context.CancelFunc
	m.ctx, end = context.WithCancel(ctx)
	defer end()
	if err := m.enterFirst(); err != nil {
		return err
	}
	p := tea.NewProgram(m, append(terminal, tea.WithContext(ctx), tea.WithoutSignalHandler(), tea.WithFPS(120))...)
	_, err := p.Run()
	end()
	m.left.Wait()
	if m.session != nil {
		err = errors.Join(err, m.session.close())
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(m.failed, err)
}

func (m *program) enterFirst() error {
	settings, err := m.o.Engine.Find(m.o.Room)
	if errors.Is(err, model.ErrNoRoom) && m.o.Room == "" {
		m.panel, m.loaded = newcomerPanel(true), true
		return nil
	}
	if _, several := errors.AsType[*messenger.WhichRoomError](err); several {
		m.loaded = true
		return m.home.listRooms()
	}
	if err != nil {
		return err
	}
	return m.follow(settings)
}

// follow shows a room in place of the one before.
func (m *program) follow(settings model.Room) error {
	s, err := open(m.o, settings, m.inbox, m.tellDevice)
	if err != nil {
		return err
	}
	if before := m.session; before != nil {
		m.left.Go(func() { // it may wait for the relay
			if err := before.close(); err != nil {
				m.tellDevice(failed{err})
			}
		})
	}
	m.session = s
	m.enter(s.view())
	s.start(newestFirst, 0)
	return nil
}

// tellDevice takes what concerns no room.
func (m *program) tellDevice(what any) {
	select {
	case m.inbox <- from{nil, what}:
	case <-m.ctx.Done():
	}
}

// arrived are events that have come.
type arrived []from

// wait takes what the session tells, as much as there is.
func (m *program) wait() tea.Msg {
	all := arrived{<-m.inbox}
	for len(all) < mostAtOnce {
		select {
		case e := <-m.inbox:
			all = append(all, e)
			continue
		default:
		}
		break
	}
	return all
}

type tick time.Time

func everySecond() tea.Cmd {
	return tea.Tick(time.Second, func(t time.Time) tea.Msg { return tick(t) })
}

// Init begins to listen.
func (m *program) Init() tea.Cmd { return tea.Batch(m.wait, everySecond()) }

// Update takes a key, an event or the time.
func (m *program) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var effects []effect
	var next tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.resize(msg.Width, msg.Height)
	case tea.KeyPressMsg:
		m.now = time.Now()
		effects = m.press(msg.Keystroke(), msg.Text)
	case tea.PasteMsg:
		effects = m.paste(msg.Content)
	case tea.FocusMsg:
		effects = m.focus(true)
	case tea.BlurMsg:
		effects = m.focus(false)
	case tea.ModeReportMsg:
		switch msg.Value {
		case ansi.ModeReset, ansi.ModeSet, ansi.ModePermanentlySet:
			if msg.Mode == ansi.ModeUnicodeCore {
				m.method = ansi.GraphemeWidth
			}
		default: // it does not know of it
		}
	case tick:
		m.hear()
		m.tick(time.Time(msg), m.via, m.heard)
		next = everySecond()
	case arrived:
		m.now = time.Now()
		for _, e := range msg {
			if e.session == m.session || e.session == nil { // not of a room that was left
				effects = append(effects, m.take(e.what)...)
			}
		}
		m.hear()
		next = m.wait
	}
	return m, tea.Batch(next, m.perform(effects))
}

func (m *program) hear() {
	if m.session == nil {
		return
	}
	via, last := m.session.stream.Heard()
	m.via, m.heard = via.String(), last
}

// paste takes text that was pasted, wherever it goes.
func (s *state) paste(text string) []effect {
	if s.panel == nil && !s.search || s.panel != nil && s.panel.asks != "" {
		s.typed(strings.TrimSuffix(text, "\n"))
		return nil
	}
	return s.press("", text)
}

// take takes what a session tells.
func (m *program) take(e any) []effect {
	switch e := e.(type) {
	case crash:
		panic(e.value) // here the terminal is restored
	case messenger.Event:
		return m.event(e)
	case held:
		effects := m.history(e.blocks, e.people, e.whole)
		m.talk.fill(e.findings)
		return effects
	case readIn:
		m.read(&e.read, e.lasting, e.passing)
	case known:
		m.setPeople(e.people)
	case written:
		return m.sent(e.block)
	case noted:
		m.say(e.role, e.text)
	case []messenger.Line:
		m.sayLines(e)
	case shows:
		m.panel = e.panel
		m.listAsides()
	case asks:
		return m.ask(e.question)
	case openRoom: // at once: what is told next is of that room
		m.openRoom(e.name)
	case effect:
		return []effect{e}
	case unread:
		m.noteUnread(e)
	case called:
		m.room.own = e.nick
	case rowsIn:
		m.rows.err = ""
		if e.err != nil {
			m.rows.err = m.explain(e.err)
		}
		m.rows.take(e.rows, e.all)
	case failed:
		m.say(bad, m.explain(e.err))
	case ended:
		if errors.Is(e.err, messenger.ErrRoomChanged) {
			return []effect{openRoom{m.room.name}}
		}
		m.say(bad, m.explain(e.err))
		m.away = true
	}
	return nil
}

func (m *program) explain(err error) string {
	what, next := m.o.Explain(err, m.room.name)
	if next != "" {
		what += " – " + next
	}
	return what
}

// perform does what the state asks for.
func (m *program) perform(effects []effect) tea.Cmd {
	var all []tea.Cmd
	for _, e := range effects {
		switch e := e.(type) {
		case quit:
			all = append(all, tea.Quit)
		case redraw:
			all = append(all, func() tea.Msg { return tea.ClearScreen() })
		case copyText:
			all = append(all, tea.SetClipboard(e.text))
		case openRoom:
			m.openRoom(e.name)
		default:
			m.do(e)
		}
	}
	return tea.Batch(all...)
}

// do does what needs a room in that, and the rest also without one.
func (m *program) do(e effect) {
	if m.session != nil {
		m.session.do(e)
		return
	}
	tell := m.tellDevice
	go func() {
		mine, err := m.home.does(m.ctx, e)
		switch {
		case !mine:
			tell(noted{warns, "that needs a room"})
		case errors.Is(err, errDeclined):
			tell(shows{newcomerPanel(true)})
			tell(noted{plain, "not done"})
		case err != nil:
			tell(failed{err})
		}
	}()
}

func (m *program) openRoom(name string) {
	settings, err := m.o.Engine.Find(name)
	if err == nil {
		err = m.follow(settings)
	}
	if err != nil {
		m.say(bad, m.explain(err))
	}
}

// View draws the screen.
func (m *program) View() tea.View {
	lines, x, y := m.draw()
	v := tea.NewView(strings.Join(lines, "\n"))
	v.AltScreen, v.ReportFocus = true, true
	v.WindowTitle = fmt.Sprintf("fernpost: %s", m.room.name)
	if x >= 0 && m.asking == nil && !m.search {
		v.Cursor = tea.NewCursor(x, y)
	}
	return v
}
