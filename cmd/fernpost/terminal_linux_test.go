package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/fernpost/fernpost/internal/testenv"
)

// terminal is a pseudo-terminal and what stands on its screen.
type terminal struct {
	keyboard *os.File // the side of whoever sits in front of it
	device   *os.File

	mu     sync.Mutex
	screen []byte
}

func openTerminal() (*terminal, error) {
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	fd := int(keyboard.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	var device *os.File
	if err == nil {
		device, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		return nil, errors.Join(err, keyboard.Close())
	}
	return &terminal{keyboard: keyboard, device: device}, nil
}

// watch reads what is written to the screen until the terminal is closed.
func (t *terminal) watch() {
	b := make([]byte, 4096)
	for {
		n, err := t.keyboard.Read(b)
		t.mu.Lock()
		t.screen = append(t.screen, b[:n]...)
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// shows returns where on the screen, from an offset on, a question ends; 0 if it is not there.
func (t *terminal) shows(question *regexp.Regexp, from int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := question.FindIndex(t.screen[from:]); m != nil {
		return from + m[1]
	}
	return 0
}

// ends reports whether the line of an offset has ended, and moves the offset behind it.
func (t *terminal) ends(from *int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := bytes.IndexByte(t.screen[*from:], '\n')
	*from += i + 1
	return i >= 0
}

// echoes reports whether what is typed is shown.
func (t *terminal) echoes() bool {
	settings, err := unix.IoctlGetTermios(int(t.keyboard.Fd()), unix.TCGETS)
	return err == nil && settings.Lflag&unix.ECHO != 0
}

// question is one that a command asks, and what is answered.
type question struct {
	text   *regexp.Regexp
	quiet  bool // the terminal itself shows nothing of what is typed
	hidden bool // nothing of the answer must be shown
	answer string
}

// typed has what an answer names.
var typed = strings.NewReplacer(`\x1b`, "\x1b", `\r`, "\r")

func parseQuestions(ts *testscript.TestScript, text string) (all []question) {
	if text == "" {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines)%2 != 0 {
		ts.Fatalf("a question without an answer")
	}
	for i := 0; i < len(lines); i += 2 {
		asked, ok := strings.CutPrefix(lines[i], "? ")
		mark, answer, _ := strings.Cut(lines[i+1], " ")
		if !ok || mark != ">" && mark != "*" && mark != "+" {
			ts.Fatalf("want a line \"? QUESTION\", and below it \"> ANSWER\", \"* HIDDEN ANSWER\" or \"+ SHOWN ANSWER\"")
		}
		all = append(all, question{regexp.MustCompile(asked), mark != ">", mark == "*", typed.Replace(os.Expand(answer, ts.Getenv))})
	}
	return all
}

// cmdTerminal runs a command with a terminal as standard input and error, and types an answer when it is asked. The file
// has a line "? QUESTION" (a regular expression) and a line "> ANSWER" for each, or "* ANSWER" where the answer must not
// be shown, or "+ ANSWER" where the command and not the terminal shows it, and nothing where no question is asked; ^C and ^D are
// those keys, \x1b is Escape and \r Enter, ^TERM and ^QUIT are those signals, and variables are replaced. What it has printed comes into the file "printed", what the terminal
// has shown into "screen".
func cmdTerminal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: terminal FILE CODE COMMAND [ARG…]")
	}
	questions := parseQuestions(ts, ts.ReadFile(args[0]))
	t, err := openTerminal()
	ts.Check(err)
	defer t.keyboard.Close()
	path, err := lookPath(ts.Getenv("PATH"), args[2])
	ts.Check(err)
	var printed bytes.Buffer
	cmd := exec.Command(path, args[3:]...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = ts.Getenv("WORK"), t.device, &printed, t.device
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	cmd.Env = []string{"TESTSCRIPT_COMMAND=" + args[2], "TERM=" + cmp.Or(ts.Getenv("TERM"), "xterm")}
	for _, name := range []string{
		"HOME", "PATH", "NO_PROXY", "GORACE", "XDG_DATA_HOME", "FERNPOST_RELAY", "FERNPOST_WRITE_KEY",
	} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(cmd.Start())
	watched, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(watched)
		t.watch()
	}()
	go func() { ended <- cmd.Wait() }()
	defer cmd.Process.Kill()
	at := 0
	for i, q := range questions {
		until := time.Now().Add(testenv.Patience)
		next := t.shows(q.text, at)
		// The question stands there before the terminal is told to show nothing.
		for ; next == 0 || q.quiet == t.echoes(); next = t.shows(q.text, at) {
			select {
			case <-ended:
				ts.Fatalf("it ends without asking question %d:\n%s", i+1, t.screen)
			case <-time.After(5 * time.Millisecond):
			}
			if time.Now().After(until) {
				ts.Fatalf("question %d is not asked:\n%s", i+1, t.screen)
			}
		}
		at = next
		typed := q.answer + "\n"
		switch q.answer {
		case "^C":
			typed = "\x03"
		case "^D":
			typed = "\x04"
		case "^TERM":
			ts.Check(cmd.Process.Signal(syscall.SIGTERM))
			continue
		case "^QUIT":
			ts.Check(cmd.Process.Signal(syscall.SIGQUIT))
			continue
		}
		_, err := t.keyboard.WriteString(typed)
		ts.Check(err)
		// What an answer is typed behind may be written anew with each key: it is no second question.
		for until := time.Now().Add(testenv.Patience); i+1 < len(questions) && !t.ends(&at) && time.Now().Before(until); {
			time.Sleep(time.Millisecond)
		}
	}
	select {
	case <-ended:
	case <-time.After(testenv.Patience):
		ts.Fatalf("it asks something more, or does not end:\n%s", t.screen)
	}
	if !t.echoes() {
		ts.Fatalf("it leaves a terminal that shows nothing of what is typed")
	}
	if left, err := unix.IoctlGetInt(int(t.device.Fd()), unix.TIOCINQ); left > 0 || err != nil {
		ts.Fatalf("%d bytes that were typed are left for a shell, %v:\n%s", left, err, t.screen)
	}
	t.device.Close()
	<-watched
	for _, q := range questions {
		if q.hidden && q.answer != "" && bytes.Contains(t.screen, []byte(q.answer)) {
			ts.Fatalf("the screen shows what was typed in secret:\n%s", t.screen)
		}
	}
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != args[1] {
		ts.Fatalf("%s exits %s, want %s\n%s%s", args[2], got, args[1], printed.String(), t.screen)
	}
	ts.Check(os.WriteFile(ts.MkAbs("printed"), printed.Bytes(), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("screen"), bytes.ReplaceAll(t.screen, []byte("\r\n"), []byte("\n")), 0o600))
}
