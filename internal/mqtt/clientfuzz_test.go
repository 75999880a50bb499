package mqtt_test

import (
	"context"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/mqtt"
)

// FuzzClient answers a client with any bytes, from the beginning or when it has connected and subscribed. It ends, without having
// taken much memory, and hands on nothing but messages of the topic that it has asked for.
func FuzzClient(f *testing.F) {
	message := packet(tPublish, text("open/1"), []byte("x"))
	for _, x := range [][]byte{
		packet(tConnack, []byte{0, 0}), packet(tConnack, []byte{0, 5}), packet(tConnack, []byte{0, 252}),
		packet(tSuback, []byte{0, 1, 0x80}),
		packet(tSuback, []byte{0, 1, 0, 0, 0, 0}), // for more than was asked for
		packet(tUnsuback, []byte{0, 1}), packet(tUnsuback, []byte{0, 9}),
		message, append(message, message...),
		packet(tPublish|2<<1, text("open/1"), []byte{0, 1}, []byte("x")), // QoS 2
		{tPublish, 0xff, 0xff, 0xff, 0x7f},
		{tPublish, 0xff, 0xff, 0xff, 0xff, 0x7f},
		{tPublish, 1, 0},
		{0xd0, 0},
		{0xf0, 0},
	} {
		f.Add(true, x)
		f.Add(false, x)
	}
	f.Fuzz(func(t *testing.T, connected bool, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		ours, theirs := net.Pipe()
		go func() {
			if packets := make([]byte, 1<<10); connected {
				for _, answer := range [][]byte{packet(tConnack, []byte{0, 0}), packet(tSuback, []byte{0, 1, 0})} {
					_, _ = theirs.Read(packets)
					_, _ = theirs.Write(answer)
				}
			}
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			_, _ = theirs.Write(data) // it may have hung up before the end
			_ = theirs.Close()
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		client, err := mqtt.Dial(ctx, "mqtt://relay:1883", mqtt.Credentials{ClientID: "a"}, mqtt.DialOptions{
			Open: func() (net.Conn, error) { return ours, nil }, Timeout: time.Minute,
		})
		if err == nil {
			_ = client.Subscribe(ctx, "open/1", func(m mqtt.Message) { // it may be cut first
				if m.Topic != "open/1" {
					t.Errorf("it was given %q", m.Topic)
				}
			})
			<-client.Lost()
			client.Close()
		}
		runtime.ReadMemStats(&after)
		if more := after.TotalAlloc - before.TotalAlloc; more > 8<<20+64*uint64(len(data)) {
			t.Errorf("%d bytes of input took %d bytes", len(data), more)
		}
	})
}

// TestAnswerOfUnknownCodeIsNoConnection: a broker that refuses with a code that MQTT does not know counted as connected, and
// whatever came next waited for 30 seconds.
func TestAnswerOfUnknownCodeIsNoConnection(t *testing.T) {
	for code := 1; code < 256; code++ {
		ours, theirs := net.Pipe()
		go func() {
			_, _ = theirs.Read(make([]byte, 1<<10))
			_, _ = theirs.Write(packet(tConnack, []byte{0, byte(code)}))
			_, _ = io.Copy(io.Discard, theirs)
		}()
		_, err := mqtt.Dial(t.Context(), "mqtt://relay:1883", mqtt.Credentials{ClientID: "a"}, mqtt.DialOptions{
			Open: func() (net.Conn, error) { return ours, nil }, Timeout: time.Minute,
		})
		if err == nil {
			t.Errorf("code %d counts as a connection", code)
		}
		_ = theirs.Close()
	}
}
