package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/testenv"
)

// doors is a gateway with a key for the room lab, and the device that it runs on.
type doors struct {
	*device
	url, host, port string // url is http://host:port
	channel, key    string
}

// openDoors starts a gateway beside a relay that refuses nothing.
func openDoors(t *testing.T) *doors {
	t.Helper()
	d := &doors{device: newDevice(t, fastRelay(t))}
	d.channel, _ = d.makeRoom()
	d.key = strings.TrimSpace(d.must("gateway", "key", "add", "lab", "--write", "--read"))
	cmd := d.command("gateway", "--listen", "127.0.0.1:0")
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the gateway: %v", err)
		}
	})
	first, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	d.url = find(t, first, `^listening on (http://\S+)$`)
	if d.host, d.port, err = net.SplitHostPort(strings.TrimPrefix(d.url, "http://")); err != nil {
		t.Fatal(err)
	}
	return d
}

// ask sends bytes and returns all that comes back.
func (d *doors) ask(request []byte) []byte {
	d.t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort(d.host, d.port))
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(testenv.Patience)); err != nil {
		d.t.Fatal(err)
	}
	if _, err := conn.Write(request); err != nil {
		d.t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		d.t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		d.t.Fatal(err)
	}
	return answer
}

// get asks the read door.
func (d *doors) get(path string, header http.Header) []byte {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.url+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		d.t.Fatalf("GET %s: %s, %v: %s", path, answer.Status, err, body)
	}
	return body
}

// readings are what the room's messages hold, once there are n: the fields that are set, and the status.
func (d *doors) readings(n int) (all []string) {
	d.t.Helper()
	testenv.Await(d.t, fmt.Sprintf("%d readings in the room", n), func() bool {
		all = d.table()
		return len(all) >= n
	})
	return all
}

// table returns what "recv --format csv" shows of the room: "name=value …" of what is set, but for time and author.
func (d *device) table() (all []string) {
	d.t.Helper()
	out := d.must("recv", "--room", "lab", "-n", "1000", "--format", "csv")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil {
		d.t.Fatal(err)
	}
	for _, row := range rows[1:] {
		var set []string
		for i, name := range rows[0][2:] {
			if v := row[2+i]; v != "" {
				set = append(set, name+"="+v)
			}
		}
		all = append(all, strings.Join(set, " "))
	}
	return all
}

const exampleDevices = "../../examples/devices/"

// TestRecordedRequests: what boards and their programs send to ThingSpeak, sent to the gateway, is answered as they read
// it, stands in the room, and is read back.
func TestRecordedRequests(t *testing.T) {
	t.Parallel()
	d := openDoors(t)
	const done = `{"success":true}`
	number := `[1-9][0-9]*`
	entry := `{"channel_id":` + d.channel + `,`
	var want []string
	sent := map[string]bool{}
	for _, tt := range []struct {
		file, answer string // the answer is a regular expression
		readings     []string
	}{
		{"arduino-write-field", number, []string{"field1=42"}},
		{"arduino-write-fields", number, []string{"field1=3.25000 field2=grüße  field3=-7 status=all well"}},
		{"arduino-bulk", done, []string{"field1=1.0", "field1=2.0 field2=3.0"}},
		{"at-esp8266", number, []string{"field1=11"}},
		{"at-esp8266-host", number, []string{"field1=12"}},
		{"sim900", number, []string{"field1=13"}},
		{"espeasy", number, []string{"field1=1.00 field2=2.00"}},
		{"tasmota-webquery", number, []string{"field1=3"}},
		{"domoticz", number, []string{"field1=21.5"}},
		{"esp8266-post", number, []string{"field1=22.50 field2=60.00\n\n"}}, // it counts the line ends behind
		{"esp-idf-bulk", done, []string{"field1=1.5", "field1=2.5 field2=3"}},
		{"shelly", entry + `.*"field1":12\.5.*`, []string{"field1=12.5"}},
		{"multipart", entry + `.*"field1":"77".*`, []string{"field1=77"}},
		{"python-thingspeak", entry + `.*"field1":"21\.5".*`, []string{"field1=21.5"}},
		{"weewx", number, []string{"field1=32.5 field2=24"}},
		{"arduino-read-field", "32.5", nil},
		{"arduino-read-multiple", `{"created_at":"20.*"field1":"32\.5".*`, nil},
		{"arduino-read-status", `{"created_at":"20.*"entry_id":\d+.*`, nil},
	} {
		file := tt.file + ".http"
		sent[file] = true
		request, err := os.ReadFile(filepath.Join(exampleDevices, "testdata/requests", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range [][2]string{{"AAAABBBBCCCCDDDD", d.key}, {"EEEEFFFFGGGGHHHH", d.key}, {"1234567", d.channel}} {
			if len(s[0]) != len(s[1]) {
				t.Fatalf("%s is not as long as %s", s[1], s[0])
			}
			request = bytes.ReplaceAll(request, []byte(s[0]), []byte(s[1]))
		}
		answer := string(d.ask(request))
		body := answer // where the request names no version nothing stands before the body
		if strings.Contains(string(request), " HTTP/1.1") {
			reply, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
			if err != nil {
				t.Fatalf("%s: %v: %q", file, err, answer)
			}
			text, err := io.ReadAll(reply.Body)
			length := fmt.Sprintf("\r\nContent-Length: %d\r\n", len(text))
			if err != nil || reply.StatusCode/100 != 2 || !strings.Contains(answer, length) {
				t.Errorf("%s is answered %q, %v; want success, and how long it is", file, answer, err)
			}
			body = string(text)
		}
		find(t, body, "^("+tt.answer+")$")
		want = append(want, tt.readings...)
	}
	files, err := filepath.Glob(filepath.Join(exampleDevices, "testdata/requests", "*.http"))
	if err != nil || len(files) != len(sent) {
		t.Errorf("%d requests of %d were sent, %v", len(sent), len(files), err)
	}
	slices.Sort(want)
	got := d.readings(len(want))
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("in the room stands (-want +got):\n%s", diff)
	}
	var feed struct{ Feeds []map[string]any }
	if err := json.Unmarshal(d.get("/channels/"+d.channel+"/feeds.json?api_key="+d.key, nil), &feed); err != nil {
		t.Fatal(err)
	}
	if len(feed.Feeds) != len(want) {
		t.Errorf("the read door shows %d readings, want %d", len(feed.Feeds), len(want))
	}
}

// TestSettings: what the README tells to set is what was recorded.
func TestSettings(t *testing.T) {
	t.Parallel()
	text := func(name string) string {
		b, err := os.ReadFile(filepath.Join(exampleDevices, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	readme := text("README.md")
	typed := find(t, readme, `^    (GET /update\?.*)$`) + "\r\n\r\n"
	if recorded := text("testdata/requests/at-esp8266.http"); typed != recorded || find(t, readme, `AT\+CIPSEND=(\d+)$`) != strconv.Itoa(len(typed)) {
		t.Errorf("typed is %q, recorded was %q", typed, recorded)
	}
	asked := strings.ReplaceAll(find(t, readme, `WebQuery http://192\.168\.1\.9:8080(\S+) GET ENDON$`), "%value%", "3")
	if recorded := find(t, text("testdata/requests/tasmota-webquery.http"), `^GET (\S+) HTTP/1\.1`); asked != recorded {
		t.Errorf("the rule asks for %q, recorded was %q", asked, recorded)
	}
}

// sketch compiles one of the examples for Arduino, with what it has to know, for this machine.
func sketch(t *testing.T, name string, secrets map[string]string, flags ...string) (program string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(exampleDevices, name))); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for name, value := range secrets {
		fmt.Fprintf(&text, "#define %s %s\n", name, value)
	}
	old, err := os.ReadFile(filepath.Join(dir, "secrets.h"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(old), "\n") { // what the sketch's own file names, and nothing else
		if words := strings.Fields(line); len(words) > 1 && words[0] == "#define" && secrets[words[1]] == "" {
			fmt.Fprintf(&text, "#define %s \"\"\n", words[1])
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "secrets.h"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob(filepath.Join(dir, "*.cpp"))
	if err != nil {
		t.Fatal(err)
	}
	arduino := exampleDevices + "testdata/arduino"
	args := append(flags, "-I", arduino, "-include", "Arduino.h", "-x", "c++", filepath.Join(dir, name+".ino"))
	return testenv.CPP(t, append(append(args, sources...), filepath.Join(arduino, "arduino.cpp"))...)
}

// TestSketchByTheGateway: a library that knows one address only reaches the gateway through the client that it is given.
func TestSketchByTheGateway(t *testing.T) {
	t.Parallel()
	d := openDoors(t)
	program := sketch(t, "via", map[string]string{
		"GATEWAY_HOST": strconv.Quote(d.host), "GATEWAY_PORT": d.port,
		"GATEWAY_CHANNEL": d.channel + "UL", "GATEWAY_KEY": strconv.Quote(d.key),
	})
	out, err := testenv.Command(t, program).CombinedOutput()
	if want := "the gateway answers 200\nfield 1 is 21.50000\n"; err != nil || string(out) != want {
		t.Errorf("the sketch prints %q, %v; want %q", out, err, want)
	}
	if diff := cmp.Diff([]string{"field1=21.50000 field2=40 status=all well"}, d.readings(1)); diff != "" {
		t.Errorf("in the room stands (-want +got):\n%s", diff)
	}
}

// TestSealingSketch: a board that seals its values itself writes into a room of plain texts.
func TestSealingSketch(t *testing.T) {
	t.Parallel()
	d, secrets := plainRoom(t)
	program := sketch(t, "seal", map[string]string{
		"RELAY_HOST": strconv.Quote(secrets.host), "RELAY_PORT": secrets.port,
		"RELAY_WRITE_KEY": strconv.Quote(secrets.writeKey), "ROOM_KEY": strconv.Quote(secrets.key),
	}, "-DFERNET_PLAIN")
	out, err := testenv.Command(t, program).CombinedOutput()
	if want := "accepted as entry 1\n"; err != nil || string(out) != want {
		t.Errorf("the sketch prints %q, %v; want %q", out, err, want)
	}
	d.reads("field1=21.5 field2=40")
}

// TestMicroPythonBoard: the board's program, in Python, does the same.
func TestMicroPythonBoard(t *testing.T) {
	t.Parallel()
	d, secrets := plainRoom(t)
	script := fmt.Sprintf("import main\nmain.RELAY = (%q, %s)\nmain.WRITE_KEY, main.ROOM_KEY = %q, %q\n"+
		"main.time.sleep = lambda seconds: exit()\nmain.main()\n", secrets.host, secrets.port, secrets.writeKey, secrets.key)
	cmd := testenv.Command(t, testenv.Python(t), "-c", script)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH="+exampleDevices+"micropython")
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "entry 1\n" {
		t.Errorf("it prints %q, %v", out, err)
	}
	d.reads("field1=21.5 field2=40")
}

// TestShellAndNode: curl posts what openssl or Node.js has sealed, and they open what it gets, as the README beside them
// has it, and so does "fernpost token decrypt".
func TestShellAndNode(t *testing.T) {
	for _, program := range []string{"curl", "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			testenv.Missing(t, "no curl and openssl (Debian: curl, openssl)")
		}
	}
	_, node := testenv.NodeModules(t)
	d, secrets := plainRoom(t)
	dir, err := filepath.Abs(exampleDevices)
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	for name, text := range map[string]string{"write-key.txt": "X-THINGSPEAKAPIKEY: " + secrets.writeKey, "key.txt": secrets.key} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	run := func(line string) string {
		t.Helper()
		line = strings.NewReplacer("./fernet.sh", dir+"/shell/fernet.sh", "node fernet.mjs", node+" "+dir+"/node/fernet.mjs",
			"/ID/", "/"+d.channel+"/").Replace(line)
		cmd := testenv.Command(t, "bash", "-c", "set -o pipefail; "+line)
		cmd.Dir, cmd.Stderr = work, t.Output()
		cmd.Env = append(os.Environ(), "FERNET_KEY="+secrets.key, "RELAY="+d.relay)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return string(out)
	}
	post := find(t, string(readme), `^    (printf 21\.5 \| .*curl .*)$`)
	read := find(t, string(readme), `^    (curl .*fernet\.sh open)$`)
	opens := func(want string) {
		t.Helper()
		tokenFile := d.file(run(strings.Split(read, " |")[0]))
		cmd := d.command("token", "decrypt", "--key-file", filepath.Join(work, "key.txt"), "--ttl", "1h")
		file, err := os.Open(tokenFile)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		cmd.Stdin, cmd.Stderr = file, t.Output()
		if out, err := cmd.Output(); err != nil || string(out) != want {
			t.Errorf("the token decrypts to %q, %v; want %q", out, err, want)
		}
	}
	if got := run(post); got != "1" {
		t.Errorf("posting prints %q", got)
	}
	if got := run(read); got != "21.5" {
		t.Errorf("reading prints %q", got)
	}
	opens("21.5")
	withNode := strings.NewReplacer("./fernet.sh", "node fernet.mjs", "21.5", "22.5")
	if got := run(withNode.Replace(post)); got != "2" {
		t.Errorf("posting by Node.js prints %q", got)
	}
	if got := run(withNode.Replace(read)); got != "22.5" {
		t.Errorf("reading by Node.js prints %q", got)
	}
	opens("22.5")
	d.reads("field1=21.5", "field1=22.5")
}

// plain is a device with a room of plain texts, at a relay.
type plain struct {
	*device
	relay, channel string
}

// roomSecrets are what a board has to know of a room.
type roomSecrets struct{ host, port, writeKey, key string }

func plainRoom(t *testing.T) (*plain, roomSecrets) {
	t.Helper()
	server := fastRelay(t)
	d := &plain{device: newDevice(t, server), relay: server.URL}
	made := d.must("init", "lab", "--profile", "tutorial", "--fields", "1,2")
	d.channel = find(t, made, `channel +(\d+)`)
	s := roomSecrets{writeKey: find(t, made, `write key +(\S+)`)}
	s.key = strings.TrimSpace(d.must("key", "derive", "--profile", "tutorial"))
	var err error
	if s.host, s.port, err = net.SplitHostPort(strings.TrimPrefix(server.URL, "http://")); err != nil {
		t.Fatal(err)
	}
	return d, s
}

// reads checks what recv shows of the room.
func (d *plain) reads(want ...string) {
	d.t.Helper()
	if diff := cmp.Diff(want, d.table()); diff != "" {
		d.t.Errorf("the room shows (-want +got):\n%s", diff)
	}
}
