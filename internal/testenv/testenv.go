// Package testenv tells tests about the run that they are part of: whether it is one that must leave nothing out, what
// repeats its random choices, and how long a wait may take. It is linked into no program.
package testenv

import (
	"context"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Patience is how long a test waits for what does not depend on the machine's speed before it calls it missing.
const Patience = 2 * time.Minute

// CI reports whether this run has to leave nothing out: the variable CI is set to anything but empty and "false".
func CI() bool {
	v := os.Getenv("CI")
	return v != "" && v != "false"
}

// Missing ends a test that needs something which is not installed: it skips the test, and fails it where [CI] holds.
func Missing(tb testing.TB, what string) {
	tb.Helper()
	if CI() {
		tb.Fatal(what)
	}
	tb.Skip(what)
}

// NoPython is what the tests with Python need.
const NoPython = "no python3 with the package cryptography (Debian: python3-cryptography)"

// FindPython returns a Python that has the package cryptography, or nothing.
var FindPython = sync.OnceValue(func() string {
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import cryptography.fernet").Run() == nil {
			return name
		}
	}
	return ""
})

// Python returns a Python that has the package cryptography; without one the test ends as [Missing] says.
func Python(tb testing.TB) string {
	tb.Helper()
	if FindPython() == "" {
		Missing(tb, NoPython)
	}
	return FindPython()
}

// NodeModules returns the directory of npm's packages that .ci/node names, and the program node, which has them as
// NODE_MODULES in its environment; without them the test ends as [Missing] says.
func NodeModules(tb testing.TB) (modules, node string) {
	tb.Helper()
	node, err := exec.LookPath("node")
	dir, _ := os.Getwd() // of the package
	for err == nil && dir != filepath.Dir(dir) {
		place := filepath.Join(dir, ".ci", "node")
		if modules = filepath.Join(place, "node_modules"); hasPackages(place) {
			tb.Setenv("NODE_MODULES", modules)
			return modules, node
		}
		dir = filepath.Dir(dir)
	}
	Missing(tb, `no packages of npm (Debian: nodejs, npm; then "npm ci --prefix .ci/node")`)
	return "", ""
}

// hasPackages reports whether all packages of npm are installed that a directory names: one that was added may be lacking.
func hasPackages(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	var named struct{ Dependencies map[string]string }
	if err != nil || json.Unmarshal(text, &named) != nil {
		return false
	}
	for name := range named.Dependencies {
		if _, err := os.Stat(filepath.Join(dir, "node_modules", filepath.FromSlash(name), "package.json")); err != nil {
			return false
		}
	}
	return true
}

// Program returns the path of the first of these programs that is installed; without any the test ends as [Missing] says.
func Program(tb testing.TB, names ...string) string {
	tb.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(tb, "no "+strings.Join(names, ", no "))
	return ""
}

// Chromium returns a browser; without one the test ends as [Missing] says.
func Chromium(tb testing.TB) string {
	tb.Helper()
	return Program(tb, "chromium", "chromium-browser", "google-chrome")
}

// Browse opens a page in a browser without a screen, until the test ends. Without a browser the test ends as [Missing] says.
func Browse(tb testing.TB, address string, flags ...string) {
	tb.Helper()
	// Not a directory of the test's: children of the browser may write there for a moment after it was killed.
	profile, err := os.MkdirTemp("", "fernpost-browser-")
	if err != nil {
		tb.Fatal(err)
	}
	flags = append([]string{
		"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--user-data-dir=" + profile,
	}, flags...)
	cmd := Command(tb, Chromium(tb), append(flags, address)...)
	tb.Cleanup(func() {
		if cmd.Process != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed
		}
		Await(tb, "the browser's directory is removed", func() bool { return os.RemoveAll(profile) == nil })
	})
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
}

// CPP compiles a program of C++ out of files and flags, strictly, and returns its path; without a compiler the test ends as
// [Missing] says.
func CPP(tb testing.TB, args ...string) string {
	tb.Helper()
	compiler, err := exec.LookPath("g++")
	if err != nil {
		compiler, err = exec.LookPath("c++")
	}
	if err != nil {
		Missing(tb, "no compiler of C++ (Debian: g++)")
	}
	program := filepath.Join(tb.TempDir(), "program")
	strict := []string{"-std=c++11", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined", "-fno-sanitize-recover", "-o", program}
	if out, err := Command(tb, compiler, append(strict, args...)...).CombinedOutput(); err != nil {
		tb.Fatalf("compiling %v: %v\n%s", args, err, out)
	}
	return program
}

// NoKeyring is what the tests with the keyring of a desktop need.
const NoKeyring = "no dbus-run-session, dbus-send and gnome-keyring-daemon (Debian: dbus, gnome-keyring)"

// HasKeyring reports whether the programs of a desktop's keyring are there.
func HasKeyring() bool {
	for _, program := range []string{"dbus-run-session", "dbus-send", "gnome-keyring-daemon"} {
		if _, err := exec.LookPath(program); err != nil {
			return false
		}
	}
	return true
}

// Number reads a variable, which has to be a number if it is there.
func Number(tb testing.TB, variable string, otherwise uint64) uint64 {
	tb.Helper()
	text, ok := os.LookupEnv(variable)
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		tb.Fatalf("%s: %v", variable, err)
	}
	return n
}

// Seed returns where a test's random choices begin: FERNPOST_SEED, or a new one at each run. It is logged, so that a run
// that failed says how to repeat its choices.
func Seed(tb testing.TB) uint64 {
	tb.Helper()
	seed := Number(tb, "FERNPOST_SEED", rand.Uint64())
	tb.Logf("FERNPOST_SEED=%d", seed)
	return seed
}

// Random returns random choices that begin at [Seed]. Several goroutines may use it; who of them gets which number is
// then not repeated.
func Random(tb testing.TB) *rand.Rand {
	tb.Helper()
	return rand.New(&lockedSource{src: rand.NewPCG(Seed(tb), 0)})
}

type lockedSource struct {
	mu  sync.Mutex // held for one number
	src *rand.PCG
}

func (s *lockedSource) Uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.src.Uint64()
}

// Cases returns how many of n cases of one kind are tried: a quarter under the race detector.
func Cases(n int) int {
	if Race {
		return n / 4
	}
	return n
}

// Unwatched skips a test under the race detector, which has nothing more to see where one thing comes after the other, very many
// times, and takes most of its time. What it calls, other tests have watched. .ci/run runs it without the detector.
func Unwatched(tb testing.TB) {
	tb.Helper()
	if Race {
		tb.Skip("one thing after the other: there is nothing to watch")
	}
}

// fewerChecks lowers the flag -rapid.checks, unless the command line names it.
var fewerChecks = sync.OnceValue(func() error {
	named := false
	flag.Visit(func(f *flag.Flag) { named = named || f.Name == "rapid.checks" })
	if named {
		return nil
	}
	return flag.Set("rapid.checks", strconv.Itoa(Cases(100)))
})

// Check is [rapid.Check]; it tries as many of 100 cases as [Cases] says, unless the flag -rapid.checks does.
func Check(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	if err := fewerChecks(); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, property)
}

// Await asks again and again until done says so, and fails the test after [Patience].
func Await(tb testing.TB, what string, done func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(Patience); !done(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("waited %v in vain: %s", Patience, what)
		}
	}
}

// Receive takes one value from a channel, or notices that it is closed, and fails the test after [Patience].
func Receive[T any](tb testing.TB, from <-chan T, what string) T {
	tb.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(Patience):
		tb.Fatalf("waited %v in vain: %s", Patience, what)
		panic("unreachable")
	}
}

// Command returns a command that does not outlive its test. One that still runs when the time of the whole run is nearly
// over is ended with SIGQUIT, so that a Go program says where it hangs, and then killed.
func Command(tb testing.TB, name string, args ...string) *exec.Cmd {
	tb.Helper()
	const grace = 10 * time.Second
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	if t, ok := tb.(interface{ Deadline() (time.Time, bool) }); ok {
		if deadline, ok := t.Deadline(); ok {
			ctx, cancel = context.WithDeadline(ctx, deadline.Add(-grace))
			tb.Cleanup(cancel)
		}
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error {
		if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
			return cmd.Process.Kill() // a system without signals
		}
		return nil
	}
	cmd.WaitDelay = grace / 2
	return cmd
}
