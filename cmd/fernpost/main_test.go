package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"regexp/syntax"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	_ "time/tzdata" // a machine may have no zones

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fernpost/fernpost/internal/cli"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
)

func TestMain(m *testing.M) {
	testscript.Main(running{m}, map[string]func(){"fernpost": func() { os.Exit(cli.Main()) }})
}

// running are the tests of this package, which run only where this program is not fernpost itself.
type running struct{ *testing.M }

// program is the path of fernpost; empty stands for this test program, under the name that makes it that.
var program string

// Run has the program built that the tests run, if the race detector watches this one. To begin watching takes longer
// than most commands, of which these tests run a thousand, each a process that does one thing after the other. The tests
// of package cli have the same commands watched, and here the relays are, which do much at once.
func (r running) Run() int {
	if !testenv.Race {
		return r.M.Run()
	}
	dir, err := os.MkdirTemp("", "fernpost-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "fernpost")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building: %v\n%s", err, out)
		return 1
	}
	return r.M.Run()
}

// raceOptions keep a program that the race detector watches from sleeping for a second when it has come to its end.
const raceOptions = "atexit_sleep_ms=10"

// TestScript runs the promises of the README, one script each. Besides the usual commands a script has
//
//	relay start [FLAG…]      starts "fernpost relay" on a free port and sets $RELAY; with --mqtt also $MQTT_HOST and $MQTT_PORT
//	relay kill | stop        ends it with SIGKILL or SIGTERM
//	relay again [FLAG…]      starts it anew on the same port and data, with other flags if there are any
//	relay said REGEXP        looks at what it printed on standard error until it was stopped
//	gateway start …          does the same with "fernpost gateway", and sets $GATEWAY
//	class start …            does the same with "fernpost class", and sets $CLASS and $LINK, the invitation
//	exits CODE COMMAND…      runs a command that must end with this exit code
//	capture NAME REGEXP      sets $NAME to the first group found in the last standard output, or else error
//	python SCRIPT…           runs a Python that has the package cryptography
//	terminal FILE CODE COMMAND…
//	                         runs a command on a terminal, with the answers in a file, see cmdTerminal
//	pause                    waits until the clock shows another second
//	mode FILE OCTAL          checks a file's permissions
//	serve NAME               starts a server that misbehaves as NAME says and sets $SERVER
func TestScript(t *testing.T) { testscript.Run(t, scriptParams("testdata/script")) }

// scriptParams are those of the scripts in a directory.
func scriptParams(dir string) testscript.Params {
	return testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			env.Setenv("HOME", home)
			env.Setenv("NO_PROXY", "*")
			env.Setenv("GORACE", raceOptions)
			if program != "" {
				env.Setenv("PATH", filepath.Dir(program)+string(filepath.ListSeparator)+env.Getenv("PATH"))
			}
			examples, err := filepath.Abs("../../examples")
			env.Setenv("EXAMPLES", examples)
			for _, name := range []string{"relay", "gateway", "class", "game"} {
				env.Values[name] = &server{name: name}
			}
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"relay": cmdServer("relay"), "gateway": cmdServer("gateway"), "class": cmdServer("class"), "game": cmdServer("game"), "exits": cmdExits, "capture": cmdCapture, "python": cmdPython, "pause": cmdPause,
			"mode": cmdMode, "serve": cmdServe, "terminal": cmdTerminal,
		},
		Condition:           condition,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	}
}

// TestScriptsLookForOneThing: where a script looks for this or that, one half may never have been printed.
func TestScriptsLookForOneThing(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	looks := regexp.MustCompile(`(?m)^(?:stdout|stderr|grep|capture \w+|relay said) (?:-\S+ )?'(.*)'`)
	for _, name := range scripts {
		script, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range looks.FindAllSubmatch(script, -1) {
			re, err := syntax.Parse(string(m[1]), syntax.Perl)
			if err != nil {
				t.Errorf("%s: %s: %v", name, m[1], err)
			} else if strings.Contains(string(m[1]), "|") && re.Op == syntax.OpAlternate {
				t.Errorf("%s looks for one of several: %s", name, m[1])
			}
		}
	}
}

// server is the script's "fernpost relay", "fernpost gateway", "fernpost class" or "fernpost game" process.
type server struct {
	name   string
	cmd    *exec.Cmd
	listen string
	flags  []string
	log    relaytest.Log
}

func cmdServer(name string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) == 0 {
			ts.Fatalf("usage: %s start|kill|stop|again|said", name)
		}
		ts.Value(name).(*server).do(ts, args)
	}
}

func (r *server) do(ts *testscript.TestScript, args []string) {
	switch args[0] {
	case "start":
		r.listen, r.flags = "127.0.0.1:0", args[1:]
		r.start(ts)
		ts.Defer(func() { r.end(syscall.SIGKILL) })
	case "again":
		if len(args) > 1 {
			r.flags = args[1:]
		}
		r.start(ts)
	case "said":
		if len(args) != 2 {
			ts.Fatalf("usage: %s said PATTERN", r.name)
		}
		// What a client has been told, the process may be about to say.
		said := regexp.MustCompile("(?m)" + args[1])
		for end := time.Now().Add(testenv.Patience); !said.MatchString(r.log.String()); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				ts.Fatalf("the %s said\n%s", r.name, r.log.String())
			}
		}
	case "kill":
		r.end(syscall.SIGKILL)
	case "stop":
		if err := r.end(syscall.SIGTERM); err != nil {
			ts.Fatalf("%s: %v\n%s", r.name, err, r.log.String())
		}
	default:
		ts.Fatalf("%s %s: what is that?", r.name, args[0])
	}
}

func (r *server) start(ts *testscript.TestScript) {
	self, err := os.Executable()
	ts.Check(err)
	flags := []string{r.name, "--listen", r.listen}
	if r.name == "relay" {
		flags = append(flags, "--data", filepath.Join(ts.Getenv("WORK"), "relay"))
	}
	r.cmd = exec.Command(self, append(flags, r.flags...)...)
	r.cmd.Dir = ts.Getenv("WORK")
	r.cmd.Args[0] = "fernpost"
	r.cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "TMPDIR="+ts.Getenv("TMPDIR"), "GORACE="+raceOptions)
	r.cmd.Stderr = &r.log
	out, err := r.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(r.cmd.Start())
	hangs := time.AfterFunc(testenv.Patience, func() { r.cmd.Process.Kill() })
	defer hangs.Stop()
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(first), "listening on ")
	if err != nil || !ok {
		r.end(syscall.SIGKILL)
		ts.Fatalf("the first line is %q (%v)\n%s", first, err, r.log.String())
	}
	if slices.Contains(r.flags, "--mqtt") {
		second, err := lines.ReadString('\n')
		_, address, ok := strings.Cut(strings.TrimSpace(second), "listening on mqtt://")
		host, port, split := net.SplitHostPort(address)
		if err != nil || !ok || split != nil {
			r.end(syscall.SIGKILL)
			ts.Fatalf("the second line is %q (%v)\n%s", second, err, r.log.String())
		}
		ts.Setenv("MQTT_HOST", host)
		ts.Setenv("MQTT_PORT", port)
	}
	if before := map[string]string{"class": "phones ", "game": "link "}[r.name]; before != "" {
		link := ""
		for !strings.HasPrefix(link, before) {
			if link, err = lines.ReadString('\n'); err != nil {
				r.end(syscall.SIGKILL)
				ts.Fatalf("there is no invitation: %v\n%s", err, r.log.String())
			}
		}
		ts.Setenv("LINK", strings.TrimSpace(strings.TrimPrefix(link, before)))
	}
	go io.Copy(io.Discard, out)
	r.listen = strings.TrimPrefix(url, "http://")
	ts.Setenv(strings.ToUpper(r.name), url)
}

func (r *server) end(sig os.Signal) error {
	if r.cmd == nil {
		return nil
	}
	cmd := r.cmd
	r.cmd = nil
	if err := cmd.Process.Signal(sig); err != nil {
		return err
	}
	hangs := time.AfterFunc(testenv.Patience, func() { cmd.Process.Kill() })
	defer hangs.Stop()
	err := cmd.Wait()
	if sig == syscall.SIGKILL {
		return nil
	}
	return err
}

func lookPath(path, name string) (string, error) {
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && !info.IsDir() {
			return file, nil
		}
	}
	return "", fmt.Errorf("%s is not in the PATH", name)
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		e, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = e.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s exits %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

func cmdCapture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME REGEXP")
	}
	re := regexp.MustCompile("(?m)" + args[1])
	m := re.FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		m = re.FindStringSubmatch(ts.ReadFile("stderr"))
	}
	if len(m) < 2 {
		ts.Fatalf("no %s in the output", args[1])
	}
	ts.Setenv(args[0], m[1])
}

func condition(cond string) (bool, error) {
	var has bool
	var missing string
	switch cond {
	case "python":
		has, missing = testenv.FindPython() != "", testenv.NoPython
	case "curl":
		_, noCurl := exec.LookPath("curl")
		_, noJQ := exec.LookPath("jq")
		has, missing = noCurl == nil && noJQ == nil, "no curl and jq (Debian: curl, jq)"
	case "keyring":
		has, missing = testenv.HasKeyring(), testenv.NoKeyring
	default:
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	if !has && testenv.CI() {
		return false, errors.New(missing)
	}
	return has, nil
}

func cmdPython(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(testenv.FindPython(), args...)
	if (err != nil) != neg {
		ts.Fatalf("python %s: %v", args[0], err)
	}
}

func cmdPause(*testscript.TestScript, bool, []string) {
	now := time.Now()
	<-time.After(now.Truncate(time.Second).Add(time.Second + 10*time.Millisecond).Sub(now))
}

func cmdMode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%#o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}
