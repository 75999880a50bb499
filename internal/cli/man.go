package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/relay/relaycmd"
	"github.com/fernpost/fernpost/internal/screen"
)

// shells are those for which there is completion.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print what completes commands in a shell: " + strings.Join(shells, ", "),
		Long: `completion prints a script that completes commands, flags, rooms and people at the Tab key. The shell loads it, each time or
from the directory where it looks for such scripts. Bash needs the package bash-completion for that, which not every system
has: on Debian and Ubuntu "apt install bash-completion", on macOS "brew install bash-completion@2". The other shells need
nothing more.`,
		Example: `  source <(fernpost completion bash)
  fernpost completion bash > ~/.local/share/bash-completion/completions/fernpost
  fernpost completion zsh > "${fpath[1]}/_fernpost"
  fernpost completion fish > ~/.config/fish/completions/fernpost.fish
  fernpost completion powershell | Out-String | Invoke-Expression`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.stdout)
			}
			return usagef("there is no completion for %s: want one of %s", screen.Line(args[0]), strings.Join(shells, ", "))
		},
	}
}

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: "  fernpost version\n  fernpost version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return a.printJSON(versionJSON{relaycmd.Version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH})
			}
			_, err := fmt.Fprintf(a.stdout, "fernpost %s (%s, %s/%s)\n", relaycmd.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as one JSON object")
	return cmd
}

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages",
		Long:  "man writes a manual page for each command and help topic into DIR, which is made if it is not there.",
		Example: `  fernpost man ~/.local/share/man/man1
  man -l ~/.local/share/man/man1/fernpost-send.1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, c := range cmd.Root().Commands() {
				if c.Name() == "json" { // see helpTopics
					c.Long = jsonHelp()
				}
			}
			err := os.MkdirAll(args[0], 0o755)
			if err == nil {
				err = writeManPages(cmd.Root(), args[0])
			}
			if err != nil {
				return fmt.Errorf("writing the manual pages: %w", err)
			}
			a.say("the manual pages are in %s", args[0])
			return nil
		},
	}
}

// writeManPages writes the page of a command and those of its subcommands.
func writeManPages(cmd *cobra.Command, dir string) error {
	err := os.WriteFile(filepath.Join(dir, manName(cmd)+".1"), []byte(manPage(cmd)), 0o644)
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			err = errors.Join(err, writeManPages(c, dir))
		}
	}
	return err
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manWidth is how many columns the texts of a page take: man indents them by seven, and a terminal has 80.
const manWidth = 72

// manPage writes a command's help as roff, for man (man-pages(7)). The generator that comes with cobra turns Markdown into it,
// and a text like ours, with its columns, is none; it also takes five milliseconds at each start of the program.
func manPage(cmd *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"fernpost %s\"\n", strings.ToUpper(manName(cmd)), roff(relaycmd.Version()))
	section := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, ".SH %s\n%s\n", name, text)
		}
	}
	asItIs := func(text string) string {
		if text = strings.TrimRight(text, "\n"); text == "" {
			return ""
		}
		return ".nf\n" + roff(text) + "\n.fi"
	}
	section("NAME", roff(manName(cmd))+` \- `+roff(cmd.Short))
	if cmd.Runnable() {
		section("SYNOPSIS", ".B "+roff(cmd.UseLine()))
	}
	if cmd.Long != "" {
		section("DESCRIPTION", asItIs(fill(cmd.Long, manWidth)))
	}
	section("EXAMPLES", asItIs(breakCommands(cmd.Example, manWidth)))
	section("OPTIONS", asItIs(cmd.NonInheritedFlags().FlagUsagesWrapped(manWidth)))
	section("GLOBAL OPTIONS", asItIs(cmd.InheritedFlags().FlagUsagesWrapped(manWidth)))
	var also []string
	if cmd.HasParent() {
		also = append(also, manName(cmd.Parent()))
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			also = append(also, manName(c))
		}
	}
	for i, name := range also {
		also[i] = ".BR " + roff(name) + " (1)"
	}
	section("SEE ALSO", strings.Join(also, " ,\n"))
	return b.String()
}

// roff escapes a text: a backslash begins a command of roff's, and so does a point or an apostrophe at the beginning of a line.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
