// Package cli is the command line: it brings the other packages together and is imported by nobody but main.
//
// Data goes to stdout, talk to stderr, so that a pipe gets only what was asked for. Commands return errors; one
// function turns them into exit codes (exit.go). Everything that strangers wrote passes through package screen.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/fernpost/fernpost/internal/config"
	"github.com/fernpost/fernpost/internal/diskfile"
	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/relay/relaycmd"
	"github.com/fernpost/fernpost/internal/screen"
)

// app is what commands see of the world, and the settings that hold for all of them.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	// status is what stderr goes through, and input is stdin for whoever waits for it, ended with the command.
	status *statusLine
	input  io.Reader
	getenv func(string) string
	// The three tell whether a stream is a terminal; width is stdout's, 80 where it has none, and height 0 there.
	stdinTerminal, stdoutTerminal, stderrTerminal bool
	width, height                                 int
	// transport carries the requests instead of the network, in tests.
	transport http.RoundTripper

	style     style
	quiet     bool
	showTyped bool          // a passphrase is shown while it is typed
	verdict   model.Verdict // on what was told
	unsaved   int           // files that could not be saved
	// moveShown means that a message was shown that says where the room has moved to.
	moveShown bool
	// unprinted is why a finding could not be printed. Then nothing is remembered as told.
	unprinted error
	config    config.Config
	timeout   time.Duration // how long a relay may be silent
	budget    readBudget    // how much a reading may bring

	place    model.Place // where the user wants the keys to lie; empty: where they lie
	placing  sync.Once   // sees to that
	unplaced error       // why they do not lie there

	namesRoom string // how the command at hand takes a room
	noHelp    error  // help was asked for about a command that does not exist

	printing   sync.Mutex   // held while an object is printed: that the relay is slow is said from elsewhere
	slowEvents bool         // --json prints events, of which one says that the relay is slow
	slowSaid   atomic.Int64 // when that was said in a line, in Unix nanoseconds: two slow calls may end at once
	relaySlow  atomic.Bool  // a call takes long, and is told to
	trying     atomic.Bool  // so is that parts are joined
	relayAway  atomic.Bool  // a watch has said that the relay cannot be reached
}

// Main runs the program on the process's own arguments, streams and signals, and returns its exit code.
func Main() int {
	// The HTTP library logs what a server sends unasked; a hostile relay must not write to the terminal.
	log.SetOutput(io.Discard)
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // by nohup
		ends = append(ends, syscall.SIGHUP) // a terminal that is closed: what was begun is ended as well
	}
	// It is not stopped at the end: a signal that comes when all is done would turn a good end into "terminated".
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	// The second signal ends the process at once, should something not notice the first.
	context.AfterFunc(ctx, stop)
	a := &app{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, width: 80,
		stdinTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		stdoutTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		stderrTerminal: term.IsTerminal(int(os.Stderr.Fd())),
	}
	if a.stdoutTerminal {
		if w, h, err := term.GetSize(int(os.Stdout.Fd())); err == nil && w > 0 {
			a.width, a.height = w, h
		}
	}
	return a.run(ctx, os.Args[1:])
}

func (a *app) run(ctx context.Context, args []string) int {
	stderr := a.stderr
	a.status = &statusLine{to: stderr, columns: func() int { return a.columnsOfStderr(stderr) }}
	a.stderr, a.input = a.status, diskfile.Until(ctx, a.stdin)
	if a.stdoutTerminal && a.stderrTerminal {
		a.stdout = a.status.beside(a.stdout)
	}
	return a.execute(ctx, a.rootCommand(), args)
}

// execute runs the command of a tree that the arguments name.
func (a *app) execute(ctx context.Context, root *cobra.Command, args []string) int {
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		a.offer(root) // what no other call pays for
	}
	root.SetArgs(args)
	root.SetIn(a.input)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = a.noHelp
	}
	if err = cmp.Or(a.unprinted, err); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err() // whatever failed, it failed because the user stopped it
		}
		a.report(err)
	}
	return exitCode(err)
}

func (a *app) rootCommand() *cobra.Command {
	var configFile string
	var noColor bool
	root := &cobra.Command{
		Use:   "fernpost",
		Short: "End-to-end encrypted messages through a ThingSpeak channel",
		Long: `fernpost sends encrypted messages through a ThingSpeak channel: whoever knows the passphrase reads them, everybody
else sees a table of tokens. It brings its own relay, so it needs neither an account nor the internet.

Start with "fernpost demo".`,
		Example: `  fernpost demo                       the whole story in one terminal
  fernpost relay                      serve a relay on this machine
  fernpost init lab                   make a room
  fernpost send 'hello'               write to it
  fernpost recv                       read the newest messages
  fernpost eavesdrop                  see what everybody else sees`,
		Version:       relaycmd.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.loadConfig(cmd, configFile); err != nil {
				return err
			}
			if a.timeout <= 0 {
				return usagef("--timeout %v: want a duration above 0, such as 10s", a.timeout)
			}
			a.style = newStyle(a.stdoutTerminal && a.stderrTerminal, noColor, a.getenv)
			if a.namesRoom = fmt.Sprintf("\"%s NAME\" names it", cmd.CommandPath()); cmd.Flags().Lookup("room") != nil {
				a.namesRoom = "add --room NAME"
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hint(usageError{relaycmd.CheckFlag(err)}, "%ssee \"%s --help\"", meantFlag(cmd, err), cmd.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.StringVar(&configFile, "config", "", "settings `FILE` (default ~/.config/fernpost/config.yaml)")
	flags.BoolVar(&noColor, "no-color", false, "no colours")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "only data, findings and errors")
	flags.Var(duration.Flag(&a.timeout, defaultDuration("timeout")), "timeout", "how long a relay may be silent")
	if err := a.budget.Set(config.Default().Get("read_budget")); err != nil {
		panic(err) // a mistake in the table of settings
	}
	flags.Var(&a.budget, "read-budget", "how much a reading may bring, and in an hour what no key opens; 0 is no limit")

	root.AddCommand(
		a.demoCommand(), a.gameCommand(), a.classCommand(), a.webCommand(), a.relayCommand(), a.gatewayCommand(),
		a.initCommand(), a.inviteCommand(), a.joinCommand(), a.roomsCommand(),
		a.sendCommand(), a.recvCommand(), a.watchCommand(), a.chatCommand(), a.outboxCommand(),
		a.verifyCommand(), a.identityCommand(), a.keyCommand(), a.tokenCommand(), a.hashCommand(), a.socketCommand(),
		a.eavesdropCommand(), a.doctorCommand(), a.completionCommand(), a.versionCommand(), a.licensesCommand(), a.manCommand(),
	)
	root.AddCommand(helpTopics()...)
	a.wrapArgs(root)
	a.explainItself(root)
	return root
}

// loadConfig reads the settings and gives each flag that the user did not set the value of its key.
func (a *app) loadConfig(cmd *cobra.Command, file string) error {
	named := file != ""
	if v := a.getenv("FERNPOST_CONFIG"); !named && v != "" {
		file, named = v, true
	}
	if !named {
		var err error
		if file, err = config.Path(a.getenv); err != nil {
			file = "" // no home, no file: the environment still counts
		}
	}
	c, err := config.Load(cmd.Context(), file, named, a.getenv)
	if err != nil {
		return usageError{err}
	}
	a.config, a.place = c, model.Place(c.Get("keyring"))
	var bad error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		for _, k := range config.Keys {
			if k.Flag() == f.Name && !f.Changed && !c.IsDefault(k.Name) && f.Annotations[noSetting] == nil {
				if err := f.Value.Set(c.Get(k.Name)); err != nil {
					bad = usagef("setting %s: %v", k.Name, err)
				}
			}
		}
	})
	return bad
}

// noSetting is the annotation of a flag that is called like a setting and has nothing to do with it.
const noSetting = "no setting"

func notASetting(f *pflag.Flag) { f.Annotations = map[string][]string{noSetting: {}} }

// defaultDuration is the default of a setting that is a duration.
func defaultDuration(key string) time.Duration {
	d, err := duration.Parse(config.Default().Get(key))
	if err != nil {
		panic(err) // a mistake in the table of settings
	}
	return d
}

// wrapArgs makes a wrong number of arguments a usage error with a hint, for every command.
func (a *app) wrapArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if _, isNumber := channelNumber(append(args, "")[0]); isNumber && cmd.HasSubCommands() && cmd.Flag("channel") != nil {
				return a.noArgument(cmd, args[0])
			}
			if cmd.HasSubCommands() && len(args) > 0 && check(cmd, nil) == nil {
				return unknownCommand(cmd, args[0])
			}
			err := check(cmd, args)
			if _, ok := errors.AsType[hintError](err); ok { // it knows better
				return err
			}
			if err != nil && len(args) > 0 && check(cmd, nil) == nil && check(cmd, args[:1]) != nil {
				return a.noArgument(cmd, args[0])
			}
			if err = relaycmd.CheckArgs(cmd, args, err); err != nil {
				return hint(usageError{err}, "%s", cmp.Or(relaycmd.Hint(err), "see \""+cmd.CommandPath()+" --help\""))
			}
			return nil
		}
	}
	for _, c := range cmd.Commands() {
		a.wrapArgs(c)
	}
}

// takesFile is the annotation of a command that takes a file: what stands before its name.
const takesFile = "takes a file"

// noArgument refuses an argument of a command that takes none. Mostly it is the room.
func (a *app) noArgument(cmd *cobra.Command, arg string) error {
	err := usagef("%s takes no argument: %s", cmd.CommandPath(), screen.Line(arg))
	if cmd.Flag("room") != nil && a.isRoom(arg) {
		return hint(err, "did you mean \"%s --room %s\"?", cmd.CommandPath(), arg)
	}
	if _, isNumber := channelNumber(arg); isNumber && cmd.Flag("channel") != nil {
		return hint(err, "did you mean \"%s --channel %s\"?", cmd.CommandPath(), screen.Line(arg))
	}
	behind := cmd.Annotations[takesFile]
	if _, no := os.Stat(arg); behind == "<" && no != nil && (strings.Contains(arg, " ") || len(filepath.Ext(arg)) < 2) {
		// The shell would look for a file of the name "hello".
		return hint(err, "it reads standard input: printf %%s %s | %s%s", quoted(arg), cmd.CommandPath(),
			map[bool]string{true: " …"}[cmd.Flags().NFlag() > 0])
	}
	if behind != "" {
		return hint(err, "did you mean \"%s %s %s\"?", cmd.CommandPath(), behind, screen.Line(arg))
	}
	if cmd.Flag("passphrase-file") != nil {
		return hint(err, "a passphrase is asked for, or comes from --passphrase-file FILE: every list of processes would show it here")
	}
	return hint(err, "see \"%s --help\"", cmd.CommandPath())
}

// isRoom reports whether this device has a room of that name.
func (a *app) isRoom(name string) bool {
	_, err := a.engine().Find(name)
	return name != "" && err == nil // without a name it is the default one
}

// dataDir returns the directory of the given kind of data: $XDG_DATA_HOME/fernpost/NAME.
func (a *app) dataDir(name string) (string, error) {
	dir := a.getenv("XDG_DATA_HOME")
	if dir == "" {
		home := a.getenv("HOME")
		if home == "" {
			return "", errors.New("finding the data directory: neither XDG_DATA_HOME nor HOME is set")
		}
		dir = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(dir, "fernpost", name), nil
}

// say prints talk: to stderr, and not with --quiet.
func (a *app) say(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}

// sayLines says sentences of the engine, in which names may be strangers' words.
func (a *app) sayLines(lines []messenger.Line) {
	for _, l := range lines {
		text := screen.Line(l.Text)
		if l.Warns {
			text = a.style.warn(text)
		}
		a.say("%s", text)
	}
}
