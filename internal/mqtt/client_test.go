package mqtt_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/mqtt"
)

// TestClient: our own client and the broker, over TCP and over WebSocket.
func TestClient(t *testing.T) {
	d := &door{}
	b := serve(t, d, mqtt.Limits{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = b.Serve(listener) }() // it ends with the listener
	t.Cleanup(func() { _ = listener.Close() })
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.ServeWebSocket(w, r, mqtt.Origin{Remote: r.RemoteAddr})
	}))
	t.Cleanup(web.Close)
	for name, url := range map[string]string{
		"tcp": "mqtt://" + listener.Addr().String(), "websocket": "ws" + strings.TrimPrefix(web.URL, "http") + "/mqtt",
	} {
		t.Run(name, func(t *testing.T) {
			c := mqtt.Credentials{ClientID: "a", Username: "a", Password: "wrong"}
			if _, err := mqtt.Dial(t.Context(), url, c, mqtt.DialOptions{}); !errors.Is(err, mqtt.ErrCredentials) {
				t.Errorf("with a wrong password: %v", err)
			}
			c.Password = "secret"
			client, err := mqtt.Dial(t.Context(), url, c, mqtt.DialOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if err := client.Subscribe(t.Context(), "shut/1", func(mqtt.Message) {}); !errors.Is(err, mqtt.ErrNotGranted) {
				t.Errorf("a refused subscription: %v", err)
			}
			got := make(chan mqtt.Message, 10)
			if err := client.Subscribe(t.Context(), "open/1", func(m mqtt.Message) { got <- m }); err != nil {
				t.Fatal(err)
			}
			for qos := range byte(3) {
				if err := client.Publish(t.Context(), "open/1", []byte("forged"), qos); err != nil {
					t.Error(err)
				}
			}
			long := strings.Repeat("long", 4000)
			b.Publish("open/1", []byte(long))
			if m := <-got; m.Topic != "open/1" || string(m.Payload) != long {
				t.Errorf("got %+v", m)
			}
			if err := client.Unsubscribe(t.Context(), "open/1"); err != nil {
				t.Error(err)
			}
			b.Disconnect("a", d)
			<-client.Lost()
		})
	}
}

// TestDialSaysWhy: where no broker is, the library's words and those of the standard library reached the user: "network Error
// : dial tcp 127.0.0.1:1: connect: connection refused", and "%!w(<nil>)" where something else answers.
func TestDialSaysWhy(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	go func() {
		if c, err := other.Accept(); err == nil {
			_, _ = c.Read(make([]byte, 100))
			_ = c.Close()
		}
	}()
	for address, want := range map[string]string{
		"mqtt://" + closed.Addr().String():        "nothing answers there: connection refused",
		"mqtts://" + web.Listener.Addr().String(): "what answers there does not speak TLS",
		"mqtt://" + other.Addr().String():         "what answers there ends the connection: is it an MQTT broker?",
		"mqtt://[::secret":                        "the broker's address cannot be read",
	} {
		_, err := mqtt.Dial(t.Context(), address, mqtt.Credentials{ClientID: "a"}, mqtt.DialOptions{})
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
	}
}
