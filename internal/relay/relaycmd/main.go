package relaycmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
	"github.com/fernpost/fernpost/internal/screen"
)

// Exit codes of fernpost-relay; they are those of fernpost.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// Main runs the program fernpost-relay and returns its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	cmd := NewCommand()
	rename(cmd)
	cmd.Version = Version()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	usage := false
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		usage = true
		return CheckFlag(err)
	})
	countArgs(cmd, &usage)
	err := cmd.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, context.Canceled):
		fmt.Fprintf(stderr, "interrupted: %s\n", screen.Text(err.Error()))
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "error: %s\n", screen.Text(err.Error()))
	if next := Hint(err); next != "" {
		fmt.Fprintf(stderr, "hint: %s\n", next)
	}
	if usage {
		return exitUsage
	}
	return exitFailed
}

// Hint is what can be done about an error of a command of this package, "" if nothing is known.
func Hint(err error) string {
	if _, ok := errors.AsType[*sqlite.ServedError](err); ok {
		return "that relay has these channels: use it as it is, or stop it first (Ctrl-C, or \"kill\" with its number). One with --data DIR " +
			"and --listen HOST:PORT of its own is another relay, which has no channel yet"
	}
	if e, ok := errors.AsType[*ArgsError](err); ok {
		return "usage: " + e.Usage
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return "a relay or another program serves there: use it, stop it, or take another address with --listen HOST:PORT (port 0 picks " +
			"one that is free)"
	}
	return ""
}

// rename makes the texts of the commands speak of this program.
func rename(cmd *cobra.Command) {
	if !cmd.HasParent() {
		cmd.Use = "fernpost-relay"
	}
	for _, text := range []*string{&cmd.Long, &cmd.Example} {
		*text = strings.ReplaceAll(*text, "fernpost relay", "fernpost-relay")
	}
	for _, c := range cmd.Commands() {
		rename(c)
	}
}

// countArgs makes a wrong number of arguments a wrong usage, for every command.
func countArgs(cmd *cobra.Command, usage *bool) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := CheckArgs(cmd, args, check(cmd, args))
			*usage = *usage || err != nil
			return err
		}
	}
	for _, c := range cmd.Commands() {
		countArgs(c, usage)
	}
}
