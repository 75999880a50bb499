package fernet

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/token"
)

// devices has what boards and scripts seal with, and for the tests what makes a filter out of it.
const devices = "../../examples/devices/"

// ask gives a filter its questions, one a line, and returns as many answers.
func ask(t *testing.T, cmd *exec.Cmd, questions []string) []string {
	t.Helper()
	cmd.Stdin = strings.NewReader(strings.Join(questions, "\n") + "\n")
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	answers := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(answers) != len(questions) {
		t.Fatalf("%v answers %d of %d questions:\n%s", cmd, len(answers), len(questions), out)
	}
	return answers
}

// TestDevicesSeal: the examples write a token to the byte as the specification has it. A board that would cut a text, or take
// a mistyped key, would be noticed by nobody.
func TestDevicesSeal(t *testing.T) {
	var questions, want []string
	add := func(k Key, seconds uint64, iv [token.IVSize]byte, message []byte) {
		questions = append(questions, fmt.Sprintf("%s %d %x x%x", k.Reveal(), seconds, iv, message))
		want = append(want, sealAt(k, seconds, iv, message))
	}
	for _, v := range vectors(t, "generate.json") {
		k, err := ParseKey(v.Secret)
		if err != nil {
			t.Fatal(err)
		}
		add(k, uint64(v.Now.Unix()), v.IV, []byte(v.Src))
	}
	for n := range 128 { // what a field of a channel holds
		message := bytes.Repeat([]byte{byte(n)}, n)
		add(GenerateKey(), uint64(sealedAt.Unix()), [token.IVSize]byte{0: byte(n), 15: 0xff}, message)
	}
	good, iv := GenerateKey().Reveal(), strings.Repeat("00", token.IVSize)
	refused := []string{good + " 1 " + iv + " x" + strings.Repeat("41", 128)}
	badKeys := []string{good[:43], good + "=", "+" + good[1:], good[:42] + "==", good[:43] + "A", strings.Repeat("A", 42) + "B="}
	for _, bad := range badKeys {
		refused = append(refused, bad+" 1 "+iv+" x41")
	}
	for name, command := range filters(t) {
		t.Run(name, func(t *testing.T) {
			asked, want := slices.Clone(questions), slices.Clone(want)
			if strings.HasPrefix(name, "C++") {
				asked, want = append(asked, refused...), append(want, slices.Repeat([]string{"refused"}, len(refused))...)
			} else {
				for i := range asked {
					asked[i] = "seal " + asked[i]
				}
			}
			for i, got := range ask(t, command(t), asked) {
				if got != want[i] {
					t.Errorf("%q gives %q, want %q", asked[i], got, want[i])
				}
			}
		})
	}
}

// TestDevicesOpen: the examples open what this package opens, and nothing else.
func TestDevicesOpen(t *testing.T) {
	var questions, want []string
	add := func(k Key, text string) {
		if text == "" || strings.ContainsAny(text, " \n\r\t") { // what a line cannot say
			return
		}
		answer := "refused"
		if o, err := ring(t, k).Open(text); err == nil {
			answer = fmt.Sprintf("%d x%x", o.SealedAt.Unix(), o.Plaintext)
		}
		questions, want = append(questions, "open "+k.Reveal()+" "+text), append(want, answer)
	}
	for _, name := range []string{"verify.json", "invalid.json"} {
		for _, v := range vectors(t, name) {
			k, err := ParseKey(v.Secret)
			if err != nil {
				t.Fatal(err)
			}
			add(k, v.Token)
		}
	}
	k := key(1, 2)
	for _, message := range messages() {
		text := sealAt(k, 1_700_000_000, [token.IVSize]byte{7}, message)
		add(k, text)
		add(key(1, 3), text)
		add(key(2, 2), text)
		add(k, text[:len(text)-4])
		for i := 0; i < len(text); i += 7 {
			add(k, text[:i]+string("AB"[min(1, int(text[i]&1))])+text[i+1:])
		}
	}
	for _, padding := range [][]byte{make([]byte, 16), bytes.Repeat([]byte{17}, 32), append(make([]byte, 15), 2)} {
		iv := [token.IVSize]byte{}
		add(k, sealBody(k, 1, iv, encrypt(k, iv, padding)))
	}
	add(k, sealBody(k, 1, [token.IVSize]byte{}, nil))
	opened := slices.IndexFunc(want, func(s string) bool { return s != "refused" })
	if opened < 0 || !slices.Contains(want, "refused") {
		t.Fatal("all are opened, or none")
	}
	for name, command := range filters(t) {
		if strings.HasPrefix(name, "C++") {
			continue // boards only seal
		}
		t.Run(name, func(t *testing.T) {
			for i, got := range ask(t, command(t), questions) {
				if got != want[i] {
					t.Errorf("%q gives %q, want %q", questions[i], got, want[i])
				}
			}
		})
	}
}

// filters are the examples, each as a command that answers what testdata/vectors.py describes; those of C++ only seal.
func filters(t *testing.T) map[string]func(*testing.T) *exec.Cmd {
	t.Helper()
	python := func(paths ...string) func(*testing.T) *exec.Cmd {
		return func(t *testing.T) *exec.Cmd {
			cmd := testenv.Command(t, testenv.Python(t), devices+"testdata/vectors.py")
			path := strings.Join(paths, string(filepath.ListSeparator))
			cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH="+path)
			return cmd
		}
	}
	node := func(script string) func(*testing.T) *exec.Cmd {
		return func(t *testing.T) *exec.Cmd {
			_, node := testenv.NodeModules(t)
			return testenv.Command(t, node, devices+"testdata/"+script)
		}
	}
	sources, err := filepath.Glob(devices + "seal/*.cpp")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no files of C++: %v", err)
	}
	sources = append(sources, devices+"testdata/seal.cpp")
	return map[string]func(*testing.T) *exec.Cmd{
		"C++": func(t *testing.T) *exec.Cmd {
			return testenv.Command(t, testenv.CPP(t, append(sources, "-DFERNET_PLAIN")...))
		},
		"C++ with PSA": func(t *testing.T) *exec.Cmd {
			if matches, _ := filepath.Glob("/usr/*include/psa/crypto.h"); len(matches) == 0 {
				testenv.Missing(t, "no PSA Crypto API (Debian: libmbedtls-dev)")
			}
			return testenv.Command(t, testenv.CPP(t, append(sources, "-lmbedcrypto")...))
		},
		"Python":                python(devices + "micropython"),
		"Python with cryptolib": python(devices+"micropython", devices+"testdata"),
		"MicroPython":           node("micropython.mjs"),
		"Node.js":               node("vectors.mjs"),
	}
}

// TestShell: openssl and this package open each other's tokens.
func TestShell(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		testenv.Missing(t, "no openssl (Debian: openssl)")
	}
	k := GenerateKey()
	shell := func(what, input string) (string, error) {
		cmd := testenv.Command(t, devices+"shell/fernet.sh", what)
		cmd.Env = append(os.Environ(), "FERNET_KEY="+k.Reveal())
		cmd.Stdin = strings.NewReader(input)
		out, err := cmd.Output()
		return string(out), err
	}
	for _, message := range []string{"", "sixteen bytes ..", "Grüße\n\x00\\x41 %s"} {
		text, err := shell("seal", message)
		if err != nil {
			t.Fatal(err)
		}
		if o, err := ring(t, k).Open(strings.TrimSuffix(text, "\n")); err != nil || string(o.Plaintext) != message {
			t.Errorf("what it seals of %q opens as %q, %v", message, o.Plaintext, err)
		}
		text = sealAt(k, 1, [token.IVSize]byte{1}, []byte(message))
		if got, err := shell("open", text); err != nil || got != message {
			t.Errorf("it opens %q, %v; want %q", got, err, message)
		}
	}
	good := sealAt(k, 1, [token.IVSize]byte{1}, []byte("21.5"))
	for _, bad := range []string{"", good[:40] + "A" + good[41:], good + "="} {
		if got, err := shell("open", bad); err == nil || got != "" {
			t.Errorf("it opens %q as %q", bad, got)
		}
	}
}
