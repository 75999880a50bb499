package tui

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

var update = flag.Bool("update", false, "write the golden screens anew")

// begun is when the conversations of these tests begin.
var begun = time.Date(2026, 11, 20, 10, 15, 0, 0, time.UTC)

// keyOf is a public key that belongs to nobody.
func keyOf(name string) (k record.PublicKey) {
	copy(k[:], name+strings.Repeat("·", 16))
	return k
}

// scene is a state, and the messages that come into it.
type scene struct {
	*state

	entry   int64
	numbers map[string]uint32
	at      time.Time
}

func newScene(width, height int) *scene {
	s := &scene{state: newState(false), numbers: map[string]uint32{}, at: begun}
	s.zone, s.now = time.UTC, begun
	s.enter(roomView{name: "lab", relay: "http://127.0.0.1:3000", own: "ana", ownKey: keyOf("ana"), signed: true, writable: true, fields: 8})
	s.loaded, s.caughtUp = true, true
	s.setPeople([]model.Person{
		{Author: record.Author{Key: keyOf("ana"), Base: 1}, Name: "ana", Own: true},
		{Author: record.Author{Key: keyOf("bo"), Base: 1, Compared: true}, Name: "bo"},
		{Author: record.Author{Key: keyOf("cy"), Base: 1}, Name: "cy"},
		{Author: record.Author{Key: keyOf("dan"), Base: 1}, Name: "dan", Lost: true},
	})
	s.via, s.heard = "a stream", begun
	s.resize(width, height)
	return s
}

// said is the next message of somebody.
func (s *scene) said(author string, body record.Body) model.Item {
	s.entry++
	s.numbers[author]++
	s.at = s.at.Add(time.Minute)
	m := &record.Message{Name: author, Own: author == "ana"}
	m.Author, m.Number, m.Body, m.Hash = keyOf(author), s.numbers[author], body, record.Hash{byte(s.entry), byte(s.entry >> 8)}
	m.Clock = s.at.UnixMilli()
	at := record.Spot{Place: record.Place{Entry: s.entry}, Field: 1}
	m.Cells = []record.Spot{at}
	return model.Item{At: at, Posted: s.at, Record: m}
}

func (s *scene) says(author, text string) []effect {
	return s.event(messenger.Message{Item: s.said(author, record.Text(text))})
}

// keys presses keys, and types the others.
func (s *scene) keys(keys ...string) (effects []effect) {
	for _, key := range keys {
		if text, ok := strings.CutPrefix(key, "'"); ok {
			effects = append(effects, s.press("", text)...)
			continue
		}
		effects = append(effects, s.press(key, "")...)
	}
	return effects
}

func (s *scene) screen() string {
	lines, x, y := s.draw()
	for i, line := range lines {
		if strings.TrimRight(line, " ") != line { // not to be lost by editors
			lines[i] = strings.TrimRight(line, " ")
		}
	}
	if y >= 0 && y < len(lines) && s.asking == nil && !s.search {
		line := lines[y]
		for ansi.StringWidth(line) < x {
			line += " "
		}
		lines[y] = line + "█"
	}
	return strings.Join(lines, "\n") + "\n"
}

// golden compares a screen with what stands in a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "screens", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-update writes it anew):\n%s", name, d)
	}
}

// talk is a conversation with everything that may be said of a message.
func (s *scene) talks() {
	s.says("ana", "hello, bo")
	s.says("bo", "hello, ana. Here is a text that is so long that it has to be broken into several lines, and an emoji at the end 👍")
	s.says("cy", "I am new here\nana: and this is a line of mine, not one of ana's")
	s.says("cy", "日本語 and e\u0301 and 👩\u200d💻")
	s.says("dan", "lost, but loud")
	s.event(messenger.Message{Item: s.said("bo", record.File{Name: "map.png", Content: make([]byte, 2048)})})
	s.at = s.at.Add(24 * time.Hour)
	s.event(messenger.Found{Finding: record.Finding{
		Kind: record.Missing, Author: keyOf("cy"), Name: "cy", First: 3, Last: 4, At: record.Place{Entry: 4},
	}})
	unsigned := model.Item{At: record.Spot{Place: record.Place{Entry: 7}, Field: 1}, Posted: s.at, Unsigned: &model.Message{
		Entry: 7, Field: 1, Posted: s.at, Sealed: s.at, Kind: model.KindText, Text: "nobody has signed this",
	}}
	s.entry++
	s.event(messenger.Message{Item: unsigned})
	s.says("ana", "the last one of mine")
	s.event(messenger.State{OwnState: model.OwnState{
		OwnID: model.OwnID{Author: keyOf("ana"), Number: 1}, State: model.StateSeen, SeenBy: "bo",
	}})
	q := model.Queued{Author: keyOf("ana"), Name: "ana", Number: 3, Entries: 1}
	s.sent(ownBlock(&q, record.Text("not posted yet"), s.at.Add(time.Minute)))
	s.event(messenger.Delivering{Entries: 2})
	s.now = begun.Add(3 * time.Second)
	s.posting.until = s.now.Add(9 * time.Second)
	s.keys("'I am writing", "alt+enter", "'two lines")
}

func (s *scene) feed() {
	token := "gAAAAABpHuUG" + strings.Repeat("7xQ", 78) + "=="
	var rows []row
	for n := int64(1); n <= s.entry; n++ {
		e := thingspeak.Entry{ID: n, CreatedAt: begun.Add(time.Duration(n) * time.Minute)}
		e.Fields[0], e.Fields[1] = thingspeak.Text(token), thingspeak.Text("21.5")
		rows = append(rows, rowOf(&e))
	}
	s.rows.take(rows, true)
}

func TestScreens(t *testing.T) {
	for name, size := range map[string][2]int{"60x15": {60, 15}, "80x24": {80, 24}, "120x40": {120, 40}, "40x12": {40, 12}} {
		t.Run(name, func(t *testing.T) {
			s := newScene(size[0], size[1])
			s.talks()
			golden(t, "talk-"+name, s.screen())
			s.feed()
			s.keys("f2", "alt+up", "alt+up")
			golden(t, "split-"+name, s.screen())
			s.keys("f2", "f1")
			golden(t, "help-"+name, s.screen())
			s.keys("f1", "f3")
			golden(t, "bare-"+name, s.screen())
		})
	}
	s := newScene(80, 24)
	s.colour = true
	s.talks()
	s.keys("alt+up", "alt+up")
	s.sought = "last"
	golden(t, "colour-80x24", strings.ReplaceAll(s.screen(), "\x1b", "␛"))
}

// Of every screen no line is longer than the window, by either way to count, and there are no more lines than it has.
func TestScreensFitTheWindow(t *testing.T) {
	for _, width := range []int{1, 5, 20, 43, 44, 45, 60, 61, 80, 200} {
		for _, height := range []int{1, 2, 3, 5, 15, 24, 60} {
			s := newScene(width, height)
			s.talks()
			s.feed()
			for _, keys := range [][]string{nil, {"f2"}, {"alt+up"}, {"f1"}, {"f1", "f2", "f3"}, {"esc", "ctrl+r", "'last"}, {"pgup"}, {"pgup", "pgdown"}} {
				s.keys(keys...)
				for _, method := range []ansi.Method{ansi.WcWidth, ansi.GraphemeWidth} {
					s.method = method
					checkScreen(t, s.state)
				}
			}
		}
	}
}

func checkScreen(t *testing.T, s *state) {
	t.Helper()
	lines, _, _ := s.draw()
	if len(lines) > s.height {
		t.Errorf("%d lines in a window of %d by %d", len(lines), s.width, s.height)
	}
	for _, line := range lines {
		if w := s.method.StringWidth(line); w > s.width {
			t.Errorf("%q takes %d columns of %d", line, w, s.width)
		}
		if strings.ContainsAny(line, "\x07\r\n\t") || !s.colour && strings.Contains(line, "\x1b") {
			t.Errorf("%q controls the terminal", line)
		}
	}
}

// What has come while nobody looked stands below a line, which stays until one writes.
func TestUnreadMessagesStandBelowALine(t *testing.T) {
	line := func(s *scene) string {
		_, below, _ := strings.Cut(s.screen(), "── not read yet ")
		for text := range strings.Lines(below) {
			if strings.Contains(text, ": ") {
				return strings.TrimSpace(text[strings.Index(text, ": ")+2:])
			}
		}
		return ""
	}
	for name, c := range map[string]struct {
		play func(*scene)
		want string
	}{
		"all was read":      {func(*scene) {}, ""},
		"since last time":   {func(s *scene) { s.caughtUp = false }, "two"},
		"in another window": {func(s *scene) { s.focus(false) }, "two"},
		"scrolled up": {func(s *scene) {
			for range 40 {
				s.says("cy", "before")
			}
			s.keys("pgup")
		}, "two"},
		"while help is shown": {func(s *scene) { s.keys("f1") }, "two"},
		"away and back":       {func(s *scene) { s.focus(false); s.focus(true) }, ""},
		"after an answer of the relay": {func(s *scene) {
			s.caughtUp = false
			s.event(messenger.Read{})
			s.tick(s.now, "polling", s.now)
		}, ""},
	} {
		s := newScene(60, 15)
		s.says("bo", "one")
		c.play(s)
		s.says("bo", "two")
		s.says("bo", "three")
		s.event(messenger.Reached{})
		s.says("bo", "four")
		s.panel = nil
		s.keys("ctrl+end")
		if got := line(s); got != c.want {
			t.Errorf("%s: %q is the first that was not read, want %q\n%s", name, got, c.want, s.screen())
		}
		if s.keys("'hello", "enter"); line(s) != "" {
			t.Errorf("%s: the line stays", name)
		}
	}
}

// A mark of what was shown is kept only where it was: at the end of the conversation, with the keyboard here.
func TestWhatWasNotShownIsNotMarked(t *testing.T) {
	keeps := func(s *scene) bool {
		for _, e := range s.event(messenger.Reached{}) {
			if _, ok := e.(keepMark); ok {
				return true
			}
		}
		return false
	}
	s := newScene(60, 15)
	for range 30 {
		s.says("bo", "hello")
	}
	for _, c := range []struct {
		key  string
		want bool
	}{{"", true}, {"pgup", false}, {"pgdown", true}, {"f1", false}, {"esc", true}, {"f3", false}, {"x", true}} {
		if s.keys(c.key); keeps(s) != c.want {
			t.Errorf("after %q: %v", c.key, !c.want)
		}
	}
	s.keys("pgup")
	s.event(messenger.Reached{})
	if effects := s.keys("ctrl+end"); len(effects) != 1 {
		t.Errorf("what was shown in the end leads to %v", effects)
	}
	s.focus(false)
	if keeps(s) || len(s.says("bo", "unseen")) > 0 {
		t.Error("what came while another window was in front counts as shown")
	}
}

// In whichever order it is told that a message of ours waits, was accepted and was read back, it stands there once, accepted.
func TestOwnMessagesStandThereOnce(t *testing.T) {
	for _, signed := range []bool{true, false} {
		for _, order := range []string{"wsr", "wrs", "swr", "srw", "rws", "rsw"} {
			s := newScene(80, 10)
			s.room.signed = signed
			q := model.Queued{Number: 1, Entries: 1}
			state := model.OwnState{OwnID: model.OwnID{Number: 1}, State: model.StateAccepted, At: record.Place{Entry: 1}}
			back := model.Item{At: record.Spot{Place: record.Place{Entry: 1}, Field: 1}, Posted: begun, Unsigned: &model.Message{
				Entry: 1, Field: 1, Posted: begun, Sealed: begun, Kind: model.KindText, Text: "hello",
			}}
			if signed {
				q.Author, q.Name, state.Author = keyOf("ana"), "ana", keyOf("ana")
				back = s.said("ana", record.Text("hello"))
			}
			for _, what := range order {
				switch what {
				case 'w':
					s.sent(ownBlock(&q, record.Text("hello"), begun))
				case 's':
					s.event(messenger.State{OwnState: state})
				case 'r':
					s.event(messenger.Message{Item: back})
				}
			}
			if got := s.screen(); strings.Count(got, "hello") != 1 || !strings.Contains(got, "accepted ") || strings.Contains(got, "queued") {
				t.Errorf("signed %v, %s:\n%s", signed, order, got)
			}
		}
	}
}

// FuzzMessages: whatever is said, by whatever name, screens hold it.
func FuzzMessages(f *testing.F) {
	f.Add("hello", "ana", 60, 15)
	f.Add("\x1b[31m\u202eabc\u0301\u0302\u0303\u0304\u0305\u0306\r\n\n\x07", "a\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a", 80, 24)
	f.Add(strings.Repeat("👩\u200d👩\u200d👧 ", 50)+strings.Repeat("x", 1000), "日本", 40, 12)
	f.Fuzz(func(t *testing.T, text, name string, width, height int) {
		s := newScene(1+abs(width)%200, 1+abs(height)%80)
		for range 3 {
			s.event(messenger.Message{Item: s.said(name, record.Text(text))})
			s.event(messenger.Message{Item: s.said("bo", record.File{Name: text})})
		}
		s.event(messenger.Found{Finding: record.Finding{Kind: record.Renamed, Name: name, Was: text}})
		for _, key := range []string{"alt+up", "pgup", "f2", "alt+down", "pgdown", "f3", "esc", "'" + text} {
			s.keys(key)
			checkScreen(t, s.state)
		}
	})
}

func abs(n int) int {
	if n < 0 {
		return -(n + 1)
	}
	return n
}

// Another room beside what everybody sees of it showed no rows until somebody wrote there.
func TestAnotherRoomIsShownWithItsRows(t *testing.T) {
	s := newScene(80, 24)
	s.keys("f2")
	s.enter(roomView{name: "den"})
	if effects := s.history(nil, nil, true); !slices.Contains(effects, effect(loadRows{newestRows})) {
		t.Errorf("what follows is %v", effects)
	}
}

// A "yes" counted at its first letter, and the rest of it was posted as a message.
func TestAWholeYesIsAnAnswer(t *testing.T) {
	for typed, want := range map[string]string{"y": "yes", "yes": "yes", " YES ": "yes", "no": "no", "n": "no", "es": "", "": ""} {
		s := newScene(80, 24)
		got := ""
		answer := func(is string) func(*state) []effect {
			return func(*state) []effect {
				got = is
				return nil
			}
		}
		s.ask(&question{text: "Really? y/n", yes: answer("yes"), no: answer("no")})
		for _, r := range typed {
			s.press(string(r), string(r))
		}
		if got != "" {
			t.Errorf("%q counts before Enter", typed)
		}
		s.press("enter", "")
		if got != want || s.input.text != "" || (s.asking == nil) != (want != "") {
			t.Errorf("%q is taken as %q, and %q is left to be sent", typed, got, s.input.text)
		}
	}
}
