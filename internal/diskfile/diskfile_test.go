package diskfile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A command that waited for its input could not be ended with Ctrl-C.
func TestInputEndsWithTheCommand(t *testing.T) {
	never, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n, err := Until(ctx, never).Read(make([]byte, 10))
	if n != 0 || err != context.Canceled {
		t.Errorf("Read = %d, %v", n, err)
	}
	b, err := io.ReadAll(Until(t.Context(), strings.NewReader(strings.Repeat("x", 100_000))))
	if err != nil || len(b) != 100_000 {
		t.Errorf("ReadAll = %d bytes, %v", len(b), err)
	}
}

// A large file was read to its end, whoever had given up.
func TestReadingAFileEndsWithTheCommand(t *testing.T) {
	name := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(name, make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f, err := Open(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.ReadFull(f, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if b, err := io.ReadAll(f); len(b) > 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("behind the end of its context it has %d bytes, %v", len(b), err)
	}
	if b, err := ReadFile(t.Context(), name, 5); err != nil || len(b) != 6 {
		t.Errorf("a file of at most 5 bytes is read as %d, %v", len(b), err)
	}
	if _, err := Open(t.Context(), t.TempDir()); err == nil || !strings.HasSuffix(err.Error(), "is a directory, and no file") {
		t.Errorf("opening a directory: %v", err)
	}
	if _, err := Open(t.Context(), name+"x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening nothing: %v", err)
	}
}

// A program that was killed while it wrote left half a file under its name.
func TestAFileHasItsNameOnlyWhenItIsWhole(t *testing.T) {
	dir := openDir(t)
	f := create(t, dir, "a", 0o600)
	part := names(t, dir)
	if len(part) != 1 || !strings.HasPrefix(part[0], ".a.") || !strings.HasSuffix(part[0], ".part") {
		t.Fatalf("while it is written there are %q", part)
	}
	second := create(t, dir, "a", 0o644) // a part that was left behind keeps nobody from it
	if err := f.Keep(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir.Name(), "a")); err != nil || string(b) != "hello" {
		t.Errorf("a holds %q, %v", b, err)
	}
	if info, err := dir.Stat("a"); runtime.GOOS != "windows" && (err != nil || info.Mode() != 0o600) {
		t.Errorf("a is %v, %v", info.Mode(), err)
	}
	if err := second.Keep(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("keeping a second one: %v", err)
	}
	if err := create(t, dir, "b", 0o600).Drop(); err != nil {
		t.Errorf("dropping one: %v", err)
	}
	if got := names(t, dir); len(got) != 1 || got[0] != "a" {
		t.Errorf("in the end there are %q", got)
	}
	if b, err := os.ReadFile(filepath.Join(dir.Name(), "a")); err != nil || string(b) != "hello" {
		t.Errorf("in the end a holds %q, %v", b, err)
	}
}

// Where a name is taken nothing is begun: by a file, a directory, or a link that leads nowhere.
func TestTakenNamesAreRefused(t *testing.T) {
	dir := openDir(t)
	path := func(name string) string { return filepath.Join(dir.Name(), name) }
	if err := errors.Join(os.WriteFile(path("file"), nil, 0o600), os.Mkdir(path("folder"), 0o700)); err != nil {
		t.Fatal(err)
	}
	taken := []string{"file", "folder"}
	if err := os.Symlink("nowhere", path("link")); err == nil {
		taken = append(taken, "link")
	}
	for _, name := range taken {
		if _, err := Create(dir, name, 0o600); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), path(name)) {
			t.Errorf("creating %s: %v", name, err)
		}
	}
	if _, err := Create(dir, "nowhere/a", 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("creating one where there is no directory: %v", err)
	}
	long := strings.Repeat("é", 127)
	if err := create(t, dir, long, 0o600).Keep(); err != nil {
		t.Errorf("a name of %d bytes: %v", len(long), err)
	}
	if got := names(t, dir); len(got) != len(taken)+1 {
		t.Errorf("in the end there are %q", got)
	}
}

// Some file systems have no links; a name that is taken meanwhile is left alone there as well.
func TestWithoutLinksAFileIsRenamed(t *testing.T) {
	links := link
	defer func() { link = links }()
	link = func(*os.Root, string, string) error { return errors.ErrUnsupported }
	dir := openDir(t)
	first, second := create(t, dir, "a", 0o600), create(t, dir, "a", 0o600)
	if err := first.Keep(); err != nil {
		t.Fatal(err)
	}
	if err := second.Keep(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("keeping a second one: %v", err)
	}
	if got := names(t, dir); len(got) != 1 || got[0] != "a" {
		t.Errorf("in the end there are %q", got)
	}
}

func openDir(t *testing.T) *os.Root {
	t.Helper()
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

// create begins a file that holds "hello".
func create(t *testing.T, dir *os.Root, name string, mode fs.FileMode) *New {
	t.Helper()
	f, err := Create(dir, name, mode)
	if err == nil {
		_, err = io.WriteString(f, "hello")
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func names(t *testing.T, dir *os.Root) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir.Name())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
