package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/mqtt"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// byMQTT is a client of a channel that listens by MQTT as a device.
func byMQTT(t *testing.T, s *relaytest.Server, id int64, device mqtt.Credentials, open func() (net.Conn, error)) *remote.Client {
	t.Helper()
	return clientOver(t, s.Transport(t), func(o *remote.Options) {
		o.BaseURL, o.Channel = s.URL, id
		o.MQTT = remote.MQTT{
			URL: "mqtt://relay.test", ClientID: device.ClientID, Username: device.Username,
			Password: remote.Secret(device.Password), Open: open,
		}
	})
}

// Entries come when they are written, with the fields that hold something. A restarted broker is worth another try, and one that
// refuses the device, or the channel, is not; it says which.
func TestMQTTHandsOnEntries(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, c *remote.Client) {
		b := s.Broker(t)
		device := s.Device(t, relay.Right{Channel: ch.ID, Subscribe: true})
		heard, ended := make(chan remote.Heard), make(chan error, 1)
		listener := byMQTT(t, s, ch.ID, device, b.Open)
		go func() {
			ended <- listener.MQTT().Listen(t.Context(), 7, func(h remote.Heard) error {
				heard <- h
				return nil
			})
		}()
		if h := <-heard; h != (remote.Heard{}) {
			t.Errorf("first it hands on %+v", h)
		}
		synctest.Wait()
		for n := range int64(3) {
			text := fmt.Sprint("text ", n)
			if id, err := c.Update(t.Context(), thingspeak.Fields{2: thingspeak.Text(text)}); err != nil || id != n+1 {
				t.Fatalf("Update = %d, %v", id, err)
			}
			h := <-heard
			for h == (remote.Heard{}) {
				h = <-heard
			}
			if e := h.Entry; e == nil || e.ID != n+1 || e.Channel != ch.ID || e.Fields != 1<<2 || e.Entry.Fields[2].Text != text {
				t.Errorf("heard %+v", h)
			}
		}
		b.Restart(t)
		for err := error(nil); err == nil; {
			select {
			case <-heard:
			case err = <-ended:
				if errors.Is(err, remote.ErrNotOffered) {
					t.Errorf("a broker that is restarted: %v", err)
				}
			}
		}

		device.Password += "x"
		other := s.Device(t, relay.Right{Channel: ch.ID, Publish: true})
		for device, want := range map[mqtt.Credentials]string{device: "password of the device is refused", other: "may not subscribe to channel"} {
			err := byMQTT(t, s, ch.ID, device, b.Open).TryMQTT(t.Context())
			if !errors.Is(err, remote.ErrNotOffered) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), device.Password) {
				t.Errorf("a refusal is %v, want %q", err, want)
			}
		}
		cut := func() (net.Conn, error) { return nil, errCut }
		if err := byMQTT(t, s, ch.ID, device, cut).TryMQTT(t.Context()); err == nil || errors.Is(err, remote.ErrNotOffered) {
			t.Errorf("a broker that cannot be reached: %v", err)
		}
	})
}

// A quiet broker that answers when it is asked whether it is there is kept. One that has fallen silent is given up within 45
// seconds.
func TestMQTTIsAliveWhileTheBrokerAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, _ *remote.Client) {
		b := s.Broker(t)
		var off atomic.Bool
		open := func() (net.Conn, error) {
			conn, err := b.Open()
			return muted{conn, &off}, err
		}
		c := byMQTT(t, s, ch.ID, s.Device(t, relay.Right{Channel: ch.ID, Subscribe: true}), open)
		a := follows(c.MQTT())
		defer a.Close()
		if a.until(t, 30*time.Minute); a.Watch.Via != exchange.MQTT || b.Opened() != 1 {
			t.Fatalf("after half an hour entries come by %v, connected %d times", a.Watch.Via, b.Opened())
		}
		if n := len(a.reads); n < 59 || n > 62 {
			t.Errorf("beside it the channel was read %d times within half an hour", n)
		}
		off.Store(true)
		if a.until(t, 46*time.Second); a.Watch.Via != exchange.Polling && b.Opened() == 1 {
			t.Errorf("after 46 seconds of silence entries come by %v", a.Watch.Via)
		}
	})
}

// muted is a connection over which nothing comes any more once it is off.
type muted struct {
	net.Conn

	off *atomic.Bool
}

func (m muted) Read(p []byte) (int, error) {
	for {
		n, err := m.Conn.Read(p)
		if err != nil || !m.off.Load() {
			return n, err
		}
	}
}

// Whoever takes what is pushed may be slow: the line lives on meanwhile, and the channel is read for what had no room.
func TestMQTTOutlivesAReaderThatIsSlow(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, c *remote.Client) {
		b := s.Broker(t)
		listener := byMQTT(t, s, ch.ID, s.Device(t, relay.Right{Channel: ch.ID, Subscribe: true}), b.Open)
		a := follows(listener.MQTT())
		defer a.Close()
		a.until(t, time.Minute)
		for range 500 {
			if _, err := c.Update(t.Context(), oneField("text")); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Minute) // a reading that takes long
		a.reads = nil
		a.until(t, 10*time.Second)
		if b.Opened() != 1 || a.Watch.Via != exchange.MQTT {
			t.Errorf("it connected %d times, and entries come by %v", b.Opened(), a.Watch.Via)
		}
		if len(a.took) >= 500 || len(a.reads) == 0 {
			t.Errorf("%d entries came, and the channel was read %d times", len(a.took), len(a.reads))
		}
	}, relaytest.OnDisk()) // in memory, whoever announces many entries would hold up whoever writes
}

// What is said to be the address of a broker is checked before it is kept, and no error repeats it.
func TestMQTTAddress(t *testing.T) {
	for address, good := range map[string]bool{
		"": true, "mqtt://127.0.0.1:1883": true, "mqtts://mqtt3.thingspeak.com": true, "wss://[::1]": true, "ws://h:80/relay/mqtt": true,
		"https://secret.test": false, "secret.test:1883": false, "mqtt://u:secret@h": false, "mqtts://h/?secret": false,
		"mqtt://h/secret": false, "mqtt://": false, "wss://h#secret": false,
	} {
		_, err := remote.New(remote.Options{BaseURL: "http://h", MQTT: remote.MQTT{URL: address}})
		if _, is := errors.AsType[*remote.AddressError](err); is == good || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// A broker that takes the connection and says nothing does not hold up who ends, or wait for ever.
func TestMQTTGivesUpABrokerThatSaysNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, _ *remote.Client) {
		open := func() (net.Conn, error) {
			ours, theirs := net.Pipe()
			t.Cleanup(func() { _ = theirs.Close() })
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			return ours, nil
		}
		c := byMQTT(t, s, ch.ID, mqtt.Credentials{ClientID: "a", Username: "a", Password: "b"}, open)
		began := time.Now()
		if err := c.TryMQTT(t.Context()); err == nil || errors.Is(err, remote.ErrNotOffered) || time.Since(began) > 20*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if err := c.TryMQTT(ctx); err == nil || time.Since(began) > 2*time.Second {
			t.Errorf("ended after %v: %v", time.Since(began), err)
		}
	})
}
