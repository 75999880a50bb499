package mqtt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/mqtt"
)

func TestConnect(t *testing.T) {
	b := serve(t, &door{}, mqtt.Limits{})
	version5 := packet(tConnect, text("MQTT"), []byte{5, 0xc2, 0, 60, 0}, text("a"), text("a"), text("secret"))
	version31 := packet(tConnect, text("MQIsdp"), []byte{3, 0xc2, 0, 60}, text("a"), text("a"), text("secret"))
	for name, x := range map[string]struct {
		say  []byte
		code byte
	}{
		"3.1.1":              {connectPacket("a", "secret", 60), 0},
		"3.1":                {version31, 0},
		"a wrong password":   {connectPacket("a", "wrong", 60), 5},
		"trouble in the way": {connectPacket("a", "trouble", 60), 3},
	} {
		t.Run(name, func(t *testing.T) {
			p := dial(t, b)
			p.say(x.say)
			p.expect(tConnack, 0, x.code)
			if x.code != 0 {
				p.closed()
			}
		})
	}
	t.Run("5", func(t *testing.T) {
		p := dial(t, b)
		p.say(version5)
		if kind, body, err := p.hear(); err != nil || kind != tConnack || body[1] != 0x84 {
			t.Errorf("got %#x %q, %v; want a CONNACK that says unsupported version", kind, body, err)
		}
		p.closed()
	})
	t.Run("another packet first", func(t *testing.T) {
		p := dial(t, b)
		p.say(packet(tPingreq))
		p.closed()
	})
}

// TestAcknowledged: a client with QoS 1 or 2 waits for an answer, so there is one for every message, also for one that the
// door ignores. The door is told of each once.
func TestAcknowledged(t *testing.T) {
	d := &door{}
	p := dial(t, serve(t, d, mqtt.Limits{})).connect("a")
	var want []string
	for i, topic := range []string{"open/1", "nobody/knows/this", "$SYS/broker/version", "$share", "$share/+"[:7]} {
		id := []byte{1, byte(i)}
		p.say(packet(tPublish|1<<1, text(topic), id, []byte("one")))
		p.expect(tPuback, id...)
		p.say(packet(tPublish|2<<1, text(topic), id, []byte("two")))
		p.expect(tPubrec, id...)
		p.say(packet(tPublish|2<<1|8, text(topic), id, []byte("two")))
		if kind, _, err := p.hear(); err != nil || kind != tPubrec {
			t.Fatalf("the second time it is answered by %#x, %v", kind, err)
		}
		p.say(packet(tPubrel, id))
		p.expect(tPubcomp, id...)
		p.say(packet(tPublish, text(topic), []byte("zero")))
		if topic[0] == '$' {
			topic = "ignored"
		}
		want = append(want, topic+" one", topic+" two", topic+" zero")
	}
	p.ping()
	if got := d.got(); !slices.Equal(got, want) {
		t.Errorf("the door was told of %q, want %q", got, want)
	}
}

// TestOnlyTheBrokerPublishes: what a client publishes reaches no other one, whatever the topic, and is not retained.
func TestOnlyTheBrokerPublishes(t *testing.T) {
	b := serve(t, &door{}, mqtt.Limits{})
	reader, writer := dial(t, b).connect("reader"), dial(t, b).connect("writer")
	reader.subscribe("open/1")
	for qos := range byte(3) {
		writer.say(packet(tPublish|qos<<1|1, text("open/1"), []byte{0, 1}[:2*min(1, qos)], []byte("forged")))
		if qos > 0 {
			if _, _, err := writer.hear(); err != nil {
				t.Fatal(err)
			}
		}
	}
	writer.ping()
	b.Publish("open/1", []byte("true"))
	reader.message("open/1", "true")
	late := dial(t, b).connect("late")
	late.subscribe("open/1")
	b.Publish("open/1", []byte("true"))
	late.message("open/1", "true")
}

// TestWillIsDropped: a Will goes round every check of the library and can be retained, so that a stranger could plant an
// entry in a channel's topic.
func TestWillIsDropped(t *testing.T) {
	b := serve(t, &door{}, mqtt.Limits{})
	reader := dial(t, b).connect("reader")
	reader.subscribe("open/1")
	for _, flags := range []byte{0xe6, 0xf6, 0xee} { // retained, with QoS 0 to 2
		p := dial(t, b)
		p.say(packet(tConnect, text("MQTT"), []byte{4, flags, 0, 60}, text("a"), text("open/1"), text("planted"),
			text("a"), text("secret")))
		p.expect(tConnack, 0, 0)
		p.say(connectPacket("a", "secret", 60)) // a second one ends it with the Will
		p.closed()
	}
	b.Publish("open/1", []byte("true"))
	reader.message("open/1", "true")
	late := dial(t, b).connect("late")
	late.subscribe("open/1")
	late.ping() // and nothing before it
}

func TestSubscribe(t *testing.T) {
	d := &door{}
	b := serve(t, d, mqtt.Limits{Topics: 4})
	p := dial(t, b).connect("a")
	got := p.subscribe("open/1", "shut/1", "#", "+/1", "$SYS/#", "$share/g/open/1", "open/#", "open/2/+", "open/1", "open/+/")
	if want := []byte{0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0, 0}; !bytes.Equal(got, want) {
		t.Errorf("granted %x, want %x", got, want)
	}
	b.Publish("shut/1", []byte("no"))
	b.Publish("open/2/x", []byte("yes"))
	p.message("open/2/x", "yes")
	if got := p.subscribe("open/4", "open/5"); !bytes.Equal(got, []byte{0, 0x80}) {
		t.Errorf("beyond the limit %x is granted", got)
	}
	p.say(packet(tUnsubscribe, []byte{0, 1}, text("open/1"), text("shut/1"), text("open/1")))
	p.expect(tUnsuback, 0, 1)
	if n := d.open(); n != 3 {
		t.Errorf("the door knows of %d subscriptions, want 3", n)
	}
	b.Publish("open/1", []byte("no"))
	p.ping()
	b.Refuse("a", d, "open/2/+")
	b.Publish("open/2/x", []byte("no"))
	p.ping()
	b.Disconnect("a", d)
	p.closed()
}

// TestNothingIsKept: no session outlives its connection, though the client asks for it.
func TestNothingIsKept(t *testing.T) {
	d := &door{}
	b := serve(t, d, mqtt.Limits{})
	for range 2 {
		p := dial(t, b)
		p.say(packet(tConnect, text("MQTT"), []byte{4, 0xc0, 0, 60}, text("a"), text("a"), text("secret")))
		p.expect(tConnack, 0, 0) // no session is present
		b.Publish("open/1", []byte("before"))
		p.subscribe("open/1")
		b.Publish("open/1", []byte("now"))
		p.message("open/1", "now")
		p.say(packet(0xe0))
		p.closed()
	}
	dial(t, b).connect("a").ping()
	if n := d.open(); n != 0 {
		t.Errorf("the door knows of %d subscriptions", n)
	}
}

// TestLengthPrefix: a length is believed only as far as the limit; a gigabyte is not even asked for.
func TestLengthPrefix(t *testing.T) {
	b := serve(t, &door{}, mqtt.Limits{})
	for name, prefix := range map[string][]byte{
		"256 MB":     {0xff, 0xff, 0xff, 0x7f},
		"five bytes": {0xff, 0xff, 0xff, 0xff, 0x7f},
		"64 KiB":     {0x80, 0x80, 0x04},
	} {
		t.Run(name, func(t *testing.T) {
			for _, p := range []*peer{dial(t, b), dial(t, b).connect("a")} {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				p.say(append([]byte{tConnect}, prefix...))
				p.closed()
				runtime.ReadMemStats(&after)
				if more := after.TotalAlloc - before.TotalAlloc; more > 4<<20 {
					t.Errorf("it took %d bytes", more)
				}
			}
		})
	}
}

// TestNoConnect: a connection has ten seconds for its CONNECT, however it spends them.
func TestNoConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serve(t, &door{}, mqtt.Limits{})
		silent, slow := dial(t, b), dial(t, b)
		began := time.Now()
		var dripping sync.WaitGroup
		defer dripping.Wait()
		dripping.Go(func() {
			for _, x := range connectPacket("a", "secret", 60) {
				slow.say([]byte{x})
				time.Sleep(time.Second)
			}
		})
		silent.closed()
		slow.closed()
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("they had %v", took)
		}
	})
}

// TestKeepAlive: half as long again as the client promised to be silent at most, and never for ever. The library counts in
// 16 bits, and would hang up on a client at once that promises 43,691 s.
func TestKeepAlive(t *testing.T) {
	for asked, want := range map[uint16]time.Duration{
		0: time.Hour, 1: time.Second, 20: 30 * time.Second, 2400: time.Hour, 3600: time.Hour, 43691: time.Hour, 65535: time.Hour,
	} {
		synctest.Test(t, func(t *testing.T) {
			p := dial(t, serve(t, &door{}, mqtt.Limits{}))
			p.say(connectPacket("a", "secret", asked))
			p.expect(tConnack, 0, 0)
			began := time.Now()
			_ = p.SetReadDeadline(time.Time{})
			if _, err := p.from.ReadByte(); err == nil {
				t.Error("it sent something")
			}
			if got := time.Since(began); got != want {
				t.Errorf("with a keep-alive of %d s it hangs up after %v, want %v", asked, got, want)
			}
		})
	}
}

// TestSameClientID: the second one ends the first, and is the one that gets messages from then on, however many come at once.
func TestSameClientID(t *testing.T) {
	d := &door{}
	b := serve(t, d, mqtt.Limits{})
	first := dial(t, b).connect("a")
	first.subscribe("open/1")
	second := dial(t, b).connect("a")
	first.closed()
	second.subscribe("open/1")
	b.Publish("open/1", []byte("x"))
	second.message("open/1", "x")

	const crowd = 20
	ended := make(chan struct{}, crowd)
	for range crowd {
		p := dial(t, b)
		go func() {
			p.say(connectPacket("a", "secret", 60))
			for { // until it is replaced
				if _, _, err := p.hear(); err != nil {
					ended <- struct{}{}
					return
				}
			}
		}()
	}
	second.closed()
	for range crowd - 1 {
		<-ended
	}
	last := dial(t, b).connect("a")
	<-ended
	last.subscribe("open/1")
	b.Publish("open/1", []byte("y"))
	last.message("open/1", "y")
	if n := d.open(); n != 1 {
		t.Errorf("the door knows of %d subscriptions, want 1", n)
	}
}

// sessions is a door whose clients have a session each, told through came.
type sessions struct {
	*door
	came chan mqtt.Session
}

type oneSession struct{ *door }

func (d sessions) Connect(context.Context, mqtt.Credentials) (mqtt.Session, error) {
	s := &oneSession{d.door}
	d.came <- s
	return s, nil
}

// TestSuccessorIsSpared: what is decided about a client does not hit the one that has its ID meanwhile.
func TestSuccessorIsSpared(t *testing.T) {
	d := sessions{&door{}, make(chan mqtt.Session, 2)}
	b := mqtt.NewBroker(d, mqtt.Limits{}, nil)
	defer b.Shutdown(t.Context())
	first := dial(t, b).connect("a")
	first.subscribe("open/1")
	second := dial(t, b).connect("a")
	first.closed()
	second.subscribe("open/1")
	gone := <-d.came
	b.Refuse("a", gone, "open/1")
	b.Disconnect("a", gone)
	b.Publish("open/1", []byte("x"))
	second.message("open/1", "x")
	second.ping()
	b.Disconnect("a", <-d.came)
	second.closed()
}

// TestSlowReader: a client that does not read loses its connection, not single messages, and keeps nobody waiting.
func TestSlowReader(t *testing.T) {
	b := serve(t, &door{}, mqtt.Limits{Waiting: 8})
	slow, quick := dial(t, b).connect("slow"), dial(t, b).connect("quick")
	slow.subscribe("open/1")
	quick.subscribe("open/1")
	for n := 0; n < 1000 && b.Dropped() == 0; n++ {
		payload := fmt.Sprint(n)
		b.Publish("open/1", []byte(payload))
		quick.message("open/1", payload)
	}
	if b.Dropped() == 0 {
		t.Error("no loss was counted")
	}
	for { // what it gets still is in order, then comes the end
		if _, _, err := slow.hear(); err != nil {
			break
		}
	}
	quick.ping()
}

// TestBlockedWrite: a client that sends and never reads has ten seconds.
func TestBlockedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serve(t, &door{}, mqtt.Limits{})
		p := dial(t, b).connect("a")
		p.say(packet(tPingreq))
		time.Sleep(11 * time.Second)
		if b.Connections() != 0 {
			t.Error("it is still connected")
		}
	})
}

// TestPanic: a mistake in the library or the door ends one connection, and leaves nothing behind.
func TestPanic(t *testing.T) {
	d := &door{publishing: func(topic string) {
		if topic == "boom" {
			panic("boom")
		}
	}}
	b := serve(t, d, mqtt.Limits{})
	p := dial(t, b).connect("a")
	p.subscribe("open/1")
	p.say(packet(tPublish, text("boom"), []byte("x")))
	p.closed()
	again := dial(t, b).connect("a")
	again.ping()
	if n := d.open(); n != 0 {
		t.Errorf("the door knows of %d subscriptions", n)
	}
	b.Publish("open/1", []byte("x"))
	again.ping() // its predecessor's subscription is not there
}

// TestShutdownFinishes: a message that is being stored when the broker stops is acknowledged.
func TestShutdownFinishes(t *testing.T) {
	began, go1 := make(chan struct{}), make(chan struct{})
	d := &door{publishing: func(string) {
		close(began)
		<-go1
	}}
	b := mqtt.NewBroker(d, mqtt.Limits{}, nil)
	p, idle := dial(t, b).connect("a"), dial(t, b).connect("b")
	p.say(packet(tPublish|1<<1, text("open/1"), []byte{0, 7}, []byte("x")))
	<-began
	stopped := make(chan error)
	go func() { stopped <- b.Shutdown(t.Context()) }()
	idle.closed()
	close(go1)
	p.expect(tPuback, 0, 7)
	p.closed()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	dial(t, b).closed()
}

// TestManyUnfinished: who begins messages of QoS 2 and never ends them is disconnected before they fill the memory.
func TestManyUnfinished(t *testing.T) {
	p := dial(t, serve(t, &door{}, mqtt.Limits{})).connect("a")
	go func() {
		for id := range uint16(2000) {
			p.say(packet(tPublish|2<<1, text("open/1"), binary.BigEndian.AppendUint16(nil, id+1), []byte("x")))
		}
	}()
	answers := 0
	for {
		kind, _, err := p.hear()
		if err != nil {
			break
		}
		if kind == tPubrec {
			answers++
		}
	}
	if answers > 300 {
		t.Errorf("it had %d under way", answers)
	}
}
