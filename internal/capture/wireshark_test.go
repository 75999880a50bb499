package capture

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/token"
)

// tokenOf is a token of nonsense, sealed at a moment.
func tokenOf(tb testing.TB, at time.Time, blocks int) string {
	tb.Helper()
	raw := bytes.Repeat([]byte{0x5a}, token.Overhead+blocks*token.BlockSize)
	raw[0] = token.Version
	for i := range 8 {
		raw[1+i] = byte(at.Unix() >> (8 * (7 - i)))
	}
	tok, err := token.Encode(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return tok.String()
}

// recordLoopback has dumpcap record what goes over a port of loopback while work talks there, until its last request, which is for
// /end, and the answer to that are in the file. It returns the file.
func recordLoopback(t *testing.T, port string, work func()) string {
	t.Helper()
	dumpcap := testenv.Program(t, "dumpcap")
	file := filepath.Join(t.TempDir(), "lo.pcapng")
	cmd := testenv.Command(t, dumpcap, "-q", "-i", "lo", "-f", "tcp port "+port, "-w", file)
	var told bytes.Buffer
	cmd.Stderr = &told
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- cmd.Wait() }()
	ended := false
	began := func() bool {
		select {
		case <-over:
			ended = true
		default:
		}
		info, err := os.Stat(file)
		return ended || err == nil && info.Size() > 0 // the header is written once the recording runs
	}
	testenv.Await(t, "dumpcap records", began)
	if ended {
		testenv.Missing(t, "dumpcap may not record on loopback here: "+told.String())
	}
	// What is sent before the filter stands is not in it, and the header does not tell when that is: knock until it is heard.
	knocked := func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		packets, _ := readFile(t, file)
		return packets > 0
	}
	testenv.Await(t, "dumpcap hears", knocked)
	work()
	testenv.Await(t, "all is in the file", func() bool {
		_, ended := readFile(t, file)
		return ended
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := testenv.Receive(t, over, "the end of dumpcap"); err != nil {
		t.Fatalf("%v\n%s", err, &told)
	}
	return file
}

// readFile reads a recording that may be under way: how many packets it has, and whether the answer for /end is among them.
func readFile(tb testing.TB, file string) (packets int, ended bool) {
	tb.Helper()
	f, err := os.Open(file)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	s, err := Read(f, func(x *Exchange) error {
		ended = ended || x.Path == "/end" && x.Status > 0
		return nil
	})
	if err != nil && !errors.Is(err, ErrFormat) {
		tb.Fatal(err)
	}
	return s.Packets, ended
}

// tshark runs it on a file of a port, with the dissector of examples/wireshark.
func tshark(t *testing.T, file, port string, args ...string) []string {
	t.Helper()
	script, err := filepath.Abs("../../examples/wireshark/fernpost.lua")
	if err != nil {
		t.Fatal(err)
	}
	cmd := testenv.Command(t, testenv.Program(t, "tshark"), append([]string{
		"-X", "lua_script:" + script, "-r", file, "-d", "tcp.port==" + port + ",http", "-T", "fields",
	}, args...)...)
	cmd.Env = append(os.Environ(), "TZ=UTC", "HOME="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Logf("%s", e.Stderr)
		}
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// TestAsWiresharkSeesIt: of what dumpcap records on loopback we tell what tshark tells, and the dissector of examples/wireshark takes
// tokens apart as we do: in an address, in a form, in a feed.
func TestAsWiresharkSeesIt(t *testing.T) {
	at := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
	one, other := tokenOf(t, at, 8), tokenOf(t, at.Add(time.Hour), 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/channels/") {
			fmt.Fprintf(w, "created_at,entry_id,field1\n%s,1,%s\n%s", at, one, strings.Repeat("2026-11-30 10:00:00 UTC,2,21.5\n", 5000))
			return
		}
		io.WriteString(w, "17")
	}))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	file := recordLoopback(t, port, func() {
		for _, ask := range []func() (*http.Response, error){
			func() (*http.Response, error) {
				return http.Get(server.URL + "/update?api_key=WRITEKEY12345678&field1=" + url.QueryEscape(other))
			},
			func() (*http.Response, error) {
				return http.PostForm(server.URL+"/update", url.Values{"api_key": {"WRITEKEY12345678"}, "field1": {one}, "field2": {other}})
			},
			func() (*http.Response, error) {
				return http.Get(server.URL + "/channels/42/feeds.csv?api_key=READKEY123456789")
			},
			func() (*http.Response, error) { return http.Get(server.URL + "/end") },
		} {
			reply, err := ask()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, reply.Body); err != nil {
				t.Error(err)
			}
			if err := reply.Body.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	recording, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var theirs []string
	got, _ := readAll(t, recording)
	want := []string{
		"127.0.0.1 GET /update ch0 e17 200 f[1] write=WRITEKEY12345678", "127.0.0.1 POST /update ch0 e17 200 f[1 2] write=WRITEKEY12345678",
		"127.0.0.1 GET /channels/42/feeds.csv ch42 e0 200 f[] read=READKEY123456789", "127.0.0.1 GET /end ch0 e0 200 f[]",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := Read(bytes.NewReader(recording), func(x *Exchange) error {
		theirs = append(theirs, fmt.Sprintf("%s\t%s\t%d\t%s", x.Method, x.Client.Addr(), x.Client.Port(), x.Agent))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	fields := []string{"-e", "http.request.method", "-e", "ip.src", "-e", "tcp.srcport", "-e", "http.user_agent"}
	if d := cmp.Diff(tshark(t, file, port, append([]string{"-Y", "http.request"}, fields...)...), theirs); d != "" {
		t.Errorf("tshark has otherwise: %s", d)
	}
	apart := tshark(t, file, port, "-Y", "fernet", "-E", "occurrence=f", "-e", "fernet.time", "-e", "fernet.blocks", "-e", "fernet.least",
		"-e", "fernet.most", "-e", "fernet.iv", "-e", "fernet.version")
	iv := strings.Repeat("5a", token.IVSize)
	first := "\t8\t112\t127\t" + iv + "\t0x80"
	want = []string{"Nov 30, 2026 11:00:00.000000000 UTC\t1\t0\t15\t" + iv + "\t0x80"}
	for range 2 {
		want = append(want, "Nov 30, 2026 10:00:00.000000000 UTC"+first)
	}
	if d := cmp.Diff(want, apart); d != "" {
		t.Error(d)
	}
	if all := tshark(t, file, port, "-Y", "fernet", "-E", "aggregator=;", "-e", "fernet.token"); all[1] != one+";"+other && all[1] != other+";"+one {
		t.Errorf("%q", all)
	}
}

var rewrite = flag.Bool("update", false, "write examples/wireshark/classroom.pcap anew")

// TestClassroomRecording: the recording that stands in examples/wireshark is the one that is made here: a board that writes, a phone that
// writes and reads, and somebody who talks TLS.
func TestClassroomRecording(t *testing.T) {
	token := func(minutes, blocks int) string {
		return tokenOf(t, start.Add(time.Duration(minutes)*time.Minute), blocks)
	}
	board, phone := &wire{tb: t, host: 31}, &wire{tb: t, host: 44, port: 100}
	get := "GET %s HTTP/1.1\r\nHost: 192.168.1.1:3000\r\nUser-Agent: %s\r\n\r\n"
	const android = "Mozilla/5.0 (Linux; Android 15; Mobile)"
	reply := func(text string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
	}
	board.talk(fmt.Sprintf(get, "/update?api_key=CLASSWRITEKEY001&field1="+url.QueryEscape(token(0, 1)), "ESP8266HTTPClient"), reply("1"))
	form := url.Values{"api_key": {"CLASSWRITEKEY001"}, "field1": {token(1, 4)}}.Encode()
	phone.talk(fmt.Sprintf("POST /update HTTP/1.1\r\nHost: 192.168.1.1:3000\r\nUser-Agent: %s\r\nContent-Type: application/x-www-form-urlencoded\r\n"+
		"Content-Length: %d\r\n\r\n%s", android, len(form), form), reply("2"))
	rows := fmt.Sprintf("created_at,entry_id,field1\n2026-11-30 10:00:01 UTC,1,%s\n2026-11-30 10:01:01 UTC,2,%s\n", token(0, 1), token(1, 4))
	phone.talk(fmt.Sprintf(get, "/channels/4711123/feeds.csv?api_key=CLASSREADKEY0001", android), reply(rows))
	phone.talk("\x16\x03\x01\x00\x05hello", "\x16\x03\x03\x00\x05hello")
	board.packets = append(board.packets, phone.packets...)
	made := board.pcap(65535)
	const name = "../../examples/wireshark/classroom.pcap"
	if *rewrite {
		if err := os.WriteFile(name, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stands, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, stands) {
		t.Errorf("%s is another one: -update writes it", name)
	}
}
