package relaycmd

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/duration"
)

// ArgsError says that a command was called with too few arguments, or too many.
type ArgsError struct {
	// Command is the command, and Wanted are its arguments as its usage names them, those in brackets may be left out.
	Command, Wanted string
	// Usage is the line of usage.
	Usage string
	// Given is how many arguments it got.
	Given int
}

func (e *ArgsError) Error() string {
	given := fmt.Sprintf("%d arguments were given", e.Given)
	switch e.Given {
	case 0:
		given = "no argument was given"
	case 1:
		given = "1 argument was given"
	}
	return fmt.Sprintf("%s takes %s: %s", e.Command, e.Wanted, given)
}

// CheckArgs returns the error of a command's own check, or an [*ArgsError] where the line of usage names another number of
// arguments.
func CheckArgs(cmd *cobra.Command, args []string, err error) error {
	var names []string
	least, isFlag := 0, false
	for _, word := range strings.Fields(cmd.Use)[1:] {
		switch {
		case isFlag: // its value
			isFlag = false
		case strings.HasPrefix(word, "-"):
			isFlag = true
		default:
			names = append(names, word)
			if !strings.HasPrefix(word, "[") {
				least++
			}
		}
	}
	if store, data := cmd.Flag("store"), cmd.Flag("data"); err == nil && store != nil && data != nil && store.Changed && data.Changed {
		return errors.New("--store and --data name two places: everything is kept in one of them") // and the other was passed over
	}
	if err == nil || len(names) == 0 || len(args) >= least && len(args) <= len(names) {
		return err
	}
	return &ArgsError{Command: cmd.CommandPath(), Wanted: strings.Join(names, " "), Usage: cmd.UseLine(), Given: len(args)}
}

// wantedValues says what flags of a type take.
var wantedValues = map[string]string{
	"bool": "true or false", "int": "a whole number", "int64": "a whole number", "uint32": "a whole number that is not negative",
	"uint64": "a whole number that is not negative", "intSlice": "whole numbers with commas between",
}

// CheckFlag says in words what a flag takes, where the error is that of reading its value.
func CheckFlag(err error) error {
	bad, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	name, value := bad.GetFlag().Name, bad.GetValue()
	if _, ok := errors.AsType[*strconv.NumError](err); ok {
		want := cmp.Or(wantedValues[bad.GetFlag().Value.Type()], "another value")
		return fmt.Errorf("--%s %s: want %s", name, value, want)
	}
	if errors.Is(err, duration.ErrForm) {
		return fmt.Errorf("--%s %s: %w", name, value, duration.ErrForm)
	}
	return fmt.Errorf("--%s: %w", name, bad.Unwrap())
}
