package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/config"
)

func TestReadmeAndHelpNameTheSameCommands(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "\n## Commands\n")
	table, _, _ = strings.Cut(table, "\n## ")
	inReadme := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(table, -1) {
		for _, name := range regexp.MustCompile("`([a-z]+)").FindAllStringSubmatch(row[1], -1) {
			inReadme[name[1]] = true
		}
	}
	root := (&app{}).rootCommand()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.IsAdditionalHelpTopicCommand() {
			continue
		}
		if !inReadme[c.Name()] {
			t.Errorf("README.md does not list the command %s", c.Name())
		}
		delete(inReadme, c.Name())
	}
	for name := range inReadme {
		t.Errorf("README.md lists %s, which is no command", name)
	}
}

// A promise that names no test, or one that is gone, is held by nobody.
func TestPromisesNameTheirTests(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir() && d.Name() == "node_modules":
			if err == nil {
				err = fs.SkipDir
			}
			return err
		case strings.HasSuffix(path, ".txtar"):
			tests[d.Name()] = true
		case strings.HasSuffix(path, "_test.go"):
			text, err := os.ReadFile(path)
			for _, name := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)`).FindAllStringSubmatch(string(text), -1) {
				tests[name[1]] = true
			}
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "\n## What is promised, and what is not\n")
	table, _, _ = strings.Cut(table, "\n\nA file")
	rows := regexp.MustCompile(`(?m)^\| (.*) \| (.*)\|$`).FindAllStringSubmatch(table, -1)
	if len(rows) < 10 {
		t.Fatalf("the README promises %d things", len(rows))
	}
	for _, row := range rows[2:] {
		names := spans(row[2])
		if len(names) == 0 && !strings.HasPrefix(row[1], "**Not**") {
			t.Errorf("no test holds that %s", row[1])
		}
		for _, name := range names {
			if !tests[name] {
				t.Errorf("the README names %s, which is no test", name)
			}
		}
	}
}

// README says which settings have no flag.
func TestSettingsHaveFlags(t *testing.T) {
	flags := map[string]bool{}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, set := range []*pflag.FlagSet{cmd.Flags(), cmd.PersistentFlags()} {
			set.VisitAll(func(f *pflag.Flag) { flags[f.Name] = true })
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk((&app{status: &statusLine{}}).rootCommand())
	var without []string
	for _, k := range config.Keys {
		if !flags[k.Flag()] {
			without = append(without, k.Name)
		}
	}
	if d := cmp.Diff([]string{"archive_size", "keyring"}, without); d != "" {
		t.Error(d)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil || !strings.Contains(string(readme), "and all but `archive_size` and `keyring` a\nflag of the same name") {
		t.Errorf("README does not say so (%v)", err)
	}
}
