// Package internal holds one test: the one-way rule. Dependencies point from the faces to the core and never back, the
// relay's side cannot reach a key, and each foreign library has one owner.
package internal

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/fernpost/fernpost"

// pkg is what "go list" tells about a package of ours; Imports are direct, Deps include what those import in turn.
type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
	Deps                               []string
}

func listPackages(t *testing.T) map[string]pkg {
	t.Helper()
	// What another process reads does not count when the go command asks itself whether a result is still good.
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string]pkg{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all[short(p.ImportPath)] = p
	}
	return all
}

// short names a package of ours by its place below internal, and cmd/… as it is; foreign ones stay.
func short(path string) string {
	path = strings.TrimPrefix(path, module+"/")
	return strings.TrimPrefix(path, "internal/")
}

// below reports whether path is dir or stands below it.
func below(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

var (
	keys   = []string{"token", "fernet", "passphrase", "record", "publickey", "invite", "letter", "handover", "export", "keyring", "room"}
	impure = []string{"net", "net/http", "database/sql", "os/exec"}

	// reaches says what a package, or one below it, must not link, however indirectly.
	reaches = []struct {
		who []string
		not []string
		why string
	}{
		{
			[]string{"relay", "cmd/fernpost-relay"},
			append(slices.Clone(keys), "crypto/aes", "crypto/cipher"),
			"a relay that links no token or key code could not read messages if it wanted to",
		},
		{
			[]string{"relay/form", "relay/guard", "relay/store"},
			[]string{"net/http", "relay/httpapi"},
			"what every door of a relay needs, and what lies behind the rules, knows no door",
		},
		{
			[]string{"relay/serve"},
			[]string{"github.com/spf13/cobra", "relay/relaycmd"},
			"a relay is started in a process without its commands",
		},
		{
			[]string{"mqtt"},
			append(slices.Clone(keys), "relay", "database/sql"),
			"a broker and a client of MQTT hold no rules: relay/mqttapi is the door",
		},
		{
			[]string{"eavesdrop", "capture"},
			[]string{"fernet", "passphrase", "record", "publickey", "invite", "letter", "handover", "export", "keyring", "room", "archive"},
			"what an eavesdropper learns must be shown without any key",
		},
		{
			[]string{"web/outside"},
			[]string{"fernet", "passphrase", "record", "publickey", "invite", "letter", "export", "keyring", "room", "messenger"},
			"what is seen on the way and in the feed is shown without any key",
		},
		{
			[]string{"web"},
			[]string{"cli", "config", "github.com/spf13/cobra", "golang.org/x/term"},
			"pages are served by a command, and know none",
		},
		{
			[]string{"feed"},
			append(slices.Clone(keys), "net/http", "database/sql"),
			"files are read without a key: for an eavesdropper, and for a relay that imports them",
		},
		{
			[]string{"token", "fernet", "passphrase", "record", "publickey", "invite", "letter", "handover", "export", "thingspeak"},
			impure,
			"the core is pure functions of bytes, keys and time",
		},
		{
			[]string{"socket"},
			[]string{"room", "messenger", "net/http", "database/sql"},
			"tokens go over a socket without a room and a relay",
		},
		{
			[]string{"exchange"},
			append(append(slices.Clone(keys), impure...), "log/slog"),
			"what to ask a relay next is known without a network, and without a key",
		},
		{
			[]string{"wire"},
			append(slices.Clone(keys), impure...),
			"how requests stand in HTTP is known without a network and without a key that opens a message, for a page as well",
		},
		{
			[]string{"channel"},
			append(slices.Clone(keys), "archive"),
			"a channel is read without a key that opens a message, for an eavesdropper as well",
		},
		{
			[]string{"screen", "config", "qr", "plot"},
			impure,
			"faces' small parts need no network",
		},
		{
			[]string{"room"},
			[]string{"remote", "archive", "keyring", "net/http", "database/sql"},
			"a room declares the methods it needs; messenger brings the others together",
		},
		{
			[]string{"room/memory", "room/journal"},
			[]string{"fernet", "exchange", "log/slog"},
			"a store in memory keeps what it is given, without a key, for a page as well",
		},
		{
			[]string{"record"},
			[]string{"thingspeak", "encoding/json", "log/slog"},
			"what everybody reads by, a page as well, knows no relay and links little",
		},
		{
			[]string{"messenger"},
			[]string{"cli", "config", "relay", "github.com/spf13/cobra", "golang.org/x/term"},
			"the engine prints nothing, and knows no face and no relay of ours",
		},
		{
			[]string{"gateway", "tui"},
			[]string{"cli", "config", "github.com/spf13/cobra", "golang.org/x/term"},
			"a service or a screen is started by a command, and knows none",
		},
		{
			[]string{"remote", "archive", "keyring"},
			[]string{"fernet", "passphrase", "room"},
			"whoever moves or keeps tokens needs no key to do it",
		},
		{
			[]string{"config"},
			[]string{"token", "fernet", "passphrase", "thingspeak", "remote", "keyring", "room", "relay"},
			"settings are read before anything else and know nobody",
		},
	}

	// owners are the only packages that may import a foreign library, tests of others included.
	owners = map[string][]string{
		"github.com/VictoriaMetrics/metrics":  {"relay/metrics"},
		"golang.org/x/time":                   {"relay/guard"},
		"filippo.io/age":                      {"export"},
		"github.com/fernet/fernet-go":         {"fernet"},
		"github.com/go-resty/resty":           {"remote"},
		"github.com/hashicorp/golang-lru":     {"relay", "relay/guard", "relay/httpapi"},
		"modernc.org/sqlite":                  {"sqlite", "sqlite/faultdisk"},
		"modernc.org/libc":                    {"sqlite/faultdisk"},
		"rsc.io/qr":                           {"qr"},
		"github.com/mochi-mqtt/server":        {"mqtt"},
		"github.com/eclipse/paho.mqtt.golang": {"mqtt"},
		"github.com/coder/websocket":          {"mqtt"},
		"github.com/makiuchi-d/gozxing":       {"qr"},
		"github.com/go-analyze/charts":        {"plot"},
		"github.com/guptarohit/asciigraph":    {"cli"},
		"github.com/jackc/pgx":                {"relay/store/postgres"},
		"go.yaml.in/yaml":                     {"config"},
		"github.com/tetratelabs/wazero":       {"web/core"},
		"github.com/zalando/go-keyring":       {"keyring"},
		"github.com/gopacket/gopacket":        {"capture"},
		"golang.org/x/crypto":                 {"passphrase"},
		"golang.org/x/term":                   {"cli"},
		"github.com/spf13/cobra":              {"cli", "relay/relaycmd"},
		"github.com/spf13/pflag":              {"cli", "relay/relaycmd"},
		"github.com/tmaxmax/go-sse":           {"remote"},
		"golang.org/x/net":                    {"remote", "mqtt"},
		"github.com/rogpeppe/go-internal":     {"cmd/fernpost"},
		"charm.land/bubbletea":                {"tui"},
		"github.com/charmbracelet/x/ansi":     {"tui"},
	}

	// shared are the foreign libraries that anybody may import.
	shared = map[string]string{
		"golang.org/x/sys":         "what a system has beyond the standard library's",
		"golang.org/x/text":        "what a text is to people: its normal forms and its languages",
		"github.com/google/go-cmp": "tests show by it what differs",
		"pgregory.net/rapid":       "tests of properties",
	}

	// faces are what people look at, and behindMessenger what no face imports itself.
	faces           = []string{"cli", "gateway", "tui", "web"}
	behindMessenger = []string{"archive", "keyring", "remote", "room", "room/kept", "room/memory"}

	// forTests are packages that no program links.
	forTests = []string{"sqlite/faultdisk", "room/roomtest", "relay/storetest", "relay/relaytest", "record/recordtest", "testenv"}
)

// TestRulesNameWhatIsThere: a rule about a package that is misspelt, moved or gone forbids nothing, and so does one about
// a library that nobody links.
func TestRulesNameWhatIsThere(t *testing.T) {
	all := listPackages(t)
	linked := map[string]bool{}
	for _, p := range all {
		for _, dep := range p.Deps {
			linked[short(dep)] = true
		}
	}
	named := func(name, by string) {
		_, there := all[name]
		if !there && !linked[name] {
			t.Errorf("%s names %s, which is not there", by, name)
		}
	}
	for _, r := range reaches {
		for _, name := range slices.Concat(r.who, r.not) {
			named(name, "the rule that "+r.why)
		}
	}
	for library, who := range owners {
		for _, name := range who {
			named(name, "the owner of "+library)
			p := all[name]
			if !slices.ContainsFunc(slices.Concat(p.Imports, p.TestImports, p.XTestImports),
				func(path string) bool { return below(path, library) }) {
				t.Errorf("%s owns %s and does not import it", name, library)
			}
		}
	}
	for _, name := range forTests {
		named(name, "the list of what is for tests")
	}
}

func TestNoReach(t *testing.T) {
	all := listPackages(t)
	// The standard library's TLS and HTTP link AES for themselves; only our own import of it would be a breach.
	ownOnly := map[string]bool{"crypto/aes": true, "crypto/cipher": true}
	for _, r := range reaches {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			p := all[name]
			if !slices.ContainsFunc(r.who, func(w string) bool { return below(name, w) }) {
				continue
			}
			for _, not := range r.not {
				reached := slices.ContainsFunc(p.Deps, func(d string) bool { return short(d) == not })
				if ownOnly[not] {
					reached = slices.Contains(p.Imports, not)
				}
				if reached {
					t.Errorf("%s reaches %s: %s", name, not, r.why)
				}
			}
		}
	}
}

func TestOneOwner(t *testing.T) {
	for name, p := range listPackages(t) {
		for _, imports := range [][]string{p.Imports, p.TestImports, p.XTestImports} {
			for _, path := range imports {
				for library, who := range owners {
					if below(path, library) && !slices.Contains(who, name) {
						t.Errorf("%s imports %s, which belongs to %v", name, path, who)
					}
				}
			}
		}
	}
}

// TestEveryLibraryHasItsPlace: a library that go.mod names has an owner, or is shared on purpose. Without that the next one
// would be imported wherever it is handy.
func TestEveryLibraryHasItsPlace(t *testing.T) {
	out, err := exec.Command("go", "mod", "edit", "-json", filepath.Join("..", "go.mod")).Output()
	if err != nil {
		t.Fatalf("go mod edit: %v", err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	required := map[string]bool{}
	for _, r := range mod.Require {
		required[r.Path] = true
		owned := false
		for library := range owners {
			owned = owned || below(r.Path, library)
		}
		if _, anybodys := shared[r.Path]; owned == anybodys && !r.Indirect {
			t.Errorf("%s has an owner: %v, and is shared: %v; want one of both", r.Path, owned, anybodys)
		}
	}
	for library := range shared {
		if !required[library] {
			t.Errorf("%s is shared, and nobody requires it", library)
		}
	}
}

// TestFacesAreThin: a face renders what messenger tells it, and holds no rule of rooms.
func TestFacesAreThin(t *testing.T) {
	for name, p := range listPackages(t) {
		for _, path := range p.Imports {
			if slices.Contains(faces, name) && slices.Contains(behindMessenger, short(path)) {
				t.Errorf("%s imports %s, which is behind messenger", name, short(path))
			}
		}
	}
}

// TestFacesChangeNoRoom: what a device notes of a room by itself, and that it keeps one, is the engine's. The demonstration makes rooms of
// its own, of which nothing stays.
func TestFacesChangeNoRoom(t *testing.T) {
	noted := []string{"Origin", "Introduced", "Untold", "Unproven", "Wrote", "Brought", "Files"}
	fset := token.NewFileSet()
	for _, face := range faces {
		files, err := filepath.Glob(face + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatal(err, files)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(filepath.Base(name), "demo") {
				continue
			}
			f, err := parser.ParseFile(fset, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.AssignStmt:
					for _, to := range n.Lhs {
						if s, ok := to.(*ast.SelectorExpr); ok && slices.Contains(noted, s.Sel.Name) {
							t.Errorf("%s: %s of a room is set", fset.Position(n.Pos()), s.Sel.Name)
						}
					}
				case *ast.CallExpr:
					s, ok := n.Fun.(*ast.SelectorExpr)
					if !ok || s.Sel.Name != "Add" && s.Sel.Name != "Update" {
						break
					}
					of := s.X
					if called, ok := of.(*ast.CallExpr); ok { // a.engine().Add(…), beside t.engine.Add(…)
						of = called.Fun
					}
					if of, ok := of.(*ast.SelectorExpr); ok && of.Sel.Name == "engine" {
						t.Errorf("%s: a room is kept or changed", fset.Position(n.Pos()))
					}
				}
				return true
			})
		}
	}
}

// TestEngineShowsOwnTypes: what messenger exports names no type of what is behind it, or faces would come to know that.
func TestEngineShowsOwnTypes(t *testing.T) {
	files, err := filepath.Glob("messenger/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	fset := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !ast.FileExports(f) {
			continue
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				fn.Body = nil
			}
			ast.Inspect(d, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if p, ok := s.X.(*ast.Ident); ok && slices.Contains([]string{"archive", "keyring", "remote", "room", "kept", "memory"}, p.Name) {
						t.Errorf("%s: %s.%s is exported", fset.Position(s.Pos()), p.Name, s.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// TestNobodyImportsTheTop keeps cli out of everything else, and what is for tests out of the programs.
func TestNobodyImportsTheTop(t *testing.T) {
	isForTests := func(name string) bool {
		return slices.ContainsFunc(forTests, func(suite string) bool { return below(name, suite) })
	}
	for name, p := range listPackages(t) {
		for _, path := range p.Imports {
			switch dep := short(path); {
			case dep == "cli" && !below(name, "cmd"):
				t.Errorf("%s imports cli", name)
			case isForTests(dep) && !isForTests(name):
				t.Errorf("%s links %s, which is for tests", name, dep)
			}
		}
	}
}
