package licenses

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the licences anew")

// systems returns those that releases are built for, such as linux/amd64: some modules are for one of them only.
func systems(t *testing.T) []string {
	t.Helper()
	script, err := os.ReadFile("../../examples/release/build.sh")
	if err != nil {
		t.Fatal(err)
	}
	targets := regexp.MustCompile(`TARGETS:-([^}]+)`).FindSubmatch(script)
	if targets == nil {
		t.Fatal("examples/release/build.sh names no targets")
	}
	return strings.Fields(string(targets[1]))
}

// A program that is given away without the licences of its parts breaks them: whoever adds or renews a dependency has
// them collected again.
func TestLicencesAreThoseOfWhatIsLinked(t *testing.T) {
	want := collect(t)
	if *update {
		write(t, want)
		return
	}
	got, err := All()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("these are not the licences of what is linked; run go test ./internal/licenses -update (-want +got):\n%.4000s", d)
	}
	for _, p := range got {
		if len(p.Text) < 100 {
			t.Errorf("the licence of %s is %q", p.Name, p.Text)
		}
	}
}

// linked is a package as "go list" tells of it.
type linked struct {
	Dir    string
	Module *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// collect finds the licences in the module cache, and in the files of data.
func collect(t *testing.T) []Part {
	t.Helper()
	versions, folders := map[string]string{}, map[string]map[string]bool{}
	for _, system := range systems(t) {
		for _, p := range list(t, system) {
			m := p.Module
			if m == nil || m.Main {
				continue
			}
			if versions[m.Path] = m.Version; folders[m.Path] == nil {
				folders[m.Path] = map[string]bool{}
			}
			for dir := p.Dir; ; dir = filepath.Dir(dir) { // also a package's own, which it may have from elsewhere
				folders[m.Path][dir] = true
				if dir == m.Dir {
					break
				}
			}
		}
	}
	all := data(t)
	for path, dirs := range folders {
		all = append(all, Part{path, versions[path], licencesIn(t, slices.Sorted(maps.Keys(dirs)))})
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatalf("go env: %v", err)
	}
	for name, dir := range map[string]string{"Go": strings.TrimSpace(string(root)), "fernpost": "../.."} {
		all = append(all, Part{Name: name, Text: licencesIn(t, []string{dir})})
	}
	slices.SortFunc(all, func(a, b Part) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func list(t *testing.T, system string) (all []linked) {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=Dir,Module", "../../cmd/...")
	name, processor, _ := strings.Cut(system, "/")
	cmd.Env = append(os.Environ(), "GOOS="+name, "GOARCH="+processor, "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list for %s: %v", system, err)
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p linked
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

var isLicence = regexp.MustCompile(`(?i)^(un)?(licen[cs]es?|copying|notice|patents)([-._].*)?$`)

// licencesIn returns the licences that stand in folders, and in folders of licences there, each text once.
func licencesIn(t *testing.T, dirs []string) string {
	t.Helper()
	var texts []string
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && path != dir && (filepath.Dir(path) != dir || !isLicence.MatchString(d.Name())):
				return fs.SkipDir
			case d.IsDir() || filepath.Dir(path) == dir && !isLicence.MatchString(d.Name()) || strings.HasSuffix(path, ".go"):
				return nil
			}
			b, err := os.ReadFile(path)
			if !utf8.Valid(b) { // Latin-1
				b = latin1(b)
			}
			if text := strings.TrimSpace(strings.ReplaceAll(string(b), "\r\n", "\n")); !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join(texts, "\n\n")
}

// latin1 returns a text of that encoding in UTF-8.
func latin1(text []byte) []byte {
	runes := make([]rune, len(text))
	for i, b := range text {
		runes[i] = rune(b)
	}
	return []byte(string(runes))
}

// data is what the programs contain of other people's data, with what its files say of that.
func data(t *testing.T) (all []Part) {
	t.Helper()
	for name, path := range map[string]string{
		"EFF's long word list":           "../passphrase/efflarge.txt",
		"Unicode's confusables (UTS 39)": "../record/confusables.txt",
	} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var head []string
		for line := range strings.Lines(string(b)) {
			rest, is := strings.CutPrefix(line, "#")
			if !is {
				break
			}
			head = append(head, strings.TrimSpace(rest))
		}
		all = append(all, Part{Name: name, Text: strings.TrimSpace(strings.Join(head, "\n"))})
	}
	return all
}

func write(t *testing.T, all []Part) {
	t.Helper()
	var out bytes.Buffer
	packer, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	enc := json.NewEncoder(packer)
	enc.SetIndent("", " ")
	if err := enc.Encode(all); err != nil {
		t.Fatal(err)
	}
	if err := packer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("licenses.json.gz", out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
