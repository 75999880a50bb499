package cli

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"
)

// TestNoKeyIsLeftOut: whatever --json prints has every key that "fernpost help json" names, also where nothing is known.
func TestNoKeyIsLeftOut(t *testing.T) {
	help := jsonHelp()
	for _, o := range objects {
		name := reflect.TypeOf(o).Name()
		var out bytes.Buffer
		if err := writeJSON(&out, o); err != nil {
			t.Fatal(err)
		}
		printed := map[string]any{}
		if err := json.Unmarshal(out.Bytes(), &printed); err != nil {
			t.Fatal(err)
		}
		_, told, ok := strings.Cut(help, o.about()+"\n\n")
		if !ok {
			t.Fatalf("the help does not tell of %s", name)
		}
		told, _, _ = strings.Cut(told, "\n\n")
		lines := strings.Split(told, "\n")
		if len(lines) != len(printed) {
			t.Errorf("%s: the help tells of %d keys, %d are printed: %s", name, len(lines), len(printed), &out)
		}
		for _, line := range lines {
			key, meaning, _ := strings.Cut(strings.TrimSpace(line), " ")
			if _, ok := printed[key]; !ok || strings.TrimSpace(meaning) == "" {
				t.Errorf("%s: the help says %q, printed is %s", name, line, &out)
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
	file, err := parser.ParseFile(token.NewFileSet(), "json.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "about" {
			n++
			if name := f.Recv.List[0].Type.(*ast.Ident).Name; !known[name] {
				t.Errorf("the help does not tell of %s", name)
			}
		}
	}
	if n != len(objects) {
		t.Errorf("json.go has %d objects, the help %d", n, len(objects))
	}
}
