package relaytest

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/fernpost/fernpost/internal/mqtt"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/mqttapi"
)

// Broker is a Server's MQTT door, reached over pipes in memory.
type Broker struct {
	relay *relay.Relay

	serving sync.WaitGroup
	mu      sync.Mutex // guards what follows
	door    *mqttapi.Door
	conns   []net.Conn // of the clients
	opened  int
}

// Broker opens the MQTT door until the test ends.
func (s *Server) Broker(t testing.TB) *Broker {
	b := &Broker{relay: s.Relay, door: mqttapi.New(s.Relay, mqttapi.Options{})}
	t.Cleanup(func() {
		b.Cut()
		if err := b.door.Shutdown(context.Background()); err != nil {
			t.Errorf("stopping the broker: %v", err)
		}
		b.serving.Wait()
	})
	return b
}

// Device makes a device that has these rights.
func (s *Server) Device(t testing.TB, rights ...relay.Right) mqtt.Credentials {
	t.Helper()
	d, password := relay.NewDevice()
	for _, r := range rights {
		if err := d.Allow(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Store.CreateDevice(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	return mqtt.Credentials{ClientID: d.ID, Username: d.ID, Password: password}
}

// Open connects a client.
func (b *Broker) Open() (net.Conn, error) {
	client, server := net.Pipe()
	b.mu.Lock()
	defer b.mu.Unlock()
	door := b.door
	b.opened++
	b.conns = append(b.conns, client)
	b.serving.Go(func() { door.ServeConn(server, "192.0.2.7:1234") })
	return client, nil
}

// Opened returns how often a client has connected.
func (b *Broker) Opened() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opened
}

// Cut cuts the connections of all clients, as a network does.
func (b *Broker) Cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		_ = c.Close() // it may have gone
	}
	b.conns = nil
}

// Restart ends the broker, and opens it anew.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.door.Shutdown(t.Context()); err != nil {
		t.Errorf("stopping the broker: %v", err)
	}
	b.conns, b.door = nil, mqttapi.New(b.relay, mqttapi.Options{})
}
