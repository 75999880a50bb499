package mqtt_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/mqtt"
)

// door lets every client in whose password is "secret". It notes what they publish, and grants filters that begin with
// "open/".
type door struct {
	// publishing is called for each message, if it is there.
	publishing func(topic string)

	mu        sync.Mutex
	published []string
	filters   []string
}

func (d *door) Connect(_ context.Context, c mqtt.Credentials) (mqtt.Session, error) {
	switch c.Password {
	case "secret":
		return d, nil
	case "trouble":
		return nil, errors.New("trouble")
	}
	return nil, mqtt.ErrCredentials
}

func (d *door) Publish(_ context.Context, topic string, payload []byte) {
	if d.publishing != nil {
		d.publishing(topic)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.published = append(d.published, topic+" "+string(payload))
}

func (d *door) Subscribe(_ context.Context, filter string) bool {
	if !strings.HasPrefix(filter, "open/") || strings.HasSuffix(filter, "#") {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.filters = append(d.filters, filter)
	return true
}

func (d *door) Unsubscribe(filter string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.filters, filter)
	d.filters = slices.Delete(d.filters, i, i+1)
}

func (d *door) Covers(filter, topic string) bool {
	before, found := strings.CutSuffix(filter, "+")
	return found && strings.HasPrefix(topic, before)
}

func (d *door) Close() {}

func (d *door) got() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.published)
}

func (d *door) open() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.filters)
}

// serve returns a broker that ends with the test.
func serve(t testing.TB, d *door, l mqtt.Limits) *mqtt.Broker {
	t.Helper()
	b := mqtt.NewBroker(d, l, nil)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := b.Shutdown(ctx); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return b
}

// peer is a client that says what a test wants it to.
type peer struct {
	testing.TB
	net.Conn
	from *bufio.Reader
}

// dial connects over a pipe.
func dial(t testing.TB, b *mqtt.Broker) *peer {
	t.Helper()
	client, server := net.Pipe()
	go b.ServeConn(server, "192.0.2.7:1234")
	t.Cleanup(func() { _ = client.Close() })
	return &peer{t, client, bufio.NewReader(client)}
}

// Kinds of packets (MQTT 3.1.1, section 2.2.1), with their flags.
const (
	tConnect     = 0x10
	tConnack     = 0x20
	tPublish     = 0x30
	tPuback      = 0x40
	tPubrec      = 0x50
	tPubrel      = 0x62
	tPubcomp     = 0x70
	tSubscribe   = 0x82
	tSuback      = 0x90
	tUnsubscribe = 0xa2
	tUnsuback    = 0xb0
	tPingreq     = 0xc0
	tPingresp    = 0xd0
)

func text(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }

// packet is a packet with its length before it.
func packet(kind byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	all := []byte{kind}
	for n := len(body); ; {
		low := byte(n & 0x7f)
		if n >>= 7; n > 0 {
			all = append(all, low|0x80)
			continue
		}
		all = append(all, low)
		return append(all, body...)
	}
}

// say sends bytes; that the broker does not take all of them is no error.
func (p *peer) say(b []byte) {
	p.Helper()
	_ = p.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_, _ = p.Write(b)
}

// hear returns the next packet, or an error when the broker has hung up.
func (p *peer) hear() (kind byte, body []byte, err error) {
	p.Helper()
	_ = p.SetReadDeadline(time.Now().Add(time.Minute))
	if kind, err = p.from.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(p.from)
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, n)
	_, err = io.ReadFull(p.from, body)
	return kind, body, err
}

// expect wants a certain packet.
func (p *peer) expect(kind byte, body ...byte) {
	p.Helper()
	gotKind, got, err := p.hear()
	if err != nil || gotKind != kind || !slices.Equal(got, body) {
		p.Fatalf("got %#x %q, %v; want %#x %q", gotKind, got, err, kind, body)
	}
}

// message wants a message.
func (p *peer) message(topic, payload string) {
	p.Helper()
	p.expect(tPublish, append(text(topic), payload...)...)
}

// closed wants the broker to hang up.
func (p *peer) closed() {
	p.Helper()
	if kind, body, err := p.hear(); !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		p.Errorf("got %#x %q, %v; want the end", kind, body, err)
	}
}

// connectPacket is a CONNECT of MQTT 3.1.1 for a client ID, with a clean session.
func connectPacket(id, password string, keepAlive uint16) []byte {
	return packet(tConnect, text("MQTT"), []byte{4, 0xc2}, binary.BigEndian.AppendUint16(nil, keepAlive),
		text(id), text(id), text(password))
}

func (p *peer) connect(id string) *peer {
	p.Helper()
	p.say(connectPacket(id, "secret", 60))
	p.expect(tConnack, 0, 0)
	return p
}

// subscribe asks for filters, each with QoS 2, and returns what is granted.
func (p *peer) subscribe(filters ...string) []byte {
	p.Helper()
	var body []byte
	for _, f := range filters {
		body = append(append(body, text(f)...), 2)
	}
	p.say(packet(tSubscribe, []byte{0, 9}, body))
	kind, got, err := p.hear()
	if err != nil || kind != tSuback || len(got) != 2+len(filters) {
		p.Fatalf("got %#x %q, %v; want a SUBACK", kind, got, err)
	}
	return got[2:]
}

// ping makes sure that everything before it was taken care of.
func (p *peer) ping() {
	p.Helper()
	p.say(packet(tPingreq))
	p.expect(tPingresp)
}
