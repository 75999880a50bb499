package tui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
)

// lab is a room of several at a relay.
type lab struct {
	t      *testing.T
	server *relaytest.Server
	room   model.Room
}

func newLab(t *testing.T, profile string, with ...relaytest.Option) *lab {
	t.Helper()
	return labAt(t, relaytest.InBubble(t, with...), profile)
}

func labAt(t *testing.T, server *relaytest.Server, profile string) *lab {
	t.Helper()
	made := server.CreateChannel(t, relaytest.AllFields(true))
	return &lab{t, server, model.Room{
		Name: "lab", Relay: server.URL, Channel: made.ID, WriteKey: model.Secret(made.WriteKey),
		Fields: []int{1, 2, 3, 4, 5, 6, 7, 8}, Interval: "0s", Profile: profile,
		Keys: []model.Secret{model.Secret(fernet.GenerateKey().Reveal())},
	}}
}

// member is what somebody's conversation works with, who is called so.
func (l *lab) member(nick string) Options { return l.patient(nick, 10*time.Second) }

// patient is a member who waits so long for an answer of the relay.
func (l *lab) patient(nick string, timeout time.Duration) Options {
	l.t.Helper()
	home := l.t.TempDir()
	access := channel.Access{Timeout: timeout, Transport: l.server.Transport(l.t)}
	e := messenger.New(messenger.Options{
		Dir:    func(kind string) (string, error) { return filepath.Join(home, kind), nil },
		Access: access, ArchiveSize: func() int64 { return 0 },
	})
	if err := errors.Join(e.Add(l.room), e.SetNickname(nick)); err != nil {
		l.t.Fatal(err)
	}
	return Options{
		Engine: e, Access: access, Fastest: time.Second, Slowest: 10 * time.Second,
		Explain: func(err error, _ string) (what, next string) { return err.Error(), "" },
	}
}

// page is what was printed.
type page struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(b)
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.String()
}

// talker talks in lines.
type talker struct {
	t         *testing.T
	types     *io.PipeWriter
	out, talk page
	ended     chan error
}

func talks(t *testing.T, o Options) *talker {
	in, types := io.Pipe()
	x := &talker{t: t, types: types, ended: make(chan error, 1)}
	t.Cleanup(func() { types.Close() })
	go func() { x.ended <- RunPlain(t.Context(), o, Plain{In: in, Out: &x.out, Talk: &x.talk}) }()
	return x
}

func (x *talker) says(format string, args ...any) {
	x.t.Helper()
	if _, err := fmt.Fprintf(x.types, format+"\n", args...); err != nil {
		x.t.Fatal(err)
	}
}

// sees waits until something was printed.
func (x *talker) sees(expression string) []string {
	x.t.Helper()
	re := regexp.MustCompile("(?m)" + expression)
	for range 120 {
		synctest.Wait()
		if m := re.FindStringSubmatch(x.out.String() + x.talk.String()); m != nil {
			return m
		}
		time.Sleep(time.Second)
	}
	x.t.Fatalf("%s is not in\n%s\n%s", expression, x.out.String(), x.talk.String())
	return nil
}

// ends ends the input, and waits for the conversation to end.
func (x *talker) ends() {
	x.t.Helper()
	x.types.Close()
	if err := <-x.ended; err != nil {
		x.t.Error(err)
	}
}

func TestTwoTalkInLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "fernpost")
		ana, bo := talks(t, lab.member("ana")), talks(t, lab.member("bo"))
		ana.says("hello, bo")
		bo.sees(`^\d\d:\d\d new key ana: hello, bo$`)
		ana.sees(`^ana 1: accepted as entry 1$`)
		bo.says("hello, ana")
		ana.sees(`^\d\d:\d\d new key bo: hello, ana$`)
		ana.sees(`^ana 1 seen by bo$`)
		ana.says("again")
		bo.sees(`known ana: again$`)

		// They compare words, and answer once with a no.
		words := bo.sees // those of bo, as bo is shown them
		bo.says("/who")
		own := words(`(?m)^bo \(~[0-9a-f]{8}\): ((?:\w+ ?){6})$`)[1]
		ana.says("/verify bo")
		if got := ana.sees(`They have to be:\n\n    ((?:\w+ ?){6})\n`)[1]; got != own {
			t.Errorf("the words of bo are %q for ana, and %q for bo", got, own)
		}
		ana.says("perhaps")
		ana.says("n")
		ana.sees("^not done$")
		ana.says("/verify bo")
		ana.says("y")
		ana.sees(`^bo \(~[0-9a-f]{8}\) is verified`)
		bo.says("still here")
		ana.sees(`verified bo: still here$`)

		file := filepath.Join(t.TempDir(), "notes.txt")
		if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		bo.says("/file %s", file)
		ana.sees(`verified bo: \[file "notes.txt", 7 bytes\]$`)
		ana.says("/save %s", dir)
		ana.sees(`^saved as .*notes.txt$`)
		if b, err := os.ReadFile(filepath.Join(dir, "notes.txt")); err != nil || string(b) != "content" {
			t.Errorf("saved is %q, %v", b, err)
		}
		ana.says("/nonsense")
		ana.sees("^/nonsense is no command")
		ana.says("/file nothing-there")
		ana.sees("^error: open nothing-there: ")
		ana.ends()
		bo.ends()
	})
}

// What was written before the input ended is posted, and a line that is too long is not sent in part.
func TestWhatWasTypedIsPosted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "fernpost", relaytest.Interval(15*time.Second))
		o := lab.member("ana")
		var in strings.Builder
		for i := range 5 {
			fmt.Fprintf(&in, "message %d %s\n", i, strings.Repeat("x", 600))
		}
		in.WriteString(strings.Repeat("y", 1<<20) + "\nthe last one, without a line end")
		var out, talk page
		if err := RunPlain(t.Context(), o, Plain{In: strings.NewReader(in.String()), Out: &out, Talk: &talk}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(talk.String(), "more than 16384 bytes") {
			t.Error(talk.String())
		}
		if out.String() != "" { // as what was there already, when the first line was taken before that was read
			t.Errorf("own messages are printed:\n%s", out.String())
		}
		bo := talks(t, lab.member("bo"))
		bo.sees(`ana: message 4 x+$`)
		bo.sees(`ana: the last one, without a line end$`)
		bo.ends()
		if strings.Contains(bo.out.String(), "yyy") {
			t.Error("a part of a line that is too long was sent")
		}
	})
}

// The first line of a pipe was sealed before what is there was shown, and said to everybody that its author had been shown nothing.
func TestALineOfAPipeIsSealedAfterWhatIsThereWasShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "fernpost")
		ana := talks(t, lab.member("ana"))
		ana.says("one")
		ana.says("two")
		ana.sees(`ana 2: accepted as entry [12]$`)
		lab.server.Inject(relaytest.On("GET /", relaytest.DelayReply(2*time.Second)))
		var out, talk page
		bo := Plain{In: strings.NewReader("three\n"), Out: &out, Talk: &talk, Piped: true}
		if err := RunPlain(t.Context(), lab.member("bo"), bo); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "ana: two\n") {
			t.Errorf("bo is shown\n%s", out.String())
		}
		ana.sees(`ana 2 seen by bo`)
		ana.ends()
	})
}

// A conversation in lines told of function keys and of a clipboard, where there are none, and took commands that do nothing there.
func TestLinesTellOfNoKeysAndNoClipboard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "fernpost")
		var out, talk page
		in := strings.NewReader("/help\n/invite\n/search one\n/split\n/bare\n")
		if err := RunPlain(t.Context(), lab.member("ana"), Plain{In: in, Out: &out, Talk: &talk}); err != nil {
			t.Fatal(err)
		}
		said := talk.String()
		for _, want := range []string{
			"A line is a message", "/file NAME", "Whoever has the link reads the room", "/search is for the full screen", "/split is for", "/bare is for",
		} {
			if !strings.Contains(said, want) {
				t.Errorf("%q is not said in\n%s", want, said)
			}
		}
		if wrong := regexp.MustCompile(`\bF[1-9]\b|Ctrl|Alt\+|Page Up|clipboard|mouse`).FindString(said); wrong != "" {
			t.Errorf("%q is said in\n%s", wrong, said)
		}
	})
}

// In a room of plain texts nobody signs, and nothing says so at each line.
func TestTextsAreTalkedInLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "tutorial")
		ana, bo := talks(t, lab.member("ana")), talks(t, lab.member("bo"))
		bo.sees("^room lab")
		ana.says("hello")
		bo.sees(`^\d\d:\d\d hello$`)
		ana.sees(`^text 1: accepted as entry 1$`)
		ana.ends()
		bo.ends()
	})
}

// The relay is away and comes back: nothing is lost, and nothing is there twice.
func TestARelayThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "fernpost")
		ana := talks(t, lab.member("ana"))
		ana.sees("^room lab")
		lab.server.Inject(relaytest.LoseRequest())
		ana.says("hello")
		ana.sees("trying again")
		lab.server.Inject(nil)
		ana.sees(`^ana 1: accepted as entry 1$`)
		ana.ends()
		if n := len(lab.server.Entries(t, lab.room.Channel)); n != 1 {
			t.Errorf("%d entries", n)
		}
	})
}

func TestAnEndThatSomebodyWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "fernpost")
		ctx, cancel := context.WithCancel(t.Context())
		in, types := io.Pipe()
		defer types.Close()
		var out, talk page
		ended := make(chan error, 1)
		go func() { ended <- RunPlain(ctx, lab.member("ana"), Plain{In: in, Out: &out, Talk: &talk}) }()
		time.Sleep(time.Second)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// Whatever crashes, the terminal is as it was, and the error says so.
func TestACrashRestoresTheTerminal(t *testing.T) {
	lab := labAt(t, relaytest.New(t, relaytest.InMemory()), "fernpost")
	o := lab.member("ana")
	o.Explain = func(error, string) (what, next string) { panic("crashed") }
	in, types := io.Pipe()
	defer types.Close()
	var screen page
	ended := make(chan error, 1)
	go func() {
		ended <- run(t.Context(), o, tea.WithInput(in), tea.WithOutput(&screen), tea.WithWindowSize(80, 24), tea.WithEnvironment([]string{"TERM=xterm"}))
	}()
	testenv.Await(t, "the full screen", func() bool { return strings.Contains(screen.String(), "No messages yet") })
	go types.Write([]byte("/file not-there\r")) // which is to be explained
	err := <-ended
	if !errors.Is(err, tea.ErrProgramPanic) {
		t.Errorf("it ends with %v", err)
	}
	text := screen.String()
	if on, off := strings.LastIndex(text, "\x1b[?1049h"), strings.LastIndex(text, "\x1b[?1049l"); on < 0 || off < on {
		t.Errorf("the terminal is left as %q", text)
	}
}

// That a message was accepted may be told before that it waits: the end waited for it for ever.
func TestManyLinesComeToAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "fernpost")
		var in strings.Builder
		for i := range 100 {
			fmt.Fprintln(&in, "message", i)
		}
		var out, talk page
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := RunPlain(ctx, lab.member("ana"), Plain{In: strings.NewReader(in.String()), Out: &out, Talk: &talk}); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(talk.String(), ": accepted as entry "); n != 100 {
			t.Errorf("%d messages were accepted", n)
		}
	})
}

// The end waited for ever for the answer to whether a long transfer was to be sent, and the message was lost in silence.
func TestAnOpenQuestionHoldsUpNoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "fernpost")
		inbox := make(chan from, 1000)
		s, err := open(lab.member("ana"), lab.room, inbox, func(any) {})
		if err != nil {
			t.Fatal(err)
		}
		s.start()
		asked := make(chan error, 1)
		go func() { asked <- s.agree(t.Context(), exchange.Estimate{}) }()
		for is := false; !is; {
			_, is = (<-inbox).what.(asks)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
		if err := <-asked; !errors.Is(err, context.Canceled) {
			t.Errorf("the answer is %v", err)
		}
	})
}

// A thousand messages made a thousand readings of the feed.
func TestRowsAreReadOneTimeAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "fernpost")
		var reads atomic.Int64
		lab.server.Inject(func(w http.ResponseWriter, r *http.Request, relay http.Handler) {
			if r.URL.Query().Get("results") == fmt.Sprint(newestRows) {
				reads.Add(1)
				time.Sleep(time.Second)
			}
			relay.ServeHTTP(w, r)
		})
		inbox := make(chan from, 5000)
		s, err := open(lab.member("ana"), lab.room, inbox, func(any) {})
		if err != nil {
			t.Fatal(err)
		}
		s.start()
		time.Sleep(time.Minute)
		reads.Store(0)
		s.do(loadRows{newestRows})
		time.Sleep(time.Millisecond) // it is being read now
		for range 999 {
			s.do(loadRows{newestRows})
		}
		time.Sleep(time.Minute)
		if n := reads.Load(); n != 2 {
			t.Errorf("the feed was read %d times, want one time and once more", n)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
}

// On a terminal of lines no part of a text begins where messages do: the terminal would break it there.
func TestLinesAreBrokenBehindTheirGutter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "fernpost")
		ana := talks(t, lab.member("ana"))
		ana.says("%s", strings.Repeat("10:15 verified bo: hello ", 20))
		ana.sees("accepted as entry 1")
		ana.ends()
		var out, talk page
		in, types := io.Pipe()
		o := lab.member("cy")
		ended := make(chan error, 1)
		go func() { ended <- RunPlain(t.Context(), o, Plain{In: in, Out: &out, Talk: &talk, Columns: 40}) }()
		time.Sleep(10 * time.Second)
		types.Close()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		for i, line := range lines {
			if columnsOf(line) > 40 || i > 1 && !strings.HasPrefix(line, "      | ") {
				t.Errorf("line %d is %q", i, line)
			}
		}
		if len(lines) < 10 {
			t.Errorf("%d lines", len(lines))
		}
	})
}

// at is another room at the relay of the first.
func (l *lab) at(name string) *lab {
	l.t.Helper()
	other := labAt(l.t, l.server, l.room.Profile)
	other.room.Name = name
	return other
}

// Somebody moves a room, those who stay take the link, and somebody new enters by another one: the chat dropped what it was told of
// all that.
func TestRotateInviteAndJoinTellWhatTheyDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "fernpost")
		ana, bo, cy := talks(t, lab.member("ana")), talks(t, lab.member("bo")), talks(t, lab.at("den").member("cy"))
		ana.says("before")
		bo.sees("ana: before$")
		ana.says("/rotate")
		ana.sees("Move room lab to a new passphrase")
		ana.says("no")
		ana.sees("^not done$")
		ana.says("/rotate")
		ana.says("y")
		words := ana.sees(`^The passphrase is\n\n    ((?:[a-z-]+ ?){6})\n(?:.*\n)*check words: ((?:[a-z-]+ ?){3}) \(`)
		ana.says("y")
		ana.sees("room lab has moved")
		link := ana.sees(`^-- Invitation to lab --\n(\S+#\S+)$`)[1]

		bo.says("/join %s", link)
		bo.sees(`^the link has a key that this device lacks: it becomes the newest`)
		bo.sees(`^Take that over\? y/n$`)
		bo.says("n")
		bo.sees("^not done$")
		bo.says("/join %s", link)
		bo.says("y")
		if got := bo.sees(`^-- Room lab is ready --\n(?:.*\n)*check words: ((?:[a-z-]+ ?){3}) \(`)[1]; got != words[2] {
			t.Errorf("the check words are %q for bo, and %q for ana", got, words[2])
		}
		bo.says("after")
		ana.sees("bo: after$")
		bo.says("/join %s", link)
		bo.sees("^the link knows nothing better, so nothing was changed$")

		cy.says("/invite read")
		cy.sees("^-- Invitation to den --$")
		cy.sees("^It is for reading only.$")
		cy.says("/join %s", link[:len(link)-3])
		cy.sees("^error: this invitation was cut: ")
		cy.says("/join %s", link)
		cy.sees("^invited by somebody with the words: (?:[a-z-]+ ?){6}$")
		cy.says("new here")
		ana.sees("new key cy: new here$")
		for _, x := range []*talker{ana, bo, cy} {
			x.ends()
		}
	})
}

// The command line lets whoever insists be called as somebody else is; a chat only refused, and said nothing of what to do.
func TestATakenNameIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t, "fernpost")
		his := lab.member("bo")
		ana, bo := talks(t, lab.member("ana")), talks(t, his)
		ana.sees("^room lab")
		ana.says("hello")
		bo.sees("hello")
		bo.says("/name ana")
		bo.sees("somebody else in room lab is called ana.*all the same")
		bo.says("y")
		bo.says("it is me")
		ana.sees("it is me")
		if nick, err := his.Engine.Nickname(); err != nil || nick != "ana" {
			t.Errorf("he is called %q, %v", nick, err)
		}
		ana.ends()
		bo.ends()
	})
}
