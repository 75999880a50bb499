package mqtt_test

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/fernpost/fernpost/internal/mqtt"
)

// FuzzBroker sends bytes to a broker, before or after a CONNECT. Whatever they are, the connection ends, little memory was
// asked for, nobody else got anything, and the next client is served.
func FuzzBroker(f *testing.F) {
	publish := packet(tPublish|2<<1|1, text("open/1"), []byte{0, 1}, []byte("x"))
	subscribe := packet(tSubscribe, []byte{0, 1}, text("open/+"), []byte{1})
	for _, x := range [][]byte{
		connectPacket("a", "secret", 60),
		packet(tConnect, text("MQTT"), []byte{4, 0xee, 0, 60}, text("a"), text("open/1"), text("w"), text("a"), text("secret")),
		packet(tConnect, text("MQTT"), []byte{5, 0xc2, 0, 60, 0}, text("a"), text("a"), text("secret")),
		publish, subscribe, bytes.Repeat(publish, 3), append(subscribe, publish...),
		packet(tUnsubscribe, []byte{0, 1}, text("open/+")), packet(tPubrel, []byte{0, 1}),
		{tPublish, 0xff, 0xff, 0xff, 0x7f},
		{tSubscribe, 3, 0, 1, 0},
		{0xf0, 0},
		packet(0xe0),
	} {
		f.Add(true, x)
		f.Add(false, x)
	}
	d := &door{}
	b := serve(f, d, mqtt.Limits{})
	witness := dial(f, b).connect("witness")
	witness.subscribe("open/1")
	f.Fuzz(func(t *testing.T, connected bool, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if connected {
			data = append(connectPacket("a", "secret", 60), data...)
		}
		client, server := net.Pipe()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			b.ServeConn(server, "192.0.2.7:1234")
		}()
		go func() { _, _ = io.Copy(io.Discard, client) }()
		_, _ = client.Write(data) // it may have hung up before the end
		_ = client.Close()
		<-ended
		runtime.ReadMemStats(&after)
		if more := after.TotalAlloc - before.TotalAlloc; more > 8<<20+64*uint64(len(data)) {
			t.Errorf("%d bytes of input took %d bytes", len(data), more)
		}
		witness.TB = t
		b.Publish("open/1", []byte("true"))
		witness.message("open/1", "true")
		if n := d.open(); n != 1 {
			t.Errorf("%d subscriptions are left", n)
		}
		d.mu.Lock()
		d.published = nil
		d.mu.Unlock()
	})
}
