package relaycmd

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Main runs the program fernpost-relay and returns its exit code: 0 done, 1 failed, 2 wrong usage.
func Main(args []string, stdout, stderr io.Writer) int {
	cmd := NewCommand()
	cmd.Use = "fernpost-relay"
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	code := 1
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		code = 2
		return err
	})
	if err := cmd.ExecuteContext(context.Background()); err != nil {
		fmt.Fprintf(stderr, "error: %v\n", err)
		return code
	}
	return 0
}
