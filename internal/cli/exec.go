package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// execution runs a command for each message.
type execution struct {
	*app

	command []string // program and arguments
	timeout time.Duration
	room    string
	failed  int
}

// execGrace is how long a command may go on that was told to end.
const execGrace = 5 * time.Second

// run runs the command for one message of somebody else, to its end. What it writes goes where this program writes. That it fails
// is told, and no error; an error is that of ctx, or of a command that cannot be run at all.
func (x *execution) run(ctx context.Context, it *model.Item) error {
	if it.IsOwn() { // or one that answers would answer itself
		return nil
	}
	deadline, cancel := context.WithTimeout(ctx, x.timeout)
	defer cancel()
	cmd := exec.CommandContext(deadline, x.command[0], x.command[1:]...)
	content, env := messageFor(it)
	stdout, stderr := screen.Writer{To: x.stdout}, screen.Writer{To: x.stderr}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = content, x.stdout, x.stderr
	if x.stdoutTerminal { // a command such as cat would hand a stranger's text on
		cmd.Stdout = &stdout
	}
	if x.stderrTerminal {
		cmd.Stderr = &stderr
	}
	cmd.Env = append(withoutSecrets(os.Environ()), append(env, "FERNPOST_ROOM="+x.room)...)
	cmd.WaitDelay = execGrace
	err := runTogether(cmd)
	_, _ = stdout.Flush(), stderr.Flush() // at most half a character
	why := ""
	switch exit, ended := errors.AsType[*exec.ExitError](err); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case deadline.Err() != nil:
		why = fmt.Sprintf("was ended: it took longer than %v", x.timeout)
	case errors.Is(err, exec.ErrWaitDelay):
		why = "has ended, and left something running that held its output, which was ended"
	case ended:
		why = "failed: " + exit.Error()
	default:
		return fmt.Errorf("--exec: %w", err)
	}
	x.failed++
	x.say("%s", x.style.warn(fmt.Sprintf("the command for %s %s", record.Entries(it.At.Entry, it.At.Entry), why)))
	return nil
}

// messageFor returns what a command reads of a message, and what it is told of it.
func messageFor(it *model.Item) (content io.Reader, env []string) {
	j := jsonOf(it, "", false)
	tell := func(name, value string) {
		// Nothing in an environment may hold a zero byte, and what does would end up in a terminal.
		env = append(env, "FERNPOST_MESSAGE_"+name+"="+screen.Line(strings.ReplaceAll(value, "\x00", "\ufffd")))
	}
	date := func(name string, t *time.Time) {
		if t != nil {
			tell(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	tell("KIND", j.Kind)
	tell("SIGNED", strconv.FormatBool(j.Signed))
	if j.Entry != nil {
		tell("ENTRY", strconv.FormatInt(*j.Entry, 10))
	}
	if j.Signed {
		tell("AUTHOR", *j.Author)
		tell("KEY", j.Key.String())
		tell("NUMBER", strconv.FormatUint(uint64(*j.Number), 10))
	}
	date("POSTED", j.Posted)
	date("CLOCK", j.Clock)
	if j.File != nil {
		base, ext := screen.FileName(*j.File) // a command may well save it under that name
		tell("FILE", base+ext)
	}
	content = strings.NewReader("")
	if text, ok := it.Text(); ok {
		content = strings.NewReader(text)
	} else if r, ok := it.Reading(); ok {
		content = strings.NewReader(r.String())
	} else if it.Record != nil {
		if file, ok := it.Record.Body.(record.File); ok {
			content = strings.NewReader(string(file.Content))
		}
	}
	return content, env
}

// withoutSecrets leaves out what a command for strangers' messages need not know.
func withoutSecrets(env []string) (left []string) {
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case name == "FERNPOST_PASSPHRASE", name == "FERNPOST_WRITE_KEY", name == "FERNPOST_READ_KEY", name == "FERNPOST_USER_KEY":
		case strings.HasPrefix(name, "FERNPOST_MESSAGE_"): // of a watch that runs this one
		default:
			left = append(left, v)
		}
	}
	return left
}
