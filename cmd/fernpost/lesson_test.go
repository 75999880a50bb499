package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// lessonScript makes a script of the commands that a page has in its console blocks, and of what it says that they print.
func lessonScript(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	command, code, looks := "", "0", []string{}
	flush := func() {
		if command == "" {
			return
		}
		name, flags, _ := strings.Cut(strings.TrimPrefix(command, "fernpost "), " ")
		isOurs := strings.HasPrefix(command, "fernpost ")
		if isOurs && (name == "class" || name == "game" && !strings.Contains(flags, "--solo")) {
			fmt.Fprintf(&b, "%s start %s\n%s stop\n", name, flags, name)
		} else {
			fmt.Fprintf(&b, "exits %s sh -c '%s'\n", code, strings.ReplaceAll(command, "'", "''"))
		}
		for _, look := range looks {
			fmt.Fprintf(&b, "stdout '%s'\n", strings.ReplaceAll(look, "'", "''"))
		}
		command, code, looks = "", "0", nil
	}
	inside, n := false, 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch typed, isCommand := strings.CutPrefix(line, "$ "); {
		case strings.HasPrefix(line, "```"):
			flush()
			inside = line == "```console"
		case !inside:
		case isCommand:
			flush()
			command, n = typed, n+1
		case strings.HasPrefix(line, "exit code "):
			code = strings.TrimPrefix(line, "exit code ")
		default:
			looks = append(looks, strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*"))
		}
	}
	if n < 10 {
		t.Fatalf("the page has %d commands", n)
	}
	return b.String()
}

// TestLesson: every command of the lesson does what its page says.
func TestLesson(t *testing.T) {
	dir := t.TempDir()
	script := lessonScript(t, "../../examples/lesson/README.md")
	if err := os.WriteFile(filepath.Join(dir, "lesson.txtar"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, scriptParams(dir))
}
