package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/mqtt"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
)

// TestProxies runs each reverse proxy of examples/deploy, with its example but for addresses and file names, in front of
// a relay.
func TestProxies(t *testing.T) {
	for _, p := range []struct {
		program string
		run     func(p *proxyRun) *exec.Cmd
	}{
		{"nginx", (*proxyRun).nginx},
		{"haproxy", (*proxyRun).haproxy},
		{"caddy", (*proxyRun).caddy},
	} {
		t.Run(p.program, func(t *testing.T) {
			if runtime.GOOS != "linux" {
				t.Skip("it takes a second loopback address, which Linux has")
			}
			path := find(t, p.program)
			r := &proxyRun{T: t, program: path, dir: t.TempDir(), plain: freeAddress(t), encrypted: freeAddress(t)}
			// The proxy is on this machine, so all that comes through it counts as one client of this machine.
			s := serveWith(t, t.TempDir(), "--trust-proxy", "127.0.0.1", "--client-wrong-keys", "5", "--mqtt", "127.0.0.1:0")
			r.relay = strings.TrimPrefix(s.url, "http://")
			r.writeCertificate()
			cmd := p.run(r)
			cmd.Dir, cmd.Stdout, cmd.Stderr = r.dir, &r.logged, &r.logged
			cmd.Env = append(os.Environ(), "HOME="+r.dir, "XDG_DATA_HOME="+r.dir, "XDG_CONFIG_HOME="+r.dir)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = cmd.Process.Signal(os.Interrupt)
				_ = cmd.Wait() // each has its own idea of an exit code
			}()
			r.waitUntilListening()
			r.check(s)
			if t.Failed() {
				t.Logf("%s says\n%s", p.program, &r.logged)
			}
		})
	}
}

// find finds a program that the test needs.
func find(t *testing.T, name string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	testenv.Missing(t, name+" is not installed")
	return ""
}

// proxyRun is a proxy that runs.
type proxyRun struct {
	*testing.T
	program, dir string
	// plain and encrypted are where it listens, relay is what it stands before.
	plain, encrypted, relay string
	// root is the file of the certificate that the proxy's own is signed by.
	root   string
	logged relaytest.Log
}

// writeCertificate writes cert.pem, key.pem and both in one as relay.example.org.pem.
func (p *proxyRun) writeCertificate() {
	p.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{{127, 0, 0, 1}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		p.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	p.write("cert.pem", string(certPEM))
	p.write("key.pem", string(keyPEM))
	p.write("relay.example.org.pem", string(certPEM)+string(keyPEM))
	p.root = filepath.Join(p.dir, "cert.pem")
}

func (p *proxyRun) write(name, text string) (path string) {
	p.Helper()
	path = filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.Fatal(err)
	}
	return path
}

// example reads an example and replaces pairs of texts in it, each of which has to be there.
func (p *proxyRun) example(name string, pairs ...string) string {
	p.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "examples", "deploy", name))
	if err != nil {
		p.Fatal(err)
	}
	text := string(b)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			p.Fatalf("%s lacks %q", name, pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

func (p *proxyRun) nginx() *exec.Cmd {
	site := p.example("nginx.conf",
		"listen 80 ", "listen "+p.plain+" ", "listen 443 ", "listen "+p.encrypted+" ",
		"server 127.0.0.1:3000;", "server "+p.relay+";",
		"/etc/letsencrypt/live/relay.example.org/fullchain.pem", p.dir+"/cert.pem",
		"/etc/letsencrypt/live/relay.example.org/privkey.pem", p.dir+"/key.pem", "/var/log/nginx", p.dir)
	var places strings.Builder
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		places.WriteString(fmt.Sprintf("%s_temp_path %s/%s;\n", name, p.dir, name))
	}
	return exec.Command(p.program, "-p", p.dir, "-e", "stderr", "-c", p.write("whole.conf",
		"daemon off; master_process off; pid "+p.dir+"/pid;\nevents {}\nhttp {\n"+places.String()+site+"}\n"))
}

func (p *proxyRun) haproxy() *exec.Cmd {
	return exec.Command(p.program, "-f", p.write("haproxy.cfg", p.example("haproxy.cfg",
		"bind :80", "bind "+p.plain, "bind :443", "bind "+p.encrypted, "127.0.0.1:3000 check", p.relay+" check",
		"/etc/haproxy/", p.dir+"/")))
}

func (p *proxyRun) caddy() *exec.Cmd {
	site := p.example("Caddyfile",
		"http://relay.example.org, https://relay.example.org {", "http://"+p.plain+", https://"+p.encrypted+" {",
		"reverse_proxy 127.0.0.1:3000", "reverse_proxy "+p.relay)
	// It makes certificates of its own instead of asking for one.
	p.root = filepath.Join(p.dir, "caddy", "pki", "authorities", "local", "root.crt")
	return exec.Command(p.program, "run", "--adapter", "caddyfile", "--config",
		p.write("Caddyfile", "{\nadmin off\nlocal_certs\nskip_install_trust\n}\n"+site))
}

// waitUntilListening returns when both addresses answer.
func (p *proxyRun) waitUntilListening() {
	p.Helper()
	// Caddy listens before it has made its certificate; until then a handshake fails.
	anyCertificate := &tls.Config{InsecureSkipVerify: true}
	for address, dial := range map[string]func() (net.Conn, error){
		p.plain:     func() (net.Conn, error) { return net.Dial("tcp", p.plain) },
		p.encrypted: func() (net.Conn, error) { return tls.Dial("tcp", p.encrypted, anyCertificate) },
	} {
		for deadline := time.Now().Add(30 * time.Second); ; <-time.After(10 * time.Millisecond) {
			conn, err := dial()
			if err == nil {
				conn.Close()
				break
			}
			if time.Now().After(deadline) {
				p.Fatalf("nobody serves on %s: %v\n%s", address, err, &p.logged)
			}
		}
	}
}

// check holds the proxy against what its example promises.
func (p *proxyRun) check(s *serving) {
	id, key := s.newChannel(p.T)
	root, err := os.ReadFile(p.root)
	if err != nil {
		p.Fatal(err)
	}
	trusted := &tls.Config{RootCAs: x509.NewCertPool()}
	trusted.RootCAs.AppendCertsFromPEM(root)
	// The Arduino library looks for these two texts to the letter.
	for n, dial := range []func() (net.Conn, error){
		func() (net.Conn, error) { return net.Dial("tcp", p.plain) },
		func() (net.Conn, error) { return tls.Dial("tcp", p.encrypted, trusted) },
	} {
		conn, err := dial()
		if err != nil {
			p.Fatal(err)
		}
		// Host as boards send it, which were pointed here without telling them. Caddy serves the names it was told.
		host := "api.thingspeak.com"
		if strings.HasSuffix(p.program, "caddy") {
			host = "127.0.0.1"
		}
		body := "field1=reading&headers=false"
		fmt.Fprintf(conn, "POST /update HTTP/1.1\r\nHost: %s\r\nX-THINGSPEAKAPIKEY: %s\r\nConnection: close\r\n"+
			"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", host, key, len(body), body)
		answer, err := io.ReadAll(conn)
		conn.Close()
		if err != nil {
			p.Error(err)
		}
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) || !bytes.Contains(answer, []byte("\r\nContent-Length: 1\r\n")) ||
			!bytes.HasSuffix(answer, fmt.Appendf(nil, "\r\n\r\n%d", n+1)) {
			p.Errorf("a board's update is answered\n%s", answer)
		}
	}
	// Another address than the proxy's, which the relay trusts.
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IP{127, 0, 0, 2}}}
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: trusted, DialContext: dialer.DialContext},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	get := func(url string, headers ...string) (int, string) {
		p.Helper()
		q, err := http.NewRequestWithContext(p.Context(), http.MethodGet, url, nil)
		if err != nil {
			p.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			q.Header.Set(headers[i], headers[i+1])
		}
		r, err := client.Do(q)
		if err != nil {
			p.Fatal(err)
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			p.Fatal(err)
		}
		return r.StatusCode, string(body)
	}
	for _, base := range []string{"http://" + p.plain, "https://" + p.encrypted} {
		code, feed := get(fmt.Sprintf("%s/channels/%d/feeds.csv?api_key=%s", base, id, key))
		if code != http.StatusOK || !strings.HasSuffix(feed, ",2,reading\n") {
			p.Errorf("%s: the feed is %d %q", base, code, feed)
		}
		if code, body := get(base + "/metrics"); code != http.StatusNotFound {
			p.Errorf("%s: the metrics are shown: %d %s", base, code, body)
		}
		if code, page := get(base + "/"); code != http.StatusOK || !strings.Contains(page, ">"+base+"</pre>") {
			p.Errorf("%s: the front page names another address: %d %s", base, code, page)
		}
		if code, body := get(base+"/channels.json", "Accept", "application/json"); code != http.StatusUnauthorized {
			p.Errorf("%s: without a key channels are listed: %d %s", base, code, body)
		}
	}
	// A refusal in MQTT's own words shows that WebSocket gets through.
	for _, base := range []string{"ws://" + p.plain, "wss://" + p.encrypted} {
		_, err := mqtt.Dial(p.Context(), base+"/mqtt", mqtt.Credentials{ClientID: "a", Username: "a", Password: "x"},
			mqtt.DialOptions{TLS: trusted})
		if !errors.Is(err, mqtt.ErrCredentials) {
			p.Errorf("%s: MQTT says %v", base, err)
		}
	}
	// No channel is made for whoever comes through a proxy on this machine.
	r, err := client.Post("http://"+p.plain+"/channels.json", "", nil)
	if err != nil {
		p.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusUnauthorized {
		p.Errorf("a client of the proxy creates a channel: %d", r.StatusCode)
	}
	// The relay knows whom the proxy speaks for, whatever the client says of itself.
	limited := false
	for i := range 10 {
		code, _ := get("http://"+p.plain+"/update?api_key=WRONGWRONGWRONG1", "X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
		limited = code == http.StatusTooManyRequests
	}
	if !limited {
		p.Error("a client that invents addresses guesses keys without limit")
	}
	p.checkLogs(key, "WRONGWRONGWRONG1")
}

// checkLogs looks for keys in all that the proxy wrote.
func (p *proxyRun) checkLogs(keys ...string) {
	p.Helper()
	var text strings.Builder
	text.WriteString(p.logged.String())
	files, err := filepath.Glob(filepath.Join(p.dir, "*.log"))
	if err != nil {
		p.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			p.Fatal(err)
		}
		text.WriteString(string(b))
	}
	for line := range strings.Lines(text.String()) {
		for _, key := range keys {
			if strings.Contains(line, key) {
				p.Errorf("a log holds a key: %s", line)
			}
		}
	}
}
