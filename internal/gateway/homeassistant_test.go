package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/mqtt"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// board is somebody's broker: it notes what it is given to keep.
type board struct {
	mu     sync.Mutex // guards what follows
	told   []string   // topic and payload, but for announcements
	kept   map[string]string
	births func()
	lost   chan struct{}
	// failing refuses everything.
	failing bool
}

func newBoard() *board { return &board{kept: map[string]string{}, lost: make(chan struct{})} }

func (b *board) Retain(_ context.Context, topic string, payload []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failing {
		return errors.New("the broker does not take it")
	}
	if b.kept[topic] = string(payload); len(payload) == 0 {
		delete(b.kept, topic)
	}
	if strings.Contains(topic, "/field") {
		b.told = append(b.told, topic[strings.LastIndex(topic, "/")+1:]+"="+string(payload))
	}
	return nil
}

func (b *board) Births(_ context.Context, got func()) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.births = got
	return nil
}

func (b *board) Lost() <-chan struct{} { return b.lost }
func (b *board) Close()                {}

// news returns what was told since it was asked last.
func (b *board) news() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	told := b.told
	b.told = nil
	return told
}

func (b *board) keeps(topic string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kept[topic]
}

// smartHome is Home Assistant's side of a home, without a server.
type smartHome struct {
	*homeAssistant
	*testing.T
	all *fakeRooms
	lab *shelf
}

func newSmartHome(t *testing.T) *smartHome {
	home, all := t.TempDir(), newRooms(t)
	r, err := openReadings(home, all, discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	grants, err := OpenGrants(home)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = grants.Close() })
	lab, err := r.open("lab", labChannel)
	if err != nil {
		t.Fatal(err)
	}
	h := &homeAssistant{readings: r, grants: grants, rooms: all, follow: func(*shelf) {}, log: discard}
	return &smartHome{h, t, all, lab}
}

// writes takes a reading of somebody, dated some seconds after now.
func (h *smartHome) writes(seconds int, fields ...string) {
	h.Helper()
	var e thingspeak.Entry
	for i, text := range fields {
		if text != "-" {
			e.Fields[i] = thingspeak.Text(text)
		}
	}
	h.readings.mu.Lock()
	source := fmt.Sprint(h.lab.state.Last)
	h.readings.mu.Unlock()
	e.CreatedAt = time.Now().Add(time.Duration(seconds) * time.Second)
	if err := h.readings.take(h.lab, &news{arrivals: []arrival{newArrival([]byte(source), e, e.CreatedAt)}}); err != nil {
		h.Fatal(err)
	}
	synctest.Wait()
}

func (h *smartHome) expect(b *board, want ...string) {
	h.Helper()
	if got := b.news(); !slices.Equal(got, want) {
		h.Errorf("published are %q, want %q", got, want)
	}
}

// publishing runs in a bubble until the test ends.
func (h *smartHome) publishing(dial func(context.Context) (connection, error)) (stop func()) {
	ctx, end := context.WithCancel(h.Context())
	var running sync.WaitGroup
	running.Go(func() { h.keepConnected(ctx, dial) })
	synctest.Wait()
	return func() { end(); running.Wait() }
}

// TestHomeAssistant: each reading is published once, in order, as the newest value of its fields; what is older, or no number where
// numbers are shown, is not; names and units are those of this device.
func TestHomeAssistant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newSmartHome(t)
		b := newBoard()
		h.writes(-20, "20", "40")
		h.writes(-10, "21")
		stop := h.publishing(func(context.Context) (connection, error) { return b, nil })
		h.expect(b) // no key reads the room, and no field has a name
		if err := h.grants.NameField(Field{RoomID: "lab", Channel: labChannel, Number: 1, Name: "Température", Unit: "°C", Class: "temperature"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(roomsLookedAt)
		synctest.Wait()
		h.expect(b, "field1=21", "field2=40")
		h.writes(0, "22", "41")
		h.writes(0, "23")
		h.writes(-5, "19")
		h.writes(0, "-", "it is <b>wet</b>\x1b[31m\u202e {{ states }}\n"+strings.Repeat("é", 200))
		h.writes(0, "warm")
		h.writes(0, "", "")
		h.writes(3600, "24")
		h.writes(1, "25")
		got := b.news()
		long := "field2=it is <b>wet</b>[31m {{ states }} "
		if len(got) != 6 || !slices.Equal(append(slices.Clone(got[:3]), got[4:]...), []string{"field1=22", "field2=41", "field1=23", "field1=24", "field1=25"}) ||
			!strings.HasPrefix(got[3], long) || !utf8.ValidString(got[3]) || len(got[3]) > len("field2=")+maxState {
			t.Errorf("published are %q", got)
		}
		id, err := h.idOf("lab", labChannel)
		if err != nil {
			t.Fatal(err)
		}
		config := b.keeps("homeassistant/device/fernpost-" + id + "/config")
		want := `{"dev":{"ids":["fernpost-ID"],"name":"lab","mf":"fernpost"},"o":{"name":"fernpost"},"cmps":{` +
			`"field1":{"p":"sensor","unique_id":"fernpost-ID-field1","name":"Température","state_topic":"fernpost/ID/field1",` +
			`"availability_topic":"HERE","unit_of_measurement":"°C","device_class":"temperature"},` +
			`"field2":{"p":"sensor","unique_id":"fernpost-ID-field2","name":"field2","state_topic":"fernpost/ID/field2","availability_topic":"HERE"}}}`
		if want = strings.NewReplacer("ID", id, "HERE", h.availability()).Replace(want); config != want {
			t.Errorf("the device is\n%s, want\n%s", config, want)
		}
		if b.keeps(h.availability()) != available {
			t.Error("the gateway does not say that it is there")
		}

		// Home Assistant starts: however often it says so, it is told at most each five seconds.
		time.Sleep(announcedAgain)
		for range 100 {
			b.births()
			synctest.Wait()
		}
		if got := b.news(); len(got) != 2 || got[0] != "field1=25" {
			t.Errorf("Home Assistant started, and is told %q", got)
		}
		time.Sleep(announcedAgain)
		synctest.Wait()
		if n := len(b.news()); n != 2 {
			t.Errorf("what it said meanwhile is answered with %d values", n)
		}

		// What nobody may read any more is taken back.
		if err := h.grants.ForgetField("lab", 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(roomsLookedAt)
		synctest.Wait()
		stop()
		if want := map[string]string{h.availability(): unavailable}; fmt.Sprint(b.kept) != fmt.Sprint(want) {
			t.Errorf("kept are %q, want %q", b.kept, want)
		}
	})
}

// TestTakenBackLater: a room whose last key was revoked while no gateway ran is taken back from the broker by the next one.
func TestTakenBackLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := newSmartHome(t), newBoard()
		h.remembers = true
		_, key, err := h.grants.Add(Grant{Room: "lab", Channel: labChannel, Scopes: []Scope{Read}})
		if err != nil {
			t.Fatal(err)
		}
		h.writes(0, "20")
		dial := func(context.Context) (connection, error) { return b, nil }
		h.publishing(dial)()
		if len(b.kept) != 3 {
			t.Fatalf("kept are %q", b.kept)
		}
		if _, err := h.grants.Revoke(key.ID, false); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			h.publishing(dial)()
			if want := map[string]string{h.availability(): unavailable}; fmt.Sprint(b.kept) != fmt.Sprint(want) {
				t.Errorf("kept are %q, want %q", b.kept, want)
			}
		}
		if left, err := h.grants.announced(); len(left) != 0 || err != nil {
			t.Errorf("%d are left, %v", len(left), err)
		}
	})
}

// TestRoomThatIsAway: a room whose files cannot be read for a moment keeps its device, and what Home Assistant has kept of it.
func TestRoomThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := newSmartHome(t), newBoard()
		if _, _, err := h.grants.Add(Grant{Room: "lab", Channel: labChannel, Scopes: []Scope{Read}}); err != nil {
			t.Fatal(err)
		}
		h.writes(0, "20")
		devices := map[string]*device{}
		if err := h.look(t.Context(), b, devices); err != nil || len(devices) != 1 {
			t.Fatal(devices, err)
		}
		h.rooms = unreadable{h.all}
		if err := h.look(t.Context(), b, devices); err != nil || len(devices) != 1 {
			t.Errorf("%d devices are left, %v", len(devices), err)
		}
	})
}

type unreadable struct{ *fakeRooms }

func (unreadable) find(string) (knownRoom, error) {
	return knownRoom{}, errors.New("the disk does not answer")
}

// TestBrokerAway: while a broker is away it is asked again after 1, 2, 4 … 60 seconds; nothing waits for it but the newest values, and
// the readings stay at the read door.
func TestBrokerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newSmartHome(t)
		if _, _, err := h.grants.Add(Grant{Room: "lab", Channel: labChannel, Scopes: []Scope{Read}}); err != nil {
			t.Fatal(err)
		}
		var here atomic.Pointer[board]
		var mu sync.Mutex // guards pauses
		var pauses []time.Duration
		last := time.Now()
		stop := h.publishing(func(context.Context) (connection, error) {
			mu.Lock()
			pauses, last = append(pauses, time.Since(last)/time.Second), time.Now()
			mu.Unlock()
			if b := here.Load(); b != nil {
				return b, nil
			}
			return nil, errors.New("nobody listens")
		})
		for i := range 300 {
			h.writes(0, fmt.Sprint(i))
		}
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		mu.Lock()
		if want := []time.Duration{0, 1, 2, 4, 8, 16, 32, 60, 60}; !slices.Equal(pauses, want) {
			t.Errorf("it is asked after %d seconds, want %d", pauses, want)
		}
		mu.Unlock()
		b := newBoard()
		here.Store(b)
		time.Sleep(time.Minute)
		synctest.Wait()
		h.expect(b, "field1=299")
		h.writes(0, "300")
		h.writes(0, "301")
		h.expect(b, "field1=300", "field1=301")
		if n := len(h.readings.after(h.lab, 0)); n != 302 {
			t.Errorf("the read door has %d readings, want 302", n)
		}

		// After a connection that has lasted it is soon asked again.
		time.Sleep(time.Hour)
		before := b
		b = newBoard()
		here.Store(b)
		close(before.lost)
		time.Sleep(firstAway)
		synctest.Wait()
		h.expect(b, "field1=301")
		b.mu.Lock()
		b.failing = true
		b.mu.Unlock()
		h.writes(0, "302")
		b.mu.Lock()
		b.failing = false
		b.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		h.expect(b, "field1=302")
		stop()
	})
}

// startPublishing starts a gateway that publishes by MQTT, with a reading in lab and a key for attic.
func startPublishing(t *testing.T, o Options) (g *running, attic string) {
	t.Helper()
	o.Listen, o.Home, o.rooms, o.Log = "127.0.0.1:0", t.TempDir(), newRooms(t), discard
	grants, err := OpenGrants(o.Home)
	if err != nil {
		t.Fatal(err)
	}
	g = &running{Running: &Running{grants: grants}, home: o.Home}
	g.writeKey, g.readKey, attic = g.add(t, "lab", 0, Write), g.add(t, "lab", 0, Read), g.add(t, "attic", 0, Read)
	if err := grants.Close(); err != nil {
		t.Fatal(err)
	}
	if g.Running, err = Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.stop(t) })
	g.write(t, "20.5")
	return g, attic
}

func wait(t *testing.T, got <-chan mqtt.Message) mqtt.Message {
	t.Helper()
	select {
	case m := <-got:
		return m
	case <-time.After(testenv.Patience):
		t.Fatal("nothing comes")
		return mqtt.Message{}
	}
}

// TestHomeBroker: at the gateway's own broker a key sees its own room, whatever it asks for, as long as it is a key; nobody publishes.
func TestHomeBroker(t *testing.T) {
	g, attic := startPublishing(t, Options{MQTT: "127.0.0.1:0"})
	dial := func(password string) (*mqtt.Client, error) {
		return mqtt.Dial(t.Context(), g.MQTTURL(), mqtt.Credentials{ClientID: password, Username: "any", Password: password}, mqtt.DialOptions{})
	}
	for _, wrong := range []string{"", "AAAABBBBCCCCDDDD", g.writeKey} {
		if _, err := dial(wrong); !errors.Is(err, mqtt.ErrCredentials) {
			t.Errorf("with %q as password: %v", wrong, err)
		}
	}
	lab, err := dial(g.readKey)
	if err != nil {
		t.Fatal(err)
	}
	defer lab.Close()
	got, stranger := make(chan mqtt.Message, 100), make(chan mqtt.Message, 100)
	if err := lab.Subscribe(t.Context(), "fernpost/+/field1", func(m mqtt.Message) { got <- m }); err != nil {
		t.Fatal(err)
	}
	m := wait(t, got)
	if string(m.Payload) != "20.5" {
		t.Errorf("the newest value is %+v", m)
	}
	id := strings.Split(m.Topic, "/")[1]
	other, err := dial(attic)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, filter := range []string{m.Topic, "homeassistant/device/fernpost-" + id + "/config", "$SYS/x", "other/topic"} {
		if err := other.Subscribe(t.Context(), filter, func(m mqtt.Message) { stranger <- m }); !errors.Is(err, mqtt.ErrNotGranted) {
			t.Errorf("another room's key subscribes to %s: %v", filter, err)
		}
	}
	for _, filter := range []string{"#", "+/+/+", "fernpost/" + id + "/#", "homeassistant/#"} {
		if err := other.Subscribe(t.Context(), filter, func(m mqtt.Message) { stranger <- m }); err != nil {
			t.Errorf("%s: %v", filter, err)
		}
	}
	if err := other.Publish(t.Context(), m.Topic, []byte("forged"), 1); err != nil {
		t.Error(err)
	}
	if err := other.Retain(t.Context(), m.Topic, []byte("forged")); err != nil {
		t.Error(err)
	}
	g.write(t, "21.5")
	if m := wait(t, got); string(m.Payload) != "21.5" {
		t.Errorf("what comes next is %+v", m)
	}
	keys, err := g.grants.List(false)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if key.Room == "lab" {
			if _, err := g.grants.Revoke(key.ID, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	select { // it hears no more, and is put out when something would have come
	case <-lab.Lost():
	case <-time.After(testenv.Patience):
		t.Error("a client whose key was revoked stays")
	}
	for len(stranger) > 0 {
		if m := <-stranger; strings.Contains(m.Topic, id) {
			t.Errorf("another room's key is told %+v", m)
		}
	}
	for len(got) > 0 {
		t.Errorf("a revoked key is told %+v", <-got)
	}
}

// TestSubscribers: mosquitto's, Paho's and npm's subscribers are told of a device and its newest value by the gateway's broker.
func TestSubscribers(t *testing.T) {
	g, _ := startPublishing(t, Options{MQTT: "127.0.0.1:0"})
	host, port, err := net.SplitHostPort(strings.TrimPrefix(g.MQTTURL(), "mqtt://"))
	if err != nil {
		t.Fatal(err)
	}
	// It may be asked before anything was published.
	for name, program := range map[string]func(t *testing.T) []string{
		"mosquitto": func(t *testing.T) []string { return mosquittoSub(t, host, port, "any", g.readKey, "#", 3) },
		"paho": func(t *testing.T) []string {
			return []string{pythonWithPaho(t), "testdata/paho_subscriber.py", host, port, "any", g.readKey, "#", "3"}
		},
		"npm": func(t *testing.T) []string {
			_, node := testenv.NodeModules(t)
			return []string{node, "testdata/npm_subscriber.mjs", host, port, "any", g.readKey, "#", "3"}
		},
	} {
		t.Run(name, func(t *testing.T) { checkSubscriber(t, program(t)) })
	}
}

func mosquittoSub(t *testing.T, host, port, user, password, filter string, count int) []string {
	t.Helper()
	if _, err := exec.LookPath("mosquitto_sub"); err != nil {
		testenv.Missing(t, "no mosquitto_sub (Debian: mosquitto-clients)")
	}
	return []string{"mosquitto_sub", "-h", host, "-p", port, "-u", user, "-P", password, "-v", "-t", filter, "-C", fmt.Sprint(count)}
}

func pythonWithPaho(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import paho.mqtt.client").Run() == nil {
			return name
		}
	}
	testenv.Missing(t, "no python3 with paho (Debian: python3-paho-mqtt)")
	return ""
}

// checkSubscriber runs a program that prints what it is told: that the gateway is there, a device, and its value.
func checkSubscriber(t *testing.T, program []string) {
	t.Helper()
	out, err := testenv.Command(t, program[0], program[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	if len(lines) != 3 || !strings.HasSuffix(lines[0], "/field1 20.5") || !strings.HasSuffix(lines[1], "/availability online") {
		t.Fatalf("it was told %q", lines)
	}
	topic, config, _ := strings.Cut(lines[2], " ")
	var device struct {
		Components map[string]struct {
			State string `json:"state_topic"`
		} `json:"cmps"`
	}
	if err := json.Unmarshal([]byte(config), &device); err != nil || !strings.HasPrefix(topic, "homeassistant/device/fernpost-") ||
		device.Components["field1"].State+" 20.5" != lines[0] {
		t.Errorf("it was told %q: %v", lines, err)
	}
}

// TestMosquittoBroker: to a broker that wants a password everything is published and kept, and that the gateway is not there any more when
// it has ended, in whatever way.
func TestMosquittoBroker(t *testing.T) {
	program := ""
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
		}
	}
	if program == "" {
		testenv.Missing(t, "no mosquitto (Debian: mosquitto)")
	}
	dir := t.TempDir()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(free.Addr().String())
	_ = free.Close()
	passwords := filepath.Join(dir, "passwords")
	if out, err := exec.Command(strings.TrimSuffix(strings.Replace(program, "/sbin/", "/bin/", 1), "mosquitto")+"mosquitto_passwd",
		"-b", "-c", passwords, "ha", "secret").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	config := filepath.Join(dir, "mosquitto.conf")
	text := fmt.Sprintf("listener %s %s\nallow_anonymous false\npassword_file %s\nuser root\n", port, host, passwords)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	broker := testenv.Command(t, program, "-c", config)
	if err := broker.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = broker.Process.Kill()
		_ = broker.Wait()
	}()
	for until := time.Now().Add(testenv.Patience); ; {
		c, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err == nil {
			_ = c.Close()
			break
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
	}
	g, _ := startPublishing(t, Options{MQTTTo: "mqtt://" + net.JoinHostPort(host, port), Login: mqtt.Credentials{Username: "ha", Password: "secret"}})
	checkSubscriber(t, mosquittoSub(t, host, port, "ha", "secret", "#", 3))
	if code, body := g.ask(t, http.MethodGet, "/channels/1234567/feeds/last.json?api_key="+g.readKey, ""); code != 200 {
		t.Error(code, body)
	}
	g.stop(t)
	out, err := testenv.Command(t, "mosquitto_sub", mosquittoSub(t, host, port, "ha", "secret", "fernpost/+/availability", 1)[1:]...).CombinedOutput()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "/availability offline") {
		t.Errorf("when it has ended: %s, %v", out, err)
	}
}

// TestWill: a broker that loses a gateway says by itself that its sensors are not available.
func TestWill(t *testing.T) {
	h := newSmartHome(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	said := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		hello := make([]byte, 4096)
		n, _ := c.Read(hello)
		said <- string(hello[:n])
	}()
	_, err = h.dial("mqtt://"+l.Addr().String(), mqtt.Credentials{})(t.Context())
	if err == nil {
		t.Error("a broker that hangs up is there")
	}
	const willRetained = 0x04 | 0x20
	if hello := <-said; !strings.Contains(hello, h.availability()+"\x00\x07"+unavailable) || hello[9]&willRetained != willRetained {
		t.Errorf("it says %q", hello)
	}
}

// TestBrokerAddress: an address of a broker gets its port, and holds no password.
func TestBrokerAddress(t *testing.T) {
	for text, want := range map[string]string{
		"mqtt://pi": "mqtt://pi:1883", "mqtts://pi": "mqtts://pi:8883", "mqtt://pi:18/": "mqtt://pi:18", "mqtt://[::1]": "mqtt://[::1]:1883",
		"pi": "", "pi:1883": "", "http://pi": "", "mqtt://": "", "mqtt://ana:secret@pi": "", "mqtt://pi/a": "", "mqtt://pi?a=b": "", "mqtt://pi:x": "",
		"mqtt://pi:99999": "", "mqtt://pi:0": "", "mqtt://pi:65535": "mqtt://pi:65535",
	} {
		got, err := BrokerAddress(text)
		if got != want || (err == nil) != (want != "") || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("BrokerAddress(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
}

// TestFieldNames: what a field is called is one line that can be seen, and of bounded length.
func TestFieldNames(t *testing.T) {
	for _, f := range []Field{
		{Number: 0, Name: "a"},
		{Number: 9, Name: "a"},
		{Number: 1},
		{Number: 1, Name: strings.Repeat("a", 255)},
		{Number: 1, Name: "a\nb"},
		{Number: 1, Name: "a\x00"},
		{Number: 1, Name: "\xff"},
		{Number: 1, Name: "a", Unit: strings.Repeat("°", 17)},
		{Number: 1, Name: "a", Class: "Temperature"},
		{Number: 1, Name: "a", Class: "a/b"},
	} {
		if f.Check() == nil {
			t.Errorf("%+v is taken", f)
		}
	}
	if f := (Field{Number: 8, Name: "a/+/# {{ 1 }}", Unit: "°C", Class: "temperature"}); f.Check() != nil {
		t.Error(f.Check())
	}
}

// FuzzCovers: a filter covers what the standard says, and whatever strangers ask for, nothing panics.
func FuzzCovers(f *testing.F) {
	for _, x := range []struct {
		filter, topic string
		want          bool
	}{
		{"#", "a/b", true},
		{"a/#", "a", true},
		{"a/#", "a/b/c", true},
		{"a/+", "a", false},
		{"a/+", "a/b", true},
		{"a/+", "a/b/c", false},
		{"+/+", "a/b", true},
		{"a", "a/b", false},
		{"a/b", "a", false},
		{"a/#/b", "a/c/b", false},
		{"+", "", true},
		{"a/+/c", "a//c", true},
	} {
		if got := covers(x.filter, x.topic); got != x.want {
			f.Errorf("covers(%q, %q) = %v", x.filter, x.topic, got)
		}
		f.Add(x.filter, x.topic)
	}
	f.Fuzz(func(t *testing.T, filter, topic string) {
		if covers(filter, topic) && !strings.ContainsAny(filter, "+#") && filter != topic {
			t.Errorf("%q covers %q", filter, topic)
		}
		if !strings.ContainsAny(topic, "+#") && !covers(topic, topic) {
			t.Errorf("%q does not cover itself", topic)
		}
	})
}
