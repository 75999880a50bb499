package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// full is how many messages a reader of all reads: what ThingSpeak gives at once.
const full = 8000

// server is a program that was started to be measured.
type server struct {
	cmd *exec.Cmd
	url string // where it listens, as its first line says
}

// start starts a program whose first line on standard output names its address.
func start(ctx context.Context, home, name string, args ...string) (*server, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME=", "XDG_CONFIG_HOME=")
	said := new(strings.Builder)
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	s := &server{cmd: cmd, url: regexp.MustCompile(`https?://\S+`).FindString(line)}
	if s.url == "" {
		s.stop()
		return nil, fmt.Errorf("%s does not listen: %w: %s", filepath.Base(name), err, line+said.String())
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	return s, nil
}

func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// relay starts a relay of its own, without an interval between updates.
func (b *bench) relay(ctx context.Context, name string, more ...string) (*server, error) {
	return start(ctx, b.dir, b.fernpost, append([]string{
		"relay", "--listen", "127.0.0.1:0", "--interval", "0s", "--data", filepath.Join(b.dir, name),
	}, more...)...)
}

// made is a channel.
type made struct {
	ID   int64 `json:"id"`
	Keys []struct {
		Key   string `json:"api_key"`
		Write bool   `json:"write_flag"`
	} `json:"api_keys"`
}

func (m *made) writeKey() string {
	for _, k := range m.Keys {
		if k.Write {
			return k.Key
		}
	}
	return ""
}

// channel makes a channel.
func channel(ctx context.Context, relay string) (m made, err error) {
	err = post(ctx, relay+"/channels.json", "name=bench&field1=message&public_flag=true", &m)
	return m, err
}

// post posts a form and reads the JSON that comes back, if that is asked for.
func post(ctx context.Context, address, form string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form))
	if err != nil {
		return err
	}
	kind := "application/x-www-form-urlencoded"
	if strings.HasPrefix(form, "{") {
		kind = "application/json"
	}
	req.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK || string(text) == "0":
		return fmt.Errorf("%s: %s %s", address, resp.Status, text)
	case answer == nil:
		return nil
	}
	return json.Unmarshal(text, answer)
}

// command is a whole process that is measured.
type command struct {
	env  []string
	name string
	args []string
}

func (c *command) run(ctx context.Context) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, c.name, c.args...)
	cmd.Env = append(os.Environ(), c.env...)
	var failed strings.Builder
	cmd.Stderr = &failed
	begin := time.Now()
	_, err := cmd.Output()
	took := time.Since(begin)
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w: %s", filepath.Base(c.name), strings.Join(c.args, " "), err, failed.String())
	}
	return took, nil
}

// inTurn measures two commands in turn, and returns the middle of each.
func (b *bench) inTurn(ctx context.Context, ours, theirs command) (one, other time.Duration, err error) {
	var a, z []time.Duration
	for range b.times {
		one, err := ours.run(ctx)
		if err != nil {
			return 0, 0, err
		}
		other, err := theirs.run(ctx)
		if err != nil {
			return 0, 0, err
		}
		a, z = append(a, one), append(z, other)
	}
	return median(a), median(z), nil
}

// python returns a Python that has a module, or notes what is not compared without one.
func (b *bench) python(ctx context.Context, module, what string) string {
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.CommandContext(ctx, name, "-c", "import "+module).Run() == nil {
			return name
		}
	}
	b.lacks(what, "there is no python3 with the module "+module)
	return ""
}

// processes compares whole commands with the tutorials' scripts, at the same relay and in the same form.
func (b *bench) processes(ctx context.Context) error {
	python := b.python(ctx, "cryptography", "send, newest, all of 8,000")
	if python == "" {
		return nil
	}
	relay, err := b.relay(ctx, "processes")
	if err != nil {
		return err
	}
	defer relay.stop()
	const passphrase = "correct horse battery staple"
	home := filepath.Join(b.dir, "home")
	word := filepath.Join(b.dir, "passphrase")
	if err := errors.Join(os.MkdirAll(home, 0o700), os.WriteFile(word, []byte(passphrase+"\n"), 0o600)); err != nil {
		return err
	}
	own := func(args ...string) command {
		return command{[]string{"HOME=" + home, "XDG_DATA_HOME=", "XDG_CONFIG_HOME="}, b.fernpost, args}
	}
	c, err := channel(ctx, relay.url)
	if err != nil {
		return err
	}
	key := filepath.Join(b.dir, "key")
	if err := os.WriteFile(key, []byte(c.writeKey()+"\n"), 0o600); err != nil {
		return err
	}
	join := own("join", "lab", "--relay", relay.url, "--channel", fmt.Sprint(c.ID), "--profile", "tutorial",
		"--passphrase-file", word, "--write-key-file", key, "--yes")
	if _, err := join.run(ctx); err != nil {
		return err
	}
	script := func(name string, args ...string) command {
		return command{
			[]string{"THINGSPEAK=" + relay.url, fmt.Sprintf("CHANNEL=%d", c.ID), "WRITE_KEY=" + c.writeKey(), "PASSWORD=" + passphrase},
			python, append([]string{filepath.Join(b.scripts, "tutorial", name)}, args...),
		}
	}
	compare := func(what, note string, ours, theirs command) error {
		one, other, err := b.inTurn(ctx, ours, theirs)
		b.rows = append(b.rows, row{what, one, "Python script", other, note})
		return err
	}
	if err := compare("send one message", "the script derives its key each time, fernpost when the room is joined",
		own("send", "--room", "lab", "hello"), script("sender.py", "hello")); err != nil {
		return err
	}
	if err := compare("read the newest", "", own("recv", "--room", "lab", "-n", "1"), script("receiver_csv.py")); err != nil {
		return err
	}
	if err := b.fill(ctx, python, c, passphrase); err != nil {
		return err
	}
	return compare("read all 8,000", "fernpost has read and kept them once, and asks what is new; the script reads all of them each time",
		own("recv", "--room", "lab", "-n", "0"), script("receiver_json.py"))
}

// fill gives a channel as many tokens as are read at once.
func (b *bench) fill(ctx context.Context, python string, c made, passphrase string) error {
	const seal = `
import base64, sys
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
f = Fernet(base64.urlsafe_b64encode(PBKDF2HMAC(hashes.SHA256(), 32, b"salt_", 100000).derive(sys.argv[1].encode())))
for n in range(int(sys.argv[2])): print(f.encrypt(b"message %d" % n).decode())`
	out, err := exec.CommandContext(ctx, python, "-c", seal, passphrase, fmt.Sprint(full)).Output()
	if err != nil {
		return err
	}
	tokens := strings.Fields(string(out))
	return b.imports(ctx, "processes", c.ID, 0, len(tokens), func(n int) string { return tokens[n] })
}

// encrypt compares the gateway's /encrypt with the service that tutorials write in Flask.
func (b *bench) encrypt(ctx context.Context) error {
	python := b.python(ctx, "flask, cryptography", "/encrypt")
	if python == "" {
		return nil
	}
	home := filepath.Join(b.dir, "gateway")
	key := filepath.Join(b.dir, "fernet-key")
	made, err := exec.CommandContext(ctx, b.fernpost, "key", "generate").Output()
	if err := errors.Join(err, os.MkdirAll(home, 0o700), os.WriteFile(key, made, 0o600)); err != nil {
		return err
	}
	ours, err := start(ctx, home, b.fernpost, "gateway", "--listen", "127.0.0.1:0", "--key-file", key, "--no-token")
	if err != nil {
		return err
	}
	defer ours.stop()
	theirs, err := start(ctx, home, python, filepath.Join(b.scripts, "bench", "encrypt_flask.py"), key)
	if err != nil {
		return err
	}
	defer theirs.stop()
	call := func(s *server) func(context.Context) error {
		return func(ctx context.Context) error {
			return post(ctx, s.url+"/encrypt", `{"data": "a reading of 21.5 degrees"}`, &struct {
				Token string `json:"encrypted_data"`
			}{})
		}
	}
	one, other, err := callsInTurn(ctx, 400, call(ours), call(theirs))
	b.rows = append(b.rows, row{"one call of /encrypt", one, "Flask", other, "Flask with its own server, as tutorials start it"})
	return err
}

// callsInTurn makes calls of two kinds in turn, and returns the middle of each.
func callsInTurn(ctx context.Context, times int, ours, theirs func(context.Context) error) (one, other time.Duration, err error) {
	var took [2][]time.Duration
	for n := range 2 * (times + 10) {
		begin := time.Now()
		if err := []func(context.Context) error{ours, theirs}[n%2](ctx); err != nil {
			return 0, 0, err
		}
		if n >= 20 { // the first connect
			took[n%2] = append(took[n%2], time.Since(begin))
		}
	}
	return median(took[0]), median(took[1]), nil
}
