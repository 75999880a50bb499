package serve_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/mqtt"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/relay/relaytest/pgtest"
	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/testenv"
)

// startMQTT serves MQTT too, until the caller closes it, and returns the data as an admin command has it.
func startMQTT(t *testing.T, o serve.Options) (*serve.Running, serve.Data) {
	t.Helper()
	o.MQTT = "127.0.0.1:0"
	if o.Data == "" && o.Store == "" {
		o.Data = t.TempDir()
	}
	r := start(t, o)
	open := func() (serve.Data, error) { return serve.OpenSQLite(o.Data) }
	if o.Store != "" {
		open = func() (serve.Data, error) { return serve.OpenPostgres(t.Context(), o.Store) }
	}
	admin, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	return r, admin
}

// newDevice makes a device that may do everything with a channel.
func newDevice(t testing.TB, admin serve.Data, channel int64) mqtt.Credentials {
	t.Helper()
	d, password := relay.NewDevice()
	if err := errors.Join(
		d.Allow(relay.Right{Channel: channel, Publish: true, Subscribe: true}), admin.CreateDevice(t.Context(), d),
	); err != nil {
		t.Fatal(err)
	}
	return mqtt.Credentials{ClientID: d.ID, Username: d.ID, Password: password}
}

// listen connects and subscribes to the first field of a channel.
func listen(t testing.TB, at string, c mqtt.Credentials, how mqtt.DialOptions, channel int64) (*mqtt.Client, <-chan string) {
	t.Helper()
	client, err := mqtt.Dial(t.Context(), at, c, how)
	if err != nil {
		t.Fatalf("connecting to %s: %v", at, err)
	}
	got := make(chan string, 100)
	err = client.Subscribe(t.Context(), fmt.Sprintf("channels/%d/subscribe/fields/field1", channel), func(m mqtt.Message) {
		got <- string(m.Payload)
	})
	if err != nil {
		t.Fatal(err)
	}
	return client, got
}

func post(t *testing.T, at, key, value string) {
	t.Helper()
	answer, err := http.PostForm(at+"/update", url.Values{"api_key": {key}, "field1": {value}})
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
}

// TestMQTT: over TCP and WebSocket, with TLS and without; devices that another process makes are known without a restart; a
// stop ends the clients.
func TestMQTT(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	pool := x509.NewCertPool()
	pool.AddCert(writeCertificate(t, certFile, keyFile, 1))
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	for name, o := range map[string]serve.Options{"plain": {}, "tls": {TLSCert: certFile, TLSKey: keyFile}} {
		t.Run(name, func(t *testing.T) {
			r, admin := startMQTT(t, o)
			how := mqtt.DialOptions{}
			if r.Encrypted() {
				how.TLS = &tls.Config{RootCAs: pool, NextProtos: []string{"mqtt"}}
			}
			answer, err := insecure.PostForm(r.URL()+"/channels.json", nil)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			owned, err := admin.Channels(t.Context(), relay.LocalAccountID)
			if err != nil {
				t.Fatal(err)
			}
			c := owned[0].ID
			web := mqtt.DialOptions{}
			if r.Encrypted() {
				web.TLS = &tls.Config{RootCAs: pool}
			}
			socket := "ws" + strings.TrimPrefix(r.URL(), "http") + "/mqtt"
			one, atOne := listen(t, r.MQTTURL(), newDevice(t, admin, c), how, c)
			two, atTwo := listen(t, socket, newDevice(t, admin, c), web, c)
			for i, client := range []*mqtt.Client{one, two} {
				value := strconv.Itoa(i)
				err := client.Publish(t.Context(), fmt.Sprintf("channels/%d/publish", c), []byte("field1="+value), 1)
				if err != nil {
					t.Error(err)
				}
				for _, got := range []<-chan string{atOne, atTwo} {
					if s := testenv.Receive(t, got, "an entry"); s != value {
						t.Errorf("got %q, want %q", s, value)
					}
				}
			}
			metrics, err := insecure.Get(r.URL() + "/metrics")
			if err != nil {
				t.Fatal(err)
			}
			defer metrics.Body.Close()
			if text := readAll(t, metrics.Body); !strings.Contains(text, "fernpost_relay_mqtt_connections 2\n") {
				t.Errorf("the metrics tell of other connections:\n%s", text)
			}
			if answer, err := insecure.Get(r.URL() + "/mqtt"); err != nil || answer.StatusCode != http.StatusNotFound {
				t.Errorf("without an upgrade: %v, %v", answer, err)
			} else {
				answer.Body.Close()
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			testenv.Receive(t, one.Lost(), "the end of the first")
			testenv.Receive(t, two.Lost(), "the end of the second")
		})
	}
}

// TestMQTTBehindAStrangeProxy: who comes by WebSocket through a proxy on this machine that is not trusted is no program on this
// machine, and has not its freedom to guess passwords.
func TestMQTTBehindAStrangeProxy(t *testing.T) {
	r, admin := startMQTT(t, serve.Options{Clients: guard.Limits{WrongKeys: 3}})
	defer r.Close()
	to, err := url.Parse(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(to))
	defer proxy.Close()
	c := newChannel(t, r.URL())
	wrong := newDevice(t, admin, c.ID)
	wrong.Password = "wrong"
	guess := func(at string) error {
		t.Helper()
		_, err := mqtt.Dial(t.Context(), "ws"+strings.TrimPrefix(at, "http")+"/mqtt", wrong, mqtt.DialOptions{})
		return err
	}
	for range 3 {
		if err := guess(proxy.URL); !errors.Is(err, mqtt.ErrCredentials) {
			t.Errorf("a wrong password through the proxy: %v", err)
		}
	}
	if err := guess(proxy.URL); err == nil || errors.Is(err, mqtt.ErrCredentials) {
		t.Errorf("after too many wrong passwords through the proxy: %v", err)
	}
	if err := guess(r.URL()); !errors.Is(err, mqtt.ErrCredentials) {
		t.Errorf("a wrong password on this machine: %v", err)
	}
}

// TestMQTTOff: without its option there is no MQTT.
func TestMQTTOff(t *testing.T) {
	r := start(t, serve.Options{Data: t.TempDir()})
	defer r.Close()
	if r.MQTTURL() != "" {
		t.Errorf("it serves on %s", r.MQTTURL())
	}
	socket := "ws" + strings.TrimPrefix(r.URL(), "http") + "/mqtt"
	if _, err := mqtt.Dial(t.Context(), socket, mqtt.Credentials{ClientID: "a"}, mqtt.DialOptions{}); err == nil {
		t.Error("it serves WebSocket")
	}
	_, err := serve.Start(t.Context(), serve.Options{Listen: "127.0.0.1:0", Data: t.TempDir(), MQTT: "1883"})
	if err == nil || !strings.Contains(err.Error(), "for MQTT: the port is lacking") {
		t.Errorf("a wrong address: %v", err)
	}
}

// TestMQTTAcrossNodes: what one relay stores another one announces, when both serve one database.
func TestMQTTAcrossNodes(t *testing.T) {
	database := pgtest.Shared(t).Database(t)
	first, admin := startMQTT(t, serve.Options{Store: database})
	defer first.Close()
	second, _ := startMQTT(t, serve.Options{Store: database})
	defer second.Close()
	c := newChannel(t, first.URL())
	client, got := listen(t, second.MQTTURL(), newDevice(t, admin, c.ID), mqtt.DialOptions{}, c.ID)
	defer client.Close()
	for n := range 50 {
		value := strconv.Itoa(n)
		post(t, []string{first.URL(), second.URL()}[n%2], c.Keys[0].Key, value)
		if s := testenv.Receive(t, got, "an entry"); s != value {
			t.Fatalf("got %q, want %q", s, value)
		}
	}
}

// BenchmarkMQTT measures the way of a message from one client to another, over the disk.
func BenchmarkMQTT(b *testing.B) {
	r, err := serve.Start(b.Context(), serve.Options{Listen: "127.0.0.1:0", MQTT: "127.0.0.1:0", Data: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	admin, err := serve.OpenSQLite(r.Place())
	if err != nil {
		b.Fatal(err)
	}
	defer admin.Close()
	c := &relay.Channel{Owner: relay.LocalAccountID}
	c.ID, c.Keys = 4711123, keysOf("WRITE", "READ")
	if err := admin.CreateChannel(b.Context(), c, 0); err != nil {
		b.Fatal(err)
	}
	reader, got := listen(b, r.MQTTURL(), newDevice(b, admin, c.ID), mqtt.DialOptions{}, c.ID)
	defer reader.Close()
	writer, _ := listen(b, r.MQTTURL(), newDevice(b, admin, c.ID), mqtt.DialOptions{}, c.ID)
	defer writer.Close()
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		if err := writer.Publish(b.Context(), "channels/4711123/publish", []byte("field1=22.5"), 0); err != nil {
			b.Fatal(err)
		}
		<-got
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// TestMosquitto: the command-line clients of Eclipse Mosquitto, over TCP and TLS.
func TestMosquitto(t *testing.T) {
	for _, program := range []string{"mosquitto_pub", "mosquitto_sub"} {
		if _, err := exec.LookPath(program); err != nil {
			testenv.Missing(t, "no "+program+" (Debian: mosquitto-clients)")
		}
	}
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, certFile, keyFile, 1)
	for name, o := range map[string]serve.Options{"plain": {}, "tls": {TLSCert: certFile, TLSKey: keyFile}} {
		t.Run(name, func(t *testing.T) {
			r, admin := startMQTT(t, o)
			defer r.Close()
			c := &relay.Channel{Owner: relay.LocalAccountID}
			c.ID, c.Keys = 4711123, keysOf("WRITE", "READ")
			if err := admin.CreateChannel(t.Context(), c, 0); err != nil {
				t.Fatal(err)
			}
			_, address, _ := strings.Cut(r.MQTTURL(), "://")
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				t.Fatal(err)
			}
			// run runs a client, which has to end with the exit code.
			run := func(program string, code int, device mqtt.Credentials, more ...string) string {
				t.Helper()
				args := []string{"-h", host, "-p", port, "-i", device.ClientID, "-u", device.Username, "-P", device.Password}
				if r.Encrypted() {
					args = append(args, "--cafile", certFile)
				}
				cmd := testenv.Command(t, program, append(args, more...)...)
				out, err := cmd.CombinedOutput()
				if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
					t.Errorf("%s %q: %v, want exit code %d\n%s", program, more, err, code, out)
				}
				return string(out)
			}
			reader, writer := newDevice(t, admin, c.ID), newDevice(t, admin, c.ID)
			const topic = "channels/4711123/subscribe"
			heard := make(chan string)
			go func() {
				heard <- run("mosquitto_sub", 0, reader, "-q", "2", "-t", topic+"/fields/+", "-t", topic, "-C", "4", "-v")
			}()
			testenv.Await(t, "the subscription", func() bool {
				return strings.Contains(getFrom(t, r, certFile, "/metrics"), "fernpost_relay_mqtt_connections 1\n")
			})
			// The connection is there before the subscription is; so values follow until they are heard.
			for qos := 0; ; qos = (qos + 1) % 3 {
				run("mosquitto_pub", 0, writer, "-q", strconv.Itoa(qos), "-r", "-t", "channels/4711123/publish", "-m", "field1=22.5&field2=on")
				if s, ok := received(heard); ok {
					for _, want := range []string{topic + `/fields/field1 22.5`, topic + `/fields/field2 on`, topic + ` {"channel_id":4711123,`} {
						if !strings.Contains(s, want) {
							t.Errorf("heard %q, not %q", s, want)
						}
					}
					break
				}
			}
			stranger := newDevice(t, admin, c.ID)
			if err := admin.RemoveDevice(t.Context(), stranger.ClientID); err != nil {
				t.Fatal(err)
			}
			run("mosquitto_pub", 5, stranger, "-t", "channels/4711123/publish", "-m", "field1=no")
			// A refused publication with QoS 1 and a Will: the client ends well, and nothing is stored.
			before, err := admin.Position(t.Context(), c.ID)
			if err != nil {
				t.Fatal(err)
			}
			run("mosquitto_pub", 0, writer, "-q", "1", "-t", "channels/4711124/publish", "-m", "field1=no",
				"--will-topic", topic, "--will-payload", "planted", "--will-retain")
			if after, err := admin.Position(t.Context(), c.ID); err != nil || after != before {
				t.Errorf("the channel went from %v to %v, %v", before, after, err)
			}
			// Nothing is retained, so nobody hears anything: exit code 27 is the client's own time-out.
			if s := run("mosquitto_sub", 27, reader, "-t", topic, "-t", topic+"/fields/+", "-W", "1"); strings.Contains(s, "22.5") || strings.Contains(s, "planted") {
				t.Errorf("retained: %q", s)
			}
		})
	}
}

// TestPaho: a device written with Eclipse Paho for Python, over TCP, TLS and WebSocket.
func TestPaho(t *testing.T) {
	python := ""
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import paho.mqtt.client").Run() == nil {
			python = name
		}
	}
	if python == "" {
		testenv.Missing(t, "no python3 with paho (Debian: python3-paho-mqtt)")
	}
	eachWay(t, func(t *testing.T, at *url.URL, cafile string, device mqtt.Credentials, channel int64) {
		transport := "tcp"
		if strings.HasPrefix(at.Scheme, "ws") {
			transport = "websockets"
		}
		out, err := testenv.Command(t, python, "testdata/paho_peer.py", at.Hostname(), at.Port(), transport, cafile,
			device.ClientID, device.Password, strconv.FormatInt(channel, 10)).CombinedOutput()
		topic := fmt.Sprintf("channels/%d/subscribe/fields/field1", channel)
		want := fmt.Sprintf("granted [0]\n%[1]s paho-0 \n%[1]s paho-1 \n%[1]s paho-2 \n", topic)
		if err != nil || string(out) != want {
			t.Errorf("it says %q, %v; want %q", out, err, want)
		}
	})
}

// eachWay tries a device over TCP, TLS and WebSocket: its address (mqtt, mqtts, ws or wss), and the certificate of who is there.
func eachWay(t *testing.T, try func(t *testing.T, at *url.URL, cafile string, device mqtt.Credentials, channel int64)) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, certFile, keyFile, 1)
	plain, plainAdmin := startMQTT(t, serve.Options{})
	defer plain.Close()
	encrypted, encryptedAdmin := startMQTT(t, serve.Options{TLSCert: certFile, TLSKey: keyFile})
	defer encrypted.Close()
	web := func(r *serve.Running) string { return "ws" + strings.TrimPrefix(r.URL(), "http") + "/mqtt" }
	for address, x := range map[string]struct {
		admin  serve.Data
		cafile string
	}{
		plain.MQTTURL():     {plainAdmin, ""},
		web(plain):          {plainAdmin, ""},
		encrypted.MQTTURL(): {encryptedAdmin, certFile},
		web(encrypted):      {encryptedAdmin, certFile},
	} {
		at, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(at.Scheme, func(t *testing.T) {
			c := &relay.Channel{Owner: relay.LocalAccountID}
			c.ID, c.Keys = int64(1_000_000+len(at.Scheme)), keysOf("WRITE"+at.Scheme, "READ"+at.Scheme)
			if err := x.admin.CreateChannel(t.Context(), c, 0); err != nil {
				t.Fatal(err)
			}
			try(t, at, x.cafile, newDevice(t, x.admin, c.ID), c.ID)
		})
	}
}
