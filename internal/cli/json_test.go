package cli

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/relay/relaycmd"
)

// TestNoKeyIsLeftOut: whatever --json prints has every key that "fernpost help json" names, also where nothing is known.
func TestNoKeyIsLeftOut(t *testing.T) {
	help := jsonHelp()
	all := relaycmd.Objects()
	for _, o := range objects {
		all = append(all, relaycmd.Object{About: o.about(), Value: o})
	}
	for _, o := range all {
		name := reflect.TypeOf(o.Value).Name()
		out, err := json.Marshal(o.Value)
		if err != nil {
			t.Fatal(err)
		}
		printed := map[string]any{}
		if err := json.Unmarshal(out, &printed); err != nil {
			t.Fatal(err)
		}
		_, told, ok := strings.Cut(help, o.About+"\n\n")
		if !ok {
			t.Fatalf("the help does not tell of %s", name)
		}
		told, _, _ = strings.Cut(told, "\n\n")
		lines := slices.DeleteFunc(strings.Split(told, "\n"), func(line string) bool { return strings.HasPrefix(line, "    ") })
		if len(lines) != len(printed) {
			t.Errorf("%s: the help tells of %d keys, %d are printed: %s", name, len(lines), len(printed), out)
		}
		for _, line := range lines {
			key, meaning, _ := strings.Cut(strings.TrimSpace(line), " ")
			if _, ok := printed[key]; !ok || strings.TrimSpace(meaning) == "" {
				t.Errorf("%s: the help says %q, printed is %s", name, line, out)
			}
		}
	}
}

// TestTheHelpKnowsEveryObject: a type that --json prints is in the list that the help is made from.
func TestTheHelpKnowsEveryObject(t *testing.T) {
	known := map[string]bool{}
	for _, o := range objects {
		known[reflect.TypeOf(o).Name()] = true
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	n := 0
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "about" {
				n++
				if name := f.Recv.List[0].Type.(*ast.Ident).Name; !known[name] {
					t.Errorf("the help does not tell of %s", name)
				}
			}
		}
	}
	if n != len(objects) {
		t.Errorf("there are %d objects, the help has %d", n, len(objects))
	}
}

// TestTheHelpKnowsWhoPrintsJSON: each command with the flag is named there.
func TestTheHelpKnowsWhoPrintsJSON(t *testing.T) {
	help := jsonHelp()
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		name := strings.TrimPrefix(c.CommandPath(), "fernpost ")
		if c.Flags().Lookup("json") != nil && !strings.Contains(help, `"`+name) {
			t.Errorf("the help does not tell what %s --json prints", name)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&app{}).rootCommand())
}
