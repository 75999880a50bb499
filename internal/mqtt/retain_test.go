package mqtt_test

import (
	"context"
	"net"
	"testing"

	"github.com/fernpost/fernpost/internal/mqtt"
)

// TestRetain: whoever subscribes later gets the newest message of a topic that is to be kept, and nothing that a client, or its Will,
// wants kept; an empty message leaves nothing.
func TestRetain(t *testing.T) {
	b := serve(t, &door{}, mqtt.Limits{})
	b.Retain("open/1", []byte("old"))
	b.Retain("open/1", []byte("new"))
	b.Retain("open/2", []byte("gone"))
	b.Retain("open/2", nil)
	b.Publish("open/3", []byte("passing"))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = b.Serve(listener) }() // it ends with the listener
	t.Cleanup(func() { _ = listener.Close() })
	dial := func(id string) *mqtt.Client {
		t.Helper()
		c, err := mqtt.Dial(t.Context(), "mqtt://"+listener.Addr().String(), mqtt.Credentials{ClientID: id, Username: "a", Password: "secret"},
			mqtt.DialOptions{Will: mqtt.Message{Topic: "open/4", Payload: []byte("will")}})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	writer := dial("writer")
	if err := writer.Retain(t.Context(), "open/1", []byte("forged")); err != nil {
		t.Error(err)
	}
	if err := writer.Retain(t.Context(), "open/1", nil); err != nil {
		t.Error(err)
	}
	writer.Close()
	reader := dial("reader")
	defer reader.Close()
	got := make(chan mqtt.Message, 10)
	if err := reader.Subscribe(t.Context(), "open/+", func(m mqtt.Message) { got <- m }); err != nil {
		t.Fatal(err)
	}
	if m := <-got; m.Topic != "open/1" || string(m.Payload) != "new" || !m.Retained {
		t.Errorf("kept is %+v", m)
	}
	b.Retain("open/1", []byte("newer"))
	if m := <-got; string(m.Payload) != "newer" || m.Retained {
		t.Errorf("what comes next is %+v", m)
	}
}

// namingDoor tells by which ID a client is known.
type namingDoor struct {
	*door
	ids chan string
}

func (d namingDoor) Connect(ctx context.Context, c mqtt.Credentials) (mqtt.Session, error) {
	d.ids <- c.ClientID
	return d.door.Connect(ctx, c)
}

// TestNoClientID: a client without an ID gets one, by which it can be put out.
func TestNoClientID(t *testing.T) {
	d := namingDoor{&door{}, make(chan string, 1)}
	b := mqtt.NewBroker(d, mqtt.Limits{}, nil)
	defer func() {
		if err := b.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	p := dial(t, b).connect("")
	b.Disconnect(<-d.ids, d.door)
	p.closed()
}
